//! What can go wrong with the database, and whose fault it is.

use std::io;

use sqlx::migrate::MigrateError;

/// An error of the store.
///
/// Foreign errors are not kept as sources: a database's own text can quote addresses and keys. What stays is the
/// database's code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The URL is not one that the store understands.
    #[error("the database's URL is not valid: {0}")]
    Url(&'static str),
    /// The folder of the SQLite file cannot be made.
    #[error("the folder of the database file cannot be made: {0}")]
    Folder(io::ErrorKind),
    /// The schema is that of another program or of a later version.
    #[error("the database's schema is not this program's: {0}")]
    Schema(String),
    /// The database is at fault. The call may have happened; try again later.
    #[error("the database is not available ({operation}: {cause})")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// What stood in the way.
        cause: UnavailableCause,
    },
    /// The database will never do this; trying again does not help.
    #[error("the database refused to {operation} (code {code})")]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// The database's code (SQLSTATE, or SQLite's extended code), or the driver's reason.
        code: String,
    },
}

/// Why the database is not available.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnavailableCause {
    /// It did not answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// No connection was free, or could be made, in time.
    #[error("no connection in time")]
    NoConnection,
    /// The connection failed.
    #[error("connection failed: {0}")]
    Connection(io::ErrorKind),
    /// It answered with this code, such as a lock or a shutdown.
    #[error("code {0}")]
    Code(String),
    /// It is not open to writing.
    #[error("read-only")]
    ReadOnly,
    /// The store was closed, or the runtime is going down.
    #[error("closed")]
    Closed,
}

impl StoreError {
    /// Whether the database is at fault and not the event: a lock, a timeout, a connection, a shutdown, a full disk. The
    /// same call can succeed later.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// Whether trying again can help: the same as [`is_unavailable`](Self::is_unavailable).
    pub const fn is_retryable(&self) -> bool {
        self.is_unavailable()
    }

    pub(super) const fn unavailable(operation: &'static str, cause: UnavailableCause) -> Self {
        Self::Unavailable { operation, cause }
    }

    pub(super) fn of(operation: &'static str, error: &sqlx::Error) -> Self {
        match cause(error) {
            Ok(cause) => Self::Unavailable { operation, cause },
            Err(code) => Self::Refused { operation, code },
        }
    }

    pub(super) fn of_migration(error: &MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                Self::of("migrate", error)
            }
            MigrateError::VersionMissing(version) => {
                Self::Schema(format!("version {version} is not known here"))
            }
            MigrateError::VersionMismatch(version) => Self::Schema(format!(
                "version {version} was changed after it was applied"
            )),
            MigrateError::Dirty(version) => {
                Self::Schema(format!("version {version} is half applied"))
            }
            _ => Self::Schema("the migrations do not fit".to_owned()),
        }
    }
}

/// Why the database is not available, or the code with which it refused.
fn cause(error: &sqlx::Error) -> Result<UnavailableCause, String> {
    match error {
        sqlx::Error::Io(error) => Ok(UnavailableCause::Connection(error.kind())),
        sqlx::Error::PoolTimedOut => Ok(UnavailableCause::NoConnection),
        sqlx::Error::PoolClosed => Ok(UnavailableCause::Closed),
        // A peer that hangs up in mid-answer is seen as one of these.
        sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => {
            Ok(UnavailableCause::Connection(io::ErrorKind::InvalidData))
        }
        sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed => {
            Ok(UnavailableCause::Connection(io::ErrorKind::BrokenPipe))
        }
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default().into_owned();
            let at_fault = match code.parse::<u32>() {
                // SQLSTATE has five characters; of SQLite's codes only the largest would, and it has none.
                Ok(number) if code.len() != 5 => sqlite_is_at_fault(number),
                _ => postgres_is_at_fault(&code),
            };
            if at_fault {
                Ok(UnavailableCause::Code(code))
            } else {
                Err(code)
            }
        }
        sqlx::Error::Encode(_) => Err("encode".to_owned()),
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Err("decode".to_owned()),
        sqlx::Error::RowNotFound => Err("no such row".to_owned()),
        _ => Err("driver".to_owned()),
    }
}

/// By the primary code, the low byte of the extended one.
fn sqlite_is_at_fault(code: u32) -> bool {
    const ERROR: u32 = 1;
    const TOOBIG: u32 = 18;
    const CONSTRAINT: u32 = 19;
    const MISMATCH: u32 = 20;
    const MISUSE: u32 = 21;
    const RANGE: u32 = 25;
    // All the others are about the file, its lock, its disk or the memory: busy, locked, full, I/O, cannot open…
    !matches!(
        code & 0xff,
        ERROR | TOOBIG | CONSTRAINT | MISMATCH | MISUSE | RANGE
    )
}

fn postgres_is_at_fault(code: &str) -> bool {
    // Connection, authorisation, unknown database, resources, operator (shutdown, cancel, statement timeout), system,
    // rolled back (deadlock, serialisation).
    const CLASSES: [&str; 7] = ["08", "28", "3D", "40", "53", "57", "58"];
    // Lock not available, read-only transaction (a replica after a switch), idle in transaction too long.
    const CODES: [&str; 3] = ["55P03", "25006", "25P03"];
    CLASSES.iter().any(|class| code.starts_with(class)) || CODES.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_codes() {
        for fault in [5, 6, 8, 10, 11, 13, 14, 261, 517, 266, 3850] {
            assert!(sqlite_is_at_fault(fault), "{fault}");
        }
        for refused in [1, 18, 19, 20, 787, 1555, 2067, 275] {
            assert!(!sqlite_is_at_fault(refused), "{refused}");
        }
    }

    #[test]
    fn postgres_codes() {
        for fault in [
            "57P01", "57P03", "57014", "53300", "53100", "08006", "40P01", "55P03", "25006",
        ] {
            assert!(postgres_is_at_fault(fault), "{fault}");
        }
        for refused in ["23505", "23503", "22021", "22P02", "42P01", "23514", ""] {
            assert!(!postgres_is_at_fault(refused), "{refused}");
        }
    }

    #[test]
    fn driver_errors() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        for error in [
            sqlx::Error::Io(refused),
            sqlx::Error::PoolTimedOut,
            sqlx::Error::PoolClosed,
        ] {
            assert!(StoreError::of("ping", &error).is_unavailable(), "{error}");
        }
        for error in [
            sqlx::Error::RowNotFound,
            sqlx::Error::Encode("c4nary".into()),
        ] {
            let error = StoreError::of("persist", &error);
            assert!(!error.is_unavailable());
            assert!(!format!("{error} {error:?}").contains("c4nary"));
        }
    }
}
