//! What the demo prints in the end.

use std::io::{self, Write};

use ringgate_proto::route::Account;

use super::REMOTES;
use super::play::Tally;
use crate::shard::Report;

/// Prints the tally, the accounts and the figures; whether every stanza arrived once and in order.
pub(super) fn print(tally: &Tally, reports: &[Report], out: &mut impl Write) -> io::Result<bool> {
    writeln!(out, "Remote domains, and how each proved itself:")?;
    for remote in &REMOTES {
        let method = if remote.external { "SASL EXTERNAL" } else { "dialback" };
        let transport = if remote.direct_tls { "direct TLS" } else { "STARTTLS" };
        writeln!(out, "  {:<16} {method} over {transport}", remote.name)?;
    }
    let is_complete = lanes(tally, out)?;
    accounts(reports, out)?;
    Ok(is_complete)
}

fn lanes(tally: &Tally, out: &mut impl Write) -> io::Result<bool> {
    writeln!(out, "\nStanzas, and the time from one server to the other through ringgate (microseconds):")?;
    let head = ["from", "to", "messages", "presence", "arrived", "p50", "p90", "p99", "max"];
    writeln!(
        out,
        "  {:<16} {:<16} {:>8} {:>8} {:>8} {:>7} {:>7} {:>7} {:>7}",
        head[0], head[1], head[2], head[3], head[4], head[5], head[6], head[7], head[8]
    )?;
    let mut is_complete = true;
    for ((from, to), lane) in tally {
        let at = |quantile| lane.latency.value_at_quantile(quantile);
        writeln!(
            out,
            "  {from:<16} {to:<16} {:>8} {:>8} {:>8} {:>7} {:>7} {:>7} {:>7}",
            lane.messages,
            lane.presences,
            lane.arrived,
            at(0.5),
            at(0.9),
            at(0.99),
            lane.latency.max()
        )?;
        is_complete &= lane.arrived == lane.sent() && lane.duplicates == 0 && lane.misordered == 0;
    }
    let verdict = if is_complete { "every stanza arrived once, in order" } else { "STANZAS ARE MISSING OR MISPLACED" };
    writeln!(out, "  {verdict}")?;
    Ok(is_complete)
}

fn accounts(reports: &[Report], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nringgate's own account, over {} shards:", reports.len())?;
    let mut total = Account::default();
    for (_, account) in reports.iter().flat_map(|report| &report.accounts) {
        total += *account;
    }
    writeln!(
        out,
        "  accepted {} = delivered {} + handed over {} + bounced {} + dropped {} + in doubt {} + queued {}  ({})",
        total.accepted,
        total.delivered,
        total.handed_over,
        total.bounced,
        total.dropped,
        total.in_doubt,
        total.queued,
        if total.balances() { "the sum holds" } else { "THE SUM DOES NOT HOLD" }
    )?;
    let handed = |report: &Report| report.observations.counters.handed_over;
    let handshakes: u64 = reports.iter().map(|report| report.observations.counters.handshakes).sum();
    let moved: u64 = reports.iter().map(handed).sum();
    writeln!(out, "  {handshakes} TLS handshakes; {moved} streams handed to the shard that owns their remote domain")
}
