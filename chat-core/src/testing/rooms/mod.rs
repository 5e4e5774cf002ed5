//! A comparison of engines with a small reference: random commands by ten users in five rooms.
//!
//! Both must give the same answers, and the users who are connected must be sent what the reference says, in
//! its order. The [model of a store](super::model) does this for stores alone; here it is whatever a user can
//! do, on one node or on several.

mod command;
mod random;
mod reference;

use std::{
    collections::{HashMap, VecDeque},
    env,
    fmt::Debug,
    sync::Arc,
    time::Duration,
};

use chrono::DateTime;
use tokio::time::{Instant, sleep, timeout};

use self::command::{Command, In, ROOMS, USERS, user};
use self::random::Random;
use self::reference::{Answer, MEMBERS, Reference, Sanctions};
use crate::{
    ChatEngine, Config, Entry, EntryBody, Error, Event, InviteId, InviteToken, LocalSession,
    ManualClock, Mark, Member, Reason, RoomId, RoomKind, RoomName, RoomView, SanctionList,
    Settings, SettingsChange, UserId,
    command::Create,
    memory::{MemoryBus, MemoryCache},
    port::Store,
};

/// The time that a node may take to notice what another one has done.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tries so many random commands on engines that share this empty store, each command on one of `nodes` nodes.
///
/// Every second user is connected, to one of the nodes. `CHAT_COMMANDS` in the environment sets another number of
/// commands, and `CHAT_SEED` another seed than 1; a run prints both.
///
/// # Panics
///
/// When an answer, or what a user is sent, differs from the reference; the text has the seed and the last
/// commands in the room.
#[expect(clippy::print_stdout, reason = "a run shows its seed")]
pub async fn check(store: Arc<dyn Store>, nodes: usize, commands: usize) {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let commands = number("CHAT_COMMANDS").map_or(commands, |it| usize::try_from(it).unwrap());
    let seed = number("CHAT_SEED").unwrap_or_default() | 1;
    println!("CHAT_SEED={seed} CHAT_COMMANDS={commands}, on {nodes} nodes");
    let clock = Arc::new(ManualClock::default());
    let mut subject = Subject::new(store, nodes, &clock).await;
    let mut random = Random(seed);
    let mut reference = Reference::default();
    let mut before = VecDeque::new();
    // The first is the direct room, the others are groups and channels.
    let first = [(user(0), Command::Open(user(1)))];
    let groups = (1..ROOMS).map(|number| {
        let create = Command::Create {
            place: number,
            kind: if number % 2 == 0 {
                RoomKind::Channel
            } else {
                RoomKind::Group
            },
            settings: Settings::default(),
            members: vec![user(number), user(number + 1)],
        };
        (user(number), create)
    });
    let mut first: VecDeque<_> = first.into_iter().chain(groups).collect();
    let mut refused = 0;
    for number in 0..commands {
        clock.advance(Duration::from_millis(1));
        let (by, command) = match first.pop_front() {
            Some(first) => first,
            None => random.command(&reference),
        };
        let node = random.below(nodes);
        before.push_back(format!("{number}: {by} on node {node}: {command:?}"));
        let expected = reference.act(&by, &command);
        let found = subject.act(node, &by, &command).await;
        let outcome = match same("the answer", &expected, &found) {
            Ok(()) => subject.settle(&mut reference, &by, &command).await,
            different => different,
        };
        if let Err(difference) = outcome {
            let about = |line: &&String| match &command {
                Command::In(room, _) => line.contains(&format!("In({room},")),
                _ => true,
            };
            let last: Vec<&str> = before
                .iter()
                .rev()
                .filter(about)
                .take(25)
                .map(String::as_str)
                .collect();
            let last: Vec<_> = last.into_iter().rev().collect();
            panic!(
                "CHAT_SEED={seed}, after {number} commands\n{}\n{difference}",
                last.join("\n")
            );
        }
        refused += usize::from(expected.is_err());
    }
    println!("{refused} of {commands} commands were refused");
    subject.close().await;
}

fn same(what: &str, expected: &impl Debug, found: &impl Debug) -> Result<(), String> {
    let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
    if expected == found {
        return Ok(());
    }
    Err(format!("{what} is {found},\nand ought to be {expected}"))
}

/// The engines, and what a client remembers of them.
#[derive(Debug)]
struct Subject {
    nodes: Vec<ChatEngine>,
    sessions: HashMap<UserId, LocalSession>,
    rooms: Vec<RoomId>,
    numbers: HashMap<RoomId, usize>,
    invites: HashMap<usize, Vec<(InviteId, InviteToken)>>,
}

