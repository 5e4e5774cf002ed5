//! The directory: takes rooms into use, from the store, when somebody asks for them or hears of them.

use std::{collections::HashSet, sync::Arc};

use chrono::DateTime;

use super::blocks::Blocks;
use crate::{
    engine::{
        deliver::hub::Hub,
        state::{
            hints::Hints,
            rooms::{LiveRoom, Rooms, Seat, first_readable},
        },
    },
    model::{
        Effect, Entry, Member, NewRoom, Page, Role, Room, RoomId, Seq, Settings, UserId, Watermarks,
    },
    port::{BackendError, Created, Store},
    wire::{Event, Frame},
};

/// A user in a room: the membership, if there is one, and the room's settings.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct InRoom {
    pub(crate) seat: Option<Seat>,
    pub(crate) settings: Settings,
    pub(crate) archived: bool,
}

impl InRoom {
    /// One of the two users of a direct room.
    pub(crate) fn of_direct() -> Self {
        let seat = Seat {
            role: Role::Member,
            joined: Seq::ZERO,
        };
        Self {
            seat: Some(seat),
            ..Self::default()
        }
    }

    pub(crate) fn role(&self) -> Option<Role> {
        self.seat.map(|seat| seat.role)
    }

    /// The first entry that the user may read.
    pub(crate) fn first_readable(&self, room: &LiveRoom) -> Seq {
        self.seat.map_or(Seq::ZERO, |seat| {
            first_readable(room.kind, self.settings, seat)
        })
    }

    /// Those of these entries that the user may read, in ascending order, as the user sees them.
    ///
    /// The store may be ahead of what this node knows of the membership, so nothing stands after the entry by
    /// which the user has left.
    pub(crate) fn readable(
        &self,
        room: &LiveRoom,
        user: &UserId,
        entries: Vec<Arc<Entry>>,
    ) -> Vec<Arc<Entry>> {
        let first = self.first_readable(room);
        let joined = self.seat.map_or(Seq::ZERO, |seat| seat.joined);
        let leaves = |entry: &&Arc<Entry>| match entry.body.effect() {
            Effect::Dismiss { user: left } => entry.seq > joined && left == user,
            _ => false,
        };
        let last = entries.iter().find(leaves).map(|entry| entry.seq);
        let may_read =
            |entry: &Arc<Entry>| entry.seq >= first && last.is_none_or(|last| entry.seq <= last);
        let entries = entries.into_iter().filter(may_read);
        entries.map(|entry| entry.seen_from(first)).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) hints: Hints,
    pub(crate) rooms: Rooms,
    pub(crate) blocks: Blocks,
}

impl Directory {
    /// The room with this id, from the store if it is not in use.
    pub(crate) async fn room(&self, id: &RoomId) -> Result<Option<Arc<LiveRoom>>, BackendError> {
        if let Some(room) = self.rooms.get(id) {
            return Ok(Some(room));
        }
        let Some(room) = self.store.room(id).await? else {
            return Ok(None);
        };
        self.take_into_use(&room).await.map(Some)
    }

    /// Makes a room with these members; the room that has this id already stays as it is.
    pub(crate) async fn create(
        &self,
        new: NewRoom,
    ) -> Result<(Arc<LiveRoom>, Created), BackendError> {
        let members = new.first_members();
        let created = self.store.create_room(new).await?;
        let live = match &created {
            Created::New(room) => {
                let live = self.insert(room, room.head, &members);
                live.hidden.is_new();
                live
            }
            Created::Existing(room) => self.take_into_use(room).await?,
        };
        Ok((live, created))
    }

    /// Deletes a room in use, and sends its members here that it is closed to them. A room that was deleted by
    /// another node, and what has been added to its log by this one since, is deleted once more.
    ///
    /// Returns whether the store had it.
    pub(crate) async fn delete(&self, room: &LiveRoom) -> Result<bool, BackendError> {
        let deleted = self.store.delete_room(&room.id, room.epoch).await?;
        self.rooms.remove(&room.id);
        let frame = Frame::from(Event::Closed {
            room: room.id.clone(),
        });
        room.each_member(|member| {
            self.hub.each(member, |device| device.send(frame.clone()));
        });
        Ok(deleted)
    }

    /// Does the same if another node has deleted the room.
    pub(crate) async fn delete_if_gone(&self, room: &LiveRoom) -> Result<(), BackendError> {
        let stored = self.store.room(&room.id).await?;
        if stored.is_none_or(|stored| stored.epoch != room.epoch) {
            self.delete(room).await?;
        }
        Ok(())
    }

