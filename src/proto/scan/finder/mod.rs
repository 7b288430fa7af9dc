//! Finds the next interesting byte of a context, with the widest vectors the processor has.
//!
//! The only `unsafe` of this crate is below this module. What is interesting depends on where the scan is: in text `<`,
//! `&`, `>` and control characters, in a value its quote, and so on ([`Stops`]). Everything between two interesting
//! bytes is passed over 16 or 32 bytes at a time.
#![allow(unsafe_code, reason = "vector instructions; every other module of the crate forbids it")]

mod scalar;
mod stops;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod sse2;

pub(super) use scalar::Scalar;
pub(super) use stops::{CDATA, Stops, TEXT, VALUE};

use super::Cpu;

/// A way to look for bytes.
pub(super) trait Finder {
    /// Index of the first stop at or after `from`, or the length of `s`.
    fn find(s: &[u8], from: usize, stops: &Stops) -> usize;

    /// Whether `s` has no byte above 0x7F.
    fn is_ascii(s: &[u8]) -> bool;

    /// Whether `s` is UTF-8.
    fn is_utf8(s: &[u8]) -> bool;
}

/// Work that runs with one finder chosen at its start.
pub(super) trait Job {
    /// What it yields.
    type Output;

    /// Does it. Implementations are `#[inline(always)]`, so that they are compiled with the finder's instructions.
    fn run<F: Finder>(self) -> Self::Output;
}

/// A [`Cpu`] that this machine really is; only [`Selected::new`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Selected(Cpu);

impl Selected {
    /// `claimed`, or less if the processor lacks its instructions.
    pub(super) fn new(claimed: Cpu) -> Self {
        #[cfg(target_arch = "x86_64")]
        let cpu = if claimed == Cpu::Avx2 && !avx2::present() { Cpu::Sse2 } else { claimed };
        #[cfg(not(target_arch = "x86_64"))]
        let cpu = {
            let _ = claimed;
            Cpu::Scalar
        };
        Self(cpu)
    }

    /// Runs `job` with this finder. The choice is made once here and not per token.
    #[inline]
    pub(super) fn dispatch<J: Job>(self, job: J) -> J::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` keeps `Avx2` only where the processor has it.
            Cpu::Avx2 => unsafe { avx2::run(job) },
            #[cfg(target_arch = "x86_64")]
            Cpu::Sse2 => job.run::<sse2::Sse2>(),
            _ => job.run::<Scalar>(),
        }
    }
}
