//! Appending entries. An entry takes its number by being inserted under it: the unique index on
//! room and number decides between nodes, so there is no counter to ask and no gap to leave.
//!
//! The rooms of a batch are divided among a few lanes that run concurrently. A lane inserts the
//! entries of all its rooms with one ordered command, which stops at the first number that another
//! node has already taken. The entries before it are stored; the rest is planned again from the
//! newest head. The command is ordered because an entry must not be stored when an earlier one of
//! its room has failed.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use chat_core::{
    ClientMessageId, Entry, NewEntry, Role, RoomId, Seq, UserId,
    port::{AppendError, Retry},
};
use futures_util::future;
use mongodb::{
    bson::{Document, doc},
    error::Result,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    block_doc,
    collections::Collections,
    connect::LIMIT,
    doc::{self, EntryDoc},
    error::{self, Answer, Taken},
    plan::{Plan, Step, asks_room, refused},
    room_doc::{RoomDoc, RoomMemberDoc},
};

/// The number of inserts of one batch that run concurrently, and the number of entries for which a
/// further one is worth its cost.
const LANES: usize = 4;
const LANE_ENTRIES: usize = 32;

/// The number of rooms whose heads are remembered, about 100 bytes each.
const HEADS: usize = 100_000;

/// The number of appends that read a room's head first, after another node was quicker there.
/// Without them the node that appended last, which knows the head, would win every time.
const POLITE: u8 = 16;

/// The newest number of each room, as far as this process knows it without a query.
///
/// A number may be too old: then the unique index refuses the insert. It must not be too new, or
/// the next append would leave a gap; so only numbers count that a majority of the servers has,
/// which no election takes back.
#[derive(Debug, Default)]
pub(crate) struct Heads(Mutex<HashMap<RoomId, Head>>);

#[derive(Debug, Clone, Copy)]
struct Head {
    seq: Seq,
    /// The number of further appends that read the head first.
    polite: u8,
}

impl Heads {
    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, Head>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, room: &RoomId) -> Option<Seq> {
        let head = self.lock().get(room).copied();
        head.filter(|head| head.polite == 0).map(|head| head.seq)
    }

    fn appended(&self, room: &RoomId, seq: Seq) {
        let mut heads = self.lock();
        if heads.len() >= HEADS {
            heads.clear();
        }
        let polite = heads.get(room).map_or(0, |head| head.polite);
        let polite = polite.saturating_sub(1);
        heads.insert(room.clone(), Head { seq, polite });
    }

    fn contended(&self, room: &RoomId) {
        let (seq, polite) = (Seq::ZERO, POLITE);
        self.lock().insert(room.clone(), Head { seq, polite });
    }

    pub(crate) fn forget(&self, room: &RoomId) {
        self.lock().remove(room);
    }
}

/// Divides a batch into lanes, each room whole and in order. The indexes give the places of the
/// entries in the batch.
pub(crate) fn lanes(batch: Vec<NewEntry>) -> Vec<Vec<(usize, NewEntry)>> {
    let wanted = batch.len().div_ceil(LANE_ENTRIES).clamp(1, LANES);
    let mut lanes: Vec<Vec<(usize, NewEntry)>> = Vec::new();
    lanes.resize_with(wanted, Vec::new);
    let mut lane_of: HashMap<RoomId, usize> = HashMap::new();
    for (at, entry) in batch.into_iter().enumerate() {
        let next = lane_of.len() % wanted;
        let lane = *lane_of.entry(entry.room.clone()).or_insert(next);
        lanes[lane].push((at, entry.in_micros()));
    }
    lanes.retain(|lane| !lane.is_empty());
    lanes
}

/// Appends the entries of one lane.
pub(crate) async fn run(
    collections: &Collections,
    heads: &Heads,
    entries: &[(usize, NewEntry)],
    deadline: Instant,
) -> Vec<(usize, Answer)> {
    let mut lane = Lane {
        collections,
        heads,
        open: entries,
        answers: Vec::with_capacity(entries.len()),
    };
    let failed = match timeout_at(deadline, lane.append_all()).await {
        Ok(Ok(())) => return lane.answers,
        Ok(Err(error)) => error::classify(&error, "append"),
        Err(_) => error::timed_out("append", Retry::IfIdempotent),
    };
    let mut answers = lane.answers;
    for (at, entry) in &entries[answers.len()..] {
        heads.forget(&entry.room);
        answers.push((*at, Err(failed.clone().into())));
    }
    answers
}

/// The moment at which an append that begins now gives up.
pub(crate) fn deadline() -> Instant {
    Instant::now() + LIMIT
}

struct Lane<'a> {
    collections: &'a Collections,
    heads: &'a Heads,
    /// The entries that have no answer yet.
    open: &'a [(usize, NewEntry)],
    answers: Vec<(usize, Answer)>,
}

