//! The store: rooms, their logs, the receipts of their members, decisions about users and blocks between them,
//! durably; and taking them back.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::{
    BackendError, BlockStore, ErasureStore, InboxStore, InviteStore, LookStore, PolicyStore,
};
use crate::model::{
    Entry, Mark, Member, Membership, MessageId, NewEntry, NewRoom, Page, ReceiptTimes, Room,
    RoomId, Seq, UserId, Watermarks,
};

/// Everything durable. Implemented by having all of its parts.
pub trait Store:
    RoomStore
    + LogStore
    + ReceiptStore
    + InboxStore
    + InviteStore
    + PolicyStore
    + LookStore
    + BlockStore
    + ErasureStore
{
}

impl<T> Store for T where
    T: RoomStore
        + LogStore
        + ReceiptStore
        + InboxStore
        + InviteStore
        + PolicyStore
        + LookStore
        + BlockStore
        + ErasureStore
{
}

/// The result of [`RoomStore::create_room`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is new.
    New(Room),
    /// It was there already, and stays as it was.
    Existing(Room),
}

impl Created {
    /// The room, new or not.
    pub fn into_room(self) -> Room {
        match self {
            Self::New(room) | Self::Existing(room) => room,
        }
    }
}

/// Rooms and who is in them.
///
/// Membership changes are entries of the log ([`LogStore::append`]); there is no other way in or
/// out of a room.
#[async_trait]
pub trait RoomStore: fmt::Debug + Send + Sync + 'static {
    /// Makes a room with its first members, in the roles that [`NewRoom::first_members`] says.
    ///
    /// - A new room has the given epoch and head 0.
    /// - It has the kind, the details and the maker that were given, and as many members as were let in.
    /// - The same id again gives the existing room, its epoch, head and members untouched.
    /// - Of several calls at once with one id, exactly one makes it.
    async fn create_room(&self, room: NewRoom) -> Result<Created, BackendError>;

    /// The room with this id, with its newest number as `head`, and as its entries have
    /// [left](crate::Effect::room_after) it; `None` if there is none.
    async fn room(&self, id: &RoomId) -> Result<Option<Room>, BackendError>;

    /// The member that `user` is now; `None` for one who is no member, and in a room that doesn't exist.
    ///
    /// - `joined_at` and `joined_seq` are those of the last entry that made the user a member; of the room, and
    ///   0, for a first member. Entries about a user who is a member already leave them as they are.
    async fn member(&self, id: &RoomId, user: &UserId) -> Result<Option<Member>, BackendError>;

    /// Members in ascending order of their names, from the first one after `after`, at most `limit`.
    ///
    /// - A room that doesn't exist has none.
    async fn members(
        &self,
        id: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError>;

    /// The rooms that `user` is a member of, in ascending order of id, from the first one after
    /// `after`, at most `limit`.
    ///
    /// - Each comes with its head, and with this user's watermarks.
    /// - `unread` counts the [`Message`](crate::EntryBody::Message) entries by others after the
    ///   `read` watermark, up to [`UNREAD_CAP`](crate::UNREAD_CAP); edits, deletions and deleted
    ///   messages don't count, nor do those before joining where the room's
    ///   [history](crate::History) begins with it.
    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Membership>, BackendError>;

    /// The rooms that any of these users is a member of, each once, in ascending order of id, from
    /// the first one after `after`, at most `limit`.
    ///
    /// - Each comes with its head.
    async fn rooms_with(
        &self,
        users: &[UserId],
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError>;

    /// The channels whose [folded](crate::RoomName::folded) name holds `query`, a folded text, in ascending
    /// order of id, from the first one after `after`, at most `limit`.
    ///
    /// - An empty `query` stands in every name, also in an empty one.
    /// - Archived channels are not among them, nor are groups and direct rooms.
    async fn directory(
        &self,
        query: &str,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<Room>, BackendError>;
}

/// Whether an append stored a new entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The entry is new.
    Stored,
    /// The author had sent this client message id before; the entry is the first one.
    Duplicate,
}

/// The answer to one appended entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The entry as it stands in the log.
    pub entry: Arc<Entry>,
    /// New or not.
    pub outcome: Outcome,
}

/// Why an entry was not appended. None of these leaves a trace or a gap.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The room doesn't exist.
    #[error("there is no such room")]
    NoRoom,
    /// The entry to edit or delete is no message of this author, or is deleted.
    #[error("there is no such message of this author")]
    NoTarget,
    /// The roles in the room just before the number [don't allow](NewEntry::is_allowed) it.
    #[error("the author may not do this in the room")]
    NotAllowed,
    /// The author has blocked [the other user](NewEntry::unblocked_with) of the direct room, or is blocked.
    #[error("one of the two has blocked the other")]
    Blocked,
    /// The room [has](NewEntry::overfills) as many members as it may have.
    #[error("the room is full")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// The logs of all rooms.
