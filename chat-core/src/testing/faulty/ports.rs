//! The one table of the ports and their methods. Without a line here for each method of a port the
//! crate doesn't compile.

use std::{fmt, ops::RangeInclusive, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{decorator::Faulty, script::Method};
use crate::{
    Block, Cursor, Decision, Ends, Entry, Epoch, InboxFilter, InboxPlace, InboxRoom, Invite,
    InviteId, InviteToken, Look, Mark, Me, MeChange, Member, Membership, MessageId, NewDecision,
    NewEntry, NewRoom, Page, Presence, ReceiptTimes, Room, RoomId, Seq, SessionId, UserId, Version,
    Watermarks,
    port::{
        AppendError, Appended, BackendError, BlockStore, Broker, Change, Created, Delivery, Draft,
        ErasureStore, Hint, HistoryCache, InboxStore, InviteStore, LogStore, LookStore, Moderator,
        PolicyStore, PresenceCache, RateCache, RateKey, ReceiptStore, RoomStore, Topic, Transition,
        Verdict,
    },
    rate::{self, RatePolicy},
};

macro_rules! ports {
    ($($port:ident {
        $($constant:ident: $method:ident($($arg:ident: $type:ty),*) -> $answer:ty
            $(, $how:ident $(= $detail:expr)?)?;)*
    })*) => {
        impl Method {
            $($(
                #[doc = concat!("[`", stringify!($port), "::", stringify!($method), "`].")]
                pub const $constant: Self = Self(stringify!($method));
            )*)*

            /// All methods of all ports.
            pub fn all() -> impl Iterator<Item = Self> {
                [$($(Self::$constant,)*)* Self::TRY_SEND, Self::CLOSE].into_iter()
            }
        }

        /// Hooks that a test puts between a [`Faulty`] and the backend behind it, to alter
        /// arguments and results.
        ///
        /// By default each method passes its call on to the backend; a test implements those that
        /// it alters.
        #[async_trait]
        pub trait Hooks: fmt::Debug + Send + Sync + 'static {
            $($(
                #[doc = concat!(
                    "Carries out [`", stringify!($port), "::", stringify!($method), "`]."
                )]
                async fn $method(&self, inner: &dyn $port, $($arg: $type),*) -> $answer {
                    inner.$method($($arg),*).await
                }
            )*)*
        }

        $(
            #[async_trait]
            impl<T: $port, H: Hooks> $port for Faulty<T, H> {
                $(
                    async fn $method(&self, $($arg: $type),*) -> $answer {
                        ports!(@ self, $constant, $method($($arg),*) $(, $how $(= $detail)?)?)
                    }
                )*
            }
        )*
    };
    (@ $self:ident, $constant:ident, $method:ident($($arg:ident),*)) => {
        ports!(@ $self, $constant, $method($($arg),*), failed = Err)
    };
    (@ $self:ident, $constant:ident, $method:ident($($arg:ident),*), failed = $failed:expr) => {{
        let failed = $failed;
        let call = $self.hooks.$method(&$self.inner, $($arg),*);
        $self.script.run(Method::$constant, call, failed).await
    }};
    (@ $self:ident, $constant:ident, $method:ident(), heard) => {
        $self.hear().await
    };
}

