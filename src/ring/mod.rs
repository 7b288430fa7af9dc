//! The data ring: one `io_uring` per shard for everything that carries stanzas.
//!
//! A safe face over submissions and completions. The ring owns every descriptor and every buffer that the kernel may
//! still touch, and gives them back (or closes, or frees them) only after the last operation on them has completed:
//! nothing the caller does can make the kernel write to freed memory or act on a reused descriptor number. Answers to
//! what is no more are recognised by the generation in their token and thrown away.
//!
//! # Use
//!
//! ```text
//! loop {
//!     ring.enter(Wait::Yes)?;                 // submit, and sleep until something completed
//!     while let Some(completion) = ring.next() {
//!         ...                                 // arm, send, close: takes effect with the next enter
//!     }
//! }
//! ```
//!
//! [`Ring::sleep`] is such an enter that other threads end, too, by an [`EventFd`], and whatever makes another descriptor
//! readable.
//!
//! Sockets are blocking descriptors (io_uring fails an operation on a non-blocking one with `EAGAIN`); nothing here
//! blocks on them. A ring stays on the thread that made it: it is neither `Send` nor `Sync`, and the kernel enforces
//! the same (`IORING_SETUP_SINGLE_ISSUER`).
//!
//! # Source
//!
//! `io_uring_setup(2)`, `io_uring_enter(2)`, `io_uring_register_buf_ring(3)`, `io_uring_prep_recv_multishot(3)`.
#![allow(unsafe_code, reason = "the kernel is given memory; every other module of the shell denies it")]

mod buffers;
mod complete;
pub mod parking;
pub mod process;
mod sleep;
mod slots;
mod submit;
#[cfg(test)]
mod tests;
mod token;
mod wake;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use io_uring::types::Timespec;
use io_uring::{IoUring, squeue};

pub use buffers::Buffer;
pub use token::SocketId;
pub use wake::EventFd;

use buffers::Pool;
use sleep::Doorbell;
use slots::Slots;
use token::Token;

/// Sizes of a ring.
#[derive(Clone, Copy, Debug)]
pub struct RingConfig {
    /// Submissions that one `enter` can take; more are submitted in several.
    pub submissions: u32,
    /// Completions that wait without the kernel having to allocate.
    pub completions: u32,
    /// Receive buffers, shared by all sockets; a power of two.
    pub buffers: u16,
    /// Bytes of a receive buffer.
    pub buffer_bytes: u32,
}

impl Default for RingConfig {
    fn default() -> Self {
        Self { submissions: 1_024, completions: 8_192, buffers: 256, buffer_bytes: 32 << 10 }
    }
}

/// Whether [`Ring::enter`] sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Submit and collect, never sleep.
    No,
    /// Sleep until at least one operation has completed.
    Yes,
}

/// Something that came about. The order of one socket's completions is the order of its bytes.
#[derive(Debug)]
pub enum Completion {
    /// A connection came in on a listener.
    Accepted {
        /// As named by [`Ring::listen`].
        listener: SocketId,
        /// The new connection, owned by the caller; see [`Ring::adopt`].
        socket: OwnedFd,
    },
    /// The listener cannot accept (no descriptors, no memory) and has stopped; call [`Ring::accept`] a little later.
    AcceptFailed {
        /// Which.
        listener: SocketId,
        /// Why.
        error: io::Error,
    },
    /// [`Ring::connect`] succeeded.
    Connected {
        /// Which.
        socket: SocketId,
    },
    /// Bytes came.
    Received {
        /// On which socket.
        socket: SocketId,
        /// The bytes; the caller may decrypt them in place.
        bytes: Buffer,
    },
    /// After [`Ring::await_readable`]: there is something to receive, or the end, or an error.
    Readable {
        /// On which socket.
        socket: SocketId,
    },
    /// The peer ended its direction (FIN); nothing more will be received.
    Eof {
        /// Which.
        socket: SocketId,
    },
    /// After [`Ring::stop_receiving`]: everything that had been received was delivered, and nothing more will be.
    Stopped {
        /// Which.
        socket: SocketId,
    },
    /// All bytes of a pending [`Ring::send`] are with the kernel.
    Sent {
        /// Which.
        socket: SocketId,
        /// The buffer that was given, for reuse.
        buffer: Vec<u8>,
    },
    /// Connect, receive or send failed; the caller closes the socket.
    Broken {
        /// Which.
        socket: SocketId,
        /// How.
        error: io::Error,
    },
    /// The time of [`Ring::wake_after`] is up.
    Deadline,
}

/// What became of [`Ring::send`].
#[derive(Debug)]
pub enum Sent {
    /// All bytes are with the kernel; the buffer comes back.
    Done(Vec<u8>),
    /// The socket's buffer is full; the ring keeps the bytes and answers with [`Completion::Sent`].
    Pending,
    /// An earlier send is still pending: nothing was taken.
    Busy(Vec<u8>),
    /// The connection is broken; the caller closes the socket.
    Failed(io::Error),
}

/// One completion as the kernel wrote it.
#[derive(Clone, Copy)]
struct Reaped {
    token: u64,
    result: i32,
    flags: u32,
}

/// One `io_uring` with its sockets and buffers; see the module.
pub struct Ring {
    uring: IoUring,
    slots: Slots,
    pool: Rc<Pool>,
    /// Submissions for which the queue had no room.
    backlog: VecDeque<squeue::Entry>,
    reaped: VecDeque<Reaped>,
    /// What follows from a completion besides the first thing.
    also: VecDeque<Completion>,
    deadline: Deadline,
    doorbell: Doorbell,
    enters: u64,
}

