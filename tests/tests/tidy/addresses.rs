//! No test reaches beyond this machine.

use std::net::Ipv4Addr;
use std::sync::LazyLock;

use regex::Regex;

use crate::source::Source;
use crate::{assert_none, tree};

fn foreign_addresses(source: &Source) -> Vec<String> {
    static NUMBERS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:^|[^\w.])(\d{1,3}(?:\.\d{1,3}){3})(?:[^\w.]|$)")
            .expect("the pattern is right")
    });
    static HOST: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?:https?|wss?|rediss?|postgres(?:ql)?)://(?:[^/\s"'@]*@)?(\[[^\]]*\]|[^/:\s"'?#\\<>)]+)"#)
            .expect("the pattern is right")
    });
    let mut findings = Vec::new();
    for (line, text) in &source.strings {
        if !source.is_test(*line) {
            continue;
        }
        // The project's own pages are named, not visited.
        let text = text.replace(env!("CARGO_PKG_REPOSITORY"), "");
        let numbers = NUMBERS
            .captures_iter(&text)
            .map(|found| found[1].to_owned());
        let hosts = HOST.captures_iter(&text).map(|found| found[1].to_owned());
        for address in numbers
            .filter(|address| address.parse().is_ok_and(is_foreign))
            .chain(hosts.filter(|host| is_foreign_host(host)))
        {
            let what = format!("an address beyond this machine: {address}");
            findings.push(source.finding(*line, &what));
        }
    }
    findings
}

fn is_foreign(address: Ipv4Addr) -> bool {
    !address.is_loopback() && !address.is_unspecified() && !address.is_documentation()
}

/// Names that are reserved, and names without a dot, are nobody's on a public network.
fn is_foreign_host(host: &str) -> bool {
    const RESERVED: [&str; 4] = ["localhost", "example", "test", "invalid"];
    if host.starts_with('[') {
        return host != "[::1]";
    }
    // `{address}` is filled in by `format!`; numbers have a rule of their own.
    if host.contains('{') || host.parse::<Ipv4Addr>().is_ok() {
        return false;
    }
    let labels: Vec<_> = host.rsplit('.').collect();
    let is_reserved = RESERVED.contains(&labels[0]) || labels.get(1) == Some(&"example");
    labels.len() > 1 && !is_reserved
}

#[test]
fn no_test_reaches_beyond_this_machine() {
    let sources = tree::sources();
    let findings: Vec<_> = sources.iter().flat_map(foreign_addresses).collect();
    assert_none(&findings);
}

#[test]
fn no_test_reaches_beyond_this_machine_bites() {
    let of = |literal: &str| {
        let text = format!("fn a() {{ b({literal:?}) }}");
        foreign_addresses(&Source::new("crates/a/tests/a.rs", &text)).len()
    };
    // Put together here, so that this file keeps the rule.
    assert_eq!(of(&["10", "1", "2", "3"].join(".")), 1);
    assert_eq!(of(&format!("https{}", "://crates.io/x")), 1);
    assert_eq!(of(&format!("redis{}", "://user:word@cache.org:6379")), 1);
    assert_eq!(of(&format!("http{}", "://[2001:db8::1]:1")), 1);
    for fine in [
        "127.0.0.1:80",
        "0.0.0.0",
        "192.0.2.1",
        "http://localhost:1/a",
        "http://example.com",
        "http://mail.example.org/",
        "http://a.test",
        "http://host/",
        concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/a.md"),
        "http://[::1]:1",
        "http://{address}/x",
        "1.2.3",
    ] {
        assert_eq!(of(fine), 0, "{fine}");
    }
}
