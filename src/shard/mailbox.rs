//! What shards send each other: one message per shard each time a shard settles, more if it is above [`ENVELOPE_BYTES`], and
//! at most one wake with them.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;
use ringgate_proto::gate::{Departed, Envelope, ShardId};
use ringgate_proto::time::Timestamp;

use super::Shard;
use super::socket::Origin;
use crate::ring::EventFd;
use crate::tls::Session;

/// Messages that a mailbox holds; when it is full, the sender keeps the message and tries again next tick.
pub const MAILBOX_MESSAGES: usize = 1_024;
/// Bytes of stanzas with which a message that waits is not added to, and after which no further one is taken from a mailbox
/// in the same tick.
pub(super) const ENVELOPE_BYTES: usize = 256 << 10;

/// A stream on its way to the shard that owns its remote domain.
pub(super) struct Moving {
    pub(super) socket: OwnedFd,
    pub(super) tls: Option<Box<Session>>,
    /// Bytes for the peer that no kernel has seen yet, encrypted where the stream is.
    pub(super) unsent: Vec<u8>,
    pub(super) received_at: Vec<Timestamp>,
    /// The gate waits to hear that its bytes are with the kernel.
    pub(super) flushing: bool,
    pub(super) peer_ended: bool,
    pub(super) origin: Origin,
    pub(super) peer: SocketAddr,
    pub(super) departed: Departed,
}

/// Something to run on a shard's thread, between two of its ticks.
pub type Call = Box<dyn FnOnce(&mut Shard) + Send>;

/// One message.
pub(super) enum Message {
    Envelope(Envelope),
    Adopt(Box<Moving>),
    Drain,
    Call(Call),
}

impl Message {
    /// Bytes of its stanzas, and how many there are.
    pub(super) fn load(&self) -> (usize, usize) {
        match self {
            Self::Envelope(envelope) => (envelope.bytes.len(), envelope.stanzas.len()),
            Self::Adopt(_) | Self::Drain | Self::Call(_) => (0, 0),
        }
    }
}

/// A shard's mailbox, and the descriptor on which it sleeps.
pub(super) struct Mailbox {
    queue: ArrayQueue<Message>,
    wake: EventFd,
    /// Set by the shard before it sleeps, cleared by the first who wakes it.
    sleeping: AtomicBool,
}

impl Mailbox {
    pub(super) fn wake(&self) -> &EventFd {
        &self.wake
    }

    pub(super) fn pop(&self) -> Option<Message> {
        self.queue.pop()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Says whether the shard is about to sleep. After `true`, look once more for something to do: whoever came before
    /// did not signal.
    pub(super) fn set_sleeping(&self, sleeping: bool) {
        self.sleeping.store(sleeping, Ordering::SeqCst);
    }

    /// Signals the shard if it sleeps and nobody has signalled it yet.
    pub(super) fn rouse(&self) {
        // The load spares the write to a shared line while the shard is busy.
        if self.sleeping.load(Ordering::SeqCst) && self.sleeping.swap(false, Ordering::SeqCst) {
            self.wake.signal();
        }
    }
}

/// The mailboxes of all shards of a process.
pub(super) struct Mailboxes {
    boxes: Vec<Mailbox>,
    /// Shards that have nothing left to do after [`Message::Drain`].
    drained: AtomicUsize,
}

impl Mailboxes {
    /// One mailbox for each of `shards`.
    ///
    /// # Errors
    /// The process has no descriptors left.
    pub(super) fn new(shards: u16) -> io::Result<Arc<Self>> {
        let mailbox = || {
            let wake = EventFd::new()?;
            let queue = ArrayQueue::new(MAILBOX_MESSAGES);
            Ok(Mailbox { queue, wake, sleeping: AtomicBool::new(false) })
        };
        let boxes = (0..shards).map(|_| mailbox()).collect::<io::Result<_>>()?;
        Ok(Arc::new(Self { boxes, drained: AtomicUsize::new(0) }))
    }

    pub(super) fn get(&self, shard: ShardId) -> Option<&Mailbox> {
        self.boxes.get(usize::from(shard.0))
    }

    pub(super) fn shards(&self) -> u16 {
        self.boxes.len() as u16
    }

    /// Puts `message` into a mailbox and wakes its shard.
    ///
    /// # Errors
    /// The message, when the mailbox is full or there is no such shard.
    pub(super) fn post(&self, to: ShardId, message: Message) -> Result<(), Message> {
        let Some(mailbox) = self.get(to) else { return Err(message) };
        mailbox.queue.push(message)?;
        mailbox.rouse();
        Ok(())
    }

    /// One more shard is drained; when it was the last, all are woken to see it.
    pub(super) fn count_drained(&self) {
        if self.drained.fetch_add(1, Ordering::SeqCst) + 1 == self.boxes.len() {
            self.boxes.iter().for_each(Mailbox::rouse);
        }
    }

    pub(super) fn are_all_drained(&self) -> bool {
        self.drained.load(Ordering::SeqCst) >= self.boxes.len()
    }
}

/// What [`Outbound::deliver`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delivered {
    /// Messages that went.
    pub(super) messages: u64,
    /// Stanzas in them.
    pub(super) stanzas: u64,
    /// Mailboxes that were full.
    pub(super) full: u64,
}

/// Messages that did not fit into a mailbox yet, by target, in order.
pub(super) struct Outbound {
    queues: Vec<VecDeque<Message>>,
    envelope_bytes: usize,
}

