//! The engine plays through real systems: their configurations fit what it does.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::ValueEnum;
use loadgen::engine::{Ground, Live, Measured, Stage, SystemWatch};
use loadgen::plan::{
    Attack, Class, Contact, Departure, Disturbance, Lane, Load, Party, Phases, Plan, Sender, Slo, Stanza, StanzaKind,
    Timetable, Transport,
};
use loadgen::systems::scratch::Scratch;
use loadgen::systems::{self, Programs, Setting, System, Under};

const PRESENCE: Stanza = Stanza { kind: StanzaKind::Presence, bytes: 450 };
const MS: Duration = Duration::from_millis(1);
/// Over warm-up and measured phase.
const DEPARTURES: u32 = 200;

/// Two local and two remote domains, a lane each way between all, a sender for each lane.
fn plan(transport: Transport) -> Plan {
    let pairs = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(local, remote)| (Party::Local(local), Party::Remote(remote)));
    let mut lanes: Vec<Lane> = pairs.iter().map(|&(local, remote)| Lane { from: remote, to: local }).collect();
    lanes.extend(pairs.iter().map(|&(local, remote)| Lane { from: local, to: remote }));
    let count = lanes.len() as u32;
    let sender = |lane| Sender { user: 3, contacts: [Contact { lane, user: lane }].into() };
    let phases = Phases { connect: 10_000 * MS, warm_up: 200 * MS, measure: 600 * MS };
    let step = (phases.warm_up + phases.measure) / DEPARTURES;
    let departure =
        |number| Departure { at: step * number, sender: number % count, stanza: PRESENCE, class: Class::Plain };
    Plan {
        scenario: "test",
        seed: 1,
        locals: 2,
        remotes: 2,
        transport,
        senders: (0..count).map(sender).collect(),
        lanes,
        load: Load::Paced(Timetable::new((0..DEPARTURES).map(departure).collect())),
        phases,
        deadline: 2_000 * MS,
        disturbance: None,
        slo: Slo::default(),
        options: serde_json::Value::Null,
    }
}

fn play(system: System, plan: &Plan) -> anyhow::Result<Measured> {
    play_on(system, plan, 1)
}

/// Plays so often on the same stage and system, and gives the last run.
fn play_on(system: System, plan: &Plan, runs: u32) -> anyhow::Result<Measured> {
    play_with(system, plan, None, |stage, under| {
        for _ in 1..runs {
            run(stage, under)?;
        }
        run(stage, under)
    })
}

fn run(stage: &Stage, under: &Under) -> anyhow::Result<Measured> {
    stage.run(under.attachment.clone(), under, &Live::default(), &AtomicBool::new(false))
}

/// Sets the stage, starts the system, if ringgate with so many shards, and plays.
fn play_with<T>(
    system: System,
    plan: &Plan,
    shards: Option<u16>,
    play: impl FnOnce(&Stage, &Under) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let stage = Stage::set(plan, &[0], Ground::new(system)?)?;
    let scratch = Scratch::new(false)?;
    let setting = Setting {
        locals: &stage.local_domains(),
        backends: &stage.backends(),
        authority: stage.authority(),
        dns: stage.dns(),
        transport: plan.transport,
        cores: &[0],
        scratch: &scratch,
        programs: &Programs { own: Some(env!("CARGO_BIN_EXE_loadgen").into()), ringgate: None, shards },
    };
    let under = systems::start(system, &setting)?;
    let before = under.processor();
    let measured = play(&stage, &under);
    under.check()?;
    assert!(under.processor() > before);
    measured
}

/// Everything arrives, once, in order, unchanged.
fn assert_carries(system: System, transport: Transport) {
    let measured = play(system, &plan(transport)).unwrap();
    let counts = measured.counts;
    assert!(counts.scheduled > 100, "{counts:?}");
    assert_eq!(counts.arrived, counts.scheduled, "{counts:?}");
    assert_eq!((counts.duplicated, counts.reordered, counts.foreign, counts.bounced), (0, 0, 0, 0), "{counts:?}");
    assert_eq!(measured.streams.lost, 0, "{:?}", measured.streams);
}

const EXTERNAL: Transport = Transport { direct_tls: false, dialback: false, inside_tls: false, resumption: false };

#[test]
fn ringgate_carries_over_starttls_and_external() {
    assert_carries(System::Ringgate, EXTERNAL);
}

#[test]
fn ringgate_carries_over_direct_tls_and_external_and_tls_inside() {
    assert_carries(System::Ringgate, Transport { direct_tls: true, inside_tls: true, ..EXTERNAL });
}

#[test]
fn ringgate_carries_over_starttls_and_dialback_and_tls_inside() {
    assert_carries(System::Ringgate, Transport { dialback: true, inside_tls: true, ..EXTERNAL });
}

#[test]
fn haproxy_carries_with_clear_text_inside() {
    assert_carries(System::Haproxy, EXTERNAL);
}

#[test]
fn haproxy_carries_with_tls_on_both_sides() {
    assert_carries(System::Haproxy, Transport { inside_tls: true, ..EXTERNAL });
}

#[test]
fn haproxy_carries_for_strangers() {
    assert_carries(System::Haproxy, Transport { dialback: true, inside_tls: true, ..EXTERNAL });
}

#[test]
fn xmpp_proxy_carries_over_starttls() {
    assert_carries(System::XmppProxy, EXTERNAL);
}

#[test]
fn prosody_carries_over_starttls_and_external() {
    assert_carries(System::Prosody, EXTERNAL);
}

#[test]
fn prosody_carries_over_direct_tls_and_dialback() {
    assert_carries(System::Prosody, Transport { direct_tls: true, dialback: true, ..EXTERNAL });
}

