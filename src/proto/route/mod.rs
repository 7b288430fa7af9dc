//! Where stanzas wait, on which stream they go, and what became of them.
//!
//! A [`pair::Pair`] is one direction between two domains. Its stanzas go out on one link (an outbound stream towards a
//! remote domain or a backend), in the order they came; until the link is of use they wait in a bounded
//! [`waiting::WaitingRoom`]. What cannot go out is answered by [`bounce`]. Everything is counted in an [`Account`].

pub(crate) mod account;
pub mod bounce;
pub(crate) mod outbox;
pub(crate) mod pair;
pub(crate) mod waiting;

pub use account::Account;
