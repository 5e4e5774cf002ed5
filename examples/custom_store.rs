//! A custom store, proven by the conformance suite: a journal file in front of the store in memory.
//!
//!     cargo run -p examples --example custom_store
//!
//! It runs every case of the suite against the store, prints how many pass, and ends.
//!
//! Each change is written to a file before it is applied, so that opening the file again replays
//! all of them. In a crate of its own the suite would run under `cargo test`, with one line:
//! `chat_core::store_conformance!(fresh);`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use chat_core::{
    Block, Decision, Ends, Entry, Epoch, InboxFilter, InboxPlace, InboxRoom, Invite, InviteId,
    InviteToken, Look, Mark, Me, MeChange, Member, Membership, MessageId, NewDecision, NewEntry,
    NewRoom, Page, ReceiptTimes, Room, RoomId, Seq, UserId, Version, Watermarks,
    memory::MemoryStore,
    port::{
        AppendError, Appended, BackendError, BackendErrorKind, BlockStore, Change, Created,
        ErasureStore, InboxStore, InviteStore, LogStore, LookStore, PolicyStore, ReceiptStore,
        Retry, RoomStore, Store,
    },
    testing::store::{CASES, StoreHarness},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One line of the journal.
#[derive(Serialize, Deserialize)]
enum Record {
    Room(NewRoom),
    Append(Vec<NewEntry>),
    Receipt(RoomId, UserId, Mark, Seq),
    Me(RoomId, UserId, MeChange),
    Invite(Invite),
    Uninvite(RoomId, InviteId),
    Use(InviteToken, DateTime<Utc>),
    Unuse(InviteId),
    Decision(NewDecision),
    Forget(DateTime<Utc>, DateTime<Utc>),
    Look(Look, UserId),
    Block(Block),
    Unblock(UserId, UserId),
    DeleteRoom(RoomId, Epoch),
    EraseIn(RoomId, UserId, UserId),
    EraseUser(UserId, UserId),
}

#[derive(Debug)]
struct JournalStore {
    memory: MemoryStore,
    /// Locked from the write until the change is applied, so that both happen in the same order.
    journal: tokio::sync::Mutex<File>,
}

impl JournalStore {
    async fn open(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let journal = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(path)?;
        let memory = MemoryStore::default();
        for line in BufReader::new(&journal).lines() {
            match serde_json::from_str(&line?)? {
                Record::Room(room) => drop(memory.create_room(room).await?),
                Record::Append(batch) => drop(memory.append(batch).await),
                Record::Receipt(room, user, mark, upto) => {
                    memory.advance(&room, &user, mark, upto).await?;
                }
                Record::Me(room, user, change) => {
                    memory.set_me(&room, &user, change).await?;
                }
                Record::Invite(invite) => memory.add_invite(invite).await?,
                Record::Uninvite(room, id) => drop(memory.remove_invite(&room, id).await?),
                Record::Use(token, now) => drop(memory.use_invite(&token, now).await?),
                Record::Unuse(id) => memory.unuse_invite(id).await?,
                Record::Forget(before, now) => memory.forget_decisions(before, now).await?,
                Record::Decision(new) => drop(memory.decide(new).await?),
                Record::Look(look, user) => drop(memory.claim_look(&look, &user).await?),
                Record::Block(block) => drop(memory.block(block).await?),
                Record::Unblock(by, user) => drop(memory.unblock(&by, &user).await?),
                Record::DeleteRoom(room, epoch) => drop(memory.delete_room(&room, epoch).await?),
                Record::EraseIn(room, user, name) => memory.erase_in(&room, &user, &name).await?,
                Record::EraseUser(user, name) => memory.erase_user(&user, &name).await?,
            }
        }
        Ok(Self {
            memory,
            journal: tokio::sync::Mutex::new(journal),
        })
    }
}

/// Writes a record durably. A change whose record could not be written is not applied.
fn write(journal: &mut File, record: &Record) -> Result<(), BackendError> {
    let written = serde_json::to_string(record)
        .map_err(std::io::Error::from)
        .and_then(|line| writeln!(journal, "{line}"))
        .and_then(|()| journal.sync_data());
    // The line may be in the file, and would then be applied when it is opened again.
    let (kind, retry) = (BackendErrorKind::Unavailable, Retry::IfIdempotent);
    written.map_err(|error| BackendError::new("journal", kind, retry, "write", error))
}

#[async_trait]
impl RoomStore for JournalStore {
    async fn create_room(&self, room: NewRoom) -> Result<Created, BackendError> {
        let mut journal = self.journal.lock().await;
        write(&mut journal, &Record::Room(room.clone()))?;
        self.memory.create_room(room).await
    }

    async fn room(&self, id: &RoomId) -> Result<Option<Room>, BackendError> {
        self.memory.room(id).await
    }