#[test]
fn ejabberd_carries_over_starttls_and_external() {
    assert_carries(System::Ejabberd, EXTERNAL);
}

#[test]
fn ejabberd_carries_over_direct_tls_and_dialback() {
    assert_carries(System::Ejabberd, Transport { direct_tls: true, dialback: true, ..EXTERNAL });
}

/// Streams are opened, authenticated and closed, with nothing else on the system.
fn assert_takes_streams(system: System) {
    let mut plan = plan(EXTERNAL);
    plan.lanes.retain(|lane| matches!(lane.from, Party::Remote(_)));
    plan.senders.clear();
    plan.load = Load::Connecting { at_once: 2, total: None, close: true };
    let measured = play(system, &plan).unwrap();
    assert!(measured.streams.handshakes > 5 && measured.streams.failed == 0, "{measured:?}");
}

#[test]
fn ringgate_takes_streams_one_after_the_other() {
    assert_takes_streams(System::Ringgate);
}

#[test]
fn ejabberd_takes_streams_to_its_components_one_after_the_other() {
    assert_takes_streams(System::Ejabberd);
}

/// The second remote domain comes and goes: a stream for each of its stanzas, in every way in which one can end.
fn visited(transport: Transport) -> Plan {
    let mut plan = plan(transport);
    plan.phases.measure = 1_400 * MS;
    let lanes = plan.lanes.len() as u32;
    // Of each lane a stanza every 160 ms.
    let step = 20 * MS;
    let departure =
        |number| Departure { at: step * number, sender: number % lanes, stanza: PRESENCE, class: Class::Plain };
    plan.load = Load::Paced(Timetable::new((0..80).map(departure).collect()));
    plan.disturbance = Some(Disturbance::ComesAndGoes { domains: 1..2, stay: 30 * MS });
    plan
}

#[test]
fn ringgate_loses_nothing_and_keeps_no_descriptor_of_streams_that_come_and_go() {
    for transport in [EXTERNAL, Transport { dialback: true, inside_tls: true, ..EXTERNAL }] {
        let measured = play_with(System::Ringgate, &visited(transport), None, |stage, under| {
            // The least of a second: streams of the run are ended in it.
            let held = || (0..20).map(|_| (std::thread::sleep(50 * MS), under.descriptors()).1).min();
            run(stage, under)?;
            let before = held();
            let measured = run(stage, under)?;
            assert_eq!(held(), before);
            Ok(measured)
        });
        let Measured { counts, streams, growth, .. } = measured.unwrap();
        assert_eq!((counts.scheduled, counts.arrived), (70, 70), "{counts:?}");
        assert_eq!((counts.duplicated, counts.reordered, counts.foreign, counts.bounced), (0, 0, 0, 0), "{counts:?}");
        assert_eq!((streams.failed, streams.lost), (0, 0), "{streams:?}");
        assert!((25..=35).contains(&streams.handshakes), "{streams:?}");
        let growth = growth.expect("it was looked at");
        assert!(growth.held.iter().all(|look| look.resident_bytes > 1 << 20 && look.descriptors > 20), "{growth:?}");
    }
}

#[test]
fn stanzas_of_domain_pairs_stay_on_one_of_two_shards() {
    let shards = |count| {
        play_with(System::Ringgate, &plan(EXTERNAL), Some(count), |stage, under| {
            let counts = run(stage, under)?.counts;
            assert_eq!((counts.arrived, counts.missing), (counts.scheduled, 0), "{counts:?}");
            under.shards()
        })
    };
    let two = shards(2).unwrap().expect("two shards");
    assert_eq!((two.count, two.stanzas_crossed), (2, 0), "{two:?}");
    let one = shards(1).unwrap().expect("the same configuration");
    assert_eq!((one.count, one.streams_moved, one.stanzas_crossed), (1, 0, 0));
}

/// A second run on the same system, which may remember the sessions of the first, in both directions.
#[test]
fn ringgate_resumes_sessions_if_wished_and_only_then() {
    for resumption in [false, true] {
        let streams = play_on(System::Ringgate, &plan(Transport { resumption, ..EXTERNAL }), 2).unwrap().streams;
        for sessions in [streams.opened, streams.accepted] {
            assert_eq!(sessions.full + sessions.resumed, 4, "{streams:?}");
            assert_eq!(sessions.resumed > 0, resumption, "{streams:?}");
        }
    }
}

/// Every kind of attack, on one system: nothing of the others is lost, and what it sends is no reason to end its streams.
#[test]
fn ringgate_carries_everything_beside_an_attacker() {
    for &how in Attack::value_variants() {
        let mut plan = plan(EXTERNAL);
        plan.disturbance = Some(Disturbance::Attacks { from: Party::Remote(1), how });
        let Measured { counts, streams, attack, .. } = play(System::Ringgate, &plan).unwrap();
        assert_eq!(counts.arrived, counts.scheduled, "{how:?}: {counts:?}");
        assert_eq!((counts.reordered, counts.foreign, streams.lost), (0, 0, 0), "{how:?}: {counts:?} {streams:?}");
        assert_eq!(attack.is_some(), how != Attack::None, "{how:?}");
        let attack = attack.unwrap_or_default();
        assert_eq!((attack.closed, attack.refused), (0, 0), "{how:?}: {attack:?}");
        match how {
            Attack::None => {}
            Attack::Reconnect => assert!(attack.streams > 5, "{how:?}: {attack:?}"),
            _ => assert!(attack.bytes > 10_000, "{how:?}: {attack:?}"),
        }
    }
}
