//! Notifying the devices of this node of what is no entry of a log: receipts, typing, presence and
//! announcements.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::hub::Hub;
use crate::{
    engine::state::rooms::LiveRoom,
    model::{Announcement, Presence, UserId, Watermarks},
    wire::{Event, Frame},
};

/// Sends the members of a room, but those in `quiet`, how far one of them has received and read; in a
/// [large](LiveRoom::is_large) room only that member's own devices.
///
/// The watermarks that members see never go back: of two receipts that were stored one after the other,
/// the second may get here first.
pub(crate) fn receipt(
    hub: &Hub,
    room: &LiveRoom,
    user: &UserId,
    was: Watermarks,
    now: Watermarks,
    quiet: &HashSet<UserId>,
) {
    let mut announced = room.announced();
    let last = announced.entry(user.clone()).or_default();
    let now = now.join(*last);
    *last = now;
    let frame = Frame::from(Event::Receipt {
        room: room.id.clone(),
        user: user.clone(),
        was,
        now,
    });
    if room.is_large() {
        hub.each(user, |device| device.send(frame.clone()));
        return;
    }
    room.each_member(|member| {
        if !quiet.contains(member) {
            hub.each(member, |device| device.send(frame.clone()));
        }
    });
}

/// Sends the other members of a room, but those in `quiet`, that one of them is typing, or has stopped.
pub(crate) fn typing(
    hub: &Hub,
    room: &LiveRoom,
    user: &UserId,
    active: bool,
    quiet: &HashSet<UserId>,
) {
    let frame = Frame::from(Event::Typing {
        room: room.id.clone(),
        user: user.clone(),
        active,
    });
    room.each_member(|member| {
        if member != user && !quiet.contains(member) {
            hub.each(member, |device| device.send(frame.clone()));
        }
    });
}

/// Sends everybody who is connected the text of an announcement.
pub(crate) fn announcement(hub: &Hub, text: Announcement, at: DateTime<Utc>) {
    let frame = Frame::from(Event::Announcement { text, at });
    for device in hub.devices() {
        device.send(frame.clone());
    }
}

/// Sends these users how another user is.
pub(crate) fn presence<'a>(
    hub: &Hub,
    listeners: impl IntoIterator<Item = &'a UserId>,
    presence: Presence,
) {
    let frame = Frame::from(Event::Presence(presence));
    for listener in listeners {
        hub.each(listener, |device| device.send(frame.clone()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::{
        engine::{
            deliver::{
                device::{Device, SessionOrigin, SessionView},
                outbox::{Outbox, OutboxLimits},
            },
            state::rooms::Rooms,
        },
        model::{Details, Epoch, NewRoom, Principal, RoomId, RoomKind, Seq, SessionId},
        wire::Outgoing,
    };

    #[tokio::test]
    async fn watermarks_as_members_see_them_never_go_back() {
        let (alice, bob) = (UserId::new("alice").unwrap(), UserId::new("bob").unwrap());
        let hub = Hub::default();
        let outbox = Outbox::new(OutboxLimits::default());
        let watching = SessionView {
            id: SessionId(Uuid::nil()),
            user: alice.clone(),
            origin: SessionOrigin::default(),
            since: DateTime::UNIX_EPOCH,
        };
        let login = Arc::new(Principal::trusted(alice.clone()));
        let watching = Device::new(watching, login, Arc::clone(&outbox) as _);
        hub.add(Arc::new(watching), 1, None, || Ok(())).unwrap();
        let room = NewRoom {
            id: RoomId::direct(&alice, &bob).unwrap(),
            kind: RoomKind::Direct,
            epoch: Epoch(Uuid::nil()),
            members: vec![alice, bob.clone()],
            created_by: None,
            details: Details::default(),
            created_at: DateTime::UNIX_EPOCH,
        };
        let members = room.first_members();
        let room = Rooms::default().insert(&room.made(), Seq(6), &members, |_| true);
        let at = |seq| Watermarks {
            delivered: Seq(seq),
            read: Seq(seq),
        };
        // Two of bob's devices; the receipt that was stored second is sent first.
        let quiet = HashSet::new();
        receipt(&hub, &room, &bob, at(5), at(6), &quiet);
        receipt(&hub, &room, &bob, at(0), at(5), &quiet);
        let mut frames = Vec::new();
        outbox.recv_many(&mut frames, 9).await;
        let seen: Vec<_> = frames
            .iter()
            .map(|frame| match frame.outgoing() {
                Outgoing::Event(Event::Receipt { was, now, .. }) => (*was, *now),
                other => panic!("{other:?}"),
            })
            .collect();
        // Nothing between the first and the last is left out either.
        assert_eq!(seen, [(at(5), at(6)), (at(0), at(6))]);
    }
}
