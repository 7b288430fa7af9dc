//! The frame of one stream: header, end tags, error. RFC 6120 §4.4, §4.9.1.
//!
//! ```text
//!  Unopened ──header──▶ Open ──close()──▶ Closing ──peer's end tag──▶ Over
//!      ▲                 │ │                 └─────── errors ──────────▲
//!      │                 │ └── peer's end tag, errors either way ──────┘
//!      └─TLS is up─ Mute ┘ STARTTLS is agreed, or
//!      └────────────────── SASL has succeeded: the stream restarts
//! ```

use alloc::vec::Vec;

use crate::scan::tree::Node;
use crate::scan::{Element, Kind, StreamContext};

use super::{Condition, StreamError, StreamEvent, World};

/// How far a stream's frame has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Our header is not out; also after a restart.
    Unopened,
    /// Our header is out.
    Open,
    /// The next bytes on the wire are TLS's: nothing may be written. RFC 6120 §5.3.3.
    Mute,
    /// Our end tag is out; the peer's is awaited.
    Closing,
    /// Nothing more will be written.
    Over,
}

impl Frame {
    /// Whether our end tag is out, or will never be.
    pub(super) fn has_ended(self) -> bool {
        matches!(self, Self::Closing | Self::Over)
    }

    pub(super) fn is_over(self) -> bool {
        self == Self::Over
    }

    /// Reads an element that is neither a stanza nor dialback. `None` when nothing is left to do: a stream error has ended
    /// the stream, or the stream has ended and the element comes too late.
    ///
    /// # Errors
    /// `internal-server-error` for what no scanner hands out.
    pub(super) fn read(
        &mut self,
        element: &Element<'_>,
        context: &StreamContext,
        world: &mut World<'_>,
    ) -> Result<Option<Node>, StreamError> {
        let is_error = element.kind == Kind::StreamError;
        if self.is_over() || (self.has_ended() && !is_error) {
            return Ok(None);
        }
        let node = Node::parse(element.bytes, context)
            .ok_or(StreamError::us(Condition::InternalServerError, "an element could not be read"))?;
        if !is_error {
            return Ok(Some(node));
        }
        self.end(world.out);
        world.events.push_back(StreamEvent::PeerError(Condition::of_peer(&node)));
        Ok(None)
    }

    /// The peer's end tag came.
    pub(super) fn peer_closed(&mut self, world: &mut World<'_>) {
        if !self.is_over() {
            self.end(world.out);
            world.events.push_back(StreamEvent::PeerClosed);
        }
    }

    /// Writes our end tag; the peer's is awaited.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        *self = match self {
            Self::Open => {
                out.extend_from_slice(b"</stream:stream>");
                Self::Closing
            }
            Self::Closing => Self::Closing,
            Self::Unopened | Self::Mute | Self::Over => Self::Over,
        }
    }

    /// Writes `error` and our end tag. RFC 6120 §4.9.1.1.
    pub(super) fn fail(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        if *self == Self::Open {
            error.write(out);
        }
        self.end(out);
    }

    /// The stream is over, by the peer's end tag or by an error: writes our end tag if it is due.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        *self = Self::Over;
    }
}
