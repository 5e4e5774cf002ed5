//! Items that the cases of a store share: the harness, short names for values, and a test room.

use std::sync::atomic::{AtomicU64, Ordering};
pub(super) use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::Barrier;
pub(super) use tokio::task::JoinSet;
pub(super) use uuid::Uuid;

pub(super) use crate::{
    ClientMessageId, Details, Entry, EntryBody, Epoch, History, LeftWhy, Mark, Member, Membership,
    MessageId, NewEntry, NewRoom, Page, ReceiptTimes, Role, Room, RoomId, RoomKind, Seq, Settings,
    UserId, Watermarks,
    port::{AppendError, Appended, Change, Outcome, Store},
};

/// The harness of a store, which is empty at first. Each case gets its own.
#[async_trait]
pub trait StoreHarness: Send + Sync + 'static {
    /// The store under test.
    fn store(&self) -> Arc<dyn Store>;

    /// Closes the store and opens it again, as a restart of the program does; from then on `store`
    /// returns the new one. Returns false for a store that doesn't outlive its process; the cases
    /// about restarts are skipped then.
    ///
    /// The caller has dropped every store that [`store`](Self::store) returned before.
    async fn reopen(&self) -> bool;

    /// Abandons the store as a crash of the program does, and opens what is left. Nothing is closed
    /// or written first, even while calls are running. From then on `store` returns the new one,
    /// and the answers of the old one are ignored.
    ///
    /// Returns false, as by default, for a store that can't do this; the cases about crashes are
    /// skipped then. One implementation is to copy the store's files in their current state.
    async fn crash(&self) -> bool {
        false
    }
}

pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).expect("a valid name")
}

pub(super) fn users<const N: usize>(names: [&str; N]) -> Vec<UserId> {
    names.into_iter().map(user).collect()
}

/// These users as members who are nothing more.
pub(super) fn members<const N: usize>(names: [&str; N]) -> Vec<(UserId, Role)> {
    with_roles(names.map(|name| (name, Role::Member)))
}

pub(super) fn with_roles<const N: usize>(members: [(&str, Role); N]) -> Vec<(UserId, Role)> {
    let member = |(name, role)| (user(name), role);
    members.into_iter().map(member).collect()
}

/// The names and the roles of members.
pub(super) fn roles_of(members: Vec<Member>) -> Vec<(UserId, Role)> {
    let role = |member: Member| (member.user, member.role);
    members.into_iter().map(role).collect()
}

pub(super) fn room_id(name: &str) -> RoomId {
    RoomId::new(name).expect("a valid room id")
}

pub(super) fn client_id(text: &str) -> ClientMessageId {
    ClientMessageId::new(text).expect("a valid client message id")
}

/// A number that is unique to this call, so that ids differ.
pub(super) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(super) fn message_id() -> MessageId {
    MessageId(Uuid::from_u128(u128::from(unique())))
}

pub(super) fn epoch() -> Epoch {
    Epoch(Uuid::from_u128(u128::from(unique())))
}

/// A time some milliseconds after a fixed one: stores need no higher precision.
pub(super) fn time(millis: u64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_000 + millis)
}

/// An entry with new ids.
pub(super) fn entry(room: &RoomId, author: &str, body: EntryBody) -> NewEntry {
    let number = unique();
    NewEntry {
        room: room.clone(),
        id: message_id(),
        author: user(author),
        client_id: client_id(&format!("c{number}")),
        at: time(number),
        body,
        require: None,
        max_members: None,
    }
}

/// The entry that a client's retry makes after a lost answer: the server gives it a new id and
/// time.
pub(super) fn retry_of(first: &NewEntry) -> NewEntry {
    NewEntry {
        id: message_id(),
        at: time(unique()),
        ..first.clone()
    }
}

pub(super) fn text(text: &str) -> EntryBody {
    EntryBody::message(text)
}

