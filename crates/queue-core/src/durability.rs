use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Which faults an accepted message survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// None: it is gone with the process.
    Memory,
    /// A crash of the process: it has reached the operating system.
    Buffered,
    /// A power cut: it has reached the disk.
    Fsynced,
    /// The loss of a node: so many other nodes have it.
    Replicated(u8),
}

impl FromStr for Durability {
    type Err = Error;

    /// Reads `memory`, `buffered`, `fsynced` or `replicated:n`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let replicas = |n: &str| n.parse().ok().filter(|n| (1..=9).contains(n));
        match text {
            "memory" => Some(Self::Memory),
            "buffered" => Some(Self::Buffered),
            "fsynced" => Some(Self::Fsynced),
            _ => text
                .strip_prefix("replicated:")
                .and_then(replicas)
                .map(Self::Replicated),
        }
        .ok_or_else(|| Error::Invalid {
            what: "durability",
            problem: "it is none of the known levels".to_owned(),
            allowed: "memory, buffered, fsynced or replicated:n with n from 1 to 9",
        })
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Buffered => f.write_str("buffered"),
            Self::Fsynced => f.write_str("fsynced"),
            Self::Replicated(n) => write!(f, "replicated:{n}"),
        }
    }
}

/// What a backend really gives here, as found by [`Backend::probe`](crate::Backend::probe).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarantees {
    /// What one node survives: memory, buffered or fsynced.
    pub durability: Durability,
    /// How many other nodes have a message when it is accepted.
    pub replicas: u8,
    /// How that was found, for the log: one line.
    pub detail: String,
}

impl Guarantees {
    /// Whether a demanded level is met.
    pub fn meet(&self, demand: Durability) -> bool {
        let rank = |d| match d {
            Durability::Memory => 0,
            Durability::Buffered => 1,
            Durability::Fsynced => 2,
            Durability::Replicated(_) => 3,
        };
        match demand {
            Durability::Replicated(n) => self.replicas >= n,
            // A copy on another node outlives a crash of this one's process.
            Durability::Buffered if self.replicas > 0 => true,
            local => rank(self.durability) >= rank(local),
        }
    }

    /// Refuses a start whose demand is not met.
    ///
    /// # Errors
    /// [`Error::DurabilityNotMet`] saying what was asked for and what there is.
    pub fn enforce(&self, backend: &'static str, demand: Durability) -> Result<(), Error> {
        if self.meet(demand) {
            return Ok(());
        }
        Err(Error::DurabilityNotMet {
            backend,
            demand,
            found: format!("{self}: {}", self.detail),
        })
    }
}

impl fmt::Display for Guarantees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.durability.fmt(f)?;
        if self.replicas > 0 {
            write!(f, " + replicated:{}", self.replicas)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_read_and_print() {
        for text in ["memory", "buffered", "fsynced", "replicated:2"] {
            assert_eq!(text.parse::<Durability>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "disk",
            "replicated",
            "replicated:0",
            "replicated:x",
            "Memory",
        ] {
            let error = text.parse::<Durability>().unwrap_err().to_string();
            assert!(
                error.contains("memory, buffered, fsynced or replicated:n"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_demand_is_met_or_named() {
        let have = |durability, replicas| Guarantees {
            durability,
            replicas,
            detail: "probed".into(),
        };
        assert!(have(Durability::Memory, 0).meet(Durability::Memory));
        assert!(!have(Durability::Memory, 0).meet(Durability::Buffered));
        assert!(have(Durability::Fsynced, 0).meet(Durability::Buffered));
        assert!(!have(Durability::Fsynced, 0).meet(Durability::Replicated(1)));
        assert!(have(Durability::Memory, 1).meet(Durability::Replicated(1)));
        assert!(have(Durability::Memory, 1).meet(Durability::Buffered));
        assert!(!have(Durability::Memory, 1).meet(Durability::Fsynced));
        let text = have(Durability::Memory, 0)
            .enforce("memory", Durability::Fsynced)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("fsynced") && text.contains("memory"),
            "{text}"
        );
    }
}
