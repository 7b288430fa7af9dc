//! Figures of the running process: counters, transit times, accounts.
//!
//! A shard folds its events into a [`Tally`] of its own and once per second puts a [`Snapshot`] on the [`Board`]. Whoever
//! shows figures (OpenMetrics, the interval log, the account at shutdown) reads the board. The board is the only lock:
//! it is taken for the exchange of one pointer, once per second and shard, never while a stanza is handled.

mod account;
mod board;
mod exposition;
mod hlog;
mod tally;

pub use account::{Ledger, account_text};
pub use board::{Board, Snapshot};
pub use exposition::exposition;
pub use hlog::{IntervalLog, IntervalLogError, begin_interval_log};
pub use tally::Tally;
