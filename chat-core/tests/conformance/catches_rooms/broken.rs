//! The store in memory with one thing broken in what it says of rooms, inboxes and invitations.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use chat_core::{
    Details, EntryBody, InboxFilter, InboxPlace, InboxRoom, Invite, InviteId, InviteToken, Me,
    MeChange, Member, Membership, NewEntry, NewRoom, Page, Role, Room, RoomChange, RoomId,
    RoomKind, RoomName, Seq, Topic, UserId, Watermarks,
    memory::MemoryStore,
    port::{
        AppendError, Appended, BackendError, Created, InboxStore, InviteStore, LogStore,
        ReceiptStore, RoomStore,
    },
    testing::Hooks,
};
use chrono::{DateTime, Utc};
use tokio::task::yield_now;

use super::Fault::{self, *};

#[derive(Debug)]
pub(super) struct BrokenRooms {
    fault: Fault,
    inner: MemoryStore,
    notes: Mutex<Notes>,
}

/// The notes that a broken store keeps beside, to answer wrongly from.
#[derive(Debug, Default)]
struct Notes {
    rooms: HashMap<RoomId, Room>,
    joinings: HashMap<RoomId, u64>,
    /// The numbers of the entries that let each member in.
    joined: HashMap<(RoomId, UserId), Vec<Seq>>,
    /// The newest messages as they were first stored.
    texts: HashMap<(RoomId, Seq), EntryBody>,
    me: HashMap<(RoomId, UserId), Me>,
    former: Vec<InboxRoom>,
    invites: HashMap<InviteId, Invite>,
    readers: BTreeMap<UserId, Member>,
}

