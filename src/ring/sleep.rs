//! Sleeping, and what ends it besides the operations that were asked for: an [`EventFd`](super::EventFd), by a read that
//! the ring keeps in flight, and one other descriptor, by a poll.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use io_uring::opcode;
use io_uring::types::{CancelBuilder, Fd};

use super::token::{Operation, SocketId, Token};
use super::{Ring, Wait};

/// What is in flight that carries no socket's bytes.
pub(super) struct Doorbell {
    /// The eventfd of the thread: a descriptor of our own.
    pub(super) wake: OwnedFd,
    /// Where the kernel puts the eventfd's count; it is not looked at.
    pub(super) count: Box<[u8; 8]>,
    /// Whether the eventfd is being read.
    pub(super) hearing: bool,
    /// Whether a foreign descriptor is being polled.
    pub(super) watching: bool,
}

impl Doorbell {
    pub(super) fn new(wake: OwnedFd) -> Self {
        Self { wake, count: Box::default(), hearing: false, watching: false }
    }
}

/// These operations have no socket.
const NOBODY: SocketId = SocketId { index: 0, generation: 0 };
const HEAR: Token = Token::new(Operation::Hear, NOBODY);
const WATCH: Token = Token::new(Operation::Watch, NOBODY);

impl Ring {
    /// Submits what was armed and sleeps until an operation has completed, the eventfd was signalled, or `other` became
    /// readable. What came about before ends the sleep, too; it may end for nothing.
    ///
    /// `other` is the same descriptor in every call; the kernel keeps what it names open until the ring is dropped.
    ///
    /// # Errors
    /// As [`Ring::enter`].
    pub fn sleep(&mut self, other: BorrowedFd<'_>) -> io::Result<()> {
        if !self.doorbell.hearing {
            self.doorbell.hearing = true;
            let wake = Fd(self.doorbell.wake.as_raw_fd());
            let count = &mut self.doorbell.count;
            let entry = opcode::Read::new(wake, count.as_mut_ptr(), count.len() as u32).build();
            self.push(entry, HEAR);
        }
        if !self.doorbell.watching {
            self.doorbell.watching = true;
            let entry = opcode::PollAdd::new(Fd(other.as_raw_fd()), libc::POLLIN as u32).build();
            self.push(entry, WATCH);
        }
        self.enter(Wait::Yes)
    }

    /// Has the kernel end what [`Self::sleep`] armed.
    pub(super) fn silence(&mut self) {
        let armed = [(self.doorbell.hearing, HEAR), (self.doorbell.watching, WATCH)];
        for (_, token) in armed.into_iter().filter(|(armed, _)| *armed) {
            let entry = opcode::AsyncCancel2::new(CancelBuilder::user_data(token.to_bits())).build();
            self.push(entry, Token::new(Operation::Cancel, NOBODY));
        }
    }
}
