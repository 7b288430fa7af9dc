//! Senders connected to receivers: nothing may be lost, and all that is counted has to add up.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};

use loadgen::engine::Live;
use loadgen::measure::{Phase, Series, total};
use loadgen::outcome::{Counts, Streams};
use loadgen::plan::scenario::{fanout, mixed};
use loadgen::plan::{Disturbance, Load, Party, Plan, Scenario, Stanza, StanzaKind, Transport, defaults};
use loadgen::systems::{Attachment, RelayTls};

use crate::faults::{is_of_the_account, verdict};
use crate::plans::{self, MS, STARTTLS};

fn play(plan: &Plan) -> loadgen::engine::Measured {
    plans::play(plan, &[0], Attachment::Direct).expect("a run")
}

/// Nothing but `scheduled` and what follows from it.
fn flawless(scheduled: u64, counts: Counts) -> Counts {
    let Counts { departures, bytes, .. } = counts;
    Counts { departures, scheduled, arrived: scheduled, bytes, ..Counts::default() }
}

#[test]
fn paced_fan_out_reaches_every_contact_once_over_every_transport() {
    for (direct_tls, dialback) in [(false, false), (true, false), (false, true)] {
        let mut plan = plans::fan_out(5, 80);
        plan.transport = Transport { direct_tls, dialback, ..STARTTLS };
        let measured = play(&plan);
        let counts = measured.counts;
        assert_eq!((counts.departures, counts.scheduled), (60, 600), "{measured:?}");
        assert_eq!(counts, flawless(600, counts));
        assert_eq!(counts.bytes, 600 * 450);
        let of = |series| total(&measured.intervals, series, Phase::Measure).len();
        assert_eq!([Series::Recipient, Series::Last, Series::SendLag, Series::Offered].map(of), [600, 60, 60, 600]);
        assert_eq!(total(&measured.intervals, Series::Handshake, Phase::Connect).len(), 10);
        assert_eq!((measured.streams.open, measured.streams.lost), (20, 0));
    }
}

/// A plan as a command line makes it, but short; what is wrong with its account.
fn unsound(mut scenario: Scenario) -> (Plan, Vec<String>) {
    let basics = match &mut scenario {
        Scenario::Mixed(options) => &mut options.basics,
        Scenario::Fanout(options) => &mut options.basics,
        other => panic!("{other:?}"),
    };
    (basics.warm_up, basics.duration) = (200 * MS, 800 * MS);
    let plan = scenario.plan().expect("a plan");
    let measured = play(&plan);
    assert!(measured.counts.arrived > 10, "{measured:?}");
    let invalid = verdict(&plan, &measured).invalid;
    (plan, invalid.into_iter().filter(|reason| is_of_the_account(reason)).collect())
}

#[test]
fn account_of_a_usual_day_balances_though_some_know_nobody_on_the_other_side() {
    let options: mixed::Options = defaults();
    let options = mixed::Options { users: 500, contacts: 2.0, changes: 500.0, session: 0.05, domains: 3, ..options };
    let known = options.contacts * options.remote;
    assert!(known < 1.0, "many users have no remote contact");
    let (_, unsound) = unsound(Scenario::Mixed(options));
    assert_eq!(unsound, Vec::<String>::new());
}

#[test]
fn account_of_fan_outs_to_one_contact_balances() {
    let options: fanout::Options = defaults();
    let options = fanout::Options { contacts: 1, domains: 1, users: 10, rate: 100.0, ..options };
    let (plan, unsound) = unsound(Scenario::Fanout(options));
    assert_eq!((plan.main_series(), unsound), (Some(Series::Last), Vec::new()));
}

#[test]
fn window_beyond_what_may_wait_is_not_filled_and_loses_nothing() {
    // More than 64 MiB: once this kept the engine in one turn for ever, and its memory growing.
    let stanza = Stanza { kind: StanzaKind::Message, bytes: 65_536 };
    let mut plan = plans::pairs(1, Load::Saturating { window: 1_500, per_record: 1, stanza });
    plan.phases.measure = 3_000 * MS;
    plan.deadline = 20_000 * MS;
    let counts = play(&plan).counts;
    assert!(counts.arrived > 0, "{counts:?}");
    assert_eq!(counts, flawless(counts.scheduled, counts));
}

#[test]
fn core_that_panics_ends_the_run_in_one_line() {
    let mut plan = plans::pairs(2, Load::Saturating { window: 1, per_record: 1, stanza: plans::PRESENCE });
    plan.senders[0].contacts[0].lane = 99;
    let line = plans::play(&plan, &[0], Attachment::Direct).expect_err("there is no such lane").to_string();
    assert_eq!(line, "engine core 0 panicked");
}

#[test]
fn presence_of_remote_users_reaches_the_local_domain() {
    let mut plan = plans::pairs(3, Load::Idle);
    plan.load = Load::Paced(plans::every(&plan, 80, |number| 3 + number % 3));
    let counts = play(&plan).counts;
    assert_eq!(counts, flawless(60, counts));
}

