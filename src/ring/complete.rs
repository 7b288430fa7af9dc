//! What completions mean.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use io_uring::cqueue;

use super::slots::Receive;
use super::token::{Operation, Token};
use super::{Buffer, Completion, Reaped, Ring, SocketId};

impl Ring {
    /// The next thing that came about; `None` until another [`Ring::enter`].
    #[allow(clippy::should_implement_trait, reason = "the ring is used between two calls; an iterator would forbid it")]
    pub fn next(&mut self) -> Option<Completion> {
        loop {
            if let Some(completion) = self.also.pop_front() {
                return Some(completion);
            }
            let reaped = self.reaped.pop_front()?;
            if let Some(completion) = self.complete(reaped) {
                return Some(completion);
            }
        }
    }

    fn complete(&mut self, reaped: Reaped) -> Option<Completion> {
        let token = Token::from_bits(reaped.token)?;
        let socket = token.socket;
        match token.operation {
            Operation::Accept => self.complete_accept(socket, reaped),
            Operation::Receive => self.complete_receive(socket, reaped),
            Operation::Send => self.complete_send(socket, reaped.result),
            Operation::Connect => self.complete_connect(socket, reaped.result),
            Operation::CancelReceive => {
                self.complete_cancel_receive(socket, reaped.result);
                None
            }
            Operation::Cancel => None,
            Operation::Deadline => self.complete_deadline(token),
            Operation::Hear => {
                self.doorbell.hearing = false;
                None
            }
            Operation::Watch => {
                self.doorbell.watching = false;
                None
            }
        }
    }

    fn complete_accept(&mut self, listener: SocketId, reaped: Reaped) -> Option<Completion> {
        let accepted = (reaped.result >= 0).then(|| {
            // SAFETY: an accept that succeeded names a new descriptor, in this one completion only.
            unsafe { OwnedFd::from_raw_fd(reaped.result) }
        });
        let slot = self.slots.get_mut(listener)?;
        if !cqueue::more(reaped.flags) {
            slot.accepting = false;
        }
        if slot.closing {
            self.free_if_done(listener);
            return None;
        }
        let Some(socket) = accepted else {
            return self.accept_failed(listener, reaped.result);
        };
        if !slot.accepting {
            self.accept(listener);
        }
        Some(Completion::Accepted { listener, socket })
    }

    fn accept_failed(&mut self, listener: SocketId, result: i32) -> Option<Completion> {
        let lasting = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::EINVAL, libc::EBADF];
        if lasting.contains(&-result) {
            return Some(Completion::AcceptFailed { listener, error: error_of(result) });
        }
        // ECONNABORTED and the network errors that `accept(2)` passes on concern one connection only.
        self.accept(listener);
        None
    }

    fn complete_receive(&mut self, socket: SocketId, reaped: Reaped) -> Option<Completion> {
        let length = usize::try_from(reaped.result).unwrap_or(0);
        // Taken first, so that a buffer which nobody wants goes back to the kernel.
        let buffer = cqueue::buffer_select(reaped.flags).and_then(|number| self.pool.take(number, length));
        let slot = self.slots.get_mut(socket)?;
        let before = slot.receive;
        let over = !cqueue::more(reaped.flags);
        if over {
            slot.receive = Receive::Idle;
        }
        if slot.closing {
            self.free_if_done(socket);
            return None;
        }
        match buffer {
            Some(bytes) if length > 0 => self.received(socket, bytes, over.then_some(before)),
            _ if over => self.receive_ended(socket, reaped.result, before),
            _ => None,
        }
    }

    /// Bytes came; `ended` is the state before if the receive ended with them.
    fn received(&mut self, socket: SocketId, bytes: Buffer, ended: Option<Receive>) -> Option<Completion> {
        match ended {
            Some(Receive::Stopping) => self.also.push_back(Completion::Stopped { socket }),
            Some(Receive::Single) | None => {}
            Some(Receive::RestartingOnce) => self.arm_single(socket),
            Some(_) => self.arm_receive(socket),
        }
        Some(Completion::Received { socket, bytes })
    }

    fn receive_ended(&mut self, socket: SocketId, result: i32, before: Receive) -> Option<Completion> {
        match -result {
            0 => {
                if before == Receive::Stopping {
                    self.also.push_back(Completion::Stopped { socket });
                }
                Some(Completion::Eof { socket })
            }
            libc::ENOBUFS => {
                self.pool.run_out();
                self.rearm(socket, before)
            }
            libc::ECANCELED | libc::EINTR | libc::EAGAIN => self.rearm(socket, before),
            // A poll's answer: what is readable.
            ..0 if before == Receive::Awaiting => Some(Completion::Readable { socket }),
            ..0 => self.rearm(socket, before),
            _ => Some(Completion::Broken { socket, error: error_of(result) }),
        }
    }

    /// Goes on as is wanted, after an end that says nothing of the stream.
    fn rearm(&mut self, socket: SocketId, wanted: Receive) -> Option<Completion> {
        match wanted {
            Receive::Stopping => return Some(Completion::Stopped { socket }),
            Receive::Single | Receive::RestartingOnce => self.arm_single(socket),
            Receive::Awaiting => self.arm_poll(socket),
            Receive::Idle | Receive::Armed | Receive::Restarting => self.arm_receive(socket),
        }
        None
    }

    fn complete_send(&mut self, socket: SocketId, result: i32) -> Option<Completion> {
        let slot = self.slots.get_mut(socket)?;
        let sending = slot.sending.as_mut()?;
        if slot.closing {
            slot.sending = None;
            self.free_if_done(socket);
            return None;
        }
        match usize::try_from(result) {
            Ok(count) => sending.done += count,
            Err(_) if matches!(-result, libc::EINTR | libc::EAGAIN) => {}
            Err(_) => {
                slot.sending = None;
                return Some(Completion::Broken { socket, error: error_of(result) });
            }
        }
        if sending.done < sending.bytes.len() {
            self.arm_send(socket);
            return None;
        }
        let buffer = slot.sending.take()?.bytes;
        Some(Completion::Sent { socket, buffer })
    }

    fn complete_connect(&mut self, socket: SocketId, result: i32) -> Option<Completion> {
        let slot = self.slots.get_mut(socket)?;
        slot.connecting = None;
        if slot.closing {
            self.free_if_done(socket);
            return None;
        }
        match result {
            0 => Some(Completion::Connected { socket }),
            _ => Some(Completion::Broken { socket, error: error_of(result) }),
        }
    }

    /// A cancellation that found nothing while the receive is still armed came between two of its turns: once more.
    fn complete_cancel_receive(&mut self, socket: SocketId, result: i32) {
        let armed = |receive| matches!(receive, Receive::Stopping | Receive::Restarting | Receive::RestartingOnce);
        let missed = matches!(-result, libc::ENOENT | libc::EALREADY);
        if missed && self.slots.open_mut(socket).is_some_and(|slot| armed(slot.receive)) {
            self.cancel_receive(socket);
        }
    }

    fn complete_deadline(&mut self, token: Token) -> Option<Completion> {
        if token != self.deadline_token() {
            return None;
        }
        self.deadline.armed = None;
        Some(Completion::Deadline)
    }
}

fn error_of(result: i32) -> io::Error {
    io::Error::from_raw_os_error(-result)
}
