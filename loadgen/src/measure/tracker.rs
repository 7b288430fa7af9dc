//! What became of every stanza that one core sent: arrived, missing, unsent, and in which order.
//!
//! ```text
//!   depart ──▶ waiting ──┬─ arrive, by the deadline ──▶ arrived ──┐
//!                        ├─ arrive, after it ─────────▶ late      ├──▶ arrive again: duplicated
//!                        ├─ expire ───────────────────▶ missing ──┘ (arrive then: late)
//!                        ├─ unsent ───────────────────▶ unsent
//!                        └─ finish, before it ────────▶ undecided
//! ```
//!
//! The rules, all within one lane and by the numbers that its stanzas carry:
//!
//! - *Latency* is the arrival minus the time at which the departure was scheduled, whenever it was written.
//! - *Missing*: not arrived within the deadline after the scheduled time, to the nanosecond. It is recorded with the deadline as its
//!   latency, so that a lost stanza is no better than a slow one, and again as such in its fan-out.
//! - *Late*: arrived after its deadline. It stays missing.
//! - *Unsent*: never written, because its stream was gone. Recorded with the deadline as well: its recipient got nothing either.
//! - *Duplicated*: every arrival of a number after the first.
//! - *Reordered*: the first arrival of a number, late or not, after the arrival of a higher one that was written on the same stream. Of
//!   2, 3, 1 one is reordered (the 1), of 3, 1, 2 two are (the 1 and the 2). RFC 6120 §10.1: order is a promise of one stream.
//! - *Foreign*: a lane or number that never departed, or departed unsent. The engine adds whatever it cannot read, or finds changed or
//!   at the wrong domain.
//! - A *fan-out* (all stanzas of one departure) has its first, median (`ceil(k/2)`-th) and last latency and the skew `last - first` recorded
//!   when all its recipients are settled.

use std::collections::VecDeque;
use std::time::Duration;

use super::recorder::nanos;
use super::{Phase, Recorder, Series};
use crate::outcome::Counts;
use crate::plan::{Class, Contact};

use lane::{Found, Lane};

mod lane;
mod order;
#[cfg(test)]
mod tests;

/// Arrivals reach their sender's core within this, through the queues between cores: so much longer than its deadline a stanza is
/// remembered before it is called missing. Whether it was in time is judged by the instant of its arrival alone.
pub const HANDOVER: Duration = Duration::from_secs(1);

/// Into which series arrivals go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By their class. With `fan_outs`, departures of [`Class::Plain`] are also recorded as a whole; makes sense where senders
    /// have more than one contact.
    Open {
        /// Record [`Series::First`], [`Series::Median`], [`Series::Last`] and [`Series::Skew`].
        fan_outs: bool,
    },
    /// [`Series::Transit`], from the time of writing, which is then the time that counts as scheduled.
    Closed,
}

/// When a departure was scheduled, and what it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Since the begin of the run. Departures come in this order.
    pub at: Duration,
    /// By the scheduled time: [`Phase::WarmUp`] or [`Phase::Measure`].
    pub phase: Phase,
    /// Under which name its arrivals are recorded.
    pub class: Class,
}

/// What an arrival was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The first of its stanza, by the deadline.
    InTime,
    /// The first, but after the deadline.
    Late,
    /// Not the first.
    Duplicate,
    /// Of no stanza that departed.
    Foreign,
}

impl Arrival {
    /// Whether the stanza had not come before.
    pub fn is_first(self) -> bool {
        matches!(self, Self::InTime | Self::Late)
    }
}

/// Follows the stanzas that the senders of one core send, by lane and number.
///
/// Lanes are those of the plan, by their index, though only those whose senders are on this core ever see a departure. Memory grows with
/// what is on its way (about 30 bytes a stanza, 16 more for each stream of a lane but the newest), at most for the deadline and [`HANDOVER`],
/// and by 16 bytes for each run of consecutive missing numbers of a lane and each of its streams that had some. In the steady state nothing
/// is allocated; each call costs constant time, amortised, but an arrival on a stream that is not its lane's newest, which is searched for.
#[derive(Debug)]
pub struct Tracker {
    mode: Mode,
    deadline: u64,
    lanes: Vec<Lane>,
    /// In order of departure; the tickets of a fan-out are neighbours.
    tickets: VecDeque<Ticket>,
    /// Name of the ticket at the front.
    first_ticket: u64,
    /// In order of departure.
    fans: VecDeque<Fan>,
    /// Name of the fan-out at the front.
    first_fan: u64,
    /// Used again, so that fan-outs allocate nothing.
    spare: Vec<Vec<u64>>,
    /// Of lanes that are not, and of lanes that are, under stress.
    counts: [[Counts; 2]; Phase::COUNT],
    foreign: u64,
    outstanding: u64,
}

