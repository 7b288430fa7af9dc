//! One shard: a data ring, a gate, and the sockets between them.
//!
//! [`Shard`] is a plain struct: it knows no executor, no async, no file. Whoever drives it calls, in a loop,
//! [`Shard::enter`] (submit and collect), [`Shard::process`] (one tick) and, when there is nothing left,
//! [`Shard::sleep`]; [`driver`] does so inside a glommio executor.
//!
//! # The tick
//!
//! ```text
//! completions ─┐
//! mailbox      ├─▶ gate ─▶ outputs carried out ─▶ end_tick ─▶ per dirty connection: one record run, one send
//! answers, time┘    ▲                                  └────▶ per other shard: one message
//!                   └── turns of connections that wait, when all else was sent
//! ```
//!
//! Everything that is ready, but for what waits for its turn, is read before anything is written, so that what goes to one
//! destination leaves at once.
//!
//! # Where things are
//!
//! | file | what |
//! |---|---|
//! | `tick` | the order of a tick, time, sleeping |
//! | `arrive` | completions: accepted, connected, received, ended, broken |
//! | `share` | a connection's share of a tick, and what waits beyond it |
//! | `waiting` | whose turn is next, and how many bytes wait |
//! | `reading` | who is read, when, and how much at a time |
//! | `carry` | the gate's outputs |
//! | `transmit` | outboxes to records to sends |
//! | `ending` | last bytes, close_notify, FIN, the peer's FIN |
//! | `moving` | hand-over between shards |
//! | `mailbox`, `control` | what other shards and the tasks on this thread bring |
//! | `observe` | what a shard counts |
//! | `listen`, `probe`, `placement` | sockets, the machine's leave to run, cores |
//! | `driver` | the glommio executors, and where they sleep |

mod arrive;
mod carry;
mod control;
pub mod driver;
mod ending;
pub mod listen;
mod mailbox;
mod moving;
pub mod observe;
pub mod placement;
pub mod probe;
mod reading;
mod share;
mod socket;
mod tick;
mod transmit;
mod waiting;

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ringgate_proto::address::DomainPair;
use ringgate_proto::gate::{Gate, Listener, ShardId};
use ringgate_proto::route::Account;
use ringgate_proto::time::Timestamp;

use crate::ring::{Ring, RingConfig, SocketId};
use crate::tls::Store;

pub use control::{Control, QUESTIONS_WAITING};
pub use mailbox::{Call, MAILBOX_MESSAGES};
pub use observe::Observations;
pub use waiting::BACKLOG_BYTES;

use mailbox::{Mailbox, Mailboxes, Outbound};
use observe::Gauges;
use share::Brought;
use socket::Sockets;
use waiting::Waiting;

/// What one shard is made of.
pub struct ShardConfig {
    /// Its brain.
    pub gate: Gate,
    /// Certificates; without them, no TLS is spoken (a first byte of TLS breaks the connection).
    pub tls: Option<Store>,
    /// Whether a backend may begin with TLS, too.
    pub internal_tls: bool,
    /// Bound and listening, of this shard alone; see [`listen::bind`].
    pub listeners: Vec<(Listener, OwnedFd)>,
    /// Sizes.
    pub ring: RingConfig,
    /// Memory of what may have been received and wait for its connection's turn before not everybody is read; `reading` says
    /// who, and how much more there can be.
    pub backlog_bytes: usize,
    /// How long a drain may take in all; then the streams that are left are cut.
    pub drain_deadline: Duration,
}

/// What remains of a shard that has stopped.
pub struct Report {
    /// Which.
    pub shard: ShardId,
    /// Every pair's account.
    pub accounts: Vec<(DomainPair, Account)>,
    /// All that was counted; the last events are still in it.
    pub observations: Observations,
    /// Connections that were still there when the time for draining was up.
    pub abandoned: usize,
}

