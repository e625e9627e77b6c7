//! What the environment says, read once at the start.

use std::net::SocketAddr;
use std::time::Duration;

use forebay::core::Error as ForebayError;
use forebay::{QueueName, QueueOptions, RetryPolicy, Settings};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::token::Token;

mod variables;

pub use variables::VARIABLES;

/// Everything that [`VARIABLES`] lists, typed.
///
/// `Debug` shows neither tokens nor the database's URL.
#[derive(Clone)]
pub struct ServerSettings {
    /// Where to listen. Port 0 picks one.
    pub http_addr: SocketAddr,
    /// The queue's name.
    pub queue_name: QueueName,
    /// Backend, durability and configuration of the queue.
    pub queue: QueueOptions,
    /// `sqlite://…` or `postgres://…`.
    pub database_url: String,
    /// Whether this process works on messages too.
    pub worker_enabled: bool,
    /// How many messages are worked on at once.
    pub worker_concurrency: usize,
    /// When failed attempts are followed by others.
    pub retry: RetryPolicy,
    /// How long a shutdown may take.
    pub shutdown_timeout: Duration,
    /// Guards the dead letters; without it they are not served.
    pub admin_token: Option<Token>,
    /// Guards the rest of `/api`.
    pub api_token: Option<Token>,
    /// What is logged, in the syntax of `RUST_LOG`; valid.
    pub log_filter: String,
    /// How it is written.
    pub log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const YEAR: Duration = Duration::from_hours(365 * 24);

impl ServerSettings {
    /// Reads the settings; what is not set has its default.
    ///
    /// # Errors
    /// The first wrong value, in one line: variable, value (credentials withheld) and what is allowed.
    pub fn from_settings(settings: &Settings) -> Result<Self, ForebayError> {
        let queue_name = settings.parse_with(
            "QUEUE_NAME",
            "1 to 100 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit",
            |text| QueueName::new(text).ok(),
        )?;
        let api_token = token(settings, "API_TOKEN")?;
        Ok(Self {
            http_addr: http_addr(settings, api_token.is_some())?,
            queue_name: queue_name.unwrap_or(QueueName::from_static("outbound-messages")),
            queue: QueueOptions::from_settings(settings)?,
            database_url: database_url(settings)?,
            worker_enabled: settings.flag("WORKER_ENABLED")?.unwrap_or(true),
            worker_concurrency: settings
                .number("WORKER_CONCURRENCY", 1, 10_000)?
                .unwrap_or(16),
            retry: retry(settings)?,
            shutdown_timeout: settings
                .duration("SHUTDOWN_TIMEOUT", Duration::from_millis(100), HOUR)?
                .unwrap_or(30 * SECOND),
            admin_token: token(settings, "ADMIN_TOKEN")?,
            api_token,
            log_filter: log_filter(settings)?,
            log_format: log_format(settings)?,
        })
    }
}

impl std::fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerSettings")
            .field("http_addr", &self.http_addr)
            .field("queue_name", &self.queue_name)
            .field("queue", &self.queue)
            .field("worker_enabled", &self.worker_enabled)
            .field("worker_concurrency", &self.worker_concurrency)
            .field("retry", &self.retry)
            .field("shutdown_timeout", &self.shutdown_timeout)
            .field("log_format", &self.log_format)
            .finish_non_exhaustive()
    }
}

/// An address that others can reach needs a token, or a word that none is meant.
fn http_addr(settings: &Settings, has_token: bool) -> Result<SocketAddr, ForebayError> {
    let insecure = settings.flag("INSECURE_PUBLIC")?.unwrap_or(false);
    let allowed = "an IP address with a port, such as 127.0.0.1:8080";
    let address = settings.parse("HTTP_ADDR", allowed)?;
    let address = address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
    if address.ip().to_canonical().is_loopback() || has_token || insecure {
        return Ok(address);
    }
    let allowed = "a loopback address, unless API_TOKEN is set or INSECURE_PUBLIC=true says that none is meant";
    settings.parse_with("HTTP_ADDR", allowed, |_| None::<SocketAddr>)?;
    Ok(address)
}

fn database_url(settings: &Settings) -> Result<String, ForebayError> {
    let supported = |url: &str| {
        let schemes = ["sqlite:", "postgres://", "postgresql://"];
        schemes
            .iter()
            .any(|scheme| url.starts_with(scheme))
            .then(|| url.to_owned())
    };
    let url = settings.secret("DATABASE_URL", variables::DATABASE_URL, supported)?;
    Ok(url.unwrap_or_else(|| "sqlite://data/messages.db".to_owned()))
}

fn token(settings: &Settings, name: &str) -> Result<Option<Token>, ForebayError> {
    settings.secret(name, variables::TOKEN, Token::new)
}

fn retry(settings: &Settings) -> Result<RetryPolicy, ForebayError> {
    let attempts = settings.number("RETRY_MAX_ATTEMPTS", 1, 1_000_u32)?;
    let age = settings.duration("RETRY_MAX_AGE", SECOND, YEAR)?;
    let millisecond = Duration::from_millis(1);
    let base = settings.duration("RETRY_BACKOFF_BASE", millisecond, HOUR)?;
    let base = base.unwrap_or(SECOND);
    let cap = settings.duration("RETRY_BACKOFF_CAP", base, 24 * HOUR)?;
    // The default follows a base that is larger than it.
    let cap = cap.unwrap_or(base.max(Duration::from_mins(15)));
    Ok(RetryPolicy::default()
        .max_attempts(attempts.unwrap_or(10))
        .max_age(age.unwrap_or(72 * HOUR))
        .base(base)
        .cap(cap))
}

fn log_filter(settings: &Settings) -> Result<String, ForebayError> {
    // The filter takes any other word for the name of a target, and would then log nothing at all.
    let is_level = |part: &str| {
        let is_word = part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        !is_word || part.parse::<LevelFilter>().is_ok()
    };
    let filter = settings.parse_with("RUST_LOG", variables::RUST_LOG, |text| {
        let parts = text.split(',').map(str::trim).all(is_level);
        let valid = parts && EnvFilter::builder().parse(text).is_ok();
        valid.then(|| text.to_owned())
    })?;
    Ok(filter.unwrap_or_else(|| "info".to_owned()))
}

fn log_format(settings: &Settings) -> Result<LogFormat, ForebayError> {
    let format = settings.parse_with("LOG_FORMAT", "pretty or json", |text| match text {
        "pretty" => Some(LogFormat::Pretty),
        "json" => Some(LogFormat::Json),
        _ => None,
    })?;
    Ok(format.unwrap_or_default())
}

#[cfg(test)]
mod tests;
