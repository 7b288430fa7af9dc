//! What runs are compared by.

use super::run::Run;
use super::units::Unit;
use crate::measure::figure::percentile;

/// One figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// Processor time of the system for each stanza that arrived in the measured phase, seconds.
    CpuPerStanza,
    /// Stanzas that one core carries per second: the inverse of that.
    StanzasPerCoreSecond,
    /// Stanzas that arrived in the measured phase, per second of it.
    StanzasPerSecond,
    /// Median of the main series, seconds.
    P50,
    /// Its 99th percentile, seconds.
    P99,
    /// Its 99.9th percentile, seconds.
    P999,
    /// Resident memory for each stream of a remote domain while nothing flows, bytes.
    BytesPerStream,
    /// Handshakes that ended well, per second of the measured phase.
    HandshakesPerSecond,
    /// Processor time of the system for each of them, seconds.
    CpuPerHandshake,
    /// From when vanished domains may return until the last of their streams is back, seconds.
    BackAfter,
    /// Stanzas that were received on one shard of ringgate and sent on another, in the whole run.
    StanzasCrossed,
    /// What the system took from an attacker, bytes per second of the measured phase.
    AttackBytesPerSecond,
}

impl Quantity {
    /// In the order of tables.
    pub const ALL: [Self; 12] = [
        Self::CpuPerStanza,
        Self::StanzasPerCoreSecond,
        Self::StanzasPerSecond,
        Self::P50,
        Self::P99,
        Self::P999,
        Self::BytesPerStream,
        Self::HandshakesPerSecond,
        Self::CpuPerHandshake,
        Self::BackAfter,
        Self::StanzasCrossed,
        Self::AttackBytesPerSecond,
    ];

    /// As tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CpuPerStanza => "CPU per stanza",
            Self::StanzasPerCoreSecond => "stanzas/s per core",
            Self::StanzasPerSecond => "stanzas/s",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::BytesPerStream => "memory per domain stream",
            Self::HandshakesPerSecond => "handshakes/s",
            Self::CpuPerHandshake => "CPU per handshake",
            Self::BackAfter => "all streams back after",
            Self::StanzasCrossed => "stanzas that crossed shards",
            Self::AttackBytesPerSecond => "bytes/s of the attack",
        }
    }

    /// Of its values.
    pub fn unit(self) -> Unit {
        match self {
            Self::CpuPerStanza | Self::CpuPerHandshake | Self::BackAfter => Unit::Seconds,
            Self::P50 | Self::P99 | Self::P999 => Unit::Seconds,
            Self::BytesPerStream | Self::AttackBytesPerSecond => Unit::Bytes,
            Self::StanzasPerCoreSecond | Self::StanzasPerSecond | Self::HandshakesPerSecond => Unit::Number,
            Self::StanzasCrossed => Unit::Number,
        }
    }

    /// Whether more is better.
    pub fn higher_is_better(self) -> bool {
        matches!(self, Self::StanzasPerCoreSecond | Self::StanzasPerSecond | Self::HandshakesPerSecond)
    }

    /// Whether it is what something costs the system, however fast it was asked for it.
    pub fn is_cost(self) -> bool {
        matches!(self, Self::CpuPerStanza | Self::StanzasPerCoreSecond | Self::BytesPerStream | Self::CpuPerHandshake)
    }

    /// Of a run; `None` where the run does not tell, or has too few samples.
    pub fn of(self, run: &Run) -> Option<f64> {
        let at = |quantile| {
            let value = percentile(run.measured(run.main_series()?)?, quantile).value()?;
            Some(value.as_secs_f64())
        };
        match self {
            Self::CpuPerStanza => run.seconds_per_stanza(),
            Self::StanzasPerCoreSecond => run.seconds_per_stanza().map(|seconds| 1.0 / seconds),
            Self::StanzasPerSecond => run.stanzas_per_second().filter(|rate| *rate > 0.0),
            Self::P50 => at(0.5),
            Self::P99 => at(0.99),
            Self::P999 => at(0.999),
            Self::BytesPerStream => run.bytes_per_stream(),
            Self::HandshakesPerSecond => run.handshakes_per_second(),
            Self::CpuPerHandshake => run.seconds_per_handshake(),
            Self::BackAfter => run.outcome.streams.back_after,
            Self::StanzasCrossed => run.outcome.shards.map(|shards| shards.stanzas_crossed as f64),
            Self::AttackBytesPerSecond => run.attack_bytes_per_second(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Attacked;
    use crate::report::made_up;

    #[test]
    fn figures_of_a_run_are_those_of_its_record_or_none() {
        let record = made_up::fan_out(1, 1, 1.0);
        let figures =
            |run: &Run| Quantity::ALL.map(|quantity| quantity.of(run).map(|value| quantity.unit().show(value)));
        let [cpu, per_core, rate, p50, p99, p999, memory, handshakes, of_handshake, back, crossed, attack] =
            figures(&Run::of(&record));
        let shown = [cpu, per_core, rate].map(Option::unwrap_or_default);
        assert_eq!(shown, ["8.00 µs", "125,000", "40,000"]);
        // 1,000 fan-outs: enough for a median only.
        // Memory under load is not that of an idle stream.
        assert_eq!([memory, handshakes, of_handshake, back, crossed, attack], [const { None }; 6]);
        assert_eq!((p50.is_some(), p99, p999), (true, None, None));
    }

    #[test]
    fn processor_time_that_an_attacker_took_is_no_stanzas() {
        let mut record = made_up::fan_out(1, 1, 1.0);
        let attack = Attacked { bytes: 3_000_000_000, streams: 1, closed: 0, refused: 0 };
        record.outcome.attack = Some(attack);
        let run = Run::of(&record);
        assert_eq!(
            [Quantity::CpuPerStanza, Quantity::StanzasPerCoreSecond].map(|quantity| quantity.of(&run)),
            [None; 2]
        );
        assert!(Quantity::AttackBytesPerSecond.of(&run).is_some_and(|bytes| bytes > 0.0));
    }

    #[test]
    fn stanzas_that_came_after_the_measured_phase_make_no_system_faster() {
        let mut record = made_up::fan_out(1, 1, 1.0);
        // An overloaded system: everything arrives before its deadline, but half of it after the end.
        record.outcome.carried = record.outcome.counts.arrived / 2;
        let run = Run::of(&record);
        let shown = [Quantity::CpuPerStanza, Quantity::StanzasPerCoreSecond, Quantity::StanzasPerSecond]
            .map(|quantity| quantity.unit().show(quantity.of(&run).unwrap_or_default()));
        assert_eq!(shown, ["16.0 µs", "62,500", "20,000"]);
    }

    #[test]
    fn memory_of_idle_streams_is_told_by_remote_domains_at_the_end() {
        let idle = |open: u64| {
            let mut record = made_up::fan_out(1, 1, 1.0);
            record.intervals.clear();
            record.outcome.counts = Default::default();
            (record.outcome.streams.open, record.outcome.streams.lanes) = (open, 1_000);
            Quantity::BytesPerStream.of(&Run::of(&record))
        };
        // One system has a stream behind each, another has one behind all: that is what differs, not the divisor.
        assert_eq!([2_000, 1_001].map(idle), [Some(2_900.0); 2]);
    }
}
