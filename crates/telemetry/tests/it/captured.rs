//! Everything that is logged on this thread, at every level, as JSON.

use std::io;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// Logs of this thread come here until the guard is dropped.
    pub(crate) fn install(&self) -> DefaultGuard {
        listen_everywhere();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(LevelFilter::TRACE)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// One value per event.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        let text = self.text();
        let lines = text.lines();
        lines.map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}

/// Lets no place in the code believe that nobody listens: the first to log there may be a test without a subscriber, and what
/// it finds holds for all of the process (tokio-rs/tracing#3611).
pub(crate) fn listen_everywhere() {
    // Another test may have done so.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
