//! Databases of their own for each test: a SQLite file always, a PostgreSQL database where a server is named.

use forebay_example_server::channel::Channel;
use forebay_example_server::conversation::Conversation;
use forebay_example_server::cursor::{Cursor, List};
use forebay_example_server::event::Event;
use forebay_example_server::message::Message;
use forebay_example_server::request::Request;
use forebay_example_server::store::{Store, StoreOptions};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tempfile::TempDir;
use time::OffsetDateTime;
use time::macros::datetime;
use url::Url;
use uuid::Uuid;

pub(crate) const CUSTOMER: Uuid = Uuid::from_u128(0x0195_c7a0_0000_7000_8000_0000_0000_0001);
pub(crate) const START: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);

/// A database that exists for one test. Its store is opened by the test.
pub(crate) struct TestDatabase {
    pub(crate) url: String,
    admin: Option<String>,
    folder: TempDir,
}

impl TestDatabase {
    pub(crate) fn sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite://{}/data/messages.db", folder.path().display());
        Self {
            url,
            admin: None,
            folder,
        }
    }

    /// `None`, with a line that says so, where no server is named and none is demanded.
    pub(crate) async fn postgres() -> Option<Self> {
        let Ok(admin) = std::env::var("FOREBAY_TEST_POSTGRES_URL") else {
            assert!(
                std::env::var_os("FOREBAY_REQUIRE_SERVERS").is_none(),
                "FOREBAY_TEST_POSTGRES_URL is unset, but FOREBAY_REQUIRE_SERVERS demands servers"
            );
            println!("skipped: no postgres (FOREBAY_TEST_POSTGRES_URL unset)");
            return None;
        };
        let name = format!("forebay_{:016x}", fastrand::u64(..));
        let mut connection = sqlx::PgConnection::connect(&admin).await.unwrap();
        let create = format!("CREATE DATABASE {name}");
        connection.execute(AssertSqlSafe(create)).await.unwrap();
        connection.close().await.unwrap();
        let mut url = Url::parse(&admin).unwrap();
        url.set_path(&name);
        Some(Self {
            url: url.into(),
            admin: Some(admin),
            folder: TempDir::new().unwrap(),
        })
    }

    pub(crate) async fn all() -> Vec<Self> {
        let mut all = vec![Self::sqlite()];
        all.extend(Self::postgres().await);
        all
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.admin.is_none()
    }

    pub(crate) fn sqlite_file(&self) -> std::path::PathBuf {
        self.folder.path().join("data/messages.db")
    }

    /// The first column of the first row, a number.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        if self.is_sqlite() {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.sqlite_file());
            let mut connection = options.connect().await.unwrap();
            sqlx::query_scalar(sql)
                .fetch_one(&mut connection)
                .await
                .unwrap()
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql)
                .fetch_one(&mut connection)
                .await
                .unwrap()
        }
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        if self.is_sqlite() {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.sqlite_file());
            options.connect().await.unwrap().execute(sql).await.unwrap();
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
            connection.execute(sql).await.unwrap();
        }
    }

    /// Removes a server's database. A test that fails before leaves it to the end of its server.
    pub(crate) async fn remove(self) {
        let Some(admin) = &self.admin else { return };
        let name = Url::parse(&self.url)
            .unwrap()
            .path()
            .trim_start_matches('/')
            .to_owned();
        let mut connection = sqlx::PgConnection::connect(admin).await.unwrap();
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        connection.execute(AssertSqlSafe(drop)).await.unwrap();
    }
}

/// A request's body with what every test needs; `fields` are put over it.
pub(crate) fn event(channel: Channel, from: &str, to: &str, fields: &Value) -> Event {
    let mut body = json!({"customerId": CUSTOMER, "from": from, "to": to, "body": "hello"});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let request = Request::parse(channel, body.to_string().as_bytes(), None).unwrap();
    Event::accept(request, START)
}

/// A short text message with this key, sent so many seconds after [`START`].
pub(crate) fn sms(from: &str, to: &str, key: &str, second: i64) -> Event {
    let mut event = event(Channel::Sms, from, to, &json!({ "idempotencyKey": key }));
    event.sent_at = START + time::Duration::seconds(second);
    event
}

/// A telephone number for a test.
pub(crate) fn phone(number: u32) -> String {
    format!("+1202555{number:04}")
}

/// A store on the database, its schema up to date.
pub(crate) async fn connect(database: &TestDatabase) -> Store {
    Store::connect(&database.url, StoreOptions::default())
        .await
        .unwrap()
}

/// A message id for a test.
pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0195_c7a0_0000_7000_8000_0000_0001_0000 + number)
}

/// Every conversation, page by page.
pub(crate) async fn conversations(store: &Store, limit: u32) -> Vec<Conversation> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.conversations(cursor, limit).await.unwrap();
        assert!(page.items.len() <= limit as usize);
        all.extend(page.items);
        let Some(next) = page.next_cursor else {
            return all;
        };
        cursor = Some(Cursor::decode(List::Conversations, &next).unwrap());
    }
}

/// Every message of the conversation, page by page.
pub(crate) async fn messages(store: &Store, conversation: Uuid, limit: u32) -> Vec<Message> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = store
            .messages(conversation, cursor, limit)
            .await
            .unwrap()
            .unwrap();
        all.extend(page.items);
        let Some(next) = page.next_cursor else {
            return all;
        };
        cursor = Some(Cursor::decode(List::Messages, &next).unwrap());
    }
}