impl Lane<'_> {
    async fn append_all(&mut self) -> Result<()> {
        let mut taken = None;
        while !self.open.is_empty() {
            taken = self.round(taken).await?;
        }
        Ok(())
    }

    /// Plans the open entries and inserts them, up to the first key that is `taken`.
    async fn round(&mut self, before: Option<Taken>) -> Result<Option<Taken>> {
        // A taken number says nothing about duplicates: those are found once the number is right.
        let doubtful = matches!(before, Some(Taken::Id | Taken::Other));
        let mut steps = self.plan(before.is_some(), doubtful).await?;
        let refused = |step: &Step| {
            use AppendError::{Blocked, Full, NotAllowed};
            matches!(step, Step::Answer(Err(NotAllowed | Blocked | Full)))
        };
        if !doubtful && steps.iter().any(refused) {
            // What its author may not store now may be the retry of an entry that is stored.
            steps = self.plan(before.is_some(), true).await?;
        }
        let docs: Vec<&EntryDoc> = steps.iter().filter_map(Step::doc).collect();
        let inserted = if docs.is_empty() {
            Ok(())
        } else {
            let noted = self.collections.note_newest(&docs);
            future::join(self.collections.insert(&docs), noted).await.0
        };
        let (stored, taken) = match inserted {
            Ok(()) => (docs.len(), None),
            Err(error) => {
                let (stored, taken) = error::duplicate(&error).ok_or(error)?;
                self.collections.correct_newest(&docs, stored).await;
                (stored, Some(taken))
            }
        };
        let effects = self.answer(steps, stored);
        // The entries are stored even if this fails; then the next reader applies the effects.
        if let Err(error) = self.collections.apply(&effects).await {
            tracing::warn!(%error, "the effects of some entries are left to their first reader");
        }
        if let (Some(Taken::Id), true) = (taken, doubtful) {
            self.refuse_the_first();
        }
        if let (Some(_), Some((_, entry))) = (taken, self.open.first()) {
            self.heads.contended(&entry.room);
        }
        Ok(taken)
    }

    /// Plans the open entries, from what the store says of their rooms.
    async fn plan(&self, fresh: bool, doubtful: bool) -> Result<Vec<Step>> {
        let mut plan = Plan::new(self.find_heads(fresh).await?);
        // The blocks are read after the heads of contended rooms, and as late as the roles.
        let (blocked, (entries, members, rooms)) =
            future::try_join(self.blocked_rooms(), self.look_up(doubtful)).await?;
        for room in &blocked {
            plan.know_block(room);
        }
        for entry in entries {
            plan.know(entry);
        }
        for member in members {
            let RoomMemberDoc { room_id, member } = member;
            plan.know_member(&room_id, member.user, member.role);
        }
        for room in rooms {
            plan.know_room(room.room());
        }
        Ok(self
            .open
            .iter()
            .map(|(_, it)| plan.next(it.clone()))
            .collect())
    }

    /// Answers the entries up to the one after the first `stored` documents, and returns the
    /// documents with effects.
    fn answer(&mut self, steps: Vec<Step>, stored: usize) -> Vec<EntryDoc> {
        let mut left = stored;
        let mut effects = Vec::new();
        for step in steps {
            let answer = match step {
                Step::Answer(answer) => answer,
                Step::Store(..) if left == 0 => break,
                Step::Store(doc, appended) => {
                    left -= 1;
                    self.heads
                        .appended(&appended.entry.room, appended.entry.seq);
                    if doc.pending.is_some() {
                        effects.push(*doc);
                    }
                    Ok(appended)
                }
            };
            self.answer_the_first(answer);
        }
        effects
    }

    fn answer_the_first(&mut self, answer: Answer) {
        if let Some(((at, _), rest)) = self.open.split_first() {
            self.answers.push((*at, answer));
            self.open = rest;
        }
    }

    /// Refuses the first open entry: its id is taken by an entry that its author did not send under
    /// this client message id.
    fn refuse_the_first(&mut self) {
        self.answer_the_first(Err(refused("another entry has this id")));
    }

    /// Finds the heads of the rooms that exist.
    async fn find_heads(&self, fresh: bool) -> Result<HashMap<RoomId, Seq>> {
        let mut heads = HashMap::new();
        let mut unknown = HashSet::new();
        for (_, NewEntry { room, .. }) in self.open {
            match self.heads.known(room).filter(|_| !fresh) {
                Some(seq) => drop(heads.insert(room.clone(), seq)),
                None => drop(unknown.insert(room.as_str())),
            }
        }
        if !unknown.is_empty() {
            let unknown: Vec<_> = unknown.into_iter().collect();
            let found = self
                .collections
                .rooms(doc! { "_id": { "$in": unknown } })
                .await?;
            heads.extend(found.into_iter().map(|room| (room.id.clone(), room.head())));
        }
        Ok(heads)
    }

    /// Finds the direct rooms for which there are open entries that a block forbids.
    async fn blocked_rooms(&self) -> Result<Vec<RoomId>> {
        let mut asked = HashSet::new();
        let mut either = Vec::new();
        for (_, new) in self.open {
            if !asked.contains(&new.room)
                && let Some(other) = new.unblocked_with()
            {
                asked.insert(&new.room);
                either.extend([(&new.author, &other), (&other, &new.author)].map(block_doc::key));
            }
        }
        let blocked = self.collections.blocked_pairs(either).await?;
        let room = |(by, user): &(UserId, UserId)| RoomId::direct(by, user).ok();
        Ok(blocked.iter().filter_map(room).collect())
    }

    /// Reads the messages that are to be edited or deleted, and the entries that were sent before
    /// under the same client message ids: for edits and deletions, and for `all` entries when there
    /// are duplicates. Reads the rooms, and the members whose roles decide about an entry, too.
    ///
    /// This read follows that of the heads, so its result is at least as new; and if the number
    /// after a head is still free when the entry is inserted, no entry was appended in between.
    async fn look_up(&self, all: bool) -> Result<(Vec<Entry>, Vec<RoomMemberDoc>, Vec<RoomDoc>)> {
        let mut rooms = HashSet::new();
        let mut named: HashMap<&RoomId, HashSet<&str>> = HashMap::new();
        let mut asked = HashSet::new();
        let mut owned = HashSet::new();
        let mut targets: HashMap<&RoomId, Vec<i64>> = HashMap::new();
        let mut sent: HashMap<(&RoomId, &UserId), Vec<&str>> = HashMap::new();
        for (_, new) in self.open {
            let target = new.body.effect().target();
            if target.is_some() || all {
                rooms.insert(new.room.as_str());
                let client_id: &ClientMessageId = &new.client_id;
                let sent = sent.entry((&new.room, &new.author)).or_default();
                sent.push(client_id.as_str());
            }
            if let Some(target) = target {
                targets
                    .entry(&new.room)
                    .or_default()
                    .push(doc::number(target));
            }
            if asks_room(new) {
                rooms.insert(new.room.as_str());
                asked.insert(new.room.as_str());
                let named = named.entry(&new.room).or_default();
                named.insert(new.author.as_str());
                let about = new.body.effect().membership();
                named.extend(about.map(|(user, _)| user.as_str()));
                // Who owns the room decides about messages of others, and about the last owner.
                if new.asks_roles() && (about.is_some() || target.is_some()) {
                    owned.insert(new.room.as_str());
                }
            }
        }
        if rooms.is_empty() {
            return Ok((Vec::new(), Vec::new(), Vec::new()));
        }
        let rooms: Vec<_> = rooms.into_iter().collect();
        let entering = doc! { "_id": { "$in": &rooms } };
        future::try_join(
            self.collections.settle(doc! { "roomId": { "$in": rooms } }),
            self.collections.settle_rooms(entering),
        )
        .await?;
        let targets = targets.into_iter().map(|(room, seqs)| {
            doc! { "roomId": room.as_str(), "seq": { "$in": seqs } }
        });
        let sent = sent.into_iter().map(|((room, from), ids)| {
            doc! { "roomId": room.as_str(), "from": from.as_str(), "clientId": { "$in": ids } }
        });
        let entries: Vec<Document> = targets.chain(sent).collect();
        let named = named.into_iter().map(|(room, users)| {
            let users: Vec<_> = users.into_iter().collect();
            doc! { "roomId": room.as_str(), "user": { "$in": users }, "member": true }
        });
        let owners = owned
            .into_iter()
            .map(|room| doc! { "roomId": room, "role": Role::Owner.name(), "member": true });
        let members: Vec<Document> = named.chain(owners).collect();
        let asked: Vec<_> = asked.into_iter().collect();
        future::try_join3(
            self.collections.entries(entries),
            self.collections.members_of(members),
            self.collections.rooms_without_heads(asked),
        )
        .await
    }
}

impl Step {
    fn doc(&self) -> Option<&EntryDoc> {
        match self {
            Self::Store(doc, _) => Some(doc),
            Self::Answer(_) => None,
        }
    }
}

impl Collections {
    /// Stores entries in this order, up to the first one that is refused.
    async fn insert(&self, docs: &[&EntryDoc]) -> Result<()> {
        self.messages
            .clone_with_type::<EntryDoc>()
            .insert_many(docs.iter().copied())
            .ordered(true)
            .await
            .map(drop)
    }
}

/// Appends all lanes of a batch, and returns the answers in the order of the batch.
pub(crate) async fn append(
    collections: &Collections,
    heads: &Heads,
    batch: Vec<NewEntry>,
    deadline: Instant,
) -> Vec<Answer> {
    let lanes = lanes(batch);
    let runs = lanes
        .iter()
        .map(|lane| run(collections, heads, lane, deadline));
    let mut answers: Vec<_> = future::join_all(runs).await.into_iter().flatten().collect();
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
