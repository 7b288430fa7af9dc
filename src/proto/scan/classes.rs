//! What an ASCII byte can be inside a tag.

/// May begin a name.
pub(super) const START: u8 = 1;
/// May stand in a name (the colon apart).
pub(super) const NAME: u8 = 2;
/// White space. XML 1.0 §2.3.
pub(super) const WHITE: u8 = 4;
/// A colon or part of a character beyond ASCII: needs a closer look in a name.
pub(super) const ODD: u8 = 8;

/// The classes of each byte.
pub(super) static CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = match b as u8 {
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => START | NAME,
            b'0'..=b'9' | b'-' | b'.' => NAME,
            b' ' | b'\t' | b'\n' | b'\r' => WHITE,
            b':' | 0x80..=0xFF => ODD,
            _ => 0,
        };
        b += 1;
    }
    table
};

/// Whether `b` is white space. XML 1.0 §2.3.
#[inline(always)]
pub(super) fn is_white(b: u8) -> bool {
    CLASS[b as usize] & WHITE != 0
}
