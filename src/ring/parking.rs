//! The place where a glommio executor sleeps, opened for whoever serves the data ring there.
//!
//! glommio 0.9.0 blocks in one call, `io_uring_wait_cqes` on its main ring, made after it has found nothing runnable, has
//! armed its next timer, has announced to other threads that it sleeps, and has linked its other rings to the main one.
//! Whatever wakes it is therefore a completion on the main ring. The linker leads that call here (`--wrap`, see
//! `build.rs`), and with [`serve`] a thread's executor sleeps as the server decides:
//!
//! ```text
//! executor: nothing to run ─▶ io_uring_wait_cqes ─▶ server: serves the data ring, sleeps in it,
//!           and so on      ◀────────────────────── and returns when Outside::has_events
//! ```
//!
//! A second call, `io_uring_queue_init_params`, is led here so that glommio's rings get `IORING_SETUP_COOP_TASKRUN`: else
//! each of their completions interrupts the core that runs the executor.
//!
//! The real functions are never called by name: what they do for glommio is one call of a function that is not wrapped,
//! and a program that is linked without the arguments has no `__real_` names. It links all the same, its executors sleep
//! as they always did, and [`serve`] refuses.
//!
//! # Source
//!
//! glommio 0.9.0, `src/sys/uring.rs` (`SleepableRing::sleep`, `Reactor::wait`); liburing 2.0, which it brings.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_long, c_uint, c_void};
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};

use thiserror::Error;

/// `IORING_SETUP_IOPOLL`: the ring that an executor has for disks; its completions are never delivered by interrupt.
const IOPOLL: u32 = 1 << 0;
/// `IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG`.
const COOPERATIVE: u32 = 1 << 8 | 1 << 9;

/// `struct io_uring_sq` of liburing 2.0; nothing of it is used here.
#[repr(C)]
struct SubmissionQueue {
    pointers: [*mut c_void; 8],
    sqe_head: c_uint,
    sqe_tail: c_uint,
    ring_bytes: usize,
    ring: *mut c_void,
    pad: [c_uint; 4],
}

/// `struct io_uring_cq` of liburing 2.0.
#[repr(C)]
struct CompletionQueue {
    head: *mut u32,
    tail: *mut u32,
    pointers: [*mut c_void; 5],
    ring_bytes: usize,
    ring: *mut c_void,
    pad: [c_uint; 4],
}

/// `struct io_uring` of liburing 2.0; glommio's own bindings have the same form.
#[repr(C)]
struct LibUring {
    submissions: SubmissionQueue,
    completions: CompletionQueue,
    flags: c_uint,
    fd: c_int,
    features: c_uint,
    pad: [c_uint; 3],
}

/// The beginning of `struct io_uring_params`.
#[repr(C)]
struct Params {
    submissions: u32,
    completions: u32,
    flags: u32,
    thread_cpu: u32,
    thread_idle: u32,
    features: u32,
}

unsafe extern "C" {
    /// Maps the queues of a new ring, and fills in `ring`.
    fn io_uring_queue_mmap(fd: c_int, params: *mut Params, ring: *mut LibUring) -> c_int;
    /// What `io_uring_wait_cqes` is without a time.
    fn __io_uring_get_cqe(
        ring: *mut LibUring,
        completion: *mut *mut c_void,
        submit: c_uint,
        wait: c_uint,
        signals: *const c_void,
    ) -> c_int;
}

/// A ring that glommio made on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Made {
    fd: RawFd,
    iopoll: bool,
}

type Server = Box<dyn FnMut(&Outside<'_>)>;

thread_local! {
    static MADE: RefCell<Vec<Made>> = const { RefCell::new(Vec::new()) };
    static SERVED: RefCell<Option<(RawFd, Server)>> = const { RefCell::new(None) };
    static AWAKE: Cell<bool> = const { Cell::new(false) };
}

/// Why the place where the executor sleeps cannot be served.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unserved {
    /// The program was linked without the arguments of `build.rs`.
    #[error(
        "this program is not linked to serve shards: its package needs a build script that hands on the link arguments \
         of ringgate's (DEP_RINGGATE_LINK_ARG)"
    )]
    NotLinked,
    /// The executor of this thread did not make the rings that glommio 0.9.0 makes.
    #[error("the executor's rings are not those of glommio 0.9.0")]
    UnknownRings,
    /// The executor had nothing to do, and did not come to sleep in the served place.
    #[error("the executor does not sleep where glommio 0.9.0 does")]
    NotCalled,
}

