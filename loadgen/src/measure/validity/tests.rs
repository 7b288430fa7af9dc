//! Runs that must be caught, and a good one that must not.

use clap::Parser;

use super::*;
use crate::measure::{Due, Recorder, Tracker};
use crate::plan::{Departure, Scenario, Slo};

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    scenario: Scenario,
}

fn plan(line: &str) -> Plan {
    Line::try_parse_from(std::iter::once("loadgen").chain(line.split(' '))).unwrap().scenario.plan().unwrap()
}

const MS: Duration = Duration::from_millis(1);

/// What the system does to the stanza of this index in the run: `None`: drops it.
type System = fn(u64) -> Option<Duration>;

fn good(index: u64) -> Option<Duration> {
    Some(Duration::from_micros(500 + index % 1_000))
}

struct Run {
    plan: Plan,
    counts: Counts,
    stressed: Counts,
    intervals: Vec<Interval>,
    processor: Processor,
    streams: Streams,
}

/// Plays a paced plan against an artificial system.
fn run(plan: Plan, send_lag: Duration, system: System) -> Run {
    run_offered(plan, send_lag, send_lag, system)
}

fn run_offered(plan: Plan, send_lag: Duration, offered: Duration, system: System) -> Run {
    let Load::Paced(timetable) = plan.load.clone() else { panic!("not paced") };
    let mut tracker = Tracker::new(plan.lanes.len(), plan.deadline, plan.mode());
    let mut recorder = Recorder::new(plan.phases.measure);
    let mut numbers = Vec::new();
    let mut index = 0;
    for Departure { at, sender, class, .. } in timetable.departures().iter().copied() {
        let phase = if at < plan.phases.warm_up { Phase::WarmUp } else { Phase::Measure };
        let contacts = &plan.senders[sender as usize].contacts;
        tracker.depart(Due { at, phase, class }, contacts, &mut numbers);
        recorder.tick(at);
        recorder.record(Series::SendLag, phase, send_lag);
        for (contact, number) in contacts.iter().zip(&numbers) {
            recorder.record(Series::Offered, phase, offered);
            index += u64::from(phase == Phase::Measure);
            if let Some(transit) = system(index) {
                tracker.arrive(contact.lane, *number, 450, at + transit, &mut recorder);
            }
        }
    }
    let end = Duration::from_secs(1_000);
    tracker.finish(end, &mut recorder);
    Run {
        counts: tracker.counts(Phase::Measure),
        stressed: tracker.stressed(Phase::Measure),
        intervals: recorder.into_intervals(end),
        processor: Processor { system: 1.0, engine: 1.0, engine_busy: 0.3, others: 0.5 },
        streams: Streams::default(),
        plan,
    }
}

fn evidence(run: &Run) -> Evidence<'_> {
    Evidence {
        plan: &run.plan,
        counts: run.counts,
        stressed: run.stressed,
        intervals: &run.intervals,
        phases: PhaseLengths {
            connect: 0.0,
            warm_up: run.plan.phases.warm_up.as_secs_f64(),
            measure: run.plan.phases.measure.as_secs_f64(),
        },
        processor: run.processor,
        system_cores: 1,
        cores: 2,
        streams: &run.streams,
        growth: None,
        interrupted: false,
    }
}

fn fan_outs() -> Plan {
    plan("fanout -k 20 -d 10 --rate 1000 --warm-up 1s --duration 12s")
}

fn only(reasons: &[String]) -> &str {
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    &reasons[0]
}

#[test]
fn good_run_is_valid_and_held() {
    let run = run(fan_outs(), 10 * MS / 1_000, good);
    assert_eq!(judge(&evidence(&run)), Verdict::default());
}

