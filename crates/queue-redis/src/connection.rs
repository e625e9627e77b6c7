//! One connection to one server.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forebay_queue_core::Error;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, RedisConnectionInfo, RedisError, Value};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::call::Call;
use crate::confirm::Confirm;
use crate::endpoint::Endpoint;
use crate::failure::{Advice, Failure};
use crate::options::{Account, RedisOptions};
use crate::replies;
use crate::tls::Tls;

/// A silent path is asked after this long, and given up after three questions.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// What was sent and not acknowledged for so long is on a dead path.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes connections as the options say.
pub(crate) struct Dialer {
    options: RedisOptions,
    tls: Option<Tls>,
}

impl Dialer {
    /// # Errors
    /// [`Error::InvalidSetting`] when the file of the authority cannot be used.
    pub(crate) fn new(options: RedisOptions) -> Result<Self, Error> {
        let tls = options
            .is_encrypted
            .then(|| Tls::new(options.authority.as_deref()))
            .transpose()?;
        Ok(Self { options, tls })
    }

    pub(crate) fn options(&self) -> &RedisOptions {
        &self.options
    }

    /// Connects, logs in, and waits until the server has answered. Whatever goes wrong, nothing was done.
    pub(crate) async fn dial(&self, endpoint: &Endpoint) -> Result<Connection, Failure> {
        let dialled = async {
            let connection = self.dial_now(endpoint).await?;
            for answer in greet(&connection, &self.greeting()).await? {
                // A login and a look change nothing, however they end.
                answer.map_err(Failure::of_look)?;
            }
            Ok(connection)
        };
        self.in_time(dialled).await
    }

    /// As [`Dialer::dial`], to a sentinel. It gets the same login, and may have no use for it: most have none.
    pub(crate) async fn dial_sentinel(&self, endpoint: &Endpoint) -> Result<Connection, Failure> {
        let dialled = async {
            let connection = self.dial_now(endpoint).await?;
            if let Some(account) = &self.options.account {
                let mut login = redis::pipe();
                account.log_in(&mut login);
                greet(&connection, &login).await?;
            }
            Ok(connection)
        };
        self.in_time(dialled).await
    }

    async fn in_time(
        &self,
        dialled: impl Future<Output = Result<Connection, Failure>>,
    ) -> Result<Connection, Failure> {
        let dialled = timeout(self.options.connect_timeout, dialled).await;
        dialled.unwrap_or_else(|_| {
            let text = "the server did not take the connection in time";
            Err(Failure::not_done(Advice::Reconnect, text))
        })
    }

    async fn dial_now(&self, endpoint: &Endpoint) -> Result<Connection, Failure> {
        let Endpoint { host, port } = endpoint;
        let stream = TcpStream::connect((host.as_str(), *port)).await;
        let stream = stream.map_err(|error| unreachable(&error))?;
        tune(&stream).map_err(|error| unreachable(&error))?;
        match &self.tls {
            None => Connection::over(stream, endpoint).await,
            Some(tls) => Connection::over(tls.encrypt(host, stream).await?, endpoint).await,
        }
    }

    fn greeting(&self) -> Pipeline {
        let mut greeting = redis::pipe();
        if let Some(account) = &self.options.account {
            account.log_in(&mut greeting);
        }
        if self.options.database != 0 {
            greeting.cmd("SELECT").arg(self.options.database);
        }
        greeting.cmd("PING");
        greeting
    }
}

async fn greet(
    connection: &Connection,
    greeting: &Pipeline,
) -> Result<Vec<Result<Value, Failure>>, Failure> {
    let greeted = connection.send(greeting).await;
    greeted.map_err(|_| {
        let text = "the server closed the connection at its beginning";
        Failure::not_done(Advice::Reconnect, text)
    })
}

impl Account {
    fn log_in(&self, greeting: &mut Pipeline) {
        greeting.cmd("AUTH");
        if let Some(user) = &self.user {
            greeting.arg(user);
        }
        greeting.arg(&self.password);
    }
}

/// A connection whose calls run in the order in which they are sent. Clones share it; with the last one it is closed at
/// once, whatever is under way.
#[derive(Clone)]
pub(crate) struct Connection {
    multiplexed: MultiplexedConnection,
    driver: Arc<Driver>,
    endpoint: Endpoint,
}

/// The task that reads and writes.
struct Driver {
    task: JoinHandle<()>,
    has_served: AtomicBool,
}

