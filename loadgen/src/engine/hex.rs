//! Numbers of fixed width in ids.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Writes the low digits of `value` into all of `out`.
pub(super) fn write(value: u32, out: &mut [u8]) {
    let mut rest = value;
    for place in out.iter_mut().rev() {
        *place = DIGITS[(rest & 15) as usize];
        rest >>= 4;
    }
}

/// The number that `digits` (at most eight) are; `None` when one of them is none, or not written by [`write()`].
pub(super) fn read(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| match digit {
        b'0'..=b'9' => Some(value << 4 | u32::from(digit - b'0')),
        b'a'..=b'f' => Some(value << 4 | u32::from(digit - b'a' + 10)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        for value in [0, 1, 15, 16, 0x00ff_00ff, u32::MAX] {
            let mut text = [0; 8];
            write(value, &mut text);
            assert_eq!(read(&text), Some(value));
        }
    }

    #[test]
    fn other_characters_are_no_number() {
        assert_eq!(read(b"00g0"), None);
        assert_eq!(read(b"00A0"), None);
    }
}
