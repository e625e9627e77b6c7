//! What is wrong with one field of a request.

use serde::Serialize;
use utoipa::ToSchema;

/// One invalid field: where it is, and what is expected there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// A JSON pointer (RFC 6901) into the request's body; empty for the body as a whole.
    pub pointer: String,
    /// What is expected there. Never repeats what was sent.
    pub detail: String,
}

impl FieldError {
    /// An error at the pointer.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}

/// The pointer one step below: `name` escaped by RFC 6901 (`~` as `~0`, `/` as `~1`).
pub fn pointer(parent: &str, name: &str) -> String {
    format!("{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        assert_eq!(pointer("", "a/b~c~1"), "/a~1b~0c~01");
        assert_eq!(pointer("/metadata", ""), "/metadata/");
    }
}