/// A stanza.
#[derive(Debug)]
struct Ticket {
    lane: u32,
    state: State,
    fan: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Arrived,
    Late,
    Missing,
    Unsent,
    Undecided,
}

/// A departure and its recipients.
#[derive(Debug)]
struct Fan {
    due: u64,
    recipients: u32,
    waiting: u32,
    phase: Phase,
    series: Series,
    /// Of the recipients that are settled, if the fan-out is recorded as a whole.
    latencies: Option<Vec<u64>>,
}

impl Tracker {
    /// For this many lanes; recipients are missing `deadline` (at most an hour) after their scheduled time.
    pub fn new(lanes: usize, deadline: Duration, mode: Mode) -> Self {
        Self {
            mode,
            deadline: nanos(deadline),
            lanes: std::iter::repeat_with(Lane::default).take(lanes).collect(),
            tickets: VecDeque::new(),
            first_ticket: 0,
            fans: VecDeque::new(),
            first_fan: 0,
            spare: Vec::new(),
            counts: Default::default(),
            foreign: 0,
            outstanding: 0,
        }
    }

    /// A departure: puts into `numbers`, which is emptied first, the number of each contact's stanza within its lane, in order of the contacts.
    /// These numbers travel in the stanzas' ids. Without contacts nothing departs.
    ///
    /// # Panics
    /// If a contact's lane is none of the plan's.
    pub fn depart(&mut self, due: Due, contacts: &[Contact], numbers: &mut Vec<u64>) {
        numbers.clear();
        if contacts.is_empty() {
            return;
        }
        let fan = self.first_fan + self.fans.len() as u64;
        for contact in contacts {
            let ticket = self.first_ticket + self.tickets.len() as u64;
            let lane = &mut self.lanes[contact.lane as usize];
            lane.is_stressed = due.class == Class::Stressed;
            numbers.push(lane.depart(ticket, due.phase));
            self.tickets.push_back(Ticket { lane: contact.lane, state: State::Waiting, fan });
        }
        let recipients = contacts.len() as u32;
        let latencies = self.is_recorded_whole(due.class).then(|| self.spare.pop().unwrap_or_default());
        let series = self.series(due.class);
        self.fans.push_back(Fan {
            due: nanos(due.at),
            recipients,
            waiting: recipients,
            phase: due.phase,
            series,
            latencies,
        });
        let counts = &mut self.counts[due.phase as usize][usize::from(due.class == Class::Stressed)];
        counts.departures += 1;
        counts.scheduled += u64::from(recipients);
        self.outstanding += u64::from(recipients);
    }

    /// The number that the next stanza of a lane gets.
    ///
    /// # Panics
    /// If the lane is none of the plan's.
    pub fn next_number(&self, lane: u32) -> u64 {
        self.lanes[lane as usize].next()
    }

    /// Stanzas of this lane from `first` on are written on another stream than those before. Streams begin in the order of their numbers.
    ///
    /// # Panics
    /// If the lane is none of the plan's.
    pub fn begin_stream(&mut self, lane: u32, first: u64) {
        self.lanes[lane as usize].begin_stream(first);
    }

