//! Node to node: hints that something changed, delivered at most once.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::BackendError;
use crate::model::{Epoch, RoomId, Seq, UserId, Version, Watermarks};

/// A topic that a node subscribes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Everything that concerns one user.
    User(UserId),
    /// Changes of the list of all online users.
    Online,
    /// Decisions about users, to which every node listens.
    Policy,
    /// Groups and channels, to which every node listens: one hint for each entry, however many members a room
    /// has. Also that a member has hidden a room, of whatever kind.
    Rooms,
}

/// What one node tells another. It carries no content: the other reads the store, so what comes
/// from a broker can neither forge nor reveal anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Hint {
    /// A room's log has grown up to `seq`.
    Appended {
        /// The room.
        room: RoomId,
        /// The incarnation of its log.
        epoch: Epoch,
        /// Its newest number.
        seq: Seq,
    },
    /// A member's watermarks moved.
    Receipt {
        /// The room.
        room: RoomId,
        /// The member.
        user: UserId,
        /// The watermarks before.
        was: Watermarks,
    },
    /// Somebody is typing, or has stopped.
    Typing {
        /// The room.
        room: RoomId,
        /// The user.
        user: UserId,
        /// Typing, or stopped.
        active: bool,
    },
    /// A group or channel was made, of which the user whose topic it is is a first member.
    Made {
        /// The room.
        room: RoomId,
    },
    /// The user whose topic it is has set a room otherwise.
    Me {
        /// The room.
        room: RoomId,
    },
    /// A room was deleted.
    Deleted {
        /// The room.
        room: RoomId,
    },
    /// Somebody came online or went.
    Presence {
        /// The user.
        user: UserId,
    },
    /// The list of who is online is another.
    Online,
    /// The log of decisions has grown up to this version.
    Policy {
        /// Its newest version.
        version: Version,
    },
}

/// A delivery, as [`Broker::next`] gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A hint for a topic that this node listens to.
    Hint {
        /// The topic it was published to.
        topic: Topic,
        /// The hint.
        hint: Hint,
    },
    /// Some hints were lost: take nothing for granted, and read the store.
    Lagged,
    /// No hints arrive for now. It is said about once a second while that lasts, for the node to
    /// look into the store meanwhile; [`Lagged`](Self::Lagged) is the end of it.
    Away,
}

/// One node's link to the other nodes.
#[async_trait]
pub trait Broker: fmt::Debug + Send + Sync + 'static {
    /// Tells all other nodes that listen to `topic`.
    ///
    /// - Hints that one node publishes to one topic arrive in that order.
    /// - The publishing node doesn't hear its own hints.
    async fn publish(&self, topic: &Topic, hint: &Hint) -> Result<(), BackendError>;

    /// Begins to listen: what is published after this returns, arrives. Doing it twice is doing it
    /// once.
    async fn subscribe(&self, topic: &Topic) -> Result<(), BackendError>;

    /// Ends listening; a topic that isn't listened to is no error.
    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BackendError>;

    /// Waits for the next hint. One caller at a time.
    ///
    /// - A node that doesn't keep up gets [`Delivery::Lagged`] in place of what was lost, and goes
    ///   on; it never slows the others.
    ///
    /// # Cancel safety
    ///
    /// A dropped call loses nothing.
    async fn next(&self) -> Delivery;
}
