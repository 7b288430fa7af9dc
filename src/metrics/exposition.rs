//! The board as OpenMetrics text.

use std::collections::BTreeMap;
use std::fmt::{Error, Write};
use std::sync::Arc;

use hdrhistogram::Histogram;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use ringgate_proto::event::Face;
use ringgate_proto::route::Account;

use super::board::{Board, Snapshot};
use super::tally::{Tally, add};
use crate::log::lines_dropped;
use crate::shard::observe::{Counters, FACES, Gauges, Traffic};

/// Upper bounds of the buckets of the transit histogram, in nanoseconds.
const BUCKETS_NANOS: [u64; 16] = [
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    10_000_000_000,
    60_000_000_000,
];

/// What the board shows now, as OpenMetrics text 1.0, `# EOF` included.
pub fn exposition(board: &Board) -> String {
    let mut registry = Registry::with_prefix("ringgate");
    registry.register_collector(Box::new(Scrape::of(board)));
    let mut out = String::with_capacity(16 << 10);
    text::encode(&mut out, &registry).expect("writing to a String does not fail");
    out
}

/// The sums of one scrape.
#[derive(Debug)]
struct Scrape {
    shards: Vec<(u16, Arc<Snapshot>)>,
    tally: Tally,
    account: Account,
    traffic: [Traffic; 4],
    transit: [Histogram<u64>; 4],
}

impl Scrape {
    fn of(board: &Board) -> Self {
        let shards = board.read();
        let (mut tally, mut account) = (Tally::default(), Account::default());
        let mut traffic = [Traffic::default(); 4];
        for (_, snapshot) in &shards {
            tally.merge(&snapshot.tally);
            add(&mut account, &snapshot.account);
            for (sum, one) in traffic.iter_mut().zip(&snapshot.traffic) {
                sum.bytes_in += one.bytes_in;
                sum.bytes_out += one.bytes_out;
            }
        }
        Self { shards, tally, account, traffic, transit: board.transit() }
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut out = Families(&mut encoder);
        encode_tally(&mut out, &self.tally)?;
        encode_account(&mut out, &self.account)?;
        encode_traffic(&mut out, &self.traffic)?;
        encode_shards(&mut out, &self.shards)?;
        encode_transit(&mut out, &self.transit)?;
        encode_log(&mut out)
    }
}

/// Writes families: each a name, a help text and its values by label.
struct Families<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Families<'_, '_> {
    fn family(
        &mut self,
        (name, help): (&str, &str),
        unit: Option<&Unit>,
        kind: MetricType,
        mut values: impl FnMut(&mut MetricEncoder<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        values(&mut self.0.encode_descriptor(name, help, unit, kind)?)
    }

    fn counters<'l>(
        &mut self,
        text: (&str, &str),
        values: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> Result<(), Error> {
        self.counters_in(text, None, values)
    }

    fn counters_in<'l>(
        &mut self,
        text: (&str, &str),
        unit: Option<&Unit>,
        values: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> Result<(), Error> {
        let mut values = values.into_iter();
        self.family(text, unit, MetricType::Counter, |encoder| {
            values.try_for_each(|(labels, value)| {
                encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
            })
        })
    }

    fn gauges<'l>(
        &mut self,
        text: (&str, &str),
        values: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> Result<(), Error> {
        self.gauges_in(text, None, values)
    }

    fn gauges_in<'l>(
        &mut self,
        text: (&str, &str),
        unit: Option<&Unit>,
        values: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> Result<(), Error> {
        let mut values = values.into_iter();
        self.family(text, unit, MetricType::Gauge, |encoder| {
            values.try_for_each(|(labels, value)| encoder.encode_family(&labels)?.encode_gauge(&value))
        })
    }
}

/// Up to two labels.
#[derive(Debug)]
struct Labels<'a>([Option<(&'static str, &'a str)>; 2]);

impl<'a> Labels<'a> {
    fn one(name: &'static str, value: &'a str) -> Self {
        Self([Some((name, value)), None])
    }
    fn two(first: (&'static str, &'a str), second: (&'static str, &'a str)) -> Self {
        Self([Some(first), Some(second)])
    }
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), Error> {
        for (name, value) in self.0.into_iter().flatten() {
            let mut label = encoder.encode_label();
            let mut key = label.encode_label_key()?;
            key.write_str(name)?;
            let mut text = key.encode_label_value()?;
            text.write_str(value)?;
            text.finish()?;
        }
        Ok(())
    }
}

