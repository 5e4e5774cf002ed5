//! Requests of operators and load balancers: whether the server works, and its metrics.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use chat_core::{
    Error, ErrorCode, Health,
    metrics::{Counter, Family},
    port::Via,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{app::App, failure::Failure, metrics, peer};
use crate::{config::Address, rest::document::Refusals};

/// `GET /`, `/health`, `/ready` and `/metrics`.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(hello))
        .routes(routes!(health))
        .routes(routes!(ready))
        .routes(routes!(show_metrics))
}

/// A greeting.
#[derive(Debug, Serialize, ToSchema)]
struct Hello {
    /// That the server runs, and where it listens.
    msg: String,
}

/// Says that the server runs, and where it listens.
#[utoipa::path(get, path = "/", security(()), responses(
    (status = OK, description = "The greeting.", body = Hello),
    Refusals,
))]
async fn hello(State(app): State<App>) -> Json<Hello> {
    let place = match &app.address {
        Some(Address::Tcp(address)) => format!(" @ {}", address.port()),
        Some(socket @ Address::Unix(_)) => format!(" @ {socket}"),
        None => String::new(),
    };
    let msg = format!("Active{place}");
    Json(Hello { msg })
}

/// Says that the process is alive.
#[utoipa::path(get, path = "/health", security(()), responses(
    (status = OK, description = "It is: `OK`.", body = String),
    Refusals,
))]
async fn health() -> &'static str {
    "OK"
}

/// Says whether requests can be served: the store answers, and the server doesn't stop. Without the cache
/// they can be served, but less well, which the answer says.
#[utoipa::path(get, path = "/ready", security(()), responses(
    (status = OK, description = "They can: `READY`, and what works less well.", body = String),
    Refusals,
))]
async fn ready(State(app): State<App>) -> Result<String, Failure> {
    if app.stop.is_cancelled() {
        return Err(Error::ShuttingDown.into());
    }
    let Health {
        store,
        cache,
        resting_tasks,
    } = app.engine.health().await;
    store.map_err(Error::from)?;
    let mut faults = Vec::new();
    if let Err(error) = cache {
        let effect = "limits are this node's own, and nobody knows who is online";
        faults.push(format!("{error}: {effect}"));
    }
    if !resting_tasks.is_empty() {
        let tasks = resting_tasks.join(", ");
        faults.push(format!(
            "these tasks panicked and are started again: {tasks}"
        ));
    }
    if let Some(fault) = app.keys.as_ref().and_then(|keys| keys.fault()) {
        faults.push(fault.to_owned());
    }
    if app
        .tls
        .as_ref()
        .is_some_and(|tls| tls.reloading.is_failing())
    {
        let fault =
            "the files of the certificate and its key can't be used: they are those of before";
        faults.push(fault.to_owned());
    }
    Ok(if faults.is_empty() {
        "READY".to_owned()
    } else {
        format!("READY, but {}", faults.join("; "))
    })
}

/// Gives the metrics, in the format of Prometheus. Where others than this machine's users can reach the
/// server, they need a token with the scope `chat:metrics`, or the setting `metrics-public`.
#[utoipa::path(get, path = "/metrics", security((), ("token" = [])), responses(
    (status = OK, description = "The metrics.", body = String),
    Refusals,
))]
async fn show_metrics(
    State(app): State<App>,
    from: peer::Address,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failure> {
    let exposed = app
        .address
        .as_ref()
        .is_some_and(|address| app.settings.exposed_by(address).is_some());
    if exposed && !app.settings.metrics_public {
        may_see_metrics(&app, from, &headers).await?;
    }
    Ok(figures(&app))
}

/// Refuses everybody without the scope as if there were no metrics.
async fn may_see_metrics(
    app: &App,
    peer::Address(from): peer::Address,
    headers: &HeaderMap,
) -> Result<(), Error> {
    if !headers.contains_key(header::AUTHORIZATION) {
        return Err(Error::NoAddress);
    }
    match app
        .login
        .bearer(&app.engine, headers, Via::Rest, from)
        .await
    {
        Ok(principal) if principal.scopes.metrics => Ok(()),
        Err(limited @ Error::RateLimited { .. }) => Err(limited),
        _ => Err(Error::NoAddress),
    }
}

/// All metrics, in the format of Prometheus.
pub(crate) fn figures(app: &App) -> impl IntoResponse + use<> {
    let mut families = app.engine.metrics();
    families.extend(app.metrics.families());
    families.push(app.login.family());
    families.push(metrics::store_log(&app.settings.store));
    let (none, keys, tls) = (Counter::default(), app.keys.as_ref(), app.tls.as_ref());
    families.push(Family::counter(
        "chat_jwt_key_reload_failures_total",
        "Attempts to read the keys of tokens again that failed.",
        keys.map_or(&none, |keys| keys.failures()),
    ));
    families.push(Family::gauge(
        "chat_tls_not_after_seconds",
        "When the server's certificate ends, since 1970; 0 without TLS.",
        tls.map_or(0, |tls| tls.not_after()),
    ));
    families.push(Family::counter(
        "chat_tls_reload_failures_total",
        "Attempts to read the certificate and its key again that failed.",
        tls.map_or(&none, |tls| &tls.reloading.failures),
    ));
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let text = metrics::text(&families).to_string();
    ([(header::CONTENT_TYPE, kind)], text)
}

/// Counts a request that is refused.
pub(super) async fn count_refusal(State(app): State<App>, response: Response) -> Response {
    if let Some(code) = response.extensions().get::<ErrorCode>() {
        app.metrics.refusals.count(*code);
    }
    response
}
