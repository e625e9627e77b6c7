//! Sentinels, which know which server is the primary now.

use redis::Value;

use crate::call::Call;
use crate::connection::Dialer;
use crate::endpoint::Endpoint;
use crate::failure::{Advice, Failure};

/// Asks one of them, over a connection for this one question: the next one comes after a failover.
pub(crate) async fn primary(
    dialer: &Dialer,
    sentinel: &Endpoint,
    name: &str,
) -> Result<Endpoint, Failure> {
    let connection = dialer.dial_sentinel(sentinel).await?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let patience = dialer.options().connect_timeout;
    let call = Call::command(command);
    let answers = connection.exchange(&[&call], None, patience).await;
    let answer = answers.map_err(Failure::of_look)?.pop();
    let answer = answer.unwrap_or(Ok(Value::Nil));
    let Value::Array(parts) = answer.map_err(Failure::of_look)? else {
        let text = "the sentinels watch nothing of the name in REDIS_URL";
        return Err(Failure::not_done(Advice::Fatal, text));
    };
    read(&parts, sentinel).ok_or_else(|| {
        let text = "a sentinel's answer cannot be read";
        Failure::not_done(Advice::Retry, text)
    })
}

fn read(parts: &[Value], asked: &Endpoint) -> Option<Endpoint> {
    let [Value::BulkString(host), Value::BulkString(port)] = parts else {
        return None;
    };
    let host = std::str::from_utf8(host).ok()?;
    let port = std::str::from_utf8(port).ok()?.parse().ok()?;
    Some(Endpoint::named(host, port, asked))
}
