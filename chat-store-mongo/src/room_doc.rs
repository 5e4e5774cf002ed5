//! The documents of rooms and of their members.

use chat_core::{
    Details, Epoch, History, InboxRoom, Me, Member, Membership, NewRoom, Notify, Role, Room,
    RoomId, RoomKind, Seq, Settings, UserId, Watermarks,
};
use chrono::{DateTime, Utc};
use mongodb::error::Result;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    details_doc::DetailsDoc,
    doc::{EntryDoc, as_text, seq},
};

/// A room, in collection `rooms`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomDoc {
    #[serde(rename = "_id")]
    pub(crate) id: RoomId,
    /// Missing in rooms from before there were channels.
    #[serde(default)]
    kind: Option<RoomKind>,
    #[serde(with = "as_text")]
    epoch: Uuid,
    /// The time in microseconds.
    pub(crate) created_at: i64,
    /// The maker. Earlier versions kept the first owner, who was the maker of a group.
    #[serde(default, alias = "owner", skip_serializing_if = "Option::is_none")]
    created_by: Option<UserId>,
    /// Missing where they are those of [`unsaid`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<DetailsDoc>,
    /// The number of members of the room.
    #[serde(default)]
    members: i64,
    /// The newest message. `activity.rs` writes it.
    #[serde(default)]
    last: LastDoc,
    /// The first members, while they may be missing in collection `members`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entering: Option<Vec<UserId>>,
    /// The newest entry, where a query has joined it.
    #[serde(default, skip_serializing)]
    newest: Vec<Numbered>,
}

/// The number of the newest message, and its time in microseconds; without one 0, and the time of the room.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct LastDoc {
    pub(crate) seq: i64,
    pub(crate) at: i64,
}

/// The number of an entry.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Numbered {
    seq: i64,
}

impl RoomDoc {
    pub(crate) fn of(new: &NewRoom) -> Self {
        let users = new.first_members().into_iter().map(|member| member.user);
        let users: Vec<UserId> = users.collect();
        let details = (new.details != unsaid(new.kind)).then(|| DetailsDoc::of(&new.details));
        Self {
            id: new.id.clone(),
            kind: Some(new.kind),
            epoch: new.epoch.0,
            created_at: new.created_at.timestamp_micros(),
            created_by: new.created_by.clone(),
            details,
            members: i64::try_from(users.len()).unwrap_or(i64::MAX),
            last: LastDoc {
                seq: 0,
                at: new.created_at.timestamp_micros(),
            },
            entering: Some(users),
            newest: Vec::new(),
        }
    }

    /// The first members that are still to be let in, as many at a time as one command adds quickly.
    pub(crate) fn entering_in_portions(&self) -> impl Iterator<Item = &[UserId]> {
        const PORTION: usize = 500;
        self.entering.as_deref().unwrap_or_default().chunks(PORTION)
    }

    fn kind(&self) -> RoomKind {
        let by_id = if self.id.is_direct() {
            RoomKind::Direct
        } else {
            RoomKind::Group
        };
        self.kind.unwrap_or(by_id)
    }

    pub(crate) fn head(&self) -> Seq {
        self.newest.first().map_or(Seq::ZERO, |it| seq(it.seq))
    }

    /// The role of one of the first members.
    pub(crate) fn first_role(&self, user: &UserId) -> Role {
        let owns = self.created_by.as_ref() == Some(user) && self.kind() != RoomKind::Direct;
        if owns { Role::Owner } else { Role::Member }
    }

    pub(crate) fn room(self) -> Room {
        let kind = self.kind();
        Room {
            head: self.head(),
            id: self.id,
            kind,
            epoch: Epoch(self.epoch),
            created_at: time(self.created_at),
            created_by: self.created_by,
            details: self
                .details
                .map_or_else(|| unsaid(kind), DetailsDoc::details),
            members: u64::try_from(self.members).unwrap_or(0),
        }
    }
}

