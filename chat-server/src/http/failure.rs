//! Errors as HTTP answers.

use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chat_core::{Error, ErrorBody, ErrorCode, InvalidId};

/// An [`Error`] on its way to an HTTP client, as an [`ErrorBody`] with a fitting status.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    error: Error,
}

impl Failure {
    /// A request that is refused before the engine sees it.
    pub(crate) fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self {
            status,
            error: Error::BadRequest(why.into()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error.code() {
            ErrorCode::BadRequest | ErrorCode::UnknownCommand | ErrorCode::InvalidId => {
                StatusCode::BAD_REQUEST
            }
            ErrorCode::InvalidText | ErrorCode::TextTooLong | ErrorCode::Moderated => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            ErrorCode::Unauthenticated | ErrorCode::TokenExpired => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden | ErrorCode::Blocked | ErrorCode::Banned => StatusCode::FORBIDDEN,
            ErrorCode::NoAddress | ErrorCode::NoRoom | ErrorCode::NoMessage => {
                StatusCode::NOT_FOUND
            }
            ErrorCode::Conflict | ErrorCode::Full => StatusCode::CONFLICT,
            ErrorCode::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            ErrorCode::RateLimited | ErrorCode::Muted | ErrorCode::TooManySessions => {
                StatusCode::TOO_MANY_REQUESTS
            }
            ErrorCode::StoreFull => StatusCode::INSUFFICIENT_STORAGE,
            ErrorCode::StoreUnavailable
            | ErrorCode::OutcomeUnknown
            | ErrorCode::Overloaded
            | ErrorCode::ModerationUnavailable
            | ErrorCode::AuthUnavailable
            | ErrorCode::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, error }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        // The engine logs a backend that is away, once.
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::warn!(error = ?self.error, "a request failed");
        } else if self.status.is_server_error() {
            tracing::debug!(error = ?self.error, "a request failed");
        }
        let mut response = (self.status, Json(ErrorBody::from(&self.error))).into_response();
        response.extensions_mut().insert(self.error.code());
        let headers = response.headers_mut();
        if let Some(wait) = self.error.retry_after() {
            // Whole seconds, rounded up.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<InvalidId> for Failure {
    fn from(invalid: InvalidId) -> Self {
        Error::from(invalid).into()
    }
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        let status = match &rejection {
            // It is JSON, but not what is asked for.
            JsonRejection::JsonDataError(_) => StatusCode::BAD_REQUEST,
            other => other.status(),
        };
        Self::new(status, rejection.body_text())
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Failure {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}
