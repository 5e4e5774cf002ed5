//! The rooms as they are to be, in as few lines as possible: the permission table, and a list of entries.
//!
//! It shares no rule with the engine, so that a rule that is wrong in one of them shows as a difference.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::DateTime;

use super::command::{Command, In, ROOMS};
use crate::{
    EntryBody, History, InboxFilter, LeftWhy, OpenTo, Page, Role, RoomChange, RoomKind, Seq,
    Settings, UserId,
};

/// The most members of a room, and the most users who are banned or muted in one.
pub(super) const MEMBERS: usize = 6;

/// The answer to a command: what it shows as text, or the code of the error.
pub(super) type Answer = Result<String, u16>;

#[derive(Debug, Default)]
pub(super) struct Reference {
    /// All rooms that were ever made.
    pub(super) rooms: Vec<Room>,
    /// Those that most commands are about.
    pub(super) in_use: [usize; ROOMS],
    /// The blocks: the user who has blocked, and the one who is blocked.
    blocks: BTreeSet<(UserId, UserId)>,
    /// The entries that users are to be sent, since this was last emptied.
    pub(super) sent: Vec<(UserId, String)>,
    /// The number of commands so far, in place of a time.
    now: u64,
}

#[derive(Debug)]
pub(super) struct Room {
    kind: RoomKind,
    settings: Settings,
    archived: bool,
    pub(super) members: BTreeMap<UserId, Seat>,
    /// The last number that each user has read, also one who is no member any more.
    read: BTreeMap<UserId, u64>,
    pub(super) log: Vec<(UserId, EntryBody)>,
    last_message: u64,
    active: u64,
    pub(super) bans: Sanctions,
    pub(super) mutes: Sanctions,
    invites: Vec<Option<Invite>>,
}

/// The users against whom something is decided, and by whom.
pub(super) type Sanctions = BTreeMap<UserId, UserId>;

#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    role: Role,
    joined: u64,
}

#[derive(Debug)]
struct Invite {
    role: Role,
    uses: Option<u32>,
}

/// The highest role that a member with this one gives to others.
fn gives(role: Role) -> Role {
    if role == Role::Owner {
        Role::Owner
    } else {
        Role::Member
    }
}

fn need(right: bool) -> Result<(), u16> {
    if right { Ok(()) } else { Err(202) }
}

impl Room {
    fn new(kind: RoomKind, now: u64) -> Self {
        Self {
            kind,
            settings: Settings::default(),
            archived: false,
            members: BTreeMap::new(),
            read: BTreeMap::new(),
            log: Vec::new(),
            last_message: 0,
            active: now,
            bans: Sanctions::new(),
            mutes: Sanctions::new(),
            invites: Vec::new(),
        }
    }

    pub(super) fn head(&self) -> u64 {
        self.log.len() as u64
    }

    fn role(&self, user: &UserId) -> Option<Role> {
        self.members.get(user).map(|seat| seat.role)
    }

    /// The role of a user who has at least this one here.
    fn enter(&self, user: &UserId, least: Role) -> Result<Role, u16> {
        let role = self.role(user).ok_or(200_u16)?;
        need(role >= least).map(|()| role)
    }

    /// As [`enter`](Self::enter), of a group or channel.
    fn enter_group(&self, user: &UserId, least: Role) -> Result<Role, u16> {
        if self.kind == RoomKind::Direct {
            return Err(200);
        }
        self.enter(user, least)
    }

    /// The first entry that a member reads.
    fn floor(&self, user: &UserId) -> u64 {
        match self.members.get(user) {
            Some(seat) if self.settings.history == History::Joined => seat.joined.max(1),
            _ => 1,
        }
    }

    fn message(&self, seq: Seq) -> Option<&UserId> {
        let at = usize::try_from(seq.0).ok()?.checked_sub(1)?;
        let (author, body) = self.log.get(at)?;
        matches!(body, EntryBody::Message { .. }).then_some(author)
    }

    /// The numbers of the messages of a user.
    pub(super) fn messages_of(&self, user: &UserId) -> Vec<u64> {
        let seqs = 1..=self.head();
        seqs.filter(|seq| self.message(Seq(*seq)) == Some(user))
            .collect()
    }