    /// Takes a room into use that somebody asks for, or that another node gave a hint of.
    pub(crate) async fn take_into_use(&self, room: &Room) -> Result<Arc<LiveRoom>, BackendError> {
        if let Some(room) = self.rooms.get(&room.id) {
            return Ok(room);
        }
        let published = self.first_position(room).await?;
        self.take_into_use_at(room, published).await
    }

    /// Takes a room into use whose entries up to `published` need not be sent to any session here.
    pub(crate) async fn take_into_use_at(
        &self,
        room: &Room,
        published: Seq,
    ) -> Result<Arc<LiveRoom>, BackendError> {
        if let Some(room) = self.rooms.get(&room.id) {
            return Ok(room);
        }
        let members = self.members(&room.id).await?;
        Ok(self.insert(room, published, &members))
    }

    fn insert(&self, room: &Room, published: Seq, members: &[Member]) -> Arc<LiveRoom> {
        let is_here = |user: &UserId| self.hub.has(user);
        self.rooms.insert(room, published, members, is_here)
    }

    /// All members of a room, as the store has them; of a direct room without asking.
    pub(crate) async fn members(&self, id: &RoomId) -> Result<Vec<Member>, BackendError> {
        const PAGE: usize = 1_000;
        if let Some(pair) = id.pair() {
            let member = |user| Member {
                user,
                role: Role::Member,
                joined_at: DateTime::UNIX_EPOCH,
                joined_seq: Seq::ZERO,
                watermarks: Watermarks::default(),
            };
            return Ok(pair.map(member).into());
        }
        let mut members: Vec<Member> = Vec::new();
        loop {
            let last = members.last().map(|member| &member.user);
            let page = self.store.members(id, last, PAGE).await?;
            let done = page.len() < PAGE;
            members.extend(page);
            if done {
                return Ok(members);
            }
        }
    }

    /// The seat of a user in a room in use, with the room's settings and whether it is archived.
    pub(crate) async fn standing(
        &self,
        room: &LiveRoom,
        user: &UserId,
    ) -> Result<InRoom, BackendError> {
        // Hints about a group arrive here, but are followed with certainty only while a member is here.
        if self.hints.has_nodes() && !room.id.is_direct() && !self.hub.has(user) {
            let (found, member) =
                tokio::try_join!(self.store.room(&room.id), self.store.member(&room.id, user))?;
            let details = found.map(|found| found.details).unwrap_or_default();
            return Ok(InRoom {
                seat: member.as_ref().map(Seat::from),
                settings: details.settings.unwrap_or_default(),
                archived: details.archived,
            });
        }
        Ok(InRoom {
            seat: room.seat(user),
            settings: room.settings(),
            archived: room.is_archived(),
        })
    }

    /// The other members of these rooms; without those of [large](LiveRoom::is_large) rooms.
    pub(crate) async fn peers(
        &self,
        user: &UserId,
        rooms: &[Room],
    ) -> Result<HashSet<UserId>, BackendError> {
        let mut peers = HashSet::new();
        for room in rooms {
            match room.id.peer_of(user) {
                Some(peer) => drop(peers.insert(peer)),
                None => {
                    if let Some(room) = self.room(&room.id).await?
                        && !room.is_large()
                    {
                        room.each_member(|member| {
                            if member != user {
                                peers.insert(member.clone());
                            }
                        });
                    }
                }
            }
        }
        Ok(peers)
    }

    /// Users who share a room with this user, at most so many: first those of rooms that are not
    /// [large](LiveRoom::is_large).
    pub(crate) async fn peers_of(
        &self,
        user: &UserId,
        at_most: usize,
    ) -> Result<HashSet<UserId>, BackendError> {
        let mut rooms = RoomsOf::new(&*self.store, std::slice::from_ref(user));
        let mut peers = HashSet::new();
        let mut large = Vec::new();
        while peers.len() < at_most
            && let Some(page) = rooms.next().await?
        {
            peers.extend(self.peers(user, &page).await?);
            let rooms = page.iter().filter_map(|room| self.rooms.get(&room.id));
            large.extend(rooms.filter(|room| room.is_large()));
        }
        for room in large {
            let free = at_most.saturating_sub(peers.len());
            let members = room.members(free.saturating_add(1));
            peers.extend(
                members
                    .into_iter()
                    .filter(|member| member != user)
                    .take(free),
            );
        }
        Ok(peers)
    }

