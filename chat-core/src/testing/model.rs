//! A comparison of a store with [`MemoryStore`]: both must give the same answers to random
//! commands.

use std::{
    fmt::{self, Debug},
    hash::{BuildHasher, RandomState},
    pin::pin,
    sync::atomic::Ordering,
    task::{Context, Poll, Waker},
    time::Duration,
};

use chrono::DateTime;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use proptest_state_machine::ReferenceStateMachine;
use uuid::Uuid;

use super::store::StoreHarness;
use crate::{
    ClientMessageId, Details, EntryBody, Epoch, History, InboxFilter, InboxPlace, LeftWhy, Mark,
    MeChange, MessageId, NewEntry, NewRoom, Notify, OpenTo, Page, Role, RoomChange, RoomId,
    RoomKind, RoomName, Seq, SettingsChange, UserId,
    memory::MemoryStore,
    port::{LogStore, RoomStore, Store},
};

/// Tries `cases` random sequences of up to 60 commands, each on a fresh store.
///
/// Names, client message ids and targets are few, so that duplicates, bad targets and missing rooms
/// are frequent; now and then the store is reopened. At the end of a sequence everything that can
/// be read is compared too. A difference is shrunk to the few commands that show it.
///
/// [`testing::store`](super::store) has an example of a call.
///
/// # Panics
///
/// When an answer differs. The text has at most 20 lines: the commands, the difference, and the
/// seed with which [`check_seed`] tries the same commands again.
pub fn check<H: StoreHarness>(cases: u32, fresh: impl AsyncFn() -> H) {
    check_seed(RandomState::new().hash_one(cases), cases, fresh);
}

/// Tries the sequences of commands that this seed generates, as [`check`] does.
///
/// # Panics
///
/// As [`check`].
pub fn check_seed<H: StoreHarness>(seed: u64, cases: u32, fresh: impl AsyncFn() -> H) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let commands = Reference::sequential_strategy(1..60);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&commands, |(mut reference, commands, seen)| {
        super::block_on(async {
            let harness = fresh().await;
            for command in commands {
                if let Some(seen) = &seen {
                    seen.fetch_add(1, Ordering::SeqCst);
                }
                reference = Reference::apply(reference, &command);
                let found = match &command {
                    Command::Reopen => {
                        harness.reopen().await;
                        String::new()
                    }
                    Command::ReadAll => read_all(&*harness.store()).await,
                    command => answer(&*harness.store(), command).await,
                };
                same(&reference.answer, &found, &command)?;
            }
            let expected = at_once(read_all(&reference.store));
            let found = read_all(&*harness.store()).await;
            same(&expected, &found, &Command::ReadAll)
        })
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(difference, (_, commands, _))) => {
            panic!("{}", report(seed, cases, &commands, difference.message()))
        }
        Err(abort) => panic!("{abort}"),
    }
}

/// A report of at most 20 lines, each short enough to be read.
fn report(seed: u64, cases: u32, commands: &[Command], difference: &str) -> String {
    const COMMANDS: usize = 10;
    let mut lines = vec![format!(
        "model::check_seed({seed}, {cases}, ..) found a difference; the commands:"
    )];
    let earlier = commands.len().saturating_sub(COMMANDS);
    if earlier > 0 {
        lines.push(format!("  ({earlier} before these)"));
    }
    let last = commands[earlier..].iter();
    lines.extend(last.map(|command| format!("  {command}")));
    lines.extend(difference.lines().map(str::to_owned));
    for line in &mut lines {
        if let Some((end, _)) = line.char_indices().nth(200) {
            line.replace_range(end.., " ...");
        }
    }
    lines.join("\n")
}

/// Fails if the answers differ, and shows the first difference in at most eight lines.
fn same(expected: &str, found: &str, to: &Command) -> Result<(), TestCaseError> {
    const SHOWN: usize = 3;
    if expected == found {
        return Ok(());
    }
    let both = expected.lines().zip(found.lines());
    let alike = both.take_while(|(one, other)| one == other).count();
    let from_there = |answer: &str| {
        let lines: Vec<_> = answer.lines().skip(alike).take(SHOWN).collect();
        lines.join("\n  ")
    };
    Err(TestCaseError::fail(format!(
        "the answer to {to}, from line {}:\n  {}\nought to be:\n  {}",
        alike + 1,
        from_there(found),
        from_there(expected)
    )))
}

