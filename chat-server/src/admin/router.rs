//! The routes of the administration, and the rules for all of them.

use std::sync::Arc;

use axum::{Extension, Router, middleware};
use chat_core::Error;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;

use super::{
    admission::{self, Admission},
    announce,
    document::{self, Document},
    erasure, figures, notices, record, rooms, sanctions, sessions,
    token::AdminToken,
    users,
};
use crate::{
    auth::failures::Failures,
    http::{
        app::App,
        failure::Failure,
        router::{bounded, guarded},
    },
    rest::document::Served,
    web,
};

/// All routes of the administration. None of them answers without an administrator's token, but for the files
/// of the page that shows what they answer.
pub(crate) fn router(app: App, token: Option<Arc<AdminToken>>, failures: Arc<Failures>) -> Router {
    let (requests, document) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(users::routes())
        .merge(sessions::routes())
        .merge(rooms::routes())
        .merge(sanctions::routes())
        .merge(announce::routes())
        .merge(notices::routes())
        .merge(erasure::routes())
        .merge(record::routes())
        .merge(figures::routes())
        .merge(document::routes())
        .split_for_parts();
    let document = Served::new(&document, app.engine.config());
    let admission = Admission {
        app: app.clone(),
        token,
        failures,
    };
    let requests = requests
        .fallback(async || Failure::from(Error::NoAddress))
        .method_not_allowed_fallback(async || Failure::from(Error::WrongMethod))
        .layer(Extension(document))
        .layer(middleware::from_fn_with_state(admission, admission::admit))
        .merge(web::routes_of_admin(&app.settings));
    guarded(bounded(requests, &app), &app).with_state(app)
}
