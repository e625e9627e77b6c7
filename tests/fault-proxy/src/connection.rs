use std::pin::pin;
use std::sync::atomic::AtomicBool;

use fastrand::Rng;
use tokio::io::{AsyncReadExt, Interest, Ready};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::control::{Control, Orders, Plan, Seat};
use crate::pump::{Outcome, Pump, READ};
use crate::shaper::Shaper;
use crate::{Direction, FaultKind};

/// How a connection ends for both of its sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Each has been told that the other sends no more.
    Closed,
    /// One side was reset by itself, and the other one is told so.
    Broken,
    /// By a fault.
    Reset,
    /// By a fault.
    HalfOpen,
}

/// One client from its acceptance to its end. The seat comes first, so that it is given up after the sockets.
pub(crate) async fn serve(seat: Seat, mut client: TcpStream, mut dice: Rng) {
    let control = seat.control();
    let mut post = Post::new(control, seat.past);
    send_at_once(&client);
    let reached = tokio::select! {
        biased;
        end = post.next() => Err(end),
        reached = reach_upstream(control, &client) => reached,
    };
    let mut upstream = match reached {
        Ok(upstream) => upstream,
        Err(end) => return finish(control, end, client, None, post).await,
    };
    let end = tokio::select! {
        biased;
        end = post.next() => end,
        end = exchange(control, &mut client, &mut upstream, &mut dice) => end,
    };
    finish(control, end, client, Some(upstream), post).await;
}

/// The orders that reach one connection.
struct Post {
    plan: watch::Receiver<Plan>,
    past: Orders,
}

impl Post {
    fn new(control: &Control, past: Orders) -> Self {
        let plan = control.watch();
        Self { plan, past }
    }

    /// The end that is ordered next. Cancel safe: an order is taken when it is returned.
    async fn next(&mut self) -> End {
        let past = self.past;
        let Ok(plan) = self.plan.wait_for(|plan| plan.orders != past).await else {
            // Nobody is left to give one.
            return std::future::pending().await;
        };
        self.past = plan.orders;
        if plan.orders.resets == past.resets {
            End::HalfOpen
        } else {
            End::Reset
        }
    }
}

/// The upstream, as soon as no black hole is in the way, or the end of the connection without it.
async fn reach_upstream(control: &Control, client: &TcpStream) -> Result<TcpStream, End> {
    let mut plan = control.watch();
    let is_hole = |plan: &Plan| plan.faults.to_upstream.black_hole;
    let is_held = is_hole(&plan.borrow());
    if is_held {
        control.tally.fire(FaultKind::BlackHole);
        // The error says that nobody is left who could set a fault.
        let _ = plan.wait_for(|plan| !is_hole(plan)).await;
        if has_hung_up(client).await {
            return Err(End::Closed);
        }
    }
    let address = plan.borrow().upstream;
    let Ok(upstream) = TcpStream::connect(address).await else {
        control.tally.miss_upstream();
        return Err(End::Broken);
    };
    send_at_once(&upstream);
    Ok(upstream)
}

/// Whether the end of what the peer sends is there already.
async fn has_hung_up(stream: &TcpStream) -> bool {
    tokio::select! {
        biased;
        ready = stream.ready(Interest::READABLE) => ready.is_ok_and(Ready::is_read_closed),
        () = std::future::ready(()) => false,
    }
}

/// Forwards both ways until both have ended, or until the connection has to.
async fn exchange(
    control: &Control,
    client: &mut TcpStream,
    upstream: &mut TcpStream,
    dice: &mut Rng,
) -> End {
    let (from_client, to_client) = client.split();
    let (from_upstream, to_upstream) = upstream.split();
    let client_is_gone = AtomicBool::new(false);
    let upstream_is_gone = AtomicBool::new(false);
    let requests = Pump {
        control,
        direction: Direction::ToUpstream,
        from: from_client,
        from_is_gone: &client_is_gone,
        to: to_upstream,
        to_is_gone: &upstream_is_gone,
        shaper: Shaper::new(dice),
    };
    let replies = Pump {
        control,
        direction: Direction::ToClient,
        from: from_upstream,
        from_is_gone: &upstream_is_gone,
        to: to_client,
        to_is_gone: &client_is_gone,
        shaper: Shaper::new(dice),
    };
    let (mut requests, mut replies) = (pin!(requests.run()), pin!(replies.run()));
    let mut outcomes = [None; 2];
    while outcomes.contains(&None) {
        let [sent, answered] = &mut outcomes;
        let (place, outcome) = tokio::select! {
            biased;
            outcome = &mut requests, if sent.is_none() => (sent, outcome),
            outcome = &mut replies, if answered.is_none() => (answered, outcome),
        };
        if let Outcome::Ended(end) = outcome {
            return end;
        }
        *place = Some(outcome);
    }
    if outcomes.contains(&Some(Outcome::Deaf)) {
        End::Broken
    } else {
        End::Closed
    }
}

async fn finish(
    control: &Control,
    end: End,
    client: TcpStream,
    upstream: Option<TcpStream>,
    post: Post,
) {
    match end {
        End::Closed => {}
        End::HalfOpen => {
            control.tally.fire(FaultKind::HalfOpen);
            drop(upstream);
            keep_silent(control, client, post).await;
        }
        End::Broken | End::Reset => {
            // Before anybody can notice it.
            if end == End::Reset {
                control.tally.fire(FaultKind::Reset);
            }
            reset(client);
            if let Some(upstream) = upstream {
                reset(upstream);
            }
        }
    }
}

/// Says nothing and swallows everything until the client closes or is reset.
async fn keep_silent(control: &Control, mut client: TcpStream, mut post: Post) {
    let mut swallowed = vec![0; READ];
    loop {
        tokio::select! {
            biased;
            end = post.next() => if end == End::Reset {
                control.tally.fire(FaultKind::Reset);
                reset(client);
                return;
            },
            read = client.read(&mut swallowed) => if !matches!(read, Ok(1..)) {
                return;
            },
        }
    }
}

/// Closes with RST instead of FIN.
fn reset(stream: TcpStream) {
    // It fails when the connection is dead already, and then there is nobody to be told.
    let _ = stream.set_zero_linger();
    drop(stream);
}

/// Without gathering: when a piece arrives is the proxy's to say.
fn send_at_once(stream: &TcpStream) {
    // It fails when the connection is dead already, which the first read tells as well.
    let _ = stream.set_nodelay(true);
}
