//! What people type about rooms: each command, its help, and what it asks the server.

use chat_core::{InboxFilter, Role, RoomId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{length, request::Request};

/// A command about rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rooms {
    Request(Request),
    Open(Which),
    /// Enter the channel of this name or id.
    Join(String),
    /// Ask who has read the last own message.
    Readers,
    /// List the rooms, for people.
    Chats(InboxFilter),
    MoreChats,
}

/// A room to open.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Which {
    /// The direct room with a user.
    User(UserId),
    Room(RoomId),
    /// The one that is called so, or has this number in the list.
    Name(String),
}

/// The lines that `/help` shows of rooms.
pub(crate) const HELP: [&str; 20] = [
    "/chats        your rooms, newest first; also /chats unread, pinned, hidden, more",
    "/open NAME    enters a room: a user, the number in the list, or a group's name or id",
    "/new NAME [MEMBER...]        makes a group and enters it",
    "/channel NAME                makes a channel, which everybody finds and may join",
    "/find TEXT    channels whose name holds TEXT; without it, all",
    "/join NAME    enters a channel; an id does too",
    "/accept TOKEN                enters a room by an invitation",
    "/info         what the room says about itself",
    "/members      its members and their roles; /members NAME goes on after NAME",
    "/readers      who has read your last message",
    "/add NAME [ROLE]             ROLE is reader, member, moderator or owner",
    "/role NAME ROLE              gives a member another role",
    "/remove NAME                 ends a membership; /leave your own",
    "/invite [USES] [FOR] [ROLE]  makes an invitation, such as /invite 5 7d",
    "/invites, /uninvite ID       lists invitations, takes one back",
    "/ban NAME [FOR] [REASON], /unban NAME, /bans    keeps somebody out",
    "/mute NAME [FOR] [REASON], /unmute NAME, /mutes  lets somebody only read",
    "/name TEXT, /topic TEXT, /archive [off]         for owners, as is /set:",
    "/set post|add everyone|moderators, /set history all|joined, /set slow SECONDS",
    "/pin [off], /hide [off], /notify all|mentions|none   how you have the room",
];

/// The command that is typed as `name` and `rest`, where it is one about rooms.
pub(super) fn typed(name: &str, rest: &str) -> Option<Rooms> {
    let (first, after) = word(rest);
    let command = match (name, rest) {
        ("/chats", "more") => return Some(Rooms::MoreChats),
        ("/readers", "") => return Some(Rooms::Readers),
        ("/chats", _) => return Some(Rooms::Chats(filter(rest)?)),
        ("/open", text) if !text.is_empty() => {
            return Some(Rooms::Open(Which::Name(unquoted(text).to_owned())));
        }
        ("/join", text) if !text.is_empty() => {
            return Some(Rooms::Join(unquoted(text).to_owned()));
        }
        ("/find", text) => ("directory", json!({ "query": text })),
        ("/new", text) if !text.is_empty() => {
            let create = json!({ "kind": "group", "name": first, "members": words(after) });
            ("create", create)
        }
        ("/channel", text) if !text.is_empty() => {
            let create = json!({ "kind": "channel", "name": unquoted(text) });
            ("create", create)
        }
        ("/accept", token) if !token.is_empty() => ("accept", json!({ "token": token })),
        ("/info", "") => ("room", json!({})),
        ("/who", "") => ("online", json!({})),
        ("/block", user) if !user.is_empty() => ("block", json!({ "user": unquoted(user) })),
        ("/unblock", user) if !user.is_empty() => ("unblock", json!({ "user": unquoted(user) })),
        ("/blocks", "") => ("blocks", json!({})),
        ("/members", "") => ("members", json!({})),
        ("/members", after) => ("members", json!({ "after": unquoted(after) })),
        ("/leave", "") => ("leave", json!({})),
        ("/remove", user) if !user.is_empty() => ("remove", json!({ "user": unquoted(user) })),
        ("/add", user) if !user.is_empty() => match after {
            "" => ("add", json!({ "user": first })),
            role => ("add", json!({ "user": first, "role": role })),
        },
        ("/role", _) if !after.is_empty() => ("role", json!({ "user": first, "role": after })),
        ("/invite", _) => ("invite", invitation(rest)?),
        ("/invites", "") => ("invites", json!({})),
        ("/uninvite", id) if !id.is_empty() => ("uninvite", json!({ "invite": id })),
        ("/ban", user) if !user.is_empty() => ("ban", sanction(first, after)),
        ("/mute", user) if !user.is_empty() => ("mute", sanction(first, after)),
        ("/unban", user) if !user.is_empty() => ("unban", json!({ "user": unquoted(user) })),
        ("/unmute", user) if !user.is_empty() => ("unmute", json!({ "user": unquoted(user) })),
        ("/bans", "") => ("bans", json!({})),
        ("/mutes", "") => ("mutes", json!({})),
        ("/name", text) => ("update", json!({ "name": text })),
        ("/topic", text) => ("update", json!({ "topic": text })),
        ("/archive", _) => ("update", json!({ "archived": switch(rest)? })),
        ("/set", _) => ("update", json!({ "settings": setting(first, after)? })),
        ("/pin", _) => ("me", json!({ "pinned": switch(rest)? })),
        ("/hide", _) => ("me", json!({ "hidden": switch(rest)? })),
        ("/notify", what) if !what.is_empty() => ("me", json!({ "notify": what })),
        _ => return None,
    };
    let (name, fields) = command;
    Some(Rooms::Request(Request::new(name, fields)))
}

