//! Which bytes end a run, by context.

/// A set of ASCII bytes to stop at, in the forms that the finders need. Bytes above 0x7F are never in it.
#[derive(Debug)]
pub(in crate::scan) struct Stops {
    /// By low nibble, the stop with that nibble that is no control character, or a byte with another nibble. A byte is such
    /// a stop when it equals its entry.
    pub(super) by_nibble: [u8; 16],
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
        let mut by_nibble = [0xFF; 16];
        by_nibble[0xF] = 0;
        let mut b = 0u8;
        while b < b' ' {
            table[b as usize] = !(white_allowed && matches!(b, b'\t' | b'\n' | b'\r'));
            b += 1;
        }
        let mut n = 0;
        while n < bytes.len() {
            let entry = &mut by_nibble[(bytes[n] & 0xF) as usize];
            assert!(*entry == bytes[n] || *entry == 0xFF || *entry == 0, "one stop for each low nibble");
            *entry = bytes[n];
            table[bytes[n] as usize] = true;
            n += 1;
        }
        Self { by_nibble, table, bytes, white_allowed }
    }
}
