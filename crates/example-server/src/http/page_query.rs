//! `limit` and `cursor` of a list.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::problem::{Problem, ProblemKind};
use crate::store::PAGE_MAX;

const PAGE_DEFAULT: u32 = 50;

/// Which page of a list is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// The most items: 1 to 200.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub(super) limit: u32,
    /// `nextCursor` of the page before.
    pub(super) cursor: Option<String>,
}

const fn default_limit() -> u32 {
    PAGE_DEFAULT
}

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let invalid = || {
            let detail = format!("`limit` must be 1 to {PAGE_MAX}, `cursor` one text.");
            Problem::new(ProblemKind::InvalidPage).detail(detail)
        };
        let query = Query::<Self>::from_request_parts(parts, state).await;
        let Query(page) = query.map_err(|_| invalid())?;
        if (1..=PAGE_MAX).contains(&page.limit) {
            Ok(page)
        } else {
            Err(invalid())
        }
    }
}