    /// A stanza of this lane and number and so many bytes arrived at the domain where it belongs.
    pub fn arrive(&mut self, lane: u32, number: u64, bytes: u32, at: Duration, recorder: &mut Recorder) -> Arrival {
        let Some(found) = self.lanes.get(lane as usize).map(|lane| lane.find(number)) else { return self.foreign() };
        let arrival = match found {
            Found::Never => return self.foreign(),
            Found::Arrived => Arrival::Duplicate,
            Found::Missing => {
                self.lanes[lane as usize].found(number);
                Arrival::Late
            }
            Found::Ticket(ticket) => match self.tickets[(ticket - self.first_ticket) as usize].state {
                State::Waiting => self.arrive_first(ticket, nanos(at), recorder),
                State::Missing => {
                    self.tickets[(ticket - self.first_ticket) as usize].state = State::Late;
                    Arrival::Late
                }
                State::Arrived | State::Late => Arrival::Duplicate,
                State::Unsent | State::Undecided => return self.foreign(),
            },
        };
        self.count_arrival(arrival, lane, number, bytes);
        self.forget();
        arrival
    }

    /// Something arrived that names no stanza of this run, or one that had been sent to another domain, or had other content.
    pub fn foreign(&mut self) -> Arrival {
        self.foreign += 1;
        Arrival::Foreign
    }

    /// The system under test sent a stanza back as an error. Its recipient still waits for it, until it is missing.
    pub fn bounced(&mut self, lane: u32, number: u64) {
        match self.lanes.get(lane as usize) {
            Some(known) if !matches!(known.find(number), Found::Never) => {
                self.counts[known.phase(number) as usize][usize::from(known.is_stressed)].bounced += 1;
            }
            _ => self.foreign += 1,
        }
    }

    /// A stanza that departed was not written, not even in part: its stream is gone. Does nothing for one that is settled.
    pub fn unsent(&mut self, lane: u32, number: u64, recorder: &mut Recorder) {
        let Some(Found::Ticket(ticket)) = self.lanes.get(lane as usize).map(|lane| lane.find(number)) else { return };
        if self.tickets[(ticket - self.first_ticket) as usize].state == State::Waiting {
            self.settle(ticket, State::Unsent, self.deadline, recorder);
            self.forget();
        }
    }

    /// Calls missing whatever was due before `now` by more than the deadline and [`HANDOVER`]. To be called several times a
    /// second; costs next to nothing when there is nothing to do.
    pub fn expire(&mut self, now: Duration, recorder: &mut Recorder) {
        self.expire_due_before(nanos(now.saturating_sub(HANDOVER)), recorder);
    }

    /// Settles everything, once all arrivals are in: what is beyond its deadline is missing, the rest is undecided, and so are the
    /// fan-outs that it belongs to. After a run that was not interrupted nothing is.
    pub fn finish(&mut self, now: Duration, recorder: &mut Recorder) {
        self.expire_due_before(nanos(now), recorder);
        for ticket in self.first_ticket..self.first_ticket + self.tickets.len() as u64 {
            if self.tickets[(ticket - self.first_ticket) as usize].state == State::Waiting {
                self.settle(ticket, State::Undecided, self.deadline, recorder);
            }
        }
        self.forget();
    }

    /// Stanzas that are on their way.
    pub fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// Stanzas that are on their way in a lane: in a closed loop, more may be written while this is below the window. A missing one
    /// leaves the window when it is called missing.
    ///
    /// # Panics
    /// If the lane is none of the plan's.
    pub fn in_flight(&self, lane: u32) -> u32 {
        self.lanes[lane as usize].open
    }

    /// What became of the stanzas that were due in a phase, so far. Those on their way are in none of the sums, but in `scheduled`.
    pub fn counts(&self, phase: Phase) -> Counts {
        let [mut counts, stressed] = self.counts[phase as usize];
        counts += stressed;
        Counts { foreign: self.foreign, ..counts }
    }

    /// The part of [`Self::counts`] on the lanes of a domain under stress ([`Class::Stressed`]), foreign ones aside.
    pub fn stressed(&self, phase: Phase) -> Counts {
        self.counts[phase as usize][1]
    }

    fn series(&self, class: Class) -> Series {
        match (self.mode, class) {
            (Mode::Closed, _) => Series::Transit,
            (Mode::Open { .. }, Class::Plain) => Series::Recipient,
            (Mode::Open { .. }, Class::Stressed) => Series::Stressed,
            (Mode::Open { .. }, Class::Neighbour) => Series::Neighbour,
        }
    }

    fn is_recorded_whole(&self, class: Class) -> bool {
        self.mode == Mode::Open { fan_outs: true } && class == Class::Plain
    }