/// What a server sees of the executor that it keeps from sleeping.
pub struct Outside<'a> {
    ring: &'a LibUring,
}

impl Outside<'_> {
    /// Whether the executor has something to do: return, then.
    pub fn has_events(&self) -> bool {
        // SAFETY: both point into the mapped queue of a ring whose executor is in the middle of a call about it. The head
        // is written by this thread only; the tail by the kernel, which is why it is read as an atomic.
        let (head, tail) = unsafe {
            (*self.ring.completions.head, AtomicU32::from_ptr(self.ring.completions.tail).load(Ordering::Acquire))
        };
        head != tail
    }

    /// The ring that becomes readable when [`Self::has_events`].
    pub fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the executor's ring is open as long as the call in which we are.
        unsafe { BorrowedFd::borrow_raw(self.ring.fd) }
    }
}

/// As long as this lives, the executor of this thread sleeps in its server.
#[must_use]
pub struct Serving {
    /// Dropped where it was made.
    _here: std::marker::PhantomData<*const ()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Taken out first: dropping the server may run whatever it owns.
        let server = SERVED.with(|served| served.borrow_mut().take());
        drop(server);
    }
}

/// Keeps the executor of this thread from sleeping until [`serve`] is called: glommio 0.9.0 may sleep beside a task that could
/// run, if the thread was descheduled at the wrong moment, and without a server nothing would ever end that sleep.
pub fn stay_awake() {
    AWAKE.set(true);
}

/// From now on, calls `server` each time the executor that was made on this thread would sleep. When the server returns
/// without an event outside, the executor looks around once, as after a signal, and comes back.
///
/// In the server, glommio's reactor is in use: waking tasks and reading statistics is all that may be done with glommio.
/// None of its sockets, files or timers may be made, used or dropped. A panic ends the process, since there is C between
/// the server and the executor.
///
/// # Errors
/// [`Unserved`]. That it can be served, but is not (because glommio sleeps elsewhere), shows only in that the server is
/// not called: await the first call before anything depends on it.
pub fn serve(server: impl FnMut(&Outside<'_>) + 'static) -> Result<Serving, Unserved> {
    AWAKE.set(false);
    let fd = MADE.with(|made| main_ring(&made.borrow()))?;
    SERVED.with(|served| served.replace(Some((fd, Box::new(server)))));
    Ok(Serving { _here: std::marker::PhantomData })
}

/// glommio makes a main, an IOPOLL and a latency ring, in this order; its first executor one more before them, to try.
fn main_ring(made: &[Made]) -> Result<RawFd, Unserved> {
    if made.is_empty() {
        return Err(Unserved::NotLinked);
    }
    let iopoll = made.iter().rposition(|ring| ring.iopoll).ok_or(Unserved::UnknownRings)?;
    match (&made[..iopoll], &made[iopoll + 1..]) {
        ([.., main], [_latency]) if !main.iopoll => Ok(main.fd),
        _ => Err(Unserved::UnknownRings),
    }
}

/// Stands in for `io_uring_queue_init_params` in programs linked with the arguments of `build.rs`.
///
/// # Safety
/// Called by glommio: `params` is a whole `struct io_uring_params`, `ring` has room for a `struct io_uring`.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_io_uring_queue_init_params(
    entries: c_uint,
    ring: *mut LibUring,
    params: *mut Params,
) -> c_int {
    // SAFETY: see above. It is the only reference to them while it lives.
    let iopoll = unsafe {
        let iopoll = (*params).flags & IOPOLL != 0;
        (*params).flags |= if iopoll { 0 } else { COOPERATIVE };
        iopoll
    };
    // SAFETY: `io_uring_setup(2)` reads and writes one `struct io_uring_params`.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, c_long::from(entries), params) } as c_int;
    if fd < 0 {
        return last_error();
    }
    // SAFETY: `fd` is a new ring that was set up with `params`; `ring` is as above.
    let failure = unsafe { io_uring_queue_mmap(fd, params, ring) };
    if failure != 0 {
        // SAFETY: the call failed, so that nobody else has the descriptor.
        unsafe { libc::close(fd) };
        return failure;
    }
    // SAFETY: both as above, filled in by now.
    unsafe { (*ring).features = (*params).features };
    MADE.with(|made| made.borrow_mut().push(Made { fd, iopoll }));
    0
}

