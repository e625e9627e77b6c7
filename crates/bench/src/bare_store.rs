mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use bytes::Bytes;
use forebay::{Durability, QueueName};
use forebay_queue_embedded::storage::{Storage, StorageError, Store};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::coop::consume_budget;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::forebay_queue::directory_in;
use crate::job::Job;
use crate::load::Load;
use crate::subject::{Publisher, RawCaller, Site, Subject};

use writer::{Answer, Delivery, Request, Writer};

/// The ceiling of the embedded backend: one thread that gathers what callers hand it into one batch for the same store, with
/// one sync for all of them, and writes what a queue must: each message, its lease, and their end. What it hands out it has in
/// memory. No engine, no receipts, no retries, no delays, no limit, no recovery.
#[derive(Clone, Debug)]
pub struct BareStore {
    name: &'static str,
    folder: PathBuf,
    durability: Durability,
    open: fn(&Path) -> Result<Arc<dyn Storage>, StorageError>,
}

impl BareStore {
    /// On SQLite. Each round makes a directory in the folder; `sync` is as `QUEUE_SYNC`.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(folder: &Path, sync: &str) -> Self {
        use forebay_queue_embedded::storage::SqliteStorage;
        Self::new("bare-sqlite", folder, sync, |path| {
            Ok(Arc::new(SqliteStorage::open(path)?))
        })
    }

    /// On `RocksDB`, in the same way.
    #[cfg(feature = "rocksdb")]
    pub fn rocksdb(folder: &Path, sync: &str) -> Self {
        use forebay_queue_embedded::storage::RocksDbStorage;
        Self::new("bare-rocksdb", folder, sync, |path| {
            Ok(Arc::new(RocksDbStorage::open(path)?))
        })
    }

    fn new(
        name: &'static str,
        folder: &Path,
        sync: &str,
        open: fn(&Path) -> Result<Arc<dyn Storage>, StorageError>,
    ) -> Self {
        let durability = match sync {
            "always" => Durability::Fsynced,
            _ => Durability::Buffered,
        };
        Self {
            name,
            folder: folder.to_owned(),
            durability,
            open,
        }
    }
}

impl Subject for BareStore {
    type Site = StoreSite;

    fn name(&self) -> &'static str {
        self.name
    }

    async fn open(&self, _: &Load) -> Result<StoreSite> {
        let directory = directory_in(&self.folder)?;
        let (path, open) = (directory.path().to_owned(), self.open);
        let store = Store::new(spawn_blocking(move || open(&path)).await??);
        let queue = QueueName::new("bench")?;
        let (requests, writer) = Writer::start(store.clone(), queue.clone(), self.durability)?;
        Ok(StoreSite {
            requests,
            writer,
            store,
            queue,
            directory,
        })
    }
}

/// A store of one round.
#[derive(Debug)]
pub struct StoreSite {
    requests: Sender<Request>,
    writer: JoinHandle<()>,
    store: Store,
    queue: QueueName,
    directory: TempDir,
}

impl Site for StoreSite {
    type Publisher = StoreCaller;
    type RawCaller = StoreCaller;

    fn publisher(&self) -> StoreCaller {
        StoreCaller(self.requests.clone())
    }

    async fn raw_caller(&self, _: &Load) -> Result<StoreCaller> {
        Ok(self.publisher())
    }

    async fn fill(&self, load: &Load, payloads: impl Iterator<Item = Bytes> + Send) -> Result<()> {
        let mut caller = self.publisher();
        let mut payloads = payloads.peekable();
        while payloads.peek().is_some() {
            let batch = payloads.by_ref().take(load.batch).collect();
            RawCaller::publish(&mut caller, batch).await?;
        }
        Ok(())
    }