#[test]
fn late_generator_makes_the_run_invalid() {
    // Completions take nearly 1.5 ms at p99: 0.15 ms of lag is the most without a doubt, 0.37 ms the most.
    let verdict = judge(&evidence(&run(fan_outs(), Duration::from_micros(140), good)));
    assert_eq!(verdict, Verdict::default());
    let verdict = judge(&evidence(&run(fan_outs(), Duration::from_micros(160), good)));
    let reason = only(&verdict.doubts);
    assert!(reason.contains("lag is 160 µs, more than 10 % of 1.") && verdict.invalid.is_empty(), "{verdict:?}");
    let verdict = judge(&evidence(&run_offered(fan_outs(), Duration::from_micros(390), MS / 100, good)));
    let reason = only(&verdict.invalid);
    assert!(
        reason.starts_with("the generator was late: p99 of the send lag is 390 µs, more than 25 % of 1."),
        "{reason}"
    );
    assert!(reason.ends_with("; give it more cores, or quieter ones (--engine-cores), or a lower rate"), "{reason}");
    // Too few for p99: the median speaks.
    let few = plan("fanout -k 4 -d 4 --rate 50 --warm-up 0s --duration 12s");
    let verdict = judge(&evidence(&run(few, Duration::from_micros(390), good)));
    assert!(only(&verdict.invalid).contains("p50 of the send lag"), "{verdict:?}");
}

#[test]
fn result_that_is_mostly_the_generators_writing_is_doubtful() {
    let judged = |micros| {
        let offered = Duration::from_micros(micros);
        judge(&evidence(&run_offered(fan_outs(), MS / 100, offered, good)))
    };
    assert_eq!(judged(400), Verdict::default());
    let verdict = judged(500);
    assert!(verdict.invalid.is_empty() && verdict.failed.is_empty(), "{verdict:?}");
    assert!(only(&verdict.doubts).contains("p99 until stanzas are offered is 500 µs"), "{verdict:?}");
}

#[test]
fn busy_generator_makes_the_run_invalid_and_busy_neighbours_make_it_doubtful() {
    let mut run = run(fan_outs(), MS / 100, good);
    run.processor = Processor { engine_busy: 0.91, others: 6.1, ..run.processor };
    let verdict = judge(&evidence(&run));
    let reason = only(&verdict.invalid);
    assert!(reason.contains("worked 91 % of the time") && reason.contains("--engine-cores"), "{reason}");
    assert_eq!(only(&verdict.doubts), "other programs used 25 % of the cores (more than 25 %)");
}

#[test]
fn generator_as_busy_as_the_system_is_the_limit_only_of_what_goes_through_a_second() {
    let run = run(fan_outs(), MS / 100, good);
    let closed = plan("message --window 8 --duration 24s");
    let judged = |system: f64| {
        let processor = Processor { engine_busy: 0.95, system, ..run.processor };
        let mut verdict = Verdict::default();
        generator(&Evidence { plan: &closed, processor, ..evidence(&run) }, &mut verdict);
        verdict
    };
    let seconds = evidence(&run).phases.measure;
    let lazy = judged(0.5 * seconds);
    assert!(only(&lazy.invalid).contains("the limit, not the system") && lazy.doubts.is_empty(), "{lazy:?}");
    assert!(only(&lazy.invalid).ends_with("; give it more cores, or quieter ones (--engine-cores)"), "{lazy:?}");
    assert!(lazy.is_generators_limit);
    let both = judged(0.93 * seconds);
    assert!(only(&both.doubts).contains("worked 95 % of the time, the system's 93 %"), "{both:?}");
    let none = judged(0.0);
    assert!(none.invalid.is_empty() && only(&none.doubts).starts_with("without a system"), "{none:?}");
}

#[test]
fn dropped_stanzas_fail_the_run() {
    let run = run(fan_outs(), MS / 100, |index| if index == 70_000 { None } else { good(index) });
    let verdict = judge(&evidence(&run));
    assert!(verdict.invalid.is_empty(), "{verdict:?}");
    assert_eq!(only(&verdict.failed), "1 stanzas had not arrived by the deadline");
}

#[test]
fn slow_peer_may_lose_what_is_its_own_and_nothing_else() {
    let lost = |is_excused: bool| {
        let plan = plan("slow-peer --rate 1000 --warm-up 0s --duration 12s");
        let mut run = run(plan, MS / 1_000, good);
        let missing = if is_excused { &mut run.stressed } else { &mut Counts::default() };
        missing.missing += 5;
        run.counts.missing += 5;
        run.counts.arrived -= 5;
        judge(&evidence(&run)).failed.len()
    };
    assert_eq!([lost(true), lost(false)], [0, 1]);
}

