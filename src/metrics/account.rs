//! The account at shutdown: what became of every stanza, per pair, and how long they took, per face.

use std::collections::BTreeMap;
use std::fmt::Write;

use hdrhistogram::Histogram;
use ringgate_proto::address::DomainPair;
use ringgate_proto::route::Account;

use super::tally::add;
use crate::shard::observe::FACES;

/// Pairs that the table names; the others are one row, so that no flood of domains floods the log at the end.
const PAIRS_NAMED: usize = 1_000;

/// Accounts by pair, over all shards.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pairs: BTreeMap<DomainPair, Account>,
    /// Of pairs that were forgotten before the end.
    pub forgotten: Account,
}

impl Ledger {
    /// Adds one shard's account of a pair.
    pub fn add(&mut self, pair: &DomainPair, account: &Account) {
        add(self.pairs.entry(pair.clone()).or_default(), account);
    }

    /// All of it together.
    pub fn total(&self) -> Account {
        let mut total = self.forgotten;
        self.pairs.values().for_each(|account| add(&mut total, account));
        total
    }

    /// The pairs whose account does not add up: each is a bug.
    pub fn unbalanced(&self) -> impl Iterator<Item = &DomainPair> {
        self.pairs.iter().filter(|(_, account)| !is_balanced(account)).map(|(pair, _)| pair)
    }
}

fn is_balanced(a: &Account) -> bool {
    a.accepted == a.delivered + a.handed_over + a.bounced + a.dropped + a.in_doubt + a.queued
}

/// The table that is printed at shutdown. `transit` are nanoseconds, in the order of `shard::observe::FACES`.
pub fn account_text(ledger: &Ledger, transit: &[Histogram<u64>; 4]) -> String {
    let mut text = String::from("account: stanzas per pair\n");
    row(&mut text, "pair", ["accepted", "delivered", "handed over", "bounced", "dropped", "in doubt", "queued"]);
    let mut by_size = ledger.pairs.iter().collect::<Vec<_>>();
    by_size.sort_by_key(|(pair, account)| (std::cmp::Reverse(account.accepted), *pair));
    for (pair, account) in by_size.iter().take(PAIRS_NAMED) {
        account_row(&mut text, &format!("{} → {}", pair.from, pair.to), account);
    }
    let mut others = Account::default();
    by_size.iter().skip(PAIRS_NAMED).for_each(|(_, account)| add(&mut others, account));
    if by_size.len() > PAIRS_NAMED {
        account_row(&mut text, &format!("({} further pairs)", by_size.len() - PAIRS_NAMED), &others);
    }
    if ledger.forgotten != Account::default() {
        account_row(&mut text, "(forgotten pairs)", &ledger.forgotten);
    }
    account_row(&mut text, "total", &ledger.total());
    for pair in ledger.unbalanced() {
        let _ = writeln!(text, "DOES NOT ADD UP: {} → {}; please report this", pair.from, pair.to);
    }
    text.push_str("\ntransit: receive to send, milliseconds\n");
    row(&mut text, "left on", ["n", "p50", "p90", "p99", "p99.9", "max", ""]);
    for (face, histogram) in FACES.iter().zip(transit) {
        transit_row(&mut text, face.as_str(), histogram);
    }
    text
}

fn account_row(text: &mut String, name: &str, a: &Account) {
    let cells = [a.accepted, a.delivered, a.handed_over, a.bounced, a.dropped, a.in_doubt, a.queued];
    row(text, name, cells.map(|n| n.to_string()));
}

/// A percentile is shown only where at least ten values lie above it: below that it would be a chance value.
fn transit_row(text: &mut String, name: &str, histogram: &Histogram<u64>) {
    let n = histogram.len();
    let percentile = |percent: f64| {
        let above = n as f64 * (100.0 - percent) / 100.0;
        if above >= 10.0 { millis(histogram.value_at_percentile(percent)) } else { "-".to_owned() }
    };
    let max = if n == 0 { "-".to_owned() } else { millis(histogram.max()) };
    let cells = [n.to_string(), percentile(50.0), percentile(90.0), percentile(99.0), percentile(99.9), max];
    let [n, p50, p90, p99, p999, max] = cells;
    row(text, name, [n, p50, p90, p99, p999, max, String::new()]);
}

fn millis(nanos: u64) -> String {
    format!("{:.3}", nanos as f64 / 1e6)
}

fn row<T: AsRef<str>>(text: &mut String, name: &str, cells: [T; 7]) {
    let mut line = format!("  {name:<48}");
    for cell in cells {
        let _ = write!(line, " {:>12}", cell.as_ref());
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use ringgate_proto::address::Domain;

    use super::*;
    use crate::shard::observe::Observations;

    fn pair(from: &str, to: &str) -> DomainPair {
        DomainPair { from: Domain::parse(from).unwrap(), to: Domain::parse(to).unwrap() }
    }

    #[test]
    fn table_has_a_row_per_pair_and_the_total_of_all_shards() {
        let mut ledger = Ledger::default();
        let account = Account { accepted: 5, handed_over: 4, bounced: 1, ..Account::default() };
        ledger.add(&pair("a.example", "b.example"), &account);
        ledger.add(&pair("a.example", "b.example"), &account);
        ledger.add(&pair("b.example", "a.example"), &account);
        let text = account_text(&ledger, &Observations::default().transit);
        assert!(text.contains("a.example → b.example"), "{text}");
        let total = text.lines().find(|line| line.trim_start().starts_with("total")).unwrap();
        let cells = total.split_whitespace().skip(1).collect::<Vec<_>>();
        assert_eq!(cells, ["15", "0", "12", "3", "0", "0", "0"]);
        assert!(!text.contains("ADD UP"), "{text}");
    }

    #[test]
    fn account_that_does_not_add_up_is_named() {
        let mut ledger = Ledger::default();
        ledger.add(&pair("a.example", "b.example"), &Account { accepted: 1, ..Account::default() });
        let text = account_text(&ledger, &Observations::default().transit);
        assert!(text.contains("DOES NOT ADD UP: a.example → b.example"), "{text}");
    }

    #[test]
    fn percentile_without_enough_values_is_not_shown() {
        let mut transit = Observations::default().transit;
        (1..=1_000).for_each(|n| transit[0].record(n * 1_000_000).unwrap());
        let text = account_text(&Ledger::default(), &transit);
        let inbound = text.lines().find(|line| line.trim_start().starts_with("inbound")).unwrap();
        let cells = inbound.split_whitespace().skip(1).collect::<Vec<_>>();
        assert_eq!(cells[0], "1000");
        assert!(cells[3].starts_with("990.") || cells[3].starts_with("989."), "{inbound}");
        assert_eq!(cells[4], "-");
        let outbound = text.lines().find(|line| line.trim_start().starts_with("outbound")).unwrap();
        assert_eq!(outbound.split_whitespace().skip(1).collect::<Vec<_>>(), ["0", "-", "-", "-", "-", "-"]);
    }
}
