//! What a fan-out costs that gets a TLS record for each stanza and a send for each connection, without XMPP, server or proxy.
//!
//! ```text
//!   the system's core:  due ─▶ seal a record per stanza ─▶ one send per connection ─▶ … ─▶ the next departure
//!                                                            │ loopback
//!   the engine's core:                     ring ─▶ arrival ─▶ open each record ─▶ judge
//! ```
//!
//! The plan is that of any other system: the same departures, recipients and sizes, at the same times, with a connection for each
//! lane; arrivals are timed and judged in the same way. A system has to receive, to read, to prove and to route besides, and the
//! generator to write to it; it may need fewer records, if it puts what goes to one connection into one. Handshakes take place in
//! memory, before anything is timed.

mod opening;
mod sealing;

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail, ensure};
use ringgate::stage::authority::Authority;
use ringgate::tls::{Session, Store};
use ringgate_proto::address::Domain;
use ringgate_proto::gate::{Listener, TlsClient};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::engine::{Glimpse, Live, Measured};
use crate::measure::processor::Use;
use crate::measure::{Phase, merge};
use crate::outcome::{Counts, PhaseLengths, Processor, Sessions, Streams};
use crate::plan::{Lane, Load, Party, Plan, Timetable};
use crate::world;

/// From the moment when everything stands to the begin of the warm-up.
const LEAD: Duration = Duration::from_millis(50);
/// Between two looks of whoever leads the run.
const LOOK: Duration = Duration::from_millis(10);
/// Bytes at the front of each plaintext: its number within its lane.
const NUMBER: usize = 8;

/// A run of a plan without a system.
pub struct Bare<'a> {
    /// What departs, and when.
    pub plan: &'a Plan,
    /// Who signs.
    pub authority: &'a Authority,
    /// Where records are sealed and sent.
    pub system_core: usize,
    /// Where they are received and opened.
    pub engine_core: usize,
}

/// One end of a connection.
struct Line {
    stream: TcpStream,
    session: Session,
}

/// The times of a run, since its origin.
#[derive(Clone, Copy)]
struct Course {
    origin: Instant,
    begin: Duration,
    measured_from: Duration,
    end: Duration,
}

impl Course {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Of what is due then.
    fn phase(&self, due: Duration) -> Phase {
        if due < self.measured_from { Phase::WarmUp } else { Phase::Measure }
    }
}

/// What both threads see.
#[derive(Default)]
struct Common {
    /// Departures that have begun.
    departed: AtomicUsize,
    /// There will be no more of them.
    is_over: AtomicBool,
    /// Records that arrived.
    arrived: AtomicUsize,
}

