//! Entries as sentences for people: what the author of an entry did. No input or output.

use chat_cli::clean;
use chat_core::{
    Entry, EntryBody, History, LeftWhy, OpenTo, Role, RoomChange, RoomKind, SettingsChange, UserId,
};

/// The act of an entry's author, as people read it after the author's name; `None` for an entry
/// that they are not shown. `was` is the text that the entry's target had before, and `kind` that of
/// the room.
pub(crate) fn sentence(entry: &Entry, was: Option<&str>, kind: RoomKind) -> Option<String> {
    let own = |user: &UserId| *user == entry.author;
    let name = |user: &UserId| clean(user.as_str()).into_owned();
    Some(match &entry.body {
        EntryBody::Edit { text, .. } => {
            let was = was.map_or_else(String::new, |was| format!(" (was: {was})"));
            format!("corrected: {}{was}", clean(text))
        }
        EntryBody::Delete { .. } => {
            let was = was.map_or_else(String::new, |was| format!(": {was}"));
            format!("took a message back{was}")
        }
        EntryBody::Joined { user, role } => {
            let as_role = match role {
                Role::Member => String::new(),
                role => format!(" as {}", a(*role)),
            };
            if own(user) {
                format!("joined{as_role}")
            } else {
                format!("added {}{as_role}", name(user))
            }
        }
        EntryBody::Left { user, .. } if own(user) => "left".to_owned(),
        EntryBody::Left { user, why } => match why {
            LeftWhy::Banned => format!("banned {}", name(user)),
            LeftWhy::Left | LeftWhy::Removed => format!("removed {}", name(user)),
        },
        EntryBody::Role { user, role } if own(user) => format!("is {} now", a(*role)),
        EntryBody::Role { user, role } => format!("made {} {}", name(user), a(*role)),
        EntryBody::Room(change) => changes(change, kind.name())?,
        EntryBody::Notice(notice) if notice.text.is_empty() => return None,
        EntryBody::Notice(notice) => format!("says: {}", clean(&notice.text)),
        _ => return None,
    })
}

/// A role, with its article.
pub(crate) fn a(role: Role) -> String {
    let article = if role == Role::Owner { "an" } else { "a" };
    format!("{article} {}", role.name())
}

/// Names in a sentence: the first three of them, and how many there are beside.
pub(crate) fn several<'a>(users: impl IntoIterator<Item = &'a UserId>) -> String {
    let names: Vec<_> = users.into_iter().map(|user| clean(user.as_str())).collect();
    match &names[..] {
        [] => "nobody".to_owned(),
        [one] => one.to_string(),
        [one, other] => format!("{one} and {other}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} others", rest.len()),
    }
}

/// A change of the room `what`; `None` for one that people do not see.
fn changes(change: &RoomChange, what: &str) -> Option<String> {
    let RoomChange {
        name,
        topic,
        data: _,
        settings,
        archived,
    } = change;
    let name = name.as_ref().map(|name| match name.as_str() {
        "" => format!("took the name of the {what} away"),
        name => format!("named the {what} {}", clean(name)),
    });
    let topic = topic.as_ref().map(|topic| match topic.as_str() {
        "" => "took the topic away".to_owned(),
        topic => format!("set the topic: {}", clean(topic)),
    });
    let archived = archived.map(|archived| {
        if archived {
            format!("archived the {what}")
        } else {
            format!("opened the {what} again")
        }
    });
    let settings = settings.as_ref().map(set).unwrap_or_default();
    let mut said: Vec<String> = name.into_iter().chain(topic).chain(settings).collect();
    said.extend(archived);
    let last = said.pop()?;
    Some(if said.is_empty() {
        last
    } else {
        format!("{} and {last}", said.join(", "))
    })
}

