//! The standings of users and tokens by the decisions in force, on the whole server and in single rooms.
//!
//! Ends are compared with the wall clock at each use, so nothing has to happen when a ban ends.

use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    ops::Bound,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::rooms::LiveRoom;
use crate::{
    model::{
        Decision, NO_END, NameHash, Principal, RoomId, Ruling, Sanction, Scope, Standing, TokenId,
        UserId, Version,
    },
    wire::Error,
};

/// The revocations, bans and mutes in force. They add up: each ends at its own end, or is lifted by itself.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    held: RwLock<Held>,
    /// The number of decisions in `held`, so that nearly all checks take no lock.
    size: AtomicUsize,
}

#[derive(Debug, Default)]
struct Held {
    tokens: HashMap<TokenId, Vec<Hold<()>>>,
    users: HashMap<UserId, Vec<Hold<Against>>>,
    /// The user whom a decision is about, of those in `users`.
    of_user: HashMap<Version, UserId>,
    /// The bans and mutes of single rooms.
    rooms: HashMap<RoomId, BTreeMap<UserId, Vec<Hold<InRoom>>>>,
    /// The room and the user that a decision is about, of those in `rooms`.
    of_room: HashMap<Version, (RoomId, UserId)>,
    /// The erased users, each with the moment before which their logins are refused; there is seldom one.
    erased: Vec<(NameHash, Hold<DateTime<Utc>>)>,
    /// The number of decisions in `tokens`. Hardly any is ever lifted, so they are in no index by version.
    of_tokens: usize,
    /// No decision ends before this.
    first_end: Option<DateTime<Utc>>,
}

/// One decision in force.
#[derive(Debug)]
struct Hold<T> {
    version: Version,
    end: DateTime<Utc>,
    against: T,
}

/// What a decision says about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Against {
    LoginsBefore(DateTime<Utc>),
    Presence,
    Speech,
}

/// A sanction in one room: a ban or a mute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ban,
    Mute,
}

/// A ban or a mute in one room, with the decision that says who made it, and why.
#[derive(Debug, Clone)]
struct InRoom {
    kind: Kind,
    decision: Arc<Decision>,
}

/// The sessions that a decision may end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Concerned {
    /// None.
    Nobody,
    /// Those of this user that may not go on.
    User(UserId),
    /// Those that may not go on, of any user.
    Anybody,
    /// All sessions of this user, which may come back.
    Kicked(UserId),
}

impl<T> Hold<T> {
    fn is_in_force(&self, now: DateTime<Utc>) -> bool {
        self.end > now
    }

    /// The end; `None` for a decision without one.
    fn until(&self) -> Option<DateTime<Utc>> {
        (self.end < NO_END).then_some(self.end)
    }
}

impl Standings {
    /// The number of decisions held.
    pub(crate) fn size(&self) -> usize {
        self.size.load(Ordering::Acquire)
    }

    /// Takes a decision in, whichever number it has and however often it comes.
    pub(crate) fn apply(&self, decision: &Decision) -> Concerned {
        let version = decision.version;
        let mut held = self.write();
        let concerned = match &decision.what {
            Ruling::RevokeToken { jti, .. } => {
                held.add_token(decision, jti);
                Concerned::Anybody
            }
            Ruling::RevokeUser {
                user,
                issued_before,
                ..
            } => {
                held.add(decision, user, Against::LoginsBefore(*issued_before));
                Concerned::User(user.clone())
            }
            Ruling::Ban {
                user,
                scope: Scope::Server,
                ..
            } => {
                held.add(decision, user, Against::Presence);
                Concerned::User(user.clone())
            }
            Ruling::Mute {
                user,
                scope: Scope::Server,
                ..
            } => {
                held.add(decision, user, Against::Speech);
                Concerned::Nobody
            }
            Ruling::Ban {
                user,
                scope: Scope::Room(room),
                ..
            } => {
                held.add_in_room(decision, room, user, Kind::Ban);
                Concerned::Nobody
            }
            Ruling::Mute {
                user,
                scope: Scope::Room(room),
                ..
            } => {
                held.add_in_room(decision, room, user, Kind::Mute);
                Concerned::Nobody
            }
            Ruling::Lift { version: lifted } if *lifted < version => {
                held.remove(*lifted);
                Concerned::Nobody
            }
            Ruling::Lift { .. }
            | Ruling::Announce { .. }
            | Ruling::Assign { .. }
            | Ruling::Inspect { .. }
            | Ruling::Notice { .. }
            | Ruling::DeleteRoom { .. }
            | Ruling::Export { .. }
            | Ruling::FailedLogins { .. } => Concerned::Nobody,
            Ruling::Kick { user } => Concerned::Kicked(user.clone()),
            Ruling::Erase {
                name,
                issued_before,
                ..
            } => {
                held.erase(decision, name, *issued_before);
                Concerned::Anybody
            }
        };
        self.size.store(held.len(), Ordering::Release);
        concerned
    }