    fn is_full(&self) -> Result<(), u16> {
        if self.members.len() >= MEMBERS {
            return Err(205);
        }
        Ok(())
    }

    fn is_last_owner(&self, user: &UserId) -> bool {
        let others = self.members.iter().filter(|(other, _)| *other != user);
        self.role(user) == Some(Role::Owner)
            && others.into_iter().all(|(_, seat)| seat.role != Role::Owner)
    }

    /// The entry with this number as a member sees it.
    fn shown(&self, room: usize, seq: u64, to: &UserId) -> String {
        let (author, body) = &self.log[usize::try_from(seq - 1).unwrap()];
        let mut body = body.clone();
        if let EntryBody::Edit { target, text } = &mut body
            && target.0 < self.floor(to)
        {
            *text = "".into();
        }
        format!("{room}#{seq} {author} {body:?}")
    }

    fn view(&self, room: usize, user: &UserId) -> String {
        let (count, head, archived) = (self.members.len(), self.head(), self.archived);
        let role = self.members[user].role;
        format!(
            "{room}: {count} {head} {archived} {role:?} {}",
            self.roles()
        )
    }

    fn roles(&self) -> String {
        let members = self.members.iter();
        let all: Vec<_> = members
            .map(|(user, it)| format!("{user} {:?}", it.role))
            .collect();
        all.join(" ")
    }

    fn member(&self, user: &UserId) -> String {
        let Seat { role, joined } = self.members[user];
        format!("{user} {role:?} {joined}")
    }

    fn unread(&self, user: &UserId) -> usize {
        let from = self
            .read
            .get(user)
            .copied()
            .unwrap_or(0)
            .max(self.floor(user) - 1);
        let later = self.log.iter().skip(usize::try_from(from).unwrap());
        let messages = later.filter(|(_, body)| matches!(body, EntryBody::Message { .. }));
        messages.filter(|(author, _)| author != user).count()
    }

    /// The numbers of a page, among those that a member reads.
    fn page(&self, user: &UserId, page: Page, limit: u64) -> Vec<u64> {
        let (floor, head) = (self.floor(user), self.head());
        let (first, last) = match page {
            Page::Newest => (head.saturating_sub(limit - 1), head),
            Page::Around(Seq(seq)) if seq > head => return self.page(user, Page::Newest, limit),
            Page::Before(Seq(seq)) => {
                let last = seq.saturating_sub(1).min(head);
                (last.saturating_sub(limit - 1), last)
            }
            Page::After(Seq(seq)) => {
                let first = (seq + 1).max(floor);
                (first, first + limit - 1)
            }
            Page::Around(Seq(seq)) => {
                let first = if seq < floor {
                    floor
                } else {
                    seq.saturating_sub(limit / 2).max(1)
                };
                (first, first + limit - 1)
            }
        };
        (first.max(floor)..=last.min(head)).collect()
    }

    /// Checks that a user of this role may change what is decided against another.
    fn may_judge(
        &self,
        by: &UserId,
        mine: Role,
        user: &UserId,
        all: &Sanctions,
    ) -> Result<(), u16> {
        let Some(judge) = all.get(user) else {
            return Ok(());
        };
        need(user != by && self.role(user) < Some(mine) && self.role(judge) <= Some(mine))
    }
}

impl Reference {
    fn are_blocked(&self, one: &UserId, other: &UserId) -> bool {
        let blocks = |a: &UserId, b: &UserId| self.blocks.contains(&(a.clone(), b.clone()));
        blocks(one, other) || blocks(other, one)
    }