/// The details of a room whose document has none: rooms of earlier versions open their whole history to all
/// members.
fn unsaid(kind: RoomKind) -> Details {
    let open = Settings {
        history: History::All,
        ..Settings::default()
    };
    Details {
        settings: (kind != RoomKind::Direct).then_some(open),
        ..Details::default()
    }
}

/// A user's membership of a room, in collection `members`; the document stays when the user leaves.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberDoc {
    pub(crate) user: UserId,
    #[serde(default)]
    pub(crate) role: Role,
    /// The time of joining in microseconds.
    #[serde(default)]
    joined_at: i64,
    #[serde(default)]
    joined_seq: i64,
    #[serde(default)]
    delivered: i64,
    #[serde(default)]
    read: i64,
    #[serde(default)]
    notify: Notify,
    #[serde(default)]
    pinned: bool,
    /// The newest entry when the member hid the room.
    #[serde(default)]
    hidden_at: Option<i64>,
    /// The time in microseconds.
    #[serde(default)]
    muted_until: Option<i64>,
}

impl MemberDoc {
    pub(crate) fn member(self) -> Member {
        Member {
            watermarks: self.watermarks(),
            user: self.user,
            role: self.role,
            joined_at: time(self.joined_at),
            joined_seq: seq(self.joined_seq),
        }
    }

    pub(crate) fn watermarks(&self) -> Watermarks {
        Watermarks {
            delivered: seq(self.delivered),
            read: seq(self.read),
        }
    }

    /// The member's own settings for the room.
    pub(crate) fn me(&self, room: &RoomDoc) -> Me {
        Me {
            role: self.role,
            notify: self.notify,
            pinned: self.pinned,
            hidden: self.hidden_at.is_some_and(|at| at >= room.last.seq),
            muted_until: self.muted_until.map(time),
        }
    }
}

/// A membership with the id of its room.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomMemberDoc {
    pub(crate) room_id: RoomId,
    #[serde(flatten)]
    pub(crate) member: MemberDoc,
}

/// A membership, joined with what lists of rooms show.
#[derive(Debug, Deserialize)]
pub(crate) struct Listed {
    #[serde(flatten)]
    member: MemberDoc,
    room: [RoomDoc; 1],
    newest: Vec<Numbered>,
    unread: Vec<Count>,
    /// The newest message, in an inbox.
    #[serde(default)]
    last: Vec<EntryDoc>,
}

#[derive(Debug, Deserialize)]
struct Count {
    count: i64,
}

impl Listed {
    fn unread(&self) -> u64 {
        let unread = self.unread.first().map_or(0, |it| it.count);
        u64::try_from(unread).unwrap_or(0)
    }

    pub(crate) fn membership(self) -> Membership {
        let (watermarks, unread) = (self.member.watermarks(), self.unread());
        let [mut room] = self.room;
        room.newest = self.newest;
        Membership {
            room: room.room(),
            watermarks,
            unread,
        }
    }

    pub(crate) fn inbox_room(self) -> Result<InboxRoom> {
        let unread = self.unread();
        let Self {
            member,
            room: [mut room],
            newest,
            last,
            ..
        } = self;
        room.newest = newest;
        let (me, active_at) = (member.me(&room), time(room.last.at));
        let room = room.room();
        let settings = room.details.settings.unwrap_or_default();
        let begins = room.details.settings.is_some() && settings.history == History::Joined;
        let first = if begins { member.joined_seq } else { 0 };
        let mut last = last.into_iter().filter(|entry| entry.seq >= first);
        let last = last.next().map(EntryDoc::entry).transpose()?;
        Ok(InboxRoom {
            room,
            me,
            watermarks: member.watermarks(),
            last: last.map(Into::into),
            active_at,
            unread,
            // No message can mention a member yet.
            mentions: 0,
        })
    }
}

/// Converts microseconds to a time.
pub(crate) fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}
