use anyhow::{Context as _, Result};
use bytes::Bytes;
use forebay_bench::{Load, Site, Subject};
use redis::aio::MultiplexedConnection;
use redis::{Client, cmd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Takes the server's processor time of the part of a round that the clock covers: together with the client's it is the figure
/// that other programs of the machine disturb least.
pub(crate) struct Meter {
    connection: MultiplexedConnection,
    span: Mutex<(Duration, Duration)>,
}

impl Meter {
    /// Connects to the server.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub(crate) async fn open(url: &str) -> Result<Arc<Self>> {
        let client = Client::open(url)?;
        let connection = client.get_multiplexed_async_connection().await;
        Ok(Arc::new(Self {
            connection: connection.context("the server cannot be reached")?,
            span: Mutex::default(),
        }))
    }

    /// What the server was busy for.
    pub(crate) fn busy(&self) -> Duration {
        let (start, end) = *self.span.lock().unwrap_or_else(PoisonError::into_inner);
        end.saturating_sub(start)
    }

    async fn start(&self) -> Result<()> {
        let now = self.read().await?;
        *self.span.lock().unwrap_or_else(PoisonError::into_inner) = (now, now);
        Ok(())
    }

    async fn stop(&self) -> Result<()> {
        let now = self.read().await?;
        self.span.lock().unwrap_or_else(PoisonError::into_inner).1 = now;
        Ok(())
    }

    async fn read(&self) -> Result<Duration> {
        let mut connection = self.connection.clone();
        let info: String = cmd("INFO").arg("cpu").query_async(&mut connection).await?;
        Ok(busy_of(&info))
    }
}

/// Its threads, in user and system mode.
fn busy_of(info: &str) -> Duration {
    let names = ["used_cpu_user:", "used_cpu_sys:"];
    let seconds = names.map(|name| {
        let value = info.lines().find_map(|line| line.strip_prefix(name));
        value
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(0.0)
    });
    Duration::from_secs_f64(seconds.iter().sum())
}

/// A subject with a meter.
pub(crate) struct Metered<S> {
    /// Whose rounds are measured.
    pub(crate) subject: S,
    /// What measures.
    pub(crate) meter: Arc<Meter>,
}

impl<S: Subject> Subject for Metered<S> {
    type Site = MeteredSite<S::Site>;

    fn name(&self) -> &'static str {
        self.subject.name()
    }

    async fn open(&self, load: &Load) -> Result<Self::Site> {
        let site = self.subject.open(load).await?;
        self.meter.start().await?;
        Ok(MeteredSite {
            site,
            meter: Arc::clone(&self.meter),
        })
    }
}

/// A site with a meter.
pub(crate) struct MeteredSite<S> {
    site: S,
    meter: Arc<Meter>,
}

impl<S: Site> Site for MeteredSite<S> {
    type Publisher = S::Publisher;
    type RawCaller = S::RawCaller;

    fn publisher(&self) -> S::Publisher {
        self.site.publisher()
    }

    async fn raw_caller(&self, load: &Load) -> Result<S::RawCaller> {
        self.site.raw_caller(load).await
    }

    async fn fill(&self, load: &Load, payloads: impl Iterator<Item = Bytes> + Send) -> Result<()> {
        self.site.fill(load, payloads).await?;
        self.meter.start().await
    }

    async fn work(&self, load: &'static Load) -> Result<()> {
        self.site.work(load).await?;
        self.meter.stop().await
    }

    async fn sweep(self, load: &Load) -> Result<()> {
        // A round that only published ends here; of any other the worker has said so.
        if self.meter.busy().is_zero() {
            self.meter.stop().await?;
        }
        self.site.sweep(load).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added() {
        let info = "# CPU\r\nused_cpu_sys:1.500000\r\nused_cpu_user:2.250000\r\nused_cpu_sys_children:9.0\r\n";
        assert_eq!(busy_of(info), Duration::from_secs_f64(3.75));
        assert_eq!(busy_of(""), Duration::ZERO);
    }
}
