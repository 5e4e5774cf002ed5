//! A support desk: each customer has a group with the agents on duty, and the application's own data says
//! what it is about.
//!
//!     cargo run -p examples --example support_desk
//!
//! It opens a case, hands it over, closes it, and ends.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use chat_core::{
    ChatEngine, Data, EntryBody, Page, Role, RoomChange, RoomId, RoomName, UserId, command::Create,
};
use serde_json::json;

/// Opens the case of a customer about an order. The id of the room is the number of the case, so that opening
/// it twice is opening it once.
async fn open(
    engine: &ChatEngine,
    number: u32,
    customer: UserId,
    desk: UserId,
) -> Result<RoomId, Box<dyn std::error::Error>> {
    let room = RoomId::group(format!("case-{number}"))?;
    let case = Create {
        name: RoomName::new(format!("Case {number}"))?,
        data: serde_json::from_value::<Data>(json!({ "order": number, "state": "open" }))?,
        ..Create::group(vec![customer])
    };
    engine.create_room(room.clone(), desk, case).await?;
    Ok(room)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = ChatEngine::builder().build()?;
    let (desk, customer) = (UserId::new("desk")?, UserId::new("zoe")?);
    let room = open(&engine, 17, customer.clone(), desk.clone()).await?;
    assert_eq!(
        open(&engine, 17, customer.clone(), desk.clone()).await?,
        room
    );

    // The desk owns each case; agents come and go, and see what was said while they were there.
    let desk = engine.actor(desk);
    let zoe = engine.actor(customer);
    zoe.send(&room, "my parcel is lost").await?;
    let history =
        serde_json::from_value::<RoomChange>(json!({ "settings": { "history": "all" } }))?;
    desk.update(&room, history, None).await?;
    let agent = UserId::new("ann")?;
    desk.add_member_as(&room, agent.clone(), Role::Moderator)
        .await?;
    let ann = engine.actor(agent.clone());
    let page = ann.history(&room, Page::Newest, None).await?;
    for entry in &page.entries {
        if let EntryBody::Message { text, .. } = &entry.body {
            println!("{}: {text}", entry.author);
        }
    }
    ann.send(&room, "another one is on its way").await?;

    // Closed: the data says why, the room is read-only, and the agent is free.
    let closed = json!({ "data": { "order": 17, "state": "replaced" }, "archived": true });
    let view = desk
        .update(&room, serde_json::from_value(closed)?, None)
        .await?;
    println!("case 17: {}", view.room.details.data.as_object()["state"]);
    assert!(zoe.send(&room, "thank you").await.is_err());
    ann.leave(&room).await?;
    assert_eq!(zoe.view(&room).await?.room.members, 2);
    Ok(())
}
