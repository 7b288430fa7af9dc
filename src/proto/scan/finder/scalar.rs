//! Portable code, byte by byte.

use super::{Finder, Stops};

/// No vectors.
pub(in crate::scan) struct Scalar;

impl Finder for Scalar {
    #[inline(always)]
    fn find(s: &[u8], from: usize, stops: &Stops) -> usize {
        find(s, from, stops)
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

/// [`Finder::find`] by table.
#[inline(always)]
pub(super) fn find(s: &[u8], from: usize, stops: &Stops) -> usize {
    let mut i = from;
    while let Some(&b) = s.get(i) {
        if stops.table[b as usize] {
            break;
        }
        i += 1;
    }
    i
}
