//! The stream machine of a connection, whichever role it has.

use crate::address::Domain;
use crate::scan::{Element, Header, StreamContext};
use crate::stream::{Condition, Initiating, PeerCertificate, Receiving, StreamError, World};

/// What a connection is doing.
#[derive(Debug)]
pub(crate) enum Machine {
    /// We asked for a connection; nothing has been exchanged.
    Connecting,
    /// The peer opened the stream.
    Receiving(Receiving),
    /// We opened the stream.
    Initiating(Initiating),
}

const NOT_CONNECTED: StreamError =
    StreamError { condition: Condition::InternalServerError, text: "not connected", blame: crate::stream::Blame::Us };

impl Machine {
    pub(crate) fn header(&mut self, h: &Header<'_>, c: &StreamContext, w: &mut World<'_>) -> Result<(), StreamError> {
        match self {
            Self::Connecting => Err(NOT_CONNECTED),
            Self::Receiving(machine) => machine.handle_header(h, c, w),
            Self::Initiating(machine) => machine.handle_header(h, c, w),
        }
    }

    pub(crate) fn element(&mut self, e: &Element<'_>, c: &StreamContext, w: &mut World<'_>) -> Result<(), StreamError> {
        match self {
            Self::Connecting => Err(NOT_CONNECTED),
            Self::Receiving(machine) => machine.handle_element(e, c, w),
            Self::Initiating(machine) => machine.handle_element(e, c, w),
        }
    }

    pub(crate) fn peer_closed(&mut self, world: &mut World<'_>) {
        match self {
            Self::Connecting => {}
            Self::Receiving(machine) => machine.handle_close(world),
            Self::Initiating(machine) => machine.handle_close(world),
        }
    }

    pub(crate) fn fail(&mut self, error: StreamError, world: &mut World<'_>) {
        match self {
            Self::Connecting => {}
            Self::Receiving(machine) => machine.fail(error, world),
            Self::Initiating(machine) => machine.fail(error, world),
        }
    }

    pub(crate) fn close(&mut self, world: &mut World<'_>) {
        match self {
            Self::Connecting => {}
            Self::Receiving(machine) => machine.close(world),
            Self::Initiating(machine) => machine.close(world),
        }
    }

    pub(crate) fn tls_established(&mut self, peer: PeerCertificate, world: &mut World<'_>) {
        match self {
            Self::Connecting => {}
            Self::Receiving(machine) => machine.tls_established(peer),
            Self::Initiating(machine) => machine.tls_established(peer, world),
        }
    }

    /// The peer's domain and ours, as the headers say.
    pub(crate) fn domains(&self) -> (Option<&Domain>, Option<&Domain>) {
        match self {
            Self::Connecting => (None, None),
            Self::Receiving(machine) => machine.domains(),
            Self::Initiating(machine) => (Some(&machine.intent().to), Some(&machine.intent().from)),
        }
    }

    pub(crate) fn certificate(&self) -> Option<&PeerCertificate> {
        match self {
            Self::Connecting => None,
            Self::Receiving(machine) => machine.certificate(),
            Self::Initiating(machine) => machine.certificate(),
        }
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        match self {
            Self::Connecting => false,
            Self::Receiving(machine) => machine.is_encrypted(),
            Self::Initiating(machine) => machine.is_encrypted(),
        }
    }

    /// Both directions have ended.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Connecting => false,
            Self::Receiving(machine) => machine.is_over(),
            Self::Initiating(machine) => machine.is_over(),
        }
    }
}
