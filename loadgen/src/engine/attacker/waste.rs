//! What an attacker sends, over and over.

use crate::plan::{Attack, Lane};
use crate::world;

/// Plaintext of one TLS record at most. RFC 8446 §5.1.
const RECORD_BYTES: usize = 1 << 14;
/// Elements of a stanza, and bytes: a little less than a system has to take. Its own limits may be lower; then it closes.
const ELEMENTS: usize = 9_990;
const STANZA_BYTES: usize = 250_000;
/// White space between two stanzas.
const SPACES: usize = 64 << 10;
/// Records of one byte in one write: about 16 KiB.
const TINY_RECORDS: usize = 700;

/// Bytes without an end, and how they are cut.
pub(super) struct Waste {
    text: Vec<u8>,
    at: usize,
    record_bytes: usize,
    records: usize,
}

impl Waste {
    /// For an attack of the lane's sender; `None` if it sends nothing.
    pub(super) fn of(attack: Attack, lane: &Lane) -> Option<Self> {
        let (text, record_bytes, records) = match attack {
            Attack::None | Attack::Sink | Attack::Reconnect => return None,
            Attack::Elements => (stanza(lane, &"<a/>".repeat(ELEMENTS)), RECORD_BYTES, 1),
            Attack::Attributes => (stanza(lane, &fill(&attributes())), RECORD_BYTES, 1),
            Attack::Prefixes => (stanza(lane, &fill(&prefixes())), RECORD_BYTES, 1),
            Attack::Records => (stanza(lane, &fill(&attributes())), 1, TINY_RECORDS),
            Attack::Bytes => (stanza(lane, &fill(&attributes())), 1, 1),
            Attack::Whitespace => (stanza(lane, "") + &" ".repeat(SPACES), RECORD_BYTES, 1),
        };
        Some(Self { text: text.into_bytes(), at: 0, record_bytes, records })
    }

    /// Records of one write.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// The next record's plaintext. The last one of a round may be shorter.
    pub(super) fn next_record(&mut self) -> &[u8] {
        if self.at == self.text.len() {
            self.at = 0;
        }
        let begin = self.at;
        self.at = (begin + self.record_bytes).min(self.text.len());
        &self.text[begin..self.at]
    }
}

/// A stanza that leads nowhere: an error, which nobody answers, to what is no address.
fn stanza(lane: &Lane, content: &str) -> String {
    let (from, to) = (world::domain(lane.from), world::domain(lane.to));
    format!("<message type='error' from='a@{from}' to='@{to}'>{content}</message>")
}

fn fill(element: &str) -> String {
    element.repeat(STANZA_BYTES / element.len())
}

/// 60 attributes.
fn attributes() -> String {
    let attributes: String = names().take(60).map(|name| format!(" {name}=''")).collect();
    format!("<a{attributes}/>")
}

/// 30 prefixes, and an attribute of each.
fn prefixes() -> String {
    let names: Vec<String> = names().take(30).collect();
    let declared: String = names.iter().map(|name| format!(" xmlns:{name}='{name}'")).collect();
    let used: String = names.iter().map(|name| format!(" {name}:a=''")).collect();
    format!("<a{declared}{used}/>")
}

/// Short names, each once.
fn names() -> impl Iterator<Item = String> {
    ('a'..='z').flat_map(|first| ('a'..='z').map(move |second| format!("{first}{second}")))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use ringgate_proto::scan::{Cpu, Kind, Limits, Scanner, Scratch, Step};

    use super::*;
    use crate::plan::Party;

    const LANE: Lane = Lane { from: Party::Remote(0), to: Party::Local(0) };
    const HEADER: &[u8] =
        b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";

    /// What the scanner makes of two rounds, with the limits that ringgate has: whole stanzas.
    fn stanzas(attack: Attack) -> usize {
        let mut waste = Waste::of(attack, &LANE).expect("something to send");
        let mut text = HEADER.to_vec();
        while text.len() < HEADER.len() + 2 * waste.text.len() {
            text.extend_from_slice(waste.next_record());
        }
        let (mut scanner, mut scratch) = (Scanner::new(Limits::default(), Cpu::Scalar), Scratch::default());
        let (mut at, mut count) = (0, 0);
        loop {
            match scanner.scan(&mut scratch, &text[at..]).unwrap_or_else(|error| panic!("{attack:?}: {error:?}")) {
                Step::Header(header) => at += header.end,
                Step::Element(element) => {
                    assert_eq!(element.kind, Kind::Message);
                    (at, count) = (at + element.end, count + 1);
                }
                Step::NeedMore { .. } => return count,
                Step::Close { .. } => panic!("{attack:?} ends its stream"),
            }
        }
    }

    #[test]
    fn attacks_keep_to_the_limits_so_that_every_byte_has_to_be_read() {
        for attack in Attack::value_variants() {
            if Waste::of(*attack, &LANE).is_some() {
                assert_eq!(stanzas(*attack), 2, "{attack}");
            }
        }
    }

    #[test]
    fn tiny_records_have_one_byte() {
        for attack in [Attack::Records, Attack::Bytes] {
            let mut waste = Waste::of(attack, &LANE).expect("something to send");
            assert!((0..1_000).all(|_| waste.next_record().len() == 1), "{attack:?}");
        }
    }
}