impl Bare<'_> {
    /// Blocks until all that departed has arrived, or is missing. `stop` ends it before its time.
    ///
    /// # Errors
    /// The plan is no timetable, or disturbs streams; no descriptors, threads or memory for a ring are left.
    pub fn run(&self, live: &Live, stop: &AtomicBool) -> anyhow::Result<Measured> {
        let Load::Paced(timetable) = &self.plan.load else {
            bail!("bare does what a timetable says: fanout, message --rate and their like")
        };
        ensure!(self.plan.disturbance.is_none(), "bare has no streams that something could happen to");
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let origin = Instant::now();
        let (near, far): (Vec<Line>, Vec<Line>) = self.connect()?.into_iter().unzip();
        let phases = self.plan.phases;
        let begin = origin.elapsed() + LEAD;
        let measured_from = begin + phases.warm_up;
        let course = Course { origin, begin, measured_from, end: measured_from + phases.measure };
        let mut measured = Measured {
            started_unix_seconds: since_1970.as_secs_f64(),
            intervals: Vec::new(),
            counts: Counts::default(),
            stressed: Counts::default(),
            carried: 0,
            streams: self.streams(),
            growth: None,
            attack: None,
            phases: PhaseLengths { connect: begin.as_secs_f64(), ..PhaseLengths::default() },
            processor: Processor::default(),
            interrupted: false,
        };
        self.play(timetable, course, [near, far], live, stop, &mut measured)?;
        Ok(measured)
    }

    /// Both threads, and this one, which leads them.
    fn play(
        &self,
        timetable: &Timetable,
        course: Course,
        [near, far]: [Vec<Line>; 2],
        live: &Live,
        stop: &AtomicBool,
        measured: &mut Measured,
    ) -> anyhow::Result<()> {
        let common = &Common::default();
        let plan = self.plan;
        thread::scope(|scope| {
            let opening = scope.spawn(move || {
                settle_on(self.engine_core);
                opening::run(plan, timetable, course, far, common)
            });
            let sealing = scope.spawn(move || {
                settle_on(self.system_core);
                let sealed = sealing::run(plan, timetable, course, near, common, stop);
                common.is_over.store(true, Ordering::Release);
                sealed
            });
            self.lead(course, common, live, stop, measured);
            let panicked = |_| anyhow!("a thread of bare panicked");
            let (opened, sealed) = match (opening.join().map_err(panicked)?, sealing.join().map_err(panicked)?) {
                (Ok(opened), Ok(sealed)) => (opened, sealed),
                (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error),
                // One of them failed because the other did.
                (Err(one), Err(other)) => bail!("{one:#}; {other:#}"),
            };
            measured.counts = opened.counts;
            measured.stressed = opened.stressed;
            measured.carried = opened.carried;
            measured.processor.system = sealed.used.as_secs_f64();
            measured.processor.engine = opened.used.as_secs_f64();
            measured.processor.engine_busy = opened.busy.div_duration_f64(plan.phases.measure).min(1.0);
            measured.intervals = merge([sealed.intervals, opened.intervals]);
            Ok(())
        })
    }

    /// Waits for the ends of the phases, and shows how far it is.
    fn lead(&self, course: Course, common: &Common, live: &Live, stop: &AtomicBool, measured: &mut Measured) {
        let cores = [self.system_core, self.engine_core];
        let used = || Use::now(&cores, Duration::ZERO);
        let phases = &mut measured.phases;
        let is_reached = |phase, from: Duration, until: Duration| {
            while course.now() < until && !stop.load(Ordering::Relaxed) && !common.is_over.load(Ordering::Acquire) {
                let done = common.arrived.load(Ordering::Relaxed) as u64;
                let elapsed = course.now().saturating_sub(from);
                live.show(&Glimpse { phase, elapsed, planned: until - from, done, ..live.glimpse() });
                thread::sleep(LOOK.min(until.saturating_sub(course.now())));
            }
            !stop.load(Ordering::Relaxed)
        };
        let is_warm = is_reached(Phase::WarmUp, course.begin, course.measured_from);
        phases.warm_up = course.now().min(course.measured_from).saturating_sub(course.begin).as_secs_f64();
        let before = used();
        let is_whole = is_warm && is_reached(Phase::Measure, course.measured_from, course.end);
        measured.interrupted = !is_whole;
        // Nothing departs after the last departure, but the phase lasts as long as it should.
        let end = if is_whole { course.end } else { course.now() };
        phases.measure = end.saturating_sub(course.measured_from).as_secs_f64();
        measured.processor.others = used().others_since(&before).as_secs_f64();
    }

    /// A connection for each lane, both ends of it, with the handshake behind them.
    fn connect(&self) -> anyhow::Result<Vec<(Line, Line)>> {
        ringgate::ring::process::raise_open_files().context("the limit of open files")?;
        let locals = (0..self.plan.locals).map(Party::Local);
        let everyone: Vec<Domain> =
            locals.chain((0..self.plan.remotes).map(Party::Remote)).map(world::domain).collect();
        let store = self.authority.store(&everyone).context("certificates")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a listener")?;
        let address = listener.local_addr()?;
        let line = |lane: &Lane| {
            let (near, far) = sessions(&store, lane)?;
            let stream = TcpStream::connect(address)?;
            let (other, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            Ok((Line { stream, session: near }, Line { stream: other, session: far }))
        };
        self.plan.lanes.iter().map(line).collect()
    }

    fn streams(&self) -> Streams {
        let lanes = self.plan.lanes.len() as u64;
        let full = Sessions { full: lanes, resumed: 0 };
        Streams { open: 2 * lanes, lanes, opened: full, accepted: full, ..Streams::default() }
    }
}

