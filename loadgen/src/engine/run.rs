//! The conductor: starts the cores, says when each phase begins, and gathers what they leave behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use glommio::{LocalExecutorBuilder, Placement};

use super::attacker::Attacker;
use super::core::{Back, Core, Harvest, Seat};
use super::live::{Glimpse, Live};
use super::scene::Scene;
use super::shared::Shared;
use super::stage::{Stage, run_number};
use crate::measure::processor::Use;
use crate::measure::{Growth, HANDOVER, Phase, merge};
use crate::outcome::{Attacked, Counts, Held, Interval, PhaseLengths, Processor, Streams};
use crate::plan::Load;
use crate::systems::Attachment;

/// Between two looks of the conductor; also how exact the ends of the measured phase are for the system's processor time.
const LOOK: Duration = Duration::from_millis(10);
/// Between two moves of the display.
const SHOW: Duration = Duration::from_millis(100);
/// From the end of the connect phase to the begin of the warm-up: all cores must know it before.
const LEAD: Duration = Duration::from_millis(50);
/// How long an interrupted run waits for what is on its way.
const FAREWELL: Duration = Duration::from_secs(1);
/// glommio's own buffers per executor; nothing goes through them.
const IO_MEMORY: usize = 64 << 10;

/// What the system under test uses.
pub trait SystemWatch {
    /// Processor time of all its threads so far.
    fn processor(&self) -> Duration;
    /// Resident memory of all its processes.
    fn resident_bytes(&self) -> u64;
    /// Open descriptors of all its processes.
    fn descriptors(&self) -> u64;
    /// Its cores and the engine's, each once; none: what others use is not looked at.
    fn cores(&self) -> &[usize] {
        &[]
    }
}

/// What a run has shown.
#[derive(Debug)]
pub struct Measured {
    /// Begin, seconds since 1970.
    pub started_unix_seconds: f64,
    /// All series, of all cores, in order of their start.
    pub intervals: Vec<Interval>,
    /// Of the measured phase.
    pub counts: Counts,
    /// The part of it on lanes of a domain under stress.
    pub stressed: Counts,
    /// Stanzas that arrived for the first time within the measured phase, whenever they were due.
    pub carried: u64,
    /// Streams of both sides.
    pub streams: Streams,
    /// What the system held over time, if the plan asks for it.
    pub growth: Option<Growth>,
    /// What an attacker did; none unless there was one.
    pub attack: Option<Attacked>,
    /// As long as they were.
    pub phases: PhaseLengths,
    /// In the measured phase.
    pub processor: Processor,
    /// `stop` ended it.
    pub interrupted: bool,
}

impl Stage {
    /// Plays the plan: opens all streams, lets the load run through warm-up and measured phase, waits for what is on its way.
    /// Blocks until then. `stop` ends it before its time, with what was measured so far. A stage can be played on again.
    ///
    /// # Errors
    /// In one line: a target cannot be reached or refuses us, nothing arrives on a lane, or the machine has no room for a ring.
    pub fn run(
        &self,
        attachment: Attachment,
        watch: &dyn SystemWatch,
        live: &Live,
        stop: &AtomicBool,
    ) -> anyhow::Result<Measured> {
        let (shared, bells) = Shared::new(self.seats.len()).context("the engine's bells")?;
        let shared = Arc::new(shared);
        let scene = Arc::new(self.scene(attachment));
        let mut conductor = Conductor::new(&scene, &shared, watch, live, stop);
        let sink_core = watch.cores().iter().copied().find(|core| !self.cores.contains(core));
        let cores = [self.cores[0], sink_core.unwrap_or(self.cores[0])];
        let attacker = Attacker::start(&scene, &shared, cores).context("the attacker")?;
        let mut threads = Vec::new();
        for (number, (seat, bell)) in self.seats.iter().zip(bells).enumerate() {
            let seat = Seat { number, remote: seat.remote.try_clone()?, backend: seat.backend.try_clone()?, bell };
            let (scene, shared, core) = (Arc::clone(&scene), Arc::clone(&shared), self.cores[number]);
            let name = format!("engine-{number}");
            threads.push(thread::Builder::new().name(name).spawn(move || play(core, seat, scene, shared))?);
        }
        conductor.conduct();
        shared.set_over();
        let harvests =
            threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a core of the engine panicked"))?);
        let harvests = harvests.collect::<anyhow::Result<Vec<_>>>();
        conductor.measured.attack = attacker.map(Attacker::finish);
        if let Some(why) = shared.failure() {
            return Err(anyhow!("{why}"));
        }
        Ok(conductor.gather(harvests?))
    }

