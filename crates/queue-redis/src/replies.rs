//! What each error of the server means: one table.

use forebay_queue_core::Certainty;
use redis::ServerError;

use crate::endpoint::Endpoint;
use crate::failure::{Advice, Failure};

/// What an error with this first word means.
struct Row {
    code: &'static str,
    advice: Advice,
    certainty: Certainty,
    /// For the log and for whoever called; the server's own words may quote arguments.
    text: &'static str,
}

/// Refused before anything was done.
const fn refused(code: &'static str, advice: Advice, text: &'static str) -> Row {
    Row {
        code,
        advice,
        certainty: Certainty::NotDone,
        text,
    }
}

/// Every error that a server or one of the scripts answers on purpose. `NOGROUP` and our own are certain because
/// every script looks before it writes.
#[rustfmt::skip] // Reason: a table reads best with a row on a line.
const REPLIES: &[Row] = &[
    refused("MOVED", Advice::Reconnect, "the queue's slot is on another node"),
    refused("ASK", Advice::Retry, "the queue's slot is being moved to another node"),
    refused("TRYAGAIN", Advice::Retry, "the queue's slot is being moved to another node"),
    refused("CLUSTERDOWN", Advice::Reconnect, "the cluster is down"),
    refused("MASTERDOWN", Advice::Reconnect, "the node is a replica that has lost its primary"),
    refused("READONLY", Advice::Reconnect, "the node is a replica now"),
    refused("LOADING", Advice::Retry, "the server is loading its data"),
    refused("BUSY", Advice::Retry, "the server is busy with a slow script"),
    refused("NOREPLICAS", Advice::Retry, "the server has fewer replicas than min-replicas-to-write asks for"),
    refused("MISCONF", Advice::Retry, "the server cannot write to its disk"),
    refused("OOM", Advice::Full, "the server's memory is full"),
    refused("NOAUTH", Advice::Fatal, "the server asks for a user and a password"),
    refused("WRONGPASS", Advice::Fatal, "the server does not know the user, or the password is wrong"),
    refused("NOPERM", Advice::Fatal, "the server's access list denies it"),
    refused("DENIED", Advice::Fatal, "the server is in protected mode"),
    refused("CROSSSLOT", Advice::Fatal, "keys of several slots in one call"),
    refused("NOSCRIPT", Advice::NoScript, "the server does not know the script"),
    refused("NOGROUP", Advice::NoGroup, "the queue's stream or its group is not there"),
    refused("UNBLOCKED", Advice::NoGroup, "the queue's stream went away during a read"),
    refused("GONE", Advice::Gone, "the queue was deleted"),
    refused("LOST", Advice::Lost, "the queue is not there, although nobody deleted it"),
    refused("LAYOUT", Advice::Layout, "the queue has another layout than this version reads"),
    Row { code: "WRONGTYPE", advice: Advice::Fatal, certainty: Certainty::Unknown, text: "a key of the queue holds something else" },
    Row { code: "EXECABORT", advice: Advice::Fatal, certainty: Certainty::NotDone, text: "a transaction was refused" },
];

/// What stands at the end of an error that came up inside a script.
const INSIDE: &str = ", on @user_script:";

/// What an error of the server means. `asked` is who gave it.
pub(crate) fn failure(error: &ServerError, asked: &Endpoint) -> Failure {
    let detail = error.details().unwrap_or_default();
    let (code, detail) = match error.code() {
        // Lua's `redis.error_reply` puts this word before one of ours that stands alone.
        "ERR" if is_own(detail) => (detail.trim(), ""),
        code => (code, detail),
    };
    let Some(row) = REPLIES.iter().find(|row| row.code == code) else {
        return unlisted(code, detail);
    };
    // What a script had written before stays written.
    let is_inside = detail.contains(INSIDE) && !is_before_all(code);
    let certainty = if is_inside {
        Certainty::Unknown
    } else {
        row.certainty
    };
    let failure = Failure::new(certainty, row.advice, explained(row, detail));
    match code {
        "MOVED" => failure.moved_to(moved(detail, asked)),
        _ => failure,
    }
}

/// A script finds these before it writes anything.
fn is_before_all(code: &str) -> bool {
    matches!(code, "READONLY" | "NOGROUP" | "GONE" | "LOST" | "LAYOUT")
}

fn is_own(word: &str) -> bool {
    matches!(word.trim(), "GONE" | "LOST")
}

