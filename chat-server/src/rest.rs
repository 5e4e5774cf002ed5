//! REST: the engine's use cases over HTTP, with an OpenAPI document made from these handlers.

use axum::{
    Json,
    extract::{
        FromRequestParts, Path, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{StatusCode, header, request::Parts},
    response::IntoResponse,
};
use chat_core::{
    Actor, ClientMessageId, ErrorBody, HistoryPage, InvalidId, Mark, Membership, Page, Presence,
    RoomId, RoomView, Sent, Seq, UserId, Watermarks, port::Unauthenticated,
};
use serde::{Deserialize, Serialize};
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::App, failure::Failure};

#[derive(OpenApi)]
#[openapi(
    info(title = "chat-server", description = "Rooms, messages, receipts and presence."),
    components(schemas(ErrorBody)),
    security(("token" = [])),
    modifiers(&Token)
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// The routes, and the document that describes them.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(rooms))
        .routes(routes!(open))
        .routes(routes!(history))
        .routes(routes!(send))
        .routes(routes!(receipt))
        .routes(routes!(online))
        .routes(routes!(presence))
}

/// The user whom the request's token stands for.
struct Caller(Actor);

impl FromRequestParts<App> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let header = parts.headers.get(header::AUTHORIZATION);
        let token = header.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        let token = token.and_then(|value| value.split_once(' '));
        let user = match token {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                app.auth.authenticate(token.trim()).await
            }
            _ => Err(Unauthenticated {
                reason: "the header `authorization: Bearer TOKEN` is missing".to_owned(),
            }),
        };
        Ok(Self(
            app.engine.actor(user.map_err(chat_core::Error::from)?),
        ))
    }
}

/// The name or id in the address.
struct Named<T>(T);

impl<T: TryFrom<String, Error = InvalidId>> FromRequestParts<App> for Named<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let Path(text) = Path::<String>::from_request_parts(parts, app).await?;
        Ok(Self(T::try_from(text)?))
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
struct RoomsQuery {
    /// Begin after this room.
    after: Option<String>,
    /// At most so many. Default 50, at most 200.
    limit: Option<usize>,
}

/// Rooms of the caller.
#[derive(Debug, Serialize, ToSchema)]
struct RoomList {
    /// In ascending order of id.
    rooms: Vec<Membership>,
    /// Whether there are more after the last one.
    more: bool,
}

/// Lists the caller's rooms.
#[utoipa::path(get, path = "/v1/rooms", params(RoomsQuery), responses(
    (status = OK, body = RoomList),
    (status = "4XX", body = ErrorBody),
    (status = "5XX", body = ErrorBody),
))]
async fn rooms(
    Caller(caller): Caller,
    query: Result<Query<RoomsQuery>, QueryRejection>,
) -> Result<Json<RoomList>, Failure> {
    let Query(RoomsQuery { after, limit }) = query?;
    let after = after.map(RoomId::new).transpose()?;
    let (rooms, more) = caller.rooms(after.as_ref(), limit).await?;
    Ok(Json(RoomList { rooms, more }))
}