#[async_trait]
pub trait LogStore: fmt::Debug + Send + Sync + 'static {
    /// Appends entries, of one or many rooms, and answers each one in order.
    ///
    /// - Numbers are 1, 2, 3, ... in each room without a gap, under any number of callers at once.
    /// - Entries of one batch take effect, and get their numbers, in the order in which they stand;
    ///   each answer shows its entry as it stood right after it.
    /// - The entry comes back as it was given; times may lose what is below a microsecond.
    /// - A (room, author, client message id) that is there already, or earlier in the batch,
    ///   answers with the first entry, as it stands now, and [`Outcome::Duplicate`], and stores
    ///   nothing; this is looked for before anything that could be refused.
    /// - One entry that is refused doesn't stop the others, and doesn't use up its client message id.
    /// - An [`Edit`](crate::EntryBody::Edit) also gives its target the new text and sets
    ///   `edited_at` to the edit's time; a second edit replaces the first.
    /// - A [`Delete`](crate::EntryBody::Delete) also turns its target, and all edits of it, into
    ///   [`Deleted`](crate::EntryBody::Deleted): nothing of the text can be read any more.
    /// - An entry that the roles in the room just before its number [don't allow](NewEntry::is_allowed) is
    ///   [`AppendError::NotAllowed`], whatever other callers and nodes append at the same time. This is looked
    ///   for before its target.
    /// - An entry is [`AppendError::Blocked`] while there is a [block](super::BlockStore), in either direction,
    ///   between its author and the user [whom it names](NewEntry::unblocked_with). This is looked for where
    ///   roles are. Once [`block`](super::BlockStore::block) has answered, no call of the same process stores
    ///   such an entry; one of another process may still store what it had asked about before.
    /// - An edit or deletion of what is no message, is deleted, or is by somebody else and not
    ///   [within reach](NewEntry::reaches) is [`AppendError::NoTarget`].
    /// - A [`Joined`](crate::EntryBody::Joined) makes its user a member with its role, a
    ///   [`Left`](crate::EntryBody::Left) ends it, both also when nothing changes.
    /// - A [`Role`](crate::EntryBody::Role) gives its user another role.
    /// - An entry that would [overfill](NewEntry::overfills) its room is [`AppendError::Full`].
    /// - A [`Room`](crate::EntryBody::Room) changes what the room says about itself, and the end of the last
    ///   membership archives the room, as [`Effect::room_after`](crate::Effect::room_after) says.
    /// - An entry and its effects appear together or not at all.
    async fn append(&self, batch: Vec<NewEntry>) -> Vec<Result<Appended, AppendError>>;

    /// Reads a page: at most `limit` entries, in ascending order, without a hole between them.
    ///
    /// - [`Newest`](Page::Newest) ends with the newest entry; [`Before`](Page::Before) ends just
    ///   below its number; [`After`](Page::After) begins just above it.
    /// - [`Around`](Page::Around) has the entry itself and up to `limit / 2` older ones; newer ones
    ///   fill the rest. A number above the newest entry reads like [`Newest`](Page::Newest).
    /// - A room that doesn't exist has no entries.
    async fn page(
        &self,
        room: &RoomId,
        page: Page,
        limit: usize,
    ) -> Result<Vec<Arc<Entry>>, BackendError>;

    /// The entry of this room with this id, if there is one.
    async fn find(&self, room: &RoomId, id: MessageId) -> Result<Option<Arc<Entry>>, BackendError>;
}

/// The result of a call that may change a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<T> {
    /// The value changed.
    Moved {
        /// Before.
        from: T,
        /// After.
        to: T,
    },
    /// The value is unchanged.
    Unchanged(T),
}

/// How far each member has received and read each room.
#[async_trait]
pub trait ReceiptStore: fmt::Debug + Send + Sync + 'static {
    /// Moves a member's watermarks as [`Watermarks::advanced`] says, the head taken from the log.
    ///
    /// - They never go back, not even when the member leaves and joins again; a receipt beyond the
    ///   head counts up to the head.
    /// - A receipt that moves nothing, and one in a room that doesn't exist, is
    ///   [`Change::Unchanged`].
    /// - Receipts that arrive at the same time are all counted.
    async fn advance(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: Mark,
        upto: Seq,
    ) -> Result<Change<Watermarks>, BackendError>;

    /// The watermarks of these users, in the order asked; zero for one who never sent a receipt.
    async fn watermarks(
        &self,
        room: &RoomId,
        users: &[UserId],
    ) -> Result<Vec<Watermarks>, BackendError>;

    /// The members who have read a room up to an entry or beyond, in ascending order of their names, from the
    /// first one after `after`, at most `limit`.
    ///
    /// - They are those whose `read` watermark is at the entry or above; a former member is not among them.
    async fn readers(
        &self,
        room: &RoomId,
        seq: Seq,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, BackendError>;

    /// When a member of a direct room received and read these entries, in the order asked.
    ///
    /// - A message of the other member has the time of the first receipt that passed it, by the
    ///   store's own clock, and keeps it. Other entries may have no times, nor has a group.
    /// - An entry that a watermark has not passed has no time of it, nor has one that doesn't exist.
    async fn receipt_times(
        &self,
        room: &RoomId,
        user: &UserId,
        seqs: &[Seq],
    ) -> Result<Vec<ReceiptTimes>, BackendError>;
}