    /// Adds an entry, with its effects, and notes who is sent it.
    fn append(&mut self, at: usize, author: &UserId, body: EntryBody) -> String {
        let room = &mut self.rooms[at];
        room.log.push((author.clone(), body.clone()));
        let seq = room.log.len() as u64;
        let index = |seq: Seq| usize::try_from(seq.0 - 1).unwrap();
        match body {
            EntryBody::Message { .. } => (room.last_message, room.active) = (seq, self.now),
            EntryBody::Edit { target, text } => {
                room.log[index(target)].1 = EntryBody::Message {
                    text,
                    edited_at: Some(DateTime::UNIX_EPOCH),
                };
            }
            EntryBody::Delete { target } => {
                room.log[index(target)].1 = EntryBody::Deleted;
                for (_, body) in &mut room.log {
                    if matches!(body, EntryBody::Edit { target: edited, .. } if *edited == target) {
                        *body = EntryBody::Deleted;
                    }
                }
            }
            EntryBody::Joined { user, role } => {
                let seat = Seat { role, joined: seq };
                room.members.insert(user, seat);
            }
            EntryBody::Role { user, role } => room.members.get_mut(&user).unwrap().role = role,
            EntryBody::Left { user, .. } => {
                room.members.remove(&user);
                room.archived |= room.members.is_empty();
                let shown = room.shown(at, seq, &user);
                self.sent.push((user, shown));
            }
            EntryBody::Room(change) => room.change(&change),
            EntryBody::Notice(_) | EntryBody::Deleted => {}
        }
        let members = room.members.keys();
        self.sent
            .extend(members.map(|user| (user.clone(), room.shown(at, seq, user))));
        seq.to_string()
    }

    /// Carries a command out and gives the answer to it.
    pub(super) fn act(&mut self, by: &UserId, command: &Command) -> Answer {
        self.now += 1;
        match command {
            Command::Create {
                place,
                kind,
                settings,
                members,
            } => {
                let all: BTreeSet<&UserId> = members.iter().chain([by]).collect();
                if all.len() > MEMBERS {
                    return Err(205);
                }
                if members.iter().any(|user| self.are_blocked(by, user)) {
                    return Err(203);
                }
                let mut room = Room::new(*kind, self.now);
                room.settings = *settings;
                for user in all {
                    let role = if user == by {
                        Role::Owner
                    } else {
                        Role::Member
                    };
                    room.members.insert(user.clone(), Seat { role, joined: 0 });
                }
                self.rooms.push(room);
                let at = self.rooms.len() - 1;
                self.in_use[*place] = at;
                Ok(self.rooms[at].view(at, by))
            }
            Command::Open(user) if user == by => Err(102),
            Command::Open(user) => Ok(self.open(by, user)),
            Command::Block(user) | Command::Unblock(user) if user == by => Err(102),
            Command::Block(user) => {
                self.blocks.insert((by.clone(), user.clone()));
                Ok(String::new())
            }
            Command::Unblock(user) => {
                self.blocks.remove(&(by.clone(), user.clone()));
                Ok(String::new())
            }
            Command::Inbox(filter, limit) => Ok(self.inbox(by, *filter, *limit)),
            Command::In(room, what) => self.act_in(*room, by, what),
        }
    }

    /// The one direct room, number 0, is that of the first two users who open one.
    fn open(&mut self, by: &UserId, peer: &UserId) -> String {
        let mut room = Room::new(RoomKind::Direct, self.now);
        room.settings.history = History::All;
        for user in [by, peer] {
            let seat = Seat {
                role: Role::Member,
                joined: 0,
            };
            room.members.insert(user.clone(), seat);
        }
        self.rooms.push(room);
        self.rooms[0].view(0, by)
    }

