//! 16 bytes at a time, by comparison (SSE2 has no byte shuffle).

use core::arch::x86_64::{
    __m128i, _mm_andnot_si128, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
    _mm_set1_epi8,
};

use super::{Finder, Stops, scalar};

/// 16-byte vectors; part of every x86-64.
pub(super) struct Sse2;

const WIDTH: usize = 16;

impl Finder for Sse2 {
    #[inline(always)]
    fn find(s: &[u8], from: usize, stops: &Stops) -> usize {
        let mut i = from;
        // The first vector apart: its index is used as it stands, which is sooner than from a loop's counter.
        if from + WIDTH <= s.len() {
            // SAFETY: `from + WIDTH <= s.len()`, and SSE2 belongs to x86-64.
            let mask = unsafe { mask(s.as_ptr().add(from), stops) };
            if mask != 0 {
                return from + mask.trailing_zeros() as usize;
            }
            i += WIDTH;
        }
        while i + WIDTH <= s.len() {
            // SAFETY: `i + WIDTH <= s.len()`, and SSE2 belongs to x86-64.
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
        // SAFETY: `last + WIDTH == s.len()`.
        let mask = unsafe { mask(s.as_ptr().add(last), stops) } >> (i - last);
        if mask == 0 { s.len() } else { i + mask.trailing_zeros() as usize }
    }

    #[inline(always)]
    fn is_ascii(s: &[u8]) -> bool {
        s.is_ascii()
    }

    #[inline(always)]
    fn is_utf8(s: &[u8]) -> bool {
        core::str::from_utf8(s).is_ok()
    }
}

/// One bit for each of the 16 bytes at `at` that is a stop.
///
/// # Safety
/// 16 bytes can be read at `at`.
#[inline(always)]
unsafe fn mask(at: *const u8, stops: &Stops) -> u32 {
    // SAFETY: the caller vouches for the 16 bytes; the load needs no alignment. SSE2 belongs to x86-64.
    unsafe {
        let v = _mm_loadu_si128(at.cast::<__m128i>());
        let equal = |b: u8| _mm_cmpeq_epi8(v, _mm_set1_epi8(b as i8));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1F)), v);
        let control = if stops.white_allowed {
            let white = _mm_or_si128(_mm_or_si128(equal(b'\t'), equal(b'\n')), equal(b'\r'));
            _mm_andnot_si128(white, control)
        } else {
            control
        };
        let [a, b, c] = stops.bytes;
        let hit = _mm_or_si128(_mm_or_si128(equal(a), equal(b)), _mm_or_si128(equal(c), control));
        _mm_movemask_epi8(hit) as u32
    }
}
