//! What the demo prints in the end.

use std::io::{self, Write};

use ringgate_proto::event::{Event, Face};
use ringgate_proto::route::Account;

use super::REMOTES;
use super::play::Tally;
use crate::shard::Report;

/// Prints the tally, the streams, the account; whether every stanza arrived once and in order.
pub(super) fn print(tally: &Tally, events: &[Event], reports: &[Report], out: &mut impl Write) -> io::Result<bool> {
    streams(events, out)?;
    let is_complete = lanes(tally, out)?;
    accounts(reports, out)?;
    Ok(is_complete)
}

/// What ringgate itself said about the streams with each remote domain.
fn streams(events: &[Event], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Streams with the remote domains, and how each pair was proven:")?;
    for remote in &REMOTES {
        let transport = if remote.direct_tls { "direct TLS" } else { "STARTTLS" };
        writeln!(out, "  {} ({transport})", remote.name)?;
        for face in [Face::Inbound, Face::Outbound] {
            let opened = events.iter().filter(|event| is_opened(event, face, remote.name)).count();
            let proofs: Vec<String> = events.iter().filter_map(|event| proof(event, face, remote.name)).collect();
            writeln!(out, "    {:<9} {opened} streams; {}", face.as_str(), proofs.join(", "))?;
        }
    }
    Ok(())
}

fn is_opened(event: &Event, on: Face, name: &str) -> bool {
    let Event::StreamOpened { face, remote: Some(remote), .. } = event else { return false };
    *face == on && remote.as_str() == name
}

fn proof(event: &Event, on: Face, name: &str) -> Option<String> {
    let Event::PairProven { face, pair, method, .. } = event else { return None };
    let is_meant = *face == on && (pair.from.as_str() == name || pair.to.as_str() == name);
    is_meant.then(|| format!("{} to {} by {}", pair.from, pair.to, method.as_str()))
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
