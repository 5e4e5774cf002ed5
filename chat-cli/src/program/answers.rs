//! Replies of the server as lines for people. No input or output.

use chat_cli::clean;
use chat_core::{
    Command, Invite, Me, Notify, OpenTo, Reply, RoomView, Sanctioned, Settings, UserId,
};
use chrono::{DateTime, Local, Utc};

use super::{
    chats::label,
    sentences::{a, several},
};

/// The lines that answer a command of the user `me`. What an entry of the room says already is not
/// said again.
pub(crate) fn lines(me: &UserId, command: &Command, reply: &Reply) -> Vec<String> {
    let one = |line: String| vec![line];
    match (command, reply) {
        (_, Reply::Online(online)) => {
            let names: Vec<_> = online.users.iter().map(UserId::as_str).collect();
            one(format!("online: {}", names.join(", ")))
        }
        (Command::ViewRoom(_), Reply::Room(view)) => room(me, view),
        (Command::Readers(_), Reply::Members(list)) => {
            let others = list.members.iter().filter(|member| member.user != *me);
            let names: Vec<_> = others.map(|member| name(&member.user)).collect();
            let more = if list.more { " and more" } else { "" };
            one(match names.as_slice() {
                [] => "nobody has read it yet".to_owned(),
                names => format!("read by {}{more}", names.join(", ")),
            })
        }
        (_, Reply::Members(list)) => {
            let member = |member: &chat_core::Member| {
                format!("{} ({})", clean(member.user.as_str()), member.role.name())
            };
            let members: Vec<_> = list.members.iter().map(member).collect();
            let next = list.members.last().filter(|_| list.more);
            let mut lines = one(format!("members: {}", members.join(", ")));
            lines.extend(next.map(|next| format!("and more: /members {}", next.user)));
            lines
        }
        (_, Reply::Directory(found)) if found.rooms.is_empty() => {
            one("no channel is called so".to_owned())
        }
        (_, Reply::Directory(found)) => {
            let channel = |room: &chat_core::Room| {
                let topic = clean(room.details.topic.as_str()).into_owned();
                let (label, members) = (label(me, room), members(room));
                let about = format!("{label}, {members}, id {}", room.id);
                if topic.is_empty() {
                    about
                } else {
                    format!("{about}: {topic}")
                }
            };
            let mut lines: Vec<_> = found.rooms.iter().map(channel).collect();
            if found.more {
                lines.push("and more; /find TEXT finds fewer".to_owned());
            }
            lines
        }
        (_, Reply::Invite(invite)) => vec![
            format!("invitation {}: {}", invite.token.as_str(), terms(invite)),
            format!("others enter with /accept {}", invite.token.as_str()),
        ],
        (_, Reply::Invites(list)) if list.invites.is_empty() => {
            one("there are no invitations".to_owned())
        }
        (_, Reply::Invites(list)) => {
            let invites = list.invites.iter();
            let line = |invite: &Invite| {
                let (by, token) = (clean(invite.by.as_str()), invite.token.as_str());
                format!("{} by {by}: {}, token {token}", invite.id, terms(invite))
            };
            invites
                .map(line)
                .chain(list.more.then(|| "and more".to_owned()))
                .collect()
        }
        (Command::Ban(_), Reply::Sanctioned(ban)) => one(sanctioned("is banned", ban)),
        (_, Reply::Sanctioned(mute)) => one(sanctioned("is muted", mute)),
        (command, Reply::Sanctions(list)) => {
            let is = match command {
                Command::Bans(_) => "is banned",
                _ => "is muted",
            };
            if list.users.is_empty() {
                return one(format!("nobody {is}"));
            }
            let users = list.users.iter().map(|one| sanctioned(is, one));
            users
                .chain(list.more.then(|| "and more".to_owned()))
                .collect()
        }
        (_, Reply::Me(me)) => one(format!("you have this room {}", mine(me))),
        (_, Reply::Blocks(list)) => {
            let blocks = list.blocks.iter().map(|block| name(&block.user));
            let names: Vec<_> = blocks
                .chain(list.more.then(|| "and more".to_owned()))
                .collect();
            one(match names.as_slice() {
                [] => "you have blocked nobody".to_owned(),
                names => format!("blocked: {}", names.join(", ")),
            })
        }
        (Command::Block(block), _) => one(format!("{} is blocked", name(&block.user))),
        (Command::Unblock(block), _) => one(format!("{} is not blocked", name(&block.user))),
        (Command::Uninvite(_), _) => one("the invitation is taken back".to_owned()),
        (Command::Unban(unban), _) => one(format!("{} is not banned any more", name(&unban.user))),
        (Command::Unmute(unmute), _) => {
            one(format!("{} is not muted any more", name(&unmute.user)))
        }
        _ => Vec::new(),
    }
}

