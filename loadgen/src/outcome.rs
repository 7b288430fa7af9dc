//! What is left of a run: everything that reports, files and comparisons know.

use std::ops::AddAssign;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::measure::{Phase, Series};

/// Version of `result.json`; rises when a field changes its meaning or goes, or one comes that readers need.
pub const SCHEMA: u32 = 2;

/// One series over one stretch of a run, as recorded.
#[derive(Clone, Debug)]
pub struct Interval {
    /// What.
    pub series: Series,
    /// When, by the scheduled time.
    pub phase: Phase,
    /// Begin, since the begin of the run.
    pub start: Duration,
    /// About a second.
    pub length: Duration,
    /// Nanoseconds, three significant digits.
    pub histogram: Histogram<u64>,
}

/// A finished (or interrupted) run.
#[derive(Clone, Debug)]
pub struct Record {
    /// What goes to `result.json`.
    pub outcome: Outcome,
    /// What goes to `.hlog`, in order of their start.
    pub intervals: Vec<Interval>,
}

/// The content of `result.json`, but for the histograms that `report` derives from the intervals.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version and source revision of the generator.
    pub generator: String,
    /// The command line that repeats it.
    pub command: Vec<String>,
    /// Begin of the run, seconds since 1970.
    pub started_unix_seconds: f64,
    /// As on the command line.
    pub scenario: String,
    /// Of every random choice.
    pub seed: u64,
    /// All options of the scenario.
    pub options: serde_json::Value,
    /// The series that the run is about ([`crate::plan::Plan::main_series`]); none where nothing is timed.
    pub main_series: Option<Series>,
    /// What was measured.
    pub system: SystemRecord,
    /// What ringgate says of its shards, if it has several or its number of shards was asked for.
    #[serde(default)]
    pub shards: Option<Shards>,
    /// On what.
    pub environment: Environment,
    /// Lengths of the phases as they were, seconds.
    pub phases: PhaseLengths,
    /// How much, in the measured phase unless said otherwise.
    pub counts: Counts,
    /// The part of it to or from a domain that was under stress on purpose.
    #[serde(default)]
    pub stressed: Counts,
    /// Stanzas that arrived for the first time within the measured phase, whenever they were due: what the processor time in it
    /// was spent on. Those of an overloaded system that arrive after its end are in [`Counts::arrived`] only.
    pub carried: u64,
    /// Processor time in the measured phase.
    pub processor: Processor,
    /// Streams.
    pub streams: Streams,
    /// What an attacker did; none unless there was one.
    #[serde(default)]
    pub attack: Option<Attacked>,
    /// What the system held over time; none unless the scenario is about that.
    #[serde(default)]
    pub growth: Option<Growth>,
    /// Whether to believe it, and whether it was good enough.
    pub verdict: Verdict,
}

/// The system under test.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SystemRecord {
    /// As on the command line: `ringgate`, `haproxy`, ….
    pub name: String,
    /// As it says itself.
    pub version: String,
}

/// What passed between the shards of ringgate in the whole run, as its own metrics say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shards {
    /// How many there are.
    pub count: u64,
    /// Streams that were handed to the shard that owns their remote domain.
    pub streams_moved: u64,
    /// Stanzas that were received on one shard and sent on another.
    pub stanzas_crossed: u64,
}

/// Where a run took place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Environment {
    /// `uname -r`.
    pub kernel: String,
    /// Model name.
    pub processor: String,
    /// Cores that the generator's process may use.
    pub cores: usize,
    /// Cores of the system under test.
    pub system_cores: Vec<usize>,
    /// Cores of the engine.
    pub engine_cores: Vec<usize>,
    /// Frequency governor of the first core, if the kernel says.
    pub governor: Option<String>,
    /// Whether cores share execution units (SMT), if the kernel says.
    pub smt: Option<bool>,
    /// Vulnerability mitigations, one line each.
    pub mitigations: Vec<String>,
    /// Memory and processor limits of the control group, if any.
    pub control_group: Vec<String>,
    /// Total memory, bytes.
    pub memory_bytes: u64,
}

/// How long each phase was, seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct PhaseLengths {
    /// Until all streams were open.
    pub connect: f64,
    /// Warm-up.
    pub warm_up: f64,
    /// Measured.
    pub measure: f64,
}

/// What became of the stanzas scheduled in the measured phase. `scheduled = arrived + missing + unsent + undecided`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Fan-outs (presence changes, messages).
    pub departures: u64,
    /// Stanzas, one per recipient.
    pub scheduled: u64,
    /// That came, once each, in time or late but before the deadline.
    pub arrived: u64,
    /// That had not come by the deadline; recorded at the deadline.
    pub missing: u64,
    /// Due, but never written, because the stream was gone; recorded at the deadline like a missing one.
    pub unsent: u64,
    /// On their way when the run was interrupted, before their deadline; recorded nowhere.
    pub undecided: u64,
    /// That came again.
    pub duplicated: u64,
    /// First arrivals after that of a stanza of the same lane with a higher number.
    pub reordered: u64,
    /// That nobody of this run had sent, or to the wrong domain, or changed; of the whole run, since they name no phase.
    pub foreign: u64,
    /// That came after their deadline (counted as missing, too).
    pub late: u64,
    /// That came back as an error of the system under test (counted as missing, too).
    pub bounced: u64,
    /// Bytes of the stanzas that arrived.
    pub bytes: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self { departures, scheduled, arrived, missing, unsent, undecided, .. } = other;
        self.departures += departures;
        self.scheduled += scheduled;
        self.arrived += arrived;
        self.missing += missing;
        self.unsent += unsent;
        self.undecided += undecided;
        let Self { duplicated, reordered, foreign, late, bounced, bytes, .. } = other;
        self.duplicated += duplicated;
        self.reordered += reordered;
        self.foreign += foreign;
        self.late += late;
        self.bounced += bounced;
        self.bytes += bytes;
    }
}

