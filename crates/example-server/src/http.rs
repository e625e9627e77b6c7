//! The HTTP half: routes, guards and the door that they stand behind.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use forebay::Connection;
use forebay::telemetry::PrometheusObserver;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::database::Database;
use crate::problem::{Problem, ProblemKind};
use crate::processing::WorkerStatus;
use crate::request::REQUEST_MAX;
use crate::token::Token;

mod api;
mod conversations;
mod dead_letters;
mod door;
mod errors;
mod guard;
mod health;
mod json_body;
pub mod message_request;
mod messages;
mod metrics;
mod page_query;
mod path_id;
mod publish;
mod readiness;
mod trace_context;

pub use door::{Door, DoorLimits};
pub use readiness::Readiness;

/// What the handlers need.
#[derive(Debug)]
pub struct App {
    /// Where accepted messages go.
    pub queue: Connection,
    /// Where persisted messages are.
    pub database: Database,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// The worker of this process, if it has one.
    pub worker: Option<WorkerStatus>,
    /// Guards `/api` apart from the dead letters.
    pub api_token: Option<Token>,
    /// Guards the dead letters; without it they are not served.
    pub admin_token: Option<Token>,
    /// What becomes of a valid message.
    pub intake: Intake,
    /// The latest readiness check.
    pub readiness: Readiness,
}

/// The metrics of this process.
pub struct Metrics(pub PrometheusObserver);

/// What becomes of a valid message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intake {
    /// It is published: the service.
    #[default]
    Publish,
    /// It is dropped, and accepted all the same: what a bench compares the service with.
    ValidateOnly,
}

/// The longest that any answer takes beyond the time that a publish may wait for room.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// The service's routes.
pub fn router(app: Arc<App>) -> Router {
    let limit = app.queue.publish_wait() + ANSWER_LIMIT;
    let (routes, document) = open_api_router(&app).split_for_parts();
    routes
        .merge(api::page())
        .layer(DefaultBodyLimit::max(REQUEST_MAX))
        .layer(axum::Extension(api::Document::new(&document)))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            limit,
        ))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::map_response(errors::as_problem))
        .with_state(app)
}

fn open_api_router(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    let api = OpenApiRouter::new()
        .routes(routes!(messages::post_sms))
        .routes(routes!(messages::post_email))
        .routes(routes!(messages::get_message))
        .routes(routes!(conversations::list_conversations))
        .routes(routes!(conversations::list_messages))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), guard::api));
    let admin = OpenApiRouter::new()
        .routes(routes!(dead_letters::list_dead_letters))
        .routes(routes!(dead_letters::redrive_dead_letters))
        .routes(routes!(dead_letters::delete_dead_letter))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(app),
            guard::admin,
        ));
    OpenApiRouter::with_openapi(api::description())
        .merge(api)
        .merge(admin)
        .routes(routes!(metrics::metrics))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(api::document))
}

/// What the panic was called with may be content, so it is dropped.
fn panicked(_panic: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request's handler panicked");
    Problem::new(ProblemKind::Internal).into_response()
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests;
