//! Bearer tokens.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::App;
use crate::problem::{Problem, ProblemKind};
use crate::token::Token;

/// Lets a request pass if no token is configured or it shows the right one.
pub(super) async fn api(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match &app.api_token {
        Some(token) if !shows(request.headers(), token) => refusal(),
        _ => next.run(request).await,
    }
}

/// Lets a request pass if it shows the right token; while none is configured, there is nothing here.
pub(super) async fn admin(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match &app.admin_token {
        Some(token) if shows(request.headers(), token) => next.run(request).await,
        Some(_) => refusal(),
        None => Problem::new(ProblemKind::NotFound).into_response(),
    }
}

/// Whether there is exactly one `Authorization`, and it shows the token.
fn shows(headers: &HeaderMap, token: &Token) -> bool {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => token.admits(value.as_bytes()),
        _ => false,
    }
}

fn refusal() -> Response {
    let mut response = Problem::new(ProblemKind::Unauthorized).into_response();
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