#[test]
fn two_cores_hand_over_what_arrives_for_the_other() {
    let mut plan = plans::pairs(4, Load::Idle);
    plan.load = Load::Paced(plans::every(&plan, 160, |number| number % 8));
    let measured = plans::play(&plan, &[0, 1], Attachment::Direct).expect("a run");
    assert_eq!(measured.counts, flawless(120, measured.counts));
    assert_eq!(measured.streams.open, 16);
}

#[test]
fn saturating_keeps_the_windows_full_and_loses_nothing() {
    for (cores, window, per_record) in [(&[0][..], 1, 1), (&[0], 16, 8), (&[0, 1], 16, 8)] {
        let plan = plans::pairs(3, Load::Saturating { window, per_record, stanza: plans::PRESENCE });
        let measured = plans::play(&plan, cores, Attachment::Direct).expect("a run");
        let counts = measured.counts;
        assert!(counts.arrived > 1_000, "{measured:?}");
        // At both ends of the measured phase, windows were on their way.
        assert!(counts.arrived.abs_diff(measured.carried) <= 6 * u64::from(window), "{measured:?}");
        assert_eq!(counts, flawless(counts.scheduled, counts));
        assert_eq!(total(&measured.intervals, Series::Transit, Phase::Measure).len(), counts.arrived);
        assert!(measured.processor.engine > 0.0 && measured.processor.engine_busy <= 1.0);
    }
}

#[test]
fn streams_are_opened_and_closed_one_after_the_other_until_the_time_is_up() {
    let plan = plans::pairs(3, Load::Connecting { at_once: 4, total: None, close: true });
    let measured = play(&plan);
    let handshakes = measured.streams.handshakes;
    assert!(handshakes > 20 && measured.streams.failed == 0, "{measured:?}");
    assert!(measured.phases.connect > 0.0, "what was before the load stays before it: {:?}", measured.phases);
    assert!(total(&measured.intervals, Series::Handshake, Phase::Measure).len() >= handshakes);
    assert_eq!((measured.streams.lanes, measured.counts), (0, Counts::default()));
}

#[test]
fn every_handshake_is_full_unless_resumption_is_wished() {
    for resumption in [false, true] {
        let mut plan = plans::pairs(3, Load::Connecting { at_once: 2, total: Some(40), close: true });
        plan.transport.resumption = resumption;
        plan.phases.measure = 60_000 * MS;
        let Streams { handshakes, opened, accepted, .. } = play(&plan).streams;
        assert_eq!((handshakes, opened.full + opened.resumed), (40, 40));
        assert_eq!(opened, accepted);
        // Six lanes: the first stream of each has nothing to resume, and so may others that were under way with it.
        assert_eq!(opened.resumed >= 20, resumption, "{opened:?}");
        assert!(resumption || opened.resumed == 0, "{opened:?}");
    }
}

#[test]
fn given_number_of_streams_is_opened_and_the_run_ends_with_the_last() {
    let mut plan = plans::pairs(3, Load::Connecting { at_once: 8, total: Some(20), close: false });
    plan.phases.measure = 60_000 * MS;
    for cores in [&[0][..], &[0, 1]] {
        let measured = plans::play(&plan, cores, Attachment::Direct).expect("a run");
        assert_eq!((measured.streams.handshakes, measured.streams.failed), (20, 0));
        assert!(measured.phases.measure < 20.0, "{:?}", measured.phases);
    }
}

#[test]
fn idle_streams_are_all_open_and_nothing_is_counted() {
    let measured = play(&plans::pairs(40, Load::Idle));
    assert_eq!((measured.streams.open, measured.counts), (160, Counts::default()));
    assert_eq!((measured.streams.lanes, measured.carried), (80, 0), "both ends of a stream are open here");
}

#[test]
fn vanished_domain_gets_nothing_until_it_is_back() {
    let mut plan = plans::pairs(2, Load::Idle);
    // Only remote 1 sends and vanishes: what is due meanwhile has no stream.
    plan.load = Load::Paced(plans::every(&plan, 80, |_| 3));
    plan.disturbance = Some(Disturbance::Vanishes { domains: 1..2, pause: 200 * MS, over: 100 * MS });
    let measured = play(&plan);
    let counts = measured.counts;
    assert_eq!((counts.scheduled, counts.arrived + counts.unsent + counts.missing), (60, 60));
    assert!((18..=30).contains(&counts.unsent), "{counts:?}");
    assert!(counts.arrived >= 30 && counts.missing <= 1, "{counts:?}");
    let streams = &measured.streams;
    assert_eq!((streams.handshakes, streams.failed, streams.lost), (2, 0, 0), "{streams:?}");
    // One domain, so nothing is spread: both of its streams are due after the pause.
    assert!(streams.back_after.is_some_and(|after| after > 0.0 && after < 0.5), "{streams:?}");
}