impl Connection {
    async fn over<S>(stream: S, endpoint: &Endpoint) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // The crate's own time limit throws answers away; ours is in `exchange`.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
        let made = MultiplexedConnection::new_with_config(&nobody, stream, config).await;
        let (multiplexed, driver) = made.map_err(|_| {
            Failure::not_done(
                Advice::Reconnect,
                "the connection was closed at its beginning",
            )
        })?;
        Ok(Self {
            multiplexed,
            driver: Arc::new(Driver {
                task: tokio::spawn(driver),
                has_served: AtomicBool::new(false),
            }),
            endpoint: endpoint.clone(),
        })
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.driver.task.is_finished()
    }

    /// Whether it has brought an answer, apart from the one at its beginning.
    pub(crate) fn has_served(&self) -> bool {
        self.driver.has_served.load(Ordering::Relaxed)
    }

    /// Whether this is a clone of that one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.driver, &other.driver)
    }

    /// Sends the calls in one write and waits for the answers, at most for `patience`. The outer failure is one of the
    /// connection, and answers may still be under way.
    pub(crate) async fn exchange(
        &self,
        calls: &[&Call],
        confirm: Option<&Confirm>,
        patience: Duration,
    ) -> Result<Vec<Result<Value, Failure>>, Failure> {
        if self.is_over() {
            let text = "the connection to the server was lost";
            return Err(Failure::not_done(Advice::Reconnect, text));
        }
        let confirm = confirm.filter(|_| calls.iter().any(|call| call.is_confirmed()));
        if let (&[call], None) = (calls, confirm) {
            let sent = timeout(patience, self.send_one(call)).await;
            let answer = sent.unwrap_or_else(|_| Err(late()))?;
            self.driver.has_served.store(true, Ordering::Relaxed);
            return Ok(vec![answer]);
        }
        let mut pipeline = Pipeline::with_capacity(calls.len() + 2);
        for call in calls {
            pipeline.add_command(call.as_command().clone());
        }
        if let Some(confirm) = confirm {
            confirm.ask(&mut pipeline);
        }
        let sent = timeout(patience, self.send(&pipeline)).await;
        let mut answers = sent.unwrap_or_else(|_| Err(late()))?;
        self.driver.has_served.store(true, Ordering::Relaxed);
        let confirmations = answers.split_off(calls.len().min(answers.len()));
        if let Some(confirm) = confirm {
            confirm.judge(calls, &mut answers, confirmations);
        }
        Ok(answers)
    }

    async fn send(&self, pipeline: &Pipeline) -> Result<Vec<Result<Value, Failure>>, Failure> {
        let mut multiplexed = self.multiplexed.clone();
        let sent = multiplexed.send_packed_commands(pipeline, 0, pipeline.len());
        let values = sent.await.map_err(|error| broken(&error))?;
        if values.len() != pipeline.len() {
            return Err(Failure::unknown(Advice::Reconnect, "an answer is missing"));
        }
        let answers = values.into_iter().map(|value| self.answer(value));
        Ok(answers.collect())
    }

    /// As `send`, without a copy.
    async fn send_one(&self, call: &Call) -> Result<Result<Value, Failure>, Failure> {
        let mut multiplexed = self.multiplexed.clone();
        let sent = multiplexed.send_packed_command(call.as_command()).await;
        Ok(self.answer(sent.map_err(|error| broken(&error))?))
    }

    fn answer(&self, value: Value) -> Result<Value, Failure> {
        match value {
            Value::ServerError(error) => Err(replies::failure(&error, &self.endpoint)),
            value => Ok(value),
        }
    }
}

/// Otherwise the task would wait until the other side has taken all that was sent, which one that is away never does.
impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keep_alive = TcpKeepalive::new()
        .with_time(KEEP_ALIVE)
        .with_interval(KEEP_ALIVE_INTERVAL)
        .with_retries(3);
    socket.set_tcp_keepalive(&keep_alive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}

/// Without the error's text, which may have the address.
fn unreachable(error: &io::Error) -> Failure {
    let text = format!("the server cannot be reached: {}", error.kind());
    Failure::not_done(Advice::Reconnect, text)
}

fn late() -> Failure {
    Failure::unknown(Advice::Reconnect, "the server did not answer in time")
}

/// The request may have been on its way.
fn broken(error: &RedisError) -> Failure {
    let text = match error.kind() {
        redis::ErrorKind::Parse => "the server's answer cannot be read",
        _ => "the connection to the server was lost before the answer",
    };
    Failure::unknown(Advice::Reconnect, text)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn nothing_is_left_of_a_connection_whose_other_side_takes_nothing() {
        let endpoint = Endpoint {
            host: "localhost".to_owned(),
            port: 1,
        };
        let (near, _far) = tokio::io::duplex(16);
        let connection = Connection::over(near, &endpoint).await.unwrap();
        let mut command = redis::cmd("ECHO");
        command.arg(vec![0; 1000]);
        let call = Call::command(command);
        let patience = Duration::from_millis(10);
        let sent = connection.exchange(&[&call], None, patience).await;
        sent.unwrap_err();
        let task = connection.driver.task.abort_handle();
        assert!(!task.is_finished());
        drop(connection);
        let ended = async {
            while !task.is_finished() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), ended).await.unwrap();
    }

    #[tokio::test]
    async fn a_path_that_dies_silently_is_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        tune(&stream).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEP_ALIVE);
        assert_eq!(
            socket.tcp_keepalive_interval().unwrap(),
            KEEP_ALIVE_INTERVAL
        );
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
    }
}