impl BrokenRooms {
    /// In front of `inner`.
    pub(super) fn new(fault: Fault, inner: MemoryStore) -> Self {
        Self {
            fault,
            inner,
            notes: Mutex::default(),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap()
    }

    fn show(&self, room: Room) -> Room {
        let notes = self.notes();
        let first = notes.rooms.get(&room.id).cloned().unwrap_or(room.clone());
        let joinings = notes.joinings.get(&room.id).copied().unwrap_or_default();
        match self.fault {
            KindIsForgotten => Room {
                kind: RoomKind::Group,
                ..room
            },
            MakerIsForgotten => Room {
                created_by: None,
                ..room
            },
            DetailsAreForgotten => Room {
                details: Details {
                    settings: room.details.settings,
                    ..Details::default()
                },
                ..room
            },
            ChangeIsIgnored => Room {
                details: first.details,
                ..room
            },
            ChangeResetsTheRest if room.head > Seq(1) => Room {
                details: Details {
                    topic: Topic::default(),
                    ..room.details
                },
                ..room
            },
            MembersAreCountedOnce => Room {
                members: first.members,
                ..room
            },
            JoiningTwiceCountsTwice => Room {
                members: first.members + joinings,
                ..room
            },
            EmptyRoomStaysOpen => Room {
                details: Details {
                    archived: false,
                    ..room.details
                },
                ..room
            },
            _ => room,
        }
    }

    async fn append_one(&self, first: bool, mut new: NewEntry) -> Result<Appended, AppendError> {
        let room = self.inner.room(&new.room).await.unwrap();
        let about = new.body.effect().membership();
        let is_member = match about {
            Some((user, _)) => self.inner.member(&new.room, user).await.unwrap().is_some(),
            None => false,
        };
        let admits = about.is_some_and(|(_, role)| role.is_some());
        let limit = new.max_members;
        let is_full = room
            .as_ref()
            .is_some_and(|room| limit.is_some_and(|it| room.members >= it));
        match (self.fault, &new.body) {
            (FirstChangeOfABatchIsLost, EntryBody::Room(_)) if first => {
                let change = RoomChange {
                    name: RoomName::new("lost").ok(),
                    ..RoomChange::default()
                };
                new.body = EntryBody::Room(Arc::new(change));
            }
            (FullRoomTakesMore, _) => new.max_members = None,
            (FullRoomRefusesItsMembers, _) if admits && is_full => return Err(AppendError::Full),
            (LimitIsCheckedThenKept, _) if admits => {
                if is_full && !is_member {
                    return Err(AppendError::Full);
                }
                yield_now().await;
                new.max_members = None;
            }
            (SettingsAreNotAsked, EntryBody::Message { .. }) => new.require = None,
            (ArchiveIsAskedThenStored, EntryBody::Message { .. }) => {
                if room.is_some_and(|room| room.details.archived) {
                    return Err(AppendError::NotAllowed);
                }
                yield_now().await;
                new.require = None;
            }
            (StrangersJoinGroups, EntryBody::Joined { user, .. }) if *user == new.author => {
                new.require = None;
            }
            _ => {}
        }
        let before = match about_of(&new) {
            Some(user) => self.inner.inbox_room(&new.room, &user).await.unwrap(),
            None => None,
        };
        let appended = self.inner.append(vec![new]).await.remove(0)?;
        let entry = &appended.entry;
        let mut notes = self.notes();
        match &entry.body {
            EntryBody::Joined { user, .. } => {
                *notes.joinings.entry(entry.room.clone()).or_default() += 1;
                let key = (entry.room.clone(), user.clone());
                notes.joined.entry(key).or_default().push(entry.seq);
            }
            EntryBody::Left { .. } => notes.former.extend(before),
            EntryBody::Message { .. } => {
                let key = (entry.room.clone(), entry.seq);
                notes.texts.insert(key, entry.body.clone());
            }
            _ => {}
        }
        Ok(appended)
    }

    fn show_member(&self, room: &RoomId, mut member: Member) -> Member {
        let notes = self.notes();
        let key = (room.clone(), member.user.clone());
        let joined = notes
            .joined
            .get(&key)
            .map(Vec::as_slice)
            .unwrap_or_default();
        match (self.fault, joined) {
            (JoiningTwiceIsJoiningAnew, [.., last]) => member.joined_seq = *last,
            (FirstJoiningCounts, [first, ..]) => member.joined_seq = *first,
            (MembersLackWatermarks, _) => member.watermarks = Watermarks::default(),
            _ => {}
        }
        member
    }

    fn show_inbox_room(&self, user: &UserId, mut room: InboxRoom) -> InboxRoom {
        let notes = self.notes();
        let key = (room.room.id.clone(), user.clone());
        if let (InboxShowsTheOldText, Some(last)) = (self.fault, &mut room.last)
            && let Some(body) = notes.texts.get(&(room.room.id.clone(), last.seq))
        {
            Arc::make_mut(last).body = body.clone();
        }
        match (self.fault, notes.me.get(&key)) {
            (SetMeIsLost, _) => {
                room.me = Me {
                    role: room.me.role,
                    ..Me::default()
                };
            }
            (SettingsOutliveTheMembership, Some(me)) => {
                room.me = Me {
                    role: room.me.role,
                    ..*me
                };
            }
            (HiddenRoomsNeverReturn, Some(me)) => room.me.hidden |= me.hidden,
            _ => {}
        }
        room
    }
}

fn about_of(new: &NewEntry) -> Option<UserId> {
    new.body.effect().membership().map(|(user, _)| user.clone())
}

#[async_trait]
impl Hooks for BrokenRooms {
    async fn create_room(&self, _: &dyn RoomStore, new: NewRoom) -> Result<Created, BackendError> {
        let made = new.clone().made();
        self.notes().rooms.insert(made.id.clone(), made);
        Ok(match self.inner.create_room(new).await? {
            Created::New(room) => Created::New(self.show(room)),
            existing @ Created::Existing(_) => existing,
        })
    }

    async fn room(&self, _: &dyn RoomStore, id: &RoomId) -> Result<Option<Room>, BackendError> {
        let room = self.inner.room(id).await?;
        Ok(room.map(|room| self.show(room)))
    }

