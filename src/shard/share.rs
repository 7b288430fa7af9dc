//! A connection's share of a tick: what it brings beyond it waits behind everybody else's.
//!
//! One read may bring a few stanzas, or 32 KiB that take ten times as long as stanzas do and are followed by more at once.
//! So what came is taken in by pieces, and after [`SHARE`] of them the rest is kept if anybody else has something. It is
//! served in turn: a share each while nothing new comes, and a piece each if something has. Backends, streams and strangers
//! wait in lines of their own (`waiting`), which take turns:
//!
//! ```text
//!             all of it, or nobody else has anything
//!   received ────────────────────────────────────────▶ taken in
//!      │ its share is used up, and others wait             ▲ the last of it
//!      ▼                                                   │
//!   waiting: A, B, C ── A's next share ────────────────────┤
//!      ▲                                                   │ there is more
//!      └── C's neighbours, B, C, then A again ◀────────────┘
//! ```
//!
//! Who is read meanwhile is in `reading`, who is next in `waiting`.

use std::io;
use std::time::Duration;

use ringgate_proto::gate::{ConnId, Gate, LOOK_BYTES};
use ringgate_proto::time::Timestamp;

use super::Shard;
use super::mailbox::Mailbox;
use super::socket::Phase;
use crate::clock;
use crate::ring::{Buffer, Ring, SocketId};

/// Work for one connection after which others go first, if there are any. Half a buffer of stanzas takes about as long.
const SHARE: Duration = Duration::from_micros(20);
/// Bytes taken in between two looks at the clock, as much as the gate looks at between two questions: 2 µs of stanzas, 20 µs
/// of the dearest input (attributes that all have prefixes of their own).
const PIECE_BYTES: usize = LOOK_BYTES;
/// So many bytes are one piece, whatever they are: 44 records of TLS at most.
const UNCUT_BYTES: usize = 1 << 10;
/// Longest time in which waiting connections get turns. Whatever else has come, they get one turn in every tick, and turns
/// for as long as the tick took before, up to this time. Turns that were timed do not count for it: else who brings much at
/// once would have as much again, while others' news wait.
pub(super) const SERVING: Duration = Duration::from_millis(1);
/// Longest time in which stanzas that a turn brought wait for other turns before they are sent.
const UNSENT: Duration = Duration::from_micros(100);

/// Bytes of one connection that wait, and what comes after them.
#[derive(Default)]
pub(super) struct Backlog {
    /// Of a record whose plaintext was more than a share.
    plain: Rest,
    /// As they came.
    raw: Rest,
    /// What came behind them, and the gate does not know yet.
    ends: Vec<End>,
}

impl Backlog {
    /// Bytes of memory that it holds.
    pub(super) fn memory(&self) -> usize {
        self.plain.bytes.capacity() + self.raw.bytes.capacity()
    }

    /// Whether its connection, or TLS on it, has broken behind these bytes.
    pub(super) fn is_broken(&self) -> bool {
        self.ends.iter().any(|end| matches!(end, End::Tls(_) | End::Broken(_)))
    }
}

/// How a connection's bytes end.
#[derive(Debug)]
pub(super) enum End {
    /// The peer's close_notify: it sends nothing more.
    CloseNotify,
    /// TLS did not come about, or broke.
    Tls(String),
    /// The peer's FIN.
    Fin,
    /// Connect, receive or send failed.
    Broken(io::Error),
}

/// Bytes that are used from the front.
#[derive(Default)]
struct Rest {
    bytes: Vec<u8>,
    used: usize,
}

impl Rest {
    fn is_empty(&self) -> bool {
        self.used == self.bytes.len()
    }

    fn advance(&mut self, count: usize) {
        self.used += count;
        if self.is_empty() {
            self.bytes.clear();
            self.used = 0;
        }
    }
}

/// Who has brought what is not sent yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Brought {
    #[default]
    ByNobody,
    By(SocketId),
    BySeveral,
}

impl Brought {
    fn add(&mut self, id: SocketId) {
        *self = match *self {
            Self::ByNobody => Self::By(id),
            Self::By(first) if first == id => *self,
            Self::By(_) | Self::BySeveral => Self::BySeveral,
        };
    }

