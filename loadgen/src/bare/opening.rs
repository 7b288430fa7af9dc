//! The engine's side: receives, opens and judges what comes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use ringgate::ring::{Completion, EventFd, Ring, RingConfig, SocketId, Wait};
use ringgate::tls::{Received, Session};

use super::{Common, Course, Line, NUMBER};
use crate::measure::{Due, HANDOVER, Phase, Recorder, Tracker, processor};
use crate::outcome::{Counts, Interval};
use crate::plan::{Plan, Timetable};

/// How often the thread looks at deadlines, and whether all has come.
const TICK: Duration = Duration::from_millis(50);

/// What the thread leaves behind.
pub(super) struct Opened {
    pub(super) counts: Counts,
    pub(super) stressed: Counts,
    /// First arrivals within the measured phase.
    pub(super) carried: u64,
    /// Processor time in the measured phase.
    pub(super) used: Duration,
    /// The part of the measured phase in which it did not sleep.
    pub(super) busy: Duration,
    pub(super) intervals: Vec<Interval>,
}

/// Receives until everything that departed has arrived, or is missing.
///
/// # Errors
/// There is no ring, or a connection broke.
pub(super) fn run(
    plan: &Plan,
    timetable: &Timetable,
    course: Course,
    lines: Vec<Line>,
    common: &Common,
) -> anyhow::Result<Opened> {
    let mut reader = Reader::new(plan, timetable, course, lines, common).context("bare's ring")?;
    while !reader.is_done() {
        reader.turn()?;
    }
    Ok(reader.finish())
}

struct Reader<'a> {
    plan: &'a Plan,
    timetable: &'a Timetable,
    course: Course,
    common: &'a Common,
    ring: Ring,
    /// By the ring's index: the lane of a connection, and its session.
    sessions: Vec<Option<(u32, Session)>>,
    tracker: Tracker,
    recorder: Recorder,
    /// Departures that the tracker knows.
    known: usize,
    numbers: Vec<u64>,
    carried: u64,
    work: Work,
}

/// Where the thread's time goes.
#[derive(Default)]
struct Work {
    slept: Duration,
    /// When the measured phase had begun: the clock, the processor's, and the sleep until then.
    begin: Option<[Duration; 3]>,
    /// Processor time, and time without sleep, from there to the end of the phase.
    done: Option<(Duration, Duration)>,
}

impl Work {
    /// The measured phase, or what there was of it, is over.
    fn end(&mut self, now: Duration) {
        if let (Some([at, before, slept]), None) = (self.begin, self.done) {
            let busy = (now - at).saturating_sub(self.slept - slept);
            self.done = Some((processor::of_this_thread().saturating_sub(before), busy));
        }
    }
}

impl<'a> Reader<'a> {
    fn new(
        plan: &'a Plan,
        timetable: &'a Timetable,
        course: Course,
        lines: Vec<Line>,
        common: &'a Common,
    ) -> std::io::Result<Self> {
        let mut ring = Ring::new(&RingConfig::default(), &EventFd::new()?)?;
        let mut sessions = Vec::new();
        for (lane, Line { stream, session }) in lines.into_iter().enumerate() {
            let id = ring.adopt(stream.into());
            ring.receive(id);
            sessions.resize_with(sessions.len().max(id.index() + 1), || None);
            sessions[id.index()] = Some((lane as u32, session));
        }
        let tracker = Tracker::new(plan.lanes.len(), plan.deadline, plan.mode());
        let recorder = Recorder::new(course.end + plan.deadline + HANDOVER);
        let (numbers, work) = (Vec::new(), Work::default());
        Ok(Self {
            plan,
            timetable,
            course,
            common,
            ring,
            sessions,
            tracker,
            recorder,
            known: 0,
            numbers,
            carried: 0,
            work,
        })
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        self.ring.enter(Wait::No)?;
        let reaped = self.course.now();
        while let Some(completion) = self.ring.next() {
            match completion {
                Completion::Received { socket, mut bytes } => self.received(socket, &mut bytes, reaped)?,
                Completion::Eof { .. } => bail!("bare's sender ended"),
                Completion::Broken { error, .. } => bail!("bare's connection: {error}"),
                _ => {}
            }
        }
        let now = self.course.now();
        self.learn();
        self.tracker.expire(now, &mut self.recorder);
        self.recorder.tick(now);
        self.note(now);
        if !self.ring.has_completions() {
            self.ring.wake_after(TICK);
            self.ring.enter(Wait::Yes)?;
            self.work.slept += self.course.now().saturating_sub(now);
        }
        Ok(())
    }

    /// Bytes that had come by `at`.
    fn received(&mut self, socket: SocketId, bytes: &mut [u8], at: Duration) -> anyhow::Result<()> {
        self.learn();
        let Some((lane, session)) = self.sessions.get_mut(socket.index()).and_then(Option::as_mut) else {
            return Ok(());
        };
        let (tracker, recorder, mut first) = (&mut self.tracker, &mut self.recorder, 0);
        let mut judge = |received: Received<'_>| {
            let Received::Plaintext(plain) = received else { return };
            let arrival = match plain.first_chunk::<NUMBER>() {
                Some(number) => tracker.arrive(*lane, u64::from_le_bytes(*number), plain.len() as u32, at, recorder),
                None => tracker.foreign(),
            };
            first += usize::from(arrival.is_first());
        };
        let mut answer = Vec::new();
        session.receive(bytes, &mut answer, &mut judge)?;
        ensure!(answer.is_empty(), "bare's sender wants an answer");
        self.common.arrived.fetch_add(first, Ordering::Relaxed);
        if (self.course.measured_from..self.course.end).contains(&at) {
            self.carried += first as u64;
        }
        Ok(())
    }

    /// Tells the tracker what has departed meanwhile; whatever arrives departed before.
    fn learn(&mut self) {
        let departed = self.common.departed.load(Ordering::Acquire);
        for departure in &self.timetable.departures()[self.known..departed] {
            let at = self.course.begin + departure.at;
            let due = Due { at, phase: self.course.phase(at), class: departure.class };
            let contacts = &self.plan.senders[departure.sender as usize].contacts;
            self.tracker.depart(due, contacts, &mut self.numbers);
        }
        self.known = departed;
    }

    /// Looks at the processor's clock at both ends of the measured phase.
    fn note(&mut self, now: Duration) {
        match self.work.begin {
            None if now >= self.course.measured_from => {
                self.work.begin = Some([now, processor::of_this_thread(), self.work.slept]);
            }
            Some(_) if self.work.done.is_none() && now >= self.course.end => self.work.end(now),
            _ => {}
        }
    }

    /// Whether nothing more will depart or come.
    fn is_done(&self) -> bool {
        let is_over = self.common.is_over.load(Ordering::Acquire);
        let is_known = self.known == self.common.departed.load(Ordering::Acquire);
        is_over && is_known && self.tracker.outstanding() == 0
    }

    fn finish(mut self) -> Opened {
        let now = self.course.now();
        self.tracker.finish(now, &mut self.recorder);
        self.work.end(now);
        let (used, busy) = self.work.done.unwrap_or_default();
        Opened {
            counts: self.tracker.counts(Phase::Measure),
            stressed: self.tracker.stressed(Phase::Measure),
            carried: self.carried,
            used,
            busy,
            intervals: self.recorder.into_intervals(now),
        }
    }
}