#[test]
fn duplicates_disorder_strangers_bounces_and_failed_handshakes_fail_the_run() {
    let mut run = run(fan_outs(), MS / 100, good);
    run.counts = Counts { duplicated: 1, reordered: 2, foreign: 3, bounced: 4, ..run.counts };
    run.streams = Streams { failed: 5, lost: 6, first_lost: Some("cut".to_owned()), ..Streams::default() };
    let verdict = judge(&evidence(&run));
    assert!(verdict.invalid.is_empty() && verdict.failed[5] == "6 streams were lost; the first: cut", "{verdict:?}");
    let firsts: Vec<char> = verdict.failed.iter().filter_map(|reason| reason.chars().next()).collect();
    assert_eq!(firsts, ['4', '1', '2', '3', '5', '6']);
}

#[test]
fn account_that_does_not_balance_makes_the_run_invalid() {
    let mut run = run(fan_outs(), MS / 100, good);
    let right = run.counts;
    run.counts = Counts { arrived: right.arrived - 1, ..right };
    let invalid = judge(&evidence(&run)).invalid;
    assert!(invalid[0].starts_with("the account does not balance") && invalid.len() == 2, "{invalid:?}");
    run.counts = Counts { scheduled: right.scheduled - 1, arrived: right.arrived - 1, ..right };
    let invalid = judge(&evidence(&run)).invalid;
    assert!(invalid[0].contains("latencies were recorded") && invalid[1].contains("plan was not kept"), "{invalid:?}");
    run.counts = Counts { departures: right.departures - 1, ..right };
    let invalid = judge(&evidence(&run)).invalid;
    assert!(invalid[0].contains("plan was not kept") && invalid[1].contains("fan-outs were recorded"), "{invalid:?}");
}

#[test]
fn interrupted_run_accounts_for_less_than_the_plan() {
    let mut run = run(fan_outs(), MS / 100, good);
    run.counts = Counts { departures: run.counts.departures + 10, ..run.counts };
    let interrupted = Evidence { interrupted: true, ..evidence(&run) };
    assert!(judge(&interrupted).invalid[0].contains("plan was not kept"), "more than the plan is never right");
    run.counts = Counts { departures: run.counts.departures - 11, ..run.counts };
    let interrupted = Evidence { interrupted: true, ..evidence(&run) };
    assert!(!judge(&interrupted).invalid.iter().any(|reason| reason.contains("plan was not kept")));
}

#[test]
fn run_that_becomes_slower_is_not_steady() {
    let run =
        run(fan_outs(), MS / 100, |index| good(index).map(|transit| transit * if index > 120_000 { 4 } else { 1 }));
    let doubts = judge(&evidence(&run)).doubts;
    assert_eq!(doubts.len(), 1, "{doubts:?}");
    assert!(doubts[0].starts_with("not steady: the median of last is 1."), "{doubts:?}");
}

#[test]
fn memory_of_streams_that_were_cut_is_invalid() {
    let mut run = run(fan_outs(), MS / 100, good);
    run.streams.lost = 3;
    let idle = plan("idle -d 10");
    let verdict = judge(&Evidence { plan: &idle, counts: Counts::default(), intervals: &[], ..evidence(&run) });
    assert_eq!(only(&verdict.invalid), "3 streams were no longer open when their memory was measured");
    assert_eq!(only(&verdict.failed), "3 streams were lost");
}

#[test]
fn what_arrives_while_the_run_waits_for_the_last_is_in_neither_half() {
    let mut run = run(fan_outs(), MS / 100, good);
    let from = run.plan.phases.warm_up;
    let mut recorder = Recorder::new(from);
    let second = Duration::from_secs(1);
    // Four seconds of the measured phase at 1 ms, and six in which what is slow comes.
    for step in 0..10 {
        recorder.tick(from + second * step);
        let value = if step < 4 { MS } else { 100 * MS };
        (0..5_000).for_each(|_| recorder.record(Series::Last, Phase::Measure, value));
    }
    run.intervals = recorder.into_intervals(from + second * 10);
    let phases = PhaseLengths { measure: 4.0, ..evidence(&run).phases };
    let halves = halves(&Evidence { phases, ..evidence(&run) }, Series::Last);
    assert_eq!(halves.map(|half| (half.len(), half.max() / 1_000_000)), [(10_000, 1), (10_000, 1)]);
}