    fn by_others_than(self, id: SocketId) -> bool {
        match self {
            Self::ByNobody => false,
            Self::By(first) => first != id,
            Self::BySeveral => true,
        }
    }
}

/// How much of its share a connection has used. What comes in one piece is not timed.
pub(super) struct Turn {
    pub(super) id: SocketId,
    /// Whether others waited when it began: for a turn, or for what they have brought to be sent.
    others: bool,
    /// It had a share when its bytes came: whatever else comes now goes first.
    is_further: bool,
    /// What it does not take in has no place to wait: it lasts until all is done.
    is_uncut: bool,
    /// How TLS ended in it, behind all plaintext.
    pub(super) end: Option<End>,
    began: Option<Timestamp>,
}

impl Turn {
    fn begin(&mut self) {
        self.began.get_or_insert_with(clock::now);
    }

    /// Asked between two pieces: whether somebody else goes first now. So does everybody if its stanzas have nowhere to go:
    /// else all streams that feed a full outbox would add their shares to it.
    fn is_over(&mut self, is_blocked: bool, ring: &mut Ring, mailbox: Option<&Mailbox>) -> bool {
        if self.is_uncut {
            return false;
        }
        if is_blocked {
            return true;
        }
        let now = clock::now();
        let is_used_up = now.since(*self.began.get_or_insert(now)) >= SHARE;
        (is_used_up && self.others) || ((is_used_up || self.is_further) && self.has_news(ring, mailbox))
    }

    fn has_news(&self, ring: &mut Ring, mailbox: Option<&Mailbox>) -> bool {
        mailbox.is_some_and(|mailbox| !mailbox.is_empty()) || ring.has_news_of_others(self.id)
    }

    /// Gives the gate plaintext; returns how much until the turn was over, or an outbox that the connection feeds was full.
    pub(super) fn give(
        &mut self,
        (conn, bytes): (ConnId, &[u8]),
        gate: &mut Gate,
        now: Timestamp,
        (ring, mailbox): (&mut Ring, Option<&Mailbox>),
    ) -> usize {
        if bytes.len() > PIECE_BYTES {
            self.begin();
        }
        gate.receive(conn, bytes, now, &mut |is_blocked| !self.is_over(is_blocked, ring, mailbox))
    }
}

