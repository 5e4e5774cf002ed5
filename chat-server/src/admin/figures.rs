//! The metrics, for a monitoring system that comes by the administration's listener.

use axum::{extract::State, response::IntoResponse};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{app::App, status},
    rest::document::Refusals,
};

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(figures))
}

/// Gives the metrics, in the format of Prometheus.
#[utoipa::path(get, path = "/metrics", responses(
    (status = OK, description = "The metrics.", body = String),
    Refusals,
))]
async fn figures(State(app): State<App>) -> impl IntoResponse {
    status::figures(&app)
}