ports! {
    RoomStore {
        CREATE_ROOM: create_room(room: NewRoom) -> Result<Created, BackendError>;
        ROOM: room(id: &RoomId) -> Result<Option<Room>, BackendError>;
        MEMBER: member(id: &RoomId, user: &UserId) -> Result<Option<Member>, BackendError>;
        MEMBERS: members(id: &RoomId, after: Option<&UserId>, limit: usize)
            -> Result<Vec<Member>, BackendError>;
        ROOMS_OF: rooms_of(user: &UserId, after: Option<&RoomId>, limit: usize)
            -> Result<Vec<Membership>, BackendError>;
        ROOMS_WITH: rooms_with(users: &[UserId], after: Option<&RoomId>, limit: usize)
            -> Result<Vec<Room>, BackendError>;
        DIRECTORY: directory(query: &str, after: Option<&RoomId>, limit: usize)
            -> Result<Vec<Room>, BackendError>;
    }
    InboxStore {
        INBOX: inbox(user: &UserId, filter: InboxFilter, after: Option<&InboxPlace>, limit: usize)
            -> Result<Vec<InboxRoom>, BackendError>;
        INBOX_ROOM: inbox_room(room: &RoomId, user: &UserId)
            -> Result<Option<InboxRoom>, BackendError>;
        HIDDEN_BY: hidden_by(room: &RoomId) -> Result<Vec<(UserId, Seq)>, BackendError>;
        SET_ME: set_me(room: &RoomId, user: &UserId, change: MeChange)
            -> Result<Option<Me>, BackendError>;
    }
    InviteStore {
        ADD_INVITE: add_invite(invite: Invite) -> Result<(), BackendError>;
        INVITE: invite(token: &InviteToken) -> Result<Option<Invite>, BackendError>;
        INVITES: invites(room: &RoomId, after: Option<InviteId>, limit: usize)
            -> Result<Vec<Invite>, BackendError>;
        REMOVE_INVITE: remove_invite(room: &RoomId, id: InviteId) -> Result<bool, BackendError>;
        USE_INVITE: use_invite(token: &InviteToken, now: DateTime<Utc>)
            -> Result<Option<Invite>, BackendError>;
        UNUSE_INVITE: unuse_invite(id: InviteId) -> Result<(), BackendError>;
    }
    LogStore {
        APPEND: append(batch: Vec<NewEntry>) -> Vec<Result<Appended, AppendError>>, failed = {
            let entries = batch.len();
            move |error: BackendError| vec![Err(error.into()); entries]
        };
        PAGE: page(room: &RoomId, page: Page, limit: usize)
            -> Result<Vec<Arc<Entry>>, BackendError>;
        FIND: find(room: &RoomId, id: MessageId) -> Result<Option<Arc<Entry>>, BackendError>;
    }
    ReceiptStore {
        ADVANCE: advance(room: &RoomId, user: &UserId, mark: Mark, upto: Seq)
            -> Result<Change<Watermarks>, BackendError>;
        WATERMARKS: watermarks(room: &RoomId, users: &[UserId])
            -> Result<Vec<Watermarks>, BackendError>;
        READERS: readers(room: &RoomId, seq: Seq, after: Option<&UserId>, limit: usize)
            -> Result<Vec<Member>, BackendError>;
        RECEIPT_TIMES: receipt_times(room: &RoomId, user: &UserId, seqs: &[Seq])
            -> Result<Vec<ReceiptTimes>, BackendError>;
    }
    PolicyStore {
        DECIDE: decide(new: NewDecision) -> Result<Decision, BackendError>;
        DECISIONS: decisions(after: Version, limit: usize) -> Result<Vec<Decision>, BackendError>;
        NEWEST_DECISION: newest_decision() -> Result<Version, BackendError>;
        FORGET_DECISIONS: forget_decisions(before: DateTime<Utc>, now: DateTime<Utc>)
            -> Result<(), BackendError>;
        IN_FORCE: in_force(after: Ends, limit: usize) -> Result<Vec<Decision>, BackendError>;
    }
    LookStore {
        CLAIM_LOOK: claim_look(look: &Look, user: &UserId) -> Result<UserId, BackendError>;
    }
    BlockStore {
        BLOCK: block(block: Block) -> Result<Block, BackendError>;
        UNBLOCK: unblock(by: &UserId, user: &UserId) -> Result<Option<Block>, BackendError>;
        BLOCKS_BY: blocks_by(by: &UserId, after: Option<&UserId>, limit: usize)
            -> Result<Vec<Block>, BackendError>;
        BLOCKS_OF: blocks_of(users: &[UserId], by: &[UserId]) -> Result<Vec<Block>, BackendError>;
    }
    ErasureStore {
        DELETE_ROOM: delete_room(room: &RoomId, epoch: Epoch) -> Result<bool, BackendError>;
        ROOMS_ABOUT: rooms_about(user: &UserId, after: Option<&RoomId>, limit: usize)
            -> Result<Vec<RoomId>, BackendError>;
        ENTRIES_ABOUT: entries_about(room: &RoomId, user: &UserId, after: Seq, limit: usize)
            -> Result<Vec<Arc<Entry>>, BackendError>;
        ERASE_IN: erase_in(room: &RoomId, user: &UserId, name: &UserId)
            -> Result<(), BackendError>;
        ERASE_USER: erase_user(user: &UserId, name: &UserId) -> Result<(), BackendError>;
    }
    PresenceCache {
        TOUCH: touch(user: &UserId, session: SessionId, ttl: Duration)
            -> Result<Transition, BackendError>;
        RELEASE: release(user: &UserId, session: SessionId) -> Result<Transition, BackendError>;
        PRESENCE: presence(users: &[UserId]) -> Result<Vec<Presence>, BackendError>;
        ONLINE: online(limit: usize) -> Result<Vec<UserId>, BackendError>;
        FORGET_USER: forget_user(user: &UserId) -> Result<(), BackendError>;
        TAKE_EXPIRED: take_expired(limit: usize) -> Result<Vec<UserId>, BackendError>;
    }
    RateCache {
        ACQUIRE: acquire(key: &RateKey, policy: &RatePolicy) -> Result<rate::Decision, BackendError>;
    }
    HistoryCache {
        WINDOW: window(room: &RoomId, at: Cursor, range: RangeInclusive<Seq>)
            -> Result<Option<Vec<Arc<Entry>>>, BackendError>;
        FORGET_ROOM: forget_room(room: &RoomId) -> Result<(), BackendError>;
        FILL: fill(room: &RoomId, at: Cursor, newest: &[Arc<Entry>]) -> Result<(), BackendError>;
        EXTEND: extend(room: &RoomId, epoch: Epoch, entries: &[Arc<Entry>])
            -> Result<(), BackendError>;
    }
    Broker {
        PUBLISH: publish(topic: &Topic, hint: &Hint) -> Result<(), BackendError>;
        SUBSCRIBE: subscribe(topic: &Topic) -> Result<(), BackendError>;
        UNSUBSCRIBE: unsubscribe(topic: &Topic) -> Result<(), BackendError>;
        NEXT: next() -> Delivery, heard;
    }
    Moderator {
        REVIEW: review(draft: &Draft) -> Result<Verdict, BackendError>;
    }
}

/// Alters nothing.
impl Hooks for () {}