    fn inbox(&self, by: &UserId, filter: InboxFilter, limit: usize) -> String {
        let rooms = self.rooms.iter().enumerate();
        let mut rooms: Vec<_> = rooms
            .filter(|(_, it)| it.members.contains_key(by))
            .collect();
        if filter == InboxFilter::Unread {
            rooms.retain(|(_, room)| room.unread(by) > 0);
        }
        rooms.sort_by_key(|(_, room)| std::cmp::Reverse(room.active));
        let shown = rooms.into_iter().take(limit).map(|(at, room)| {
            let last = Some(room.last_message).filter(|seq| *seq >= room.floor(by));
            let (unread, role) = (room.unread(by), room.members[by].role);
            format!("{at} {last:?} {unread} {role:?}")
        });
        shown.collect::<Vec<_>>().join(" | ")
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each command")]
    fn act_in(&mut self, at: usize, by: &UserId, what: &In) -> Answer {
        let room = &self.rooms[at];
        let is_direct = room.kind == RoomKind::Direct;
        let role = |user: &UserId| room.role(user);
        let is_open_to = |open: OpenTo, mine| open == OpenTo::Everyone || mine >= Role::Moderator;
        let joined = |user: &UserId, role| EntryBody::Joined {
            user: user.clone(),
            role,
        };
        let left = |user: &UserId, why| EntryBody::Left {
            user: user.clone(),
            why,
        };
        let entry = match what {
            In::Join => {
                if role(by).is_some() && !is_direct {
                    return Ok(room.view(at, by));
                }
                if room.kind != RoomKind::Channel {
                    return Err(200);
                }
                need(!room.bans.contains_key(by) && !room.archived)?;
                room.is_full()?;
                joined(by, Role::Member)
            }
            In::Leave => {
                room.enter_group(by, Role::Reader)?;
                need(!room.is_last_owner(by) || room.members.len() == 1)?;
                left(by, LeftWhy::Left)
            }
            In::Remove(user) if user == by => return self.act_in(at, by, &In::Leave),
            In::Remove(user) => {
                let mine = room.enter_group(by, Role::Moderator)?;
                if role(user).is_none() {
                    return Ok(String::new());
                }
                need(role(user) < Some(mine))?;
                left(user, LeftWhy::Removed)
            }
            In::Add(user, given) => {
                let mine = room.enter_group(by, Role::Member)?;
                need(!room.mutes.contains_key(by))?;
                if let Some(now) = role(user) {
                    need(given.is_none_or(|given| given == now))?;
                    return Ok(room.member(user));
                }
                let given = given.unwrap_or_default();
                need(!room.bans.contains_key(user))?;
                if self.are_blocked(by, user) {
                    return Err(203);
                }
                need(
                    !room.archived && is_open_to(room.settings.add, mine) && given <= gives(mine),
                )?;
                room.is_full()?;
                joined(user, given)
            }
            In::Role(user, given) => {
                let least = if user == by {
                    Role::Reader
                } else {
                    Role::Moderator
                };
                let mine = room.enter_group(by, least)?;
                let now = role(user).ok_or(202_u16)?;
                if now == *given {
                    return Ok(room.member(user));
                }
                need(!room.archived)?;
                need(if user == by {
                    *given < mine && !room.is_last_owner(by)
                } else {
                    now < mine && *given <= gives(mine)
                })?;
                EntryBody::Role {
                    user: user.clone(),
                    role: *given,
                }
            }
            In::Invite(uses, given) => {
                let mine = room.enter_group(by, Role::Member)?;
                need(!room.mutes.contains_key(by) && is_open_to(room.settings.add, mine))?;
                need(*given <= gives(mine) && !room.archived)?;
                let invite = Invite {
                    role: *given,
                    uses: *uses,
                };
                self.rooms[at].invites.push(Some(invite));
                return Ok(String::new());
            }
            In::Uninvite(invite) => {
                room.enter_group(by, Role::Moderator)?;
                if let Some(invite) = self.rooms[at].invites.get_mut(*invite) {
                    *invite = None;
                }
                return Ok(String::new());
            }
            In::Accept(number) => {
                let invite = room.invites.get(*number).and_then(Option::as_ref);
                let invite = invite.ok_or(200_u16)?;
                if role(by).is_some() {
                    return Ok(room.view(at, by));
                }
                need(!room.archived && !room.bans.contains_key(by))?;
                if invite.uses == Some(0) {
                    return Err(200);
                }
                room.is_full()?;
                let entry = joined(by, invite.role);
                let invite = self.rooms[at].invites[*number].as_mut().unwrap();
                invite.uses = invite.uses.map(|uses| uses - 1);
                entry
            }
            In::Ban(user) | In::Mute(user) => {
                let is_ban = matches!(what, In::Ban(_));
                let mine = room.enter_group(by, Role::Moderator)?;
                let all = if is_ban { &room.bans } else { &room.mutes };
                room.may_judge(by, mine, user, all)?;
                need(user != by && role(user) < Some(mine))?;
                let judged: BTreeSet<_> = room.bans.keys().chain(room.mutes.keys()).collect();
                if !all.contains_key(user) && judged.len() >= MEMBERS {
                    return Err(205);
                }
                let (is_member, room) = (role(user).is_some(), &mut self.rooms[at]);
                let all = if is_ban {
                    &mut room.bans
                } else {
                    &mut room.mutes
                };
                all.insert(user.clone(), by.clone());
                if !is_ban || !is_member {
                    return Ok(String::new());
                }
                left(user, LeftWhy::Banned)
            }
            In::Unban(user) | In::Unmute(user) => {
                let is_ban = matches!(what, In::Unban(_));
                let mine = room.enter_group(by, Role::Moderator)?;
                let all = if is_ban { &room.bans } else { &room.mutes };
                room.may_judge(by, mine, user, all)?;
                let room = &mut self.rooms[at];
                let all = if is_ban {
                    &mut room.bans
                } else {
                    &mut room.mutes
                };
                all.remove(user);
                return Ok(String::new());
            }
            In::Update(change) => {
                room.enter_group(by, Role::Owner)?;
                need(!room.archived || change.archived == Some(false))?;
                EntryBody::Room(Arc::new(change.clone()))
            }
            In::Send(_) | In::Edit(..) => {
                let mine = room.enter(by, Role::Member)?;
                if room.mutes.contains_key(by) {
                    return Err(211);
                }
                let peer = room.members.keys().find(|user| *user != by);
                if is_direct && peer.is_some_and(|peer| self.are_blocked(by, peer)) {
                    return Err(203);
                }
                need(!room.archived && is_open_to(room.settings.post, mine))?;
                match what {
                    In::Edit(target, _) if room.message(*target) != Some(by) => return Err(201),
                    In::Edit(target, text) => EntryBody::Edit {
                        target: *target,
                        text: text.as_str().into(),
                    },
                    In::Send(text) => EntryBody::message(text.as_str()),
                    _ => unreachable!("the arm names both"),
                }
            }
            In::Delete(target) => {
                let mine = room.enter(by, Role::Member)?;
                need(!room.archived)?;
                let author = room.message(*target).ok_or(201_u16)?;
                if author != by && is_direct {
                    return Err(201);
                }
                let above = match mine {
                    Role::Owner => true,
                    Role::Moderator => role(author) != Some(Role::Owner),
                    Role::Member | Role::Reader => false,
                };
                need(author == by || above)?;
                EntryBody::Delete { target: *target }
            }
            In::Receipt(seq) => {
                room.enter(by, Role::Reader)?;
                let upto = seq.0.min(room.head());
                let read = self.rooms[at].read.entry(by.clone()).or_default();
                *read = upto.max(*read);
                return Ok(read.to_string());
            }
            In::History(page, limit) => {
                room.enter(by, Role::Reader)?;
                let seqs = room.page(by, *page, *limit as u64);
                let more = seqs
                    .first()
                    .zip(seqs.last())
                    .map(|(first, last)| (*first > room.floor(by), *last < room.head()));
                let entries = seqs.iter().map(|seq| room.shown(at, *seq, by));
                return Ok(format!(
                    "{more:?} {}",
                    entries.collect::<Vec<_>>().join("\n")
                ));
            }
            In::Members => {
                room.enter(by, Role::Reader)?;
                let members: Vec<_> = room.members.keys().map(|user| room.member(user)).collect();
                return Ok(members.join(" | "));
            }
            In::Bans | In::Mutes => {
                room.enter_group(by, Role::Moderator)?;
                let all = if matches!(what, In::Bans) {
                    &room.bans
                } else {
                    &room.mutes
                };
                return Ok(format!("{all:?}"));
            }
        };
        let seq = self.append(at, by, entry);
        let room = &self.rooms[at];
        Ok(match what {
            In::Join | In::Accept(_) | In::Update(_) => room.view(at, by),
            In::Add(user, _) | In::Role(user, _) => room.member(user),
            In::Send(_) | In::Edit(..) | In::Delete(_) => seq,
            _ => String::new(),
        })
    }
}

impl Room {
    fn change(&mut self, change: &RoomChange) {
        if let Some(to) = change.settings {
            self.settings.post = to.post.unwrap_or(self.settings.post);
            self.settings.add = to.add.unwrap_or(self.settings.add);
            self.settings.history = to.history.unwrap_or(self.settings.history);
        }
        self.archived = change.archived.unwrap_or(self.archived);
    }
}
