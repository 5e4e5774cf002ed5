//! Erasing a user, for administrators: nothing is left of the name but a hash in the record.

use std::{sync::Arc, time::Duration};

use super::{actor::Actor, delete_room};
use crate::{
    engine::{parts::Parts, state::rooms::LiveRoom},
    model::{EntryBody, LeftWhy, Member, Role, RoomId, UserId},
    wire::Error,
};

/// The time that the sessions of the user may take to end on all nodes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The interval between two looks at whether they have.
const AGAIN: Duration = Duration::from_millis(100);

/// The number of rooms that are read at once.
const PAGE: usize = 200;

/// The number of times that all rooms are looked through: what was on its way at first is found later.
const ROUNDS: usize = 3;

/// Carries out [`ChatEngine::erase`](crate::ChatEngine::erase).
pub(crate) async fn erase(parts: &Arc<Parts>, user: &UserId) -> Result<(), Error> {
    let name = UserId::new(format!("erased-{}", parts.ids.next().simple()))?;
    let system = Actor::system(parts)?;
    until_offline(parts, user).await;
    for _ in 0..ROUNDS {
        if !erase_in_rooms(&system, user, &name).await? {
            break;
        }
    }
    parts.store.erase_user(user, &name).await?;
    parts.cache.forget_user(user).await?;
    Ok(())
}

/// Waits until no session of the user is left; the decision to erase has ended them.
async fn until_offline(parts: &Parts, user: &UserId) {
    let begun = parts.clock.monotonic();
    let is_online = async || {
        let presence = parts.cache.presence(std::slice::from_ref(user)).await;
        let online = presence.is_ok_and(|found| found.iter().any(|it| it.online));
        online || parts.hub.has(user)
    };
    while is_online().await && parts.clock.monotonic().saturating_sub(begun) < PATIENCE {
        tokio::time::sleep(AGAIN).await;
    }
}

/// Erases the user in all rooms that hold something of them; `false` if there was none.
async fn erase_in_rooms(system: &Actor, user: &UserId, name: &UserId) -> Result<bool, Error> {
    let Parts {
        store, directory, ..
    } = &*system.parts;
    let (mut last, mut any): (Option<RoomId>, _) = (None, false);
    loop {
        let page = store.rooms_about(user, last.as_ref(), PAGE).await?;
        for id in &page {
            if let Some(room) = directory.room(id).await? {
                any = true;
                if room.id.pair().is_some() {
                    delete_room::delete(&system.parts, &room).await?;
                } else {
                    erase_in_group(system, &room, user, name).await?;
                }
            }
        }
        last = page.last().cloned();
        if page.len() < PAGE {
            return Ok(any);
        }
    }
}

async fn erase_in_group(
    system: &Actor,
    room: &Arc<LiveRoom>,
    user: &UserId,
    name: &UserId,
) -> Result<(), Error> {
    let Parts { store, cache, .. } = &*system.parts;
    let append = |body| system.append(Arc::clone(room), body, None, None);
    if let Some(member) = store.member(&room.id, user).await? {
        if let Some(heir) = heir(system, &room.id, &member).await? {
            let role = Role::Owner;
            append(EntryBody::Role { user: heir, role }).await?;
        }
        let (user, why) = (user.clone(), LeftWhy::Removed);
        append(EntryBody::Left { user, why }).await?;
    }
    store.erase_in(&room.id, user, name).await?;
    // It changes what others say, so no window of any node that shows what is gone outlives it.
    append(EntryBody::Deleted).await?;
    cache.forget_room(&room.id).await?;
    Ok(())
}

/// The owner of a room after its last owner: of the highest role, the one who has been there for longest.
/// `None` for a room that has another owner, or nobody else.
async fn heir(system: &Actor, room: &RoomId, owner: &Member) -> Result<Option<UserId>, Error> {
    if owner.role != Role::Owner {
        return Ok(None);
    }
    let mut members = system.parts.directory.members(room).await?;
    members.retain(|member| member.user != owner.user);
    if members.iter().any(|member| member.role == Role::Owner) {
        return Ok(None);
    }
    let order = |member: &Member| (std::cmp::Reverse(member.role), member.joined_seq);
    let heir = members.into_iter().min_by_key(order);
    Ok(heir.map(|heir| heir.user))
}