    fn arrive_first(&mut self, ticket: u64, at: u64, recorder: &mut Recorder) -> Arrival {
        let fan = self.tickets[(ticket - self.first_ticket) as usize].fan;
        let latency = at.saturating_sub(self.fans[(fan - self.first_fan) as usize].due);
        let (state, arrival) = match latency {
            latency if latency > self.deadline => (State::Late, Arrival::Late),
            _ => (State::Arrived, Arrival::InTime),
        };
        self.settle(ticket, state, latency.min(self.deadline), recorder);
        arrival
    }

    fn count_arrival(&mut self, arrival: Arrival, lane: u32, number: u64, bytes: u32) {
        let lane = &mut self.lanes[lane as usize];
        let counts = &mut self.counts[lane.phase(number) as usize][usize::from(lane.is_stressed)];
        match arrival {
            Arrival::InTime => counts.bytes += u64::from(bytes),
            Arrival::Late => counts.late += 1,
            Arrival::Duplicate => counts.duplicated += 1,
            Arrival::Foreign => return,
        }
        if arrival != Arrival::Duplicate && lane.is_overtaken(number) {
            counts.reordered += 1;
        }
    }

    /// Ends the waiting for a stanza: records it, and its fan-out if it was the last one.
    fn settle(&mut self, ticket: u64, state: State, latency: u64, recorder: &mut Recorder) {
        let ticket = &mut self.tickets[(ticket - self.first_ticket) as usize];
        ticket.state = state;
        let lane = &mut self.lanes[ticket.lane as usize];
        lane.open -= 1;
        self.outstanding -= 1;
        let fan = &mut self.fans[(ticket.fan - self.first_fan) as usize];
        let counts = &mut self.counts[fan.phase as usize][usize::from(lane.is_stressed)];
        match state {
            State::Arrived => counts.arrived += 1,
            State::Late | State::Missing => counts.missing += 1,
            State::Unsent => counts.unsent += 1,
            State::Undecided => counts.undecided += 1,
            State::Waiting => {}
        }
        if state == State::Undecided {
            fan.latencies = None;
        } else {
            recorder.record_nanos(fan.series, fan.phase, latency);
            fan.settled(latency);
        }
        fan.waiting -= 1;
        if fan.waiting == 0 {
            fan.record(recorder);
        }
    }

    fn expire_due_before(&mut self, now: u64, recorder: &mut Recorder) {
        while let Some(fan) = self.fans.front() {
            if now.saturating_sub(fan.due) <= self.deadline {
                break;
            }
            for ticket in self.first_ticket..self.first_ticket + u64::from(fan.recipients) {
                if self.tickets[(ticket - self.first_ticket) as usize].state == State::Waiting {
                    self.settle(ticket, State::Missing, self.deadline, recorder);
                }
            }
            self.forget();
        }
    }

    /// Drops the oldest fan-outs that nobody waits for.
    fn forget(&mut self) {
        while self.fans.front().is_some_and(|fan| fan.waiting == 0) {
            let Some(fan) = self.fans.pop_front() else { return };
            for ticket in self.tickets.drain(..fan.recipients as usize) {
                self.lanes[ticket.lane as usize].settle(ticket.state == State::Missing);
            }
            self.first_ticket += u64::from(fan.recipients);
            self.first_fan += 1;
            if let Some(mut latencies) = fan.latencies {
                latencies.clear();
                self.spare.push(latencies);
            }
        }
    }
}

impl Fan {
    fn settled(&mut self, latency: u64) {
        if let Some(latencies) = &mut self.latencies {
            latencies.push(latency);
        }
    }

    fn record(&mut self, recorder: &mut Recorder) {
        let Some(latencies) = &mut self.latencies else { return };
        latencies.sort_unstable();
        let (Some(first), Some(last)) = (latencies.first(), latencies.last()) else { return };
        let median = latencies[latencies.len().div_ceil(2) - 1];
        for (series, value) in
            [(Series::First, *first), (Series::Median, median), (Series::Last, *last), (Series::Skew, last - first)]
        {
            recorder.record_nanos(series, self.phase, value);
        }
    }
}
