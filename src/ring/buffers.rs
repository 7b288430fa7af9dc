//! Receive buffers that the kernel picks from when bytes arrive: an idle connection owns none.
//!
//! The kernel takes them in turn and gets back what was read, so that those it has are all in use. It therefore has few,
//! which stay in the processor's cache, and more only when it keeps running out of them: a burst is read in some more
//! rounds instead.

use std::cell::Cell;
use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// The only buffer group of a ring.
pub(super) const GROUP: u16 = 0;

/// Anonymous, page-aligned memory; pages that were never written take no room.
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    fn new(length: usize) -> io::Result<Self> {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice overlaps nothing that exists.
        let start = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `start` and `length` are those of a mapping that this value owns; nothing refers to it any more
        // (buffers hold the pool by `Rc`, the ring drops after its operations have ended).
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// With the kernel at first.
const AT_FIRST: u16 = 32;
/// Enters that ran out of buffers before the kernel gets twice as many.
const SHORTAGES: u32 = 64;
/// Buffers read without running out after which earlier shortages are forgotten.
const FORGOTTEN_AFTER: u32 = 1 << 16;

/// The shared descriptor ring and the memory that its entries point to.
pub(super) struct Pool {
    descriptors: Mapping,
    memory: Mapping,
    entries: u16,
    size: u32,
    tail: Cell<u16>,
    free: Cell<u16>,
    /// Those before this one are in use, the others were never touched.
    in_use: Cell<u16>,
    /// Since the kernel last got more, or they were forgotten.
    shortages: Cell<u32>,
    /// Whether the last enter ran out.
    ran_out: Cell<bool>,
    /// Buffers read since the kernel last ran out.
    taken: Cell<u32>,
}

impl Pool {
    /// `entries` buffers of `size` bytes, some of them with the kernel once [`Self::register`] was called.
    ///
    /// # Errors
    /// `InvalidInput` unless `entries` is a power of two up to 32,768 and `size` is not 0; `mmap(2)`'s errors.
    pub(super) fn new(entries: u16, size: u32) -> io::Result<Rc<Self>> {
        if !entries.is_power_of_two() || entries > 1 << 15 || size == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let descriptors = Mapping::new(usize::from(entries) * size_of::<BufRingEntry>())?;
        let memory = Mapping::new(usize::from(entries) * size as usize)?;
        let pool = Self {
            descriptors,
            memory,
            entries,
            size,
            tail: Cell::new(0),
            free: Cell::new(0),
            in_use: Cell::new(0),
            shortages: Cell::new(0),
            ran_out: Cell::new(false),
            taken: Cell::new(0),
        };
        pool.give_more(AT_FIRST);
        Ok(Rc::new(pool))
    }

    /// A receive found no buffer. What is on its way to the caller comes back before the next enter.
    pub(super) fn run_out(&self) {
        self.ran_out.set(true);
    }

    /// Before an enter: gives the kernel as many again as it has, if it keeps running out.
    pub(super) fn grow(&self) {
        if !self.ran_out.take() {
            return;
        }
        let forgotten = self.taken.replace(0) >= FORGOTTEN_AFTER;
        self.shortages.set(if forgotten { 1 } else { self.shortages.get() + 1 });
        if self.shortages.get() >= SHORTAGES {
            self.shortages.set(0);
            self.give_more(self.in_use.get());
        }
    }

    fn give_more(&self, count: u16) {
        let (first, end) = (self.in_use.get(), self.in_use.get().saturating_add(count).min(self.entries));
        (first..end).for_each(|number| self.give(number));
        self.in_use.set(end);
    }

    /// Makes the pool known to a ring.
    ///
    /// # Errors
    /// `io_uring_register(2)`'s; `EINVAL` before Linux 5.19.
    pub(super) fn register(&self, submitter: &Submitter<'_>) -> io::Result<()> {
        let address = self.descriptors.start.as_ptr() as u64;
        // SAFETY: the descriptors are page-aligned memory of `entries` entries; `Ring` keeps this pool until the
        // kernel has closed the ring, or leaks it.
        unsafe { submitter.register_buf_ring_with_flags(address, self.entries, GROUP, 0) }
    }

    /// How many buffers the kernel may pick from now.
    #[cfg(test)]
    pub(super) fn free(&self) -> u16 {
        self.free.get()
    }

    fn start_of(&self, number: u16) -> *mut u8 {
        debug_assert!(number < self.entries);
        // SAFETY: `number < entries` (checked by `take`, iterated in `new`), so the offset is inside the mapping.
        unsafe { self.memory.start.as_ptr().add(usize::from(number) * self.size as usize) }
    }

    /// Gives buffer `number` to the kernel; the caller must not touch it any more.
    fn give(&self, number: u16) {
        let base = self.descriptors.start.as_ptr().cast::<BufRingEntry>();
        let tail = self.tail.get();
        let slot = usize::from(tail & (self.entries - 1));
        // SAFETY: `slot < entries`, so the entry is inside the mapping, which is zeroed at first and thus initialised.
        // The kernel does not read an entry at or after the tail, so no one else touches it now. The setters leave
        // alone the two bytes of entry 0 that hold the tail.
        let entry = unsafe { &mut *base.add(slot) };
        entry.set_addr(self.start_of(number) as u64);
        entry.set_len(self.size);
        entry.set_bid(number);
        let tail = tail.wrapping_add(1);
        self.tail.set(tail);
        self.free.set(self.free.get() + 1);
        // SAFETY: `base` is the first entry of the descriptors; its tail is two aligned bytes that the kernel reads
        // atomically and that are only written here.
        let shared = unsafe { &*BufRingEntry::tail(base).cast::<AtomicU16>() };
        shared.store(tail, Ordering::Release);
    }

    /// Buffer `number` with the `length` bytes that the kernel put there, from a completion that named it.
    pub(super) fn take(self: &Rc<Self>, number: u16, length: usize) -> Option<Buffer> {
        if number >= self.entries {
            return None;
        }
        self.free.set(self.free.get().saturating_sub(1));
        self.taken.set(self.taken.get().saturating_add(1));
        Some(Buffer { pool: Rc::clone(self), number, length: length.min(self.size as usize) })
    }
}

/// Received bytes. Dropping it gives the memory back to the kernel: do so before the end of the tick.
pub struct Buffer {
    pool: Rc<Pool>,
    number: u16,
    length: usize,
}

impl Buffer {
    /// Whether the socket had at least as many bytes as the buffer takes.
    pub fn is_full(&self) -> bool {
        self.length == self.pool.size as usize
    }
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: between the completion that named it and `give`, the buffer is this value's alone; `length` is at
        // most its size, and mapped memory is always initialised.
        unsafe { std::slice::from_raw_parts(self.pool.start_of(self.number), self.length) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`, and `&mut self` makes the borrow the only one.
        unsafe { std::slice::from_raw_parts_mut(self.pool.start_of(self.number), self.length) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.give(self.number);
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes)", self.length)
    }
}
