//! Injected faults, counted exactly.

use std::collections::{BTreeSet, HashSet};

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::measure::recorder::total;

const MS: Duration = Duration::from_millis(1);
const DEADLINE: Duration = Duration::from_secs(2);

fn tracker(lanes: usize) -> (Tracker, Recorder) {
    (Tracker::new(lanes, DEADLINE, Mode::Open { fan_outs: true }), Recorder::new(MS))
}

fn contacts(lanes: &[u32]) -> Vec<Contact> {
    lanes.iter().map(|lane| Contact { lane: *lane, user: 0 }).collect()
}

fn due(at: Duration) -> Due {
    Due { at, phase: Phase::Measure, class: Class::Plain }
}

/// Samples and the greatest value of a series, whole milliseconds.
fn figures(recorder: Recorder, series: Series) -> (u64, u64) {
    let total = total(&recorder.into_intervals(DEADLINE), series, Phase::Measure);
    (total.len(), total.max() / 1_000_000)
}

#[test]
fn latency_runs_from_the_scheduled_time() {
    let (mut tracker, mut recorder) = tracker(1);
    let mut numbers = Vec::new();
    tracker.depart(due(100 * MS), &contacts(&[0]), &mut numbers);
    assert_eq!(tracker.arrive(0, numbers[0], 450, 350 * MS, &mut recorder), Arrival::InTime);
    assert_eq!(figures(recorder, Series::Recipient), (1, 250));
}

#[test]
fn fan_out_has_first_median_last_and_skew_whatever_the_order_of_news() {
    let (mut tracker, mut recorder) = tracker(4);
    let mut numbers = Vec::new();
    tracker.depart(due(10 * MS), &contacts(&[0, 1, 2, 3]), &mut numbers);
    for (lane, at) in [(2, 60), (0, 20), (3, 110), (1, 30)] {
        tracker.arrive(lane, 0, 450, at * MS, &mut recorder);
    }
    let intervals = recorder.into_intervals(DEADLINE);
    let of = |series| total(&intervals, series, Phase::Measure).max() / 1_000_000;
    assert_eq!([Series::First, Series::Median, Series::Last, Series::Skew].map(of), [10, 20, 100, 90]);
}

#[test]
fn recipient_without_arrival_is_recorded_at_the_deadline_and_counted_missing() {
    let (mut tracker, mut recorder) = tracker(2);
    tracker.depart(due(Duration::ZERO), &contacts(&[0, 1]), &mut Vec::new());
    tracker.arrive(0, 0, 450, MS, &mut recorder);
    tracker.expire(DEADLINE + HANDOVER, &mut recorder);
    assert_eq!(tracker.outstanding(), 1, "not before the deadline is over");
    tracker.expire(DEADLINE + HANDOVER + MS, &mut recorder);
    let counts = tracker.counts(Phase::Measure);
    assert_eq!((counts.scheduled, counts.arrived, counts.missing, tracker.outstanding()), (2, 1, 1, 0));
    let intervals = recorder.into_intervals(DEADLINE);
    let of = |series| total(&intervals, series, Phase::Measure);
    assert_eq!(of(Series::Recipient).len(), 2);
    assert!([Series::Recipient, Series::Last].iter().all(|series| of(*series).max() / 1_000_000 == 2_000));
    assert_eq!(of(Series::First).max() / 1_000_000, 1);
    assert_eq!(of(Series::Skew).max() / 1_000_000, 1_999);
}

#[test]
fn arrival_after_the_deadline_is_late_and_missing_before_and_after_it_was_called_so() {
    let (mut tracker, mut recorder) = tracker(3);
    tracker.depart(due(Duration::ZERO), &contacts(&[0, 1, 2]), &mut Vec::new());
    let late = DEADLINE + Duration::from_nanos(1);
    assert_eq!(tracker.arrive(0, 0, 450, late, &mut recorder), Arrival::Late);
    assert_eq!(tracker.arrive(1, 0, 450, DEADLINE, &mut recorder), Arrival::InTime, "its news came later");
    tracker.expire(4 * DEADLINE, &mut recorder);
    assert_eq!(tracker.arrive(2, 0, 450, 4 * DEADLINE, &mut recorder), Arrival::Late);
    assert_eq!(tracker.arrive(2, 0, 450, 4 * DEADLINE, &mut recorder), Arrival::Duplicate);
    let counts = tracker.counts(Phase::Measure);
    assert_eq!((counts.arrived, counts.missing, counts.late, counts.duplicated), (1, 2, 2, 1));
    assert_eq!(figures(recorder, Series::Recipient), (3, 2_000));
}