#[test]
fn objective_is_missed_when_it_is_exceeded_or_cannot_be_told() {
    let mut run = run(fan_outs(), MS / 100, good);
    run.plan.slo = Slo { p99: Some(2 * MS), p999: None };
    assert!(judge(&evidence(&run)).failed.is_empty());
    run.plan.slo = Slo { p99: Some(MS), p999: Some(MS) };
    let failed = judge(&evidence(&run)).failed;
    assert!(failed[0].ends_with("the objective is 1.00 ms"), "{failed:?}");
    assert!(failed[1].contains("cannot be told from") && failed[1].ends_with("it needs 100000"), "{failed:?}");
}

#[test]
fn run_that_measured_nothing_is_invalid() {
    let mut run = run(fan_outs(), MS / 100, good);
    run.intervals.clear();
    assert!(judge(&evidence(&run)).invalid.iter().any(|reason| reason.starts_with("nothing was measured")));
}

#[test]
fn limit_of_the_generator_is_no_bound_of_what_was_not_measured() {
    let mut run = run(fan_outs(), MS / 100, good);
    run.plan = plan("message --window 4 --warm-up 1s --duration 12s");
    run.intervals.clear();
    run.counts = Counts::default();
    run.processor.engine_busy = 0.95;
    let verdict = judge(&evidence(&run));
    assert!(verdict.invalid.iter().any(|reason| reason.contains("the generator was the limit")), "{verdict:?}");
    assert!(verdict.invalid.iter().any(|reason| reason.starts_with("nothing was measured")), "{verdict:?}");
    assert!(!verdict.is_generators_limit);
}

/// A soak's verdict, with these slopes.
fn of_growth(memory: Option<Trend>, descriptors: Option<Trend>) -> Verdict {
    let run = run(fan_outs(), MS / 100, good);
    let growth = Growth { memory, descriptors, ..Growth::default() };
    judge(&Evidence { growth: Some(&growth), ..evidence(&run) })
}

fn trend(per_hour: f64, least: f64, most: f64) -> Option<Trend> {
    Some(Trend { per_hour, least, most })
}

#[test]
fn growth_that_is_certain_and_matters_fails_the_run() {
    let verdict = of_growth(trend(2.5e6, 2.1e6, 2.9e6), trend(25.0, 21.0, 29.0));
    assert_eq!(
        verdict.failed,
        [
            "memory grows by 2500 kB/hour (95 %: 2100 kB/hour to 2900 kB/hour)",
            "the number of descriptors grows by 25.0/hour (95 %: 21.0/hour to 29.0/hour)"
        ]
    );
}

#[test]
fn growth_that_is_small_or_uncertain_is_a_doubt_and_none_is_none() {
    let none = of_growth(trend(2e5, -3e5, 7e5), trend(-1.0, -9.0, 7.0));
    assert_eq!((none.failed, none.doubts), (Vec::new(), Vec::new()));
    let small = of_growth(trend(4e5, 1e5, 7e5), trend(0.0, 0.0, 0.0));
    assert!(small.failed.is_empty());
    assert!(only(&small.doubts).starts_with("memory grows, but by less than 1000 kB/hour: 400 kB/hour"));
    let uncertain = of_growth(trend(0.0, 0.0, 0.0), trend(9.0, -5.0, 23.0));
    assert!(only(&uncertain.doubts).starts_with("the number of descriptors may grow by more than 20.0/hour: 9.0/hour"));
    let unknown = of_growth(None, trend(0.0, 0.0, 0.0));
    assert!(only(&unknown.doubts).starts_with("nothing tells whether memory grows"));
    let mut unseen = run(fan_outs(), MS / 100, good);
    unseen.processor.system = 0.0;
    let verdict = judge(&Evidence { growth: Some(&Growth::default()), ..evidence(&unseen) });
    assert_eq!(verdict.doubts.iter().filter(|doubt| doubt.starts_with("nothing tells whether")).count(), 2);
}

#[test]
fn late_generator_is_a_doubt_where_latency_is_not_the_matter() {
    let mut run = run(fan_outs(), MS / 100, good);
    run.processor.engine_busy = 0.95;
    assert!(only(&judge(&evidence(&run)).invalid).starts_with("the generator may have read arrivals late"));
    let growth = Growth { memory: trend(0.0, 0.0, 0.0), descriptors: trend(0.0, 0.0, 0.0), ..Growth::default() };
    let verdict = judge(&Evidence { growth: Some(&growth), ..evidence(&run) });
    assert!(verdict.invalid.is_empty());
    assert!(only(&verdict.doubts).starts_with("the generator may have read arrivals late"));
}