    /// Forgets the decisions that have ended.
    pub(crate) fn sweep(&self, now: DateTime<Utc>) {
        if self.read().first_end.is_none_or(|end| end > now) {
            return;
        }
        let mut held = self.write();
        held.sweep(now);
        self.size.store(held.len(), Ordering::Release);
    }

    /// Whether a login is accepted.
    ///
    /// # Errors
    ///
    /// [`Error::Revoked`] or [`Error::Banned`].
    pub(crate) fn check(&self, by: &Principal, now: DateTime<Utc>) -> Result<(), Error> {
        if self.size() == 0 {
            return Ok(());
        }
        let held = self.read();
        let of_token = by.token.as_ref().and_then(|token| held.tokens.get(token));
        if of_token.is_some_and(|holds| holds.iter().any(|hold| hold.is_in_force(now))) {
            return Err(Error::Revoked);
        }
        if held.is_erased(by, now) {
            return Err(Error::Revoked);
        }
        let Some(holds) = held.users.get(&by.user) else {
            return Ok(());
        };
        let is_revoked = holds.iter().any(|hold| match hold.against {
            Against::LoginsBefore(moment) => {
                hold.is_in_force(now) && by.issued_at.is_none_or(|issued| issued < moment)
            }
            Against::Presence | Against::Speech => false,
        });
        if is_revoked {
            return Err(Error::Revoked);
        }
        match last(holds, Against::Presence, now) {
            Some(ban) => Err(Error::Banned {
                retry_after: wait(ban, now),
            }),
            None => Ok(()),
        }
    }

    /// Whether a user may speak.
    ///
    /// # Errors
    ///
    /// [`Error::Muted`].
    pub(crate) fn check_speech(&self, user: &UserId, now: DateTime<Utc>) -> Result<(), Error> {
        if self.size() == 0 {
            return Ok(());
        }
        let held = self.read();
        let holds = held.users.get(user).map_or(&[][..], Vec::as_slice);
        match last(holds, Against::Speech, now) {
            Some(mute) => Err(Error::Muted {
                retry_after: wait(mute, now),
            }),
            None => Ok(()),
        }
    }

    /// The decision against a user in a room that ends last.
    pub(crate) fn in_room(
        &self,
        room: &RoomId,
        user: &UserId,
        kind: Kind,
        now: DateTime<Utc>,
    ) -> Option<Arc<Decision>> {
        if self.size() == 0 {
            return None;
        }
        let held = self.read();
        let last = last_in_room(held.rooms.get(room)?.get(user)?, kind, now)?;
        Some(Arc::clone(&last.against.decision))
    }

    /// Checks that a user may speak in a room, as far as the room decides.
    ///
    /// # Errors
    ///
    /// [`Error::Muted`].
    pub(crate) fn check_speech_in(
        &self,
        room: &RoomId,
        user: &UserId,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        match self.in_room(room, user, Kind::Mute, now) {
            Some(mute) => Err(Error::Muted {
                retry_after: mute
                    .what
                    .end()
                    .filter(|end| *end < NO_END)
                    .map(|end| until(end, now)),
            }),
            None => Ok(()),
        }
    }

    /// The bans or mutes of a room that are in force, one per user: the one that ends last. In ascending order
    /// of the users' names, from the first one after `after`, at most `limit`.
    pub(crate) fn of_room(
        &self,
        room: &RoomId,
        kind: Kind,
        after: Option<&UserId>,
        limit: usize,
        now: DateTime<Utc>,
    ) -> Vec<Arc<Decision>> {
        let held = self.read();
        let Some(users) = held.rooms.get(room) else {
            return Vec::new();
        };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        users
            .range::<UserId, _>((from, Bound::Unbounded))
            .filter_map(|(_, holds)| last_in_room(holds, kind, now))
            .map(|hold| Arc::clone(&hold.against.decision))
            .take(limit)
            .collect()
    }

