//! The descriptor by which other threads end a shard's sleep.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// An `eventfd(2)`: a counter that a reader waits for.
///
/// It is a blocking descriptor on purpose: io_uring answers a read of a non-blocking one with `EAGAIN` at once instead
/// of waiting.
#[derive(Debug)]
pub struct EventFd(File);

impl EventFd {
    /// A counter of 0.
    ///
    /// # Errors
    /// `eventfd(2)`'s: the process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no memory is passed.
        let raw = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded, so `raw` is an open descriptor that no one else owns.
        Ok(Self(File::from(unsafe { OwnedFd::from_raw_fd(raw) })))
    }

    /// Wakes the reader, now or when it next reads.
    pub fn signal(&self) {
        // A write of 1 fails only when the counter is at its end, and then the reader wakes anyway.
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }

    /// Blocks until signalled, and sets the counter to 0.
    #[cfg(test)]
    pub(crate) fn wait(&self) -> io::Result<()> {
        io::Read::read_exact(&mut &self.0, &mut [0; 8])
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
