//! `/api/messages`: what the service is for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use forebay::core::{Error, State as QueueState};
use forebay::{Fingerprint, IdempotencyKey, MessageId, NewMessage, PublishOutcome};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::json_body::JsonBody;
use super::message_request::{EmailRequest, SmsRequest};
use super::path_id::PathId;
use super::publish::{NotPublished, RETRY_AFTER, publish};
use super::{App, Intake, trace_context};
use crate::channel::Channel;
use crate::event::Event;
use crate::field_error::FieldError;
use crate::problem::{Problem, ProblemKind};
use crate::processing::KIND;
use crate::request::Request;
use crate::store::StoreError;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The queue has the message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Accepted {
    /// Always `accepted`.
    #[schema(example = "accepted")]
    status: &'static str,
    /// The message's id: that of the first request with this key.
    id: Uuid,
    /// The client's key, or the derived one.
    idempotency_key: String,
    /// Whether an earlier request with this key was the first.
    duplicate: bool,
}

/// Where a message is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageStatus {
    /// The message's id.
    id: Uuid,
    /// Where it is.
    state: MessageState,
}

/// Where a message is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum MessageState {
    /// In the queue.
    Queued,
    /// With a worker.
    Processing,
    /// In the database.
    Persisted,
    /// Given up; an administrator can bring it back.
    Dead,
}

/// Accepts a text message.
#[utoipa::path(
    post, path = "/api/messages/sms", tag = "messages", request_body = SmsRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "As `idempotencyKey`; if both are given they agree.")),
    responses(
        (status = 202, description = "The queue has it, now or since an earlier request with the same key.", body = Accepted,
            headers(("Location" = String, description = "Where to ask for its state."))),
        (status = 400, description = "The body cannot be read.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "A token is needed.", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body was not there in time.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fields are invalid, or the key belongs to another message.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The queue is full or out of reach, or the outcome is unknown: then repeat it with the `idempotencyKey` of the answer.",
            body = Problem, content_type = "application/problem+json",
            headers(("Retry-After" = u32, description = "In seconds."))),
    ),
    security((), ("api" = []))
)]
pub(super) async fn post_sms(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    accept(&app, Channel::Sms, &headers, &body).await
}

/// Accepts an e-mail.
#[utoipa::path(
    post, path = "/api/messages/email", tag = "messages", request_body = EmailRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "As `idempotencyKey`; if both are given they agree.")),
    responses(
        (status = 202, description = "The queue has it, now or since an earlier request with the same key.", body = Accepted,
            headers(("Location" = String, description = "Where to ask for its state."))),
        (status = 400, description = "The body cannot be read.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "A token is needed.", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body was not there in time.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fields are invalid, or the key belongs to another message.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The queue is full or out of reach, or the outcome is unknown: then repeat it with the `idempotencyKey` of the answer.",
            body = Problem, content_type = "application/problem+json",
            headers(("Retry-After" = u32, description = "In seconds."))),
    ),
    security((), ("api" = []))
)]
pub(super) async fn post_email(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    accept(&app, Channel::Email, &headers, &body).await
}

/// Tells where a message is.
#[utoipa::path(
    get, path = "/api/messages/{id}", tag = "messages",
    params(("id" = Uuid, Path, description = "The id that the 202 answered.")),
    responses(
        (status = 200, description = "Where it is.", body = MessageStatus),
        (status = 401, description = "A token is needed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such message.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It is not in the queue, and the database cannot be asked.", body = Problem,
            content_type = "application/problem+json"),
    ),
    security((), ("api" = []))
)]
pub(super) async fn get_message(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
) -> Result<Json<MessageStatus>, Problem> {
    let state = find(&app, id).await?;
    let state = state.ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    Ok(Json(MessageStatus { id, state }))
}

