//! The body of every error answer: RFC 9457, `application/problem+json`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cursor::InvalidCursor;
use crate::field_error::FieldError;
use crate::request::Invalid;

/// The media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What went wrong, as a client can tell apart. Each has a fixed `type`, `title` and status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// 400: the request cannot be read.
    Unreadable,
    /// 400: the `cursor` or `limit` of a list is not valid.
    InvalidPage,
    /// 401: a token is missing or wrong.
    Unauthorized,
    /// 404: no such resource.
    NotFound,
    /// 405: the resource knows another method.
    MethodNotAllowed,
    /// 408: the request did not arrive in time.
    RequestTimeout,
    /// 413: the request's body is too large.
    TooLarge,
    /// 415: the request's body is not JSON.
    NotJson,
    /// 422: fields of the request are not valid; `errors` lists them.
    Invalid,
    /// 422: the idempotency key belongs to another payload.
    KeyReused,
    /// 500: a defect of the server.
    Internal,
    /// 503: the queue is full.
    QueueFull,
    /// 503: the queue or the database cannot be reached; nothing happened.
    Unavailable,
    /// 503: whether the message was accepted is unknown; repeat it with `idempotencyKey`.
    OutcomeUnknown,
}

impl ProblemKind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Unreadable,
        Self::InvalidPage,
        Self::Unauthorized,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::TooLarge,
        Self::NotJson,
        Self::Invalid,
        Self::KeyReused,
        Self::Internal,
        Self::QueueFull,
        Self::Unavailable,
        Self::OutcomeUnknown,
    ];

    /// The stable URI that identifies the kind.
    pub const fn type_uri(self) -> &'static str {
        self.type_and_title().0
    }

    /// The kind in a few words; the same for each occurrence.
    pub const fn title(self) -> &'static str {
        self.type_and_title().1
    }

    /// The HTTP status that goes with the kind.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Unreadable | Self::InvalidPage => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid | Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::QueueFull | Self::Unavailable | Self::OutcomeUnknown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    const fn type_and_title(self) -> (&'static str, &'static str) {
        match self {
            Self::Unreadable => (
                "urn:forebay:problem:unreadable",
                "The request cannot be read",
            ),
            Self::InvalidPage => (
                "urn:forebay:problem:invalid-page",
                "The page asked for is not valid",
            ),
            Self::Unauthorized => (
                "urn:forebay:problem:unauthorized",
                "A valid bearer token is needed",
            ),
            Self::NotFound => ("urn:forebay:problem:not-found", "There is no such resource"),
            Self::MethodNotAllowed => (
                "urn:forebay:problem:method-not-allowed",
                "The method is not allowed here",
            ),
            Self::RequestTimeout => (
                "urn:forebay:problem:request-timeout",
                "The request did not arrive in time",
            ),
            Self::TooLarge => ("urn:forebay:problem:too-large", "The request is too large"),
            Self::NotJson => ("urn:forebay:problem:not-json", "The request is not JSON"),
            Self::Invalid => (
                "urn:forebay:problem:invalid-request",
                "The request is not valid",
            ),
            Self::KeyReused => (
                "urn:forebay:problem:idempotency-key-reused",
                "The idempotency key belongs to another message",
            ),
            Self::Internal => ("urn:forebay:problem:internal", "The server has a defect"),
            Self::QueueFull => ("urn:forebay:problem:queue-full", "The queue is full"),
            Self::Unavailable => (
                "urn:forebay:problem:unavailable",
                "The service is not available",
            ),
            Self::OutcomeUnknown => (
                "urn:forebay:problem:outcome-unknown",
                "Whether the message was accepted is unknown",
            ),
        }
    }
}

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The kind's stable URI, such as `urn:forebay:problem:invalid-request`.
    #[serde(rename = "type")]
    #[schema(example = "urn:forebay:problem:invalid-request")]
    type_uri: &'static str,
    /// The kind in a few words.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened this time. Never repeats what was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Every invalid field, for validation problems.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// The key to repeat the request with, where its outcome is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    /// Sent as the `Retry-After` header.
    #[serde(skip)]
    retry_after: Option<u32>,
}

impl Problem {
    /// A problem of the kind, without details.
    pub const fn new(kind: ProblemKind) -> Self {
        Self {
            type_uri: kind.type_uri(),
            title: kind.title(),
            status: kind.status().as_u16(),
            detail: None,
            errors: Vec::new(),
            idempotency_key: None,
            retry_after: None,
        }
    }

    /// Says what happened this time. The text must not repeat what was sent.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Lists the invalid fields.
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Names the key to repeat the request with.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Says after how many seconds to try again.
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::Unreadable(error) => {
                Self::new(ProblemKind::Unreadable).detail(error.to_string())
            }
            Invalid::Fields(errors) => Self::new(ProblemKind::Invalid).errors(errors),
        }
    }
}

impl From<InvalidCursor> for Problem {
    fn from(error: InvalidCursor) -> Self {
        Self::new(ProblemKind::InvalidPage).detail(error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let retry_after = self.retry_after;
        let mut response = (status, axum::Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        // The rest of the request is not read, so nothing can follow it on this connection.
        if matches!(
            status,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
        ) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::{Value, json};

    use super::*;

    async fn body(response: Response) -> Value {
        let bytes = axum::body::to_bytes(response.into_body(), 65_536)
            .await
            .unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn a_full_problem() {
        let response = Problem::new(ProblemKind::OutcomeUnknown)
            .detail("The queue did not answer.")
            .errors(vec![FieldError::new("/body", "is required")])
            .idempotency_key("k")
            .retry_after(2)
            .into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(
            body(response).await,
            json!({
                "type": "urn:forebay:problem:outcome-unknown",
                "title": "Whether the message was accepted is unknown",
                "status": 503,
                "detail": "The queue did not answer.",
                "errors": [{"pointer": "/body", "detail": "is required"}],
                "idempotencyKey": "k"
            })
        );
    }

    #[tokio::test]
    async fn a_bare_problem() {
        let response = Problem::new(ProblemKind::NotFound).into_response();
        assert!(!response.headers().contains_key("retry-after"));
        let expected = json!({
            "type": "urn:forebay:problem:not-found", "title": "There is no such resource", "status": 404
        });
        assert_eq!(body(response).await, expected);
    }

    #[test]
    fn types_are_distinct() {
        let types: HashSet<_> = ProblemKind::ALL
            .iter()
            .map(|kind| kind.type_uri())
            .collect();
        assert_eq!(types.len(), ProblemKind::ALL.len());
    }
}