#[test]
fn stanza_of_a_stream_that_is_gone_is_unsent_and_recorded_at_the_deadline() {
    let (mut tracker, mut recorder) = tracker(1);
    tracker.depart(due(Duration::ZERO), &contacts(&[0, 0]), &mut Vec::new());
    tracker.unsent(0, 1, &mut recorder);
    tracker.unsent(0, 1, &mut recorder);
    tracker.arrive(0, 0, 450, MS, &mut recorder);
    let counts = tracker.counts(Phase::Measure);
    assert_eq!((counts.arrived, counts.unsent, tracker.outstanding()), (1, 1, 0));
    assert_eq!(figures(recorder, Series::Last), (1, 2_000));
}

#[test]
fn interruption_leaves_what_is_on_its_way_undecided_and_unrecorded() {
    let (mut tracker, mut recorder) = tracker(1);
    tracker.depart(due(Duration::ZERO), &contacts(&[0]), &mut Vec::new());
    tracker.depart(due(DEADLINE), &contacts(&[0, 0]), &mut Vec::new());
    tracker.arrive(0, 1, 450, DEADLINE + MS, &mut recorder);
    tracker.finish(DEADLINE + 2 * MS, &mut recorder);
    let counts = tracker.counts(Phase::Measure);
    assert_eq!((counts.scheduled, counts.arrived, counts.missing, counts.undecided), (3, 1, 1, 1));
    assert_eq!(figures(recorder, Series::Last), (1, 2_000));
}

#[test]
fn strangers_are_foreign() {
    let (mut tracker, mut recorder) = tracker(1);
    tracker.depart(due(Duration::ZERO), &contacts(&[0]), &mut Vec::new());
    for (lane, number) in [(0, 1), (0, u64::MAX), (1, 0), (u32::MAX, 0)] {
        assert_eq!(tracker.arrive(lane, number, 450, MS, &mut recorder), Arrival::Foreign);
    }
    tracker.bounced(0, 1);
    tracker.bounced(0, 0);
    let counts = tracker.counts(Phase::Measure);
    assert_eq!((counts.foreign, counts.bounced, counts.arrived), (5, 1, 0));
}

#[test]
fn order_is_judged_by_the_highest_number_so_far() {
    let reordered = |order: &[u64]| {
        let (mut tracker, mut recorder) = tracker(1);
        order.iter().for_each(|_| tracker.depart(due(Duration::ZERO), &contacts(&[0]), &mut Vec::new()));
        for number in order {
            tracker.arrive(0, *number, 450, MS, &mut recorder);
        }
        tracker.counts(Phase::Measure).reordered
    };
    assert_eq!([&[0, 1, 2], &[1, 2, 0], &[2, 0, 1], &[2, 1, 0]].map(|order| reordered(order)), [0, 1, 2, 2]);
}

/// How many are reordered of what arrives in this order, on streams that begin at these numbers.
fn reordered_on(streams: &[u64], order: &[u64]) -> u64 {
    let (mut tracker, mut recorder) = tracker(1);
    for number in 0..order.len() as u64 {
        tracker.depart(due(Duration::ZERO), &contacts(&[0]), &mut Vec::new());
        if streams.contains(&number) {
            tracker.begin_stream(0, number);
        }
    }
    for number in order {
        tracker.arrive(0, *number, 450, MS, &mut recorder);
    }
    tracker.counts(Phase::Measure).reordered
}

#[test]
fn stanza_that_overtakes_on_its_own_stream_reorders_and_on_a_newer_one_does_not() {
    assert_eq!(reordered_on(&[], &[1, 0]), 1);
    assert_eq!(reordered_on(&[0, 1], &[1, 0]), 0);
    assert_eq!(reordered_on(&[2], &[2, 3, 0, 1]), 0);
    assert_eq!(reordered_on(&[2], &[3, 1, 2, 0]), 2, "one of each");
    assert_eq!(reordered_on(&[1, 2, 3], &[3, 2, 1, 0]), 0);
}

#[test]
fn late_stanza_is_judged_by_its_own_stream_after_that_is_over() {
    let (mut tracker, mut recorder) = tracker(1);
    for first in [3, 5] {
        while tracker.next_number(0) < first {
            tracker.depart(due(Duration::ZERO), &contacts(&[0]), &mut Vec::new());
        }
        tracker.begin_stream(0, tracker.next_number(0));
    }
    for number in [2, 4] {
        tracker.arrive(0, number, 450, MS, &mut recorder);
    }
    tracker.expire(4 * DEADLINE, &mut recorder);
    tracker.depart(due(4 * DEADLINE), &contacts(&[0]), &mut Vec::new());
    let mut reordered = [5, 0, 3, 1].map(|number| {
        tracker.arrive(0, number, 450, 4 * DEADLINE, &mut recorder);
        tracker.counts(Phase::Measure).reordered
    });
    assert_eq!(reordered, [0, 1, 2, 3], "overtaken by the 2 and the 4 of their streams");
    reordered = [0, 1, 3, 5].map(|number| {
        tracker.arrive(0, number, 450, 4 * DEADLINE, &mut recorder);
        tracker.counts(Phase::Measure).reordered
    });
    assert_eq!(reordered, [3; 4], "duplicates");
}