fn by_reason<'a>(map: &'a BTreeMap<&'static str, u64>) -> impl Iterator<Item = (Labels<'a>, u64)> {
    map.iter().map(|(reason, n)| (Labels::one("reason", reason), *n))
}

fn by_face<'a, W: AsRef<str>>(
    label: &'static str,
    map: &'a BTreeMap<(Face, W), u64>,
) -> impl Iterator<Item = (Labels<'a>, u64)> {
    map.iter().map(move |((face, word), n)| (Labels::two(("face", face.as_str()), (label, word.as_ref())), *n))
}

fn encode_tally(out: &mut Families<'_, '_>, tally: &Tally) -> Result<(), Error> {
    let opened = tally.streams_opened.iter().map(|(face, n)| (Labels::one("face", face.as_str()), *n));
    out.counters(("streams_opened", "Streams whose headers were exchanged"), opened)?;
    out.counters(("streams_closed", "Streams that ended, by cause"), by_face("cause", &tally.streams_closed))?;
    let errors = tally
        .stream_errors
        .iter()
        .map(|((by, condition), n)| (Labels::two(("sent_by", by), ("condition", condition.as_str())), *n));
    out.counters(("stream_errors", "Stream errors, by who sent them and condition"), errors)?;
    let proven = tally
        .pairs_proven
        .iter()
        .map(|((face, method), n)| (Labels::two(("face", face.as_str()), ("method", method.as_str())), *n));
    out.counters(("pairs_proven", "Domain pairs proven, by method"), proven)?;
    out.counters(("pairs_refused", "Domain pairs refused, by reason"), by_face("reason", &tally.pairs_refused))?;
    let failed = by_face("condition", &tally.external_failed);
    out.counters(("external_failures", "SASL EXTERNAL failures, by condition"), failed)?;
    let refused = by_reason(&tally.connections_refused);
    out.counters(("connections_refused", "Connections closed at accept, by bound"), refused)?;
    out.counters(("unreachable", "Failures to reach a remote domain, by reason"), by_reason(&tally.unreachable))?;
    out.counters(("refusals", "Rules applied to stanzas and elements, by rule"), by_reason(&tally.refusals))
}

/// What can fall (a stanza with the kernel whose stream breaks becomes one in doubt) is a gauge.
fn encode_account(out: &mut Families<'_, '_>, account: &Account) -> Result<(), Error> {
    let Account { accepted, generated, delivered, handed_over, bounced, dropped, in_doubt, queued } = *account;
    let settled = [
        ("accepted", accepted),
        ("generated", generated),
        ("delivered", delivered),
        ("bounced", bounced),
        ("dropped", dropped),
        ("in_doubt", in_doubt),
    ];
    let settled = settled.map(|(fate, n)| (Labels::one("fate", fate), n));
    out.counters(("stanzas", "What became of stanzas; generated ones are among the accepted"), settled)?;
    let open = [("handed_over", handed_over), ("queued", queued)].map(|(state, n)| (Labels::one("state", state), n));
    out.gauges(("stanzas_open", "Stanzas whose fate can still change"), open)
}

