//! The sessions that are connected to this node.

use std::net::IpAddr;

use axum::{Json, extract::State, http::StatusCode};
use chat_core::{SessionId, SessionView, UserId, port::Via};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{app::App, connections::network, failure::Failure, parameters::Fields},
    rest::document::Refusals,
};

/// The default and the maximum of a page.
const PAGE: usize = 100;
const MOST: usize = 1_000;

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(sessions))
}

/// A connected session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    /// Its id.
    id: SessionId,
    /// Its user.
    user: UserId,
    /// The protocol: `native`, `socket_io`, or `host` for the program that embeds the server.
    #[schema(value_type = String)]
    via: Via,
    /// The client's address, for IPv6 the first of its network of 64 bits; null when it is not known, as on a
    /// Unix socket.
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
    /// When it connected.
    since: DateTime<Utc>,
}

impl From<SessionView> for Session {
    fn from(view: SessionView) -> Self {
        let SessionView {
            id,
            user,
            origin,
            since,
        } = view;
        Self {
            id,
            user,
            via: origin.via,
            address: origin.address,
            since,
        }
    }
}

/// One page of the sessions of this node.
#[derive(Debug, Serialize, ToSchema)]
struct SessionList {
    /// In ascending order of id.
    sessions: Vec<Session>,
    /// Whether there are more after the last one.
    more: bool,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SessionsQuery {
    /// Only the sessions of this user.
    #[param(value_type = Option<UserId>)]
    user: Option<String>,
    /// Only the sessions from this address.
    #[param(value_type = Option<String>)]
    address: Option<IpAddr>,
    /// Begin after this session.
    after: Option<SessionId>,
    /// The most sessions to list. Default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Lists the sessions that are connected to this node.
///
/// Each node answers for itself.
#[utoipa::path(get, path = "/admin/v1/sessions", params(SessionsQuery), responses(
    (status = OK, description = "The sessions.", body = SessionList),
    Refusals,
))]
async fn sessions(
    State(app): State<App>,
    Fields(query): Fields<SessionsQuery>,
) -> Result<Json<SessionList>, Failure> {
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=MOST).contains(&limit) {
        let why = format!("`limit` is a number from 1 to {MOST}");
        return Err(Failure::new(StatusCode::BAD_REQUEST, why));
    }
    let user = query.user.map(UserId::new).transpose()?;
    let address = query.address.map(network);
    let mut sessions = app.engine.sessions(|session| {
        user.as_ref().is_none_or(|user| session.user == *user)
            && (address.is_none() || session.origin.address == address)
            && query.after.is_none_or(|after| session.id > after)
    });
    let more = sessions.len() > limit;
    sessions.truncate(limit);
    let sessions = sessions.into_iter().map(Session::from).collect();
    Ok(Json(SessionList { sessions, more }))
}
