//! Authoritative Server. XEP-0220 §2.2.2.

use super::{DialbackError, Frame, FrameBody, FrameKind, Outcome, Secret};

/// Authoritative Server: the answer to a `db:verify` request. XEP-0220 §2.2.2.
///
/// `serves` says whether we speak for the frame's `to`; if not, `item-not-found`. What is no request for verification
/// is `not-acceptable`.
pub fn answer_verification(frame: &Frame, secret: &Secret, serves: bool) -> Frame {
    frame.answer(verdict(frame, secret, serves))
}

/// The frame goes from the Receiving Server to us, the server of the Sender Domain.
fn verdict(frame: &Frame, secret: &Secret, serves: bool) -> Outcome {
    let (FrameKind::Verify, Some(id), FrameBody::Request(key)) = (frame.kind, &frame.id, &frame.body) else {
        return Outcome::Error(DialbackError::NotAcceptable);
    };
    if !serves {
        return Outcome::Error(DialbackError::ItemNotFound);
    }
    if secret.matches(key, &frame.pair.from, &frame.pair.to, id) { Outcome::Valid } else { Outcome::Invalid }
}
