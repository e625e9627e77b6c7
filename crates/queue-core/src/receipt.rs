use std::fmt;

use smallvec::SmallVec;

/// What settles one delivery: opaque bytes made by the backend, with its fencing token inside.
///
/// Every delivery has its own; the receipt of an earlier delivery of the same message settles nothing.
/// Up to 40 bytes are kept without allocation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Receipt(SmallVec<[u8; 40]>);

impl Receipt {
    /// A receipt from the bytes that the backend made.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(SmallVec::from_slice(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Receipt {
    /// Prints the length only: who has the bytes can settle the delivery.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({} bytes)", self.0.len())
    }
}