#[derive(Debug, Clone)]
enum Command {
    Create(NewRoom),
    Append(Vec<NewEntry>),
    Page(RoomId, Page, usize),
    Find(RoomId, MessageId),
    Room(RoomId),
    Member(RoomId, UserId),
    Members(RoomId, Option<UserId>, usize),
    RoomsOf(UserId, Option<RoomId>, usize),
    Advance(RoomId, UserId, Mark, Seq),
    Watermarks(RoomId, Vec<UserId>),
    Inbox(UserId, InboxFilter, Option<InboxPlace>, usize),
    SetMe(RoomId, UserId, MeChange),
    Directory(&'static str, Option<RoomId>, usize),
    ReadAll,
    Reopen,
}

/// The command in one line.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(new) => write!(f, "create_room {}: {:?}", new.id, new.members),
            Self::Append(batch) => {
                f.write_str("append")?;
                for new in batch {
                    let NewEntry {
                        room,
                        author,
                        client_id,
                        body,
                        ..
                    } = new;
                    write!(f, " | {room} {author} {client_id} {body:?}")?;
                }
                Ok(())
            }
            other => Debug::fmt(other, f),
        }
    }
}

/// The answer of a store as text, because text shows every field and errors are not comparable.
async fn answer(store: &dyn Store, command: &Command) -> String {
    fn text(answer: impl Debug) -> String {
        format!("{answer:#?}")
    }
    match command.clone() {
        Command::Create(new) => text(store.create_room(new).await),
        Command::Append(batch) => text(store.append(batch).await),
        Command::Page(room, page, limit) => text(store.page(&room, page, limit).await),
        Command::Find(room, id) => text(store.find(&room, id).await),
        Command::Room(room) => text(store.room(&room).await),
        Command::Member(room, user) => text((
            store.member(&room, &user).await,
            store.inbox_room(&room, &user).await,
        )),
        Command::Members(room, after, limit) => {
            text(store.members(&room, after.as_ref(), limit).await)
        }
        Command::RoomsOf(user, after, limit) => {
            let with = store.rooms_with(std::slice::from_ref(&user), after.as_ref(), limit);
            let with = with.await;
            text((store.rooms_of(&user, after.as_ref(), limit).await, with))
        }
        Command::Advance(room, user, mark, upto) => {
            text(store.advance(&room, &user, mark, upto).await)
        }
        Command::Watermarks(room, users) => text(store.watermarks(&room, &users).await),
        Command::Inbox(user, filter, after, limit) => {
            text(store.inbox(&user, filter, after.as_ref(), limit).await)
        }
        Command::SetMe(room, user, change) => text(store.set_me(&room, &user, change).await),
        Command::Directory(query, after, limit) => {
            text(store.directory(query, after.as_ref(), limit).await)
        }
        Command::ReadAll | Command::Reopen => String::new(),
    }
}

/// Everything that can be read about the few rooms and users of the commands.
async fn read_all(store: &dyn Store) -> String {
    let mut all = String::new();
    for room in ROOMS.map(room_id) {
        for question in [
            Command::Room(room.clone()),
            Command::Members(room.clone(), None, 100),
            Command::Page(room.clone(), Page::After(Seq::ZERO), 10_000),
            Command::Watermarks(room, USERS.map(user).into()),
        ] {
            all += &answer(store, &question).await;
        }
    }
    for user in USERS.map(user) {
        all += &answer(store, &Command::RoomsOf(user.clone(), None, 100)).await;
        for filter in [InboxFilter::All, InboxFilter::Hidden] {
            let inbox = Command::Inbox(user.clone(), filter, None, 100);
            all += &answer(store, &inbox).await;
        }
    }
    all
}

/// The store in memory, and its answer to the last command.
#[derive(Debug, Default)]
struct Reference {
    store: MemoryStore,
    answer: String,
    /// The number of commands so far, from which new ids are made.
    commands: u128,
}

impl Clone for Reference {
    fn clone(&self) -> Self {
        Self {
            store: self.store.snapshot(),
            answer: self.answer.clone(),
            commands: self.commands,
        }
    }
}

impl Reference {
    /// The messages that can be edited and deleted, each with its author.
    fn messages(&self) -> Vec<(RoomId, UserId, Seq)> {
        let log = |room| at_once(async move { self.store.page(&room, Page::Newest, 100).await });
        let entries = ROOMS
            .into_iter()
            .flat_map(|name| log(room_id(name)).unwrap());
        let messages = entries.filter(|entry| matches!(entry.body, EntryBody::Message { .. }));
        messages
            .map(|entry| (entry.room.clone(), entry.author.clone(), entry.seq))
            .collect()
    }
}

impl ReferenceStateMachine for Reference {
    type State = Self;
    type Transition = Command;

    fn init_state() -> BoxedStrategy<Self> {
        Just(()).prop_map(|()| Self::default()).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Command> {
        command(state.commands, state.messages())
    }

    fn apply(mut state: Self, command: &Command) -> Self {
        state.commands += 1;
        state.answer = match command {
            Command::ReadAll => at_once(read_all(&state.store)),
            command => at_once(answer(&state.store, command)),
        };
        state
    }

    /// The contract covers receipts of members only.
    fn preconditions(state: &Self, command: &Command) -> bool {
        let Command::Advance(room, user, ..) = command else {
            return true;
        };
        at_once(async {
            state.store.member(room, user).await.unwrap().is_some()
                || state.store.room(room).await.unwrap().is_none()
        })
    }
}

/// The answer of a future that never waits, as those of the store in memory.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the store in memory waits for nothing"),
    }
}

