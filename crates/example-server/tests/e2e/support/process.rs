//! A program as a child process.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// A running program. Dropping it kills it.
pub(crate) struct Process {
    pub(crate) output: Output,
    child: Child,
    readers: Vec<JoinHandle<()>>,
    /// Its working folder, kept to be removed.
    _folder: TempDir,
}

impl Process {
    /// Starts it in an empty folder, with no variable of the caller's.
    pub(crate) fn spawn(program: &str, arguments: &[String], env: &[(String, String)]) -> Self {
        let folder = TempDir::new().unwrap();
        let variables = env.iter().map(|(name, value)| (name, value));
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(variables)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = Output::default();
        let readers = vec![
            collect(child.stdout.take().unwrap(), &output.stdout),
            collect(child.stderr.take().unwrap(), &output.stderr),
        ];
        Self {
            child,
            _folder: folder,
            output,
            readers,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it was not waited for yet")
    }

    /// The status with which it has ended; `None` while it runs.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Ends it at once, as a crash would, and waits for that.
    pub(crate) async fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.ended(Duration::from_secs(10)).await;
    }

    /// Waits for its end and for all it printed.
    pub(crate) async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let waited = tokio::time::timeout(limit, self.child.wait()).await;
        let status = waited.unwrap_or_else(|_| panic!("it did not end within {limit:?}"));
        for reader in self.readers.drain(..) {
            reader.await.unwrap();
        }
        status.unwrap()
    }

    /// Asks it to stop, and asserts that it does, with status 0. Answers how long it took.
    pub(crate) async fn stop(&mut self, limit: Duration) -> Duration {
        let start = Instant::now();
        self.terminate();
        let status = self.ended(limit).await;
        assert_eq!(status.code(), Some(0), "{status}");
        start.elapsed()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap());
        kill(pid, signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let all = self.output.all();
            for line in &all[all.len().saturating_sub(40)..] {
                eprintln!("it printed: {line}");
            }
        }
    }
}

type Lines = Arc<Mutex<Vec<String>>>;

/// What it printed so far.
#[derive(Clone, Default)]
pub(crate) struct Output {
    stdout: Lines,
    stderr: Lines,
}

impl Output {
    /// Every line: standard output, then standard error.
    pub(crate) fn all(&self) -> Vec<String> {
        let mut lines = self.stdout.lock().clone();
        lines.extend(self.stderr.lock().iter().cloned());
        lines
    }

    /// Standard output and standard error, each as one text.
    pub(crate) fn texts(&self) -> (String, String) {
        let text = |lines: &Lines| lines.lock().join("\n");
        (text(&self.stdout), text(&self.stderr))
    }

    /// The log's records, if it writes JSON.
    pub(crate) fn records(&self) -> Vec<Value> {
        let lines = self.all();
        lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The number in this field of the only warning that has it.
    pub(crate) fn warned(&self, field: &str) -> Option<u64> {
        let records = self.records();
        let warnings = records.iter().filter(|record| record["level"] == "WARN");
        let mut numbers = warnings.filter_map(|record| record[field].as_u64());
        let number = numbers.next();
        assert_eq!(numbers.next(), None, "two warnings have {field}");
        number
    }
}

fn collect(stream: impl AsyncRead + Send + Unpin + 'static, lines: &Lines) -> JoinHandle<()> {
    let lines = lines.clone();
    tokio::spawn(async move {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream
            .read_until(b'\n', &mut line)
            .await
            .is_ok_and(|n| n > 0)
        {
            let text = String::from_utf8_lossy(&line);
            lines.lock().push(text.trim_end().to_owned());
            line.clear();
        }
    })
}
