//! The rooms of the user, as far as the program has heard of them: what they are called, and the list
//! that people pick from. No input or output.

use std::{collections::BTreeMap, fmt::Write as _};

use chat_cli::clean;
use chat_core::{
    Entry, EntryBody, InboxPage, InboxPlace, InboxRoom, Me, Notify, Room, RoomChange, RoomId,
    RoomKind, Seq, UNREAD_CAP, UserId,
};

use super::shown::shortened;

/// A room.
#[derive(Debug)]
struct Chat {
    label: String,
    kind: RoomKind,
    me: Me,
    read: Seq,
    /// True if the user has made it.
    own: bool,
    /// The number of rooms that were known before.
    known_as: usize,
}

/// All rooms that are known.
#[derive(Debug, Default)]
pub(crate) struct Chats {
    known: BTreeMap<RoomId, Chat>,
    /// The rooms that were listed last, by their numbers from 1, and where the list goes on.
    list: Vec<RoomId>,
    next: Option<InboxPlace>,
    /// The number of rooms that have become known.
    heard_of: usize,
    /// True if all rooms were looked at since the last connect, so that each is found by its name.
    pub(crate) whole: bool,
}

/// The room that a name stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Room(RoomId),
    /// The direct room with the user of this name, although these rooms are called so as well.
    User(RoomId, Vec<RoomId>),
    /// All of these are called so.
    Several(Vec<RoomId>),
    Nothing,
}

/// The label of a room; of a direct room, the other user.
pub(crate) fn label(me: &UserId, room: &Room) -> String {
    match room.id.peer_of(me) {
        Some(peer) => clean(peer.as_str()).into_owned(),
        None => match room.details.name.as_str() {
            "" => format!("{} {}", room.kind.name(), room.id),
            name => clean(name).into_owned(),
        },
    }
}

impl Chats {
    /// Takes a room as the inbox has it.
    pub(crate) fn learn(&mut self, me: &UserId, room: &InboxRoom) {
        self.know(me, &room.room, room.me, room.watermarks.read);
    }

    fn know(&mut self, user: &UserId, room: &Room, me: Me, read: Seq) {
        let known_as = self.known.get(&room.id).map(|chat| chat.known_as);
        let chat = Chat {
            label: label(user, room),
            kind: room.kind,
            me,
            read,
            own: room.created_by.as_ref() == Some(user),
            known_as: known_as.unwrap_or(self.heard_of),
        };
        self.heard_of += usize::from(known_as.is_none());
        self.known.insert(room.id.clone(), chat);
    }

    /// The number of rooms that have become known so far.
    pub(crate) fn heard_of(&self) -> usize {
        self.heard_of
    }

    /// True if the room was known when so many rooms had become known.
    pub(crate) fn was_known(&self, room: &RoomId, heard_of: usize) -> bool {
        let chat = self.known.get(room);
        chat.is_some_and(|chat| chat.known_as < heard_of)
    }

    /// Takes a room that was looked at.
    pub(crate) fn view(&mut self, user: &UserId, room: &Room, me: Me) {
        self.know(user, room, me, self.read(&room.id));
    }

    pub(crate) fn forget(&mut self, room: &RoomId) {
        self.known.remove(room);
    }

    /// The user has the room set so.
    pub(crate) fn set(&mut self, room: &RoomId, me: Me) {
        if let Some(chat) = self.known.get_mut(room) {
            chat.me = me;
        }
    }

    /// The room is called something else.
    pub(crate) fn changed(&mut self, room: &RoomId, change: &RoomChange) {
        if let Some(chat) = self.known.get_mut(room)
            && let Some(name) = change.name.as_ref().filter(|name| !name.is_empty())
        {
            chat.label = clean(name.as_str()).into_owned();
        }
    }

    /// The user has read the room up to there.
    pub(crate) fn raise(&mut self, room: &RoomId, read: Seq) {
        if let Some(chat) = self.known.get_mut(room) {
            chat.read = chat.read.max(read);
        }
    }

    pub(crate) fn label(&self, room: &RoomId) -> Option<&str> {
        self.known.get(room).map(|chat| chat.label.as_str())
    }

    pub(crate) fn kind(&self, room: &RoomId) -> RoomKind {
        self.known
            .get(room)
            .map_or(RoomKind::Group, |chat| chat.kind)
    }

