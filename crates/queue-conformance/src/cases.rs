//! The cases, one file for each group.
//!
//! A case that is not listed here is dead code, and the compiler says so.

pub(crate) mod round_trip;

/// Hands the list of all cases to another macro of this crate, after that macro's own arguments.
#[doc(hidden)]
#[macro_export]
macro_rules! __cases {
    ([$($callback:tt)+] $arguments:tt) => {
        $($callback)+! { $arguments
            round_trip {
                what_is_published_is_received_as_it_was
                a_payload_is_never_inspected
            }
        }
    };
}
