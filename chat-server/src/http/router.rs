//! Which address is answered by what, and what holds for all of them.

use std::time::Duration;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use chat_core::Error;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowCredentials, AllowHeaders, AllowOrigin, CorsLayer},
};

use super::{
    access,
    app::App,
    failure::Failure,
    head, known,
    peer::{Address, Peer},
    site::{self, Site},
    status,
};
use crate::{legacy, native, rest, web};

/// All routes, under the rules of the settings.
pub(crate) fn router(app: App) -> Router {
    let site = Site::new(&app.settings, app.address.as_ref(), app.tls.clone());
    // What is answered at once, and what only that may be.
    let (requests, document) = rest::routes()
        .merge(status::routes())
        .merge(legacy::requests())
        .split_for_parts();
    let (websocket, of_websocket) = native::routes().split_for_parts();
    let document = document.merge_from(of_websocket);
    let document = rest::document::Served::new(&document, app.engine.config());
    let requests = requests
        .merge(web::routes(&app.settings))
        .fallback(async || Failure::from(Error::NoAddress))
        .layer(Extension(document));
    let routes = bounded(requests, &app)
        .merge(legacy::socketio(&app))
        .merge(websocket)
        .method_not_allowed_fallback(async || Failure::from(Error::WrongMethod))
        .layer(middleware::from_fn_with_state(
            site.clone(),
            site::refuse_origin,
        ))
        .layer(middleware::from_fn_with_state(app.clone(), refuse_many))
        .layer(cors(site.clone()))
        .layer(middleware::from_fn_with_state(site, site::refuse_host));
    guarded(routes, &app).with_state(app)
}

/// Adds the rules for requests that are answered at once: the size of their bodies, and the time that they
/// may take.
pub(crate) fn bounded(requests: Router<App>, app: &App) -> Router<App> {
    requests
        .layer(DefaultBodyLimit::max(app.settings.body_bytes.0))
        .layer(middleware::from_fn_with_state(
            app.settings.body_bytes.0,
            head::refuse_large,
        ))
        .layer(middleware::from_fn_with_state(app.clone(), refuse_late))
}

/// Adds the rules for all requests and answers: their heads, panics, the count of refusals, and the access log.
pub(crate) fn guarded(routes: Router<App>, app: &App) -> Router<App> {
    routes
        .layer(middleware::map_response_with_state(
            app.clone(),
            status::count_refusal,
        ))
        .layer(middleware::from_fn_with_state(app.clone(), find_client))
        .layer(middleware::from_fn(refuse_ambiguous))
        .layer(CatchPanicLayer::new())
        .layer(middleware::map_response(head::keep_private))
        .layer(middleware::from_fn_with_state(app.clone(), access::log))
}

/// Refuses a request whose head can be understood in two ways.
async fn refuse_ambiguous(request: Request, next: Next) -> Response {
    match head::check(request.version(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(why) => refuse_head(&request, why),
    }
}

fn refuse_head(request: &Request, why: String) -> Response {
    legacy::bad_request(request.uri().path())
        .unwrap_or_else(|| Failure::new(StatusCode::BAD_REQUEST, why).into_response())
}

/// Finds the address of a request's client. A head in which a trusted proxy names none has no meaning.
async fn find_client(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if let Some(peer) = request.extensions().get::<Peer>() {
        match peer.client(request.headers(), &app.settings.trusted_proxy) {
            Ok(client) => {
                if let Address(Some(address)) = client {
                    known::note_client(address);
                }
                request.extensions_mut().insert(client)
            }
            Err(why) => return refuse_head(&request, why.to_string()),
        };
    }
    next.run(request).await
}

/// Refuses a request from an address that has used up its budget.
async fn refuse_many(
    State(app): State<App>,
    client: Address,
    request: Request,
    next: Next,
) -> Response {
    match app.requests.of_address(client) {
        Ok(()) => next.run(request).await,
        Err(error) => Failure::from(error).into_response(),
    }
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

fn cors(site: Site) -> CorsLayer {
    const REMEMBER: Duration = Duration::from_mins(10);
    let allowed = AllowOrigin::predicate(move |origin, request| {
        let host = site::host(&request.uri, &request.headers);
        site.allows(origin.to_str().unwrap_or_default(), host)
    });
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        // Whatever they like, as the old server had it.
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(AllowCredentials::predicate(|_, request| {
            legacy::serves(request.uri.path())
        }))
        .expose_headers([header::RETRY_AFTER])
        .max_age(REMEMBER)
}
