//! Answers that are no success, all of one shape, and bodies that are read
//! with the same strictness.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a request was not carried out: `{"error": "..."}`.
#[derive(Debug)]
pub struct Refused {
    status: StatusCode,
    error: String,
    retry_after_s: Option<u64>,
}

#[derive(Serialize)]
struct Said {
    error: String,
}

impl Refused {
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), retry_after_s: None }
    }

    /// Not allowed by `[panel]`; `key` is what would allow it.
    pub fn without(key: &str) -> Self {
        let error = format!("not allowed: set {key} = true in [panel] of the box's configuration");
        Self::new(StatusCode::FORBIDDEN, error)
    }

    /// Too many; to be tried again.
    pub fn later(status: StatusCode, error: impl Into<String>, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds.max(1)), ..Self::new(status, error) }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(Said { error: self.error })).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A request was carried out, and there is nothing more to say.
pub fn done() -> Response {
    Json(serde_json::json!({ "done": true })).into_response()
}

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => {
                let rejection: JsonRejection = rejection;
                Err(Refused::new(rejection.status(), rejection.body_text()))
            }
        }
    }
}

/// The part after the question mark.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => {
                let rejection: QueryRejection = rejection;
                Err(Refused::new(rejection.status(), rejection.body_text()))
            }
        }
    }
}
