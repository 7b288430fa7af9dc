//! What operators' tools ask a running ringgate.
//!
//! It runs on glommio, on shard 0, beside the data path and never on it: a scrape costs that shard some hundred
//! microseconds.

mod http;
mod openmetrics;

pub use openmetrics::{Listener, serve};
