use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::{Backend, Environment, Error, Observers, Settings, guarded, observed};

/// Makes a backend from settings.
pub type Connect = fn(
    Settings,
    Environment,
) -> Pin<Box<dyn Future<Output = Result<Arc<dyn Backend>, Error>> + Send>>;

/// The backends of a build, by name. A value, not a global: whoever wants another set makes one.
#[derive(Clone, Default)]
pub struct Registry {
    entries: BTreeMap<&'static str, Entry>,
}

#[derive(Clone, Copy)]
enum Entry {
    Built(Connect),
    NotBuilt { feature: &'static str },
}

impl Registry {
    /// No backends.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a backend.
    #[must_use]
    pub fn with(mut self, name: &'static str, connect: Connect) -> Self {
        self.entries.insert(name, Entry::Built(connect));
        self
    }

    /// Adds a backend that exists but is not part of this build, so that asking for it says how to get it.
    #[must_use]
    pub fn without(mut self, name: &'static str, feature: &'static str) -> Self {
        self.entries.insert(name, Entry::NotBuilt { feature });
        self
    }

    /// The names of the backends that are built in, in order.
    pub fn names(&self) -> Vec<&'static str> {
        let built = |(name, entry): (&&'static str, &Entry)| {
            matches!(entry, Entry::Built(_)).then_some(*name)
        };
        self.entries.iter().filter_map(built).collect()
    }

    /// Connects to a backend by name, refuses what it lacks, and lets the observers see every call.
    ///
    /// # Errors
    /// [`Error::UnknownBackend`], [`Error::BackendNotBuilt`], and whatever the backend answers.
    pub async fn connect(
        &self,
        name: &str,
        settings: Settings,
        environment: Environment,
        observers: Observers,
    ) -> Result<Arc<dyn Backend>, Error> {
        match self.entries.get(name) {
            Some(Entry::Built(connect)) => {
                let backend = connect(settings, environment).await?;
                Ok(observed(guarded(backend), observers))
            }
            Some(Entry::NotBuilt { feature }) => Err(Error::BackendNotBuilt {
                name: name.to_owned(),
                feature,
            }),
            None => Err(Error::UnknownBackend {
                name: name.chars().take(40).collect(),
                known: self.names().join(", "),
            }),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
