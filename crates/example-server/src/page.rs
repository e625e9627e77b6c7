//! A page of a list.

use serde::Serialize;
use utoipa::ToSchema;

/// One page of a list, and where the next one starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The page's items, in the order of the list.
    pub items: Vec<T>,
    /// Opaque; given back as `cursor` it answers the next page. `null` on the last page.
    pub next_cursor: Option<String>,
}
