//! Paths, queries and methods that lead nowhere.

use hyper::Method;

use super::Case;
use crate::support::request::{CUSTOMER, EMAIL, SMS};

const LISTS: [&str; 2] = [
    "/api/conversations",
    "/api/conversations/0195c7a0-0000-7000-8000-000000000001/messages",
];

const PAGES: &[&str] = &[
    "limit=0",
    "limit=-1",
    "limit=1.5",
    "limit=c4nary",
    "limit=",
    "limit=99999999999999999999999",
    "limit=1&limit=2",
    "cursor=c4nary",
    "cursor=",
    "cursor=%00",
    "cursor=%ff%fe",
    "cursor=AQ",
    "cursor=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "cursor=..%2f..%2fc4nary",
    "cursor=%27%20OR%201%3D1%20--c4nary",
];

/// Cursors of a list, given to the other one: (list, microseconds, id) in base64url.
const OF_CONVERSATIONS: &str = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const OF_MESSAGES: &str = "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for list in LISTS {
        for page in PAGES {
            cases.push(Case::get(format!("{list}?{page}"), 400));
        }
        cases.push(Case::get(
            format!("{list}?cursor={}", "c4nary".repeat(500)),
            400,
        ));
    }
    cases.push(Case::get(format!("{}?cursor={OF_MESSAGES}", LISTS[0]), 400));
    cases.push(Case::get(
        format!("{}?cursor={OF_CONVERSATIONS}", LISTS[1]),
        400,
    ));
    for id in [
        "c4nary",
        "7",
        "%00",
        "%ff",
        "..",
        "%2e%2e%2f",
        "0195c7a0",
        "null",
        "{id}",
    ] {
        let id = id.replace(['{', '}'], "%7b");
        cases.push(Case::get(format!("/api/messages/{id}"), 404));
        cases.push(Case::get(format!("/api/conversations/{id}/messages"), 404));
    }
    for path in [
        "/c4nary",
        "/api/c4nary",
        "/api/messages",
        "/api/messages/sms/c4nary",
        "/.git/config",
        "/%2e%2e/%2e%2e/etc/passwd",
    ] {
        cases.push(Case::get(path, 404));
    }
    for (method, path) in [
        (Method::GET, SMS),
        (Method::PUT, SMS),
        (Method::DELETE, EMAIL),
        (Method::PATCH, EMAIL),
        (Method::OPTIONS, EMAIL),
        (Method::TRACE, SMS),
        (Method::POST, LISTS[0]),
        (Method::DELETE, LISTS[0]),
        (Method::PUT, LISTS[1]),
        (Method::POST, "/healthz"),
        (Method::POST, "/readyz"),
        (Method::DELETE, "/metrics"),
        (Method::POST, "/openapi.json"),
        (Method::from_bytes(b"C4NARY").unwrap(), SMS),
    ] {
        cases.push(Case::get(path, 405).method(method));
    }
    let message = format!("/api/messages/{CUSTOMER}");
    cases.push(Case::get(message, 405).method(Method::DELETE));
    cases
}
