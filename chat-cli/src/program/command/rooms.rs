//! The commands about rooms that people type: each command, its help, and its request to the server.

use chat_core::{InboxFilter, InviteId, Role, RoomId, UserId};
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
    "/chats [unread|pinned|hidden|more]   your rooms, newest first",
    "/open NAME    enters a room: a user, the number in the list, or a group's name or id",
    "/new NAME [MEMBER...]        makes a group and enters it",
    "/channel NAME                makes a channel, which everybody finds and may join",
    "/find TEXT    channels whose name holds TEXT; without it, all",
    "/join NAME    enters a channel; an id does too",
    "/accept TOKEN                enters a room by an invitation",
    "/info         what the room says about itself",
    "/members      its members and their roles; /members NAME goes on after NAME",
    "/readers      who has read your last message",
    "/add NAME [ROLE]             lets a user in; ROLE is reader, member, moderator or owner",
    "/role NAME ROLE              gives a member another ROLE",
    "/remove NAME                 ends a membership; /leave your own",
    "/invite [USES] [FOR] [ROLE]  makes an invitation, such as /invite 5 7d",
    "/invites, /uninvite ID       lists invitations, takes one back",
    "/ban NAME [FOR] [REASON], /unban NAME, /bans    keeps somebody out; FOR is 30s, 5m, 1h or 7d",
    "/mute NAME [FOR] [REASON], /unmute NAME, /mutes  lets somebody only read",
    "/name TEXT, /topic TEXT, /archive [off]         for owners, as is /set:",
    "/set post|add everyone|moderators, /set history all|joined, /set slow SECONDS",
    "/pin [off], /hide [off], /notify all|mentions|none   how you have the room",
];

/// The command that is typed as `name` and `rest`, where it is one about rooms, and typed as it should be.
///
/// # Errors
///
/// A sentence about a value that can't be read.
pub(super) fn typed(name: &str, rest: &str) -> Result<Option<Rooms>, String> {
    let command = match (name, rest) {
        ("/chats", "more") => Rooms::MoreChats,
        ("/readers", "") => Rooms::Readers,
        ("/chats", _) => match filter(rest) {
            Some(filter) => Rooms::Chats(filter),
            None => return Ok(None),
        },
        ("/open", text) if !text.is_empty() => Rooms::Open(Which::Name(unquoted(text).to_owned())),
        ("/join", text) if !text.is_empty() => Rooms::Join(unquoted(text).to_owned()),
        _ => match request(name, rest) {
            Some((name, fields)) => Rooms::Request(checked(Request::new(name, fields))?),
            None => return Ok(None),
        },
    };
    Ok(Some(command))
}

/// A command whose lengths of time and names of users can be read.
fn checked(request: Request) -> Result<Request, String> {
    let field = |name| request.field(name).and_then(Value::as_str);
    if let Some(length) = field(UNREADABLE) {
        return Err(format!(
            "{length} is no length of time: a number and s, m, h or d, such as 30s or 7d; a reason that begins \
             with a number stands in quotation marks"
        ));
    }
    if let Some(user) = field("user") {
        UserId::new(user).map_err(|why| why.to_string())?;
    }
    Ok(request)
}

/// The command that asks the server, and its fields.
fn request(name: &str, rest: &str) -> Option<(&'static str, Value)> {
    let (first, after) = word(rest);
    Some(match (name, rest) {
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
            role => {
                let role = Role::from_name(role)?.name();
                ("add", json!({ "user": first, "role": role }))
            }
        },
        ("/role", _) => {
            let role = Role::from_name(after)?.name();
            ("role", json!({ "user": first, "role": role }))
        }
        ("/invite", _) => ("invite", invitation(rest)?),
        ("/invites", "") => ("invites", json!({})),
        ("/uninvite", id) => {
            let invite: InviteId = serde_json::from_value(id.into()).ok()?;
            ("uninvite", json!({ "invite": invite }))
        }
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
        ("/notify", "all" | "mentions" | "none") => ("me", json!({ "notify": rest })),
        _ => return None,
    })
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

/// The field of a length of time that can't be read.
const UNREADABLE: &str = "unreadable";

/// Against a user, for a length of time unless it is absent, for a reason. A word that begins with a digit is
/// a length, or a mistyped one would be none.
fn sanction(user: &str, rest: &str) -> Value {
    let (first, after) = word(rest);
    match length::parse(first) {
        Some(length) => json!({ "user": user, "for": length.as_secs(), "reason": after }),
        None if rest.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c)) => {
            json!({ UNREADABLE: first })
        }
        None => json!({ "user": user, "reason": unquoted(rest) }),
    }
}

fn setting(name: &str, value: &str) -> Option<Value> {
    if value.is_empty() {
        return None;
    }
    match (name, value) {
        ("post" | "add", "everyone" | "moderators") | ("history", "all" | "joined") => {
            Some(json!({ name: value }))
        }
        ("slow", _) => {
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
        let Ok(Some(Rooms::Request(request))) = typed(name, rest) else {
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
            Ok(Some(Rooms::Open(Which::Name("Book club".to_owned()))))
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
            ("/role", "bob boss"),
            ("/add", "bob boss"),
            ("/set", "post nobody"),
            ("/notify", "sometimes"),
            ("/uninvite", "7"),
            ("/add", ""),
            ("/block", ""),
            ("/blocks", "bob"),
            ("/chats", "purple"),
        ] {
            assert_eq!(typed(name, rest), Ok(None), "{name} {rest}");
        }
    }

    #[test]
    fn a_length_that_can_not_be_read_is_never_for_ever() {
        for rest in [
            "eve 7days",
            "eve 7 days",
            "eve 1w spam",
            "eve -1h",
            "eve 90",
        ] {
            for name in ["/ban", "/mute"] {
                let why = typed(name, rest).unwrap_err();
                assert!(why.contains("no length of time"), "{name} {rest}: {why}");
            }
        }
        let ban = wire(r#"/ban eve "3 times rude""#);
        assert_eq!(
            (&ban["for"], &ban["reason"]),
            (&Value::Null, &"3 times rude".into())
        );
    }

    #[test]
    fn a_name_that_nobody_can_have_is_refused_with_the_reason() {
        for line in ["/block a,b", "/ban a,b 7d", "/add a,b"] {
            let (name, rest) = line.split_once(' ').unwrap();
            let why = typed(name, rest).unwrap_err();
            assert!(why.starts_with("a user name"), "{line}: {why}");
        }
    }
}
