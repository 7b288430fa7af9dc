//! Why a connection is of no more use.

use std::fmt;

use ringgate_proto::address::Domain;
use ringgate_proto::dialback::Outcome;
use ringgate_proto::stream::{Condition, SaslFailure, StreamError};
use thiserror::Error;

use crate::tls::TlsError;

/// Why a connection is of no more use, in one line. What was queued for the peer is still to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Broken {
    /// The domain that opened the stream, if it said.
    pub from: Option<Domain>,
    /// The domain that it was opened to, if it was said.
    pub to: Option<Domain>,
    /// What happened.
    pub cause: Cause,
}

/// What ended a connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Cause {
    /// The session broke, or could not be made.
    #[error("TLS: {0}")]
    Tls(String),
    /// In direct TLS something else came.
    #[error("the peer does not begin with TLS")]
    NotTls,
    /// The peer does not accept our certificate.
    #[error("the peer answered SASL EXTERNAL with {}", .0.as_str())]
    Sasl(SaslFailure),
    /// The peer does not believe our key.
    #[error("the peer answered dialback with {}", word(*.0))]
    Dialback(Outcome),
    /// A stream error came; to a component this says that its secret is wrong.
    #[error("the peer ended the stream with {}", .0.as_str())]
    PeerError(Condition),
    /// A rule was broken, or there is nothing that both sides can do.
    #[error("{} ({})", .0.text, .0.condition.as_str())]
    Stream(StreamError),
    /// Stanzas were to be sent where none may be: before the peer believes us, or on a stream that the peer opened.
    #[error("no stanza may be sent")]
    NotReady,
    /// The connection broke before, or has been closed.
    #[error("the stream has ended")]
    Ended,
    /// No such connection can be opened.
    #[error("{0}")]
    Impossible(&'static str),
}

impl From<StreamError> for Cause {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

impl From<TlsError> for Cause {
    fn from(error: TlsError) -> Self {
        Self::Tls(error.to_string())
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            Some(from) => write!(f, "{from}")?,
            None => write!(f, "a peer that did not say who it is")?,
        }
        if let Some(to) = &self.to {
            write!(f, " to {to}")?;
        }
        write!(f, ": {}", self.cause)
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Valid => "valid",
        Outcome::Invalid => "invalid",
        Outcome::Error(error) => error.as_str(),
    }
}