fn explained(row: &Row, detail: &str) -> String {
    let text = row.text;
    match row.code {
        "NOPERM" => match denied_command(detail) {
            Some(command) => format!("{text}: the command {command}"),
            None => format!("{text}: a key outside the prefix"),
        },
        "LAYOUT" => match detail.split_whitespace().next().map(str::parse::<u32>) {
            Some(Ok(found)) => format!("{text}: {found}"),
            _ => text.to_owned(),
        },
        _ => text.to_owned(),
    }
}

/// The server names the command that it denies, and nothing else stands in those quotes.
fn denied_command(detail: &str) -> Option<&str> {
    let (_, rest) = detail.split_once("to run the '")?;
    let (command, _) = rest.split_once('\'')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "|-_.".contains(c);
    (command.len() <= 40 && command.chars().all(is_name)).then_some(command)
}

fn moved(detail: &str, asked: &Endpoint) -> Option<Endpoint> {
    let (_slot, address) = detail.split_once(' ')?;
    Endpoint::read(address.trim(), asked)
}

fn unlisted(code: &str, detail: &str) -> Failure {
    if code == "ERR" {
        return general(detail);
    }
    let is_code = code.len() <= 20 && code.chars().all(|c| c.is_ascii_uppercase());
    let code = if is_code { code } else { "an unknown error" };
    Failure::unknown(Advice::Fatal, format!("the server answered {code}"))
}

/// `ERR` says nothing but its text.
fn general(detail: &str) -> Failure {
    let begins = |start: &str| detail.starts_with(start);
    if begins("max number of clients") {
        let text = "the server has as many clients as it takes";
        return Failure::not_done(Advice::Reconnect, text);
    }
    if begins("unknown command") || begins("unknown subcommand") {
        let text = "the server is too old: it does not know a command";
        return Failure::not_done(Advice::Fatal, text);
    }
    if begins("DB index is out of range") || begins("SELECT is not allowed") {
        return Failure::not_done(Advice::Fatal, "the server has no database of that number");
    }
    if begins("AUTH") || begins("Client sent AUTH") {
        let text = "the server takes no password of that user";
        return Failure::not_done(Advice::Fatal, text);
    }
    if begins("ACL failure in script") || begins("The user executing the script") {
        let text = "the server's access list denies a command or a key that a script uses";
        let text = match denied_command(detail) {
            Some(command) => format!("{text}: {command}"),
            None => text.to_owned(),
        };
        return Failure::unknown(Advice::Fatal, text);
    }
    let text = match script_line(detail) {
        Some(line) => format!("a script failed in its line {line}"),
        None => "the server refused the call".to_owned(),
    };
    Failure::unknown(Advice::Fatal, text)
}

