//! 32 bytes at a time: a shuffle gives for each byte the stop with its low nibble, and a stop is where they are equal.

use core::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm_setr_epi8, _mm256_andnot_si256, _mm256_broadcastsi128_si256,
    _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    _mm256_shuffle_epi8,
};

use super::{Finder, Job, Stops, scalar};

cpufeatures::new!(supported, "avx2", "bmi1", "bmi2");

/// Whether the processor (and the system) has AVX2.
pub(super) fn present() -> bool {
    supported::get()
}

/// Runs `job` compiled for AVX2.
///
/// # Safety
/// The processor has AVX2, BMI1 and BMI2 ([`present`]).
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) unsafe fn run<J: Job>(job: J) -> J::Output {
    job.run::<Avx2>()
}

/// 32-byte vectors; used only inside [`run`].
pub(super) struct Avx2;

const WIDTH: usize = 32;

impl Finder for Avx2 {
    #[inline(always)]
    fn find(s: &[u8], from: usize, stops: &Stops) -> usize {
        let mut i = from;
        // The first vector apart: its index is used as it stands, which is sooner than from a loop's counter.
        if from + WIDTH <= s.len() {
            // SAFETY: `from + WIDTH <= s.len()`; `Avx2` is used only inside `run`.
            let mask = unsafe { mask(s.as_ptr().add(from), stops) };
            if mask != 0 {
                return from + mask.trailing_zeros() as usize;
            }
            i += WIDTH;
        }
        while i + WIDTH <= s.len() {
            // SAFETY: `i + WIDTH <= s.len()`; `Avx2` is used only inside `run`.
            let mask = unsafe { mask(s.as_ptr().add(i), stops) };
            if mask != 0 {
                return i + mask.trailing_zeros() as usize;
            }
            i += WIDTH;
        }
        if s.len() < WIDTH || i >= s.len() {
            return scalar::find(s, i, stops);
        }
        let last = s.len() - WIDTH;
        // SAFETY: `last + WIDTH == s.len()`; `Avx2` is used only inside `run`.
        let mask = unsafe { mask(s.as_ptr().add(last), stops) } >> (i - last);
        if mask == 0 { s.len() } else { i + mask.trailing_zeros() as usize }
    }

    #[inline(always)]
    fn is_ascii(s: &[u8]) -> bool {
        if s.len() < WIDTH {
            return s.is_ascii();
        }
        let last = s.len() - WIDTH;
        let mut i = 0;
        // SAFETY: every load begins at `last` or before, so 32 bytes follow; `Avx2` is used only inside `run`.
        unsafe {
            let mut all = _mm256_loadu_si256(s.as_ptr().add(last).cast::<__m256i>());
            while i < last {
                all = _mm256_or_si256(all, _mm256_loadu_si256(s.as_ptr().add(i).cast::<__m256i>()));
                i += WIDTH;
            }
            _mm256_movemask_epi8(all) == 0
        }
    }

    #[inline(always)]
    fn is_utf8(s: &[u8]) -> bool {
        // SAFETY: `Avx2` is used only inside `run`.
        unsafe { simdutf8::basic::imp::x86::avx2::validate_utf8(s).is_ok() }
    }
}

/// One bit for each of the 32 bytes at `at` that is a stop.
///
/// # Safety
/// 32 bytes can be read at `at`; the processor has AVX2.
#[inline(always)]
unsafe fn mask(at: *const u8, stops: &Stops) -> u32 {
    // SAFETY: the caller vouches for the 32 bytes and for AVX2; loads need no alignment; `by_nibble` has 16 bytes.
    unsafe {
        let v = _mm256_loadu_si256(at.cast::<__m256i>());
        let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(stops.by_nibble.as_ptr().cast::<__m128i>()));
        // A shuffle yields 0 for bytes above 0x7F, which those are not.
        let printable = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(table, v), v);
        let control = _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1F)), v);
        let control = if stops.white_allowed {
            // Tab, line feed and carriage return at their nibbles.
            let white = _mm256_broadcastsi128_si256(_mm_setr_epi8(
                -1, -1, -1, -1, -1, -1, -1, -1, -1, 0x09, 0x0A, -1, -1, 0x0D, -1, 0,
            ));
            _mm256_andnot_si256(_mm256_cmpeq_epi8(_mm256_shuffle_epi8(white, v), v), control)
        } else {
            control
        };
        _mm256_movemask_epi8(_mm256_or_si256(printable, control)) as u32
    }
}
