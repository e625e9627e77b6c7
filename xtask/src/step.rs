//! One child process after the other: named, timed, without standard input.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::interrupt::Guard;

/// Between two looks at a running program.
const POLL: Duration = Duration::from_millis(20);
/// How long the output may stay open after the step has ended, held by some process that it
/// left behind.
const OUTPUT_LIMIT: Duration = Duration::from_secs(5);

/// Runs steps and remembers how long each took.
pub struct Steps<'a> {
    guard: &'a Guard,
    done: Vec<(String, Duration)>,
    tests: Tally,
}

/// When a program with a time limit is to end.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// It is killed, and the step fails, when it still runs then.
    pub total: Duration,
    /// When to ask it to stop (SIGINT), for a program that runs until then.
    pub ask_after: Option<Duration>,
}

/// How many tests were run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl<'a> Steps<'a> {
    /// No step done yet.
    pub fn new(guard: &'a Guard) -> Self {
        Self {
            guard,
            done: Vec::new(),
            tests: Tally::default(),
        }
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    ///
    /// When it cannot be run or fails; the error names the command.
    pub fn run(&mut self, name: &str, mut command: Command) -> Result<()> {
        let started = begin(name, &command);
        let mut child = self.spawn(&mut command)?;
        let status = child.wait();
        self.guard.watch(None);
        self.end(name, &command, started, status?)
    }

    /// Runs `cargo test`, shows what it prints and counts the tests.
    ///
    /// # Errors
    ///
    /// As [`Steps::run`], and when no test was run at all.
    pub fn run_tests(&mut self, name: &str, mut command: Command) -> Result<()> {
        let started = begin(name, &command);
        command.stdout(Stdio::piped());
        let mut child = self.spawn(&mut command)?;
        let output = child.stdout.take().context("no output")?;
        let (sender, tallies) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                println!("{line}");
                if let Some(tally) = Tally::of_line(&line) {
                    // The receiver gives up when the output outlives the step.
                    let _ = sender.send(tally);
                }
            }
        });
        let status = child.wait();
        self.guard.watch(None);
        let limit = Instant::now() + OUTPUT_LIMIT;
        while let Ok(tally) = tallies.recv_timeout(limit.saturating_duration_since(Instant::now()))
        {
            self.tests.add(tally);
        }
        self.end(name, &command, started, status?)?;
        self.tests.judge().with_context(|| format!("step {name}"))
    }

    /// Runs a program that has to end by itself, or when asked to, within a limit.
    ///
    /// # Errors
    ///
    /// When it cannot be run, fails, or is still running at the limit (it is killed then).
    pub fn run_limited(&mut self, name: &str, mut command: Command, limit: Limit) -> Result<()> {
        let started = begin(name, &command);
        let mut child = self.spawn(&mut command)?;
        let status = wait_limited(&mut child, started, limit);
        self.guard.watch(None);
        match status? {
            Some(status) => self.end(name, &command, started, status),
            None => bail!(
                "step {name} was still running after {:?}: {}",
                limit.total,
                shown(&command)
            ),
        }
    }

    /// Does a part that is no child process as a step.
    ///
    /// # Errors
    ///
    /// What `part` says.
    pub fn run_inside<T>(&mut self, name: &str, part: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("=== {name}");
        let started = Instant::now();
        let value = part().with_context(|| format!("step {name} failed"))?;
        self.done.push((name.to_owned(), started.elapsed()));
        Ok(value)
    }

    /// Every step with its seconds, on one line.
    pub fn table(&self) -> String {
        let mut line = String::new();
        for (name, took) in &self.done {
            let separator = if line.is_empty() { "" } else { " | " };
            let _ = write!(line, "{separator}{name} {:.1} s", took.as_secs_f64());
        }
        line
    }

    /// How many tests were run so far.
    pub fn tests(&self) -> Tally {
        self.tests
    }

    /// In a process group of its own, so that the step can be ended with all it started.
    fn spawn(&self, command: &mut Command) -> Result<Child> {
        command.stdin(Stdio::null());
        self.guard
            .launch(command)
            .with_context(|| format!("cannot be run: {}", shown(command)))
    }

    fn end(
        &mut self,
        name: &str,
        command: &Command,
        started: Instant,
        status: ExitStatus,
    ) -> Result<()> {
        let took = started.elapsed();
        if !status.success() {
            bail!("step {name} failed ({status}): {}", shown(command));
        }
        println!("=== {name}: ok, {:.1} s", took.as_secs_f64());
        self.done.push((name.to_owned(), took));
        Ok(())
    }
}