/// Stands in for `io_uring_wait_cqes` in programs linked with the arguments of `build.rs`. glommio 0.9.0 gives no time.
///
/// # Safety
/// Called by glommio: `ring` is one of its rings, `completion` has room for a pointer.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_io_uring_wait_cqes(
    ring: *mut LibUring,
    completion: *mut *mut c_void,
    wait: c_uint,
    time: *const c_void,
    signals: *const c_void,
) -> c_int {
    if !time.is_null() {
        return -libc::EINVAL;
    }
    // SAFETY: glommio borrows its ring for this call, and nothing called from here touches it.
    let outside = Outside { ring: unsafe { &*ring } };
    if (AWAKE.get() || serve_once(&outside)) && !outside.has_events() {
        return -libc::EINTR;
    }
    // SAFETY: the arguments are the caller's. Served, there is a completion already, and the call does not block.
    unsafe { __io_uring_get_cqe(ring, completion, 0, wait, signals) }
}

/// Calls the server of the ring, if it has one.
fn serve_once(outside: &Outside<'_>) -> bool {
    SERVED.with(|served| match &mut *served.borrow_mut() {
        Some((fd, server)) if *fd == outside.ring.fd => {
            server(outside);
            true
        }
        _ => false,
    })
}

fn last_error() -> c_int {
    -std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(rings: &[(RawFd, bool)]) -> Vec<Made> {
        rings.iter().map(|&(fd, iopoll)| Made { fd, iopoll }).collect()
    }

    #[test]
    fn main_ring_stands_before_the_disks_with_and_without_a_trial() {
        assert_eq!(main_ring(&made(&[(3, false), (4, true), (5, false)])), Ok(3));
        assert_eq!(main_ring(&made(&[(9, false), (3, false), (4, true), (5, false)])), Ok(3));
    }

    #[test]
    fn other_rings_are_not_served() {
        assert_eq!(main_ring(&[]), Err(Unserved::NotLinked));
        for rings in [&[(3, false)][..], &[(3, true), (4, false)], &[(3, false), (4, true)], &[(3, true), (4, true)]] {
            assert_eq!(main_ring(&made(rings)), Err(Unserved::UnknownRings), "{rings:?}");
        }
    }

    #[test]
    fn rings_lie_in_memory_as_in_liburing() {
        assert_eq!(std::mem::offset_of!(LibUring, completions), 104);
        assert_eq!(std::mem::offset_of!(LibUring, fd), 196);
        assert_eq!(std::mem::size_of::<LibUring>(), 216);
    }

    #[test]
    fn executor_of_this_package_calls_its_server_and_runs_on() {
        let calls = std::rc::Rc::new(std::cell::Cell::new(0));
        let counted = std::rc::Rc::clone(&calls);
        glommio::LocalExecutorBuilder::default().make().expect("executor").run(async move {
            let _serving = serve(move |outside| {
                counted.set(counted.get() + 1);
                while !outside.has_events() {
                    std::thread::yield_now();
                }
            })
            .expect("linked");
            glommio::timer::sleep(std::time::Duration::from_millis(5)).await;
        });
        assert!(calls.get() > 0);
    }

    #[test]
    fn executor_that_stays_awake_runs_its_timers_and_looks_around_until_it_is_served() {
        let executor = glommio::LocalExecutorBuilder::default().make().expect("executor");
        stay_awake();
        executor.run(async {
            glommio::timer::sleep(std::time::Duration::from_millis(5)).await;
            assert!(AWAKE.get());
            let _serving = serve(|outside| while !outside.has_events() {}).expect("linked");
            assert!(!AWAKE.get());
        });
    }
}
