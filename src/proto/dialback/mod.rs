//! Server dialback, XEP-0220: four cells, and nothing about where streams come from.
//!
//! | | acts on its outbound stream | answers on its inbound stream |
//! |---|---|---|
//! | Initiating Server | §2.1.1 asks for authorisation: [`Requests`] | |
//! | Receiving Server | §2.1.2 asks the authoritative server: [`Verifications`] | §2.2.1 takes the request: [`Frame`] |
//! | Authoritative Server | | §2.2.2 answers: [`answer_verification`] |

use alloc::string::String;
use alloc::vec::Vec;

use crate::address::{Domain, DomainPair};
use crate::scan::{Element, StreamContext};

/// The secret that keys are made from. XEP-0185 §4.
pub struct Secret {}

impl Secret {
    /// From what the operator configured or the shell drew at random.
    pub fn new(secret: &[u8]) -> Self {
        let _ = secret;
        unimplemented!()
    }
    /// Lower-case hex of HMAC-SHA256(hex(SHA256(secret)), "receiving originating id").
    pub fn key(&self, receiving: &Domain, originating: &Domain, stream_id: &str) -> String {
        let _ = (receiving, originating, stream_id);
        unimplemented!()
    }
    /// Constant-time comparison with the right key.
    pub fn matches(&self, key: &str, receiving: &Domain, originating: &Domain, stream_id: &str) -> bool {
        let _ = (key, receiving, originating, stream_id);
        unimplemented!()
    }
}

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

/// A dialback element as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// `from` and `to`, prepared.
    pub pair: DomainPair,
    /// `result` or `verify`.
    pub kind: FrameKind,
    /// `id`; always there on `verify`.
    pub id: Option<String>,
    /// A key (request) or an answer (`type`).
    pub body: FrameBody,
}

/// Which element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// `<db:result/>`
    Result,
    /// `<db:verify/>`
    Verify,
}

/// What a dialback element says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameBody {
    /// No `type`: a request with this key.
    Request(String),
    /// A `type`: an answer.
    Answer(Outcome),
}

/// The answer to a dialback request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The key is right.
    Valid,
    /// The key is wrong.
    Invalid,
    /// No verdict, and why. XEP-0220 §2.5.
    Error(DialbackError),
}

/// Conditions in dialback errors that we send; others are read as `Other`. XEP-0220 §2.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum DialbackError {
    Forbidden,
    ItemNotFound,
    NotAcceptable,
    NotAuthorized,
    PolicyViolation,
    RemoteConnectionFailed,
    RemoteServerNotFound,
    RemoteServerTimeout,
    ResourceConstraint,
    Other,
}

impl Frame {
    /// Reads a `db:result` or `db:verify`.
    ///
    /// # Errors
    /// `improper-addressing` for a missing or impossible `from`/`to`, `bad-format` for a `verify` without `id`.
    pub fn parse(element: &Element<'_>, context: &StreamContext) -> Result<Self, crate::stream::StreamError> {
        let _ = (element, context);
        unimplemented!()
    }
    /// Appends the element (prefix `db`, which our headers declare).
    pub fn write(&self, out: &mut Vec<u8>) {
        let _ = out;
        unimplemented!()
    }
}

/// Initiating Server on one outbound stream: which pairs we asked for. XEP-0220 §2.1.1.
#[derive(Debug, Default)]
pub struct Requests {}

impl Requests {
    /// Queues `<db:result>` for `pair` with the key made from the stream's id. Nothing when it is pending already.
    pub fn request(&mut self, pair: &DomainPair, secret: &Secret, stream_id: &str, out: &mut Vec<u8>) {
        let _ = (pair, secret, stream_id, out);
        unimplemented!()
    }
    /// Takes a typed `db:result`. `None` when that very pair was not asked for on this stream (CVE-2012-3525 and its
    /// family): the caller drops and counts it. Otherwise the pair *in the direction of our stanzas* and the verdict.
    pub fn handle_answer(&mut self, frame: &Frame) -> Option<(DomainPair, Result<DialbackValid, Outcome>)> {
        let _ = frame;
        unimplemented!()
    }
    /// Pairs asked for and not answered yet.
    pub fn pending(&self) -> impl Iterator<Item = &DomainPair> {
        core::iter::empty()
    }
}

/// Receiving Server on one stream towards an authoritative server: which keys we asked about. XEP-0220 §2.1.2.
///
/// `O` names where the `db:result` came from.
#[derive(Debug)]
pub struct Verifications<O> {
    _o: core::marker::PhantomData<O>,
}

impl<O> Default for Verifications<O> {
    fn default() -> Self {
        Self { _o: core::marker::PhantomData }
    }
}

impl<O> Verifications<O> {
    /// Queues `<db:verify>`: `pair` is that of the `db:result` (Sender Domain to Target Domain), so the element goes
    /// `from` its target `to` its sender; `id` is the stream id that *we* gave to the stream the result came on.
    pub fn ask(&mut self, pair: &DomainPair, id: &str, key: &str, origin: O, out: &mut Vec<u8>) {
        let _ = (pair, id, key, origin, out);
        unimplemented!()
    }
    /// Takes a typed `db:verify`. `None` when that very (from, to, id) was not asked for on this stream.
    pub fn handle_answer(&mut self, frame: &Frame) -> Option<(O, Result<DialbackValid, Outcome>)> {
        let _ = frame;
        unimplemented!()
    }
    /// How many answers are outstanding.
    pub fn len(&self) -> usize {
        0
    }
    /// Whether no answer is outstanding.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Gives up all open questions (stream lost, time over): their origins and pairs.
    pub fn drain(&mut self) -> Vec<(O, DomainPair)> {
        Vec::new()
    }
}

/// Authoritative Server: the answer to a `db:verify` request. XEP-0220 §2.2.2.
///
/// `serves` says whether we speak for the frame's `to`; if not, `item-not-found`.
pub fn answer_verification(frame: &Frame, secret: &Secret, serves: bool) -> Frame {
    let _ = (frame, secret, serves);
    unimplemented!()
}