/// The first word, and what comes after it. A name with spaces stands in quotation marks.
fn word(text: &str) -> (&str, &str) {
    if let Some((word, rest)) = text.strip_prefix('"').and_then(|text| text.split_once('"')) {
        return (word, rest.trim_start());
    }
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn words(mut text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    while !text.is_empty() {
        let (word, rest) = word(text);
        words.push(word);
        text = rest;
    }
    words
}

/// The whole text, which may stand in quotation marks.
fn unquoted(text: &str) -> &str {
    match word(text) {
        (word, "") => word,
        _ => text,
    }
}

fn filter(text: &str) -> Option<InboxFilter> {
    let text = if text.is_empty() { "all" } else { text };
    serde_json::from_value(text.into()).ok()
}

/// Nothing is on.
fn switch(text: &str) -> Option<bool> {
    match text {
        "" | "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// A number of uses, a length of time and a role, each of which may be absent.
fn invitation(text: &str) -> Option<Value> {
    let mut fields = json!({});
    for word in words(text) {
        let (field, value) = if let Ok(uses) = word.parse::<u32>() {
            ("uses", uses.into())
        } else if let Some(length) = length::parse(word) {
            ("ttl", length.as_secs().into())
        } else {
            ("role", Role::from_name(word)?.name().into())
        };
        if fields.get(field).is_some() {
            return None;
        }
        fields[field] = value;
    }
    Some(fields)
}

/// Against a user, for a length of time unless it is absent, for a reason.
fn sanction(user: &str, rest: &str) -> Value {
    let (first, after) = word(rest);
    match length::parse(first) {
        Some(length) => json!({ "user": user, "for": length.as_secs(), "reason": after }),
        None => json!({ "user": user, "reason": rest }),
    }
}

fn setting(name: &str, value: &str) -> Option<Value> {
    if value.is_empty() {
        return None;
    }
    match name {
        "post" | "add" | "history" => Some(json!({ name: value })),
        "slow" => {
            let seconds = value.parse().ok();
            let seconds = seconds.or_else(|| Some(length::parse(value)?.as_secs()))?;
            Some(json!({ "slow_mode": seconds }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    /// The command on the wire, in the room `team`.
    fn wire(line: &str) -> Value {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let Some(Rooms::Request(request)) = typed(name, rest) else {
            panic!("{line}");
        };
        let room = RoomId::new("team").unwrap();
        serde_json::to_value(request.command(Some(&room)).unwrap()).unwrap()
    }

    #[test]
    fn names_with_spaces_stand_in_quotation_marks() {
        let create = wire(r#"/new "Book club" bob "Anna Maria" carol"#);
        assert_eq!(create["name"], "Book club");
        assert_eq!(create["members"], json!(["bob", "Anna Maria", "carol"]));
        let add = wire(r#"/add "Anna Maria" moderator"#);
        assert_eq!(
            (&add["user"], &add["role"]),
            (&"Anna Maria".into(), &"moderator".into())
        );
        assert_eq!(wire("/remove Anna Maria")["user"], "Anna Maria");
        assert_eq!(
            typed("/open", "Book club"),
            Some(Rooms::Open(Which::Name("Book club".to_owned())))
        );
    }

    #[test]
    fn lengths_and_numbers_are_known_by_their_form() {
        let invite = wire("/invite 5 7d moderator");
        assert_eq!(
            (&invite["uses"], &invite["ttl"]),
            (&5.into(), &604_800.into())
        );
        assert_eq!(
            (&invite["role"], &invite["room"]),
            (&"moderator".into(), &"team".into())
        );
        assert_eq!(wire("/invite 7d")["uses"], Value::Null);
        let ban = wire("/ban bob 1h too loud");
        assert_eq!(
            (&ban["for"], &ban["reason"]),
            (&3_600.into(), &"too loud".into())
        );
        let ban = wire("/ban bob too loud");
        assert_eq!(
            (&ban["for"], &ban["reason"]),
            (&Value::Null, &"too loud".into())
        );
        assert_eq!(
            wire("/set slow 30s")["settings"],
            json!({ "slow_mode": 30 })
        );
        assert_eq!(wire("/set slow 0")["settings"], json!({ "slow_mode": 0 }));
        assert_eq!(wire("/archive off")["archived"], false);
        assert_eq!(wire("/hide")["hidden"], true);
        for (name, rest) in [
            ("/invite", "5 6"),
            ("/invite", "boss"),
            ("/set", "slow"),
            ("/set", "colour red"),
            ("/pin", "maybe"),
            ("/role", "bob"),
            ("/add", ""),
            ("/block", ""),
            ("/blocks", "bob"),
            ("/chats", "purple"),
        ] {
            assert_eq!(typed(name, rest), None, "{name} {rest}");
        }
    }

    #[test]
    fn a_value_that_the_server_would_not_know_is_refused_with_those_that_it_does() {
        let Some(Rooms::Request(request)) = typed("/role", "bob boss") else {
            panic!("a command");
        };
        let room = RoomId::new("team").unwrap();
        let why = request.command(Some(&room)).unwrap_err();
        assert!(why.contains("`moderator`"), "{why}");
    }
}