impl Subject {
    async fn new(store: Arc<dyn Store>, nodes: usize, clock: &Arc<ManualClock>) -> Self {
        let cache = Arc::new(MemoryCache::default());
        let bus = MemoryBus::default();
        let config = Config {
            send_limit: None,
            room_limit: None,
            room_members: MEMBERS,
            ..Config::default()
        };
        let node = |_| {
            let mut engine = ChatEngine::builder()
                .store(Arc::clone(&store))
                .cache(Arc::clone(&cache))
                .clock(Arc::<ManualClock>::clone(clock))
                .config(config.clone());
            if nodes > 1 {
                engine = engine.broker(bus.node());
            }
            engine.build().unwrap()
        };
        let nodes: Vec<ChatEngine> = (0..nodes).map(node).collect();
        let mut sessions = HashMap::new();
        for number in (0..USERS).step_by(2) {
            let node = &nodes[number / 2 % nodes.len()];
            let user = user(number);
            sessions.insert(user.clone(), node.connect(user).await.unwrap());
        }
        Self {
            nodes,
            sessions,
            rooms: Vec::new(),
            numbers: HashMap::new(),
            invites: HashMap::new(),
        }
    }

    fn number(&self, room: &RoomId) -> usize {
        self.numbers[room]
    }

    fn entry(&self, entry: &Entry) -> String {
        let mut body = entry.body.clone();
        if let EntryBody::Message { edited_at, .. } = &mut body {
            *edited_at = edited_at.map(|_| DateTime::UNIX_EPOCH);
        }
        let (room, seq, author) = (self.number(&entry.room), entry.seq, &entry.author);
        format!("{room}#{seq} {author} {body:?}", seq = seq.0)
    }

    fn view(&self, view: &RoomView) -> String {
        let RoomView { room, me, members } = view;
        let (number, count, head) = (self.number(&room.id), room.members, room.head.0);
        let members = members.iter();
        let roles: Vec<_> = members
            .map(|it| format!("{} {:?}", it.presence.user, it.role))
            .collect();
        let (archived, role, roles) = (room.details.archived, me.role, roles.join(" "));
        format!("{number}: {count} {head} {archived} {role:?} {roles}")
    }

