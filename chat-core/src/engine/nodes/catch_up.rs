//! Making up for hints that were lost, by comparing what this node has sent with what the store has.

use crate::{
    engine::{
        deliver::{news::News, notify},
        log::lagging::CatchUps,
        read::directory::{Directory, RoomsOf},
        state::rooms::LARGE_ABOVE,
    },
    model::{UserId, Watermarks},
    port::BackendError,
};

/// Compares what was published here with the heads in the store, for all rooms of the users of this node,
/// and has rooms that lag behind caught up.
pub(crate) async fn on_entries(
    directory: &Directory,
    catch_ups: &CatchUps,
) -> Result<(), BackendError> {
    const USERS: usize = 500;
    let (store, hub) = (&directory.store, &directory.hub);
    // A room whose last member here was removed on another node is in no user's list any more.
    let mut unlisted = directory.rooms.groups_with(|member| hub.has(member));
    for users in hub.users().chunks(USERS) {
        let mut pages = RoomsOf::new(&**store, users);
        while let Some(rooms) = pages.next().await? {
            for room in rooms {
                unlisted.remove(&room.id);
                let live = directory.take_into_use(&room).await?;
                if live.published() < room.head {
                    catch_ups.catch_up(live, room.head).await;
                }
            }
        }
    }
    for (id, live) in unlisted {
        match store.room(&id).await? {
            Some(room) if room.epoch == live.epoch => {
                if live.published() < room.head {
                    catch_ups.catch_up(live, room.head).await;
                }
            }
            _ => directory.delete_if_gone(&live).await?,
        }
    }
    Ok(())
}

/// Sends the receipts that may have been missed, for entries that were sent to sessions of this node.
pub(crate) async fn on_receipts(directory: &Directory, news: &News) -> Result<(), BackendError> {
    let hub = &directory.hub;
    for room in directory.rooms.all() {
        if room.published() == room.since
            || room.is_large()
            || !room.has_member(|user| hub.has(user))
        {
            continue;
        }
        let members = room.members(LARGE_ABOVE).into_iter();
        let all = members.map(|user| {
            let announced = room.announced_of(&user);
            (user, announced)
        });
        let behind = all.filter(|(_, announced)| announced.read < room.published());
        let (behind, announced): (Vec<UserId>, Vec<Watermarks>) = behind.unzip();
        let now = directory.store.watermarks(&room.id, &behind).await?;
        for ((user, was), now) in behind.iter().zip(announced).zip(now) {
            if now.is_ahead_of(was) {
                let quiet = directory.blocks.quiet(&room, user).await?;
                notify::receipt(hub, &room, user, was.meet(now), now, &quiet);
                if was.read < now.read {
                    news.read(&room.id, user, None);
                }
            }
        }
    }
    Ok(())
}