    /// One consumer of batches: while one is being acked, the next is taken and handled.
    async fn work(&self, load: &'static Load) -> Result<()> {
        let caller = self.publisher();
        let stalled = async {
            load.tally.done_or_stalled().await;
            if load.tally.is_done() {
                // The consumer has still to ack.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = stalled => Ok(()),
            ended = consume(&caller, load) => ended,
        }
    }

    /// Counts what the store itself has left.
    async fn sweep(self, load: &Load) -> Result<()> {
        drop(self.requests);
        let Self { writer, store, .. } = self;
        let ended = spawn_blocking(move || writer.join()).await?;
        ensure!(ended.is_ok(), "the writer panicked");
        let queue = self.queue;
        let read = spawn_blocking(move || -> Result<Vec<Bytes>> {
            let left = payloads(&store, &queue)?;
            let leased = store.leases(&queue, None, 1)?.len();
            ensure!(leased == 0, "after the round there are leases");
            store.storage().close()?;
            Ok(left)
        });
        for payload in read.await?? {
            count(load, &payload)?;
        }
        Ok(self.directory.close()?)
    }
}

/// Hands requests to the writer.
#[derive(Clone, Debug)]
pub struct StoreCaller(Sender<Request>);

impl StoreCaller {
    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T> {
        self.send(request)?.await.context("the writer ended")?
    }

    fn send<T>(
        &self,
        request: impl FnOnce(Answer<T>) -> Request,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        let (answer, answered) = oneshot::channel();
        let sent = self.0.send(request(answer));
        sent.map_err(|_| anyhow!("the writer ended"))?;
        Ok(answered)
    }
}

impl Publisher for StoreCaller {
    async fn publish(&mut self, job: Job) -> Result<()> {
        let payload = serde_json::to_vec(&job)?;
        RawCaller::publish(self, vec![payload.into()]).await
    }
}

impl RawCaller for StoreCaller {
    async fn publish(&mut self, payloads: Vec<Bytes>) -> Result<()> {
        self.ask(|answer| Request::Publish(payloads, answer)).await
    }

    async fn take(&mut self, load: &Load, max: usize, wait: Duration) -> Result<usize> {
        let may_wait = !wait.is_zero();
        let mut answer = self.send(|answer| Request::Take {
            max,
            may_wait,
            answer,
        })?;
        let taken = if may_wait {
            if let Ok(taken) = timeout(wait, &mut answer).await {
                taken
            } else {
                // It may have come at this very moment.
                answer.close();
                answer.try_recv().map_or(Ok(Ok(Vec::new())), Ok)
            }
        } else {
            answer.await
        };
        let taken = taken.context("the writer ended")??;
        for delivery in &taken {
            count(load, delivery.message.payload())?;
        }
        let count = taken.len();
        if count > 0 {
            self.ask(|answer| Request::Ack(taken, answer)).await?;
        }
        Ok(count)
    }
}

/// Until every message has come, and was acked.
async fn consume(caller: &StoreCaller, load: &'static Load) -> Result<()> {
    let mut acked: Option<oneshot::Receiver<Result<()>>> = None;
    loop {
        let taken: Vec<Delivery> = caller
            .ask(|answer| Request::Take {
                max: BATCH,
                may_wait: true,
                answer,
            })
            .await?;
        for delivery in &taken {
            let job: Job = serde_json::from_slice(delivery.message.payload())?;
            load.handle(&job);
        }
        if let Some(acked) = acked.take() {
            acked.await.context("the writer ended")??;
        }
        let last = caller.send(|answer| Request::Ack(taken, answer))?;
        if load.tally.is_done() {
            return last.await.context("the writer ended")?;
        }
        acked = Some(last);
        // The publishers of this thread want to run as well.
        consume_budget().await;
    }
}

fn count(load: &Load, payload: &[u8]) -> Result<()> {
    let number = Job::number_of(payload).context("a payload came back changed")?;
    load.tally.count(number);
    Ok(())
}

/// Of every message that the store has.
fn payloads(store: &Store, queue: &QueueName) -> Result<Vec<Bytes>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.messages(queue, after.as_ref(), PAGE)?;
        for (key, _) in &page {
            let Some(payload) = store.payload(key)? else {
                bail!("a message lost its payload");
            };
            all.push(payload);
        }
        let Some((last, _)) = page.into_iter().next_back() else {
            return Ok(all);
        };
        after = Some(last);
    }
}

/// Messages that the consumer takes at once.
const BATCH: usize = 128;
/// Messages that are read at once.
const PAGE: usize = 1_000;
