//! Which address is answered by what.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use chat_core::Health;
use serde_json::{Value, json};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};

use crate::{
    app::App, config::Settings, failure::Failure, legacy, metrics, native, rest, socketio,
};

pub(crate) fn router(app: App, socketio: socketio::Front) -> Router {
    let settings = Arc::clone(&app.settings);
    let (rest, document) = rest::routes().split_for_parts();
    let document = Arc::new(document);
    let late = middleware::from_fn_with_state(app.clone(), refuse_late);
    let requests = rest
        .route(
            "/v1/openapi.json",
            get(async move || Json(document.as_ref().clone())),
        )
        .route("/lastmessages", get(legacy::last_messages))
        .route("/health", get(async || "OK"))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics::show))
        .route("/", get(hello))
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, "there is nothing at this address"))
        .layer(DefaultBodyLimit::max(settings.body_bytes.0))
        .layer(late);
    requests
        .route(native::PATH, get(native::upgrade))
        .method_not_allowed_fallback(async || {
            let why = "this address wants another method";
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, why)
        })
        .layer(middleware::from_fn_with_state(socketio, socketio::answer))
        .layer(middleware::from_fn_with_state(app.clone(), refuse_origin))
        .layer(middleware::map_response_with_state(
            app.clone(),
            metrics::note,
        ))
        .layer(cors(&settings))
        .layer(CatchPanicLayer::new())
        .with_state(app)
}

async fn hello(State(app): State<App>) -> Json<Value> {
    Json(json!({ "msg": format!("Active @ {}", app.port) }))
}

/// Whether requests can be served: the store answers and the server doesn't stop. Without the cache
/// they can, but less well, which is told.
async fn ready(State(app): State<App>) -> Result<String, Failure> {
    if app.stop.is_cancelled() {
        return Err(chat_core::Error::ShuttingDown.into());
    }
    let Health { store, cache } = app.engine.health().await;
    store.map_err(chat_core::Error::from)?;
    Ok(match cache {
        Ok(()) => "READY".to_owned(),
        Err(error) => format!(
            "READY, but {error}: limits are this node's own, and nobody knows who is online"
        ),
    })
}

/// Gives up a request that takes too long, its body included.
async fn refuse_late(State(app): State<App>, request: Request, next: Next) -> Response {
    let within = app.settings.request_timeout;
    let answered = tokio::time::timeout(within, next.run(request)).await;
    answered.unwrap_or_else(|_| {
        let why = format!("a request has to be done within {within:?}");
        Failure::new(StatusCode::REQUEST_TIMEOUT, why).into_response()
    })
}

/// CORS only hides answers from a page; a page that isn't allowed may not even ask.
async fn refuse_origin(State(app): State<App>, request: Request, next: Next) -> Response {
    if app.settings.allows_origin(origin(request.headers())) {
        next.run(request).await
    } else {
        let why = "pages of this origin may not use the server";
        Failure::new(StatusCode::FORBIDDEN, why).into_response()
    }
}

/// The page's origin; what is no text is no origin that could be allowed.
fn origin(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::ORIGIN)
        .map(|origin| origin.to_str().unwrap_or_default())
}

fn cors(settings: &Arc<Settings>) -> CorsLayer {
    const REMEMBER: Duration = Duration::from_mins(10);
    let settings = Arc::clone(settings);
    let allowed = AllowOrigin::predicate(move |origin, _| {
        settings.allows_origin(Some(origin.to_str().unwrap_or_default()))
    });
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PUT])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER])
        .max_age(REMEMBER)
}
