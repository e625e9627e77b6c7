//! The description of the API, and a page that shows it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::App;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Outbound messages",
        description = "Accepts messages, answers as soon as the queue has them, and persists them in the background."
    ),
    tags(
        (name = "messages", description = "Accepting messages, and following them."),
        (name = "conversations", description = "What was persisted."),
        (name = "dead letters", description = "What was given up, for administrators."),
        (name = "operations", description = "Probes, metrics and this description.")
    )
)]
struct Description;

/// The description as it is served.
#[derive(Clone, Debug)]
pub(super) struct Document(Bytes);

impl Document {
    /// # Panics
    /// Never: the description has string keys only.
    pub(super) fn new(description: &utoipa::openapi::OpenApi) -> Self {
        let json = description
            .to_json()
            .expect("a description has string keys only");
        Self(json.into())
    }
}

/// The description without its routes.
pub(super) fn description() -> utoipa::openapi::OpenApi {
    let mut description = Description::openapi();
    let bearer = |text: &str| {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        SecurityScheme::Http(scheme.description(Some(text)).build())
    };
    let components = description.components.get_or_insert_default();
    components.add_security_scheme("api", bearer("API_TOKEN, if one is configured."));
    components.add_security_scheme("admin", bearer("ADMIN_TOKEN."));
    description
}

/// The page at `/docs`. All of it is part of the program.
pub(super) fn page() -> Router<Arc<App>> {
    SwaggerUi::new("/docs")
        .config(Config::from("/openapi.json"))
        .into()
}

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json"))
)]
pub(super) async fn document(Extension(document): Extension<Document>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document.0).into_response()
}