    async fn member(
        &self,
        _: &dyn RoomStore,
        id: &RoomId,
        user: &UserId,
    ) -> Result<Option<Member>, BackendError> {
        let member = self.inner.member(id, user).await?;
        Ok(member.map(|member| self.show_member(id, member)))
    }

    async fn rooms_of(
        &self,
        _: &dyn RoomStore,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Membership>, BackendError> {
        let mut rooms = self.inner.rooms_of(user, after, limit).await?;
        for listed in &mut rooms {
            match self.fault {
                ListsLackDetails => listed.room.details = Details::default(),
                HistoryIsForAll => {
                    let after = Page::After(listed.watermarks.read);
                    let log = self.inner.page(&listed.room.id, after, usize::MAX).await?;
                    let messages = log.iter().filter(|entry| entry.author != *user);
                    let messages =
                        messages.filter(|entry| matches!(entry.body, EntryBody::Message { .. }));
                    listed.unread = messages.map(|_| 1).sum();
                }
                _ => {}
            }
        }
        Ok(rooms)
    }

    async fn directory(
        &self,
        _: &dyn RoomStore,
        query: &str,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        let (query, after) = match self.fault {
            DirectoryTakesPatterns if query == "%" => ("", after),
            DirectoryHasNoPages => (query, None),
            _ => (query, after),
        };
        let mut found = self.inner.directory(query, after, limit).await?;
        let known: Vec<RoomId> = self.notes().rooms.keys().cloned().collect();
        for id in known {
            let Some(room) = self.inner.room(&id).await? else {
                continue;
            };
            let named = room.details.name.folded().contains(query);
            let listed = match self.fault {
                DirectoryListsGroups => room.kind == RoomKind::Group,
                DirectoryListsArchives => room.details.archived,
                _ => false,
            };
            if listed && named && !id.is_direct() {
                found.push(room);
            }
        }
        found.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(found)
    }

    async fn append(
        &self,
        _: &dyn LogStore,
        batch: Vec<NewEntry>,
    ) -> Vec<Result<Appended, AppendError>> {
        let several = batch.len() > 1;
        let mut answers = Vec::new();
        for (at, new) in batch.into_iter().enumerate() {
            answers.push(self.append_one(several && at == 0, new).await);
        }
        answers
    }

    async fn inbox(
        &self,
        _: &dyn InboxStore,
        user: &UserId,
        filter: InboxFilter,
        after: Option<&InboxPlace>,
        limit: usize,
    ) -> Result<Vec<InboxRoom>, BackendError> {
        let mut rooms = match (self.fault, filter) {
            (InboxExceedsTheLimit, _) => {
                let one_more = limit.saturating_add(1);
                self.inner.inbox(user, filter, after, one_more).await?
            }
            (InboxPlaceIsATime, _) => {
                let rooms = self.inner.inbox(user, filter, None, usize::MAX).await?;
                let beyond =
                    |room: &InboxRoom| after.is_none_or(|it| room.active_at < it.active_at);
                rooms.into_iter().filter(beyond).take(limit).collect()
            }
            (HiddenRoomsAreShown, InboxFilter::All) => {
                let hidden = InboxFilter::Hidden;
                let mut rooms = self.inner.inbox(user, filter, after, limit).await?;
                rooms.extend(self.inner.inbox(user, hidden, after, limit).await?);
                rooms
            }
            (ReadRoomsCountAsUnread, InboxFilter::Unread) => {
                self.inner
                    .inbox(user, InboxFilter::All, after, limit)
                    .await?
            }
            _ => self.inner.inbox(user, filter, after, limit).await?,
        };
        match self.fault {
            InboxIsInOrderOfIds => rooms.sort_by(|one, other| one.room.id.cmp(&other.room.id)),
            AnyEntryMovesARoom => {
                let mut ats = HashMap::new();
                for room in &rooms {
                    let newest = self.inner.page(&room.room.id, Page::Newest, 1).await?;
                    let at = newest.first().map_or(room.active_at, |entry| entry.at);
                    ats.insert(room.room.id.clone(), at);
                }
                rooms.sort_by_key(|room| std::cmp::Reverse(ats[&room.room.id]));
            }
            InboxKeepsFormerRooms => {
                let notes = self.notes();
                let former = notes.former.iter().filter(|_| user.as_str() == "carol");
                rooms.extend(former.cloned());
            }
            InboxBeginsWithAfter => {
                if let Some(place) = after
                    && let Some(room) = self.inner.inbox_room(&place.room, user).await?
                {
                    rooms.insert(0, room);
                    rooms.truncate(limit);
                }
            }
            HiddenRoomsNeverReturn if filter == InboxFilter::All => {
                rooms = rooms
                    .into_iter()
                    .map(|it| self.show_inbox_room(user, it))
                    .collect();
                rooms.retain(|room| !room.me.hidden);
            }
            _ => {}
        }
        Ok(rooms
            .into_iter()
            .map(|room| self.show_inbox_room(user, room))
            .collect())
    }

    async fn inbox_room(
        &self,
        _: &dyn InboxStore,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Option<InboxRoom>, BackendError> {
        let mut found = self.inner.inbox_room(room, user).await?;
        match (self.fault, &mut found) {
            (InboxIsOpenToStrangers, None) => {
                for member in self.inner.members(room, None, 1).await? {
                    found = self.inner.inbox_room(room, &member.user).await?;
                }
            }
            (InboxShowsWhatWasBefore, Some(found)) if found.last.is_none() => {
                for member in self.inner.members(room, None, 1).await? {
                    let theirs = self.inner.inbox_room(room, &member.user).await?;
                    found.last = theirs.and_then(|theirs| theirs.last);
                }
            }
            _ => {}
        }
        Ok(found.map(|found| self.show_inbox_room(user, found)))
    }

    async fn hidden_by(
        &self,
        _: &dyn InboxStore,
        room: &RoomId,
    ) -> Result<Vec<(UserId, Seq)>, BackendError> {
        let mut hidden = self.inner.hidden_by(room).await?;
        let known: Vec<_> = self.notes().me.keys().cloned().collect();
        match self.fault {
            HidingIsOfAllRooms => {
                for (other, _) in known.iter().filter(|(other, _)| other != room) {
                    hidden.extend(self.inner.hidden_by(other).await?);
                }
            }
            ShowingAgainStaysHidden => {
                let set = known.into_iter().filter(|(of, _)| of == room);
                let head = self.inner.room(room).await?.map(|room| room.head);
                hidden = set
                    .map(|(_, user)| (user, head.unwrap_or_default()))
                    .collect();
            }
            HidingHasNoPlace => hidden.iter_mut().for_each(|(_, at)| *at = Seq::ZERO),
            _ => {}
        }
        Ok(hidden)
    }

    async fn set_me(
        &self,
        _: &dyn InboxStore,
        room: &RoomId,
        user: &UserId,
        mut change: MeChange,
    ) -> Result<Option<Me>, BackendError> {
        match self.fault {
            SetMeResetsTheRest => {
                change.notify = Some(change.notify.unwrap_or_default());
                change.pinned = Some(change.pinned.unwrap_or_default());
            }
            MuteStays if change.muted_until == Some(None) => change.muted_until = None,
            SetMeIsForAll => {
                for member in self.inner.members(room, None, 100).await? {
                    self.inner.set_me(room, &member.user, change).await?;
                }
            }
            _ => {}
        }
        let me = self.inner.set_me(room, user, change).await?;
        if let Some(me) = me {
            self.notes().me.insert((room.clone(), user.clone()), me);
        }
        Ok(me)
    }

    async fn members(
        &self,
        _: &dyn RoomStore,
        id: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError> {
        let members = self.inner.members(id, after, limit).await?.into_iter();
        Ok(members.map(|member| self.show_member(id, member)).collect())
    }

    async fn readers(
        &self,
        _: &dyn ReceiptStore,
        room: &RoomId,
        seq: Seq,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError> {
        let (mut seq, mut limit) = (seq, limit);
        match self.fault {
            ReadersAreBeyondTheEntry => seq = seq.next(),
            ReadersExceedTheLimit => limit += 1,
            ReadersHaveOnlyReceived => {
                let mut members = self.inner.members(room, after, usize::MAX).await?;
                members.retain(|member| member.watermarks.delivered >= seq);
                members.truncate(limit);
                return Ok(members);
            }
            _ => {}
        }
        let mut readers = self.inner.readers(room, seq, after, limit).await?;
        match (self.fault, after) {
            (ReadersBeginWithAfter, Some(after)) => {
                readers.splice(0..0, self.inner.member(room, after).await?);
                readers.truncate(limit);
            }
            (ReadersStayWhenTheyLeave, None) => {
                let mut notes = self.notes();
                for reader in &readers {
                    notes.readers.insert(reader.user.clone(), reader.clone());
                }
                let former = notes.readers.values();
                let former = former.filter(|member| member.watermarks.read >= seq);
                readers = former.take(limit).cloned().collect();
            }
            _ => {}
        }
        Ok(readers)
    }

    async fn add_invite(&self, _: &dyn InviteStore, new: Invite) -> Result<(), BackendError> {
        self.notes().invites.insert(new.id, new.clone());
        if self.fault == InviteIsOverwritten {
            self.inner.remove_invite(&new.room, new.id).await?;
        }
        let role = match self.fault {
            InviteForgetsItsRole => Role::Member,
            _ => new.role,
        };
        self.inner.add_invite(Invite { role, ..new }).await
    }

    async fn invites(
        &self,
        _: &dyn InviteStore,
        room: &RoomId,
        after: Option<InviteId>,
        limit: usize,
    ) -> Result<Vec<Invite>, BackendError> {
        let mut found = self.inner.invites(room, after, limit).await?;
        let notes = self.notes();
        match (self.fault, after) {
            (InvitesOfAllRooms, None) => {
                found = notes.invites.values().cloned().collect();
                found.sort_by_key(|invite| invite.id);
            }
            (InvitesBeginWithAfter, Some(after)) => {
                found.splice(0..0, notes.invites.get(&after).cloned());
                found.truncate(limit);
            }
            _ => {}
        }
        Ok(found)
    }

    async fn remove_invite(
        &self,
        _: &dyn InviteStore,
        room: &RoomId,
        id: InviteId,
    ) -> Result<bool, BackendError> {
        let of = self
            .notes()
            .invites
            .get(&id)
            .map(|invite| invite.room.clone());
        let room = match self.fault {
            InviteIsRemovedFromAnyRoom => of.as_ref().unwrap_or(room),
            _ => room,
        };
        self.inner.remove_invite(room, id).await
    }

    async fn use_invite(
        &self,
        _: &dyn InviteStore,
        token: &InviteToken,
        now: DateTime<Utc>,
    ) -> Result<Option<Invite>, BackendError> {
        let now = match self.fault {
            InviteHasNoEnd => DateTime::UNIX_EPOCH,
            _ => now,
        };
        if self.fault == UsesAreCheckedThenTaken {
            let found = self.inner.invite(token).await?.filter(|it| it.is_open(now));
            yield_now().await;
            self.inner.use_invite(token, now).await?;
            return Ok(found);
        }
        let used = self.inner.use_invite(token, now).await?;
        if self.fault == RemovedInviteOpens && used.is_none() {
            let notes = self.notes();
            return Ok(notes
                .invites
                .values()
                .find(|it| it.token == *token)
                .cloned());
        }
        Ok(used)
    }

    async fn unuse_invite(&self, _: &dyn InviteStore, id: InviteId) -> Result<(), BackendError> {
        if self.fault == UsesAreNotGivenBack {
            return Ok(());
        }
        self.inner.unuse_invite(id).await
    }
}
