//! Plans: the same everywhere, with the rates that the models say.

use std::time::Duration;

use clap::Parser;

use super::*;
use crate::measure::{Mode, Series};
use crate::plan::{Attack, Class, Departure, Disturbance, Load, StanzaKind};

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    scenario: Scenario,
}

pub(in crate::plan) fn scenario(line: &str) -> Scenario {
    Line::try_parse_from(std::iter::once("loadgen").chain(line.split(' '))).unwrap().scenario
}

fn plan(line: &str) -> Plan {
    scenario(line).plan().unwrap_or_else(|problem| panic!("{line}: {problem}"))
}

fn refusal(line: &str) -> String {
    scenario(line).plan().expect_err(line).to_string()
}

fn departures(plan: &Plan) -> &[Departure] {
    let Load::Paced(timetable) = &plan.load else { panic!("{} is not paced", plan.scenario) };
    timetable.departures()
}

fn stanzas_per_second(plan: &Plan) -> f64 {
    let phases = plan.phases;
    plan.tally(phases.warm_up + phases.measure).stanzas() as f64 / phases.measure.as_secs_f64()
}

/// FNV-1a over everything that is random in a plan.
fn digest(plan: &Plan) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    let mut feed = |value: u64| {
        for byte in value.to_le_bytes() {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for lane in &plan.lanes {
        for party in [lane.from, lane.to] {
            match party {
                Party::Local(number) => feed(u64::from(number)),
                Party::Remote(number) => feed(1 << 32 | u64::from(number)),
            }
        }
    }
    for sender in &plan.senders {
        feed(u64::from(sender.user));
        sender.contacts.iter().for_each(|contact| feed(u64::from(contact.lane) << 32 | u64::from(contact.user)));
    }
    if let Load::Paced(timetable) = &plan.load {
        for departure in timetable.departures() {
            feed(departure.at.as_nanos() as u64);
            feed(u64::from(departure.sender) << 32 | u64::from(departure.stanza.bytes));
        }
    }
    digest
}

const SHORT: [&str; 15] = [
    "fanout --duration 3s",
    "ietf-basic",
    "ietf-wide --duration 3s",
    "ietf-peering --duration 3s",
    "ietf-xl --scale 0.01 --duration 3s",
    "message --rate 1000 --duration 3s --direction both",
    "login-storm --duration 3s",
    "reconnect-storm --duration 3s",
    "hot-domain --duration 3s",
    "slow-peer --duration 3s",
    "hostile --duration 3s",
    "idle",
    "connect",
    "mixed --duration 3s",
    "soak --duration 3s --warm-up 1s",
];

#[test]
fn every_scenario_plans_what_is_consistent() {
    for line in SHORT {
        let plan = plan(line);
        let is_known = |party| match party {
            Party::Local(number) => number < plan.locals,
            Party::Remote(number) => number < plan.remotes,
        };
        assert!(plan.lanes.iter().all(|lane| is_known(lane.from) && is_known(lane.to)), "{line}");
        for sender in &plan.senders {
            let lanes = sender.contacts.iter().map(|contact| plan.lanes[contact.lane as usize]);
            let homes: std::collections::HashSet<Party> = lanes.map(|lane| lane.from).collect();
            assert!(homes.len() <= 1, "{line}: a user has one home");
        }
        if let Load::Paced(timetable) = &plan.load {
            let departures = timetable.departures();
            assert!(!departures.is_empty() && departures.is_sorted_by_key(|departure| departure.at), "{line}");
            let end = plan.phases.warm_up + plan.phases.measure;
            assert!(departures.iter().all(|departure| departure.at < end), "{line}");
            // What departs to nobody would be planned, but never be counted: the run would be invalid.
            let reaches = |sender: u32| plan.senders.get(sender as usize).map_or(0, |sender| sender.contacts.len());
            assert!(departures.iter().all(|departure| reaches(departure.sender) > 0), "{line}");
        }
        assert!(plan.options["seed"] == 1, "{line}: {}", plan.options);
        assert!(scenario(line).explain(&plan).len() > 5, "{line}");
    }
}

#[test]
fn plan_is_the_same_on_every_machine_and_another_with_another_seed() {
    let digests: Vec<u64> =
        ["fanout --duration 3s", "ietf-peering", "login-storm --duration 3s", "mixed --duration 3s"]
            .iter()
            .map(|line| digest(&plan(line)))
            .collect();
    assert_eq!(digests, [746945055167380165, 2812427153701609214, 1315331001272016820, 17182064848023105808]);
    assert_ne!(digest(&plan("fanout --duration 3s --seed 2")), digests[0]);
}

#[test]
fn ietf_models_have_their_published_rates() {
    for (line, rate) in [
        ("ietf-basic --duration 10m", 67.0),
        ("ietf-wide --duration 5m", 333.0),
        ("ietf-peering --duration 5m", 500.0),
        ("ietf-xl --duration 1s --warm-up 0s", 166_667.0),
    ] {
        let plan = plan(line);
        let got = stanzas_per_second(&plan);
        // Departures are a Poisson process: five standard deviations.
        let deviation = 5.0 / (departures(&plan).len() as f64).sqrt();
        assert!((got / rate - 1.0).abs() < deviation, "{line}: {got}");
        let explained = scenario(line).explain(&plan).join("\n");
        assert!(explained.contains(&format!("/ 3600 = {rate:.0}\n")), "{explained}");
    }
    let xl = plan("ietf-xl --duration 1s --warm-up 0s");
    let tally = xl.tally(Duration::from_secs(1));
    assert!((tally.out as f64 / tally.stanzas() as f64 - 0.5).abs() < 0.02, "both directions alike");
    assert_eq!(departures(&xl)[0].stanza.bytes, 425);
}

#[test]
fn worked_examples_of_the_traffic_model_come_out() {
    let line = "ietf-peering --users 100000 --changes 4 --duration 2m";
    assert!(scenario(line).explain(&plan(line)).join("\n").contains("/ 3600 = 1111\n"));
    assert!((stanzas_per_second(&plan(line)) - 1_111.0).abs() < 60.0);
    let line = "login-storm --duration 2m";
    let storm = plan(line);
    let explained = scenario(line).explain(&storm).join("\n");
    assert!(explained.contains("= 66.7\n") && explained.contains("(1 + 1 + 1) = 2000\n"), "{explained}");
    assert!((stanzas_per_second(&storm) - 2_000.0).abs() < 120.0, "{}", stanzas_per_second(&storm));
}

#[test]
fn login_is_presences_probes_and_answers_alike() {
    let storm = plan("login-storm --duration 5s --warm-up 0s --answer-after 0s");
    let count = |kind, is_out: bool| {
        let of = |departure: &&Departure| {
            let lane = storm.senders[departure.sender as usize].contacts[0].lane;
            departure.stanza.kind == kind && matches!(storm.lanes[lane as usize].from, Party::Local(_)) == is_out
        };
        let matching = departures(&storm).iter().filter(of);
        matching.map(|departure| storm.senders[departure.sender as usize].contacts.len()).sum::<usize>()
    };
    let presences = count(StanzaKind::Presence, true);
    assert!(presences > 1_000);
    assert_eq!([count(StanzaKind::Probe, true), count(StanzaKind::Presence, false)], [presences; 2]);
    assert_eq!(count(StanzaKind::Probe, false), 0);
}

#[test]
fn gaps_between_departures_are_exponential() {
    let plan = plan("message --rate 1000 --duration 60s");
    let gaps: Vec<f64> =
        departures(&plan).windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64() * 1_000.0).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    assert!((mean - 1.0).abs() < 0.02 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
}

#[test]
fn default_fan_out_supports_the_percentiles_it_promises() {
    let plan = plan("fanout");
    let tally = plan.tally(plan.phases.warm_up + plan.phases.measure);
    assert!(tally.departures >= 10_000 && tally.stanzas() >= 1_000_000, "{tally:?}");
    assert_eq!((plan.main_series(), plan.mode()), (Some(Series::Last), Mode::Open { fan_outs: true }));
    let first = plan.lanes.iter().position(|lane| lane.to == Party::Remote(0)).unwrap() as u32;
    let contacts: Vec<_> = plan.senders.iter().flat_map(|sender| &sender.contacts).collect();
    let share = contacts.iter().filter(|contact| contact.lane == first).count() as f64 / contacts.len() as f64;
    assert!((share - Zipf::new(20, 1.0).share(0)).abs() < 0.01, "{share}");
}

#[test]
fn fan_out_to_one_contact_is_recorded_as_one() {
    let plan = plan("fanout -k 1 -d 1 --duration 3s");
    assert_eq!((plan.main_series(), plan.mode()), (Some(Series::Last), Mode::Open { fan_outs: true }));
}

#[test]
fn attacker_has_no_part_in_the_usual_traffic_of_its_neighbours() {
    let plan = plan("hostile --duration 20s --rate 1000 --attack bytes");
    let attack = Disturbance::Attacks { from: Party::Remote(0), how: Attack::Bytes };
    assert_eq!((plan.disturbance.as_ref(), &plan.options["attack"]), (Some(&attack), &"bytes".into()));
    let departures = departures(&plan);
    assert!(departures.iter().all(|departure| departure.class == Class::Neighbour));
    let ends = departures.iter().map(|departure| plan.senders[departure.sender as usize].contacts[0].lane);
    let lanes: std::collections::HashSet<u32> = ends.collect();
    let of_attacker =
        |lane: &u32| [plan.lanes[*lane as usize].from, plan.lanes[*lane as usize].to].contains(&Party::Remote(0));
    assert!(!lanes.iter().any(of_attacker));
    assert!(lanes.len() > 60, "both ways: {}", lanes.len());
}

#[test]
fn hot_domain_has_its_factor_and_leaves_the_others_theirs() {
    let plan = plan("hot-domain --duration 20s --rate 1000");
    let tally = plan.tally(plan.phases.warm_up + plan.phases.measure);
    let share = Zipf::new(50, 1.0).share(0);
    let (stressed, neighbours) = (tally.stressed as f64 / 20.0, tally.neighbours as f64 / 20.0);
    assert!((stressed / (10_000.0 * share) - 1.0).abs() < 0.05, "{stressed}");
    assert!((neighbours / (1_000.0 * (1.0 - share)) - 1.0).abs() < 0.05, "{neighbours}");
    assert_eq!(plan.main_series(), Some(Series::Neighbour));
    let is_hot = |departure: &Departure| {
        let lane = plan.senders[departure.sender as usize].contacts[0].lane;
        plan.lanes[lane as usize].to == Party::Remote(0)
    };
    assert!(departures(&plan).iter().all(|departure| is_hot(departure) == (departure.class == Class::Stressed)));
}

#[test]
fn storm_of_a_hub_has_its_streams_and_no_stanzas_on_them() {
    let plan = plan("reconnect-storm --duration 10s");
    assert_eq!(plan.lanes.len(), 2 * 50 + 5_000);
    assert_eq!(plan.main_series(), Some(Series::Neighbour));
    let Some(Disturbance::Vanishes { domains, .. }) = &plan.disturbance else { panic!("{:?}", plan.disturbance) };
    let is_returning = |party| matches!(party, Party::Remote(number) if domains.contains(&number));
    for contact in plan.senders.iter().flat_map(|sender| &sender.contacts) {
        let lane = plan.lanes[contact.lane as usize];
        assert!(!is_returning(lane.from) && !is_returning(lane.to));
    }
    assert_eq!(plan.lanes.iter().filter(|lane| is_returning(lane.from)).count(), 5_000);
}

#[test]
fn saturating_messages_have_one_sender_with_one_contact_per_lane() {
    let plan = plan("message --window 64 --per-record 8 --domains 4 --direction both");
    assert!(matches!(plan.load, Load::Saturating { window: 64, per_record: 8, .. }));
    let lanes: Vec<u32> = plan.senders.iter().map(|sender| sender.contacts[0].lane).collect();
    assert_eq!(lanes, (0..8).collect::<Vec<_>>());
    assert!(plan.senders.iter().all(|sender| sender.contacts.len() == 1));
    assert_eq!((plan.main_series(), plan.mode()), (Some(Series::Transit), Mode::Closed));
}

#[test]
fn usual_day_has_the_rates_of_its_formula() {
    let plan = plan("mixed --duration 60s");
    let got = stanzas_per_second(&plan);
    // 100,000 users with 11.06 remote contacts: 1,229 + 115 + 38 + 23, and a few avatars.
    assert!((got / 1_405.0 - 1.0).abs() < 0.08, "{got}");
    let kinds = |kind| departures(&plan).iter().filter(|departure| departure.stanza.kind == kind).count();
    assert!([StanzaKind::Message, StanzaKind::Probe, StanzaKind::Avatar].iter().all(|kind| kinds(*kind) > 10));
}

#[test]
fn rate_of_a_search_is_the_rate_of_the_plan() {
    for line in [
        "fanout -k 1 -d 1",
        "ietf-wide",
        "message",
        "slow-peer",
        "reconnect-storm",
        "hot-domain --factor 1",
        "login-storm",
    ] {
        let mut scenario = scenario(&format!("{line} --duration 10s"));
        scenario.set_rate(700.0);
        let plan = scenario.plan().unwrap();
        let stanzas = if line == "login-storm" { 30.0 } else { 1.0 };
        let got = stanzas_per_second(&plan) / stanzas;
        assert!((got / 700.0 - 1.0).abs() < 0.3 && scenario.rate_unit().is_some(), "{line}: {got}");
        let set = scenario.rate_options().into_iter().map(|(option, value)| format!(" {option} {value}"));
        let again = self::plan(&format!("{line} --duration 10s{}", set.collect::<String>()));
        assert_eq!((&again.options, stanzas_per_second(&again)), (&plan.options, stanzas_per_second(&plan)));
    }
}

#[test]
fn impossible_options_end_in_one_line_that_says_what_would_be_possible() {
    for (line, expected) in [
        ("fanout --rate 0", "--rate 0 is not possible: 0.01 to 1000000"),
        ("fanout --rate NaN", "--rate NaN is not possible: 0.01 to 1000000"),
        ("fanout -k 10 -d 11", "10 contacts cannot be spread over 11 domains: take at most --domains 10"),
        ("message --window 9 --per-record 8", "a window of 9 is not made of records of 8: take --window 16"),
        (
            "message --window 100 --per-record 100",
            "100 messages of 500 bytes do not fit a TLS record: take at most --per-record 32",
        ),
        ("idle --domains 0", "--domains 0 is not possible: 1 to 100000"),
        ("idle --bytes", ""),
        (
            "message --rate 9999999 --duration 1h",
            "the plan has 36029996397 departures, the limit is 20000000: lower the rate or shorten --duration",
        ),
        ("reconnect-storm --returning 100000 -d 50000 --direction", ""),
        (
            "login-storm --window 10s",
            "a run of 33s is longer than the storm of 10s: take a longer --window or a shorter --duration",
        ),
        (
            "reconnect-storm --duration 2s",
            "the domains would return after the measured phase: take a --duration longer than 2s",
        ),
        ("ietf-xl --scale 1000", "--users 10000000000 is not possible: 2 to 4000000000"),
        (
            "fanout --users 1000000 -k 100000",
            "the plan has 100000000000 contacts, the limit is 100000000: take fewer users or contacts, or shorten --duration",
        ),
        (
            "fanout --locals 1000 -d 1000 -k 1000",
            "the plan has 200001 streams, the limit is 200000: take fewer domains",
        ),
        (
            "message --window 2000 --bytes 65536",
            "a window of 2000 messages of 65536 bytes is more than 64 MiB: take at most --window 1024",
        ),
        (
            "reconnect-storm --pause 5000000000000000h --over 5000000000000000h",
            "--pause 18000000000000000000 is not possible: 0 to 86400",
        ),
        ("mixed --deadline 0s", "--deadline 0 is not possible: 0.01 to 600"),
    ] {
        match expected {
            "" => assert!(Line::try_parse_from(std::iter::once("loadgen").chain(line.split(' '))).is_err(), "{line}"),
            _ => assert_eq!(refusal(line), expected),
        }
    }
}

#[test]
fn explanation_of_the_default_fan_out_reads_as_it_should() {
    let explained = scenario("fanout").explain(&plan("fanout")).join("\n");
    for line in [
        "stanzas/s = changes/s x contacts = 350 x 100 = 35000",
        "shares of the domains (Zipf): first 27.8 %, first 10 81.4 %, first 100 100.0 %",
        "1 local and 20 remote domains",
        "20 streams to remote domains, 0 from them: 20 handshakes (STARTTLS, SASL EXTERNAL, all full)",
        "p50, p90, p99, p99.9, p99.99, maximum",
        "connecting (at most 60s) + 3s warm-up + 30s measured + draining (at most 5s)",
    ] {
        assert!(explained.contains(line), "{line} is not in:\n{explained}");
    }
}

#[test]
fn soak_takes_its_time_and_its_visitors_never_meet_themselves() {
    let long = scenario("soak");
    let Scenario::Soak(options) = &long else { panic!("{long:?}") };
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert_eq!((options.basics.warm_up, options.basics.duration), (minutes(2), minutes(20)));
    let short = plan("soak --duration 100s --warm-up 20s --rate 1000 --churn 50");
    assert_eq!(
        (short.look_every(), plan("fanout --duration 3s").look_every()),
        (Some(short.phases.measure / 200), None)
    );
    let Some(Disturbance::ComesAndGoes { domains, stay }) = short.disturbance.clone() else { panic!("{short:?}") };
    assert_eq!((short.remotes, domains, stay), (800, 50..800, Duration::from_secs(1)));
    let visits = departures(&short).iter().filter(|departure| departure.class == Class::Stressed);
    let (mut last, mut count) = (std::collections::HashMap::new(), 0);
    for visit in visits {
        count += 1;
        let [contact] = &short.senders[visit.sender as usize].contacts[..] else { panic!("one stanza a stream") };
        if let Some(before) = last.insert(contact.lane, visit.at) {
            assert!(visit.at - before > Duration::from_secs(15), "{:?}", visit.at - before);
        }
    }
    assert!((5_500..6_500).contains(&count), "{count} in 120 s");
    let tally = short.tally(short.phases.warm_up + short.phases.measure);
    assert!((4_500..5_500).contains(&tally.stressed) && (98_000..102_000).contains(&tally.neighbours), "{tally:?}");
    assert!(tally.out.abs_diff(tally.inward) < 3_000, "{tally:?}");
    // Neighbours' stanzas are on lanes that stay.
    let stays = |lane: u32| {
        let lane = short.lanes[lane as usize];
        [lane.from, lane.to].iter().all(|party| !matches!(party, Party::Remote(50..)))
    };
    let load = departures(&short).iter().filter(|departure| departure.class == Class::Neighbour);
    let contacts = load.flat_map(|departure| &short.senders[departure.sender as usize].contacts);
    assert!(contacts.into_iter().all(|contact| stays(contact.lane)));
}