    pub(crate) fn read(&self, room: &RoomId) -> Seq {
        self.known.get(room).map_or(Seq::ZERO, |chat| chat.read)
    }

    /// True if the user wants to hear of this message.
    pub(crate) fn is_news(&self, message: &Entry) -> bool {
        self.known.get(&message.room).is_none_or(|chat| {
            let quiet = chat.me.muted_until.is_some_and(|until| until > message.at);
            chat.me.notify == Notify::All && !quiet
        })
    }

    /// The room with this number in the list, or with this id.
    pub(crate) fn exact(&self, text: &str) -> Option<RoomId> {
        let number = text
            .parse()
            .ok()
            .and_then(|number: usize| number.checked_sub(1));
        if let Some(room) = number.and_then(|number| self.list.get(number)) {
            return Some(room.clone());
        }
        let room = self.known.keys().find(|room| room.as_str() == text);
        room.cloned()
    }

    /// The rooms that are called so, or else those that differ in upper and lower case.
    fn called(&self, name: &str) -> Vec<RoomId> {
        let called = |same: &dyn Fn(&str) -> bool| {
            let rooms = self.known.iter().filter(|(_, chat)| same(&chat.label));
            rooms.map(|(room, _)| room.clone()).collect::<Vec<_>>()
        };
        let folded = name.to_lowercase();
        let exactly = called(&|label| label == name);
        if exactly.is_empty() {
            called(&|label| label.to_lowercase() == folded)
        } else {
            exactly
        }
    }

    /// True if a group or channel is called so, so that it matters whether a user is.
    pub(crate) fn is_a_group(&self, name: &str) -> bool {
        self.called(name).iter().any(|room| !room.is_direct())
    }

    /// The room that a name stands for; `user` is the direct room with the user of that name, if there is such a
    /// user.
    ///
    /// Anybody may give a group the name of a user, and have others in it: what is meant for the user must not
    /// end up there. So a user's name goes before the names of rooms that others have made.
    pub(crate) fn find(&self, name: &str, user: Option<RoomId>) -> Found {
        let mut rooms = self.called(name);
        let is_own = |room: &RoomId| self.known.get(room).is_some_and(|chat| chat.own);
        match user {
            Some(user) => {
                rooms.retain(|room| *room != user && !room.is_direct());
                if rooms.iter().any(is_own) {
                    rooms.insert(0, user);
                    Found::Several(rooms)
                } else {
                    Found::User(user, rooms)
                }
            }
            None => match &rooms[..] {
                [] => Found::Nothing,
                [one] => Found::Room(one.clone()),
                _ => Found::Several(rooms),
            },
        }
    }

    /// The place at which the next page of the list begins.
    pub(crate) fn next(&self) -> Option<&InboxPlace> {
        self.next.as_ref()
    }

    /// Takes a page of the inbox without listing it.
    pub(crate) fn take(&mut self, me: &UserId, page: &InboxPage) {
        for room in &page.rooms {
            self.learn(me, room);
        }
    }

    /// Lists a page of the inbox: its lines for people. `first` begins the numbers anew.
    pub(crate) fn list(&mut self, me: &UserId, page: InboxPage, first: bool) -> Vec<String> {
        if first {
            self.list.clear();
        }
        self.take(me, &page);
        self.next = page.next;
        let mut lines = Vec::new();
        for room in page.rooms {
            self.list.push(room.room.id.clone());
            lines.push(line(self.list.len(), me, &room));
        }
        lines
    }
}

/// A room in the list, for people.
fn line(number: usize, me: &UserId, room: &InboxRoom) -> String {
    let mut line = format!("{number:>2}  {}", label(me, &room.room));
    let marks = [
        (room.me.pinned, "pinned"),
        (room.me.hidden, "hidden"),
        (room.room.details.archived, "archived"),
    ];
    let mut marks: Vec<_> = marks
        .iter()
        .filter(|(is_set, _)| *is_set)
        .map(|(_, mark)| (*mark).to_owned())
        .collect();
    if room.unread >= UNREAD_CAP {
        marks.insert(0, format!("{}+ unread", UNREAD_CAP - 1));
    } else if room.unread > 0 {
        marks.insert(0, format!("{} unread", room.unread));
    }
    if !marks.is_empty() {
        let _ = write!(line, " ({})", marks.join(", "));
    }
    if let Some(last) = &room.last {
        let _ = write!(line, " | {}", said(me, last));
    }
    line
}