/// Who used how much of the processor in the measured phase, seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Processor {
    /// All threads of all processes of the system under test.
    pub system: f64,
    /// The engine's threads, without the time in which they waited by spinning.
    pub engine: f64,
    /// Share of the measured phase in which the busiest engine core neither slept nor spun, 0 to 1: it worked, or would have, had
    /// it been given the processor.
    pub engine_busy: f64,
    /// Others, on the cores of the system and of the engine.
    pub others: f64,
}

/// Streams between servers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Streams {
    /// Open at the end of the connect phase, both sides.
    pub open: u64,
    /// Streams of remote domains that stay open: one for each domain and direction, whatever the system has behind them. None
    /// where streams are opened and closed.
    pub lanes: u64,
    /// Handshakes that ended well in the measured phase.
    pub handshakes: u64,
    /// That failed after the connect phase, or had not ended when the run did; each is recorded with the time that one may take.
    pub failed: u64,
    /// Why the first of them failed.
    pub first_failed: Option<String>,
    /// Established streams that the system cut after the connect phase.
    pub lost: u64,
    /// Which was the first of them, and why.
    pub first_lost: Option<String>,
    /// Where domains vanish on purpose: from when the first of them may return until the last stream was back, seconds. None if one
    /// did not come back.
    pub back_after: Option<f64>,
    /// TLS of the streams that the engine opened.
    #[serde(default)]
    pub opened: Sessions,
    /// TLS of the streams that the system opened to the engine.
    #[serde(default)]
    pub accepted: Sessions,
    /// Resident memory of the system before the first stream, bytes.
    pub memory_before_bytes: u64,
    /// And with all of them open, before stanzas flow.
    pub memory_open_bytes: u64,
    /// At the end of the measured phase; with all of them open if nothing flowed.
    pub memory_end_bytes: u64,
}

/// What an attacker did from the begin of the measured phase on. A stream of the warm-up that ends then counts as closed only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attacked {
    /// Bytes that its sockets took after negotiation, TLS included: what the system (or the sink) read, and what the kernel keeps of a
    /// stream, some 64 KiB.
    pub bytes: u64,
    /// Streams that it opened and proved.
    pub streams: u64,
    /// Streams that the system closed or cut after they were proven. Those that the attacker cuts itself are not among them.
    pub closed: u64,
    /// Streams that did not come about: the connection or the negotiation failed, or took longer than 10 s.
    pub refused: u64,
}

/// What the system held over time, and whether it grew.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Growth {
    /// About once a second, of the warm-up and the measured phase.
    pub held: Vec<Held>,
    /// Bytes of memory per hour of the measured phase; none where looks are too few to tell, or nothing may be looked at.
    pub memory: Option<Trend>,
    /// Descriptors per hour; none likewise.
    pub descriptors: Option<Trend>,
}

/// What all processes of the system held at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Since the begin of the run, seconds.
    pub at: f64,
    /// Then.
    pub phase: Phase,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Open descriptors.
    pub descriptors: u64,
}

/// Growth per hour, and between what it lies with a confidence of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// The estimate.
    pub per_hour: f64,
    /// Lower end of the interval.
    pub least: f64,
    /// Upper end.
    pub most: f64,
}

impl Trend {
    /// Whether it cannot be told from no growth at all.
    pub fn has_zero(&self) -> bool {
        (self.least..=self.most).contains(&0.0)
    }
}

/// How the TLS sessions of streams began that came about, in the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// By a full handshake.
    pub full: u64,
    /// By resuming an earlier session, which costs no signature.
    pub resumed: u64,
}

impl Sessions {
    /// Counts a stream; one in clear is not counted.
    pub fn count(&mut self, is_resumed: Option<bool>) {
        match is_resumed {
            Some(true) => self.resumed += 1,
            Some(false) => self.full += 1,
            None => {}
        }
    }
}

impl AddAssign for Sessions {
    fn add_assign(&mut self, other: Self) {
        self.full += other.full;
        self.resumed += other.resumed;
    }
}

/// Whether a run may be believed, and whether it kept its objective.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Why the figures must not be used; empty: they may be.
    pub invalid: Vec<String>,
    /// What to know before using them, though they may be used: others were busy, the run was not steady.
    #[serde(default)]
    pub doubts: Vec<String>,
    /// What did not hold: missing stanzas, a missed objective; empty: all held.
    pub failed: Vec<String>,
    /// The one thing that is wrong is that the generator was the limit, of a load as fast as it goes: what the system spent
    /// for a stanza or a handshake is an upper bound, as it would have had more of them to share its work.
    #[serde(default)]
    pub is_generators_limit: bool,
    /// It was ended by the user before its time.
    pub interrupted: bool,
}

impl Verdict {
    /// Its figures may be used, everything asked for held, and it lasted as long as it should.
    pub fn is_good(&self) -> bool {
        self.invalid.is_empty() && self.failed.is_empty() && !self.interrupted
    }
}