#[test]
fn streams_that_come_and_go_leave_nothing_but_those_with_missing_stanzas() {
    let (mut tracker, mut recorder) = tracker(1);
    for number in 0..1_000_u64 {
        tracker.depart(due(MS * number as u32), &contacts(&[0]), &mut Vec::new());
        tracker.begin_stream(0, number);
        // One in a hundred is lost.
        if number % 100 != 7 {
            tracker.arrive(0, number, 450, MS * number as u32, &mut recorder);
        }
    }
    tracker.expire(4 * DEADLINE, &mut recorder);
    assert_eq!(tracker.lanes[0].streams(), 11, "10 with missing stanzas, and the current one");
}

#[test]
fn stanzas_belong_to_the_phase_in_which_they_were_due() {
    let (mut tracker, mut recorder) = tracker(1);
    tracker.depart(Due { phase: Phase::WarmUp, ..due(Duration::ZERO) }, &contacts(&[0]), &mut Vec::new());
    tracker.depart(due(MS), &contacts(&[0]), &mut Vec::new());
    for number in [1, 0, 0] {
        tracker.arrive(0, number, 450, 2 * MS, &mut recorder);
    }
    let warm_up = tracker.counts(Phase::WarmUp);
    assert_eq!((warm_up.arrived, warm_up.reordered, warm_up.duplicated), (1, 1, 1));
    let measured = tracker.counts(Phase::Measure);
    assert_eq!((measured.arrived, measured.reordered, measured.duplicated), (1, 0, 0));
}

#[test]
fn what_a_domain_under_stress_loses_is_counted_apart_as_well() {
    let (mut tracker, mut recorder) = tracker(2);
    for (lane, class) in [(0, Class::Stressed), (1, Class::Neighbour)] {
        tracker.depart(Due { class, ..due(Duration::ZERO) }, &contacts(&[lane, lane]), &mut Vec::new());
    }
    for (lane, number) in [(0, 0), (1, 0), (1, 1), (0, 0)] {
        tracker.arrive(lane, number, 450, MS, &mut recorder);
    }
    tracker.finish(2 * DEADLINE, &mut recorder);
    let all = tracker.counts(Phase::Measure);
    assert_eq!((all.departures, all.scheduled, all.arrived, all.missing, all.duplicated), (2, 4, 3, 1, 1));
    let stressed = tracker.stressed(Phase::Measure);
    assert_eq!((stressed.departures, stressed.scheduled, stressed.arrived, stressed.missing), (1, 2, 1, 1));
    assert_eq!(stressed.duplicated, 1);
    assert_eq!(figures(recorder, Series::Stressed), (2, 2_000));
}

#[test]
fn closed_loop_records_transit_and_counts_what_is_in_flight() {
    let mut tracker = Tracker::new(2, DEADLINE, Mode::Closed);
    let mut recorder = Recorder::new(MS);
    for _ in 0..4 {
        tracker.depart(due(Duration::ZERO), &contacts(&[1]), &mut Vec::new());
    }
    tracker.arrive(1, 0, 450, 3 * MS, &mut recorder);
    assert_eq!((tracker.in_flight(0), tracker.in_flight(1)), (0, 3));
    tracker.expire(2 * DEADLINE, &mut recorder);
    assert_eq!(tracker.in_flight(1), 0, "what is missing leaves the window");
    assert_eq!(figures(recorder, Series::Transit), (4, 2_000));
}

/// A system that drops, duplicates, reorders and delays, and a slow, obvious account of what it did.
struct Saboteur {
    rng: ChaCha8Rng,
    /// Due, lane, number.
    sent: Vec<(Duration, u32, u64)>,
    /// Lane and first number of each stream but a lane's first.
    streams: BTreeSet<(u32, u64)>,
    expected: Counts,
}

impl Saboteur {
    /// Which of a lane's streams a stanza was written on, by its first number.
    fn stream(&self, lane: u32, number: u64) -> u64 {
        self.streams.range((lane, 0)..=(lane, number)).next_back().map_or(0, |(_, first)| *first)
    }