fn encode_traffic(out: &mut Families<'_, '_>, traffic: &[Traffic; 4]) -> Result<(), Error> {
    let values = FACES.iter().zip(traffic).flat_map(|(face, traffic)| {
        let face = ("face", face.as_str());
        let (received, sent) = (("direction", "received"), ("direction", "sent"));
        [(Labels::two(face, received), traffic.bytes_in), (Labels::two(face, sent), traffic.bytes_out)]
    });
    out.counters_in(("traffic", "Bytes on the wire, TLS included"), Some(&Unit::Bytes), values)
}

fn encode_shards(out: &mut Families<'_, '_>, shards: &[(u16, Arc<Snapshot>)]) -> Result<(), Error> {
    let names = shards.iter().map(|(shard, _)| shard.to_string()).collect::<Vec<_>>();
    let labelled = || names.iter().map(|name| Labels::one("shard", name)).zip(shards.iter().map(|(_, one)| one));
    let connections = labelled().map(|(labels, one)| (labels, one.gauges.connections as u64));
    out.gauges(("connections", "Connections that exist, attempts included"), connections)?;
    for (name, help, value) in SHARD_BYTES {
        let held = labelled().map(|(labels, one)| (labels, value(&one.gauges) as u64));
        out.gauges_in((name, help), Some(&Unit::Bytes), held)?;
    }
    for (name, help, value) in SHARD_COUNTERS {
        out.counters((name, help), labelled().map(|(labels, one)| (labels, value(&one.counters))))?;
    }
    Ok(())
}

fn encode_log(out: &mut Families<'_, '_>) -> Result<(), Error> {
    let text = ("log_lines_dropped", "Log lines that standard error did not take in time");
    out.family(text, None, MetricType::Counter, |encoder| {
        encoder.encode_counter::<NoLabelSet, _, f64>(&lines_dropped(), None)
    })
}

type ShardBytes = (&'static str, &'static str, fn(&Gauges) -> usize);

const SHARD_BYTES: [ShardBytes; 2] = [
    ("backlog", "Memory of what was received and waits for its connection's turn", |g| g.backlog_bytes),
    ("unfinished", "Memory of large stanzas whose end has not come", |g| g.unfinished_bytes),
];

type ShardCounter = (&'static str, &'static str, fn(&Counters) -> u64);

const SHARD_COUNTERS: [ShardCounter; 22] = [
    ("ticks", "Turns of a shard that had something to do", |c| c.ticks),
    ("sleeps", "Times that a shard's executor had nothing to run", |c| c.sleeps),
    ("enters", "Calls of the kernel for a shard's data ring", |c| c.enters),
    ("accepted", "Connections that listeners gave, refused ones included", |c| c.accepted),
    ("refused", "Connections closed at accept", |c| c.refused),
    ("dialled", "Connections begun", |c| c.dialled),
    ("closed", "Connections whose end was seen", |c| c.closed),
    ("handshakes", "TLS handshakes that ended well", |c| c.handshakes),
    ("handshakes_resumed", "TLS handshakes that resumed a session", |c| c.resumed),
    ("tls_failures", "TLS handshakes and sessions that failed", |c| c.tls_failures),
    ("flushes", "Outboxes taken: one record run and one send each", |c| c.flushes),
    ("records", "TLS records made of outboxes", |c| c.records),
    ("deferrals", "Times that some of a connection's bytes had to wait behind others'", |c| c.deferrals),
    ("blocked_sends", "Sends that the socket did not take at once", |c| c.blocked_sends),
    ("streams_handed_over", "Streams handed to another shard", |c| c.handed_over),
    ("streams_adopted", "Streams that came from another shard", |c| c.adopted),
    ("messages_posted", "Messages put into other shards' mailboxes", |c| c.posted),
    ("stanzas_posted", "Stanzas put into other shards' mailboxes", |c| c.stanzas_posted),
    ("mailbox_full", "Times that another shard's mailbox was full", |c| c.mailbox_full),
    ("events_lost", "Events that came while too many were unread", |c| c.events_lost),
    ("accept_failures", "Times that a listener ran out of descriptors or memory", |c| c.accept_failures),
    ("panics", "Connections given up because handling them panicked; each is a bug", |c| c.panics),
];

