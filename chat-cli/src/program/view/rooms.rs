//! The view's part for rooms: which one is open, which there are, and what is asked about them.

use chat_cli::{RequestError, clean};
use chat_core::{
    Command, Directory, InboxFilter, InboxPage, Presence, Reply, RoomId, UserId, command,
};

use super::{
    super::{
        answers::lines,
        chats::{Found, label},
        command::{Command as Typed, Rooms, Which},
        happened::{Act, Asked, Spot, Why},
        input::Input,
        sentences::a,
        shown::{Shown, Status},
    },
    Connection, Scene, View, body,
};

/// Rooms in one part of the list.
const PAGE: usize = 50;

/// Rooms in one part when all are looked at: the most that a server gives.
const SEARCHED: usize = 200;

impl View {
    /// True if a script has named no room at the start: it is shown the entries of all its rooms.
    pub(super) fn is_bot(&self) -> bool {
        self.is_script() && self.topic.start.is_none()
    }

    /// Asks the server what the user wants to know or to be done. A person without a connection is told so
    /// at once; a script waits.
    pub(super) fn ask_for_user(&mut self, command: impl Into<Command>, why: Why) {
        if self.is_person() && self.connection != Connection::Up {
            self.note("there is no connection; try again when there is");
            return;
        }
        self.asked += 1;
        self.ask(command, why);
    }

    fn ask(&mut self, command: impl Into<Command>, why: Why) {
        let command = command.into();
        self.asking += 1;
        self.acts.push(Act::Ask(Box::new(Asked { command, why })));
    }

    /// Asks for the rooms, after each connect, unless the program began in one and needs no others.
    pub(super) fn ask_rooms(&mut self) {
        if self.topic.start.is_none() || !self.listed {
            self.ask(inbox(InboxFilter::All), Why::Start);
        }
    }

    pub(super) fn ask_chats(&mut self, filter: InboxFilter) {
        self.ask_for_user(inbox(filter), Why::List { first: true });
    }

    pub(super) fn ask_more_chats(&mut self) {
        match self.chats.next().cloned() {
            None => self.note("there are no more rooms"),
            Some(next) => {
                let after = Some(next);
                let more = command::Inbox {
                    after,
                    ..inbox(InboxFilter::All)
                };
                self.ask_for_user(more, Why::List { first: false });
            }
        }
    }

    /// Opens a room. One that is named is looked for among the user's rooms, once these are known.
    pub(super) fn open(&mut self, which: Which) {
        if !self.known && matches!(which, Which::Name(_)) {
            self.held
                .push_front(Input::Command(Typed::Rooms(Rooms::Open(which))));
            self.listed = false;
            if self.connection == Connection::Up {
                self.ask_rooms();
            }
            return;
        }
        let me = &self.topic.me;
        let room = match which {
            Which::Room(room) => Ok(room),
            Which::User(user) => RoomId::direct(me, &user).map_err(|error| error.to_string()),
            Which::Name(name) => match self.chats.exact(&name) {
                Some(room) => Ok(room),
                None if name.bytes().all(|byte| byte.is_ascii_digit()) => Err(format!(
                    "no room has the number {name}; /chats lists your rooms"
                )),
                None if is_made_id(&name) || name.contains(',') => {
                    RoomId::new(&name).map_err(|error| error.to_string())
                }
                None if !self.chats.whole && self.connection == Connection::Up => {
                    return self.search_rooms(name);
                }
                None => return self.open_called(name),
            },
        };
        self.enter_or_say(room);
    }

    fn enter_or_say(&mut self, room: Result<RoomId, String>) {
        match room {
            Ok(room) => {
                let spot = Spot::of(room, &self.topic.me);
                self.enter(spot);
            }
            Err(why) => self.misunderstood(&why),
        }
    }

    /// Looks at all rooms, also those that were not listed and the hidden ones, before one is opened by name.
    fn search_rooms(&mut self, name: String) {
        let again = Rooms::Open(Which::Name(name));
        self.held.push_front(Input::Command(Typed::Rooms(again)));
        self.listed = false;
        self.ask(all_rooms(InboxFilter::All), Why::Search);
    }

    /// Takes a page of all rooms, and asks for the next one.
    fn searched(&mut self, asked: &Command, page: &InboxPage) {
        self.chats.take(&self.topic.me, page);
        let Command::Inbox(asked) = asked else {
            return;
        };
        let next = match (&page.next, asked.filter) {
            (Some(place), filter) => command::Inbox {
                after: Some(place.clone()),
                ..all_rooms(filter)
            },
            (None, InboxFilter::All) => all_rooms(InboxFilter::Hidden),
            (None, _) => {
                (self.chats.whole, self.listed) = (true, true);
                return;
            }
        };
        self.ask(next, Why::Search);
    }

