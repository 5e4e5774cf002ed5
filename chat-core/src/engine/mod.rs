//! The engine's public face. Acts are in `acts`, the way of a message through `log` and `deliver`.

mod acts;
mod assembly;
mod builder;
mod config;
mod deliver;
mod dispatch;
mod exposition;
mod log;
mod metrics;
mod nodes;
mod parts;
mod presence;
mod read;
mod shutdown;
mod state;
mod tasks;
mod watched;

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use uuid::Uuid;

use self::parts::Parts;
pub use self::{
    acts::{
        actor::Actor,
        connect::{Connect, Greeting},
        export::{Export, Exported},
        inspect::Inspection,
        send::NewBody,
        session::{LocalSession, Session},
    },
    builder::{BuildError, ChatEngineBuilder},
    config::{Config, OnlineList, PolicyStale},
    deliver::{
        device::{SessionOrigin, SessionView},
        outbox::{Outbox, OutboxLimits},
        transport::{Transport, TrySendError},
    },
    log::queue::Responder,
};
use crate::{
    metrics::Family,
    model::{
        Block, ClientMessageId, Data, Decision, NewDecision, Page, Principal, Role, RoomId,
        SessionId, Standing, UserId, Version, Via,
    },
    port::{BackendError, Created},
    time::Clock,
    wire::{CloseReason, Error, RoomList, Sent, command::Create},
};

/// The answers of the backends when they are asked for a sign of life.
#[derive(Debug)]
pub struct Health {
    /// Without the store, nothing can be sent or read.
    pub store: Result<(), BackendError>,
    /// Without the cache, limits are the node's own and no node knows who is online.
    pub cache: Result<(), BackendError>,
    /// The background tasks that panicked and are about to be started again, by name. None of them should
    /// ever be here; without `sequencer`, nothing can be sent.
    pub resting_tasks: Vec<&'static str>,
}

/// The chat engine; clones are cheap and share everything.
///
/// Its background tasks stop when the last clone, [`Actor`] and [`Session`] is gone.
///
/// ```
/// use chat_core::{ChatEngine, Event, UserId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = ChatEngine::builder().build()?;
/// let alice = engine.connect(UserId::new("alice")?).await?;
/// let bob = engine.connect(UserId::new("bob")?).await?;
///
/// let room = alice.open(bob.user()).await?.room.id;
/// alice.send(&room, "hello").await?;
///
/// let entry = loop {
///     match bob.next_event().await {
///         Some(Event::Entry(entry)) => break entry,
///         _ => continue,
///     }
/// };
/// assert_eq!((entry.seq.0, entry.author.as_str()), (1, "alice"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ChatEngine {
    parts: Arc<Parts>,
}

impl ChatEngineBuilder {
    /// Starts the engine on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the setting that makes no sense, or what the runtime lacks.
    pub fn build(self) -> Result<ChatEngine, BuildError> {
        self.check()?;
        let parts = assembly::assemble(self);
        Ok(ChatEngine { parts })
    }
}

impl ChatEngine {
    /// Begins to put an engine together.
    pub fn builder() -> ChatEngineBuilder {
        ChatEngineBuilder::default()
    }

    /// Connects a device in this process: commands go in, [`next_event`](LocalSession::next_event)
    /// gives what happens.
    ///
    /// # Errors
    ///
    /// [`Error::TooManySessions`], [`Error::ShuttingDown`], or a backend's failure.
    pub async fn connect(&self, user: UserId) -> Result<LocalSession, Error> {
        let outbox = self.outbox();
        let transport = Arc::clone(&outbox) as Arc<dyn Transport>;
        let connect = Connect::from(self.vouched(user));
        let session = self.connect_with(connect, transport).await?;
        Ok(LocalSession::new(session, outbox))
    }

    /// Connects a device through a transport of your own.
    ///
    /// When this returns, the rooms named in [`Connect::cursors`] are caught up: everything that was
    /// missed, or an [`Event::Gap`](crate::Event::Gap), has gone out before
    /// [`Event::Resumed`](crate::Event::Resumed) and anything newer. With more rooms than the transport
    /// holds frames, it has to be read meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::TooManySessions`], [`Error::ShuttingDown`], or a backend's failure.
    ///
    /// # Cancel safety
    ///
    /// A dropped call leaves no device connected.
    pub async fn connect_with(
        &self,
        connect: Connect,
        transport: Arc<dyn Transport>,
    ) -> Result<Session, Error> {
        acts::connect::connect(&self.parts, connect, transport).await
    }

