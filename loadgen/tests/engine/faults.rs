//! A system that does something wrong on purpose is caught, by exactly the counts that are meant for it.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use loadgen::engine::{Live, Measured};
use loadgen::measure::{Phase, Series, total};
use loadgen::outcome::{Attacked, Counts, Verdict};
use loadgen::plan::{Attack, Class, Contact, Departure, Disturbance, Load, Party, Phases, Plan, Sender, Timetable};
use loadgen::rig::{Cores, judge};
use loadgen::systems::Attachment;

use crate::plans::{self, MS};
use crate::saboteur::{Fault, Saboteur};

const STANZAS: u64 = 50;

/// 50 stanzas on one lane, one every 10 ms.
fn plan() -> Plan {
    let mut plan = plans::pairs(2, Load::Idle);
    plan.phases = Phases { warm_up: Duration::ZERO, measure: 500 * MS, ..plan.phases };
    plan.deadline = 400 * MS;
    plan.load = Load::Paced(plans::every(&plan, STANZAS as u32, |_| 0));
    plan
}

/// What came of it, and how often the relay did wrong.
fn play(fault: Fault, nth: u64) -> (Measured, u64) {
    play_plan(&plan(), fault, nth)
}

fn play_plan(plan: &Plan, fault: Fault, nth: u64) -> (Measured, u64) {
    let stage = plans::stage(plan, &[0]).expect("a stage");
    let saboteur = Saboteur::start(stage.backends()[0], fault, nth);
    let attachment = saboteur.attachment();
    let measured = stage.run(attachment, &plans::Nobody, &Live::default(), &AtomicBool::new(false)).expect("a run");
    // Whatever the system does, the generator's own account adds up.
    let unsound: Vec<String> = verdict(stage.plan(), &measured).invalid;
    assert!(!unsound.iter().any(|reason| is_of_the_account(reason)), "{fault:?}: {unsound:?}");
    (measured, saboteur.done())
}

/// Whether a reason to call a run invalid is that something was lost in the generator itself.
pub(crate) fn is_of_the_account(reason: &str) -> bool {
    ["the account does not balance", "latencies were recorded", "the plan was not kept"]
        .iter()
        .any(|words| reason.contains(words))
}

pub(crate) fn verdict(plan: &Plan, measured: &Measured) -> Verdict {
    judge(plan, measured, &Cores { system: vec![0], engine: vec![0] })
}

/// Counts of a run in which everything arrived as it should.
fn flawless() -> Counts {
    let bytes = STANZAS * u64::from(plans::PRESENCE.bytes);
    Counts { departures: STANZAS, scheduled: STANZAS, arrived: STANZAS, bytes, ..Counts::default() }
}

/// As [`flawless`], but so many did not arrive in time.
fn without(missing: u64) -> Counts {
    let all = flawless();
    let bytes = all.bytes - missing * u64::from(plans::PRESENCE.bytes);
    Counts { arrived: STANZAS - missing, missing, bytes, ..all }
}

#[test]
fn relay_that_does_nothing_wrong_is_flawless() {
    let (measured, done) = play(Fault::None, 1);
    assert_eq!((measured.counts, done), (flawless(), 0));
    assert!(measured.carried >= STANZAS - 5, "{measured:?}");
}

#[test]
fn dropped_stanzas_are_missing_and_recorded_at_the_deadline() {
    let (measured, done) = play(Fault::Drop, 7);
    assert_eq!((measured.counts, done), (without(7), 7));
    let recipients = total(&measured.intervals, Series::Recipient, Phase::Measure);
    assert_eq!(recipients.len(), STANZAS);
    assert_eq!(recipients.count_between(399_000_000, 401_000_000), 7);
}

#[test]
fn repeated_stanzas_are_duplicates() {
    let (measured, done) = play(Fault::Duplicate, 7);
    assert_eq!((measured.counts, done), (Counts { duplicated: 7, ..flawless() }, 7));
}

#[test]
fn overtaken_stanzas_are_reordered() {
    let (measured, done) = play(Fault::Swap, 7);
    assert_eq!((measured.counts, done), (Counts { reordered: 7, ..flawless() }, 7));
}

