//! SIGTERM and SIGINT: the first drains, the second stops at once.

use std::io;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

/// What the operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// No new streams; flush, close, bounce the rest, print the account.
    Drain,
    /// Leave now.
    Stop,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watch {
    handle: Handle,
}

/// Calls `tell` on a thread of its own for every request: once `Drain`, then `Stop` for each further signal.
///
/// # Errors
/// The kernel's, when a handler cannot be installed or the thread not started.
pub fn watch(mut tell: impl FnMut(Request) + Send + 'static) -> io::Result<Watch> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let handle = signals.handle();
    thread::Builder::new().name("signals".into()).spawn(move || {
        let mut request = Request::Drain;
        for _ in signals.forever() {
            tell(request);
            request = Request::Stop;
        }
    })?;
    Ok(Watch { handle })
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.close();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn first_signal_drains_and_every_further_one_stops() {
        let (sender, receiver) = mpsc::channel();
        let watch = watch(move |request| sender.send(request).unwrap()).unwrap();
        let next = || receiver.recv_timeout(Duration::from_secs(5)).unwrap();
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert_eq!(next(), Request::Drain);
        signal_hook::low_level::raise(SIGINT).unwrap();
        assert_eq!(next(), Request::Stop);
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert_eq!(next(), Request::Stop);
        drop(watch);
        assert!(receiver.recv_timeout(Duration::from_secs(5)).is_err());
    }
}
