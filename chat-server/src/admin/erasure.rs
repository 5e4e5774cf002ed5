//! Deleting rooms, erasing users, and giving out what is stored of a user.

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use chat_core::{ClientMessageId, Decision, Error, Export, NameHash, Page, RoomId, Ruling, UserId};
use futures_util::stream;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    admission::Administrator,
    change::{Key, Why, used_before},
    sanctions::{earlier, last_end},
};
use crate::{
    http::{
        app::App,
        failure::Failure,
        parameters::{Named, OptionalBody},
    },
    rest::document::Refusals,
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(delete_room))
        .routes(routes!(erase))
        .routes(routes!(export))
}

/// Deletes a room with all that is stored of it. Its members are sent that it is closed to them.
#[utoipa::path(delete, path = "/admin/v1/rooms/{room}",
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("idempotency-key" = Option<ClientMessageId>, Header, description = "Makes a repetition safe."),
    ),
    request_body = Option<Why>, responses(
    (status = OK, description = "The decision.", body = Decision),
    Refusals,
))]
async fn delete_room(
    State(app): State<App>,
    Extension(by): Extension<Administrator>,
    Named(room): Named<RoomId>,
    Key(key): Key,
    OptionalBody(Why { reason }): OptionalBody<Why>,
) -> Result<Json<Decision>, Failure> {
    let record = Ruling::DeleteRoom { room: room.clone() };
    match app.engine.inspect(&room, Page::Newest, Some(1)).await {
        Ok(_) => {}
        Err(Error::NoRoom) => {
            return match earlier(&app, &by, &key).await? {
                None => Err(Error::NoRoom.into()),
                Some(decision) if decision.what == record => Ok(Json(decision)),
                Some(_) => Err(used_before()),
            };
        }
        Err(error) => return Err(error.into()),
    }
    let decision = by.decide(&app, Key(key), reason, record).await?;
    // After a crash in between, a repetition of the request completes it.
    app.engine.delete_room(&room).await?;
    Ok(Json(decision))
}

/// Erases a user: their direct rooms, what they wrote in others, and their name, of which a hash stays on record.
/// Tokens that were issued before are refused.
#[utoipa::path(post, path = "/admin/v1/users/{user}/erase",
    params(
        ("user" = UserId, Path, description = "The user."),
        ("idempotency-key" = Option<ClientMessageId>, Header, description = "Makes a repetition safe."),
    ),
    request_body = Option<Why>, responses(
    (status = OK, description = "The decision.", body = Decision),
    Refusals,
))]
async fn erase(
    State(app): State<App>,
    Extension(by): Extension<Administrator>,
    Named(user): Named<UserId>,
    key: Key,
    OptionalBody(Why { reason }): OptionalBody<Why>,
) -> Result<Json<Decision>, Failure> {
    let now = app.engine.clock().now();
    let erase = Ruling::Erase {
        name: NameHash::of(&user),
        issued_before: now,
        until: last_end(&app, now),
    };
    let decision = by.decide(&app, key, reason, erase).await?;
    // It is not given up when the caller hangs up, and a repetition of the request completes it.
    let engine = app.engine.clone();
    let erasing = tokio::spawn(async move { engine.erase(&user).await });
    erasing.await.unwrap_or(Err(Error::ShuttingDown))?;
    Ok(Json(decision))
}

/// Gives out all that is stored of a user: JSON, one object on each line, with its `kind`.
#[utoipa::path(post, path = "/admin/v1/users/{user}/export",
    params(
        ("user" = UserId, Path, description = "The user."),
        ("idempotency-key" = Option<ClientMessageId>, Header, description = "Makes a repetition safe."),
    ),
    request_body = Option<Why>, responses(
    (status = OK, description = "Presence, rooms, entries, blocks and decisions.", body = String,
        content_type = "application/x-ndjson"),
    Refusals,
))]
async fn export(
    State(app): State<App>,
    Extension(by): Extension<Administrator>,
    Named(user): Named<UserId>,
    key: Key,
    OptionalBody(Why { reason }): OptionalBody<Why>,
) -> Result<Response, Failure> {
    let record = Ruling::Export { user: user.clone() };
    by.decide(&app, key, reason, record).await?;
    let lines = stream::try_unfold(app.engine.export(user), |mut export| async {
        let part = part(&mut export).await?;
        Ok::<_, axum::BoxError>(part.map(|lines| (lines, export)))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

/// The lines of the next part of an export; `None` at its end.
async fn part(export: &mut Export) -> Result<Option<String>, axum::BoxError> {
    let Some(found) = export.next().await? else {
        return Ok(None);
    };
    let mut lines = String::new();
    for piece in found {
        lines += &serde_json::to_string(&piece)?;
        lines.push('\n');
    }
    Ok(Some(lines))
}