/// One shard; see the module. Made on the thread that runs it, and stays there.
pub struct Shard {
    id: ShardId,
    gate: Gate,
    ring: Ring,
    tls: Option<Store>,
    internal_tls: bool,
    listeners: Vec<(SocketId, Listener)>,
    sockets: Sockets,
    mailboxes: Arc<Mailboxes>,
    outbound: Outbound,
    control: Rc<Control>,
    observations: Observations,
    /// Connections with bytes to send when the shard settles.
    touched: Vec<SocketId>,
    /// Closing connections, by the time at which the peer's end is no longer awaited.
    closing: VecDeque<(Timestamp, SocketId)>,
    /// Listeners to try again.
    resting: VecDeque<(Timestamp, SocketId)>,
    /// Connections whose bytes wait for their turn.
    waiting: Waiting,
    /// Who has brought something since all was sent.
    brought: Brought,
    /// Time of this tick that turns took which were timed.
    timed_turns: Duration,
    /// Buffers for reuse.
    spare: Vec<Vec<u8>>,
    received_at: Vec<Timestamp>,
    now: Timestamp,
    /// How long draining may take.
    drain_deadline: Duration,
    /// When draining is given up; set by the order to drain.
    drain_until: Option<Timestamp>,
    counted_drained: bool,
    publish_wish: bool,
}

impl Shard {
    /// A shard on the calling thread, accepting from the first [`Self::enter`] on.
    ///
    /// # Errors
    /// See [`Ring::new`]; `NotFound` if there is no mailbox for `id`.
    fn new(id: ShardId, config: ShardConfig, mailboxes: &Arc<Mailboxes>) -> io::Result<Self> {
        let wake = mailboxes.get(id).map(Mailbox::wake).ok_or(io::ErrorKind::NotFound)?;
        let mut ring = Ring::new(&config.ring, wake)?;
        let listeners = config.listeners.into_iter().map(|(kind, socket)| (ring.listen(socket), kind)).collect();
        Ok(Self {
            id,
            gate: config.gate,
            ring,
            tls: config.tls,
            internal_tls: config.internal_tls,
            listeners,
            sockets: Sockets::default(),
            mailboxes: Arc::clone(mailboxes),
            outbound: Outbound::new(mailboxes.shards()),
            control: Rc::new(Control::new(Arc::clone(mailboxes), id)),
            observations: Observations::default(),
            touched: Vec::new(),
            closing: VecDeque::new(),
            resting: VecDeque::new(),
            waiting: Waiting::new(config.backlog_bytes),
            brought: Brought::default(),
            timed_turns: Duration::ZERO,
            spare: Vec::new(),
            received_at: Vec::new(),
            now: crate::clock::now(),
            drain_deadline: config.drain_deadline,
            drain_until: None,
            counted_drained: false,
            publish_wish: false,
        })
    }

    /// Which shard this is.
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// Where questions for the DNS wait, and their answers go.
    pub fn control(&self) -> Rc<Control> {
        Rc::clone(&self.control)
    }

    /// What was counted so far; whoever reads the events drains them.
    pub fn observations(&mut self) -> &mut Observations {
        &mut self.observations
    }

    /// What was counted so far, to look at.
    pub fn observed(&self) -> &Observations {
        &self.observations
    }

    /// Has the driver's observer publish the shard's figures after this tick.
    pub fn wish_to_publish(&mut self) {
        self.publish_wish = true;
    }

    pub(super) fn take_publish_wish(&mut self) -> bool {
        std::mem::take(&mut self.publish_wish)
    }

    /// The gate, to look at.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Connections now, closing ones included.
    pub fn connections(&self) -> usize {
        self.sockets.len()
    }

    /// What rises and falls.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            connections: self.connections(),
            backlog_bytes: self.waiting.bytes(),
            unfinished_bytes: self.gate.unfinished_bytes(),
        }
    }

    /// Takes new certificates for handshakes that begin from now on.
    pub fn replace_tls(&mut self, store: Store) {
        self.tls = Some(store);
    }

    /// Ends the shard and says what it did. Open connections are closed.
    pub fn finish(self) -> Report {
        let accounts = self.gate.accounts().map(|(pair, account)| (pair.clone(), account)).collect();
        Report { shard: self.id, accounts, abandoned: self.sockets.len(), observations: self.observations }
    }
}