/// Remote 0 stays, 1 to 3 come and go; all eight lanes send in turn, so that one of theirs has a stanza every 80 ms.
fn comings_and_goings() -> Plan {
    let mut plan = plans::pairs(4, Load::Idle);
    plan.load = Load::Paced(plans::every(&plan, 80, |number| number % 8));
    plan.disturbance = Some(Disturbance::ComesAndGoes { domains: 1..4, stay: 20 * MS });
    plan
}

#[test]
fn streams_that_come_and_go_carry_a_stanza_each_and_are_not_missed() {
    for cores in [&[0][..], &[0, 1]] {
        let measured = plans::play(&comings_and_goings(), cores, Attachment::Direct).expect("a run");
        assert_eq!(measured.counts, flawless(60, measured.counts));
        let streams = &measured.streams;
        // Two lanes of eight have streams that stay, and each of these two ends here.
        assert_eq!((streams.open, streams.failed, streams.lost), (4, 0, 0), "{streams:?}");
        assert_eq!((streams.opened.full, streams.accepted.full), (62, 62), "{streams:?}");
        assert!((40..=48).contains(&streams.handshakes), "{streams:?}");
        let offered = total(&measured.intervals, Series::Offered, Phase::Measure).len();
        assert_eq!(offered, 15, "a stanza that waits for its stream says nothing of the generator");
        let growth = measured.growth.expect("it was looked at");
        assert!(growth.held.len() > 50 && growth.memory.is_none(), "there is no system: {growth:?}");
    }
}

#[test]
fn domain_that_stops_reading_costs_its_own_stanzas_only() {
    let mut plan = plans::pairs(2, Load::Idle);
    plan.load = Load::Paced(plans::every(&plan, 80, |number| number % 2));
    plan.disturbance = Some(Disturbance::StopsReading(Party::Remote(1)));
    let counts = play(&plan).counts;
    assert_eq!((counts.scheduled, counts.arrived + counts.missing), (60, 60));
    assert!((30..=32).contains(&counts.arrived), "{counts:?}");
}

#[test]
fn interrupted_run_ends_early_and_says_so() {
    let mut plan = plans::fan_out(2, 80);
    plan.phases.measure = 60_000 * MS;
    let stage = plans::stage(&plan, &[0]).expect("a stage");
    let (stop, live) = (AtomicBool::new(false), Live::default());
    let measured = std::thread::scope(|scope| {
        let run = scope.spawn(|| stage.run(Attachment::Direct, &plans::Nobody, &live, &stop));
        while live.glimpse().phase != Phase::Measure {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        run.join().expect("no panic").expect("a run")
    });
    assert!(measured.interrupted && measured.phases.measure < 10.0);
    assert_eq!(measured.counts, flawless(measured.counts.scheduled, measured.counts));
    assert_eq!((live.glimpse().opened, live.glimpse().to_open), (4, 4));
}

#[test]
fn unreachable_target_is_one_line() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    for load in [Load::Idle, Load::Connecting { at_once: 2, total: None, close: true }] {
        let attachment = Attachment::Relay { entry: nowhere, entry_tls: RelayTls::None, exit_tls: RelayTls::None };
        let error = plans::play(&plans::pairs(2, load), &[0], attachment).expect_err("nobody is there");
        let line = format!("{error:#}");
        assert!(line.contains(".test to ") && line.contains(" at 127.0.0.1:1: Connection refused"), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}

#[test]
fn target_that_never_answers_is_one_line() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let entry = silent.local_addr().expect("an address");
    let attachment = Attachment::Relay { entry, entry_tls: RelayTls::None, exit_tls: RelayTls::None };
    let mut plan = plans::pairs(2, Load::Idle);
    plan.phases.connect = 300 * MS;
    let line = plans::play(&plan, &[0], attachment).expect_err("nobody answers").to_string();
    assert!(line.contains("no stream within 300ms; 4 streams are not open"), "{line}");
}

#[test]
fn refused_authentication_is_one_line() {
    let mut plan = plans::pairs(1, Load::Idle);
    // The receiving side's certificate does not prove the sender's idea of it: two stages trust two authorities.
    let other = plans::stage(&plan, &[0]).expect("a stage");
    let entry = other.backends()[0];
    plan.phases.connect = 1_000 * MS;
    let attachment = Attachment::Proxy { public: entry, public_direct_tls: entry, internal: entry };
    let (stop, quiet) = (AtomicBool::new(false), Live::default());
    let line = std::thread::scope(|scope| {
        let refusing = scope.spawn(|| other.run(Attachment::Direct, &plans::Nobody, &quiet, &stop));
        let error = plans::play(&plan, &[0], attachment).expect_err("another authority");
        stop.store(true, Ordering::Relaxed);
        drop(refusing.join().expect("no panic"));
        error.to_string()
    });
    assert!(line.contains(".test to ") && line.lines().count() == 1, "{line}");
}