fn script_line(detail: &str) -> Option<u32> {
    let (_, rest) = detail.rsplit_once(INSIDE)?;
    rest.trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Failure {
        let reply = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        let redis::Value::ServerError(error) = reply else {
            panic!("an error");
        };
        let asked = Endpoint {
            host: "localhost".to_owned(),
            port: 1,
        };
        failure(&error, &asked)
    }

    #[track_caller]
    fn means(line: &str, advice: Advice, certainty: Certainty) -> Failure {
        let failure = of(line);
        let found = (failure.advice(), failure.certainty());
        assert_eq!(found, (advice, certainty), "{line}");
        assert!(!failure.text().contains("canary"), "{failure}");
        failure
    }

    #[test]
    fn every_row_is_what_the_server_says_and_means_what_it_should() {
        use Advice::{Fatal, Full, Gone, Layout, Lost, NoGroup, NoScript, Reconnect, Retry};
        // As servers of 7.0 to 9.1 say it.
        #[rustfmt::skip] // Reason: a table reads best with a row on a line.
        let lines = [
            ("MOVED 3999 127.0.0.1:6381", Reconnect),
            ("ASK 3999 127.0.0.1:6381", Retry),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Retry),
            ("CLUSTERDOWN Hash slot not served", Reconnect),
            ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", Reconnect),
            ("READONLY You can't write against a read only replica.", Reconnect),
            ("LOADING Redis is loading the dataset in memory", Retry),
            ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", Retry),
            ("NOREPLICAS Not enough good replicas to write.", Retry),
            ("MISCONF Errors writing to the AOF file: No space left on device", Retry),
            ("OOM command not allowed when used memory > 'maxmemory'.", Full),
            ("NOAUTH Authentication required.", Fatal),
            ("WRONGPASS invalid username-password pair or user is disabled.", Fatal),
            ("NOPERM this user has no permissions to run the 'flushall' command", Fatal),
            ("DENIED Redis is running in protected mode because protected mode is enabled", Fatal),
            ("CROSSSLOT Keys in request don't hash to the same slot", Fatal),
            ("NOSCRIPT No matching script. Please use EVAL.", NoScript),
            ("NOGROUP No such key 'canary' or consumer group 'g'", NoGroup),
            ("UNBLOCKED the stream key no longer exists", NoGroup),
            ("GONE", Gone),
            ("ERR GONE", Gone),
            ("LOST", Lost),
            ("ERR LOST", Lost),
            ("LAYOUT 2", Layout),
            ("EXECABORT Transaction discarded because of previous errors.", Fatal),
        ];
        for (line, advice) in lines {
            means(line, advice, Certainty::NotDone);
        }
        let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
        means(wrong, Fatal, Certainty::Unknown);
        let words = lines.iter().map(|(line, _)| *line).chain([wrong]);
        let tested: Vec<_> = words.filter_map(|line| line.split(' ').next()).collect();
        let untested = REPLIES.iter().find(|row| !tested.contains(&row.code));
        assert!(untested.is_none_or(|row| panic!("{}", row.code)));
    }

    #[test]
    fn a_denied_command_is_named_and_a_user_is_not() {
        let old = of("NOPERM this user has no permissions to run the 'config|set' command");
        assert!(old.text().ends_with("the command config|set"), "{old}");
        let new = of("NOPERM User canary has no permissions to run the 'flushall' command");
        assert!(new.text().ends_with("the command flushall"), "{new}");
        assert!(!new.text().contains("canary"));
        let key = of("NOPERM No permissions to access a key");
        assert!(key.text().ends_with("a key outside the prefix"), "{key}");
        let strange = of("NOPERM has no permissions to run the 'canary canary' command");
        assert!(!strange.text().contains("canary"));
    }

    #[test]
    fn an_error_inside_a_script_leaves_what_was_written_before() {
        use Advice::{Fatal, Full, NoGroup, Reconnect};
        let inside = |line| format!("{line} script: b781529cb701, on @user_script:7.");
        let unknown = [
            (inside("WRONGTYPE Operation against a key"), Fatal),
            (
                inside("OOM command not allowed when used memory > 'maxmemory'."),
                Full,
            ),
            (inside("ERR user_script:7: canary"), Fatal),
            (
                inside("ERR The user executing the script can't run this command or subcommand"),
                Fatal,
            ),
            (
                inside(
                    "ERR ACL failure in script: User canary has no permissions to run the 'set' command",
                ),
                Fatal,
            ),
        ];
        for (line, advice) in unknown {
            means(&line, advice, Certainty::Unknown);
        }
        // A replica refuses the first write, and every script asks for the group before it writes.
        let refused = inside("READONLY You can't write against a read only replica.");
        means(&refused, Reconnect, Certainty::NotDone);
        let refused = inside("NOGROUP No such key 'canary' or consumer group 'g'");
        means(&refused, NoGroup, Certainty::NotDone);
        let failed = of(&inside("ERR user_script:7: canary"));
        assert_eq!(failed.text(), "a script failed in its line 7");
    }

    #[test]
    fn what_is_in_no_row_may_have_happened_and_quotes_nothing() {
        use Advice::{Fatal, Reconnect};
        means("NEWWORD canary", Fatal, Certainty::Unknown);
        means("canary canary", Fatal, Certainty::Unknown);
        means("ERR canary", Fatal, Certainty::Unknown);
        let many = "ERR max number of clients reached";
        means(many, Reconnect, Certainty::NotDone);
        for refused in [
            "ERR unknown command 'xautoclaim', with args beginning with: 'canary'",
            "ERR DB index is out of range",
            "ERR AUTH <password> called without any password configured for the default user. canary",
        ] {
            means(refused, Fatal, Certainty::NotDone);
        }
    }

    #[test]
    fn where_a_slot_went_is_known_and_not_shown() {
        let failure = of("MOVED 3999 127.0.0.9:6381");
        let moved = failure.moved().unwrap();
        assert_eq!((moved.host.as_str(), moved.port), ("127.0.0.9", 6381));
        let shown = format!("{failure} {failure:?}");
        assert!(!shown.contains("127.0.0.9"), "{shown}");
        assert_eq!(of("MOVED 3999 :6381").moved().unwrap().host, "localhost");
        assert!(of("MOVED canary").moved().is_none());
    }
}