fn encode_transit(out: &mut Families<'_, '_>, transit: &[Histogram<u64>; 4]) -> Result<(), Error> {
    let text = ("transit", "Time of a stanza from receive to send, by the face that it left on");
    out.family(text, Some(&Unit::Seconds), MetricType::Histogram, |encoder| {
        FACES.iter().zip(transit).try_for_each(|(face, histogram)| {
            let labels = Labels::one("face", face.as_str());
            let sum = histogram.mean() * histogram.len() as f64 / 1e9;
            let buckets = buckets(histogram);
            encoder.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, histogram.len(), &buckets, None)
        })
    })
}

/// Bounds in seconds with the number of values in each bucket alone, the last one without a bound.
fn buckets(histogram: &Histogram<u64>) -> Vec<(f64, u64)> {
    let mut counted = 0;
    let mut buckets = Vec::with_capacity(BUCKETS_NANOS.len() + 1);
    for bound in BUCKETS_NANOS {
        let up_to = histogram.count_between(0, bound);
        buckets.push((bound as f64 / 1e9, up_to.saturating_sub(counted)));
        counted = up_to;
    }
    buckets.push((f64::INFINITY, histogram.len().saturating_sub(counted)));
    buckets
}

#[cfg(test)]
mod tests {
    use ringgate_proto::event::Event;

    use super::*;
    use crate::shard::observe::Observations;

    fn board() -> Board {
        let board = Board::new(3);
        let mut tally = Tally::default();
        tally.fold(&Event::Refused { reason: "no-such-pair" });
        let mut observations = Observations::default();
        observations.transit[1].record(40_000).unwrap();
        observations.transit[1].record(3_000_000).unwrap();
        observations.traffic[0].bytes_in = 7;
        observations.counters.handshakes = 2;
        observations.counters.stanzas_posted = 9;
        let live = Account { accepted: 3, handed_over: 2, queued: 1, ..Account::default() };
        for shard in 0..2 {
            let gauges = Gauges { connections: 5, backlog_bytes: 6, unfinished_bytes: 8 };
            board.publish(shard, Snapshot::take(&tally, &observations, [live].into_iter(), gauges));
        }
        board
    }

    #[test]
    fn exposition_sums_shards_and_ends_as_openmetrics_must() {
        let text = exposition(&board());
        for line in [
            "ringgate_refusals_total{reason=\"no-such-pair\"} 2",
            "ringgate_stanzas_total{fate=\"accepted\"} 6",
            "ringgate_stanzas_open{state=\"handed_over\"} 4",
            "ringgate_traffic_bytes_total{face=\"inbound\",direction=\"received\"} 14",
            "ringgate_handshakes_total{shard=\"1\"} 2",
            "ringgate_stanzas_posted_total{shard=\"1\"} 9",
            "ringgate_log_lines_dropped_total 0",
            "ringgate_connections{shard=\"0\"} 5",
            "ringgate_backlog_bytes{shard=\"1\"} 6",
            "ringgate_unfinished_bytes{shard=\"1\"} 8",
            "ringgate_transit_seconds_count{face=\"outbound\"} 4",
            "ringgate_transit_seconds_bucket{le=\"0.00005\",face=\"outbound\"} 2",
            "ringgate_transit_seconds_bucket{le=\"+Inf\",face=\"outbound\"} 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        assert!(!text.contains("shard=\"2\""), "a shard that published nothing has no values");
    }

    #[test]
    fn buckets_of_a_face_hold_every_value_once() {
        let mut histogram = Observations::default().transit[0].clone();
        for nanos in [1_000, 25_000, 26_000, 999_999_999, 3_600_000_000_000] {
            histogram.record(nanos).unwrap();
        }
        assert_eq!(buckets(&histogram).iter().map(|(_, n)| n).sum::<u64>(), 5);
    }
}