    /// Everything that a [trusted](Principal::trusted) user may do, without a connection. The caller vouches
    /// for the user at this moment: an earlier revocation of the user's logins doesn't concern it.
    pub fn actor(&self, user: UserId) -> Actor {
        self.actor_of(self.vouched(user))
    }

    fn vouched(&self, user: UserId) -> Arc<Principal> {
        Arc::new(Principal {
            issued_at: Some(self.parts.clock.now()),
            ..Principal::trusted(user)
        })
    }

    /// Everything that a user may do who has logged in, without a connection.
    pub fn actor_of(&self, principal: Arc<Principal>) -> Actor {
        Actor {
            parts: Arc::clone(&self.parts),
            principal,
            via: Via::Host,
            session: None,
        }
    }

    /// Closes every device of `user` that is connected to this node, for this reason, after what is queued
    /// for it. The devices may connect again at once; [`decide`](Self::decide) refuses them.
    ///
    /// Returns the number of devices that were closed.
    pub fn disconnect(&self, user: &UserId, reason: CloseReason) -> usize {
        let mut closed = 0;
        self.parts.hub.each(user, |device| {
            device.close(reason);
            closed += 1;
        });
        closed
    }

    /// Reads which revocations, bans and mutes are in force, unless that is done already. The first act of a
    /// user does the same, and is refused when that fails; a server calls this before it lets anybody in.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn ready(&self) -> Result<(), BackendError> {
        self.parts.policy.known().await
    }

    /// Whether a login that begins now is accepted: no decision speaks against it, and it has not ended. Each
    /// act is checked again, and a session is closed when its login is accepted no more.
    ///
    /// # Errors
    ///
    /// [`Error::Revoked`], [`Error::Banned`] or [`Error::TokenExpired`]; [`Error::AuthUnavailable`] while
    /// decisions can't be read, as [`policy_stale`](Config::policy_stale) says; or a backend's failure.
    pub async fn admit(&self, principal: &Principal) -> Result<(), Error> {
        self.parts.access.admit(principal).await
    }

    /// Decides about users or their logins: revokes, bans, mutes, kicks, or lifts an earlier decision. Returns
    /// the decision as it stands in the log, durably.
    ///
    /// It holds on this node when this returns, and the sessions that it ends are being closed. Other nodes on
    /// the same store follow within a second, or within 5 s while there is no broker. A second decision of the
    /// same user under the same client id changes nothing, and gives the first one. Nobody is asked whether the
    /// user who decides may.
    ///
    /// # Errors
    ///
    /// A backend's failure; after [`ErrorCode::OutcomeUnknown`] the decision may be stored, and will hold then.
    ///
    /// [`ErrorCode::OutcomeUnknown`]: crate::ErrorCode::OutcomeUnknown
    ///
    /// # Cancel safety
    ///
    /// A dropped call may or may not have decided.
    pub async fn decide(&self, new: NewDecision) -> Result<Decision, Error> {
        Ok(self.parts.policy.decide(new).await?)
    }

    /// One page of the log of decisions in ascending order, from the first one after `after`, at most `limit`.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn decisions(&self, after: Version, limit: usize) -> Result<Vec<Decision>, Error> {
        Ok(self.parts.store.decisions(after, limit).await?)
    }

    /// The version of the newest decision that this node knows.
    pub fn decided(&self) -> Version {
        self.parts.policy.version()
    }

    /// The standing of a user at this moment, by all decisions of all nodes.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn standing(&self, user: &UserId) -> Result<Standing, Error> {
        let Parts { policy, clock, .. } = &*self.parts;
        policy.catch_up().await?;
        Ok(policy.standings.of(user, clock.now()))
    }

    /// The sessions that are connected to this node and that `wanted` chooses, in ascending order of id.
    ///
    /// A look at all sessions takes some 10 ms for 100,000 of them.
    pub fn sessions(&self, wanted: impl Fn(&SessionView) -> bool) -> Vec<SessionView> {
        let devices = self.parts.hub.devices();
        let views = devices.iter().map(|device| device.view());
        let mut sessions: Vec<_> = views.filter(wanted).collect();
        sessions.sort_unstable_by_key(|session| session.id);
        sessions
    }

    /// One page of the rooms of any user in ascending order of id, from the first one after `after`, for
    /// administrators. Default 50 rooms, at most 200.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: Option<usize>,
    ) -> Result<RoomList, Error> {
        acts::rooms::page(&self.parts, user, after, limit).await
    }

    /// A room with its first members and a page of its log, whoever asks, for administrators. Put that on
    /// record first, by [`decide`](Self::decide) with [`Ruling::Inspect`](crate::Ruling::Inspect).
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    pub async fn inspect(
        &self,
        room: &RoomId,
        page: Page,
        limit: Option<usize>,
    ) -> Result<Inspection, Error> {
        acts::inspect::inspect(&self.parts, room, page, limit).await
    }

    /// The role of a user in a room; `None` for one who is no member, and in a room that doesn't exist.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn role(&self, room: &RoomId, user: &UserId) -> Result<Option<Role>, Error> {
        let member = self.parts.store.member(room, user).await?;
        Ok(member.map(|member| member.role))
    }

    /// Gives a member of a group another role, whatever the role of `by`, who is the author of the entry that
    /// says so. The same `client_id` again changes nothing, and gives the first answer.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] for a direct room as well, a refusal for a user who is no [member](Self::role), or a
    /// backend's failure.
    pub async fn assign(
        &self,
        by: UserId,
        room: &RoomId,
        user: UserId,
        role: Role,
        client_id: ClientMessageId,
    ) -> Result<Sent, Error> {
        acts::assign::assign(&self.parts, by, room, user, role, client_id).await
    }

    /// Deletes a room with all that is stored of it, on all nodes; its members are sent
    /// [`Event::Closed`](crate::Event::Closed). Put that on record first, by [`decide`](Self::decide) with
    /// [`Ruling::DeleteRoom`](crate::Ruling::DeleteRoom).
    ///
    /// Its id is free again. Call it again after a failure.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], or a backend's failure.
    pub async fn delete_room(&self, room: &RoomId) -> Result<(), Error> {
        acts::delete_room::delete_room(&self.parts, room).await
    }

    /// Erases a user: direct rooms are deleted; in groups and channels the user is removed, what they wrote is
    /// deleted, and a name that says nothing stands for theirs; receipts, blocks, invitations, presence and the
    /// name in earlier decisions are gone. If a group loses its last owner, its oldest moderator, or else
    /// member, owns it.
    ///
    /// First [`decide`](Self::decide) on [`Ruling::Erase`](crate::Ruling::Erase), which ends the user's
    /// sessions and keeps the hash of the name. This waits up to 10 s for them. Call it again after a failure.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn erase(&self, user: &UserId) -> Result<(), Error> {
        acts::erase::erase(&self.parts, user).await
    }

    /// Goes through all that is stored of a user. Put that on record first, by [`decide`](Self::decide) with
    /// [`Ruling::Export`](crate::Ruling::Export).
    pub fn export(&self, user: UserId) -> Export {
        Export::new(&self.parts, user)
    }

    /// Says something in a room, by the author `system`: a [`Notice`](crate::Notice) in its log, which all
    /// members are sent. The text may be empty if there is data.
    ///
    /// No limit, mute or moderation applies, archived rooms take it, and it doesn't count as unread.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`], [`Error::InvalidText`] or [`Error::TextTooLong`] as for a message, or a backend's
    /// failure.
    pub async fn notice(&self, room: &RoomId, text: &str, data: Data) -> Result<Sent, Error> {
        acts::notice::notice(&self.parts, room, text, data, None).await
    }

    /// Says something as [`notice`](Self::notice) does; the same `client_id` again says nothing more, and gives
    /// the first answer.
    ///
    /// # Errors
    ///
    /// As [`notice`](Self::notice).
    pub async fn notice_as(
        &self,
        room: &RoomId,
        text: &str,
        data: Data,
        client_id: ClientMessageId,
    ) -> Result<Sent, Error> {
        acts::notice::notice(&self.parts, room, text, data, Some(client_id)).await
    }

    /// Makes a group or channel under an id of your choice, with its owner and its first members; the owner is
    /// one of them, whether or not `members` says so.
    ///
    /// A room that has this id already stays as it is: after [`Created::Existing`] these members are not in it
    /// unless they were before. A room that its last member has left is archived, and has its id for good.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidId`] for the id of a direct room, [`Error::BadRequest`] for the kind
    /// [`Direct`](crate::RoomKind::Direct), [`Error::Full`] for more members than a room may have, or a
    /// backend's failure.
    pub async fn create_room(
        &self,
        id: RoomId,
        owner: UserId,
        room: Create,
    ) -> Result<Created, Error> {
        let new = acts::create::new_room(&self.parts, id, owner, room)?;
        Ok(acts::create::make(&self.parts, new).await?.1)
    }

    /// Makes a group as [`create_room`](Self::create_room) does, without a name and with the default settings.
    ///
    /// # Errors
    ///
    /// As [`create_room`](Self::create_room).
    pub async fn create_group(
        &self,
        id: RoomId,
        owner: UserId,
        members: Vec<UserId>,
    ) -> Result<Created, Error> {
        self.create_room(id, owner, Create::group(members)).await
    }

    /// The users who are online, each once, in ascending order; at most 10,000.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn online(&self) -> Result<Vec<UserId>, Error> {
        acts::presence::online(&self.parts).await
    }

    /// The blocks of any of these users by any other of them, each once, in no order.
    ///
    /// # Errors
    ///
    /// A backend's failure.
    pub async fn blocks_among(&self, users: &[UserId]) -> Result<Vec<Block>, Error> {
        Ok(self.parts.store.blocks_of(users, users).await?)
    }

    /// A counter that moves when a user came online or went, or when a block changed what others see of that,
    /// at most once in
    /// [`presence_window`](Config::presence_window).
    pub fn presence_changes(&self) -> watch::Receiver<u64> {
        self.parts.presence.subscribe()
    }

    /// Asks the store and the cache for a sign of life, and names the background tasks that don't run.
    pub async fn health(&self) -> Health {
        let Parts { store, cache, .. } = &*self.parts;
        // Any question to the store will do. The cache has to take a write: one that only answers
        // may be a replica, and the end of a lease that isn't there changes nothing.
        let nobody: Vec<UserId> = UserId::new("nobody").into_iter().collect();
        let rooms = store.rooms_with(&nobody, None, 1);
        let write = async {
            for user in &nobody {
                cache.release(user, SessionId(Uuid::nil())).await?;
            }
            Ok(())
        };
        let (store, cache) = tokio::join!(rooms, write);
        Health {
            store: store.map(drop),
            cache,
            resting_tasks: self.parts.tasks.resting(),
        }
    }

    /// The figures of this engine, for monitoring. They cost the same however many rooms and sessions
    /// there are.
    pub fn metrics(&self) -> Vec<Family> {
        exposition::families(&self.parts)
    }

    /// An empty outbox for a device, with the limits of the settings; what waits in it is seen in
    /// the [metrics](Self::metrics).
    pub fn outbox(&self) -> Arc<Outbox> {
        let Parts {
            config, metrics, ..
        } = &*self.parts;
        Outbox::watched(config.outbox, Some(Arc::clone(metrics)))
    }

    /// The clock that the engine was given.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.parts.clock
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.parts.config
    }

    /// Drains the engine: refuses new sessions, closes all others with [`CloseReason::Shutdown`], spread
    /// out so that they don't all come back at once, and waits until what was accepted is stored.
    ///
    /// Returns when all sessions are gone, or after `within` and a second.
    pub async fn drain(&self, within: Duration) {
        shutdown::drain(&self.parts, within).await;
    }

    /// Closes the engine for good: [drains](Self::drain) it within 10 s, stores what is queued however long
    /// that takes, stops the background tasks and drops the store, the cache and the broker. When this
    /// returns, a file that the store had open can be opened again.
    ///
    /// Later calls, also through clones of the engine, are refused with
    /// [`Error::ShuttingDown`] or as an unavailable store.
    ///
    /// # Cancel safety
    ///
    /// A dropped call leaves the engine draining; call it again.
    pub async fn close(&self) {
        shutdown::close(&self.parts).await;
    }
}
