//! The least that the queue's own user needs.

use forebay_queue_core::{Certainty, Durability, Error};

use super::*;
use crate::failure::Advice;
use crate::probe;
use crate::script;

/// The rules that the documents print.
const RULES: &str = include_str!("../acl.txt");

#[tokio::test]
async fn a_denied_command_or_key_is_named_and_does_nothing() {
    let Some(builder) = builder() else { return };
    let server = builder.accounts_with(RULES).start().unwrap();
    let servers = servers(&server.url());
    let way = Way::to(&servers, "q");
    let denied = [
        vec!["FLUSHALL"],
        vec!["CONFIG", "SET", "maxmemory", "1"],
        vec!["KEYS", "*"],
        vec!["ACL", "LIST"],
        vec!["SHUTDOWN"],
        vec!["SCRIPT", "FLUSH"],
    ];
    for words in denied {
        let failure = way.link.one(command(&words)).await.unwrap_err();
        let found = (failure.advice(), failure.certainty());
        assert_eq!(found, (Advice::Fatal, Certainty::NotDone), "{failure}");
        let name = words[0].to_lowercase();
        assert!(
            failure.text().contains(&format!("the command {name}")),
            "{failure}"
        );
    }
    let failure = way
        .link
        .one(command(&["SMEMBERS", "other:queues"]))
        .await
        .unwrap_err();
    assert!(
        failure.text().ends_with("a key outside the prefix"),
        "{failure}"
    );
    // The server lives, and the user may do what it has to.
    let found = probe::admit(&servers).await.unwrap();
    assert!(found.detail.contains("no append-only file"), "{found:?}");
}

/// Makes two changes.
static TWICE: LazyLock<Script> = LazyLock::new(|| {
    let code =
        "#!lua\nredis.call('HSET', KEYS[1], 'n', 1) redis.call('XADD', KEYS[2], '*', 'm', 1)";
    Script::new("twice", code)
});

#[tokio::test]
async fn a_login_that_the_server_refuses_is_a_wrong_setting_at_the_start() {
    let Some(builder) = builder() else { return };
    let server = builder.accounts_with(RULES).start().unwrap();
    let refused = [
        format!("redis://nobody:canary@127.0.0.1:{}", server.port()),
        format!("redis://127.0.0.1:{}", server.port()),
    ];
    for url in refused {
        let error = probe::admit(&servers(&url)).await.unwrap_err();
        assert!(matches!(error, Error::InvalidSetting { .. }), "{error:?}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("REDIS_URL") && shown.contains("user"));
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[tokio::test]
async fn a_file_that_a_start_does_not_load_is_worth_nothing() {
    let Some(builder) = builder() else { return };
    let mut server = builder.append_only().accounts_with(RULES).start().unwrap();
    let servers = servers(&server.url());
    let found = probe::admit(&servers).await.unwrap();
    assert_eq!(found.durability, Durability::Fsynced, "{found:?}");
    let way = Way::to(&servers, "q");
    way.link.call(&TWICE, &way.keys, [""; 0]).await.unwrap();
    server.kill().unwrap();
    server.restart().unwrap();
    let kept = until_ok(async || way.look().await).await;
    assert_eq!(kept, Value::BulkString(b"1".to_vec()));

    server
        .call(&["ACL", "SETUSER", "default", "reset"])
        .unwrap();
    let found = probe::probe(&servers).await.unwrap();
    assert_eq!(found.durability, Durability::Memory, "{found:?}");
    assert!(found.detail.contains("+@all"), "{found:?}");
}

/// What the client itself sends, beside the scripts.
const SENT: &[&str] = &[
    "evalsha",
    "script|load",
    "set",
    "wait",
    "ping",
    "info",
    "config|get",
    "command|info",
    "cluster|slots",
    "acl|dryrun",
    "xreadgroup",
    "xadd",
    "exists",
    "sadd",
    "srem",
    "smembers",
];

/// Every command in the scripts, as the rules name it.
fn commands_of_scripts() -> Vec<String> {
    let mut found = Vec::new();
    for script in script::ALL {
        let calls = script.code().split("call(").skip(1);
        for call in calls {
            let mut words = call.split(['(', ')', ',']).map(str::trim);
            let mut word = || {
                let word = words.next()?.strip_prefix('\'')?.strip_suffix('\'')?;
                Some(word.to_lowercase())
            };
            let Some(name) = word() else { continue };
            let name = match name.as_str() {
                "xgroup" | "xinfo" => format!("{name}|{}", word().unwrap()),
                _ => name,
            };
            found.push(name);
        }
    }
    assert!(found.len() > 50, "{found:?}");
    found
}

#[test]
fn the_rules_allow_what_is_used_and_nothing_else() {
    let rules = RULES.lines().filter(|line| !line.starts_with('#'));
    let rules: Vec<_> = rules.flat_map(str::split_whitespace).collect();
    let (allowed, other): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| rule.starts_with('+'));
    assert_eq!(other, [&"~forebay:*"]);
    let mut used = commands_of_scripts();
    used.extend(SENT.iter().map(|&name| name.to_owned()));
    for name in &used {
        let rule = format!("+{name}");
        assert!(allowed.contains(&&rule.as_str()), "{name} is not allowed");
    }
    for rule in allowed {
        assert!(used.contains(&rule[1..].to_owned()), "{rule} is not used");
    }
}
