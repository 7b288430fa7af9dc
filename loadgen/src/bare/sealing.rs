//! The system's side: seals and sends what is due.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use super::{Common, Course, Line, NUMBER};
use crate::measure::{Phase, Recorder, Series, processor};
use crate::outcome::Interval;
use crate::plan::{Departure, Plan, Sender, Timetable};

/// How long before a departure the thread stops sleeping: a sleeper wakes up late, and the floor must not be that of a clock.
const SPIN: Duration = Duration::from_micros(200);
/// At most so long it sleeps at a time, to see whether the run is to end.
const NAP: Duration = Duration::from_millis(100);

/// What the thread leaves behind.
pub(super) struct Sealed {
    /// Processor time that departures of the measured phase took.
    pub(super) used: Duration,
    pub(super) intervals: Vec<Interval>,
    /// Open until the other side has read everything.
    _lines: Vec<Line>,
}

/// Lets everything depart that is due before the end, and waits for that, or ends at `stop`.
///
/// # Errors
/// A connection broke, or a session has no keys left.
pub(super) fn run(
    plan: &Plan,
    timetable: &Timetable,
    course: Course,
    lines: Vec<Line>,
    common: &Common,
    stop: &AtomicBool,
) -> anyhow::Result<Sealed> {
    let recipients: Vec<Vec<(u32, u32)>> = plan.senders.iter().map(by_lane).collect();
    let mut recorder = Recorder::new(course.end);
    let (mut desk, mut used) = (Desk::new(lines), Duration::ZERO);
    for (index, departure) in timetable.departures().iter().enumerate() {
        let due = course.begin + departure.at;
        if !wait(course, due, stop) {
            break;
        }
        common.departed.store(index + 1, Ordering::Release);
        let (phase, now) = (course.phase(due), course.now());
        recorder.tick(now);
        recorder.record(Series::SendLag, phase, now.saturating_sub(due));
        let before = processor::of_this_thread();
        desk.depart(departure, &recipients[departure.sender as usize])?;
        if phase == Phase::Measure {
            used += processor::of_this_thread().saturating_sub(before);
        }
    }
    wait(course, course.end, stop);
    Ok(Sealed { used, intervals: recorder.into_intervals(course.now()), _lines: desk.lines })
}

/// How many contacts of a sender each lane has, in order of the lanes.
fn by_lane(sender: &Sender) -> Vec<(u32, u32)> {
    let mut lanes: Vec<u32> = sender.contacts.iter().map(|contact| contact.lane).collect();
    lanes.sort_unstable();
    lanes.chunk_by(|one, other| one == other).map(|same| (same[0], same.len() as u32)).collect()
}

/// Sleeps, then spins, until something is due; `false`: the run is to end.
fn wait(course: Course, due: Duration, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        match due.saturating_sub(course.now()) {
            Duration::ZERO => return true,
            pause if pause <= SPIN => std::hint::spin_loop(),
            pause => thread::sleep((pause - SPIN).min(NAP)),
        }
    }
}

/// The connections, and what is needed to write to them.
struct Desk {
    lines: Vec<Line>,
    /// By lane: stanzas so far.
    numbers: Vec<u64>,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

impl Desk {
    fn new(lines: Vec<Line>) -> Self {
        Self { numbers: vec![0; lines.len()], lines, plain: Vec::new(), sealed: Vec::new() }
    }

    /// A record for each stanza, a send for each connection.
    fn depart(&mut self, departure: &Departure, recipients: &[(u32, u32)]) -> anyhow::Result<()> {
        self.plain.resize((departure.stanza.bytes as usize).max(NUMBER), b'x');
        for &(lane, count) in recipients {
            let (line, number) = (&mut self.lines[lane as usize], &mut self.numbers[lane as usize]);
            for _ in 0..count {
                self.plain[..NUMBER].copy_from_slice(&number.to_le_bytes());
                line.session.send(&self.plain, &mut self.sealed)?;
                *number += 1;
            }
            line.stream.write_all(&self.sealed).context("bare's connection")?;
            self.sealed.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ringgate::stage::authority::Authority;
    use ringgate::tls::Received;

    use super::super::Bare;
    use super::*;
    use crate::plan::{Contact, Load, Scenario, defaults};

    #[test]
    fn lanes_of_a_sender_are_counted() {
        let contacts = [2, 0, 2, 2].map(|lane| Contact { lane, user: 0 });
        assert_eq!(by_lane(&Sender { user: 0, contacts: contacts.into() }), [(0, 1), (2, 3)]);
    }

    #[test]
    fn each_stanza_is_a_record_with_its_number() {
        let plan =
            Scenario::Idle(crate::plan::scenario::streams::Idle { domains: 1, ..defaults() }).plan().expect("a plan");
        assert!(matches!(plan.load, Load::Idle));
        let authority = Authority::new().expect("an authority");
        let bare = Bare { plan: &plan, authority: &authority, system_core: 0, engine_core: 0 };
        let (near, mut far) = bare.connect().expect("a connection").pop().expect("of one lane");
        let stanza = crate::plan::Stanza { kind: crate::plan::StanzaKind::Presence, bytes: 450 };
        let departure = Departure { at: Duration::ZERO, sender: 0, stanza, class: crate::plan::Class::Plain };
        let mut desk = Desk::new(vec![near]);
        desk.depart(&departure, &[(0, 7)]).expect("it departs");
        drop(desk);
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut far.stream, &mut bytes).expect("all of it");
        let mut numbers = Vec::new();
        let mut note = |received: Received<'_>| {
            if let Received::Plaintext(plain) = received {
                assert_eq!(plain.len(), 450);
                numbers.push(plain[0]);
            }
        };
        far.session.receive(&mut bytes, &mut Vec::new(), &mut note).expect("records");
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6]);
    }
}
