//! Rounds, medians, ratios.

use std::fs;
use std::time::Duration;

use crate::load::Counted;

/// Rounds in which others used more than this share of one of the two cores count only if there is nothing better.
const OTHERS_AT_MOST: f64 = 0.25;

/// One measurement.
pub(crate) struct Round {
    round_trips: u64,
    /// CPU time of the proxy per round trip, in microseconds.
    micros: f64,
    per_second: f64,
    /// Shares of their cores.
    proxy: f64,
    generator: f64,
    /// Of the core on which others used more.
    others: f64,
    /// Median and 99th percentile in microseconds; with a rate only.
    latency: Option<(f64, f64)>,
}

impl Round {
    /// `used`: CPU of proxy and generator; `cores`: busy time of their cores.
    pub(crate) fn new(counted: &Counted, used: [Duration; 2], cores: [Duration; 2]) -> Self {
        let seconds = counted.time.as_secs_f64();
        let share = |time: Duration| time.as_secs_f64() / seconds;
        let others = (0..2).map(|core| share(cores[core].saturating_sub(used[core]))).fold(0.0, f64::max);
        let at = |quantile| counted.latency.value_at_quantile(quantile) as f64 / 1e3;
        Self {
            round_trips: counted.round_trips,
            micros: used[0].as_secs_f64() * 1e6 / counted.round_trips.max(1) as f64,
            per_second: counted.round_trips as f64 / seconds,
            proxy: share(used[0]),
            generator: share(used[1]),
            others,
            latency: (!counted.latency.is_empty()).then(|| (at(0.5), at(0.99))),
        }
    }

    fn is_quiet(&self) -> bool {
        self.others <= OTHERS_AT_MOST
    }
}

/// All rounds of one case; the first system is compared with each of the others.
pub(crate) struct Table {
    name: &'static str,
    mean_bytes: usize,
    systems: Vec<(&'static str, Vec<Round>)>,
}

impl Table {
    pub(crate) fn new(name: &'static str, mean_bytes: usize, systems: Vec<&'static str>) -> Self {
        Self { name, mean_bytes, systems: systems.into_iter().map(|name| (name, Vec::new())).collect() }
    }

    pub(crate) fn add(&mut self, system: usize, round: Round) {
        self.systems[system].1.push(round);
    }

    pub(crate) fn print(&self) {
        println!("\n{} ({} bytes on average)", self.name, self.mean_bytes);
        println!("  round system    us/round trip  round trips/s  proxy  generator  others   p50 us   p99 us");
        for round in 0..self.systems[0].1.len() {
            self.systems.iter().for_each(|(name, rounds)| print_round(round, name, &rounds[round]));
        }
        for (name, rounds) in &self.systems {
            let quiet: Vec<f64> = rounds.iter().filter(|round| round.is_quiet()).map(|round| round.micros).collect();
            let all = rounds.iter().map(|round| round.micros).collect();
            println!(
                "  {name:<9} median of {} quiet rounds {} us, of all {} us",
                quiet.len(),
                figure(median(quiet)),
                figure(median(all))
            );
        }
        for (name, rounds) in &self.systems[1..] {
            let ratios = ratios(&self.systems[0].1, rounds);
            let low = ratios.iter().copied().fold(f64::MAX, f64::min);
            let high = ratios.iter().copied().fold(0.0, f64::max);
            let median = figure(median(ratios));
            println!("  {}/{name}, round by round: median {median}, {low:.2} to {high:.2}", self.systems[0].0);
        }
    }
}

/// Of rounds in which both were quiet; of all rounds where there are none such.
fn ratios(ours: &[Round], theirs: &[Round]) -> Vec<f64> {
    let pairs = || ours.iter().zip(theirs);
    let ratio = |(a, b): (&Round, &Round)| a.micros / b.micros;
    let quiet: Vec<f64> = pairs().filter(|(a, b)| a.is_quiet() && b.is_quiet()).map(ratio).collect();
    if quiet.is_empty() { pairs().map(ratio).collect() } else { quiet }
}

fn print_round(number: usize, name: &str, round: &Round) {
    let latency =
        round.latency.map_or((String::new(), String::new()), |(p50, p99)| (format!("{p50:.0}"), format!("{p99:.0}")));
    println!(
        "  {number:>5} {name:<9} {:>13.2} {:>14.0} {:>5.0}% {:>9.0}% {:>6.0}% {:>8} {:>8}{}",
        round.micros,
        round.per_second,
        round.proxy * 100.0,
        round.generator * 100.0,
        round.others * 100.0,
        latency.0,
        latency.1,
        if round.is_quiet() { "" } else { "  noisy" }
    );
    debug_assert!(round.round_trips > 0, "a round in which nothing came back");
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() % 2 {
        _ if figures.is_empty() => None,
        0 => Some((figures[middle - 1] + figures[middle]) / 2.0),
        _ => Some(figures[middle]),
    }
}

fn figure(value: Option<f64>) -> String {
    value.map_or("none".to_owned(), |value| format!("{value:.2}"))
}

/// Kernel, processor, versions.
pub(crate) fn print_machine() {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    println!("kernel {}, {cores} x {}", read("/proc/sys/kernel/osrelease").trim(), model.map_or("?", |(_, name)| name));
    let version = std::process::Command::new("haproxy").arg("-v").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    println!("{}", version.lines().next().unwrap_or("haproxy: no version"));
}
