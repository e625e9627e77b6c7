//! Free ports on the loopback interface.

pub use forebay_xtask::port::free;
