//! Rooms: looking into one, which is put on record, and the roles of its members.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
};
use chat_core::{
    ClientMessageId, Decision, Entry, Error, Inspection, Member, Page, Reason, Role, Room, RoomId,
    Ruling, Seq, UserId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{admission::Administrator, change::Key};
use crate::{
    http::{
        app::App,
        failure::Failure,
        parameters::{Body, Fields, Named},
    },
    rest::document::Refusals,
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(inspect))
        .routes(routes!(assign))
}

/// A room, as administrators see it.
#[derive(Debug, Serialize, ToSchema)]
struct RoomReport {
    /// The room.
    room: Room,
    /// Its first 200 members, in ascending order.
    members: Vec<Member>,
    /// A page of its log, in ascending order.
    entries: Vec<Arc<Entry>>,
}

impl From<Inspection> for RoomReport {
    fn from(inspection: Inspection) -> Self {
        let Inspection {
            room,
            members,
            entries,
        } = inspection;
        Self {
            room,
            members,
            entries,
        }
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct InspectQuery {
    /// The newest entries below this number; without it the newest of all.
    #[param(value_type = Option<Seq>)]
    before: Option<u64>,
    /// The most entries to read. Default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// Shows a room, its members and a page of its log. That somebody looked is put on record first.
#[utoipa::path(get, path = "/admin/v1/rooms/{room}",
    params(("room" = RoomId, Path, description = "The room."), InspectQuery), responses(
    (status = OK, description = "The room.", body = RoomReport),
    Refusals,
))]
async fn inspect(
    State(app): State<App>,
    Extension(by): Extension<Administrator>,
    Named(room): Named<RoomId>,
    Fields(InspectQuery { before, limit }): Fields<InspectQuery>,
    key: Key,
) -> Result<Json<RoomReport>, Failure> {
    let most = app.engine.config().history_max;
    if limit.is_some_and(|limit| !(1..=most).contains(&limit)) {
        let why = format!("`limit` is a number from 1 to {most}");
        return Err(Failure::new(StatusCode::BAD_REQUEST, why));
    }
    let page = before.map_or(Page::Newest, |seq| Page::Before(Seq(seq)));
    let record = Ruling::Inspect { room: room.clone() };
    by.decide(&app, key, Reason::default(), record).await?;
    Ok(Json(app.engine.inspect(&room, page, limit).await?.into()))
}

/// The role that a member gets.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRole {
    /// The role.
    role: Role,
    /// The reason, for the record: at most 256 characters.
    #[serde(default)]
    #[schema(max_length = 256)]
    reason: Reason,
}

/// Gives a member of a group another role. The group's log has it as an entry by the administrator.
#[utoipa::path(put, path = "/admin/v1/rooms/{room}/members/{user}",
    params(
        ("room" = RoomId, Path, description = "The group."),
        ("user" = UserId, Path, description = "The member."),
        ("idempotency-key" = Option<ClientMessageId>, Header, description = "Makes a repetition safe."),
    ),
    request_body = NewRole, responses(
    (status = OK, description = "The decision.", body = Decision),
    Refusals,
))]
async fn assign(
    State(app): State<App>,
    Extension(by): Extension<Administrator>,
    Path((room, user)): Path<(String, String)>,
    Key(key): Key,
    Body(NewRole { role, reason }): Body<NewRole>,
) -> Result<Json<Decision>, Failure> {
    let (room, user) = (RoomId::new(room)?, UserId::new(user)?);
    if room.pair().is_some() {
        return Err(Error::NoRoom.into());
    }
    if app.engine.role(&room, &user).await?.is_none() {
        let why = "there is no such group, or this user is not a member of it";
        return Err(Failure::new(StatusCode::NOT_FOUND, why));
    }
    let record = Ruling::Assign {
        room: room.clone(),
        user: user.clone(),
        role,
    };
    let decision = by.decide(&app, Key(key.clone()), reason, record).await?;
    // After a crash in between, a repetition of the request completes it.
    let author = by.user.clone();
    app.engine.assign(author, &room, user, role, key).await?;
    Ok(Json(decision))
}
