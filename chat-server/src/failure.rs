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
pub(crate) struct Failure(pub(crate) Error);

impl Failure {
    pub(crate) fn body(&self) -> Json<ErrorBody> {
        Json(ErrorBody::from(&self.0))
    }

    fn status(&self) -> StatusCode {
        match self.0.code() {
            ErrorCode::BadRequest | ErrorCode::UnknownCommand | ErrorCode::InvalidId => {
                StatusCode::BAD_REQUEST
            }
            ErrorCode::InvalidText | ErrorCode::TextTooLong | ErrorCode::Moderated => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
            ErrorCode::NoRoom | ErrorCode::NoMessage => StatusCode::NOT_FOUND,
            ErrorCode::RateLimited | ErrorCode::Muted | ErrorCode::TooManySessions => {
                StatusCode::TOO_MANY_REQUESTS
            }
            ErrorCode::StoreFull => StatusCode::INSUFFICIENT_STORAGE,
            ErrorCode::StoreUnavailable
            | ErrorCode::OutcomeUnknown
            | ErrorCode::Overloaded
            | ErrorCode::ModerationUnavailable
            | ErrorCode::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::warn!(error = ?self.0, "a request failed");
        }
        let mut response = (status, self.body()).into_response();
        let headers = response.headers_mut();
        if let Some(wait) = self.0.retry_after() {
            // Whole seconds, rounded up.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<InvalidId> for Failure {
    fn from(error: InvalidId) -> Self {
        Self(error.into())
    }
}

macro_rules! bad_request {
    ($($rejection:ty),+) => {
        $(impl From<$rejection> for Failure {
            fn from(rejection: $rejection) -> Self {
                Self(Error::BadRequest(rejection.body_text()))
            }
        })+
    };
}

bad_request!(JsonRejection, PathRejection, QueryRejection);
