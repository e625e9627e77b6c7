use std::sync::Arc;

use forebay_queue_core::{
    Environment, Error, Observer, Observers, QueueConfig, QueueName, Registry, Settings,
};
use forebay_worker::Connection;

use crate::QueueOptions;

/// Connects to a queue: settings, backends, observers, time.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), forebay::Error> {
/// use forebay::{Connector, Settings};
///
/// let settings = Settings::from_iter([("QUEUE_BACKEND", "memory"), ("QUEUE_CAPACITY", "500")]);
/// let queue = Connector::new(settings).connect("emails").await?;
/// assert_eq!(queue.management().stats().await?.capacity, 500);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Connector {
    settings: Settings,
    registry: Registry,
    environment: Environment,
    observers: Observers,
}

impl Connector {
    /// A connector with settings, the backends of this build and the machine's clock.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            registry: crate::registry(),
            environment: Environment::system(),
            observers: Observers::none(),
        }
    }

    /// The same with the process's environment variables as settings. A value that is no UTF-8 is kept with
    /// replacement characters, so that reading it names it.
    pub fn from_env() -> Self {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        Self::new(
            std::env::vars_os()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        )
    }

    /// Another set of backends.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Another clock and randomness.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// One more observer, of the queue and of the workers on it.
    #[must_use]
    pub fn observe(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers = self.observers.with(observer);
        self
    }

    /// The settings.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Connects to a queue, and creates it if there is none.
    ///
    /// Logs what the backend really guarantees here, and stops where that is less than `QUEUE_DURABILITY`.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] (also for a backend that is not part of this build, and for a durability that is not
    /// met), [`Error::ConfigMismatch`], [`Error::Invalid`] for a bad name, [`Error::Unavailable`].
    ///
    /// # Cancel safety
    /// Dropping the future may leave the queue created.
    pub async fn connect(&self, queue: &str) -> Result<Connection, Error> {
        let name = QueueName::new(queue)?;
        let options = QueueOptions::from_settings(&self.settings)?;
        self.connect_with(name, options).await
    }

    async fn connect_with(
        &self,
        name: QueueName,
        options: QueueOptions,
    ) -> Result<Connection, Error> {
        let backend = self
            .registry
            .connect(
                &options.backend,
                self.settings.clone(),
                self.environment.clone(),
                self.observers.clone(),
            )
            .await
            .map_err(|error| name_variable(error, &options.backend))?;
        let guarantees = backend.probe().await?;
        if let Some(demand) = options.durability {
            let met = guarantees.enforce(backend.name(), demand);
            met.map_err(|error| name_variable(error, &demand.to_string()))?;
        }
        tracing::info!(
            backend = backend.name(),
            queue = %name,
            durability = %guarantees,
            detail = guarantees.detail,
            "connected"
        );
        let config: Option<QueueConfig> = Some(options.config);
        let connection = Connection::open(
            backend,
            name,
            config,
            self.environment.clone(),
            self.observers.clone(),
        );
        Ok(connection.await?.with_publish_wait(options.publish_wait))
    }
}

/// A backend that there is not, or that gives less than is demanded, is a wrong value of a variable, and said like one.
fn name_variable(error: Error, value: &str) -> Error {
    let (name, allowed) = match error {
        Error::UnknownBackend { known, .. } => ("QUEUE_BACKEND", known),
        Error::BackendNotBuilt { feature, .. } => (
            "QUEUE_BACKEND",
            format!("a backend of this build; the feature {feature:?} adds this one"),
        ),
        Error::DurabilityNotMet { backend, found, .. } => (
            "QUEUE_DURABILITY",
            format!("what the backend {backend} gives here: {found}"),
        ),
        other => return other,
    };
    Error::InvalidSetting {
        name: name.to_owned(),
        value: value.chars().take(40).filter(|c| !c.is_control()).collect(),
        allowed,
    }
}

/// Connects to the queue of this name as the environment says; `QUEUE_BACKEND` chooses the backend, `memory` where it is
/// not set. [`VARIABLES`](crate::VARIABLES) lists what is read.
///
/// # Errors
/// As [`Connector::connect`].
pub async fn connect_from_env(queue: &str) -> Result<Connection, Error> {
    Connector::from_env().connect(queue).await
}
