//! The log of decisions: as it is, and as a record of who did what.

use axum::{Json, extract::State, http::StatusCode};
use chat_core::{Decision, Version};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::audit::{Row, rows};
use crate::{
    http::{app::App, failure::Failure, parameters::Fields},
    rest::document::Refusals,
};

/// The default and the maximum of a page.
const PAGE: usize = 100;
const MOST: usize = 1_000;

/// The routes of this group.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(decisions))
        .routes(routes!(audit))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LogQuery {
    /// Begin after this number. Default 0: at the beginning.
    #[param(value_type = Option<Version>)]
    after: Option<u64>,
    /// The most to list. Default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl LogQuery {
    /// One page of the log of decisions, and whether there may be more.
    async fn page(self, app: &App) -> Result<(Vec<Decision>, bool), Failure> {
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=MOST).contains(&limit) {
            let why = format!("`limit` is a number from 1 to {MOST}");
            return Err(Failure::new(StatusCode::BAD_REQUEST, why));
        }
        let after = Version(self.after.unwrap_or(0));
        let mut decisions = app.engine.decisions(after, limit + 1).await?;
        let more = decisions.len() > limit;
        decisions.truncate(limit);
        Ok((decisions, more))
    }
}

/// One page of the log of decisions.
#[derive(Debug, Serialize, ToSchema)]
struct DecisionList {
    /// In ascending order of version.
    decisions: Vec<Decision>,
    /// Whether there are more after the last one.
    more: bool,
}

/// Lists the decisions, in the order in which they were made.
#[utoipa::path(get, path = "/admin/v1/decisions", params(LogQuery), responses(
    (status = OK, description = "The decisions.", body = DecisionList),
    Refusals,
))]
async fn decisions(
    State(app): State<App>,
    Fields(query): Fields<LogQuery>,
) -> Result<Json<DecisionList>, Failure> {
    let (decisions, more) = query.page(&app).await?;
    Ok(Json(DecisionList { decisions, more }))
}

/// One page of the record.
#[derive(Debug, Serialize, ToSchema)]
struct Audit {
    /// In ascending order of number.
    rows: Vec<Row>,
    /// Whether there are more after the last one.
    more: bool,
}

/// Lists who did what, when and why: changes, inspections of rooms, and logins that failed.
#[utoipa::path(get, path = "/admin/v1/audit", params(LogQuery), responses(
    (status = OK, description = "The record.", body = Audit),
    Refusals,
))]
async fn audit(
    State(app): State<App>,
    Fields(query): Fields<LogQuery>,
) -> Result<Json<Audit>, Failure> {
    let (decisions, more) = query.page(&app).await?;
    let rows = rows(&app.engine, decisions).await?;
    Ok(Json(Audit { rows, more }))
}