    /// The members of a room who are banned from it.
    pub(crate) fn banned_in(&self, room: &LiveRoom, now: DateTime<Utc>) -> HashSet<UserId> {
        if self.size() == 0 {
            return HashSet::new();
        }
        let held = self.read();
        let all = held.rooms.get(&room.id).into_iter().flatten();
        let banned = all.filter(|(_, holds)| last_in_room(holds, Kind::Ban, now).is_some());
        let members = banned.filter(|(user, _)| room.seat(user).is_some());
        members.map(|(user, _)| user).cloned().collect()
    }

    /// The number of users who are banned or muted in a room.
    pub(crate) fn users_in(&self, room: &RoomId) -> usize {
        self.read().rooms.get(room).map_or(0, BTreeMap::len)
    }

    /// The versions of all bans, or mutes, of a user in a room.
    pub(crate) fn versions_in(&self, room: &RoomId, user: &UserId, kind: Kind) -> Vec<Version> {
        let held = self.read();
        let holds = held.rooms.get(room).and_then(|users| users.get(user));
        let holds = holds.into_iter().flatten();
        let such = holds.filter(|hold| hold.against.kind == kind);
        such.map(|hold| hold.version).collect()
    }

    /// The standing of a user: the decisions in force.
    pub(crate) fn of(&self, user: &UserId, now: DateTime<Utc>) -> Standing {
        let mut standing = Standing::default();
        if self.size() == 0 {
            return standing;
        }
        let held = self.read();
        let holds = held.users.get(user).into_iter().flatten();
        for hold in holds.filter(|hold| hold.is_in_force(now)) {
            let sanction = Sanction {
                version: hold.version,
                until: hold.until(),
            };
            match hold.against {
                Against::LoginsBefore(moment) => {
                    standing.not_before = standing.not_before.max(Some(moment));
                }
                Against::Presence => standing.bans.push(sanction),
                Against::Speech => standing.mutes.push(sanction),
            }
        }
        standing
    }

    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn len(&self) -> usize {
        self.of_user.len() + self.of_room.len() + self.of_tokens + self.erased.len()
    }

    /// The hold of a decision; `None` for one that is never in force.
    fn hold<T>(&mut self, decision: &Decision, against: T) -> Option<Hold<T>> {
        let (version, end) = (decision.version, decision.what.end()?);
        self.first_end = Some(self.first_end.map_or(end, |first| first.min(end)));
        Some(Hold {
            version,
            end,
            against,
        })
    }

    fn add_token(&mut self, decision: &Decision, token: &TokenId) {
        let Some(hold) = self.hold(decision, ()) else {
            return;
        };
        let holds = self.tokens.entry(token.clone());
        // A token is hardly ever revoked twice.
        let holds = holds.or_insert_with(|| Vec::with_capacity(1));
        if holds.iter().all(|held| held.version != hold.version) {
            holds.push(hold);
            self.of_tokens += 1;
        }
    }

    fn add(&mut self, decision: &Decision, user: &UserId, against: Against) {
        if let Some(hold) = self.hold(decision, against)
            && self.of_user.insert(hold.version, user.clone()).is_none()
        {
            self.users.entry(user.clone()).or_default().push(hold);
        }
    }

    /// Refuses the logins of an erased user that began before; other decisions about the user end.
    fn erase(&mut self, decision: &Decision, name: &NameHash, before: DateTime<Utc>) {
        let is_erased = |user: &UserId| NameHash::of(user) == *name;
        let of_user = self.of_user.iter().filter(|(_, user)| is_erased(user));
        let of_room = self.of_room.iter().filter(|(_, (_, user))| is_erased(user));
        let versions: Vec<Version> = of_user
            .map(|(version, _)| *version)
            .chain(of_room.map(|(version, _)| *version))
            .filter(|version| *version < decision.version)
            .collect();
        for version in versions {
            self.remove(version);
        }
        let is_new = |held: &(NameHash, Hold<_>)| held.1.version != decision.version;
        if self.erased.iter().all(is_new)
            && let Some(hold) = self.hold(decision, before)
        {
            self.erased.push((name.clone(), hold));
        }
    }

