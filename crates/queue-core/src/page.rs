/// Where a listing goes on: opaque bytes from the page before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Box<[u8]>);

impl Cursor {
    /// A cursor from the bytes that the backend made.
    pub fn from_bytes(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Which part of a listing is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The most items; 1 to [`PageRequest::MAX_LIMIT`].
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<Cursor>,
}

impl PageRequest {
    /// The most items that one page may hold.
    pub const MAX_LIMIT: usize = 1000;

    /// The first page.
    pub const fn first(limit: usize) -> Self {
        Self { limit, after: None }
    }

    /// The page that begins after a cursor.
    pub const fn after(limit: usize, cursor: Cursor) -> Self {
        Self {
            limit,
            after: Some(cursor),
        }
    }
}

/// A part of a listing. Items that appear or vanish meanwhile neither repeat nor hide others.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}