    /// Those of these users who share a room with this user.
    pub(crate) async fn peers_among(
        &self,
        user: &UserId,
        users: &[UserId],
    ) -> Result<HashSet<UserId>, BackendError> {
        let mut asked: HashSet<UserId> = users.iter().cloned().collect();
        asked.remove(user);
        let mut found = HashSet::new();
        let mut rooms = RoomsOf::new(&*self.store, std::slice::from_ref(user));
        while !asked.is_empty()
            && let Some(page) = rooms.next().await?
        {
            for room in page {
                match room.id.peer_of(user) {
                    Some(peer) => found.extend(asked.take(&peer)),
                    None => {
                        if let Some(room) = self.room(&room.id).await? {
                            found.extend(asked.extract_if(|user| room.seat(user).is_some()));
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// The position from which the sessions of this node follow a room that it doesn't know yet.
    ///
    /// With other nodes, the rooms of a user who is here were noted when that user connected: this room
    /// was made, or joined, since, and none of its entries has been published here.
    async fn first_position(&self, room: &Room) -> Result<Seq, BackendError> {
        if !self.hints.has_nodes() {
            return Ok(room.head);
        }
        let members = self.members(&room.id).await?.into_iter();
        let here: Vec<_> = members
            .map(|member| member.user)
            .filter(|user| self.hub.has(user))
            .collect();
        match room.id.pair() {
            _ if here.is_empty() => Ok(room.head),
            Some(_) => Ok(Seq::ZERO),
            None => self.before_joining(room, here).await,
        }
    }

    /// The position before the first of these users joined, searched from the end of the log.
    async fn before_joining(
        &self,
        room: &Room,
        mut users: Vec<UserId>,
    ) -> Result<Seq, BackendError> {
        const PAGE: usize = 200;
        let mut at = room.head.next();
        while at > Seq(1) {
            let page = self.store.page(&room.id, Page::Before(at), PAGE).await?;
            for entry in page.iter().rev() {
                if let Effect::Admit { user, .. } = entry.body.effect() {
                    users.retain(|member| member != user);
                }
                at = entry.seq;
                if users.is_empty() {
                    return Ok(Seq(at.0 - 1));
                }
            }
            if page.is_empty() {
                break;
            }
        }
        Ok(Seq::ZERO)
    }
}

/// The rooms of some users, page by page.
#[derive(Debug)]
pub(crate) struct RoomsOf<'a> {
    store: &'a dyn Store,
    users: &'a [UserId],
    last: Option<RoomId>,
    done: bool,
}

impl<'a> RoomsOf<'a> {
    pub(crate) fn new(store: &'a dyn Store, users: &'a [UserId]) -> Self {
        Self {
            store,
            users,
            last: None,
            done: false,
        }
    }

    /// The next page; `None` after the last one.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Room>>, BackendError> {
        const PAGE: usize = 1_000;
        if self.done {
            return Ok(None);
        }
        let after = self.last.as_ref();
        let rooms = self.store.rooms_with(self.users, after, PAGE).await?;
        self.done = rooms.len() < PAGE;
        self.last = rooms.last().map(|room| room.id.clone());
        Ok(Some(rooms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::state::rooms::Rooms,
        model::{ClientMessageId, Details, EntryBody, Epoch, LeftWhy, MessageId, RoomKind},
    };
    use uuid::Uuid;

    #[test]
    fn nothing_is_read_after_leaving_that_the_node_has_not_heard_of() {
        let (alice, bob) = (UserId::new("alice").unwrap(), UserId::new("bob").unwrap());
        let room = Room {
            id: RoomId::group("team").unwrap(),
            kind: RoomKind::Group,
            epoch: Epoch(Uuid::nil()),
            head: Seq(5),
            created_at: DateTime::UNIX_EPOCH,
            created_by: None,
            details: Details::default(),
            members: 2,
        };
        let live = Rooms::default().insert(&room, room.head, &[], |_| true);
        let left = || EntryBody::Left {
            user: bob.clone(),
            why: LeftWhy::Left,
        };
        let hello = || EntryBody::message("hello");
        let bodies = [left(), hello(), hello(), left(), hello()];
        let entries = (1..).zip(bodies).map(|(seq, body)| {
            Arc::new(Entry {
                room: room.id.clone(),
                seq: Seq(seq),
                id: MessageId(Uuid::nil()),
                author: alice.clone(),
                client_id: ClientMessageId::new("c").unwrap(),
                at: DateTime::UNIX_EPOCH,
                body,
            })
        });
        let entries: Vec<_> = entries.collect();
        let readable = |joined| {
            let seat = Seat {
                role: Role::Member,
                joined: Seq(joined),
            };
            let in_room = InRoom {
                seat: Some(seat),
                ..InRoom::default()
            };
            let read = in_room.readable(&live, &bob, entries.clone());
            read.iter().map(|entry| entry.seq.0).collect::<Vec<_>>()
        };
        assert_eq!(readable(2), [2, 3, 4], "bob was let in again by entry 2");
        assert_eq!(readable(5), [5], "and by entry 5");
    }
}