    /// Opens the room that a name stands for. Where a group has it, it matters whether a user has it too.
    fn open_called(&mut self, name: String) {
        let user = UserId::new(&name).ok();
        match user.filter(|_| self.chats.is_a_group(&name)) {
            Some(user) if self.connection == Connection::Up => {
                let users = vec![user];
                self.ask_for_user(command::Presence { users }, Why::Open(name));
            }
            _ => self.open_found(&name, false),
        }
    }

    /// Opens the room that a name stands for; `is_user` says whether the server knows a user of that name.
    fn open_found(&mut self, name: &str, is_user: bool) {
        let direct = UserId::new(name).and_then(|user| RoomId::direct(&self.topic.me, &user));
        let talked = |room: &RoomId| self.chats.label(room).is_some();
        let user = direct.clone().ok().filter(|room| is_user || talked(room));
        let room = match self.chats.find(name, user) {
            Found::Room(room) => Ok(room),
            Found::User(room, others) => {
                if !others.is_empty() {
                    let ids = listed(&others);
                    self.note(format!(
                        "this is the user {name}; a room is called so as well: /open {ids} enters it"
                    ));
                }
                Ok(room)
            }
            Found::Several(rooms) => Err(format!(
                "{} rooms are called {name}: open one by its number in the list, or by its id: {}",
                rooms.len(),
                listed(&rooms)
            )),
            Found::Nothing => direct.map_err(|error| error.to_string()),
        };
        self.enter_or_say(room);
    }

    fn enter(&mut self, spot: Spot) {
        self.arrivals.forget(&spot.room);
        self.here = Some(spot);
        self.scene = Scene::default();
        if self.connection == Connection::Up {
            self.status(Status::Nothing);
            self.greet();
        }
    }

    /// No room is open any more.
    pub(super) fn close(&mut self) {
        self.here = None;
        self.scene = Scene::default();
        if self.connection == Connection::Up {
            self.status(Status::Nothing);
        }
    }

    /// Searches the directory for the channel that is called so, to join it.
    pub(super) fn search(&mut self, channel: String) {
        let search = command::FindChannels {
            query: channel.clone(),
            after: None,
            limit: None,
        };
        self.ask_for_user(search, Why::Join(channel));
    }

    fn found(&mut self, name: &str, found: &Directory) {
        let folded = name.to_lowercase();
        let called = found.rooms.iter();
        let called = called.filter(|room| room.details.name.folded() == folded);
        let ids: Vec<_> = called.map(|room| room.id.clone()).collect();
        let room = match &ids[..] {
            [one] => Ok(one.clone()),
            [] => RoomId::new(name).map_err(|_| format!("no channel is called {name}")),
            several => {
                let ids: Vec<_> = several.iter().map(RoomId::as_str).collect();
                let ids = ids.join(", ");
                Err(format!(
                    "several channels are called {name}: join one by its id: {ids}"
                ))
            }
        };
        match room {
            Ok(room) => {
                let before = self.chats.heard_of();
                self.ask_for_user(command::Join { room }, Why::Enter(before));
            }
            Err(why) => self.misunderstood(&why),
        }
    }

    /// The answer to what was asked.
    pub(super) fn replied(&mut self, asked: Asked, result: Result<Reply, RequestError>) {
        self.asking -= 1;
        let Asked { command, why } = asked;
        if !matches!(why, Why::Start | Why::Search) {
            self.asked -= 1;
        }
        match (why, result) {
            (Why::Start, Ok(Reply::Inbox(page))) => self.started(page),
            (Why::Start, Err(RequestError::TimedOut)) if self.connection == Connection::Up => {
                self.ask_rooms();
            }
            // They are asked for again after the next connect.
            (Why::Start, Err(RequestError::TimedOut | RequestError::Ended(_))) => {}
            (Why::List { first }, Ok(Reply::Inbox(page))) => self.list(page, first),
            (Why::Join(name), Ok(Reply::Directory(found))) => self.found(&name, &found),
            (Why::Search, Ok(Reply::Inbox(page))) => self.searched(&command, &page),
            // The name is looked for among the rooms that are known.
            (Why::Search, _) => {
                self.chats.whole = self.connection == Connection::Up;
                self.listed = true;
            }
            (Why::Open(name), Ok(Reply::Presence(found))) => {
                let is_user = |user: &Presence| user.online || user.last_seen.is_some();
                self.open_found(&name, found.users.iter().any(is_user));
            }
            (why, Ok(reply)) => {
                self.started_at_last(&why);
                if let Some(already) = self.is_member_already(&why, &reply) {
                    self.note(already);
                }
                self.answer(&command, reply);
            }
            (why, Err(error)) => {
                self.started_at_last(&why);
                if !self.is_person() {
                    self.failed += 1;
                }
                self.show(Shown::Error {
                    error: body(&error),
                    text: None,
                    client_id: None,
                    to: Some(command.name()),
                });
            }
        }
    }

