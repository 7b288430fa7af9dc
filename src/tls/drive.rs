//! Walks over rustls' unbuffered states: one generic body for clients and servers.

use rustls::client::ClientConnectionData;
use rustls::server::ServerConnectionData;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedConnectionCommon, UnbufferedStatus,
};
use rustls::{CommonState, Error, PeerIncompatible};

use super::session::{Received, TlsError};
use super::trust::{self, Trust};

/// What is to be encrypted.
#[derive(Clone, Copy)]
pub(super) enum Write<'a> {
    Data(&'a [u8]),
    CloseNotify,
}

/// The one method that rustls has on both sides without a common name.
pub(super) trait Process {
    type Data;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    fn state(&self) -> &CommonState;
}

impl Process for UnbufferedConnectionCommon<ClientConnectionData> {
    type Data = ClientConnectionData;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
    fn state(&self) -> &CommonState {
        self
    }
}

impl Process for UnbufferedConnectionCommon<ServerConnectionData> {
    type Data = ServerConnectionData;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
    fn state(&self) -> &CommonState {
        self
    }
}

/// One walk over some bytes.
#[derive(Default)]
pub(super) struct Pass {
    /// Bytes that rustls is done with.
    pub(super) used: usize,
    pub(super) established: bool,
    pub(super) received_plaintext: bool,
    pub(super) peer_closed: bool,
}

impl Pass {
    /// Has rustls work on `bytes` until it needs more; see [`super::Session::receive`].
    pub(super) fn drive<C: Process>(
        &mut self,
        connection: &mut C,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(Received<'_>),
        trust: &Trust,
    ) -> Result<(), TlsError> {
        // Each turn ends a byte, a queued message or the walk; one that does neither is the endless loop of
        // RUSTSEC-2024-0336's class.
        let mut turns = bytes.len().saturating_mul(2).saturating_add(256);
        loop {
            turns = turns.checked_sub(1).ok_or(TlsError::Stuck)?;
            let mut early = Vec::new();
            let turn = self.turn(connection, bytes, out, sink, &mut early);
            if !self.established && !connection.state().is_handshaking() {
                self.established = true;
                sink(Received::Established(trust.judge(connection.state().peer_certificates(), trust::now())));
            }
            for plaintext in &early {
                sink(Received::Plaintext(plaintext));
            }
            match turn {
                Ok(Turn::Again) => {}
                Ok(Turn::Enough) => return Ok(()),
                Err(error) => {
                    append_alert(connection, &mut bytes[self.used..], out);
                    name_old_version(&error, out);
                    return Err(error);
                }
            }
        }
    }

    /// One state of rustls. Plaintext that comes before the caller knows that the handshake is over goes to `early`.
    fn turn<C: Process>(
        &mut self,
        connection: &mut C,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(Received<'_>),
        early: &mut Vec<Vec<u8>>,
    ) -> Result<Turn, TlsError> {
        let UnbufferedStatus { mut discard, state } = connection.process(&mut bytes[self.used..]);
        let turn = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                let Some(record) = traffic.next_record() else { break Ok(Turn::Again) };
                let record = match record {
                    Ok(record) => record,
                    Err(error) => break Err(error.into()),
                };
                discard += record.discard;
                self.received_plaintext |= !record.payload.is_empty();
                if self.established {
                    sink(Received::Plaintext(record.payload));
                } else {
                    early.push(record.payload.to_vec());
                }
            },
            Ok(ConnectionState::EncodeTlsData(mut message)) => {
                append(out, 0, |room| message.encode(room).map_err(Refused::from)).map(|()| Turn::Again)
            }
            Ok(ConnectionState::TransmitTlsData(transmit)) => {
                transmit.done();
                Ok(Turn::Again)
            }
            Ok(ConnectionState::PeerClosed) => {
                self.peer_closed = true;
                Ok(Turn::Again)
            }
            // Early data is never offered nor accepted: the configurations leave it off.
            Ok(_) => Ok(Turn::Enough),
            Err(error) => Err(error.into()),
        };
        self.used += discard;
        turn
    }
}

enum Turn {
    Again,
    Enough,
}

/// Takes what rustls queued before it gave up: the alert, and what had to go before it. `rest` is only shown for form's
/// sake; it must not be looked at again (rustls would find the same fault and queue another alert), so this ends with the queue.
fn append_alert<C: Process>(connection: &mut C, rest: &mut [u8], out: &mut Vec<u8>) {
    while connection.state().wants_write() {
        let Ok(ConnectionState::EncodeTlsData(mut message)) = connection.process(rest).state else { return };
        if append(out, 0, |room| message.encode(room).map_err(Refused::from)).is_err() {
            return;
        }
    }
}

/// rustls misses the signature_algorithms extension before it looks at the version, and says handshake_failure. In practice
/// only a client older than TLS 1.2 lacks it, and it shall learn why: protocol_version. RFC 5246 §7.4.1.4.1, RFC 8446 §6.2.
fn name_old_version(error: &TlsError, out: &mut [u8]) {
    const HANDSHAKE_FAILURE: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];
    let TlsError::Protocol(Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired)) = error
    else {
        return;
    };
    if out.ends_with(&HANDSHAKE_FAILURE)
        && let Some(description) = out.last_mut()
    {
        *description = 70;
    }
}

/// Encrypts `what` onto `out`, beginning with `room` bytes of space. `shown` is what rustls has seen and not discarded.
pub(super) fn write<C: Process>(
    connection: &mut C,
    shown: &mut [u8],
    what: Write<'_>,
    room: usize,
    out: &mut Vec<u8>,
) -> Result<(), TlsError> {
    // At most: a queued message, its transmission, the state in which data may be written.
    for _ in 0..16 {
        match connection.process(shown).state? {
            ConnectionState::WriteTraffic(mut traffic) => {
                return append(out, room, |room| match what {
                    Write::Data(plaintext) => traffic.encrypt(plaintext, room).map_err(Refused::from),
                    Write::CloseNotify => traffic.queue_close_notify(room).map_err(Refused::from),
                });
            }
            ConnectionState::EncodeTlsData(mut message) => {
                append(out, 0, |room| message.encode(room).map_err(Refused::from))?;
            }
            ConnectionState::TransmitTlsData(transmit) => transmit.done(),
            ConnectionState::PeerClosed => {}
            _ => return Err(TlsError::Ended),
        }
    }
    Err(TlsError::Stuck)
}

/// Why rustls wrote nothing into the room it was given.
enum Refused {
    TooSmall(usize),
    Ended(TlsError),
}

impl From<EncodeError> for Refused {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(InsufficientSizeError { required_size, .. }) => Self::TooSmall(required_size),
            EncodeError::AlreadyEncoded => Self::Ended(TlsError::Stuck),
        }
    }
}

impl From<EncryptError> for Refused {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(InsufficientSizeError { required_size, .. }) => {
                Self::TooSmall(required_size)
            }
            EncryptError::EncryptExhausted => Self::Ended(TlsError::KeysExhausted),
        }
    }
}

/// Lets `write` append to `out`, first with `room` bytes, then with as many as it asked for.
fn append(
    out: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Refused>,
) -> Result<(), TlsError> {
    let start = out.len();
    let mut room = room;
    for _ in 0..2 {
        out.resize(start + room, 0);
        match write(&mut out[start..]) {
            Ok(written) => {
                out.truncate(start + written);
                return Ok(());
            }
            Err(Refused::TooSmall(required)) => room = required,
            Err(Refused::Ended(error)) => {
                out.truncate(start);
                return Err(error);
            }
        }
    }
    out.truncate(start);
    Err(TlsError::Stuck)
}