    async fn member(&self, id: &RoomId, user: &UserId) -> Result<Option<Member>, BackendError> {
        self.memory.member(id, user).await
    }

    async fn members(
        &self,
        id: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError> {
        self.memory.members(id, after, limit).await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Membership>, BackendError> {
        self.memory.rooms_of(user, after, limit).await
    }

    async fn rooms_with(
        &self,
        users: &[UserId],
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        self.memory.rooms_with(users, after, limit).await
    }

    async fn directory(
        &self,
        query: &str,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError> {
        self.memory.directory(query, after, limit).await
    }
}

#[async_trait]
impl InboxStore for JournalStore {
    async fn inbox(
        &self,
        user: &UserId,
        filter: InboxFilter,
        after: Option<&InboxPlace>,
        limit: usize,
    ) -> Result<Vec<InboxRoom>, BackendError> {
        self.memory.inbox(user, filter, after, limit).await
    }

    async fn inbox_room(
        &self,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Option<InboxRoom>, BackendError> {
        self.memory.inbox_room(room, user).await
    }

    async fn hidden_by(&self, room: &RoomId) -> Result<Vec<(UserId, Seq)>, BackendError> {
        self.memory.hidden_by(room).await
    }

    async fn set_me(
        &self,
        room: &RoomId,
        user: &UserId,
        change: MeChange,
    ) -> Result<Option<Me>, BackendError> {
        let mut journal = self.journal.lock().await;
        let record = Record::Me(room.clone(), user.clone(), change);
        write(&mut journal, &record)?;
        self.memory.set_me(room, user, change).await
    }
}

#[async_trait]
impl InviteStore for JournalStore {
    async fn add_invite(&self, invite: Invite) -> Result<(), BackendError> {
        let mut journal = self.journal.lock().await;
        write(&mut journal, &Record::Invite(invite.clone()))?;
        self.memory.add_invite(invite).await
    }

    async fn invite(&self, token: &InviteToken) -> Result<Option<Invite>, BackendError> {
        self.memory.invite(token).await
    }

    async fn invites(
        &self,
        room: &RoomId,
        after: Option<InviteId>,
        limit: usize,
    ) -> Result<Vec<Invite>, BackendError> {
        self.memory.invites(room, after, limit).await
    }

    async fn remove_invite(&self, room: &RoomId, id: InviteId) -> Result<bool, BackendError> {
        let mut journal = self.journal.lock().await;
        write(&mut journal, &Record::Uninvite(room.clone(), id))?;
        self.memory.remove_invite(room, id).await
    }

    async fn use_invite(
        &self,
        token: &InviteToken,
        now: DateTime<Utc>,
    ) -> Result<Option<Invite>, BackendError> {
        let mut journal = self.journal.lock().await;
        write(&mut journal, &Record::Use(token.clone(), now))?;
        self.memory.use_invite(token, now).await
    }

    async fn unuse_invite(&self, id: InviteId) -> Result<(), BackendError> {
        let mut journal = self.journal.lock().await;
        write(&mut journal, &Record::Unuse(id))?;
        self.memory.unuse_invite(id).await
    }
}

#[async_trait]
impl LogStore for JournalStore {
    async fn append(&self, batch: Vec<NewEntry>) -> Vec<Result<Appended, AppendError>> {
        let mut journal = self.journal.lock().await;
        match write(&mut journal, &Record::Append(batch.clone())) {
            Ok(()) => self.memory.append(batch).await,
            Err(error) => vec![Err(error.into()); batch.len()],
        }
    }

    async fn page(
        &self,
        room: &RoomId,
        page: Page,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        self.memory.page(room, page, limit).await
    }

    async fn find(&self, room: &RoomId, id: MessageId) -> Result<Option<Arc<Entry>>, BackendError> {
        self.memory.find(room, id).await
    }
}

#[async_trait]
impl ReceiptStore for JournalStore {
    async fn advance(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> Result<Change<Watermarks>, BackendError> {
        let mut journal = self.journal.lock().await;
        write(
            &mut journal,
            &Record::Receipt(room.clone(), user.clone(), mark, upto),
        )?;
        self.memory.advance(room, user, mark, upto).await
    }

    async fn watermarks(
        &self,
        room: &RoomId,
        users: &[UserId],
    ) -> Result<Vec<Watermarks>, BackendError> {
        self.memory.watermarks(room, users).await
    }

    async fn readers(
        &self,
        room: &RoomId,
        seq: Seq,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError> {
        self.memory.readers(room, seq, after, limit).await
    }

    async fn receipt_times(
        &self,
        room: &RoomId,
        user: &UserId,
        seqs: &[Seq],
    ) -> Result<Vec<ReceiptTimes>, BackendError> {
        self.memory.receipt_times(room, user, seqs).await
    }
}

#[async_trait]
impl PolicyStore for JournalStore {
    async fn decide(&self, new: NewDecision) -> Result<Decision, BackendError> {
        let mut journal = self.journal.lock().await;
        write(&mut journal, &Record::Decision(new.clone()))?;
        self.memory.decide(new).await
    }

    async fn decisions(&self, after: Version, limit: usize) -> Result<Vec<Decision>, BackendError> {
        self.memory.decisions(after, limit).await
    }

    async fn newest_decision(&self) -> Result<Version, BackendError> {
        self.memory.newest_decision().await
    }

    async fn forget_decisions(
        &self,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), BackendError> {
        let mut journal = self.journal.lock().await;
        write(&mut journal, &Record::Forget(before, now))?;
        self.memory.forget_decisions(before, now).await
    }

    async fn in_force(&self, after: Ends, limit: usize) -> Result<Vec<Decision>, BackendError> {
        self.memory.in_force(after, limit).await
    }
}

#[async_trait]
impl LookStore for JournalStore {
    async fn claim_look(&self, look: &Look, user: &UserId) -> Result<UserId, BackendError> {
        let mut journal = self.journal.lock().await;
        write(&mut journal, &Record::Look(look.clone(), user.clone()))?;
        self.memory.claim_look(look, user).await
    }
}

#[async_trait]
impl BlockStore for JournalStore {
    async fn block(&self, block: Block) -> Result<Block, BackendError> {
        let mut journal = self.journal.lock().await;
        write(&mut journal, &Record::Block(block.clone()))?;
        self.memory.block(block).await
    }

    async fn unblock(&self, by: &UserId, user: &UserId) -> Result<Option<Block>, BackendError> {
        let mut journal = self.journal.lock().await;
        write(&mut journal, &Record::Unblock(by.clone(), user.clone()))?;
        self.memory.unblock(by, user).await
    }

    async fn blocks_by(
        &self,
        by: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Block>, BackendError> {
        self.memory.blocks_by(by, after, limit).await
    }

    async fn blocks_of(&self, users: &[UserId], by: &[UserId]) -> Result<Vec<Block>, BackendError> {
        self.memory.blocks_of(users, by).await
    }
}

/// The journal still holds what is erased: a store for real data writes it anew.
#[async_trait]
impl ErasureStore for JournalStore {
    async fn delete_room(&self, room: &RoomId, epoch: Epoch) -> Result<bool, BackendError> {
        let mut journal = self.journal.lock().await;
        write(&mut journal, &Record::DeleteRoom(room.clone(), epoch))?;
        self.memory.delete_room(room, epoch).await
    }

    async fn rooms_about(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<RoomId>, BackendError> {
        self.memory.rooms_about(user, after, limit).await
    }

    async fn entries_about(
        &self,
        room: &RoomId,
        user: &UserId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError> {
        self.memory.entries_about(room, user, after, limit).await
    }

    async fn erase_in(
        &self,
        room: &RoomId,
        user: &UserId,
        name: &UserId,
    ) -> Result<(), BackendError> {
        let mut journal = self.journal.lock().await;
        let record = Record::EraseIn(room.clone(), user.clone(), name.clone());
        write(&mut journal, &record)?;
        self.memory.erase_in(room, user, name).await
    }

    async fn erase_user(&self, user: &UserId, name: &UserId) -> Result<(), BackendError> {
        let mut journal = self.journal.lock().await;
        write(&mut journal, &Record::EraseUser(user.clone(), name.clone()))?;
        self.memory.erase_user(user, name).await
    }
}

/// A store in a folder of its own, for one case of the suite.
struct Harness {
    path: PathBuf,
    store: Mutex<Arc<JournalStore>>,
    _folder: tempfile::TempDir,
}

#[async_trait]
impl StoreHarness for Harness {
    fn store(&self) -> Arc<dyn Store> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::<JournalStore>::clone(&store)
    }

    async fn reopen(&self) -> bool {
        let Ok(store) = JournalStore::open(&self.path).await else {
            return false;
        };
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(store);
        true
    }
}

async fn fresh() -> Result<Harness, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("journal");
    let store = Mutex::new(Arc::new(JournalStore::open(&path).await?));
    Ok(Harness {
        path,
        store,
        _folder: folder,
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut failed = 0;
    let names: Vec<_> = CASES.names().collect();
    for name in &names {
        if let Err(why) = CASES.run(name, &fresh().await?).await {
            failed += 1;
            println!("{name}: {why}");
        }
    }
    println!(
        "{} cases of the contract pass, {failed} fail",
        names.len() - failed
    );
    if failed > 0 {
        Err("the store breaks its contract".into())
    } else {
        Ok(())
    }
}