fn name(user: &UserId) -> String {
    clean(user.as_str()).into_owned()
}

fn moment(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local)
        .format("%-d %b %Y %H:%M")
        .to_string()
}

fn sanctioned(is: &str, one: &Sanctioned) -> String {
    let until = one
        .until
        .map_or_else(String::new, |until| format!(" until {}", moment(until)));
    let why = match one.reason.as_str() {
        "" => String::new(),
        why => format!(": {}", clean(why)),
    };
    format!(
        "{} {is} here{until}, by {}{why}",
        name(&one.user),
        name(&one.by)
    )
}

fn terms(invite: &Invite) -> String {
    let uses = match invite.uses_left {
        None => "for everybody who has it".to_owned(),
        Some(1) => "for one user".to_owned(),
        Some(uses) => format!("for {uses} users"),
    };
    let end = invite.expires_at;
    let end = end.map_or_else(String::new, |end| format!(", until {}", moment(end)));
    format!("{uses}{end}, as {}", a(invite.role))
}

fn mine(me: &Me) -> String {
    let mut set = Vec::new();
    if me.pinned {
        set.push("pinned".to_owned());
    }
    if me.hidden {
        set.push("hidden until the next message".to_owned());
    }
    set.push(
        match me.notify {
            Notify::All => "with news of all messages",
            Notify::Mentions => "with news of mentions",
            Notify::None => "without news",
        }
        .to_owned(),
    );
    if let Some(until) = me.muted_until {
        set.push(format!("silent until {}", moment(until)));
    }
    set.join(", ")
}

/// The lines that describe a room.
fn room(me: &UserId, view: &RoomView) -> Vec<String> {
    let room = &view.room;
    let mut lines = vec![title(me, view)];
    if let Some(by) = &room.created_by {
        lines.push(format!(
            "made by {} on {}",
            name(by),
            moment(room.created_at)
        ));
    }
    let online: Vec<_> = view
        .members
        .iter()
        .filter(|member| member.presence.online)
        .map(|member| &member.presence.user)
        .collect();
    if !view.members.is_empty() {
        lines.push(format!("online: {}", several(online)));
    }
    if let Some(settings) = room.details.settings {
        lines.push(set(settings));
        lines.push(format!("id {}; you have it {}", room.id, mine(&view.me)));
    }
    lines
}

/// The line by which a room begins.
pub(crate) fn title(me: &UserId, view: &RoomView) -> String {
    let room = &view.room;
    let label = label(me, room);
    if room.id.is_direct() {
        return label;
    }
    let archived = if room.details.archived {
        "an archived"
    } else {
        "a"
    };
    let (kind, members) = (room.kind.name(), members(room));
    let role = a(view.me.role);
    let topic = match room.details.topic.as_str() {
        "" => String::new(),
        topic => format!(": {}", clean(topic)),
    };
    format!("{label}, {archived} {kind} of {members}, you are {role}{topic}")
}

fn members(room: &chat_core::Room) -> String {
    match room.members {
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    }
}

fn set(settings: Settings) -> String {
    let by = |open| match open {
        OpenTo::Everyone => "everyone",
        OpenTo::Moderators => "moderators",
    };
    let history = match settings.history {
        chat_core::History::All => "everything",
        chat_core::History::Joined => "what comes after they joined",
    };
    let (post, add) = (by(settings.post), by(settings.add));
    let slow_mode = match settings.slow_mode {
        0 => String::new(),
        seconds => format!(", one message in {seconds} s"),
    };
    format!("{post} write, {add} add members, new members read {history}{slow_mode}")
}
