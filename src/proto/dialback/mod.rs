//! Server dialback, XEP-0220: four cells, and nothing about where streams come from.
//!
//! | | acts on its outbound stream | answers on its inbound stream |
//! |---|---|---|
//! | Initiating Server | §2.1.1 asks for authorisation: [`Requests`] | |
//! | Receiving Server | §2.1.2 asks the authoritative server: [`Verifications`] | §2.2.1 takes the request: [`Frame`] |
//! | Authoritative Server | | §2.2.2 answers: [`answer_verification`] |

mod authoritative;
mod frame;
mod key;
mod requests;
mod verifications;

pub use authoritative::answer_verification;
pub use frame::{DialbackError, Frame, FrameBody, FrameKind, Outcome};
pub use key::Secret;
pub use requests::Requests;
pub use verifications::Verifications;

use crate::address::DomainPair;

/// Witness that dialback proved a pair; only [`Requests`] and [`Verifications`] make it.
#[derive(Debug, PartialEq, Eq)]
pub struct DialbackValid {
    pair: DomainPair,
}

impl DialbackValid {
    pub(crate) fn into_pair(self) -> DomainPair {
        self.pair
    }
    /// The proven pair.
    pub fn pair(&self) -> &DomainPair {
        &self.pair
    }
}
