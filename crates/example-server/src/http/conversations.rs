//! `/api/conversations`: what was persisted.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::page_query::PageQuery;
use super::path_id::PathId;
use super::{App, errors};
use crate::conversation::Conversation;
use crate::cursor::{Cursor, InvalidCursor, List};
use crate::message::Message;
use crate::page::Page;
use crate::problem::{Problem, ProblemKind};

/// Lists conversations, newest activity first.
#[utoipa::path(
    get, path = "/api/conversations", tag = "conversations", params(PageQuery),
    responses(
        (status = 200, description = "A page of conversations.", body = Page<Conversation>),
        (status = 400, description = "`limit` or `cursor` is not valid.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "A token is needed.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database cannot be asked.", body = Problem, content_type = "application/problem+json"),
    ),
    security((), ("api" = []))
)]
pub(super) async fn list_conversations(
    State(app): State<Arc<App>>,
    query: PageQuery,
) -> Result<Json<Page<Conversation>>, Problem> {
    let after = cursor(List::Conversations, &query)?;
    let store = app.database.store().map_err(|e| errors::of_store(&e))?;
    let page = store.conversations(after, query.limit).await;
    page.map(Json).map_err(|error| errors::of_store(&error))
}

/// Lists the messages of a conversation, oldest first.
#[utoipa::path(
    get, path = "/api/conversations/{id}/messages", tag = "conversations",
    params(("id" = Uuid, Path, description = "The conversation's id."), PageQuery),
    responses(
        (status = 200, description = "A page of its messages.", body = Page<Message>),
        (status = 400, description = "`limit` or `cursor` is not valid.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "A token is needed.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such conversation.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database cannot be asked.", body = Problem, content_type = "application/problem+json"),
    ),
    security((), ("api" = []))
)]
pub(super) async fn list_messages(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
    query: PageQuery,
) -> Result<Json<Page<Message>>, Problem> {
    let after = cursor(List::Messages, &query)?;
    let store = app.database.store().map_err(|e| errors::of_store(&e))?;
    let page = store.messages(id, after, query.limit).await;
    let page = page.map_err(|error| errors::of_store(&error))?;
    page.map(Json)
        .ok_or_else(|| Problem::new(ProblemKind::NotFound))
}

fn cursor(list: List, query: &PageQuery) -> Result<Option<Cursor>, InvalidCursor> {
    let text = query.cursor.as_deref();
    text.map(|text| Cursor::decode(list, text)).transpose()
}
