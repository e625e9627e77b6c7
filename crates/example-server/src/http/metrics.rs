//! `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use forebay::core::Source;
use forebay::telemetry::CONTENT_TYPE;

use super::App;

/// How long the queue may take to say how full it is.
const STATS_LIMIT: Duration = Duration::from_secs(1);

/// Everything that is measured, in the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "Metrics.", body = String, content_type = "text/plain; version=0.0.4"))
)]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let management = app.queue.management();
    match tokio::time::timeout(STATS_LIMIT, management.stats()).await {
        Ok(Ok(stats)) => {
            let source = Source {
                backend: management.backend(),
                queue: management.name(),
            };
            app.metrics.0.observe_stats(source, &stats);
        }
        // What was counted here is still worth showing; the gauges keep their last value.
        Ok(Err(error)) => tracing::warn!(%error, "the queue does not say how full it is"),
        Err(_) => tracing::warn!("the queue does not say in time how full it is"),
    }
    (
        [(header::CONTENT_TYPE, CONTENT_TYPE)],
        app.metrics.0.encode(),
    )
        .into_response()
}
