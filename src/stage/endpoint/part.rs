//! The part that we play on a stream, whichever it is.

use std::collections::VecDeque;

use ringgate_proto::address::Domain;
use ringgate_proto::scan::{Element, Header, StreamContext};
use ringgate_proto::stream::{PeerCertificate, StreamError, StreamEvent, Terms, World};

use super::broken::Cause;
use super::calling::Calling;
use super::cast::Cast;
use super::component::Component;
use super::welcoming::Welcoming;

/// What we are on a stream.
pub(super) enum Part {
    /// A server that opened it.
    Calling(Calling),
    /// A server that the peer opened it to.
    Welcoming(Welcoming),
    /// A component of the server that we opened it to.
    Component(Component),
}

/// What the part works on during one call.
pub(super) struct Desk<'a> {
    pub(super) cast: &'a Cast,
    /// Bytes for the peer, in order.
    pub(super) answer: &'a mut Vec<u8>,
    /// What the stream must do, in order.
    pub(super) turns: &'a mut Vec<Turn>,
}

/// What the stream must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Somebody has proven to be who it says.
    Ready,
    /// TLS begins; what else came in clear is not looked at. RFC 6120 §5.4.3.3.
    StartTls,
    /// Another header follows. RFC 6120 §4.3.3.
    Restart,
    /// The peer's end tag came.
    PeerClosed,
}

impl Desk<'_> {
    /// Lets a stream machine work; what it says is for the part.
    pub(super) fn run<R>(
        &mut self,
        terms: Terms,
        work: impl FnOnce(&mut World<'_>) -> R,
    ) -> (R, VecDeque<StreamEvent>) {
        let mut events = VecDeque::new();
        let result = self.cast.world(terms, self.answer, &mut events, work);
        (result, events)
    }
}

impl Part {
    /// The connection is up, in clear.
    pub(super) fn start(&mut self, desk: &mut Desk<'_>) {
        match self {
            Self::Calling(part) => part.start(desk),
            Self::Welcoming(_) => {}
            Self::Component(part) => part.start(desk),
        }
    }

    /// TLS is up, at the beginning or after STARTTLS.
    pub(super) fn secured(&mut self, peer: PeerCertificate, desk: &mut Desk<'_>) {
        match self {
            Self::Calling(part) => part.secured(peer, desk),
            Self::Welcoming(part) => part.secured(peer),
            Self::Component(_) => {}
        }
    }

    pub(super) fn header(
        &mut self,
        header: &Header<'_>,
        context: &StreamContext,
        desk: &mut Desk<'_>,
    ) -> Result<(), Cause> {
        match self {
            Self::Calling(part) => part.header(header, context, desk),
            Self::Welcoming(part) => part.header(header, context, desk),
            Self::Component(part) => part.header(header, desk),
        }
    }

    /// Takes an element that is no stanza.
    pub(super) fn element(
        &mut self,
        element: &Element<'_>,
        context: &StreamContext,
        desk: &mut Desk<'_>,
    ) -> Result<(), Cause> {
        match self {
            Self::Calling(part) => part.element(element, context, desk),
            Self::Welcoming(part) => part.element(element, context, desk),
            Self::Component(part) => part.element(element, context, desk),
        }
    }

    /// Whether stanzas may come now.
    #[inline]
    pub(super) fn takes_stanzas(&self) -> Result<(), StreamError> {
        match self {
            Self::Calling(part) => part.takes_stanzas(),
            Self::Welcoming(part) => part.takes_stanzas(),
            Self::Component(part) => part.takes_stanzas(),
        }
    }

    /// Whether stanzas may go now, once the peer believes us.
    pub(super) fn gives_stanzas(&self) -> bool {
        !matches!(self, Self::Welcoming(_))
    }

    pub(super) fn peer_closed(&mut self, desk: &mut Desk<'_>) -> Result<(), Cause> {
        match self {
            Self::Calling(part) => part.peer_closed(desk),
            Self::Welcoming(part) => part.peer_closed(desk),
            Self::Component(part) => {
                part.peer_closed(desk);
                Ok(())
            }
        }
    }

    /// Queues the error and our end tag.
    pub(super) fn fail(&mut self, error: StreamError, desk: &mut Desk<'_>) {
        match self {
            Self::Calling(part) => part.fail(error, desk),
            Self::Welcoming(part) => part.fail(error, desk),
            Self::Component(part) => part.close(desk),
        }
    }

    /// Queues our end tag.
    pub(super) fn close(&mut self, desk: &mut Desk<'_>) {
        match self {
            Self::Calling(part) => part.close(desk),
            Self::Welcoming(part) => part.close(desk),
            Self::Component(part) => part.close(desk),
        }
    }

    /// Both directions have ended.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Calling(part) => part.is_over(),
            Self::Welcoming(part) => part.is_over(),
            Self::Component(part) => part.is_over(),
        }
    }

    /// From whom to whom the stream is, as far as it was said.
    pub(super) fn domains(&self) -> (Option<Domain>, Option<Domain>) {
        match self {
            Self::Calling(part) => part.domains(),
            Self::Welcoming(part) => part.domains(),
            Self::Component(part) => part.domains(),
        }
    }
}