async fn accept(
    app: &App,
    channel: Channel,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let request = Request::parse(channel, body, header_key(headers)?)?;
    let fingerprint = (app.intake == Intake::Publish).then(|| request.fingerprint());
    // The answer names the key, which may have to be derived.
    let event = Event::accept(request, OffsetDateTime::now_utc());
    let id = app.queue.environment().next_id();
    let Some(fingerprint) = fingerprint.map(Fingerprint) else {
        return Ok(accepted(*id.as_uuid(), event.idempotency_key, false));
    };
    let message = |id| message(id, &event, fingerprint, headers);
    match publish(&app.queue, id, message).await {
        Ok(PublishOutcome::Duplicate {
            same_fingerprint: false,
            ..
        }) => Err(Problem::new(ProblemKind::KeyReused)),
        Ok(outcome) => {
            let id = *outcome.id().as_uuid();
            Ok(accepted(id, event.idempotency_key, outcome.is_duplicate()))
        }
        Err(refusal) => Err(refused(&refusal, event.idempotency_key)),
    }
}

fn message(
    id: MessageId,
    event: &Event,
    fingerprint: Fingerprint,
    headers: &HeaderMap,
) -> Result<NewMessage, Error> {
    let key = IdempotencyKey::new(event.queue_key())?;
    let mut message = NewMessage::new(KIND, event.encode())
        .with_id(id)
        .with_idempotency_key(key)
        .with_fingerprint(fingerprint);
    trace_context::carry(headers, message.headers_mut());
    Ok(message)
}

/// The value of the `Idempotency-Key` header.
fn header_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let invalid = |detail| {
        let error = FieldError::new("/idempotencyKey", detail);
        Problem::new(ProblemKind::Invalid).errors(vec![error])
    };
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(invalid("the Idempotency-Key header must be given once"));
    }
    let text = std::str::from_utf8(value.as_bytes());
    let text = text.map_err(|_| invalid("the Idempotency-Key header must be UTF-8"))?;
    Ok(Some(text))
}

fn accepted(id: Uuid, idempotency_key: String, duplicate: bool) -> Response {
    let body = Accepted {
        status: "accepted",
        id,
        idempotency_key,
        duplicate,
    };
    let location = format!("/api/messages/{id}");
    (
        StatusCode::ACCEPTED,
        [(header::LOCATION, location)],
        Json(body),
    )
        .into_response()
}

fn refused(refusal: &NotPublished, idempotency_key: String) -> Problem {
    match refusal {
        NotPublished::Full => Problem::new(ProblemKind::QueueFull).retry_after(RETRY_AFTER),
        NotPublished::Unavailable => Problem::new(ProblemKind::Unavailable)
            .detail("The queue cannot be reached. The message was not accepted.")
            .retry_after(RETRY_AFTER),
        NotPublished::Unknown => Problem::new(ProblemKind::OutcomeUnknown)
            .detail("Repeat the request with this idempotencyKey.")
            .idempotency_key(idempotency_key)
            .retry_after(RETRY_AFTER),
        NotPublished::Refused(Error::TooLarge { .. }) => Problem::new(ProblemKind::TooLarge),
        NotPublished::Refused(error) => defect(error),
    }
}

/// A message that was valid here and is not to the queue.
fn defect(error: &Error) -> Problem {
    tracing::error!(%error, "the queue refuses a valid message");
    Problem::new(ProblemKind::Internal)
}

/// The queue knows best; what has left it is in the database.
async fn find(app: &App, id: Uuid) -> Result<Option<MessageState>, Problem> {
    let queued = app.queue.management().get(MessageId::from(id)).await;
    let state = match &queued {
        Ok(Some(message)) => match message.state {
            QueueState::Scheduled | QueueState::Ready => Some(MessageState::Queued),
            QueueState::Leased => Some(MessageState::Processing),
            QueueState::Dead => Some(MessageState::Dead),
            QueueState::Done => Some(MessageState::Persisted),
            _ => None,
        },
        _ => None,
    };
    if state.is_some() {
        return Ok(state);
    }
    let persisted = has_message(app, id).await;
    match (persisted, queued) {
        (Ok(true), _) => Ok(Some(MessageState::Persisted)),
        (Ok(false), Ok(_)) => Ok(None),
        (Err(error), _) => Err(super::errors::of_store(&error)),
        (_, Err(error)) => {
            tracing::warn!(%error, "the queue cannot be asked for a message");
            let problem = Problem::new(ProblemKind::Unavailable).retry_after(RETRY_AFTER);
            Err(problem.detail("The queue cannot be asked."))
        }
    }
}

async fn has_message(app: &App, id: Uuid) -> Result<bool, StoreError> {
    app.database.store()?.has_message(id).await
}
