//! Random commands, as users give them.

use crate::{
    History, InboxFilter, OpenTo, Page, Role, RoomChange, RoomKind, RoomName, Seq, Settings,
    SettingsChange, UserId,
};

use super::{
    command::{Command, In, ROOMS, USERS, user},
    reference::Reference,
};

/// Random numbers from a seed (xorshift).
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % 1_000_003).expect("it is below a million") % end
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn user(&mut self) -> UserId {
        user(self.below(USERS))
    }

    /// A user, more often than not one of these.
    fn user_of(&mut self, these: &[&UserId]) -> UserId {
        if these.is_empty() || self.one_in(5) {
            return self.user();
        }
        self.of(these).clone()
    }

    fn open_to(&mut self) -> OpenTo {
        let everyone = OpenTo::Everyone;
        self.of(&[everyone, everyone, OpenTo::Moderators])
    }

    fn history(&mut self) -> History {
        self.of(&[History::All, History::Joined])
    }

    fn change(&mut self) -> RoomChange {
        let mut settings = SettingsChange::default();
        match self.below(3) {
            0 => settings.post = Some(self.open_to()),
            1 => settings.add = Some(self.open_to()),
            _ => settings.history = Some(self.history()),
        }
        RoomChange {
            name: RoomName::new(self.of(&["", "Team", "Zoë"])).ok(),
            settings: Some(settings),
            archived: self.of(&[None, None, None, Some(false), Some(false), Some(true)]),
            ..RoomChange::default()
        }
    }

    /// A new group or channel.
    fn create(&mut self, place: usize) -> Command {
        let settings = Settings {
            post: self.open_to(),
            add: self.open_to(),
            history: self.history(),
            slow_mode: 0,
        };
        let count = self.below(7);
        Command::Create {
            place,
            kind: self.of(&[RoomKind::Group, RoomKind::Channel]),
            settings,
            members: (0..count).map(|_| self.user()).collect(),
        }
    }

    /// A command, and the user who gives it.
    pub(super) fn command(&mut self, reference: &Reference) -> (UserId, Command) {
        // Most of what is tried in a direct room is refused.
        let place = if self.one_in(12) {
            0
        } else {
            1 + self.below(ROOMS - 1)
        };
        let at = reference.in_use[place];
        let room = &reference.rooms[at];
        let members: Vec<&UserId> = room.members.keys().collect();
        let (by, user) = (self.user_of(&members), self.user_of(&members));
        if members.len() < 2 && self.one_in(4) || place > 0 && self.one_in(200) {
            return (by, self.create(place.max(1)));
        }
        let stranger = self.user();
        let own = room.messages_of(&by);
        let seq = match self.below(4) {
            0 => self.below(40) as u64,
            1 => room.head().saturating_sub(8) + self.below(10) as u64,
            _ if own.is_empty() => room.head(),
            _ => self.of(&own),
        };
        let seq = Seq(seq);
        let text = format!("text {}", self.below(1_000));
        let role = self.of(&Role::ALL);
        let what = match self.below(100) {
            0 => return (by, Command::Block(stranger)),
            1..=3 => return (by, Command::Unblock(stranger)),
            4..=11 => {
                let filter = self.of(&[InboxFilter::All, InboxFilter::Unread]);
                return (by, Command::Inbox(filter, 1 + self.below(12)));
            }
            12..=17 => In::Join,
            18..=19 => In::Leave,
            20..=27 => In::Add(stranger, self.of(&[None, None, Some(role)])),
            28..=29 => In::Remove(user),
            30..=36 => In::Role(user, role),
            37..=39 => In::Invite(self.of(&[None, Some(1), Some(2)]), role),
            40 => In::Uninvite(self.below(6)),
            41..=45 => In::Accept(self.below(8)),
            46..=47 => In::Ban(user),
            48..=50 => In::Unban(stranger),
            51..=52 => In::Mute(user),
            53..=55 => In::Unmute(stranger),
            56 => In::Bans,
            57 => In::Mutes,
            58..=61 => In::Update(self.change()),
            62..=74 => In::Send(text),
            75..=78 => In::Edit(seq, text),
            79..=82 => In::Delete(seq),
            83..=86 => In::Receipt(seq),
            87..=95 => {
                let page = match self.below(4) {
                    0 => Page::Newest,
                    1 => Page::Before(seq),
                    2 => Page::After(seq),
                    _ => Page::Around(seq),
                };
                In::History(page, 1 + self.below(20))
            }
            _ => In::Members,
        };
        (by, Command::In(at, what))
    }
}
