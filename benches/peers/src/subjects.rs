//! What is measured beside forebay, a file each.

mod apalis;
mod bare;
mod broccoli;
mod omniqueue;
mod rustqueue;
mod sidekiq;

pub(crate) use apalis::Apalis;
pub(crate) use bare::Bare;
pub(crate) use broccoli::Broccoli;
pub(crate) use omniqueue::Omniqueue;
pub(crate) use rustqueue::RustQueue;
pub(crate) use sidekiq::Sidekiq;
