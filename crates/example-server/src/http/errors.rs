//! Makes a problem of every error answer.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::problem::{Problem, ProblemKind};
use crate::store::StoreError;

/// Replaces an error answer that a library made (no such route, wrong method, out of time, …) by a problem. What a
/// handler answers as JSON stays.
pub(super) async fn as_problem(response: Response) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || is_json(&response) {
        return response;
    }
    let problem = Problem::new(kind(status));
    let problem = match status {
        StatusCode::SERVICE_UNAVAILABLE => problem
            .detail("The answer took too long.")
            .retry_after(super::publish::RETRY_AFTER),
        _ => problem,
    };
    let mut answer = problem.into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow.clone());
    }
    answer
}

fn is_json(response: &Response) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value: &HeaderValue| {
        [crate::problem::CONTENT_TYPE, "application/json"]
            .iter()
            .any(|json| value.as_bytes() == json.as_bytes())
    })
}

fn kind(status: StatusCode) -> ProblemKind {
    match status {
        StatusCode::UNAUTHORIZED => ProblemKind::Unauthorized,
        StatusCode::NOT_FOUND => ProblemKind::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ProblemKind::MethodNotAllowed,
        StatusCode::REQUEST_TIMEOUT => ProblemKind::RequestTimeout,
        StatusCode::PAYLOAD_TOO_LARGE => ProblemKind::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ProblemKind::NotJson,
        StatusCode::UNPROCESSABLE_ENTITY => ProblemKind::Invalid,
        StatusCode::SERVICE_UNAVAILABLE => ProblemKind::Unavailable,
        status if status.is_client_error() => ProblemKind::Unreadable,
        _ => ProblemKind::Internal,
    }
}

/// The answer when the database failed.
pub(super) fn of_store(error: &StoreError) -> Problem {
    if error.is_unavailable() {
        return Problem::new(ProblemKind::Unavailable)
            .detail("The database cannot be asked.")
            .retry_after(super::publish::RETRY_AFTER);
    }
    tracing::error!(%error, "the database refuses a query");
    Problem::new(ProblemKind::Internal)
}
