//! An embedder's own rules about what users may do.

use std::fmt;

use crate::model::{Action, Principal, Role, RoomId};

/// What a user wants to do, as a [`Policy`] sees it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The user, and what the login allows.
    pub by: &'a Principal,
    /// What the user wants to do.
    pub action: Action,
    /// The room, for what happens in one. It may not exist yet if it is direct.
    pub room: Option<&'a RoomId>,
    /// The user's role in the room; `None` for an admin who is not in it, and without a room.
    pub role: Option<Role>,
}

/// Rules beside the permission table, for [`ChatEngineBuilder::policy`](crate::ChatEngineBuilder::policy).
///
/// It is asked after the table has allowed an action, so it can only refuse.
///
/// ```
/// use chat_core::{Action, port::{Policy, Request}};
///
/// /// Nobody opens direct rooms.
/// #[derive(Debug)]
/// struct GroupsOnly;
///
/// impl Policy for GroupsOnly {
///     fn refuse(&self, request: &Request<'_>) -> Option<&'static str> {
///         (request.action == Action::Open).then_some("there are only groups here")
///     }
/// }
/// # let builder = chat_core::ChatEngine::builder().policy(GroupsOnly);
/// ```
pub trait Policy: fmt::Debug + Send + Sync + 'static {
    /// The reason why a request is refused, as the user is told it with the error
    /// [`Forbidden`](crate::ErrorCode::Forbidden); `None` if nothing speaks against it.
    ///
    /// It must not block. A panic in it refuses the request.
    fn refuse(&self, request: &Request<'_>) -> Option<&'static str>;
}
