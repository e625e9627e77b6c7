//! A request's body, read within limits.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;

use crate::problem::{Problem, ProblemKind};

/// How long a client may take to send a body.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// The bytes of a body that is declared as JSON. They have not been parsed.
pub(super) struct JsonBody(pub(super) Bytes);

/// As [`JsonBody`], but a request without a body needs no `Content-Type`.
pub(super) struct OptionalJsonBody(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) || is_encoded(request.headers()) {
            return Err(not_json());
        }
        read(request, state).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for OptionalJsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let declared = is_json(request.headers()) && !is_encoded(request.headers());
        let body = read(request, state).await?;
        if body.is_empty() || declared {
            return Ok(Self(body));
        }
        Err(not_json())
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let Ok(read) = tokio::time::timeout(READ_LIMIT, Bytes::from_request(request, state)).await
    else {
        let detail = "The body was not there in time.";
        return Err(Problem::new(ProblemKind::RequestTimeout).detail(detail));
    };
    read.map_err(|rejection| match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(ProblemKind::TooLarge),
        _ => Problem::new(ProblemKind::Unreadable).detail("The body was cut off."),
    })
}

fn not_json() -> Problem {
    Problem::new(ProblemKind::NotJson)
        .detail("The Content-Type must be application/json in UTF-8, without a Content-Encoding.")
}

/// Whether there is one `Content-Type`: `application/json`, in UTF-8 if it says so.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let Ok(text) = value.to_str() else {
        return false;
    };
    let mut parts = text.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.filter(|part| !part.is_empty()).all(|parameter| {
            let charset = parameter.split_once('=');
            charset.is_some_and(|(name, value)| {
                !name.eq_ignore_ascii_case("charset")
                    || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}

/// Whether the body is said to be compressed. No coding is understood here, so what it says could not be read.
fn is_encoded(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    !values.all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_utf_8_is_json() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            is_json(&headers)
        };
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json; ",
        ] {
            assert!(of(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json; charset=latin1",
            "application/json; charset",
            "multipart/form-data",
        ] {
            assert!(!of(bad), "{bad}");
        }
        let mut twice = HeaderMap::new();
        for _ in 0..2 {
            twice.append(header::CONTENT_TYPE, "application/json".parse().unwrap());
        }
        assert!(!is_json(&twice) && !is_json(&HeaderMap::new()));
    }
}