impl Outbound {
    pub(super) fn new(shards: u16) -> Self {
        Self { queues: (0..shards).map(|_| VecDeque::new()).collect(), envelope_bytes: 0 }
    }

    /// Queues a message; an envelope is put into one that still waits for the same shard, if that is not too large already.
    pub(super) fn push(&mut self, to: ShardId, message: Message) {
        let Some(queue) = self.queues.get_mut(usize::from(to.0)) else { return };
        let Message::Envelope(envelope) = message else { return queue.push_back(message) };
        self.envelope_bytes += envelope.bytes.len();
        match queue.back_mut() {
            Some(Message::Envelope(last)) if last.bytes.len() < ENVELOPE_BYTES => {
                last.bytes.extend_from_slice(&envelope.bytes);
                last.stanzas.extend(envelope.stanzas);
            }
            _ => queue.push_back(Message::Envelope(envelope)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    /// Bytes of stanzas that wait for room in mailboxes.
    pub(super) fn envelope_bytes(&self) -> usize {
        self.envelope_bytes
    }

    /// Puts what fits into the mailboxes.
    pub(super) fn deliver(&mut self, mailboxes: &Mailboxes) -> Delivered {
        let mut delivered = Delivered::default();
        for (shard, queue) in self.queues.iter_mut().enumerate() {
            while let Some(message) = queue.pop_front() {
                let (bytes, stanzas) = message.load();
                if let Err(message) = mailboxes.post(ShardId(shard as u16), message) {
                    queue.push_front(message);
                    delivered.full += 1;
                    break;
                }
                self.envelope_bytes -= bytes;
                delivered.messages += 1;
                delivered.stanzas += stanzas as u64;
            }
        }
        delivered
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Envelope(_) => "Envelope",
            Self::Adopt(_) => "Adopt",
            Self::Drain => "Drain",
            Self::Call(_) => "Call",
        })
    }
}

#[cfg(test)]
mod tests {
    use ringgate_proto::address::{Domain, DomainPair};
    use ringgate_proto::gate::Posted;

    use super::*;

    /// One with a stanza.
    fn envelope(bytes: &[u8]) -> Message {
        let domain = |name| Domain::parse(name).expect("a domain");
        let pair = DomainPair { from: domain("a.example"), to: domain("b.example") };
        let length = bytes.len() as u32;
        let stanza = Posted { pair, length, received_at: Timestamp::from_nanos(0), generated: false };
        Message::Envelope(Envelope { bytes: bytes.to_vec(), stanzas: vec![stanza] })
    }

    #[test]
    fn full_mailbox_keeps_the_order_and_merges_envelopes() {
        let mailboxes = Mailboxes::new(2).expect("mailboxes");
        let to = ShardId(1);
        for _ in 0..MAILBOX_MESSAGES {
            mailboxes.post(to, Message::Drain).expect("room");
        }
        let mut outbound = Outbound::new(2);
        outbound.push(to, envelope(b"<a/>"));
        outbound.push(to, envelope(b"<b/>"));
        assert_eq!(outbound.deliver(&mailboxes), Delivered { full: 1, ..Delivered::default() });
        outbound.push(to, envelope(b"<c/>"));
        assert_eq!(outbound.envelope_bytes(), 12);
        let mailbox = mailboxes.get(to).expect("shard 1");
        while mailbox.pop().is_some() {}
        assert_eq!(outbound.deliver(&mailboxes), Delivered { messages: 1, stanzas: 3, full: 0 });
        assert!(outbound.is_empty());
        assert_eq!(outbound.envelope_bytes(), 0);
        let Some(Message::Envelope(envelope)) = mailbox.pop() else { panic!("no envelope") };
        assert_eq!(envelope.bytes, b"<a/><b/><c/>");
    }

    #[test]
    fn envelope_that_is_large_is_not_added_to() {
        let (mailboxes, to) = (Mailboxes::new(2).expect("mailboxes"), ShardId(1));
        let mut outbound = Outbound::new(2);
        outbound.push(to, envelope(&[b' '; ENVELOPE_BYTES]));
        outbound.push(to, envelope(b"<b/>"));
        assert_eq!(outbound.deliver(&mailboxes), Delivered { messages: 2, stanzas: 2, full: 0 });
    }

    #[test]
    fn sleeping_shard_is_signalled_once() {
        let mailboxes = Mailboxes::new(1).expect("mailboxes");
        let mailbox = mailboxes.get(ShardId(0)).expect("shard 0");
        mailbox.set_sleeping(true);
        for _ in 0..3 {
            mailboxes.post(ShardId(0), Message::Drain).expect("room");
        }
        assert!(!mailbox.sleeping.load(Ordering::SeqCst));
        mailbox.wake().wait().expect("signalled");
        // A second wait would block: signal it ourselves, and see that the counter was 0.
        mailbox.wake().signal();
        mailbox.wake().wait().expect("signalled");
    }

    #[test]
    fn message_to_no_shard_comes_back() {
        let mailboxes = Mailboxes::new(1).expect("mailboxes");
        assert!(mailboxes.post(ShardId(1), Message::Drain).is_err());
    }

    #[test]
    fn last_drained_shard_wakes_all() {
        let mailboxes = Mailboxes::new(2).expect("mailboxes");
        let first = mailboxes.get(ShardId(0)).expect("shard 0");
        first.set_sleeping(true);
        mailboxes.count_drained();
        assert!(!mailboxes.are_all_drained());
        mailboxes.count_drained();
        assert!(mailboxes.are_all_drained());
        first.wake().wait().expect("signalled");
    }
}