pub(super) fn edit(target: u64, text: &str) -> EntryBody {
    EntryBody::Edit {
        target: Seq(target),
        text: text.into(),
    }
}

pub(super) fn delete(target: u64) -> EntryBody {
    EntryBody::Delete {
        target: Seq(target),
    }
}

pub(super) fn joined(name: &str) -> EntryBody {
    joined_as(name, Role::Member)
}

pub(super) fn joined_as(name: &str, role: Role) -> EntryBody {
    let user = user(name);
    EntryBody::Joined { user, role }
}

pub(super) fn role(name: &str, role: Role) -> EntryBody {
    let user = user(name);
    EntryBody::Role { user, role }
}

pub(super) fn left(name: &str) -> EntryBody {
    let (user, why) = (user(name), LeftWhy::Left);
    EntryBody::Left { user, why }
}

pub(super) fn seqs<'a>(entries: impl IntoIterator<Item = &'a Arc<Entry>>) -> Vec<u64> {
    entries.into_iter().map(|entry| entry.seq.0).collect()
}

pub(super) fn bodies<'a>(entries: impl IntoIterator<Item = &'a Arc<Entry>>) -> Vec<EntryBody> {
    let body = |entry: &Arc<Entry>| entry.body.clone();
    entries.into_iter().map(body).collect()
}

/// Runs all these calls as concurrent tasks, and returns the answers in the order of the calls.
pub(super) async fn at_once<T, F>(calls: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let calls: Vec<F> = calls.into_iter().collect();
    let start = Arc::new(Barrier::new(calls.len()));
    let begin = |call: F| {
        let start = Arc::clone(&start);
        tokio::spawn(async move {
            start.wait().await;
            call.await
        })
    };
    let tasks: Vec<_> = calls.into_iter().map(begin).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("nothing panics"));
    }
    answers
}

/// A room to be made, direct or a group as its name says, without members. A group's history is for all.
pub(super) fn new_room(name: &str) -> NewRoom {
    let id = room_id(name);
    let open = Settings {
        history: History::All,
        ..Settings::default()
    };
    let (kind, settings) = if id.is_direct() {
        (RoomKind::Direct, None)
    } else {
        (RoomKind::Group, Some(open))
    };
    NewRoom {
        id,
        kind,
        epoch: epoch(),
        members: Vec::new(),
        created_by: None,
        details: Details {
            settings,
            ..Details::default()
        },
        created_at: time(unique()),
    }
}

/// A room of the store under test.
#[derive(Clone)]
pub(super) struct TestRoom {
    pub(super) store: Arc<dyn Store>,
    pub(super) id: RoomId,
}

impl TestRoom {
    /// A new room with alice, bob and carol in it.
    pub(super) async fn new(h: &dyn StoreHarness, name: &str) -> Self {
        Self::with(h, name, users(["alice", "bob", "carol"])).await
    }

    pub(super) async fn with(h: &dyn StoreHarness, name: &str, members: Vec<UserId>) -> Self {
        Self::made(h, name, members, None).await
    }

    /// A new group of alice, who owns it, bob and carol.
    pub(super) async fn owned(h: &dyn StoreHarness, name: &str) -> Self {
        Self::made(h, name, users(["bob", "carol"]), Some(user("alice"))).await
    }

    async fn made(
        h: &dyn StoreHarness,
        name: &str,
        members: Vec<UserId>,
        owner: Option<UserId>,
    ) -> Self {
        let new = NewRoom {
            members,
            created_by: owner,
            created_at: time(0),
            ..new_room(name)
        };
        Self::of(h, new).await
    }

    /// A room that is made so.
    pub(super) async fn of(h: &dyn StoreHarness, new: NewRoom) -> Self {
        let (store, id) = (h.store(), new.id.clone());
        store.create_room(new).await.expect("a room is made");
        Self { store, id }
    }

    pub(super) async fn try_append(&self, new: NewEntry) -> Result<Appended, AppendError> {
        let mut answers = self.store.append(vec![new]).await;
        assert_eq!(answers.len(), 1, "each entry gets one answer");
        answers.remove(0)
    }

