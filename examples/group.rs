//! A group: made, filled, led and left, all inside one process.
//!
//!     cargo run -p examples --example group
//!
//! It prints what the members see, and ends.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use chat_core::{
    ChatEngine, EntryBody, Event, InboxFilter, LocalSession, Role, RoomId, RoomKind, RoomName,
    UserId, command::Create,
};

/// Prints what a member is sent of a room, up to and including the entry with this text.
async fn watch(session: &LocalSession, room: &RoomId, last: &str) {
    while let Some(event) = session.next_event().await {
        let Event::Entry(entry) = event else {
            continue;
        };
        if entry.room != *room {
            continue;
        }
        let author = &entry.author;
        match &entry.body {
            EntryBody::Message { text, .. } => {
                println!("  {author}: {text}");
                if &**text == last {
                    return;
                }
            }
            EntryBody::Joined { user, role } => {
                println!("  {author} added {user} as {}", role.name());
            }
            EntryBody::Role { user, role } => println!("  {author} made {user} {}", role.name()),
            EntryBody::Left { user, .. } => println!("  {user} is gone"),
            EntryBody::Room(change) => println!("  {author} changed the room: {change:?}"),
            _ => {}
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [alice, bob, carol] = [
        UserId::new("alice")?,
        UserId::new("bob")?,
        UserId::new("carol")?,
    ];
    let engine = ChatEngine::builder().build()?;
    let owner = engine.actor(alice);
    let phone = engine.connect(bob.clone()).await?;

    // Alice makes a group; it is hers.
    let team = Create {
        kind: RoomKind::Group,
        name: RoomName::new("Team")?,
        ..Create::group(vec![bob.clone()])
    };
    let room = owner.create(team).await?.room.id;
    owner.send(&room, "welcome").await?;

    // She invites one more user; whoever has the token comes in by it.
    let invite = owner.invite(&room, Some(1), None, None).await?;
    let guest = engine.actor(carol.clone());
    guest.accept(&invite.token).await?;
    guest.send(&room, "hello").await?;

    // Bob keeps order from now on, and removes carol.
    owner.set_role(&room, bob.clone(), Role::Moderator).await?;
    phone.remove_member(&room, carol).await?;
    assert!(guest.send(&room, "still here?").await.is_err());
    owner.send(&room, "goodbye").await?;

    println!("bob sees:");
    watch(&phone, &room, "goodbye").await;
    let inbox = phone.inbox(InboxFilter::Unread, None, None).await?;
    for item in &inbox.rooms {
        println!(
            "{}: {} unread",
            item.room.details.name.as_str(),
            item.unread
        );
    }
    assert_eq!(inbox.rooms.len(), 1);
    Ok(())
}