    async fn act(&mut self, node: usize, by: &UserId, command: &Command) -> Answer {
        self.answer(node, by, command)
            .await
            .map_err(|error| error.code().code())
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each command")]
    async fn answer(
        &mut self,
        node: usize,
        by: &UserId,
        command: &Command,
    ) -> Result<String, Error> {
        let actor = self.nodes[node].actor(by.clone());
        let nothing = String::new;
        let (number, what) = match command {
            Command::Create {
                place: _,
                kind,
                settings,
                members,
            } => {
                let create = Create {
                    kind: *kind,
                    settings: SettingsChange {
                        post: Some(settings.post),
                        add: Some(settings.add),
                        history: Some(settings.history),
                        slow_mode: None,
                    },
                    name: RoomName::default(),
                    ..Create::group(members.clone())
                };
                let view = actor.create(create).await?;
                self.is_new(&view.room.id);
                // A node that has not used a room yet does not send the leaving of its only member.
                for node in &self.nodes {
                    node.actor(by.clone()).view(&view.room.id).await?;
                }
                return Ok(self.view(&view));
            }
            Command::Open(user) => {
                let view = actor.open(user).await?;
                self.is_new(&view.room.id);
                return Ok(self.view(&view));
            }
            Command::Block(user) => return actor.block(user).await.map(|()| nothing()),
            Command::Unblock(user) => return actor.unblock(user).await.map(|()| nothing()),
            Command::Inbox(filter, limit) => {
                let page = actor.inbox(*filter, None, Some(*limit)).await?;
                let rooms = page.rooms.iter().map(|it| {
                    let (room, last) = (
                        self.number(&it.room.id),
                        it.last.as_ref().map(|it| it.seq.0),
                    );
                    format!("{room} {last:?} {} {:?}", it.unread, it.me.role)
                });
                return Ok(rooms.collect::<Vec<_>>().join(" | "));
            }
            Command::In(number, what) => (*number, what),
        };
        let room = &self.rooms[number];
        let member = |it: &Member| format!("{} {:?} {}", it.user, it.role, it.joined_seq.0);
        let known = self.invites.get(&number);
        let invite = |number: &usize| known.and_then(|all| all.get(*number)).ok_or(Error::NoRoom);
        Ok(match what {
            In::Join => self.view(&actor.join(room).await?),
            In::Leave => actor.leave(room).await.map(|()| nothing())?,
            In::Add(user, None) => member(&actor.add_member(room, user.clone()).await?),
            In::Add(user, Some(role)) => {
                member(&actor.add_member_as(room, user.clone(), *role).await?)
            }
            In::Remove(user) => actor
                .remove_member(room, user.clone())
                .await
                .map(|()| nothing())?,
            In::Role(user, role) => member(&actor.set_role(room, user.clone(), *role).await?),
            In::Invite(uses, role) => {
                let made = actor.invite(room, *uses, None, Some(*role)).await?;
                self.invites
                    .entry(number)
                    .or_default()
                    .push((made.id, made.token));
                nothing()
            }
            // One that doesn't exist is taken back already.
            In::Uninvite(number) => {
                let id = invite(number).map_or(InviteId(uuid::Uuid::nil()), |(id, _)| *id);
                actor.uninvite(room, id).await.map(|()| nothing())?
            }
            In::Accept(number) => self.view(&actor.accept(&invite(number)?.1).await?),
            In::Ban(user) => actor
                .ban_from(room, user, None, Reason::default())
                .await
                .map(|_| nothing())?,
            In::Mute(user) => actor
                .mute_in(room, user, None, Reason::default())
                .await
                .map(|_| nothing())?,
            In::Unban(user) => actor.unban_from(room, user).await.map(|()| nothing())?,
            In::Unmute(user) => actor.unmute_in(room, user).await.map(|()| nothing())?,
            In::Bans => format!("{:?}", decided(actor.bans(room, None, None).await?)),
            In::Mutes => format!("{:?}", decided(actor.mutes(room, None, None).await?)),
            In::Update(change) => self.view(&actor.update(room, change.clone(), None).await?),
            In::Send(text) => actor.send(room, text).await?.seq.0.to_string(),
            In::Edit(target, text) => actor.edit(room, *target, text).await?.seq.0.to_string(),
            In::Delete(target) => actor.delete(room, *target).await?.seq.0.to_string(),
            In::Receipt(seq) => actor
                .receipt(room, Mark::Read, *seq)
                .await?
                .read
                .0
                .to_string(),
            In::History(page, limit) => {
                let page = actor.history(room, *page, Some(*limit)).await?;
                let is_empty = page.entries.is_empty();
                let more = (!is_empty).then_some((page.older, page.newer));
                let entries = page.entries.iter().map(|entry| self.entry(entry));
                format!("{more:?} {}", entries.collect::<Vec<_>>().join("\n"))
            }
            In::Members => {
                let page = actor.members(room, None, None).await?;
                page.members
                    .iter()
                    .map(member)
                    .collect::<Vec<_>>()
                    .join(" | ")
            }
        })
    }

    fn is_new(&mut self, room: &RoomId) {
        self.numbers.insert(room.clone(), self.rooms.len());
        self.rooms.push(room.clone());
    }

    /// Waits until all users who are connected have been sent what they are to be sent, nothing else, and all
    /// nodes know what is decided.
    async fn settle(
        &self,
        reference: &mut Reference,
        by: &UserId,
        command: &Command,
    ) -> Result<(), String> {
        let mut expected: HashMap<UserId, VecDeque<String>> = HashMap::new();
        for (user, entry) in reference.sent.drain(..) {
            expected.entry(user).or_default().push_back(entry);
        }
        for (user, session) in &self.sessions {
            let mut expected = expected.remove(user).unwrap_or_default();
            loop {
                let next = async {
                    if expected.is_empty() {
                        // What is there already, and no more.
                        tokio::select! {
                            biased;
                            event = session.next_event() => Some(event),
                            () = std::future::ready(()) => None,
                        }
                    } else {
                        timeout(PATIENCE, session.next_event()).await.ok()
                    }
                };
                match next.await {
                    Some(Some(Event::Entry(found))) => {
                        let next = expected.pop_front();
                        let found = Some(self.entry(&found));
                        same(&format!("what {user} is sent"), &next, &found)?;
                    }
                    Some(Some(_)) => {}
                    None if expected.is_empty() => break,
                    None | Some(None) => return Err(format!("{user} is not sent {expected:?}")),
                }
            }
        }
        let Command::In(number, In::Ban(_) | In::Unban(_) | In::Mute(_) | In::Unmute(_)) = command
        else {
            return Ok(());
        };
        let (room, decided) = (&self.rooms[*number], &reference.rooms[*number]);
        for node in &self.nodes {
            let actor = node.actor(by.clone());
            let began = Instant::now();
            loop {
                let (bans, mutes) = (
                    actor.bans(room, None, None).await,
                    actor.mutes(room, None, None).await,
                );
                let (Ok(bans), Ok(mutes)) = (bans, mutes) else {
                    // One who may not decide sees nothing.
                    break;
                };
                let found = (self::decided(bans), self::decided(mutes));
                if found == (decided.bans.clone(), decided.mutes.clone()) {
                    break;
                }
                if began.elapsed() > PATIENCE {
                    return Err(format!("a node has {found:?}"));
                }
                sleep(Duration::from_millis(1)).await;
            }
        }
        Ok(())
    }

    async fn close(self) {
        drop(self.sessions);
        for node in self.nodes {
            node.close().await;
        }
    }
}

/// The users who are banned or muted, and by whom.
fn decided(list: SanctionList) -> Sanctions {
    let users = list.users.into_iter();
    users.map(|it| (it.user, it.by)).collect()
}