    fn is_erased(&self, by: &Principal, now: DateTime<Utc>) -> bool {
        if self.erased.is_empty() {
            return false;
        }
        let name = NameHash::of(&by.user);
        self.erased.iter().any(|(erased, hold)| {
            let began_before = by.issued_at.is_none_or(|issued| issued < hold.against);
            *erased == name && hold.is_in_force(now) && began_before
        })
    }

    fn add_in_room(&mut self, decision: &Decision, room: &RoomId, user: &UserId, kind: Kind) {
        let against = InRoom {
            kind,
            decision: Arc::new(decision.clone()),
        };
        let about = (room.clone(), user.clone());
        if let Some(hold) = self.hold(decision, against)
            && self.of_room.insert(hold.version, about).is_none()
        {
            let users = self.rooms.entry(room.clone()).or_default();
            users.entry(user.clone()).or_default().push(hold);
        }
    }

    fn remove(&mut self, version: Version) {
        if let Some((room, user)) = self.of_room.remove(&version) {
            if let Entry::Occupied(mut users) = self.rooms.entry(room) {
                if let Some(holds) = users.get_mut().get_mut(&user) {
                    holds.retain(|hold| hold.version != version);
                }
                users.get_mut().retain(|_, holds| !holds.is_empty());
                if users.get().is_empty() {
                    users.remove();
                }
            }
        } else if let Some(user) = self.of_user.remove(&version) {
            if let Entry::Occupied(mut holds) = self.users.entry(user) {
                holds.get_mut().retain(|hold| hold.version != version);
                if holds.get().is_empty() {
                    holds.remove();
                }
            }
        } else {
            self.retain_tokens(|hold| hold.version != version);
        }
    }

    fn retain_tokens(&mut self, mut stays: impl FnMut(&Hold<()>) -> bool) {
        let mut left = 0;
        self.tokens.retain(|_, holds| {
            holds.retain(&mut stays);
            left += holds.len();
            !holds.is_empty()
        });
        self.of_tokens = left;
    }

    fn sweep(&mut self, now: DateTime<Utc>) {
        let mut first_end: Option<DateTime<Utc>> = None;
        let mut stays = |end: DateTime<Utc>| {
            let stays = end > now;
            if stays {
                first_end = Some(first_end.map_or(end, |first| first.min(end)));
            }
            stays
        };
        self.retain_tokens(|hold| stays(hold.end));
        self.erased.retain(|(_, hold)| stays(hold.end));
        let of_user = &mut self.of_user;
        self.users.retain(|_, holds| {
            holds.retain(|hold| {
                let stays = stays(hold.end);
                if !stays {
                    of_user.remove(&hold.version);
                }
                stays
            });
            !holds.is_empty()
        });
        let of_room = &mut self.of_room;
        self.rooms.retain(|_, users| {
            users.retain(|_, holds| {
                holds.retain(|hold| {
                    let stays = stays(hold.end);
                    if !stays {
                        of_room.remove(&hold.version);
                    }
                    stays
                });
                !holds.is_empty()
            });
            !users.is_empty()
        });
        self.first_end = first_end;
        // After the end of many decisions their memory is given back.
        self.tokens.shrink_to(2 * self.tokens.len());
        self.users.shrink_to(2 * self.users.len());
        self.of_user.shrink_to(2 * self.of_user.len());
    }
}

/// Of the holds of one kind in force, the one that ends last.
fn last(holds: &[Hold<Against>], against: Against, now: DateTime<Utc>) -> Option<&Hold<Against>> {
    let holds = holds.iter();
    let in_force = holds.filter(|hold| hold.against == against && hold.is_in_force(now));
    in_force.max_by_key(|hold| hold.end)
}

/// Of the holds of one kind in a room in force, the one that ends last.
fn last_in_room(holds: &[Hold<InRoom>], kind: Kind, now: DateTime<Utc>) -> Option<&Hold<InRoom>> {
    let holds = holds.iter();
    let in_force = holds.filter(|hold| hold.against.kind == kind && hold.is_in_force(now));
    in_force.max_by_key(|hold| hold.end)
}

/// The time until the end; `None` without one.
fn wait<T>(hold: &Hold<T>, now: DateTime<Utc>) -> Option<Duration> {
    hold.until().map(|end| until(end, now))
}

fn until(end: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (end - now).to_std().unwrap_or_default()
}
