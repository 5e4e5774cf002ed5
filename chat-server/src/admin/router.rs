//! The routes of the administration, and the rules for all of them.

use std::sync::Arc;

use axum::{Extension, Router, middleware};
use chat_core::Error;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;

use super::{
    admission::{self, Admission},
    document::{self, Document},
    figures, sessions,
    token::AdminToken,
    users,
};
use crate::{
    http::{
        app::App,
        failure::Failure,
        router::{bounded, guarded},
    },
    rest::document::Served,
};

/// All routes of the administration. None of them answers without an administrator's token.
pub(crate) fn router(app: App, token: Option<Arc<AdminToken>>) -> Router {
    let (requests, document) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(users::routes())
        .merge(sessions::routes())
        .merge(figures::routes())
        .merge(document::routes())
        .split_for_parts();
    let document = Served::new(&document, app.engine.config());
    let admission = Admission {
        app: app.clone(),
        token,
        failures: Arc::default(),
    };
    let requests = requests
        .fallback(async || Failure::from(Error::NoAddress))
        .method_not_allowed_fallback(async || Failure::from(Error::WrongMethod))
        .layer(Extension(document))
        .layer(middleware::from_fn_with_state(admission, admission::admit));
    guarded(bounded(requests, &app), &app).with_state(app)
}