    pub(super) async fn append(&self, new: NewEntry) -> Appended {
        self.try_append(new).await.expect("the entry is accepted")
    }

    /// Appends a new entry.
    pub(super) async fn add(&self, author: &str, body: EntryBody) -> Arc<Entry> {
        let appended = self.append(entry(&self.id, author, body)).await;
        assert_eq!(
            appended.outcome,
            Outcome::Stored,
            "a new client message id is new"
        );
        appended.entry
    }

    /// Appends this many messages by alice in one batch.
    pub(super) async fn fill(&self, number: usize) {
        let message = |n| entry(&self.id, "alice", text(&format!("text {n}")));
        for answer in self.store.append((1..=number).map(message).collect()).await {
            answer.expect("the message is accepted");
        }
    }

    pub(super) async fn page(&self, page: Page, limit: usize) -> Vec<Arc<Entry>> {
        let entries = self.store.page(&self.id, page, limit).await;
        entries.expect("the page is read")
    }

    /// All entries of the room.
    pub(super) async fn log(&self) -> Vec<Arc<Entry>> {
        self.page(Page::After(Seq::ZERO), 100_000).await
    }

    pub(super) async fn at(&self, seq: u64) -> Arc<Entry> {
        let mut page = self.page(Page::After(Seq(seq - 1)), 1).await;
        assert_eq!(seqs(&page), [seq], "the entry stands in the log");
        page.remove(0)
    }

    pub(super) async fn find(&self, id: MessageId) -> Option<Arc<Entry>> {
        let found = self.store.find(&self.id, id).await;
        found.expect("the entry is looked for")
    }

    pub(super) async fn head(&self) -> u64 {
        self.room().await.head.0
    }

    /// The members, by name.
    pub(super) async fn members(&self) -> Vec<UserId> {
        let members = self.roles().await.into_iter();
        members.map(|(user, _)| user).collect()
    }

    /// The members with their roles.
    pub(super) async fn roles(&self) -> Vec<(UserId, Role)> {
        let members = self.store.members(&self.id, None, 1_000).await;
        roles_of(members.expect("the members are read"))
    }

    pub(super) async fn member(&self, name: &str) -> Option<Member> {
        let member = self.store.member(&self.id, &user(name)).await;
        member.expect("the member is looked for")
    }

    pub(super) async fn room(&self) -> Room {
        let room = self.store.room(&self.id).await.expect("the room is read");
        room.expect("the room exists")
    }

    pub(super) async fn role(&self, name: &str) -> Option<Role> {
        self.member(name).await.map(|member| member.role)
    }

    pub(super) async fn is_member(&self, name: &str) -> bool {
        self.role(name).await.is_some()
    }

    pub(super) async fn receipt(&self, name: &str, mark: Mark, upto: u64) -> Change<Watermarks> {
        let user = user(name);
        let change = self.store.advance(&self.id, &user, mark, Seq(upto)).await;
        change.expect("the receipt is stored")
    }

    pub(super) async fn marks(&self, name: &str) -> Watermarks {
        let marks = self.store.watermarks(&self.id, &users([name])).await;
        marks.expect("the watermarks are read")[0]
    }

    pub(super) async fn times(&self, name: &str, seqs: &[u64]) -> Vec<ReceiptTimes> {
        let seqs: Vec<_> = seqs.iter().copied().map(Seq).collect();
        let times = self.store.receipt_times(&self.id, &user(name), &seqs).await;
        times.expect("the times are read")
    }

    /// This room in the list of a user's rooms.
    pub(super) async fn membership(&self, name: &str) -> Option<Membership> {
        let rooms = self.store.rooms_of(&user(name), None, 1_000).await;
        let rooms = rooms.expect("the rooms are read");
        rooms.into_iter().find(|entry| entry.room.id == self.id)
    }
}