#[test]
fn stanzas_after_their_deadline_are_late_and_missing() {
    let (measured, done) = play(Fault::Delay(600 * MS), 7);
    // Each is overtaken by the next one, too.
    assert_eq!((measured.counts, done), (Counts { late: 7, reordered: 7, ..without(7) }, 7));
}

#[test]
fn stall_is_seen_by_everything_that_was_due_meanwhile() {
    let (measured, done) = play(Fault::Stall(200 * MS), 20);
    assert_eq!((measured.counts, done), (flawless(), 2));
    let recipients = total(&measured.intervals, Series::Recipient, Phase::Measure);
    // A generator that waited for answers would have seen two slow stanzas; two stalls of 200 ms are 20 that wait over 100 ms.
    let slow = recipients.count_between(100_000_000, u64::MAX);
    assert!((15..=40).contains(&slow), "{slow}");
    let lag = total(&measured.intervals, Series::SendLag, Phase::Measure);
    let usual = lag.value_at_quantile(0.9);
    assert!(usual < 50_000_000, "the stall is the system's, not the generator's: {usual} ns");
}

#[test]
fn what_arrives_after_the_measured_phase_was_not_carried_in_it() {
    let (measured, done) = play(Fault::Delay(200 * MS), 1);
    assert_eq!((measured.counts.arrived, done), (STANZAS, STANZAS));
    // Of the 50 of the 500 ms, those of the last 200 ms arrive after the end.
    assert!((20..=31).contains(&measured.carried), "{measured:?}");
}

#[test]
fn what_was_due_before_the_measured_phase_and_arrives_in_it_was_carried_in_it() {
    let mut plan = plan();
    plan.phases.warm_up = 500 * MS;
    plan.load = Load::Paced(plans::every(&plan, 2 * STANZAS as u32, |_| 0));
    let (measured, _) = play_plan(&plan, Fault::Delay(200 * MS), 1);
    assert_eq!(measured.counts.arrived, STANZAS);
    // 20 of the warm-up came, 20 of its own did not; a busy machine moves both ends.
    assert!((40..=55).contains(&measured.carried), "{measured:?}");
}

#[test]
fn altered_stanzas_are_foreign_and_missing() {
    for fault in [Fault::Alter, Fault::Misdirect] {
        let (measured, done) = play(fault, 7);
        assert_eq!((measured.counts, done), (Counts { foreign: 7, ..without(7) }, 7), "{fault:?}");
    }
}

#[test]
fn stanzas_on_the_stream_of_another_domain_are_foreign_and_missing() {
    let (measured, done) = play(Fault::Mislay, 7);
    assert_eq!((measured.counts, done), (Counts { foreign: 7, ..without(7) }, 7));
}

#[test]
fn stanzas_that_come_back_as_errors_are_bounced_and_missing() {
    let (measured, done) = play(Fault::Bounce, 7);
    assert_eq!((measured.counts, done), (Counts { bounced: 7, ..without(7) }, 7));
}

#[test]
fn what_is_due_on_a_stream_that_the_system_cut_is_unsent_and_the_stream_lost() {
    let (measured, done) = play(Fault::Cut, 21);
    let counts = measured.counts;
    assert_eq!((counts.arrived, done), (20, 1));
    // The one in whose place it was cut, and what was written before the end was noticed.
    assert!((1..=5).contains(&counts.missing), "{counts:?}");
    assert_eq!(counts.missing + counts.unsent, 30);
    let streams = &measured.streams;
    assert_eq!((streams.lost, streams.failed), (1, 0), "{streams:?}");
    let verdict = verdict(&plan(), &measured);
    let blamed =
        |reason: &String| reason.starts_with("1 streams were lost; the first: l0.local.test to r0.remote.test");
    assert!(verdict.failed.iter().any(blamed), "{verdict:?}");
    assert!(!verdict.invalid.iter().any(|reason| reason.contains("stream")), "{verdict:?}");
}

#[test]
fn stanza_of_a_stream_that_the_system_cut_on_its_way_is_missing_and_the_stream_lost() {
    let mut plan = plan();
    plan.disturbance = Some(Disturbance::ComesAndGoes { domains: 0..1, stay: 200 * MS });
    let (measured, done) = play_plan(&plan, Fault::Cut, 1);
    assert_eq!((measured.counts, done), (Counts { bytes: 0, ..without(STANZAS) }, STANZAS));
    let streams = &measured.streams;
    assert_eq!((streams.handshakes, streams.lost, streams.failed), (STANZAS, STANZAS, 0), "{streams:?}");
    assert!(verdict(&plan, &measured).failed.iter().any(|reason| reason.starts_with("50 streams were lost")));
}

