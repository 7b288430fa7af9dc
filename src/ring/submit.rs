//! What can be asked of the ring. Every submission is made here.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use io_uring::types::{CancelBuilder, Fd, Timespec};
use io_uring::{opcode, squeue};
use socket2::SockRef;

use super::slots::{Receive, Sending};
use super::token::{Operation, Token};
use super::{Ring, Sent, SocketId, buffers};

impl Ring {
    /// Takes a listening socket and accepts on it from now on.
    pub fn listen(&mut self, listener: OwnedFd) -> SocketId {
        let id = self.slots.insert(listener);
        self.accept(id);
        id
    }

    /// Accepts again, after [`super::Completion::AcceptFailed`].
    pub fn accept(&mut self, listener: SocketId) {
        let Some(slot) = self.slots.open_mut(listener).filter(|slot| !slot.accepting) else { return };
        slot.accepting = true;
        let fd = Fd(slot.fd.as_raw_fd());
        let entry = opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC).build();
        self.push(entry, Token::new(Operation::Accept, listener));
    }

    /// Takes a connected socket; nothing is armed on it yet.
    pub fn adopt(&mut self, socket: OwnedFd) -> SocketId {
        self.slots.insert(socket)
    }

    /// Takes a socket and connects it: [`super::Completion::Connected`] or `Broken` follows.
    pub fn connect(&mut self, socket: OwnedFd, address: SocketAddr) -> SocketId {
        let fd = Fd(socket.as_raw_fd());
        let id = self.slots.insert(socket);
        let address = Box::new(socket2::SockAddr::from(address));
        let entry = opcode::Connect::new(fd, address.as_ptr().cast(), address.len()).build();
        if let Some(slot) = self.slots.get_mut(id) {
            slot.connecting = Some(address);
        }
        self.push(entry, Token::new(Operation::Connect, id));
        id
    }

    /// Receives from now on, until the end, an error or [`Self::stop_receiving`].
    pub fn receive(&mut self, socket: SocketId) {
        let Some(slot) = self.slots.open_mut(socket) else { return };
        match slot.receive {
            Receive::Idle => self.arm_receive(socket),
            Receive::Stopping | Receive::RestartingOnce => slot.receive = Receive::Restarting,
            Receive::Single | Receive::Awaiting => {
                slot.receive = Receive::Restarting;
                self.cancel_receive(socket);
            }
            Receive::Armed | Receive::Restarting => {}
        }
    }

    /// Receives one buffer, and then nothing until asked again. What a receive that is not quite stopped yet has taken
    /// comes before; one that is armed goes on, and so does [`Self::await_readable`].
    pub fn receive_once(&mut self, socket: SocketId) {
        let Some(slot) = self.slots.open_mut(socket) else { return };
        match slot.receive {
            Receive::Idle => self.arm_single(socket),
            Receive::Stopping => slot.receive = Receive::RestartingOnce,
            Receive::Armed | Receive::Single | Receive::Awaiting | Receive::Restarting | Receive::RestartingOnce => {}
        }
    }

    /// Says once when there is something to receive, also the end or an error: [`super::Completion::Readable`]. Until then
    /// it takes no buffer. Does nothing while a receive is armed, or is not quite stopped yet.
    pub fn await_readable(&mut self, socket: SocketId) {
        if self.slots.open_mut(socket).is_some_and(|slot| slot.receive == Receive::Idle) {
            self.arm_poll(socket);
        }
    }

    /// Stops receiving. `true`: nothing is armed, nothing more will come. `false`: what the kernel has taken already is
    /// still delivered, then [`super::Completion::Stopped`].
    pub fn stop_receiving(&mut self, socket: SocketId) -> bool {
        let Some(slot) = self.slots.open_mut(socket) else { return true };
        match slot.receive {
            Receive::Idle => return true,
            Receive::Armed | Receive::Single | Receive::Awaiting => {
                slot.receive = Receive::Stopping;
                self.cancel_receive(socket);
            }
            Receive::Restarting | Receive::RestartingOnce => slot.receive = Receive::Stopping,
            Receive::Stopping => {}
        }
        false
    }

    /// Sends all of `bytes`: at once if the socket takes them, else through the ring, which keeps the buffer until the
    /// kernel has everything.
    pub fn send(&mut self, socket: SocketId, bytes: Vec<u8>) -> Sent {
        let Some(slot) = self.slots.open_mut(socket) else {
            return Sent::Failed(io::ErrorKind::NotConnected.into());
        };
        if slot.sending.is_some() {
            return Sent::Busy(bytes);
        }
        let mut done = 0;
        while done < bytes.len() {
            match SockRef::from(&slot.fd).send_with_flags(&bytes[done..], libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) {
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    slot.sending = Some(Sending { bytes, done });
                    self.arm_send(socket);
                    return Sent::Pending;
                }
                Err(error) => return Sent::Failed(error),
            }
        }
        Sent::Done(bytes)
    }

    /// Ends our direction (FIN). Call when nothing is pending.
    ///
    /// # Errors
    /// `shutdown(2)`'s: not connected any more.
    pub fn shutdown(&mut self, socket: SocketId) -> io::Result<()> {
        let slot = self.slots.open_mut(socket).ok_or(io::ErrorKind::NotConnected)?;
        SockRef::from(&slot.fd).shutdown(std::net::Shutdown::Write)
    }

    /// Forgets a socket: no completion will name it any more. Its descriptor is closed as soon as the operations on it
    /// have ended.
    pub fn close(&mut self, socket: SocketId) {
        let Some(slot) = self.slots.open_mut(socket) else { return };
        slot.closing = true;
        let armed = [
            (slot.accepting, Operation::Accept),
            (slot.receive != Receive::Idle, Operation::Receive),
            (slot.sending.is_some(), Operation::Send),
            (slot.connecting.is_some(), Operation::Connect),
        ];
        for (_, operation) in armed.into_iter().filter(|(armed, _)| *armed) {
            self.cancel(Token::new(operation, socket), Operation::Cancel);
        }
        self.free_if_done(socket);
    }

    /// Gives a socket up, to be used elsewhere. Only one that has nothing in flight: after
    /// [`Self::stop_receiving`] is confirmed and no send is pending.
    pub fn release(&mut self, socket: SocketId) -> Option<OwnedFd> {
        self.slots.open_mut(socket).filter(|slot| slot.is_idle())?;
        self.slots.remove(socket).map(|slot| slot.fd)
    }

    /// Whether a send is pending.
    pub fn is_sending(&mut self, socket: SocketId) -> bool {
        self.slots.open_mut(socket).is_some_and(|slot| slot.sending.is_some())
    }

    /// Makes sure that [`super::Completion::Deadline`] comes after `pause` at the latest. It may come earlier (from a
    /// former, shorter wish): look at the clock, and wish again.
    pub fn wake_after(&mut self, pause: Duration) {
        let due = Instant::now() + pause;
        // Within a millisecond the armed one does: deadlines that creep forward must not cost a submission each.
        if self.deadline.armed.is_some_and(|armed| armed <= due + Duration::from_millis(1)) {
            return;
        }
        if self.deadline.armed.is_some() {
            let old = self.deadline_token();
            let entry = opcode::TimeoutRemove::new(old.to_bits()).build();
            self.push(entry, Token::new(Operation::Cancel, old.socket));
        }
        self.deadline.number = self.deadline.number.wrapping_add(1);
        self.deadline.armed = Some(due);
        let timespec = Box::new(Timespec::from(pause));
        let entry = opcode::Timeout::new(&raw const *timespec).build();
        self.deadline.unsubmitted.push(timespec);
        self.push(entry, self.deadline_token());
    }

    /// A timeout has no socket: its number takes the place.
    pub(super) fn deadline_token(&self) -> Token {
        Token::new(Operation::Deadline, SocketId { index: self.deadline.number, generation: 0 })
    }

    pub(super) fn arm_receive(&mut self, socket: SocketId) {
        let Some(slot) = self.slots.get_mut(socket) else { return };
        slot.receive = Receive::Armed;
        let entry = opcode::RecvMulti::new(Fd(slot.fd.as_raw_fd()), buffers::GROUP).build();
        self.push(entry, Token::new(Operation::Receive, socket));
    }

    pub(super) fn arm_single(&mut self, socket: SocketId) {
        let Some(slot) = self.slots.get_mut(socket) else { return };
        slot.receive = Receive::Single;
        // Length 0: as much as the buffer takes that the kernel picks.
        let entry = opcode::Recv::new(Fd(slot.fd.as_raw_fd()), std::ptr::null_mut(), 0)
            .buf_group(buffers::GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT);
        self.push(entry, Token::new(Operation::Receive, socket));
    }

    pub(super) fn arm_poll(&mut self, socket: SocketId) {
        let Some(slot) = self.slots.get_mut(socket) else { return };
        slot.receive = Receive::Awaiting;
        let entry = opcode::PollAdd::new(Fd(slot.fd.as_raw_fd()), libc::POLLIN as u32).build();
        self.push(entry, Token::new(Operation::Receive, socket));
    }

    pub(super) fn arm_send(&mut self, socket: SocketId) {
        let Some(slot) = self.slots.get_mut(socket) else { return };
        let Some(sending) = &slot.sending else { return };
        let rest = &sending.bytes[sending.done..];
        // A longer rest completes short, and is sent on from there.
        let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        let entry = opcode::Send::new(Fd(slot.fd.as_raw_fd()), rest.as_ptr(), length)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build();
        self.push(entry, Token::new(Operation::Send, socket));
    }

    pub(super) fn cancel_receive(&mut self, socket: SocketId) {
        self.cancel(Token::new(Operation::Receive, socket), Operation::CancelReceive);
    }

    fn cancel(&mut self, target: Token, operation: Operation) {
        let entry = opcode::AsyncCancel2::new(CancelBuilder::user_data(target.to_bits())).build();
        self.push(entry, Token::new(operation, target.socket));
    }

    /// Frees a closing socket whose last operation has ended; its descriptor is closed here.
    pub(super) fn free_if_done(&mut self, socket: SocketId) {
        if self.slots.get_mut(socket).is_some_and(|slot| slot.closing && slot.is_idle()) {
            self.slots.remove(socket);
        }
    }

    pub(super) fn push(&mut self, entry: squeue::Entry, token: Token) {
        self.backlog.push_back(entry.user_data(token.to_bits()));
        self.refill();
    }

    /// Moves the backlog into the submission queue, and the full queue to the kernel.
    pub(super) fn refill(&mut self) {
        while let Some(entry) = self.backlog.pop_front() {
            // SAFETY: whatever an entry points to (addresses, timespecs, bytes to send, the eventfd's count) is owned by
            // this ring and stays in place until the operation has completed or, for timespecs, was submitted; sockets
            // are closed only when no operation on them is left (`free_if_done`, `release`).
            let pushed = unsafe { self.uring.submission().push(&entry) };
            if pushed.is_ok() {
                continue;
            }
            self.backlog.push_front(entry);
            if self.uring.submitter().submit().is_err() || self.uring.submission().is_full() {
                // The completion queue is full, too: the next enter comes after it was drained.
                return;
            }
        }
    }
}