/// The settings that changed, each as what the author did.
fn set(change: &SettingsChange) -> Vec<String> {
    let by = |open: OpenTo| match open {
        OpenTo::Everyone => "everyone",
        OpenTo::Moderators => "only moderators",
    };
    let SettingsChange {
        post,
        add,
        history,
        slow_mode,
    } = change;
    let post = post.map(|open| format!("lets {} write", by(open)));
    let add = add.map(|open| format!("lets {} add members", by(open)));
    let history = history.map(|history| match history {
        History::All => "lets new members read everything".to_owned(),
        History::Joined => "lets new members read what comes after they joined".to_owned(),
    });
    let slow_mode = slow_mode.map(|seconds| match seconds {
        0 => "ended the slow mode".to_owned(),
        seconds => format!("allows one message in {seconds} s"),
    });
    post.into_iter()
        .chain(add)
        .chain(history)
        .chain(slow_mode)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::{ClientMessageId, IdGen as _, MessageId, RandomIds, RoomId, Seq};
    use chrono::DateTime;
    use serde_json::{Value, json};

    /// The sentence about Alice for an entry with this body.
    fn alice(body: Value) -> Option<String> {
        let entry = Entry {
            room: RoomId::new("team").unwrap(),
            seq: Seq(1),
            id: MessageId(RandomIds.next()),
            author: UserId::new("alice").unwrap(),
            client_id: ClientMessageId::new("x").unwrap(),
            at: DateTime::UNIX_EPOCH,
            body: serde_json::from_value(body).unwrap(),
        };
        sentence(&entry, None, RoomKind::Group)
    }

    #[test]
    fn changes_of_membership_are_sentences_about_the_author() {
        for (body, says) in [
            (
                json!({ "kind": "joined", "user": "alice", "role": "member" }),
                "joined",
            ),
            (
                json!({ "kind": "joined", "user": "bob", "role": "member" }),
                "added bob",
            ),
            (
                json!({ "kind": "joined", "user": "bob", "role": "reader" }),
                "added bob as a reader",
            ),
            (
                json!({ "kind": "left", "user": "alice", "why": "left" }),
                "left",
            ),
            (
                json!({ "kind": "left", "user": "bob", "why": "removed" }),
                "removed bob",
            ),
            (
                json!({ "kind": "left", "user": "bob", "why": "banned" }),
                "banned bob",
            ),
            (
                json!({ "kind": "role", "user": "bob", "role": "moderator" }),
                "made bob a moderator",
            ),
            (
                json!({ "kind": "role", "user": "bob", "role": "owner" }),
                "made bob an owner",
            ),
            (
                json!({ "kind": "role", "user": "alice", "role": "member" }),
                "is a member now",
            ),
            (
                json!({ "kind": "notice", "text": "shipped", "data": { "order": 7 } }),
                "says: shipped",
            ),
            (
                json!({ "kind": "left", "user": "e\u{301}ve", "why": "banned" }),
                "banned éve",
            ),
        ] {
            assert_eq!(alice(body).as_deref(), Some(says));
        }
    }

    #[test]
    fn changes_of_the_room_are_told_in_one_sentence() {
        let room = |mut change: Value| {
            change["kind"] = "room".into();
            alice(change)
        };
        for (change, says) in [
            (json!({ "name": "Team" }), "named the group Team"),
            (json!({ "name": "" }), "took the name of the group away"),
            (json!({ "topic": "two\nlines" }), "set the topic: two↵lines"),
            (json!({ "archived": true }), "archived the group"),
            (json!({ "archived": false }), "opened the group again"),
            (
                json!({ "settings": { "slow_mode": 30 } }),
                "allows one message in 30 s",
            ),
            (
                json!({ "settings": { "post": "moderators", "add": "everyone", "history": "all" } }),
                "lets only moderators write, lets everyone add members and lets new members read everything",
            ),
            (
                json!({ "name": "Team", "topic": "", "settings": { "slow_mode": 0 } }),
                "named the group Team, took the topic away and ended the slow mode",
            ),
        ] {
            assert_eq!(room(change).as_deref(), Some(says));
        }
        assert_eq!(room(json!({ "data": { "colour": "red" } })), None);
    }

    #[test]
    fn of_many_names_three_or_two_are_named() {
        let users: Vec<UserId> = ["ann", "bob", "carol", "dan"]
            .map(|name| UserId::new(name).unwrap())
            .into();
        let said = (0..=4).map(|count| several(&users[..count]));
        let expected = [
            "nobody",
            "ann",
            "ann and bob",
            "ann, bob and carol",
            "ann, bob and 2 others",
        ];
        assert!(said.eq(expected));
    }
}
