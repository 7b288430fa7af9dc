//! The stanzas that go round: the same bytes through every system.

use crate::LANES;

/// Different stanzas of a set; a power of two.
const VARIANTS: usize = 64;
/// Digits of a stanza's number.
const DIGITS: usize = 10;
/// The backend's domain.
pub(crate) const HOME: &str = "home.example";

/// What the stanzas are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Messages of 200 to 800 bytes, 500 on average.
    Messages,
    /// Presence of 335 bytes with entity capabilities and an avatar's hash.
    Presence,
}

/// The domain of a lane; all are equally long.
pub(crate) fn domain(lane: usize) -> String {
    format!("r{lane:02}.remote.example")
}

/// A stanza as it came: who sent it and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) lane: usize,
    pub(crate) number: u64,
}

/// Which way a stanza goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    There,
    Back,
}

/// All stanzas of one kind, ready but for their numbers. A stanza's number decides its variant.
pub(crate) struct Set {
    id_at: usize,
    there: Vec<Vec<u8>>,
    back: Vec<Vec<u8>>,
}

impl Set {
    pub(crate) fn new(kind: Kind) -> Self {
        let all =
            |way| (0..LANES).flat_map(move |lane| (0..VARIANTS).map(move |variant| compose(kind, way, lane, variant)));
        let (there, back): (Vec<_>, Vec<_>) = (all(Way::There).collect(), all(Way::Back).collect());
        let id_at = there[0].windows(4).position(|window| window == b"id='").map_or(0, |at| at + 4);
        Self { id_at, there, back }
    }

    /// Bytes of a stanza on average.
    pub(crate) fn mean_bytes(&self) -> usize {
        self.there.iter().map(Vec::len).sum::<usize>() / self.there.len()
    }

    /// Appends a stanza.
    pub(crate) fn write(&self, way: Way, label: Label, out: &mut Vec<u8>) {
        let start = out.len() + self.id_at;
        out.extend_from_slice(self.stanza(way, label));
        let mut number = label.number;
        for digit in out[start..start + DIGITS].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }

    /// The stanza at the front of `bytes`, and its length; `None` while it is not complete.
    ///
    /// # Errors
    /// It is not, byte for byte, what was sent.
    pub(crate) fn read(&self, way: Way, bytes: &[u8]) -> Result<Option<(Label, usize)>, String> {
        let id = self.id_at..self.id_at + DIGITS;
        let lane_at = id.end + 1;
        let Some(head) = bytes.get(..lane_at + 2) else { return Ok(None) };
        let number = decimal(&head[id.clone()]);
        let lane = decimal(&head[lane_at..]) as usize;
        if lane >= LANES {
            return Err(foreign(bytes));
        }
        let label = Label { lane, number };
        let expected = self.stanza(way, label);
        let Some(stanza) = bytes.get(..expected.len()) else { return Ok(None) };
        if stanza[..id.start] != expected[..id.start] || stanza[id.end..] != expected[id.end..] {
            return Err(foreign(bytes));
        }
        Ok(Some((label, expected.len())))
    }

    fn stanza(&self, way: Way, label: Label) -> &[u8] {
        let all = if way == Way::There { &self.there } else { &self.back };
        &all[label.lane * VARIANTS + label.number as usize % VARIANTS]
    }
}

fn foreign(bytes: &[u8]) -> String {
    format!("not a stanza that was sent: {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(400)]))
}

fn decimal(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit.wrapping_sub(b'0') % 10))
}

fn compose(kind: Kind, way: Way, lane: usize, variant: usize) -> Vec<u8> {
    let (outside, inside) = (format!("romeo{lane:02}@{}/balcony", domain(lane)), format!("juliet@{HOME}/chamber"));
    let (from, to) = if way == Way::There { (outside, inside) } else { (inside, outside) };
    let id = format!("{:0DIGITS$}-{lane:02}", 0);
    match kind {
        Kind::Messages => {
            // Evenly over 200 to 800 bytes, in a mixed order.
            let length = 200 + (variant * 37 % VARIANTS) * 600 / (VARIANTS - 1);
            let head = format!("<message id='{id}' from='{from}' to='{to}' type='chat'><body>");
            let tail = "</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>";
            filled(&head, tail, length)
        }
        Kind::Presence => {
            let head = format!("<presence id='{id}' from='{from}' to='{to}'><show>away</show><status>");
            let tail = "</status><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://a.example' \
                        ver='QgayPKawpkPSDYmwT/WM94uAlu0='/></presence>";
            filled(&head, tail, 335)
        }
    }
}

/// Head, words, tail: `length` bytes, or what head and tail need.
fn filled(head: &str, tail: &str, length: usize) -> Vec<u8> {
    const WORDS: &str = "But soft, what light through yonder window breaks? It is the east, and Juliet is the sun. ";
    let room = length.saturating_sub(head.len() + tail.len());
    let words = WORDS.bytes().cycle().take(room);
    head.bytes().chain(words).chain(tail.bytes()).collect()
}