impl Shard {
    /// Bytes came on a connection that takes bytes: its share of them is taken in.
    pub(super) fn share(&mut self, id: SocketId, mut bytes: Buffer) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        let was_single = socket.reads_singly;
        socket.reads_singly = was_single && (bytes.is_full() || socket.is_stranger(&self.gate));
        if socket.backlog.is_some() {
            return self.put_off(id, Backlog::default(), &bytes);
        }
        let handshakes = matches!(socket.phase, Phase::Handshaking);
        let others = !self.waiting.is_empty() || (self.brought.by_others_than(id) && self.gate.has_unsent());
        self.brought.add(id);
        // While other shards are too far behind, what comes has to wait, whatever waits already.
        let is_uncut = self.waiting.is_overfull() && !self.is_outbound_full();
        // A handshake may come in one piece, and is timed all the same.
        let began = (is_uncut && handshakes).then(clock::now);
        let mut turn = Turn { id, others, is_further: false, is_uncut, end: None, began };
        // A handshake is many times a share, and cannot be cut.
        let comes_last = handshakes && (others || turn.has_news(&mut self.ring, self.mailboxes.get(self.id)));
        if !is_uncut && (comes_last || self.is_outbound_full()) {
            return self.put_off(id, Backlog::default(), &bytes);
        }
        let mut plain = Vec::new();
        let used = self.take_in(&mut turn, &mut bytes, &mut plain);
        if let Some(began) = turn.began {
            self.timed_turns += clock::now().since(began);
        }
        if used < bytes.len() || !plain.is_empty() {
            let (plain, ends) = (Rest { bytes: plain, used: 0 }, turn.end.into_iter().collect());
            self.put_off(id, Backlog { plain, ends, ..Backlog::default() }, &bytes[used..]);
        } else if let Some(end) = turn.end {
            self.over(id, end);
        } else if is_uncut && turn.began.is_some() {
            self.read_singly(id);
            self.read_on(id);
        } else if was_single {
            self.read_on(id);
        }
    }

    /// Takes in bytes as they came until the turn is over; returns how many. What the gate did not get of a record's
    /// plaintext by then is in `plain`.
    fn take_in(&mut self, turn: &mut Turn, bytes: &mut [u8], plain: &mut Vec<u8>) -> usize {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &mut bytes[used..];
            let Some(socket) = self.sockets.get_mut(turn.id).filter(|socket| !socket.is_closing()) else {
                return bytes.len();
            };
            let Some(session) = &socket.tls else {
                let others = (&mut self.ring, self.mailboxes.get(self.id));
                return match socket.peer_ended {
                    true => bytes.len(),
                    false => used + turn.give((socket.conn, rest), &mut self.gate, self.now, others),
                };
            };
            let piece = if rest.len() <= UNCUT_BYTES { rest.len() } else { session.share(rest, PIECE_BYTES) };
            if piece < rest.len() {
                turn.begin();
            }
            self.decrypt(turn, &mut rest[..piece], plain);
            if turn.end.is_some() {
                // What comes behind it is nothing.
                return bytes.len();
            }
            used += piece;
            let is_done = used == bytes.len() || !plain.is_empty();
            if is_done || turn.is_over(false, &mut self.ring, self.mailboxes.get(self.id)) {
                break;
            }
        }
        used
    }

    /// Keeps bytes until their connection's turn comes: behind those that wait, or as the first, behind those of `new`.
    fn put_off(&mut self, id: SocketId, new: Backlog, raw: &[u8]) {
        if self.sockets.get_mut(id).is_none_or(|socket| socket.is_closing()) {
            return;
        }
        let mut backlog = self.take_backlog(id).unwrap_or_else(|| {
            self.observations.counters.deferrals += 1;
            let bytes = self.spare.pop().unwrap_or_default();
            Box::new(Backlog { raw: Rest { bytes, used: 0 }, ..new })
        });
        if backlog.ends.is_empty() {
            backlog.raw.bytes.extend_from_slice(raw);
        }
        self.keep_backlog(id, backlog);
        self.read_singly(id);
        self.queue(id);
    }

    /// Gives waiting connections turns: as long as [`SERVING`] says, and then until something else has come. `true` if any
    /// waited.
    pub(super) fn serve_waiting(&mut self) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let began = clock::now();
        let least = began.since(self.now).saturating_sub(self.timed_turns).min(SERVING);
        let (mut any, mut sent) = (false, began);
        while !self.is_outbound_full()
            && let Some(id) = self.waiting.pop()
        {
            let mut is_served = false;
            self.guarded(id, |shard| is_served = shard.serve(id));
            if !is_served {
                continue;
            }
            any = true;
            let now = clock::now();
            if now.since(sent) >= UNSENT && self.gate.has_unsent() {
                self.settle();
                sent = now;
            }
            let spent = now.since(began);
            if spent >= SERVING || (spent >= least && (self.ring.has_news() || self.has_something())) {
                break;
            }
        }
        any
    }

    /// A turn of a connection that waits; `false` if it is gone, or paused: resuming queues it again.
    fn serve(&mut self, id: SocketId) -> bool {
        let somebody_waits = !self.waiting.is_empty();
        let Some(socket) = self.sockets.get_mut(id) else { return false };
        socket.queued = false;
        if socket.paused {
            return false;
        }
        let conn = socket.conn;
        let Some(mut backlog) = self.take_backlog(id) else { return false };
        let mut turn = Turn { id, others: somebody_waits, is_further: true, is_uncut: false, end: None, began: None };
        if !backlog.plain.is_empty() {
            let Rest { bytes, used } = &backlog.plain;
            let others = (&mut self.ring, self.mailboxes.get(self.id));
            let given = turn.give((conn, &bytes[*used..]), &mut self.gate, self.now, others);
            backlog.plain.advance(given);
        }
        if backlog.plain.is_empty() {
            let Rest { bytes, used } = &mut backlog.raw;
            let taken = self.take_in(&mut turn, &mut bytes[*used..], &mut backlog.plain.bytes);
            backlog.raw.advance(taken);
            // A FIN that waits came later.
            backlog.ends.splice(..0, turn.end);
        }
        self.put_back(id, backlog);
        true
    }

    /// After a turn: what is left waits for the next one, behind the others.
    fn put_back(&mut self, id: SocketId, backlog: Box<Backlog>) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if socket.is_closing() || backlog.plain.is_empty() && backlog.raw.is_empty() {
            return self.finish_backlog(id, *backlog);
        }
        self.keep_backlog(id, backlog);
        self.queue(id);
    }

    /// Nothing waits any more, or it is not wanted.
    fn finish_backlog(&mut self, id: SocketId, backlog: Backlog) {
        self.recycle(backlog.plain.bytes);
        self.recycle(backlog.raw.bytes);
        backlog.ends.into_iter().for_each(|end| self.over(id, end));
        self.read_on(id);
        self.try_depart(id);
    }

    /// Throws away what waits: what follows is not for whom it was.
    pub(super) fn drop_backlog(&mut self, id: SocketId) {
        if let Some(backlog) = self.take_backlog(id) {
            self.finish_backlog(id, *backlog);
        }
    }

    /// A connection's bytes have ended; that is said after those that wait, also if it or TLS broke: they came before.
    pub(super) fn over(&mut self, id: SocketId, end: End) {
        match self.sockets.get_mut(id).and_then(|socket| socket.backlog.as_mut()) {
            Some(backlog) => backlog.ends.push(end),
            None => match end {
                End::CloseNotify => self.peer_ended(id),
                End::Tls(detail) => self.tls_failed(id, &detail),
                End::Fin => self.ended(id),
                End::Broken(error) => self.broken(id, &error),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::ring::{EventFd, RingConfig, Wait};

    /// A socket that a ring receives from, and its other end.
    fn socket(ring: &mut Ring) -> (SocketId, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let id = ring.adopt(ours.into());
        ring.receive(id);
        (id, theirs)
    }

    #[test]
    fn what_a_connection_brought_itself_is_not_others() {
        let mut ring = Ring::new(&RingConfig::default(), &EventFd::new().unwrap()).unwrap();
        let ((one, _own), (two, _other)) = (socket(&mut ring), socket(&mut ring));
        let mut brought = Brought::default();
        assert!(!brought.by_others_than(one));
        brought.add(one);
        brought.add(one);
        assert!(!brought.by_others_than(one) && brought.by_others_than(two));
        brought.add(two);
        brought.add(one);
        assert!(brought.by_others_than(one) && brought.by_others_than(two));
    }

    /// Whether a turn is over after a piece; `began` is when the first of it was taken in.
    fn is_over(id: SocketId, is_further: bool, began: Option<Timestamp>, ring: &mut Ring) -> bool {
        Turn { id, others: false, is_further, is_uncut: false, end: None, began }.is_over(false, ring, None)
    }

    #[test]
    fn turn_after_the_first_ends_when_somebody_else_has_something_and_the_first_lasts_for_its_share() {
        let mut ring = Ring::new(&RingConfig::default(), &EventFd::new().unwrap()).unwrap();
        let ((id, mut own), (_, mut other)) = (socket(&mut ring), socket(&mut ring));
        ring.enter(Wait::No).unwrap();
        let began = clock::now();
        while clock::now().since(began) < SHARE {}
        own.write_all(b"its own next stanza").unwrap();
        assert!(!is_over(id, true, None, &mut ring));
        assert!(!is_over(id, true, Some(began), &mut ring), "nobody else wants a share");
        other.write_all(b"another's stanza").unwrap();
        assert!(is_over(id, true, None, &mut ring));
        assert!(!is_over(id, false, None, &mut ring));
        assert!(is_over(id, false, Some(began), &mut ring));
    }

    #[test]
    fn turn_ends_when_its_stanzas_have_nowhere_to_go_unless_its_bytes_have_no_place_to_wait() {
        let mut ring = Ring::new(&RingConfig::default(), &EventFd::new().unwrap()).unwrap();
        let (id, _own) = socket(&mut ring);
        let mut is_over = |is_uncut| {
            let mut turn = Turn { id, others: false, is_further: false, is_uncut, end: None, began: None };
            turn.is_over(true, &mut ring, None)
        };
        assert!(is_over(false) && !is_over(true));
    }
}
