//! The measuring tool of forebay: any backend, any mode, beside the bare ceiling.
//!
//! A [`Subject`] is what is measured: forebay, or the bare store. The [`Mode`]s are written once, for all subjects, so
//! both sides of a comparison do the same with the same [`Load`]. `docs/performance.md` says how to read the figures.

mod arguments;
mod bare_channel;
#[cfg(any(feature = "sqlite", feature = "rocksdb"))]
mod bare_store;
mod baseline;
mod bench;
mod clock;
mod embedded_peers_table;
mod forebay_queue;
mod job;
mod latencies;
mod load;
mod mode;
mod output;
mod peers_table;
mod percentiles;
mod progress;
mod round;
mod statistics;
mod subject;
mod summary;
mod tally;

pub use arguments::Arguments;
pub use bare_channel::{BareChannel, ChannelSite};
#[cfg(any(feature = "sqlite", feature = "rocksdb"))]
pub use bare_store::{BareStore, StoreCaller, StoreSite};
pub use baseline::{Side, baseline};
pub use bench::Bench;
pub use clock::Took;
pub use embedded_peers_table::embedded_peers_table;
pub use forebay_queue::{ForebayQueue, ForebaySite, RawSession};
pub use job::{Job, Jobs};
pub use latencies::Latencies;
pub use load::Load;
pub use mode::Mode;
pub use output::{json_line, table};
pub use peers_table::peers_table;
pub use percentiles::Percentiles;
pub use progress::Progress;
pub use round::Round;
pub use subject::{Publisher, RawCaller, Site, Subject};
pub use summary::Summary;
pub use tally::Tally;
