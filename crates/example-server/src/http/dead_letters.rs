//! `/api/dead-letters`: what was given up, for administrators.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use forebay::core::{Cursor, Error, ErrorRecord, PageRequest, StoredMessage, Timestamp};
use forebay::{DeadLetterFilter, MessageId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::json_body::OptionalJsonBody;
use super::page_query::PageQuery;
use super::path_id::PathId;
use super::publish::RETRY_AFTER;
use crate::field_error::FieldError;
use crate::page::Page;
use crate::problem::{Problem, ProblemKind};

/// How many dead letters one request brings back, at most.
const REDRIVE_MAX: usize = 10_000;

/// A message that was given up, without its content.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadLetter {
    /// The message's id.
    id: Uuid,
    /// The kind of message.
    kind: String,
    /// When it was accepted.
    #[serde(with = "time::serde::rfc3339")]
    published_at: OffsetDateTime,
    /// When it was given up.
    #[serde(with = "time::serde::rfc3339::option")]
    died_at: Option<OffsetDateTime>,
    /// How often it was tried.
    attempts: u32,
    /// Why it was given up: the latest of its errors.
    reason: String,
    /// What went wrong, oldest first.
    errors: Vec<AttemptError>,
}

/// A failed attempt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttemptError {
    /// Which attempt.
    attempt: u32,
    /// When it failed.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// Why.
    error: String,
}

/// Which dead letters to bring back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RedriveRequest {
    /// These; all if absent.
    #[serde(default)]
    #[schema(nullable = false)]
    ids: Option<Vec<Uuid>>,
    /// So many at most, the oldest first: 1 to 10000.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000, nullable = false)]
    limit: Option<usize>,
}

/// What a redrive did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RedriveAnswer {
    /// How many are in the queue again.
    redriven: u64,
    /// Whether it stopped early because the queue is full.
    full: bool,
}

/// Lists dead letters.
#[utoipa::path(
    get, path = "/api/dead-letters", tag = "dead letters", params(PageQuery),
    responses(
        (status = 200, description = "A page of dead letters.", body = Page<DeadLetter>),
        (status = 400, description = "`limit` or `cursor` is not valid.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The administrator's token is needed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No administrator's token is configured.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The queue cannot be asked.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("admin" = []))
)]
pub(super) async fn list_dead_letters(
    State(app): State<Arc<App>>,
    query: PageQuery,
) -> Result<Json<Page<DeadLetter>>, Problem> {
    let invalid = || {
        let detail = "not a cursor of this list: take `nextCursor` of an earlier page";
        Problem::new(ProblemKind::InvalidPage).detail(detail)
    };
    let after = match query.cursor.as_deref().map(|c| URL_SAFE_NO_PAD.decode(c)) {
        Some(bytes) => Some(Cursor::from_bytes(bytes.map_err(|_| invalid())?)),
        None => None,
    };
    let request = PageRequest {
        limit: query.limit as usize,
        after,
    };
    let management = app.queue.management();
    let filter = DeadLetterFilter::all();
    let page = management.dead_letters(&filter, request).await;
    let page = page.map_err(|error| match error {
        Error::Invalid { .. } => invalid(),
        error => of_queue(&error),
    })?;
    Ok(Json(Page {
        items: page.items.iter().map(DeadLetter::from).collect(),
        next_cursor: page
            .next
            .map(|next| URL_SAFE_NO_PAD.encode(next.as_bytes())),
    }))
}

/// Brings dead letters back into the queue, starting over with their attempts.
#[utoipa::path(
    post, path = "/api/dead-letters/redrive", tag = "dead letters", request_body = Option<RedriveRequest>,
    responses(
        (status = 200, description = "How many are back.", body = RedriveAnswer),
        (status = 400, description = "The body cannot be read.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The administrator's token is needed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No administrator's token is configured.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fields are invalid.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The queue cannot be asked.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("admin" = []))
)]
pub(super) async fn redrive_dead_letters(
    State(app): State<Arc<App>>,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Result<Json<RedriveAnswer>, Problem> {
    let request = read(&body)?;
    let filter = DeadLetterFilter {
        ids: request
            .ids
            .map(|ids| ids.into_iter().map(MessageId::from).collect()),
        ..DeadLetterFilter::all()
    };
    let limit = request.limit.unwrap_or(REDRIVE_MAX);
    let redriven = app.queue.management().redrive(&filter, limit).await;
    let redriven = redriven.map_err(|error| of_queue(&error))?;
    tracing::info!(
        redriven = redriven.redriven,
        full = redriven.full,
        "dead letters redriven"
    );
    Ok(Json(RedriveAnswer {
        redriven: redriven.redriven,
        full: redriven.full,
    }))
}

/// Deletes a dead letter.
#[utoipa::path(
    delete, path = "/api/dead-letters/{id}", tag = "dead letters",
    params(("id" = Uuid, Path, description = "The message's id.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 401, description = "The administrator's token is needed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such dead letter, or no administrator's token is configured.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The queue cannot be asked.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("admin" = []))
)]
pub(super) async fn delete_dead_letter(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
) -> Result<StatusCode, Problem> {
    let filter = DeadLetterFilter::id(MessageId::from(id));
    let deleted = app.queue.management().delete_dead_letters(&filter, 1).await;
    if deleted.map_err(|error| of_queue(&error))? == 0 {
        return Err(Problem::new(ProblemKind::NotFound));
    }
    tracing::info!(%id, "dead letter deleted");
    Ok(StatusCode::NO_CONTENT)
}

fn read(body: &[u8]) -> Result<RedriveRequest, Problem> {
    if body.is_empty() {
        return Ok(RedriveRequest::default());
    }
    let request: RedriveRequest = serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            let expected =
                "must be an object with `ids`, a list of UUIDs, and `limit`, both optional";
            let error = FieldError::new("", expected);
            Problem::new(ProblemKind::Invalid).errors(vec![error])
        } else {
            Problem::new(ProblemKind::Unreadable)
        }
    })?;
    match request.limit {
        Some(limit) if !(1..=REDRIVE_MAX).contains(&limit) => {
            let error = FieldError::new("/limit", format!("must be 1 to {REDRIVE_MAX}"));
            Err(Problem::new(ProblemKind::Invalid).errors(vec![error]))
        }
        _ => Ok(request),
    }
}

fn of_queue(error: &Error) -> Problem {
    if error.is_retryable() || error.is_closed() {
        return Problem::new(ProblemKind::Unavailable)
            .detail("The queue cannot be asked.")
            .retry_after(RETRY_AFTER);
    }
    tracing::error!(%error, "the queue refuses a request about dead letters");
    Problem::new(ProblemKind::Internal)
}

impl From<&StoredMessage> for DeadLetter {
    fn from(stored: &StoredMessage) -> Self {
        let latest = stored.errors.last().map(|record| record.error.to_string());
        Self {
            id: *stored.message.id().as_uuid(),
            kind: stored.message.kind().to_string(),
            published_at: instant(stored.message.published_at()),
            died_at: stored.ended_at.map(instant),
            attempts: stored.attempt,
            reason: latest.unwrap_or_else(|| "no reason was given".to_owned()),
            errors: stored.errors.iter().map(AttemptError::from).collect(),
        }
    }
}

impl From<&ErrorRecord> for AttemptError {
    fn from(record: &ErrorRecord) -> Self {
        Self {
            attempt: record.attempt,
            at: instant(record.at),
            error: record.error.to_string(),
        }
    }
}

fn instant(at: Timestamp) -> OffsetDateTime {
    std::time::SystemTime::from(at).into()
}
