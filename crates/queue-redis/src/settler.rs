//! Acks, nacks and extensions of all callers, gathered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue_core::{Error, ErrorRecord, Nack, NackAction, Receipt, SettleOutcome};
use redis::Value;
use tokio::sync::{mpsc, oneshot};

use crate::call::Call;
use crate::entry::micros;
use crate::failure::Failure;
use crate::gate::unreadable;
use crate::home::Home;
use crate::receipt::{Consumer, Token};
use crate::script::{self, Script};

/// The most deliveries of one call, so that none keeps the server busy for long.
const MOST: usize = 512;

/// What is to become of some deliveries.
pub(crate) enum Settling {
    Ack(Vec<Option<Token>>),
    Extend(Vec<Option<Token>>),
    Nack(Vec<(Option<Token>, NackAction, Option<Box<str>>)>),
}

impl Settling {
    pub(crate) fn ack(receipts: &[Receipt]) -> Self {
        Self::Ack(receipts.iter().map(Token::from_receipt).collect())
    }

    pub(crate) fn extend(receipts: &[Receipt]) -> Self {
        Self::Extend(receipts.iter().map(Token::from_receipt).collect())
    }

    pub(crate) fn nack(nacks: Vec<Nack>) -> Self {
        let read = |nack: Nack| (Token::from_receipt(&nack.receipt), nack.action, nack.cause);
        Self::Nack(nacks.into_iter().map(read).collect())
    }

    fn len(&self) -> usize {
        match self {
            Self::Ack(tokens) | Self::Extend(tokens) => tokens.len(),
            Self::Nack(nacks) => nacks.len(),
        }
    }

    fn token(&self, place: usize) -> Option<Token> {
        match self {
            Self::Ack(tokens) | Self::Extend(tokens) => tokens[place],
            Self::Nack(nacks) => nacks[place].0,
        }
    }

    fn verb(&self) -> Verb {
        match self {
            Self::Ack(_) => Verb::Ack,
            Self::Extend(_) => Verb::Extend,
            Self::Nack(_) => Verb::Nack,
        }
    }