/// Opens the direct room with a user, making it if need be.
#[utoipa::path(put, path = "/v1/direct/{user}", params(("user" = String, Path)), responses(
    (status = OK, body = RoomView),
    (status = "4XX", body = ErrorBody),
    (status = "5XX", body = ErrorBody),
))]
async fn open(
    Caller(caller): Caller,
    Named(user): Named<UserId>,
) -> Result<Json<RoomView>, Failure> {
    Ok(Json(caller.open(&user).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
struct HistoryQuery {
    /// The newest entries below this number.
    before: Option<u64>,
    /// The oldest entries above this number.
    after: Option<u64>,
    /// Entries on both sides of this number, and itself.
    around: Option<u64>,
    /// At most so many. Default 50, at most 200.
    limit: Option<usize>,
}

/// Reads a page of a room's log; without `before`, `after` or `around` the newest one.
#[utoipa::path(get, path = "/v1/rooms/{room}/entries",
    params(("room" = String, Path), HistoryQuery), responses(
    (status = OK, body = HistoryPage),
    (status = "4XX", body = ErrorBody),
    (status = "5XX", body = ErrorBody),
))]
async fn history(
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Json<HistoryPage>, Failure> {
    let Query(HistoryQuery {
        before,
        after,
        around,
        limit,
    }) = query?;
    let page = match (before, after, around) {
        (None, None, None) => Page::Newest,
        (Some(seq), None, None) => Page::Before(Seq(seq)),
        (None, Some(seq), None) => Page::After(Seq(seq)),
        (None, None, Some(seq)) => Page::Around(Seq(seq)),
        _ => {
            let why = "only one of `before`, `after` and `around` can be given";
            return Err(Failure::new(StatusCode::BAD_REQUEST, why));
        }
    };
    Ok(Json(caller.history(&room, page, limit).await?))
}

/// A message to send.
#[derive(Debug, Deserialize, ToSchema)]
struct NewMessage {
    /// What to say.
    text: String,
    /// Makes a retry safe: the second answer is the first one's, with `duplicate` set.
    client_id: Option<ClientMessageId>,
}

/// Sends a message.
#[utoipa::path(post, path = "/v1/rooms/{room}/messages", params(("room" = String, Path)),
    request_body = NewMessage, responses(
    (status = CREATED, description = "stored for good", body = Sent),
    (status = OK, description = "was stored before", body = Sent),
    (status = TOO_MANY_REQUESTS, description = "wait for `retry-after` seconds", body = ErrorBody),
    (status = "4XX", body = ErrorBody),
    (status = "5XX", body = ErrorBody),
))]
async fn send(
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    body: Result<Json<NewMessage>, JsonRejection>,
) -> Result<impl IntoResponse, Failure> {
    let Json(NewMessage { text, client_id }) = body?;
    let sent = match client_id {
        Some(client_id) => caller.send_as(&room, &text, client_id).await?,
        None => caller.send(&room, &text).await?,
    };
    let status = if sent.duplicate {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(sent)))
}

/// How far the caller has got.
#[derive(Debug, Deserialize, ToSchema)]
struct NewReceipt {
    /// Received or read.
    mark: Mark,
    /// Up to and including this entry.
    seq: Seq,
}

/// States how far the caller has received or read a room; the answer is how things stand now.
#[utoipa::path(post, path = "/v1/rooms/{room}/receipts", params(("room" = String, Path)),
    request_body = NewReceipt, responses(
    (status = OK, body = Watermarks),
    (status = "4XX", body = ErrorBody),
    (status = "5XX", body = ErrorBody),
))]
async fn receipt(
    Caller(caller): Caller,
    Named(room): Named<RoomId>,
    body: Result<Json<NewReceipt>, JsonRejection>,
) -> Result<Json<Watermarks>, Failure> {
    let Json(NewReceipt { mark, seq }) = body?;
    Ok(Json(caller.receipt(&room, mark, seq).await?))
}

/// Who is online.
#[derive(Debug, Serialize, ToSchema)]
struct Online {
    /// Each once, in ascending order.
    users: Vec<UserId>,
}

/// Lists who is online.
#[utoipa::path(get, path = "/v1/online", responses(
    (status = OK, body = Online),
    (status = "4XX", body = ErrorBody),
    (status = "5XX", body = ErrorBody),
))]
async fn online(State(app): State<App>, _caller: Caller) -> Result<Json<Online>, Failure> {
    Ok(Json(Online {
        users: app.engine.online().await?,
    }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
struct PresenceQuery {
    /// At most 100 names, joined by commas, which no name holds.
    users: String,
}

/// How some users are.
#[derive(Debug, Serialize, ToSchema)]
struct PresenceList {
    /// In the order asked.
    users: Vec<Presence>,
}

/// Tells whether users are online, and when they last were.
#[utoipa::path(get, path = "/v1/presence", params(PresenceQuery), responses(
    (status = OK, body = PresenceList),
    (status = "4XX", body = ErrorBody),
    (status = "5XX", body = ErrorBody),
))]
async fn presence(
    Caller(caller): Caller,
    query: Result<Query<PresenceQuery>, QueryRejection>,
) -> Result<Json<PresenceList>, Failure> {
    let Query(PresenceQuery { users }) = query?;
    let users = users
        .split(',')
        .map(UserId::new)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Json(PresenceList {
        users: caller.presence(&users).await?,
    }))
}
