//! The simulator: the real engine, memory queue and worker under the runtime's paused time, with clients, processes and
//! a swarm of faults that all come from one seed.
//!
//! A run has three parts. In the *trouble* clients publish and steer, workers and consumers by hand settle, and a plan
//! of faults is carried out: calls are refused, lost or late, processes crash, stall and are stopped, clocks jump. Then
//! the world *heals*: nothing fails any more, and fresh workers drain the backlog. At *rest* everything is counted, and
//! the checker judges the history. A run takes some ten milliseconds and is the same each time it is run.
//!
//! A stall keeps a process's calls and answers back; its own timers go on. What nobody notices because nothing moves at
//! all is a freeze, which holds for the whole world.

mod batch;
mod chore;
mod client;
mod clock;
mod conductor;
mod consumer;
mod dice;
mod occurrence;
mod process;
mod rest;
mod simulation;
mod swarm;
mod wire;
mod world;

pub use batch::{Batch, Outcome};
pub use occurrence::{Occurrence, Tally};
pub use simulation::{Run, Simulation};
pub use world::Wrap;