    /// What follows the stream id of a delivery.
    fn push_details(&self, place: usize, arguments: &mut Vec<Vec<u8>>) {
        match self {
            Self::Extend(_) => {}
            Self::Ack(tokens) => {
                if let Some(token) = tokens[place] {
                    arguments.push(token.message.as_bytes().to_vec());
                }
            }
            Self::Nack(nacks) => {
                let (_, action, cause) = &nacks[place];
                let (word, after) = match *action {
                    NackAction::Retry { after } => ("t", after),
                    NackAction::Release { after } => ("l", after),
                    NackAction::DeadLetter => ("d", Duration::ZERO),
                };
                arguments.push(word.into());
                arguments.push(micros(after).to_string().into_bytes());
                arguments.push(cause.as_deref().map_or_else(Vec::new, |cause| {
                    let end = cause.floor_char_boundary(ErrorRecord::MAX_TEXT);
                    format!("+{}", &cause[..end]).into_bytes()
                }));
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Ack,
    Extend,
    Nack,
}

impl Verb {
    const ALL: [Self; 3] = [Self::Ack, Self::Extend, Self::Nack];

    fn script(self) -> &'static Script {
        match self {
            Self::Ack => &script::ACK,
            Self::Extend => &script::EXTEND,
            Self::Nack => &script::NACK,
        }
    }
}

type Outcomes = Result<Vec<SettleOutcome>, Error>;

struct Request {
    settling: Settling,
    answer: oneshot::Sender<Outcomes>,
}

/// Gathers what all callers settle: while one call is under way, the next one fills. Nobody waits for a timer.
pub(crate) struct Settler(mpsc::UnboundedSender<Request>);

impl Settler {
    pub(crate) fn start(home: Arc<Home>) -> Self {
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(run(home, requests));
        Self(sender)
    }

    /// Sends it off; the answer is dropped when the runtime ends.
    pub(crate) fn send(&self, settling: Settling) -> oneshot::Receiver<Outcomes> {
        let (answer, receiver) = oneshot::channel();
        // Without a task the answer is dropped with the request.
        let _ = self.0.send(Request { settling, answer });
        receiver
    }
}

async fn run(home: Arc<Home>, mut requests: mpsc::UnboundedReceiver<Request>) {
    while let Some(first) = requests.recv().await {
        let mut gathered = vec![first];
        let mut count = gathered[0].settling.len();
        while count < MOST
            && let Ok(request) = requests.try_recv()
        {
            count += request.settling.len();
            gathered.push(request);
        }
        settle(&home, gathered).await;
    }
}

/// Settles everything in one write: one call for each verb.
async fn settle(home: &Home, requests: Vec<Request>) {
    let mut bundles: Vec<Bundle> = Verb::ALL.map(Bundle::new).into();
    for request in requests {
        let verb = request.settling.verb();
        if let Some(bundle) = bundles.iter_mut().find(|bundle| bundle.verb == verb) {
            bundle.add(request);
        }
    }
    bundles.retain(|bundle| !bundle.requests.is_empty());
    let arguments: Vec<Vec<Vec<u8>>> = bundles.iter().map(Bundle::arguments).collect();
    let calls: Vec<Call> = bundles
        .iter()
        .zip(&arguments)
        .map(|(bundle, arguments)| home.script(bundle.verb.script(), arguments))
        .collect();
    let answers = match home.link().pipeline(calls).await {
        Ok(answers) => answers,
        Err(failure) => bundles.iter().map(|_| Err(failure.clone())).collect(),
    };
    for ((bundle, answer), arguments) in bundles.into_iter().zip(answers).zip(arguments) {
        let answer = match answer {
            Err(failure) if home.repaired(&failure).await => {
                home.call(bundle.verb.script(), &arguments).await
            }
            answer => answer,
        };
        bundle.answer(home, answer);
    }
    home.room.notify_one();
}

/// Epoch and consumer.
type Holder = (u32, Consumer);
/// Request, and place in it.
type Member = (usize, usize);

/// Everything that is settled in one way.
struct Bundle {
    verb: Verb,
    requests: Vec<Request>,
    /// Which deliveries, in the order in which they came.
    groups: Vec<(Holder, Vec<Member>)>,
    known: HashMap<Holder, usize>,
}

impl Bundle {
    fn new(verb: Verb) -> Self {
        Self {
            verb,
            requests: Vec::new(),
            groups: Vec::new(),
            known: HashMap::new(),
        }
    }

    fn add(&mut self, request: Request) {
        let number = self.requests.len();
        let mut last: Option<(Holder, usize)> = None;
        for place in 0..request.settling.len() {
            let Some(token) = request.settling.token(place) else {
                continue;
            };
            let holder = (token.epoch, token.consumer);
            let group = match last {
                Some((known, group)) if known == holder => group,
                _ => self.group_of(holder),
            };
            last = Some((holder, group));
            self.groups[group].1.push((number, place));
        }
        self.requests.push(request);
    }

    fn group_of(&mut self, holder: Holder) -> usize {
        let groups = &mut self.groups;
        *self.known.entry(holder).or_insert_with(|| {
            groups.push((holder, Vec::new()));
            groups.len() - 1
        })
    }

    fn arguments(&self) -> Vec<Vec<u8>> {
        let mut arguments = Vec::new();
        for ((epoch, consumer), members) in &self.groups {
            let tokens = members
                .iter()
                .filter_map(|(request, place)| self.requests[*request].settling.token(*place));
            let places: Vec<_> = tokens.map(|token| token.place).collect();
            let (Some(least), Some(greatest)) = (places.iter().min(), places.iter().max()) else {
                continue;
            };
            arguments.push(epoch.to_string().into_bytes());
            arguments.push(consumer.to_string().into_bytes());
            arguments.push(members.len().to_string().into_bytes());
            arguments.push(least.to_string().into_bytes());
            arguments.push(greatest.to_string().into_bytes());
            for ((request, place), id) in members.iter().zip(&places) {
                arguments.push(id.to_string().into_bytes());
                self.requests[*request]
                    .settling
                    .push_details(*place, &mut arguments);
            }
        }
        arguments
    }

    /// Tells every caller what became of its deliveries.
    fn answer(self, home: &Home, answer: Result<Value, Failure>) {
        let members = self.groups.iter().map(|(_, members)| members.len()).sum();
        let flags = answer.and_then(|value| self.flags(home, value, members));
        let flags = match flags {
            Ok(flags) => flags,
            Err(failure) => {
                for request in self.requests {
                    let error = failure.clone().into_error(&home.handle.name);
                    let _ = request.answer.send(Err(error));
                }
                return;
            }
        };
        let lost = |request: &Request| vec![SettleOutcome::LeaseLost; request.settling.len()];
        let mut outcomes: Vec<Vec<SettleOutcome>> = self.requests.iter().map(lost).collect();
        let members = self.groups.iter().flat_map(|(_, members)| members);
        for ((request, place), flag) in members.zip(flags) {
            if flag == b'1' {
                outcomes[*request][*place] = SettleOutcome::Done;
            }
        }
        for (request, outcomes) in self.requests.into_iter().zip(outcomes) {
            let _ = request.answer.send(Ok(outcomes));
        }
    }

    /// One '0' or '1' for each delivery.
    fn flags(&self, home: &Home, value: Value, members: usize) -> Result<Vec<u8>, Failure> {
        let flags = match (self.verb, value) {
            (Verb::Ack | Verb::Extend, Value::BulkString(flags)) => flags,
            (Verb::Nack, Value::Array(items)) => {
                let [Value::BulkString(flags), Value::Int(dropped)] = &items[..] else {
                    return Err(unreadable());
                };
                home.handle
                    .warn_of_dropped(u64::try_from(*dropped).unwrap_or_default());
                flags.clone()
            }
            _ => return Err(unreadable()),
        };
        if flags.len() == members {
            Ok(flags)
        } else {
            Err(unreadable())
        }
    }
}
