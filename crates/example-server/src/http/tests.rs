use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use forebay::core::{Delivery, Error, Guarantees, Health, Nack, Receipt, SettleOutcome};
use forebay::{
    Backend, Connector, Environment, Management, NewMessage, Observers, PublishOutcome, Queue,
    QueueConfig, QueueName, Settings,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::processing::KIND;

const SMS: &str = "/api/messages/sms";
const JSON: (&str, &str) = ("content-type", "application/json");

mod door;
mod guards;
mod outcomes;
mod routes;

/// The routes over a memory queue and a SQLite file, without a worker.
struct Rig {
    router: Router,
    queue: Connection,
    database: Database,
    _folder: TempDir,
}

struct Answer {
    status: u16,
    headers: axum::http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Asserts that it is a problem of this status and sort.
    fn problem(&self, status: u16, kind: &str) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let json = self.json();
        assert_eq!(json["type"], format!("urn:forebay:problem:{kind}"));
        assert_eq!(json["status"], status);
        json
    }
}

impl Rig {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let settings: Settings = settings.iter().copied().collect();
        let queue = Connector::new(settings.clone()).connect("q").await;
        Self::with_queue(&settings, queue.unwrap())
    }

    fn with_queue(settings: &Settings, queue: Connection) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/messages.db", folder.path().display());
        let database = Database::open(&url).unwrap();
        let settings = crate::settings::ServerSettings::from_settings(settings).unwrap();
        let app = App {
            queue: queue.clone(),
            database: database.clone(),
            metrics: Metrics(PrometheusObserver::new()),
            worker: None,
            api_token: settings.api_token,
            admin_token: settings.admin_token,
            intake: Intake::Publish,
            readiness: Readiness::default(),
        };
        Self {
            router: router(Arc::new(app)),
            queue,
            database,
            _folder: folder,
        }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            let value = axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request = request.header(*name, value);
        }
        let request = request.body(body.into()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 16 << 20).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.to_vec(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    async fn post(&self, body: &Value) -> Answer {
        self.send("POST", SMS, &[JSON], body.to_string()).await
    }

    async fn live(&self) -> u64 {
        self.queue.management().stats().await.unwrap().live()
    }
}

fn sms() -> Value {
    json!({
        "customerId": "00000000-0000-0000-0000-000000000001",
        "from": "+12025550100", "to": "+1 (202) 555-0123", "body": "hello", "idempotencyKey": "k"
    })
}