/// The one timeout that is in flight, and the memory of those not yet submitted.
#[derive(Default)]
struct Deadline {
    /// When it fires, and the number that tells it from its predecessors.
    armed: Option<std::time::Instant>,
    number: u32,
    #[allow(clippy::vec_box, reason = "the kernel has the address before the next element may move the vector")]
    unsubmitted: Vec<Box<Timespec>>,
}

impl Ring {
    /// A ring on the calling thread. `wake` ends its [`Self::sleep`].
    ///
    /// # Errors
    /// `EPERM` or `ENOSYS` where io_uring is forbidden, `EINVAL` before Linux 6.1, `ENOMEM`, `EMFILE`.
    pub fn new(config: &RingConfig, wake: &EventFd) -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_clamp()
            .setup_cqsize(config.completions.max(config.submissions))
            .build(config.submissions)?;
        let pool = Pool::new(config.buffers, config.buffer_bytes)?;
        pool.register(&uring.submitter())?;
        Ok(Self {
            uring,
            slots: Slots::default(),
            pool,
            backlog: VecDeque::new(),
            reaped: VecDeque::new(),
            also: VecDeque::new(),
            deadline: Deadline::default(),
            doorbell: Doorbell::new(wake.as_fd().try_clone_to_owned()?),
            enters: 0,
        })
    }

    /// Submits what was armed and collects what completed; sleeps with [`Wait::Yes`] until there is something.
    ///
    /// # Errors
    /// Only when the ring itself is broken; an interrupted sleep and a full completion queue are none.
    pub fn enter(&mut self, wait: Wait) -> io::Result<()> {
        self.pool.grow();
        self.refill();
        let idle = self.reaped.is_empty() && self.also.is_empty() && self.uring.completion().is_empty();
        let sleep = wait == Wait::Yes && idle;
        let (unsubmitted, work) = {
            let queue = self.uring.submission();
            (queue.len(), queue.taskrun() || queue.cq_overflow())
        };
        if sleep || work || unsubmitted > 0 {
            self.enters += 1;
            match self.uring.submitter().submit_and_wait(usize::from(sleep)) {
                Ok(_) => {}
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if self.backlog.is_empty() && self.uring.submission().is_empty() {
            self.deadline.unsubmitted.clear();
        }
        self.collect();
        Ok(())
    }

    /// Whether [`Self::next`] may have something without another [`Self::enter`].
    pub fn has_completions(&self) -> bool {
        !self.reaped.is_empty() || !self.also.is_empty()
    }

    /// Whether something has come about, also what the kernel has not handed out yet.
    pub fn has_news(&mut self) -> bool {
        self.has_completions() || self.has_uncollected()
    }

    /// Whether something may have come about that is not `socket`'s: collects what the kernel has, and looks.
    pub fn has_news_of_others(&mut self, socket: SocketId) -> bool {
        if self.has_uncollected() && self.enter(Wait::No).is_err() {
            return true; // The ring is broken, which the next enter says to whom it concerns.
        }
        let is_foreign = |reaped: &Reaped| Token::from_bits(reaped.token).is_none_or(|token| token.socket != socket);
        !self.also.is_empty() || self.reaped.iter().any(is_foreign)
    }

    fn has_uncollected(&mut self) -> bool {
        let waits = { self.uring.submission().taskrun() };
        waits || !self.uring.completion().is_empty()
    }

    /// How often [`Self::enter`] called the kernel.
    pub fn enters(&self) -> u64 {
        self.enters
    }

    /// How many sockets the ring has, listeners and closing ones included.
    pub fn sockets(&self) -> usize {
        self.slots.len()
    }

    /// The descriptor of a socket, to ask or set its options.
    pub fn descriptor(&mut self, socket: SocketId) -> Option<BorrowedFd<'_>> {
        self.slots.open_mut(socket).map(|slot| slot.fd.as_fd())
    }

    /// Moves completions out of the shared queue, so that the kernel has room again.
    fn collect(&mut self) {
        for entry in self.uring.completion() {
            self.reaped.push_back(Reaped { token: entry.user_data(), result: entry.result(), flags: entry.flags() });
        }
    }
}

/// `EINTR`: a signal came; `EBUSY`, `EAGAIN`: collect completions, then submit again.
fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EBUSY | libc::EAGAIN))
}

/// How long a dropped ring waits for its cancelled operations while none of them ends: 100 rounds of 10 ms.
const FAREWELL_ROUNDS: usize = 100;

impl Drop for Ring {
    fn drop(&mut self) {
        for socket in self.slots.ids() {
            self.close(socket);
        }
        self.silence();
        let pause = Timespec::from(std::time::Duration::from_millis(10));
        let (mut rounds, mut left) = (0, usize::MAX);
        while rounds < FAREWELL_ROUNDS {
            if self.slots.len() == 0 && !self.doorbell.hearing {
                return;
            }
            rounds = if self.slots.len() < left { 0 } else { rounds + 1 };
            left = self.slots.len();
            self.refill();
            let arguments = io_uring::types::SubmitArgs::new().timespec(&pause);
            // ETIME after 10 ms, or a transient error: both mean another round.
            let _ = self.uring.submitter().submit_with_args(1, &arguments);
            self.collect();
            while self.next().is_some() {}
        }
        // The kernel would not let go of an operation: what it may still write to must outlive the process.
        std::mem::forget(Rc::clone(&self.pool));
        std::mem::forget(std::mem::take(&mut self.slots));
        std::mem::forget(std::mem::take(&mut self.deadline.unsubmitted));
        std::mem::forget(std::mem::take(&mut self.doorbell.count));
    }
}