    /// The answer about somebody who was a member before: no entry says it.
    fn is_member_already(&self, why: &Why, reply: &Reply) -> Option<String> {
        match (why, reply) {
            (Why::Add(shown), Reply::Member(member)) if member.joined_seq <= *shown => {
                let (user, role) = (clean(member.user.as_str()), member.role);
                Some(format!("{user} is a member already: {}", a(role)))
            }
            (Why::Enter(before), Reply::Room(view))
                if self.chats.was_known(&view.room.id, *before) =>
            {
                let label = label(&self.topic.me, &view.room);
                Some(format!("you are a member of {label} already"))
            }
            _ => None,
        }
    }

    /// The rooms will not be known better.
    fn started_at_last(&mut self, why: &Why) {
        if *why == Why::Start {
            (self.known, self.listed) = (true, true);
        }
    }

    /// The rooms are known, for the first time or again.
    fn started(&mut self, page: InboxPage) {
        let first = !self.known;
        self.started_at_last(&Why::Start);
        if self.here.is_some() {
            self.chats.take(&self.topic.me, &page);
            return;
        }
        if self.is_script() {
            self.show(Shown::Connected {
                user: self.topic.me.clone(),
                peer: None,
                room: None,
                online: None,
            });
        } else if !first {
            self.note("connected again");
        }
        if !first {
            self.chats.take(&self.topic.me, &page);
        } else if self.is_script() {
            self.chats.list(&self.topic.me, page.clone(), true);
            self.show(Shown::Inbox(page));
        } else {
            self.list(page, true);
        }
    }

    fn list(&mut self, page: InboxPage, first: bool) {
        let lines = self.chats.list(&self.topic.me, page, first);
        if first && lines.is_empty() {
            self.note("no rooms; /open NAME writes to a user, /new NAME MEMBER... makes a group");
        }
        for line in lines {
            self.note(line);
        }
        if self.chats.next().is_some() {
            self.note("/chats more lists more");
        }
    }

    fn answer(&mut self, command: &Command, reply: Reply) {
        for line in lines(&self.topic.me, command, &reply) {
            self.note(line);
        }
        match &reply {
            Reply::Room(view) if opens(command) => {
                self.chats.view(&self.topic.me, &view.room, view.me);
                self.enter(Spot::of(view.room.id.clone(), &self.topic.me));
            }
            // The end of the input waits until the entry of the change is shown.
            Reply::Room(view)
                if matches!(command, Command::Update(_)) && self.is_here(&view.room.id) =>
            {
                self.scene.stored = self.scene.stored.max(view.room.head);
            }
            Reply::Me(me) => {
                if let Command::SetMe(set) = command {
                    self.chats.set(&set.room, *me);
                }
            }
            _ => {}
        }
        if self.is_script() {
            self.show(Shown::Answer {
                to: command.name(),
                result: Box::new(reply),
            });
        }
        // Its entry comes too, and may have come before.
        if let Command::Leave(left) = command
            && self.is_here(&left.room)
        {
            self.close_for_good();
        }
    }

    /// The user is no member of the open room any more.
    pub(super) fn close_for_good(&mut self) {
        if let Some(here) = self.here.take() {
            let label = self
                .chats
                .label(&here.room)
                .unwrap_or("the room")
                .to_owned();
            self.note(format!(
                "you are not in {label} any more; /chats lists your rooms"
            ));
            self.chats.forget(&here.room);
            self.close();
        }
    }
}

/// True if the room of the answer is opened.
fn opens(command: &Command) -> bool {
    matches!(
        command,
        Command::Create(_) | Command::Join(_) | Command::Accept(_)
    )
}

fn inbox(filter: InboxFilter) -> command::Inbox {
    command::Inbox {
        filter,
        after: None,
        limit: Some(PAGE),
    }
}

/// A page of all rooms that a filter lets through.
fn all_rooms(filter: InboxFilter) -> command::Inbox {
    command::Inbox {
        limit: Some(SEARCHED),
        ..inbox(filter)
    }
}

/// The ids of rooms, for people.
fn listed(rooms: &[RoomId]) -> String {
    let ids: Vec<_> = rooms.iter().map(RoomId::as_str).collect();
    ids.join(", ")
}

/// True if it looks like the id of a room that a server has made: hardly anybody is called so.
fn is_made_id(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}