    /// What arrives, in order of the news.
    fn wreck(&mut self) -> Vec<(Duration, u32, u64)> {
        let mut news = Vec::new();
        for (due, lane, number) in &self.sent {
            let copies = [0, 1, 1, 1, 1, 2, 3][self.rng.random_range(0..7)];
            let first = if self.rng.random_ratio(1, 20) { DEADLINE + MS } else { MS * self.rng.random_range(0..2_000) };
            (0..copies).for_each(|copy| news.push((*due + first + MS * copy, *lane, *number)));
        }
        news.sort_by_key(|(at, ..)| *at);
        news
    }

    fn expect(&mut self, news: &[(Duration, u32, u64)]) {
        let dues: std::collections::HashMap<_, _> = self.sent.iter().map(|(at, lane, n)| ((*lane, *n), *at)).collect();
        let mut seen = HashSet::new();
        for (index, (at, lane, number)) in news.iter().enumerate() {
            if !seen.insert((*lane, *number)) {
                self.expected.duplicated += 1;
                continue;
            }
            match *at - dues[&(*lane, *number)] <= DEADLINE {
                true => self.expected.arrived += 1,
                false => self.expected.late += 1,
            }
            let stream = self.stream(*lane, *number);
            let is_overtaken = news[..index]
                .iter()
                .any(|(_, other, higher)| other == lane && higher > number && self.stream(*other, *higher) == stream);
            self.expected.reordered += u64::from(is_overtaken);
        }
        self.expected.missing = self.sent.len() as u64 - self.expected.arrived;
        self.expected.scheduled = self.sent.len() as u64;
        self.expected.bytes = self.expected.arrived * 450;
    }
}

fn sabotage(seed: u64) {
    let (mut tracker, mut recorder) = tracker(8);
    let rng = ChaCha8Rng::seed_from_u64(seed);
    let mut saboteur = Saboteur { rng, sent: Vec::new(), streams: BTreeSet::new(), expected: Counts::default() };
    let mut numbers = Vec::new();
    for step in 0..60 {
        let mut lanes: Vec<u32> = (0..8).collect();
        lanes.shuffle(&mut saboteur.rng);
        lanes.truncate(saboteur.rng.random_range(1..=8));
        tracker.depart(due(MS * step * 50), &contacts(&lanes), &mut numbers);
        saboteur.expected.departures += 1;
        for (lane, number) in lanes.iter().zip(&numbers) {
            if saboteur.rng.random_ratio(1, 8) {
                tracker.begin_stream(*lane, *number);
                saboteur.streams.insert((*lane, *number));
            }
            saboteur.sent.push((MS * step * 50, *lane, *number));
        }
    }
    let news = saboteur.wreck();
    saboteur.expect(&news);
    for (at, lane, number) in &news {
        // Ticks come when they like: what an arrival is may not depend on them.
        if saboteur.rng.next_u32().is_multiple_of(3) {
            tracker.expire(*at, &mut recorder);
        }
        tracker.arrive(*lane, *number, 450, *at, &mut recorder);
    }
    tracker.finish(Duration::from_secs(60), &mut recorder);
    assert_eq!(tracker.counts(Phase::Measure), saboteur.expected, "seed {seed}");
    assert_eq!((tracker.outstanding(), tracker.tickets.len(), tracker.fans.len()), (0, 0, 0), "seed {seed}");
    let intervals = recorder.into_intervals(DEADLINE);
    assert_eq!(total(&intervals, Series::Recipient, Phase::Measure).len(), saboteur.expected.scheduled);
    assert_eq!(total(&intervals, Series::Last, Phase::Measure).len(), saboteur.expected.departures);
}

#[test]
fn drops_duplicates_reordering_and_delays_are_counted_exactly() {
    (0..50).for_each(sabotage);
}

#[test]
fn memory_stays_as_it_is_in_the_steady_state() {
    let (mut tracker, mut recorder) = tracker(16);
    let everyone = contacts(&(0..16).collect::<Vec<_>>());
    let mut numbers = Vec::new();
    let mut capacity = None;
    for step in 0..20_000_u32 {
        tracker.depart(due(MS * step), &everyone, &mut numbers);
        if let Some(before) = u64::from(step).checked_sub(10) {
            for lane in 0..16 {
                tracker.arrive(lane, before, 450, MS * step, &mut recorder);
            }
        }
        let now = (tracker.tickets.capacity(), tracker.fans.capacity(), tracker.spare.len());
        if step > 100 {
            assert_eq!(*capacity.get_or_insert(now), now);
        }
    }
}