    fn scene(&self, attachment: Attachment) -> Scene {
        let (remotes, locals) = match attachment {
            Attachment::Proxy { .. } | Attachment::Server { .. } => self.sides(),
            Attachment::Relay { .. } | Attachment::Direct => self.ensemble(),
        };
        let places = self.seats.iter().map(|seat| seat.places).collect();
        Scene::new(self.plan.clone(), attachment, places, remotes, locals, run_number())
    }
}

/// One core of the engine, in an executor of its own.
fn play(core: usize, seat: Seat, scene: Arc<Scene>, shared: Arc<Shared>) -> anyhow::Result<Harvest> {
    let told = Arc::clone(&shared);
    let _alarm = Alarm { core, shared: Arc::clone(&shared) };
    let result = LocalExecutorBuilder::new(Placement::Fixed(core))
        .io_memory(IO_MEMORY)
        .make()
        .map_err(|error| anyhow!("engine core {core}: {error}"))
        .and_then(|executor| executor.run(async move { Core::run(seat, scene, shared) }));
    // The others must not wait for one that is gone.
    result.inspect_err(|error| told.fail(format!("{error:#}")))
}

/// Ends the run when its core panics: nobody else would notice that its streams never open, or its load never ends.
struct Alarm {
    core: usize,
    shared: Arc<Shared>,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared.fail(format!("engine core {} panicked", self.core));
        }
    }
}

/// Leads a run through its phases.
struct Conductor<'a> {
    scene: &'a Scene,
    shared: &'a Shared,
    watch: &'a dyn SystemWatch,
    live: &'a Live,
    stop: &'a AtomicBool,
    measured: Measured,
    /// Of the measured phase.
    length: Duration,
    shown_at: Duration,
    /// What the system held, look by look.
    held: Vec<Held>,
    /// What was done at the last eleven moves of the display.
    done: std::collections::VecDeque<(Duration, u64)>,
}

