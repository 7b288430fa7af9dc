//! Counts the bytes that a thread's scans look at.

use core::cell::Cell;

std::thread_local! {
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// Adds to the count.
pub(in crate::scan) fn add(bytes: usize) {
    BYTES.set(BYTES.get() + bytes as u64);
}

/// The count since it was last taken.
pub(in crate::scan) fn take() -> u64 {
    BYTES.take()
}