impl Tally {
    /// Reads the line with which a test program closes.
    fn of_line(line: &str) -> Option<Self> {
        let counts = line.strip_prefix("test result: ")?;
        let (_, counts) = counts.split_once(". ")?;
        let mut tally = Self::default();
        for part in counts.split("; ") {
            let (count, what) = part.split_once(' ')?;
            match what {
                "passed" => tally.passed = count.parse().ok()?,
                "failed" => tally.failed = count.parse().ok()?,
                "ignored" => tally.ignored = count.parse().ok()?,
                _ => {}
            }
        }
        Some(tally)
    }

    /// A test that was not run is a test that failed.
    fn judge(self) -> Result<()> {
        match (self.passed, self.ignored) {
            (0, _) => bail!("not a single test was run"),
            (_, 0) => Ok(()),
            (_, skipped) => bail!("{skipped} tests are marked to be skipped"),
        }
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.ignored
        )
    }
}

fn begin(name: &str, command: &Command) -> Instant {
    println!("=== {name}: {}", shown(command));
    // The child writes to the same place without this program's buffer.
    let _ = std::io::stdout().flush();
    Instant::now()
}

/// `None`: it was still running at the limit and was killed.
fn wait_limited(child: &mut Child, started: Instant, limit: Limit) -> Result<Option<ExitStatus>> {
    let mut ask_after = limit.ask_after;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() > limit.total {
            killpg(group(child), Signal::SIGKILL)?;
            child.wait()?;
            return Ok(None);
        }
        if ask_after.is_some_and(|after| started.elapsed() > after) {
            ask_after = None;
            killpg(group(child), Signal::SIGINT)?;
        }
        thread::sleep(POLL);
    }
}

fn group(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a process id fits, the system made it"))
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let mut line = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        let _ = write!(line, " {}", argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;

    use super::*;

    #[test]
    fn a_closing_line_is_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; \
                    0 filtered out; finished in 0.01s";
        let tally = Tally::of_line(line).unwrap();
        assert_eq!(tally.to_string(), "12 passed, 3 failed, 1 skipped");
        assert_eq!(Tally::of_line("test a ... ok"), None);
    }

    #[test]
    fn a_test_that_is_not_run_has_failed() {
        let judged = |passed, ignored| {
            let failed = 0;
            Tally {
                passed,
                failed,
                ignored,
            }
            .judge()
            .is_ok()
        };
        assert!(judged(1, 0));
        assert!(!judged(0, 0));
        assert!(!judged(12, 1));
    }

    #[test]
    fn a_program_that_never_ends_is_killed_at_its_limit() {
        let mut child = Command::new("sleep")
            .arg("60")
            .process_group(0)
            .spawn()
            .unwrap();
        let limit = Limit {
            total: Duration::from_millis(50),
            ask_after: None,
        };
        assert!(
            wait_limited(&mut child, Instant::now(), limit)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_program_that_runs_until_a_signal_is_asked_to_stop() {
        let mut child = Command::new("sleep")
            .arg("60")
            .process_group(0)
            .spawn()
            .unwrap();
        let limit = Limit {
            total: Duration::from_secs(30),
            ask_after: Some(Duration::from_millis(10)),
        };
        let status = wait_limited(&mut child, Instant::now(), limit).unwrap();
        assert!(!status.unwrap().success());
    }
}