#[test]
fn stanzas_of_streams_that_come_and_go_may_overtake_each_other() {
    let mut plan = plan();
    plan.disturbance = Some(Disturbance::ComesAndGoes { domains: 0..1, stay: 200 * MS });
    // Every fourth stream is ready when the next ones have carried their stanzas.
    let (measured, held) = play_plan(&plan, Fault::Hold(100 * MS), 4);
    assert_eq!((measured.counts, held), (flawless(), (STANZAS + 2) / 4), "with two streams that stay");
}

#[test]
fn stanza_whose_stream_never_came_about_is_unsent() {
    let mut plan = plan();
    plan.disturbance = Some(Disturbance::ComesAndGoes { domains: 0..1, stay: 200 * MS });
    // The two streams of the other domain stay.
    let (measured, silent) = play_plan(&plan, Fault::Silence, 32);
    assert_eq!((measured.counts, silent), (without(20), 20));
    let streams = &measured.streams;
    assert_eq!((streams.handshakes, streams.failed, streams.lost), (30, 20, 0), "{streams:?}");
    assert_eq!(streams.first_failed.as_deref(), Some("no stream within 10 s"));
    assert!(verdict(&plan, &measured).failed.iter().any(|reason| reason.contains("handshakes failed")));
}

#[test]
fn run_does_not_wait_for_an_attacker_that_is_not_let_in() {
    let mut plan = plan();
    plan.disturbance = Some(Disturbance::Attacks { from: Party::Remote(1), how: Attack::Elements });
    // The streams of the four lanes come first.
    let begin = Instant::now();
    let (measured, silent) = play_plan(&plan, Fault::Silence, 4);
    assert_eq!((measured.counts, measured.attack, silent), (flawless(), Some(Attacked::default()), 1));
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}: it would have given up after 10 s", begin.elapsed());
}

#[test]
fn handshakes_that_never_end_are_failed_and_recorded() {
    let mut plan = plan();
    plan.load = Load::Connecting { at_once: 4, total: Some(12), close: true };
    plan.phases.measure = 2_000 * MS;
    let (measured, silent) = play_plan(&plan, Fault::Silence, 8);
    assert_eq!((measured.streams.handshakes, measured.streams.failed, silent), (8, 4, 4), "{:?}", measured.streams);
    assert_eq!(measured.streams.first_failed.as_deref(), Some("no stream within 10 s"));
    let handshakes = total(&measured.intervals, Series::Handshake, Phase::Measure);
    assert_eq!((handshakes.len(), handshakes.count_between(9_900_000_000, u64::MAX)), (12, 4));
    assert!(verdict(&plan, &measured).failed[0].starts_with("4 handshakes failed; the first: no stream"));
}

#[test]
fn generator_that_departs_late_calls_its_own_run_invalid() {
    let mut plan = plans::fan_out(4, 1);
    let contacts = (0..100).map(|user| Contact { lane: user % 4, user }).collect();
    plan.senders = vec![Sender { user: 1, contacts }];
    // A thousand fan-outs at one instant: the last of them has to wait until the others are written.
    let at = plan.phases.warm_up + 10 * MS;
    let departure = Departure { at, sender: 0, stanza: plans::PRESENCE, class: Class::Plain };
    plan.load = Load::Paced(Timetable::new(vec![departure; 1_000]));
    plan.deadline = 10_000 * MS;
    let measured = plans::play(&plan, &[0], Attachment::Direct).expect("a run");
    assert_eq!((measured.counts.scheduled, measured.counts.arrived), (100_000, 100_000));
    let invalid = verdict(&plan, &measured).invalid;
    assert!(
        invalid.iter().any(|reason| reason.starts_with("the generator was late: p90 of the send lag")),
        "{invalid:?}"
    );
    assert!(!invalid.iter().any(|reason| is_of_the_account(reason)), "{invalid:?}");
}
