//! Which bytes end a run, by context.

/// A set of ASCII bytes to stop at, in the forms that the finders need. Bytes above 0x7F are never in it.
#[derive(Debug)]
pub(in crate::scan) struct Stops {
    /// Bit `r` of entry `n` is set when the byte `r << 4 | n` is a stop (for a shuffle by the low nibble).
    pub(super) rows: [u8; 16],
    /// Whether a byte is a stop.
    pub(super) table: [bool; 256],
    /// The stops that are no control characters; the last is repeated if there are fewer.
    pub(super) bytes: [u8; 3],
    /// Control characters are stops as well, except, if this is set, tab, line feed and carriage return.
    pub(super) white_allowed: bool,
}

/// Character data: markup, references, what might be `]]>`, and characters that XML does not have.
pub(in crate::scan) static TEXT: Stops = Stops::new([b'<', b'&', b'>'], true);

/// A CDATA section: what might be its end.
pub(in crate::scan) static CDATA: Stops = Stops::new([b'>', b'>', b'>'], true);

/// A value: in apostrophes, in quotation marks. White space that normalisation changes counts as well.
pub(in crate::scan) static VALUE: [Stops; 2] =
    [Stops::new([b'\'', b'<', b'&'], false), Stops::new([b'"', b'<', b'&'], false)];

impl Stops {
    const fn new(bytes: [u8; 3], white_allowed: bool) -> Self {
        let mut table = [false; 256];
        let mut rows = [0; 16];
        let mut b = 0u8;
        while b < 0x80 {
            let control = b < b' ' && !(white_allowed && matches!(b, b'\t' | b'\n' | b'\r'));
            if control || b == bytes[0] || b == bytes[1] || b == bytes[2] {
                table[b as usize] = true;
                rows[(b & 0xF) as usize] |= 1 << (b >> 4);
            }
            b += 1;
        }
        Self { rows, table, bytes, white_allowed }
    }
}