const ROOMS: [&str; 3] = ["alice,bob", "group", "Group"];
const USERS: [&str; 4] = ["Bob", "alice", "bob", "carol"];

fn room_id(name: &str) -> RoomId {
    RoomId::new(name).expect("a valid room id")
}

fn user(name: &str) -> UserId {
    UserId::new(name).expect("a valid name")
}

fn a_room() -> impl Strategy<Value = RoomId> + Clone {
    // The last room is chosen, and so exists, less often.
    prop_oneof![4 => Just(ROOMS[0]), 4 => Just(ROOMS[1]), 1 => Just(ROOMS[2])].prop_map(room_id)
}

fn a_user() -> impl Strategy<Value = UserId> + Clone {
    select(&USERS).prop_map(user)
}

fn a_seq() -> impl Strategy<Value = Seq> + Clone {
    prop_oneof![12 => 0..16_u64, 1 => Just(Seq::MAX.0), 1 => Just(u64::MAX)].prop_map(Seq)
}

fn a_limit() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..12_usize, 1 => Just(usize::MAX)]
}

fn a_page() -> impl Strategy<Value = Page> {
    prop_oneof![
        Just(Page::Newest),
        a_seq().prop_map(Page::Before),
        a_seq().prop_map(Page::After),
        a_seq().prop_map(Page::Around),
    ]
}

fn a_text() -> impl Strategy<Value = &'static str> {
    select(&["", "a", "b", "🦀"])
}

fn a_body() -> impl Strategy<Value = EntryBody> {
    prop_oneof![
        6 => a_text().prop_map(EntryBody::message),
        1 => (a_seq(), a_text()).prop_map(|(target, text)| an_edit(target, text)),
        1 => a_seq().prop_map(|target| EntryBody::Delete { target }),
        1 => (a_user(), a_role()).prop_map(|(user, role)| EntryBody::Joined { user, role }),
        1 => a_user().prop_map(|user| EntryBody::Left {
            user,
            why: LeftWhy::Removed,
        }),
        1 => (a_user(), a_role()).prop_map(|(user, role)| EntryBody::Role { user, role }),
        1 => a_change().prop_map(|change| EntryBody::Room(change.into())),
    ]
}

fn a_change() -> impl Strategy<Value = RoomChange> {
    let name = select(&["", "Team", "Zoë"]);
    let open_to = select(&[OpenTo::Everyone, OpenTo::Moderators]);
    let history = select(&[History::All, History::Joined]);
    let settings = (open_to.clone(), open_to, history);
    let settings = settings.prop_map(|(post, add, history)| SettingsChange {
        post: Some(post),
        add: Some(add),
        history: Some(history),
        slow_mode: None,
    });
    let archived = prop_oneof![6 => Just(None), 1 => any::<bool>().prop_map(Some)];
    let parts = (name, prop::option::of(settings), archived);
    parts.prop_map(|(name, settings, archived)| RoomChange {
        name: RoomName::new(name).ok(),
        settings,
        archived,
        ..RoomChange::default()
    })
}

fn a_role() -> impl Strategy<Value = Role> + Clone {
    select(&Role::ALL)
}

fn an_edit(target: Seq, text: &str) -> EntryBody {
    EntryBody::Edit {
        target,
        text: text.into(),
    }
}

/// The room, the author and the body of an entry.
type Aim = (RoomId, UserId, EntryBody);

/// Aims at an existing message, because a random author, room and number seldom match one.
fn at_a_message(messages: Vec<(RoomId, UserId, Seq)>) -> impl Strategy<Value = Aim> {
    (select(messages), a_text(), 0..3_u8).prop_map(|((room, author, target), text, choice)| {
        let body = match choice {
            0 => EntryBody::Delete { target },
            _ => an_edit(target, text),
        };
        (room, author, body)
    })
}

fn an_entry(messages: Vec<(RoomId, UserId, Seq)>) -> impl Strategy<Value = NewEntry> {
    let anywhere = (a_room(), a_user(), a_body()).boxed();
    let aim = if messages.is_empty() {
        anywhere
    } else {
        prop_oneof![3 => anywhere, 1 => at_a_message(messages)].boxed()
    };
    let id = select(&[
        "a", "A", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o",
    ]);
    let millis = (0..1_000_000_u64).prop_map(Duration::from_millis);
    let require = prop_oneof![2 => Just(None), 1 => a_role().prop_map(Some)];
    let max_members = prop_oneof![4 => Just(None), 1 => (1..4_u64).prop_map(Some)];
    let parts = (aim, id, millis, require, max_members);
    parts.prop_map(
        |((room, author, body), id, millis, require, max_members)| NewEntry {
            room,
            id: MessageId(Uuid::nil()),
            author,
            client_id: ClientMessageId::new(id).expect("a valid client message id"),
            at: DateTime::UNIX_EPOCH + millis,
            body,
            require,
            max_members,
        },
    )
}

