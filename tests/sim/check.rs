//! The invariants (reference: I1 to I10) that the gates are held to.

use std::collections::BTreeMap;

use ringgate_proto::limits;
use ringgate_proto::policy::{Direction, Verdict};
use ringgate_proto::stream::TlsTerms;

use super::ledger::{Kind, Pair, reversed};
use super::process::domain;
use super::world::World;
use super::xml;

impl World {
    /// After every tick. I1: every account balances. I7: outboxes stay within their bound.
    pub fn check_gate(&mut self, process: usize, shard: usize) {
        let gate = &self.processes[process].shards[shard].gate;
        let mut found = Vec::new();
        for (pair, account) in gate.accounts() {
            if !account.balances() {
                found.push(format!("I1: the account of {pair:?} does not balance: {account:?}"));
            }
            if account.queued > limits::WAITING_STANZAS_PER_PAIR as u64 * 4 {
                found.push(format!("I7: {pair:?} queues {} stanzas", account.queued));
            }
        }
        self.ledger.violations.append(&mut found);
    }

    /// I6: what a gate says in clear to the outside.
    pub fn check_clear(&mut self, process: usize, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for name in ["<message ", "<presence ", "<iq ", "<db:result ", "<db:verify "] {
            for (at, _) in text.match_indices(name) {
                let element = &text[at..];
                let to = xml::attr(element, "to").map(xml::domain).unwrap_or_default();
                let verdict = self.processes[process].config.policy.verdict(&domain(to), Direction::Outbound);
                if matches!(verdict, Verdict::Allow(terms) if terms.tls == TlsTerms::Required) {
                    self.ledger.violations.push(format!("I6: in clear to {to}: {element}"));
                }
            }
        }
    }

    /// When everything had time to settle. I8: nothing is queued.
    pub fn check_quiet(&mut self) {
        for (number, process) in self.processes.iter().enumerate() {
            for (pair, account) in process.shards.iter().flat_map(|shard| shard.gate.accounts()) {
                if account.queued > 0 {
                    let text = format!("I8: gate {number} still queues {} stanzas of {pair:?}", account.queued);
                    self.ledger.violations.push(text);
                }
            }
        }
    }

    /// At the end, when all gates have drained: what the servers saw against what the gates counted.
    pub fn check_end(&mut self) {
        let mut found = Vec::new();
        for (number, process) in self.processes.iter().enumerate() {
            for (shard, entry) in process.shards.iter().enumerate() {
                if !entry.gate.is_drained() || entry.gate.connections() > 0 {
                    found.push(format!("I8: shard {shard} of gate {number} has not drained"));
                }
            }
            for (stream, ends) in process.closed.iter().filter(|(_, ends)| **ends != 1) {
                found.push(format!("I9: stream {stream:x} of gate {number} ended {ends} times"));
            }
        }
        self.check_quiet();
        self.check_losses(&mut found);
        self.ledger.violations.append(&mut found);
    }

    /// Every stanza that neither arrived nor came back must be counted by someone.
    fn check_losses(&self, found: &mut Vec<String>) {
        let (mut lost, mut risky) = (BTreeMap::<Pair, u64>::new(), BTreeMap::<Pair, u64>::new());
        for record in &self.ledger.records {
            if record.is_resolved() {
                continue;
            }
            *lost.entry(record.pair.clone()).or_default() += 1;
            *risky.entry(record.pair.clone()).or_default() += u64::from(record.at_risk);
        }
        for (pair, lost) in lost {
            let mut counted = risky[&pair];
            for process in &self.processes {
                let (there, back) = (process.account(&pair.0, &pair.1), reversed(&pair));
                let back = process.account(&back.0, &back.1);
                counted += there.in_doubt + there.dropped + back.in_doubt + back.dropped;
            }
            if lost > counted {
                found.push(format!("I1: {lost} stanzas of {pair:?} are lost, and only {counted} are accounted for"));
            }
        }
    }

    /// Panics with all that was found, and how to see it again.
    pub fn judge(&self, replay: &str) {
        if self.ledger.violations.is_empty() {
            return;
        }
        let all: Vec<&str> = self.ledger.violations.iter().take(10).map(String::as_str).collect();
        panic!("{} violations:\n{}\nreplay: {replay}", self.ledger.violations.len(), all.join("\n"));
    }

    /// How many stanzas of a kind of outcome there are, for the summary of a run.
    pub fn outcome(&self) -> String {
        let count = |test: &dyn Fn(&super::ledger::Record) -> bool| {
            self.ledger.records.iter().filter(|record| record.kind != Kind::Forged && test(record)).count()
        };
        format!(
            "{} stanzas: {} delivered, {} bounced, {} kept, {} lost",
            count(&|_| true),
            count(&|record| record.delivered > 0),
            count(&|record| record.bounced.is_some()),
            count(&|record| record.kept),
            count(&|record| !record.is_resolved()),
        )
    }
}
