//! Stanzas through a whole gate: from a proven remote stream to the outbox of the stream to the backend.

use ringgate_proto::event::ConnId;
use ringgate_proto::gate::{Input, Outgoing};
use ringgate_proto::scan::{Cpu, Limits, Scanner, Scratch, Step};

use crate::corpora::Corpus;
use crate::peer::{LOCAL, REMOTE};
use crate::town::Town;

/// Stanzas that come in one TLS record.
const PER_RECORD: usize = 8;

/// Relays the corpus that often, eight stanzas to a record and a tick; returns the stanzas of one pass.
pub(crate) fn relay(corpus: &Corpus, cpu: Cpu, passes: usize) -> usize {
    let mut relay = Relay::new(cpu);
    let records: Vec<Vec<u8>> = corpus.streams.iter().flat_map(|stream| records(stream)).collect();
    let bytes: usize = records.iter().map(Vec::len).sum();
    let before = relay.handed_over();
    for _ in 0..passes {
        let left: usize = records.iter().map(|record| relay.tick(record)).sum();
        assert_eq!(left, bytes, "the very bytes leave");
    }
    (relay.handed_over() - before) as usize / passes
}

/// The stream's stanzas between the domains of the town, as they come.
fn records(stream: &[u8]) -> Vec<Vec<u8>> {
    let text = std::str::from_utf8(stream).expect("corpora are text");
    let renamed = text.replace("a.example/", &format!("{REMOTE}/")).replace("b.example'", &format!("{LOCAL}'"));
    let (mut scanner, mut scratch) = (Scanner::new(Limits::default(), Cpu::Scalar), Scratch::default());
    let mut rest = renamed.as_bytes();
    let mut records: Vec<Vec<u8>> = Vec::new();
    let mut count = 0;
    loop {
        match scanner.scan(&mut scratch, rest) {
            Ok(Step::Header(header)) => rest = &rest[header.end..],
            Ok(Step::Element(element)) => {
                if count % PER_RECORD == 0 {
                    records.push(Vec::new());
                }
                count += 1;
                records.last_mut().expect("one was begun").extend_from_slice(element.bytes);
                rest = &rest[element.end..];
            }
            _ => return records,
        }
    }
}

/// A gate in the steady state, and its shell.
pub(crate) struct Relay {
    town: Town,
    source: ConnId,
    /// Emptied buffers, as a shard keeps them.
    reused: Outgoing,
}

impl Relay {
    pub(crate) fn new(cpu: Cpu) -> Self {
        let mut town = Town::scanning_with(cpu, |_| {});
        let source = town.proven();
        town.says(source, crate::town::HELLO);
        town.backend_takes();
        Self { town, source, reused: Outgoing::default() }
    }

    fn handed_over(&self) -> u64 {
        self.town.account(REMOTE, LOCAL).handed_over
    }

    /// One tick: a record comes, and what it makes leaves. Returns how many bytes left.
    pub(crate) fn tick(&mut self, record: &[u8]) -> usize {
        let (gate, now) = (&mut self.town.gate, self.town.now);
        gate.receive(self.source, record, now, &mut |_| true);
        assert!(gate.next_output().is_none(), "nothing but stanzas happens");
        gate.end_tick();
        let mut left = 0;
        while let Some(conn) = gate.next_dirty() {
            let taken = gate.take_outbox(conn, std::mem::take(&mut self.reused));
            left += taken.bytes.len();
            self.reused = taken;
            self.reused.bytes.clear();
            gate.handle(Input::Flushed { conn }, now);
        }
        left
    }
}
