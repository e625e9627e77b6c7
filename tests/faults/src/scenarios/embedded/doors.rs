//! Directories that an embedded queue cannot have: in use, read-only, somebody else's, or of a later version.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use forebay::core::Error;
use forebay::{Connector, Settings};
use forebay_queue_embedded::storage::StorageError;

use super::damage::names;
use super::resident::Resident;
use crate::child::Child;
use crate::disk::MemoryDisk;
use crate::ground::Ground;
use crate::role::{Consuming, Orders, Role};
use crate::store::{self, QUEUE, Store};
use crate::verdict::{Bound, Verdict};

const MANIFEST: &str = "forebay.store";

pub(crate) async fn run(ground: &Ground) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    for store in Store::ALL {
        let folder = ground.folder().join(store.name());
        fs::create_dir(&folder)?;
        let refused = [
            in_use(*store, &folder).await.context("in use")?,
            foreign(*store, &folder).await.context("somebody else's")?,
            newer(*store, &folder).await.context("newer")?,
            unnamed(*store).await.context("without a name")?,
            read_only(*store).await.context("read-only")?,
        ];
        let refused: u64 = refused.iter().sum();
        let name = format!("{store}: refused with a typed error that names the directory");
        // The read-only one is there where disks may be mounted.
        verdict.expect(name, refused, Bound::at_least(6));
    }
    Ok(verdict)
}

/// By a process of its own, and by another handle in this one.
async fn in_use(store: Store, folder: &Path) -> Result<u64> {
    let path = folder.join("used");
    let first = Resident::open(store, &path, &[]).await?;
    let error = refusal(store, &path).await?;
    is(&error, |error| matches!(error, StorageError::Locked { .. }))?;
    let orders = Orders {
        number: 1,
        queue: QUEUE.to_owned(),
        history: folder.join("second.jsonl"),
        role: Role::Consume(Consuming { hold_ms: 0 }),
    };
    let quiet = [("RUST_BACKTRACE", "0")];
    let variables: Vec<_> = store.variables(&path, &quiet).collect();
    let mut second = Child::start(&orders, &variables)?;
    let Err(ended) = second.ready().await else {
        bail!("a second process has opened it");
    };
    let said = format!("{ended:#}");
    ensure!(
        said.contains("in use by another process") && said.contains(&*path.to_string_lossy()),
        "{said}"
    );
    // The first one has taken no harm.
    ensure!(first.live().await? == 0 && first.is_up().await);
    first.judge().await?;
    Ok(2)
}

async fn foreign(store: Store, folder: &Path) -> Result<u64> {
    let strange = folder.join("strange");
    fs::create_dir(&strange)?;
    fs::write(strange.join("notes.txt"), "mine")?;
    let of_another = folder.join("another");
    Resident::open(store, &of_another, &[])
        .await?
        .judge()
        .await?;
    alter(&of_another, store.name(), "other")?;
    let file = strange.join("notes.txt");
    for path in [&strange, &of_another, &file] {
        let error = refusal(store, path).await?;
        is(&error, |error| {
            matches!(error, StorageError::Foreign { .. })
        })?;
    }
    ensure!(fs::read(&file)? == b"mine", "a foreign file was changed");
    ensure!(
        fs::read_dir(&strange)?.count() == 1,
        "a file was left there"
    );
    Ok(3)
}

async fn newer(store: Store, folder: &Path) -> Result<u64> {
    let path = folder.join("newer");
    Resident::open(store, &path, &[]).await?.judge().await?;
    alter(&path, "layout 1", "layout 2")?;
    let error = refusal(store, &path).await?;
    is(&error, |error| {
        matches!(
            error,
            StorageError::UnknownVersion {
                version: 2,
                known: 1,
                ..
            }
        )
    })?;
    Ok(1)
}

/// No directory at all is a wrong setting.
async fn unnamed(store: Store) -> Result<u64> {
    let settings: Settings = [("QUEUE_BACKEND", store.name())].into_iter().collect();
    let connector = Connector::new(settings).registry(store::registry());
    let answer = connector.connect(QUEUE).await;
    let is_said = matches!(
        &answer,
        Err(Error::InvalidSetting { name, .. }) if name == "QUEUE_PATH"
    );
    ensure!(is_said, "{answer:?}");
    Ok(0)
}

async fn read_only(store: Store) -> Result<u64> {
    let disk = match MemoryDisk::new(32 << 20)? {
        Ok(disk) => disk,
        Err(refused) => {
            eprintln!("a read-only directory: SKIPPED: {refused}");
            return Ok(0);
        }
    };
    let there = disk.path().join("there");
    Resident::open(store, &there, &[]).await?.judge().await?;
    disk.read_only()?;
    for path in [&there, &disk.path().join("new")] {
        let error = refusal(store, path).await?;
        is(&error, |error| {
            matches!(error, StorageError::ReadOnly { .. })
        })?;
    }
    Ok(2)
}

/// The error of an open, which names the directory.
async fn refusal(store: Store, path: &Path) -> Result<Error> {
    let connector =
        Connector::new(store.variables(path, &[]).collect()).registry(store::registry());
    let Err(error) = connector.connect(QUEUE).await else {
        bail!("{} was opened", path.display());
    };
    names(&error, path)?;
    Ok(error)
}

/// Whether it is the right one.
fn is(error: &Error, right: impl Fn(&StorageError) -> bool) -> Result<()> {
    let is_right = store::cause(error).is_some_and(right);
    ensure!(is_right, "another error: {error:?}");
    Ok(())
}

fn alter(path: &Path, from: &str, to: &str) -> Result<()> {
    let path = path.join(MANIFEST);
    let text = fs::read_to_string(&path)?;
    ensure!(text.contains(from), "{text}");
    Ok(fs::write(path, text.replace(from, to))?)
}