/// The sessions of a lane's sender and of its recipient, established.
fn sessions(store: &Store, lane: &Lane) -> anyhow::Result<(Session, Session)> {
    let [local, server_name] = [lane.from, lane.to].map(world::domain);
    let mut server = store.server(Listener::Public, Some(&server_name));
    let mut client = store.client(&TlsClient { server_name, local, alpn: true }, false)?;
    let (mut there, mut back) = (Vec::new(), Vec::new());
    client.start(&mut there)?;
    while !there.is_empty() {
        server.receive(&mut there, &mut back, &mut |_| {})?;
        there.clear();
        client.receive(&mut back, &mut there, &mut |_| {})?;
        back.clear();
    }
    ensure!(client.is_established() && server.is_established(), "a TLS handshake in memory did not end");
    Ok((client, server))
}

/// Best effort, as everything about cores.
fn settle_on(core: usize) {
    if core < CpuSet::MAX_CPU {
        let mut set = CpuSet::new();
        set.set(core);
        let _ = sched_setaffinity(None, &set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Series, total};
    use crate::plan::Scenario;
    use crate::plan::scenario::{fanout, message};

    fn run(scenario: Scenario) -> anyhow::Result<(Plan, Measured)> {
        let plan = scenario.plan()?;
        let authority = Authority::new()?;
        let bare = Bare { plan: &plan, authority: &authority, system_core: 0, engine_core: 0 };
        let measured = bare.run(&Live::default(), &AtomicBool::new(false))?;
        Ok((plan, measured))
    }

    fn basics() -> crate::plan::Basics {
        let duration = Duration::from_millis(600);
        crate::plan::Basics { warm_up: Duration::from_millis(100), duration, ..crate::plan::defaults() }
    }

    #[test]
    fn everything_that_departs_arrives_in_order_and_fan_outs_are_recorded() {
        let options = fanout::Options { contacts: 60, domains: 6, rate: 50.0, ..crate::plan::defaults() };
        let (plan, measured) = run(Scenario::Fanout(fanout::Options { basics: basics(), ..options })).expect("a run");
        let Counts { departures, scheduled, arrived, reordered, duplicated, foreign, bytes, .. } = measured.counts;
        assert!(departures > 10 && scheduled == departures * 60 && arrived == scheduled, "{:?}", measured.counts);
        assert_eq!((reordered, duplicated, foreign, bytes), (0, 0, 0, scheduled * 450));
        let of = |series| total(&measured.intervals, series, Phase::Measure);
        assert_eq!([Series::First, Series::Last, Series::SendLag].map(|series| of(series).len()), [departures; 3]);
        assert!(of(Series::First).max() <= of(Series::Last).max());
        assert!(measured.processor.system > 0.0 && measured.processor.engine > 0.0, "{:?}", measured.processor);
        assert!(measured.processor.system < measured.phases.measure / 2.0, "the wait for departures is no work");
        assert_eq!(measured.streams.lanes, plan.lanes.len() as u64);
    }

    #[test]
    fn what_has_no_timetable_is_refused() {
        let options = message::Options { basics: basics(), domains: 1, ..crate::plan::defaults() };
        let error = run(Scenario::Message(options)).expect_err("a closed loop");
        assert!(error.to_string().starts_with("bare does what a timetable says"), "{error}");
    }

    #[test]
    fn run_that_is_stopped_ends_at_once_with_what_there_is() {
        let options = fanout::Options { contacts: 5, domains: 5, ..crate::plan::defaults() };
        let plan = Scenario::Fanout(options).plan().expect("a plan of half a minute");
        let authority = Authority::new().expect("an authority");
        let bare = Bare { plan: &plan, authority: &authority, system_core: 0, engine_core: 0 };
        let begin = Instant::now();
        let measured = bare.run(&Live::default(), &AtomicBool::new(true)).expect("a run");
        assert!(measured.interrupted && begin.elapsed() < Duration::from_secs(10));
    }
}