impl<'a> Conductor<'a> {
    fn new(
        scene: &'a Scene,
        shared: &'a Shared,
        watch: &'a dyn SystemWatch,
        live: &'a Live,
        stop: &'a AtomicBool,
    ) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let lanes = match scene.plan.load {
            Load::Connecting { .. } => 0,
            _ => scene.plan.lanes.len() as u64,
        };
        let streams = Streams { lanes, memory_before_bytes: watch.resident_bytes(), ..Streams::default() };
        let measured = Measured {
            started_unix_seconds: since_1970.as_secs_f64(),
            intervals: Vec::new(),
            counts: Counts::default(),
            stressed: Counts::default(),
            carried: 0,
            streams,
            growth: None,
            attack: None,
            phases: PhaseLengths::default(),
            processor: Processor::default(),
            interrupted: false,
        };
        let done = std::collections::VecDeque::new();
        Self {
            scene,
            shared,
            watch,
            live,
            stop,
            measured,
            length: Duration::ZERO,
            shown_at: Duration::ZERO,
            held: Vec::new(),
            done,
        }
    }

    fn conduct(&mut self) {
        let phases = self.scene.plan.phases;
        if !self.wait(Phase::Connect, Duration::ZERO, Duration::MAX, |shared| shared.are_all_opened()) {
            return;
        }
        let begin = self.shared.now() + LEAD;
        self.measured.phases.connect = (begin - LEAD).as_secs_f64();
        self.measured.streams.memory_open_bytes = self.watch.resident_bytes();
        self.shared.set_begin(begin);
        let measured_from = begin + phases.warm_up;
        if !self.wait(Phase::WarmUp, begin, measured_from, |_| false) {
            self.measured.phases.warm_up = self.shared.now().saturating_sub(begin).as_secs_f64();
            return self.drain();
        }
        self.measured.phases.warm_up = phases.warm_up.as_secs_f64();
        let before = self.used();
        let end = measured_from + phases.measure;
        self.wait(Phase::Measure, measured_from, end, Shared::are_all_drained);
        self.length = self.shared.now().saturating_sub(measured_from);
        let used = self.used();
        self.measured.processor.system = used.system.saturating_sub(before.system).as_secs_f64();
        self.measured.processor.others = used.others_since(&before).as_secs_f64();
        self.measured.streams.memory_end_bytes = self.watch.resident_bytes();
        self.measured.phases.measure = self.length.as_secs_f64();
        self.drain();
    }

    /// What the cores were used for so far.
    fn used(&self) -> Use {
        Use::now(self.watch.cores(), self.watch.processor())
    }

    /// Waits until `until`, or until `is_reached`; `false`: the run was ended meanwhile.
    fn wait(&mut self, phase: Phase, from: Duration, until: Duration, is_reached: impl Fn(&Shared) -> bool) -> bool {
        loop {
            let now = self.shared.now();
            if self.shared.failure().is_some() {
                return false;
            }
            if self.stop.load(Ordering::Relaxed) {
                self.measured.interrupted = true;
                self.shared.set_cut(now);
                return false;
            }
            if now >= until || is_reached(self.shared) {
                return true;
            }
            self.show(phase, now.saturating_sub(from));
            self.look(phase, now);
            thread::sleep(LOOK.min(until - now));
        }
    }

    /// Notes what the system holds, from the warm-up on, if the plan asks for it and it is time.
    fn look(&mut self, phase: Phase, now: Duration) {
        let Some(every) = self.scene.plan.look_every().filter(|_| phase != Phase::Connect) else { return };
        let last = self.held.last().map_or(f64::MIN, |held| held.at);
        if now.as_secs_f64() >= last + every.as_secs_f64() {
            let (resident_bytes, descriptors) = (self.watch.resident_bytes(), self.watch.descriptors());
            self.held.push(Held { at: now.as_secs_f64(), phase, resident_bytes, descriptors });
        }
    }

    /// Lets what is on its way arrive. The user who interrupts a run does not wait for deadlines: what is under way then is
    /// undecided.
    fn drain(&mut self) {
        let patience = self.scene.patience() + HANDOVER;
        let until = self.shared.now() + if self.measured.interrupted { patience.min(FAREWELL) } else { patience };
        while self.shared.failure().is_none() && !self.shared.are_all_drained() && self.shared.now() < until {
            thread::sleep(LOOK);
        }
    }

    fn show(&mut self, phase: Phase, elapsed: Duration) {
        let now = self.shared.now();
        if now < self.shown_at + SHOW {
            return;
        }
        self.shown_at = now;
        let phases = self.scene.plan.phases;
        let planned = match phase {
            Phase::Connect => phases.connect,
            Phase::WarmUp => phases.warm_up,
            Phase::Measure => phases.measure,
        };
        let tallies = &self.shared.tallies;
        let sum = |of: fn(&super::live::Tally) -> &std::sync::atomic::AtomicU64| {
            tallies.iter().map(|tally| of(tally).load(Ordering::Relaxed)).sum::<u64>()
        };
        let greatest = |of: fn(&super::live::Tally) -> &std::sync::atomic::AtomicU64| {
            Duration::from_nanos(tallies.iter().map(|tally| of(tally).load(Ordering::Relaxed)).max().unwrap_or(0))
        };
        let done = sum(|tally| &tally.done);
        self.done.push_back((now, done));
        if self.done.len() > 11 {
            self.done.pop_front();
        }
        let (since, before) = self.done.front().copied().unwrap_or((now, done));
        let rate = (done - before) as f64 / (now - since).as_secs_f64().max(SHOW.as_secs_f64());
        self.live.show(&Glimpse {
            phase,
            elapsed,
            planned,
            opened: sum(|tally| &tally.opened),
            to_open: sum(|tally| &tally.to_open),
            rate: rate as u64,
            p50: greatest(|tally| &tally.p50),
            p99: greatest(|tally| &tally.p99),
            done,
            missing: sum(|tally| &tally.missing),
        });
    }

    fn gather(mut self, harvests: Vec<Harvest>) -> Measured {
        let measured = &mut self.measured;
        let (mut busiest, mut back) = (Duration::ZERO, Back::default());
        let mut intervals = Vec::new();
        for harvest in harvests {
            measured.counts += harvest.counts;
            measured.stressed += harvest.stressed;
            measured.carried += harvest.carried;
            measured.streams.open += harvest.open;
            measured.streams.handshakes += harvest.handshakes;
            let (failed, why) = harvest.failed;
            measured.streams.failed += failed;
            measured.streams.first_failed = measured.streams.first_failed.take().or(why);
            let (lost, why) = harvest.lost;
            measured.streams.lost += lost;
            measured.streams.first_lost = measured.streams.first_lost.take().or(why);
            back = back.and(harvest.back);
            measured.streams.opened += harvest.opened;
            measured.streams.accepted += harvest.accepted;
            measured.processor.engine += harvest.worked.used.as_secs_f64();
            busiest = busiest.max(harvest.worked.busy);
            intervals.push(harvest.intervals);
        }
        measured.growth = self.scene.plan.look_every().map(|_| Growth::of(std::mem::take(&mut self.held)));
        measured.streams.back_after = back.all_after().map(|after| after.as_secs_f64());
        measured.intervals = merge(intervals);
        if !self.length.is_zero() {
            measured.processor.engine_busy = (busiest.as_secs_f64() / self.length.as_secs_f64()).min(1.0);
        }
        self.measured
    }
}