fn a_filter() -> impl Strategy<Value = InboxFilter> {
    use InboxFilter::{All, Hidden, Mentions, Pinned, Unread};
    select(&[All, Unread, Mentions, Pinned, Hidden])
}

fn a_place() -> impl Strategy<Value = InboxPlace> {
    let millis = (0..1_000_000_u64).prop_map(Duration::from_millis);
    (millis, a_room()).prop_map(|(millis, room)| InboxPlace {
        active_at: DateTime::UNIX_EPOCH + millis,
        room,
    })
}

fn a_me_change() -> impl Strategy<Value = MeChange> {
    let flag = || prop::option::of(any::<bool>());
    let notify = prop::option::of(select(&Notify::ALL));
    let muted_until = select(&[None, Some(None), Some(Some(DateTime::UNIX_EPOCH))]);
    let parts = (notify, flag(), flag(), muted_until);
    parts.prop_map(|(notify, pinned, hidden, muted_until)| MeChange {
        notify,
        pinned,
        hidden,
        muted_until,
    })
}

/// The maximum length of a batch, whose ids differ from those of all other commands.
const BATCH: usize = 8;

fn id_of(command: u128, at: usize) -> MessageId {
    MessageId(Uuid::from_u128(command * BATCH as u128 + at as u128 + 1))
}

/// The command with this number, when these messages can be edited and deleted.
fn command(number: u128, messages: Vec<(RoomId, UserId, Seq)>) -> BoxedStrategy<Command> {
    let owner = prop::option::of(a_user());
    let new_room = (a_room(), vec(a_user(), 0..4), owner, a_change());
    let new_room = new_room.prop_map(move |(id, members, created_by, change)| NewRoom {
        kind: match id.as_str() {
            "Group" => RoomKind::Channel,
            _ if id.is_direct() => RoomKind::Direct,
            _ => RoomKind::Group,
        },
        details: if id.is_direct() {
            Details::default()
        } else {
            Details::default().changed(&change)
        },
        id,
        epoch: Epoch(Uuid::from_u128(number)),
        members,
        created_by,
        created_at: DateTime::UNIX_EPOCH,
    });
    let batch = vec(an_entry(messages), 0..=BATCH).prop_map(move |mut batch| {
        for (at, new) in batch.iter_mut().enumerate() {
            new.id = id_of(number, at);
        }
        batch
    });
    let id = (0..=number, 0..BATCH).prop_map(|(command, at)| id_of(command, at));
    let mark = select(&[Mark::Delivered, Mark::Read]);
    let rooms = if number < 6 { 30 } else { 2 };
    prop_oneof![
        rooms => new_room.prop_map(Command::Create),
        12 => batch.prop_map(Command::Append),
        6 => (a_room(), a_page(), a_limit()).prop_map(|(a, b, c)| Command::Page(a, b, c)),
        2 => (a_room(), id).prop_map(|(a, b)| Command::Find(a, b)),
        1 => a_room().prop_map(Command::Room),
        1 => (a_room(), a_user()).prop_map(|(a, b)| Command::Member(a, b)),
        2 => (a_room(), prop::option::of(a_user()), a_limit())
            .prop_map(|(a, b, c)| Command::Members(a, b, c)),
        3 => (a_user(), prop::option::of(a_room()), a_limit())
            .prop_map(|(a, b, c)| Command::RoomsOf(a, b, c)),
        5 => (a_room(), a_user(), mark, a_seq())
            .prop_map(|(a, b, c, d)| Command::Advance(a, b, c, d)),
        2 => (a_room(), vec(a_user(), 0..4)).prop_map(|(a, b)| Command::Watermarks(a, b)),
        3 => (a_user(), a_filter(), prop::option::of(a_place()), a_limit())
            .prop_map(|(a, b, c, d)| Command::Inbox(a, b, c, d)),
        2 => (a_room(), a_user(), a_me_change()).prop_map(|(a, b, c)| Command::SetMe(a, b, c)),
        1 => (select(&["", "e", "zoë"]), prop::option::of(a_room()), a_limit())
            .prop_map(|(a, b, c)| Command::Directory(a, b, c)),
        1 => Just(Command::ReadAll),
        1 => Just(Command::Reopen),
    ]
    .boxed()
}