fn said(me: &UserId, entry: &Entry) -> String {
    let author = if entry.author == *me {
        "you".into()
    } else {
        clean(entry.author.as_str())
    };
    match &entry.body {
        EntryBody::Message { text, .. } => format!("{author}: {}", shortened(text)),
        _ => format!("{author} took a message back"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(rooms: &[(&str, &str, u64)]) -> InboxPage {
        let room = |(id, name, unread): &(&str, &str, u64)| {
            let kind = if id.contains(',') { "direct" } else { "group" };
            json!({
                "room": {
                    "id": id, "kind": kind, "name": name, "head": 9, "members": 2,
                    "epoch": "0198a0b0-0000-7000-8000-000000000000", "created_at": "2026-01-01T00:00:00Z",
                },
                "me": { "role": "member", "notify": "all", "pinned": name == &"Team", "hidden": false },
                "delivered": 3, "read": 3, "active_at": "2026-01-01T00:00:00Z",
                "unread": unread, "mentions": 0,
            })
        };
        let rooms: Vec<_> = rooms.iter().map(room).collect();
        serde_json::from_value(json!({ "rooms": rooms })).unwrap()
    }

    fn found(id: &str) -> Found {
        Found::Room(RoomId::new(id).unwrap())
    }

    #[test]
    fn a_room_is_found_by_its_number_its_id_and_its_name() {
        let me = UserId::new("alice").unwrap();
        let mut chats = Chats::default();
        let all = [
            ("g1", "Team", 3),
            ("alice,bob", "", 0),
            ("g2", "Club", 1_000),
            ("g3", "club", 0),
        ];
        let lines = chats.list(&me, page(&all), true);
        assert_eq!(
            lines,
            [
                " 1  Team (3 unread, pinned)",
                " 2  bob",
                " 3  Club (999+ unread)",
                " 4  club",
            ]
        );
        let id = |id: &str| RoomId::new(id).unwrap();
        assert_eq!(chats.exact("1"), Some(id("g1")));
        assert_eq!(chats.exact("5"), None);
        assert_eq!(chats.exact("g2"), Some(id("g2")));
        assert_eq!(chats.find("team", None), found("g1"));
        assert_eq!(chats.find("BOB", None), found("alice,bob"));
        assert_eq!(
            chats.find("Club", None),
            found("g2"),
            "the exact name goes before"
        );
        let several = Found::Several(vec![id("g2"), id("g3")]);
        assert_eq!(chats.find("CLUB", None), several);
        let more = chats.list(&me, page(&[("g4", "", 0)]), false);
        assert_eq!(more, [" 5  group g4"]);
        chats.forget(&RoomId::new("g1").unwrap());
        assert_eq!(chats.find("Team", None), Found::Nothing);
    }

    #[test]
    fn a_user_goes_before_a_room_of_others_and_not_before_one_of_ones_own() {
        let me = UserId::new("alice").unwrap();
        let id = |id: &str| RoomId::new(id).unwrap();
        let mut rooms = page(&[("g1", "bob", 0), ("alice,carol", "", 0), ("g2", "carol", 0)]);
        rooms.rooms[0].room.created_by = Some(UserId::new("eve").unwrap());
        rooms.rooms[2].room.created_by = Some(me.clone());
        let mut chats = Chats::default();
        chats.take(&me, &rooms);
        let bob = || Some(id("alice,bob"));
        let meant = Found::User(id("alice,bob"), vec![id("g1")]);
        assert_eq!(chats.find("bob", bob()), meant);
        assert_eq!(chats.find("bob", None), found("g1"), "nobody is called so");
        let both = Found::Several(vec![id("alice,carol"), id("g2")]);
        assert_eq!(chats.find("carol", Some(id("alice,carol"))), both);
        assert!(chats.is_a_group("Bob") && !chats.is_a_group("dave"));
    }

    #[test]
    fn it_is_known_which_rooms_were_known_before() {
        let me = UserId::new("alice").unwrap();
        let mut chats = Chats::default();
        chats.take(&me, &page(&[("g1", "Team", 0)]));
        let before = chats.heard_of();
        chats.take(&me, &page(&[("g1", "Team", 1), ("g2", "Club", 0)]));
        let id = |id: &str| RoomId::new(id).unwrap();
        assert!(chats.was_known(&id("g1"), before));
        assert!(!chats.was_known(&id("g2"), before));
    }
}
