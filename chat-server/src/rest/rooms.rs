//! The caller's rooms: listing them, making and changing them, and coming into them.

use axum::{Json, extract::State, http::StatusCode};
use chat_core::{
    ClientMessageId, Data, Directory, RoomChange, RoomId, RoomKind, RoomList, RoomName, RoomView,
    SettingsChange, Topic, UserId, command::Create,
};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    caller::{Caller, limit},
    document::{Limit, Refusals},
};
use crate::http::{
    app::App,
    failure::Failure,
    parameters::{Body, Fields, Named, of_fields},
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(rooms, create))
        .routes(routes!(room, update))
        .routes(routes!(join))
        .routes(routes!(directory))
        .routes(routes!(open))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RoomsQuery {
    /// Begin after this room.
    #[param(value_type = Option<RoomId>)]
    after: Option<String>,
    /// The most rooms to list.
    #[param(value_type = Option<Limit>)]
    limit: Option<usize>,
}

/// Lists the caller's rooms.
#[utoipa::path(get, path = "/v1/rooms", params(RoomsQuery), responses(
    (status = OK, description = "The rooms, in ascending order of id.", body = RoomList),
    Refusals,
))]
async fn rooms(
    State(app): State<App>,
    Caller(caller): Caller,
    Fields(RoomsQuery {
        after,
        limit: given,
    }): Fields<RoomsQuery>,
) -> Result<Json<RoomList>, Failure> {
    let limit = limit(&app, given)?;
    let after = after.map(RoomId::new).transpose()?;
    Ok(Json(caller.rooms(after.as_ref(), limit).await?))
}

/// A room to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRoom {
    /// `group` or `channel`.
    kind: RoomKind,
    /// The name.
    #[serde(default)]
    name: RoomName,
    /// The topic.
    #[serde(default)]
    topic: Topic,
    /// The application's own data.
    #[serde(default)]
    data: Data,
    /// The settings; those that are absent have their defaults.
    #[serde(default, deserialize_with = "settings")]
    settings: SettingsChange,
    /// The first members beside the caller.
    #[serde(default)]
    members: Vec<UserId>,
    /// Makes a retry safe: once more under the same id, it gives the room that it made.
    client_id: Option<ClientMessageId>,
}

/// Reads settings of a room.
fn settings<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: From<SettingsChange>,
    D: Deserializer<'de>,
{
    of_fields::<SettingsChange, _>(from, &["post", "add", "history", "slow_mode"]).map(T::from)
}

/// Makes a group or channel that the caller owns.
#[utoipa::path(post, path = "/v1/rooms", request_body = NewRoom, responses(
    (status = CREATED, description = "The room, and its members.", body = RoomView),
    Refusals,
))]
async fn create(
    Caller(caller): Caller,
    Body(new): Body<NewRoom>,
) -> Result<(StatusCode, Json<RoomView>), Failure> {
    let NewRoom {
        kind,
        name,
        topic,
        data,
        settings,
        members,
        client_id,
    } = new;
    let create = Create {
        kind,
        name,
        topic,
        data,
        settings,
        members,
        client_id,
    };
    Ok((StatusCode::CREATED, Json(caller.create(create).await?)))
}

/// Shows a room.
#[utoipa::path(get, path = "/v1/rooms/{room}",
    params(("room" = RoomId, Path, description = "The room.")), responses(
    (status = OK, description = "The room, and its members.", body = RoomView),
    Refusals,
))]
async fn room(
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
) -> Result<Json<RoomView>, Failure> {
    Ok(Json(caller.view(&room).await?))
}

/// What changes of a room; what is absent stays as it is. An empty name, topic or data takes it away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Update {
    /// Another name.
    name: Option<RoomName>,
    /// Another topic.
    topic: Option<Topic>,
    /// Other data, in place of all that was there.
    data: Option<Data>,
    /// Other settings.
    #[serde(default, deserialize_with = "settings")]
    settings: Option<SettingsChange>,
    /// Archived, or opened again.
    archived: Option<bool>,
    /// Makes a retry safe.
    client_id: Option<ClientMessageId>,
}

/// Changes what a group or channel says about itself, archives it, or opens it again.
#[utoipa::path(patch, path = "/v1/rooms/{room}",
    params(("room" = RoomId, Path, description = "The group or channel.")),
    request_body = Update, responses(
    (status = OK, description = "The room, and its members.", body = RoomView),
    Refusals,
))]
async fn update(
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    Body(update): Body<Update>,
) -> Result<Json<RoomView>, Failure> {
    let Update {
        name,
        topic,
        data,
        settings,
        archived,
        client_id,
    } = update;
    let change = RoomChange {
        name,
        topic,
        data,
        settings,
        archived,
    };
    Ok(Json(caller.update(&room, change, client_id).await?))
}

/// Comes into a channel.
#[utoipa::path(post, path = "/v1/rooms/{room}/join",
    params(("room" = RoomId, Path, description = "The channel.")), responses(
    (status = OK, description = "The room, and its members.", body = RoomView),
    Refusals,
))]
async fn join(
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
) -> Result<Json<RoomView>, Failure> {
    Ok(Json(caller.join(&room).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DirectoryQuery {
    /// Stands in the name, in upper or lower case.
    #[param(value_type = Option<RoomName>)]
    #[serde(default)]
    query: String,
    /// Begin after this channel.
    #[param(value_type = Option<RoomId>)]
    after: Option<String>,
    /// The most channels to list.
    #[param(value_type = Option<Limit>)]
    limit: Option<usize>,
}

/// Searches the channels by name.
#[utoipa::path(get, path = "/v1/directory", params(DirectoryQuery), responses(
    (status = OK, description = "The channels, in ascending order of id.", body = Directory),
    Refusals,
))]
async fn directory(
    State(app): State<App>,
    Caller(caller): Caller,
    Fields(DirectoryQuery {
        query,
        after,
        limit: given,
    }): Fields<DirectoryQuery>,
) -> Result<Json<Directory>, Failure> {
    let limit = limit(&app, given)?;
    let after = after.map(RoomId::new).transpose()?;
    let found = caller.find_channels(&query, after.as_ref(), limit).await?;
    Ok(Json(found))
}

/// Opens the direct room with a user, making it if need be.
#[utoipa::path(put, path = "/v1/direct/{user}",
    params(("user" = UserId, Path, description = "The other user.")), responses(
    (status = OK, description = "The room, and its members.", body = RoomView),
    Refusals,
))]
async fn open(
    Caller(caller): Caller,
    Named(user): Named<UserId>,
) -> Result<Json<RoomView>, Failure> {
    Ok(Json(caller.open(&user).await?))
}
