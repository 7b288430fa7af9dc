//! What a run found, on one screen of a terminal.

use serde_json::Value;

use super::curve::Curve;
use super::paint::{Paint, title};
use super::plot::percentile_plot;
use super::run::Run;
use super::units;
use crate::measure::Series;
use crate::measure::figure::{Figure, SHOWN, maximum, percentile};
use crate::measure::validity;
use crate::outcome::{Attacked, Counts, Outcome, Record, Sessions, Shards, Streams, Trend, Verdict};

/// Rows of the plot, without its axis.
const PLOT_ROWS: usize = 10;
/// Columns of a row's name, indented.
const NAME: usize = 13;
/// Series in the order of the table.
const ROWS: [Series; 12] = [
    Series::First,
    Series::Median,
    Series::Last,
    Series::Recipient,
    Series::Skew,
    Series::Neighbour,
    Series::Stressed,
    Series::Transit,
    Series::Handshake,
    Series::Offered,
    Series::SendLag,
    Series::Hiccup,
];
/// Percentiles of the table: up to p99.99.
const COLUMNS: usize = 5;

/// The whole summary, `width` columns wide (80 at least), with or without colours.
pub fn summary(record: &Record, width: usize, colour: bool) -> String {
    let (run, paint, width) = (Run::of(record), Paint(colour), width.max(80));
    let sections = [
        heading(&run, width, paint),
        counts(&run, paint),
        latencies(&run, width, paint),
        plot(&run, width, paint),
        processor(&run, width, paint),
        verdict(&run.outcome.verdict, paint),
    ];
    sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n")
}

fn heading(run: &Run, width: usize, paint: Paint) -> String {
    let outcome = &run.outcome;
    let what = format!("{} through {}", outcome.scenario, run.system());
    let how = format!("{} measured, seed {}", units::seconds(outcome.phases.measure), outcome.seed);
    let gap = width.saturating_sub(what.chars().count() + how.chars().count()).max(2);
    let environment = &outcome.environment;
    let mut on = format!("kernel {}, {} cores, {}", environment.kernel, environment.cores, environment.processor);
    for (who, cores) in [("system", &environment.system_cores), ("engine", &environment.engine_cores)] {
        on += &match cores.as_slice() {
            [] => String::new(),
            [one] => format!("; {who} on core {one}"),
            several => format!("; {who} on cores {}", list(several)),
        };
    }
    format!("{}{}{}\n{}\n", paint.bold(what), " ".repeat(gap), how, paint.faint(clip(&on, width)))
}

pub(super) fn list(cores: &[usize]) -> String {
    cores.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn counts(run: &Run, paint: Paint) -> String {
    let (outcome, counts) = (&run.outcome, &run.outcome.counts);
    let mut text = String::new();
    if counts.scheduled > 0 {
        text += &row("stanzas", &conservation(counts, paint));
        text += &row("", &throughput(run));
        text += &row("", &mistakes(counts, paint));
        if outcome.stressed.scheduled > 0 {
            text += &row("  stressed", &conservation(&outcome.stressed, paint));
        }
    }
    let streams = &outcome.streams;
    text += &row("streams", &of_streams(run, paint));
    text += &sessions(streams);
    text += &shards(outcome);
    attack(run).into_iter().flatten().for_each(|(name, what)| text += &row(name, &what));
    let trends = trends(run).into_iter();
    trends.for_each(|(what, slope)| text += &row(what, &slope));
    text
}

/// How an attacker attacked, and what became of its streams: rows by name.
pub(super) fn attack(run: &Run) -> Option<[(&'static str, String); 2]> {
    let Attacked { bytes, streams, closed, refused } = run.outcome.attack?;
    let how = run.outcome.options.get("attack").and_then(Value::as_str).unwrap_or("not told");
    let rate = run.attack_bytes_per_second().map_or(String::new(), |rate| format!(", {}/s", units::bytes(rate)));
    let [streams, closed, refused] = [streams, closed, refused].map(units::count);
    let bytes = units::bytes(bytes as f64);
    let of_streams = format!("{streams} streams opened, {closed} ended by the system, {refused} refused");
    Some([("attack", format!("{how}: {bytes}{rate}")), ("", of_streams)])
}

/// How fast the system's memory and the number of its descriptors grew, where that was looked at.
pub(super) fn trends(run: &Run) -> Vec<(&'static str, String)> {
    let Some(growth) = &run.outcome.growth else { return Vec::new() };
    let of = [
        ("memory", growth.memory, validity::bytes_per_hour as fn(f64) -> String),
        ("descriptors", growth.descriptors, validity::descriptors_per_hour),
    ];
    let shown = of.map(|(what, trend, show)| (what, trend.map_or("not known".to_owned(), |trend| slope(&trend, show))));
    shown.into()
}

fn slope(trend: &Trend, show: fn(f64) -> String) -> String {
    let Trend { per_hour, least, most } = *trend;
    let zero = if trend.has_zero() { "0 lies inside" } else { "0 lies outside" };
    format!("{}, 95 %: {} to {}; {zero}", show(per_hour), show(least), show(most))
}

/// What passed between the shards of ringgate, if it says so.
fn shards(outcome: &Outcome) -> String {
    let Some(Shards { count, streams_moved, stanzas_crossed }) = outcome.shards else { return String::new() };
    let [count, moved, crossed] = [count, streams_moved, stanzas_crossed].map(units::count);
    row("shards", &format!("{count}; {crossed} stanzas crossed, {moved} streams moved"))
}

/// How many were open, were opened meanwhile, failed, or were lost.
fn of_streams(run: &Run, paint: Paint) -> String {
    let Outcome { streams, phases, .. } = &run.outcome;
    let mut parts = Vec::new();
    if streams.open > 0 {
        let memory =
            run.bytes_per_stream().map(|bytes| format!(", {} of memory per domain stream", units::bytes(bytes)));
        let open = format!("{} open in {}", units::count(streams.open), units::seconds(phases.connect));
        parts.push(open + &memory.unwrap_or_default());
    }
    if streams.handshakes > 0 {
        let rate = run.handshakes_per_second().map(|rate| format!(", {}/s", units::number(rate)));
        let back = streams.back_after.map(|after| format!(", all back after {}", units::seconds(after)));
        let count = format!("{} handshakes", units::count(streams.handshakes));
        parts.push(count + &rate.or(back).unwrap_or_default());
    }
    let bad = |count: u64, what: &str| {
        let text = format!("{} {what}", units::count(count));
        if count > 0 { paint.bad(text) } else { text }
    };
    parts.push(bad(streams.failed, "failed"));
    parts.extend((streams.lost > 0).then(|| bad(streams.lost, "lost")));
    parts.join("; ")
}

/// How many TLS sessions of both sides were resumed; nothing if all was in clear.
fn sessions(streams: &Streams) -> String {
    let mut both = streams.opened;
    both += streams.accepted;
    match both {
        Sessions { full: 0, resumed: 0 } => String::new(),
        Sessions { full, resumed } => {
            row("", &format!("TLS: {} full handshakes, {} resumed", units::count(full), units::count(resumed)))
        }
    }
}

/// Fan-outs and their mean size, stanzas and bytes per second.
fn throughput(run: &Run) -> String {
    let counts = &run.outcome.counts;
    let mut parts = Vec::new();
    if counts.departures > 0 && counts.departures < counts.scheduled {
        let size = counts.scheduled as f64 / counts.departures as f64;
        parts.push(format!("{} fan-outs of {size:.0}", units::count(counts.departures)));
    }
    if let Some(rate) = run.stanzas_per_second() {
        parts.push(format!("{} stanzas/s", units::number(rate)));
        let size = counts.bytes as f64 / counts.arrived.max(1) as f64;
        parts.push(format!("{}/s", units::bytes(rate * size)));
    }
    parts.join(", ")
}

/// `scheduled = arrived + missing + unsent + undecided`, and whether it is so.
fn conservation(counts: &Counts, paint: Paint) -> String {
    let missing = format!("{} missing", units::count(counts.missing));
    let mut sum = format!(
        "{} scheduled = {} arrived + {} + {} unsent",
        units::count(counts.scheduled),
        units::count(counts.arrived),
        if counts.missing > 0 { paint.bad(missing) } else { missing },
        units::count(counts.unsent),
    );
    if counts.undecided > 0 {
        sum += &format!(" + {} undecided", units::count(counts.undecided));
    }
    let holds = adds_up(counts);
    format!("{sum}  {}", if holds { paint.good("✓ adds up") } else { paint.bad("✗ does NOT add up") })
}

pub(super) fn adds_up(counts: &Counts) -> bool {
    let parts = [counts.arrived, counts.missing, counts.unsent, counts.undecided];
    parts.into_iter().try_fold(0_u64, u64::checked_add) == Some(counts.scheduled)
}

/// What must not happen, by name.
pub(super) fn mistakes_of(counts: &Counts) -> [(&'static str, u64); 5] {
    [
        ("duplicated", counts.duplicated),
        ("reordered", counts.reordered),
        ("foreign", counts.foreign),
        ("late", counts.late),
        ("bounced", counts.bounced),
    ]
}

fn mistakes(counts: &Counts, paint: Paint) -> String {
    let part = |(name, count): (&str, u64)| {
        let text = format!("{} {name}", units::count(count));
        if count > 0 { paint.bad(text) } else { text }
    };
    mistakes_of(counts).map(part).join(", ")
}

/// All series in the order of tables.
pub(super) fn rows() -> impl Iterator<Item = Series> {
    ROWS.into_iter()
}

fn latencies(run: &Run, width: usize, paint: Paint) -> String {
    let rows: Vec<Series> = ROWS.into_iter().filter(|series| run.measured(*series).is_some()).collect();
    if rows.is_empty() {
        return String::new();
    }
    let column = (width.saturating_sub(NAME + 13) / (COLUMNS + 1)).min(11);
    let shown = &SHOWN[..COLUMNS];
    let names = shown.iter().map(|(_, name)| *name).chain(["max"]);
    let mut head = format!("  {:<11}{:>13}", "latency", "samples");
    names.for_each(|name| head += &format!("{name:>column$}"));
    let mut text = paint.faint(head) + "\n";
    for series in rows {
        let Some(histogram) = run.measured(series) else { continue };
        let figures = shown.iter().map(|(quantile, _)| percentile(histogram, *quantile)).chain([maximum(histogram)]);
        let cells: String = figures.map(|figure| cell(figure, column, paint)).collect();
        let name = format!("  {:<11}", title(series));
        let name = if Some(series) == run.main_series() { paint.bold(name) } else { name };
        text += &format!("{name}{:>13}{cells}\n", units::count(histogram.len()));
    }
    text
}

fn cell(figure: Figure, width: usize, paint: Paint) -> String {
    match figure {
        Figure::Value(_) => format!("{:>width$}", figure.to_string()),
        Figure::TooFew(_) => paint.faint(format!("{:>width$}", "n/a")),
    }
}

fn plot(run: &Run, width: usize, paint: Paint) -> String {
    let plot = percentile_plot(&curves(run), width, PLOT_ROWS, paint);
    if plot.is_empty() {
        return plot;
    }
    paint.faint("  latency by percentile; n/a and dotted: fewer than 100 samples lie beyond") + "\n" + &plot
}

/// The percentile curves of a run.
pub(super) fn curves(run: &Run) -> Vec<Curve> {
    let drawn = run.drawn_series().into_iter();
    drawn.filter_map(|series| Some(Curve::of(title(series), run.measured(series)?))).collect()
}

/// One user of the processor: who, seconds, share of its cores, seconds per stanza.
pub(super) struct Share {
    pub(super) who: &'static str,
    pub(super) seconds: f64,
    pub(super) share: Option<f64>,
    pub(super) per_stanza: Option<f64>,
}

/// Who used the processor in the measured phase; empty if that is not known.
pub(super) fn shares(run: &Run) -> Vec<Share> {
    let (processor, environment) = (&run.outcome.processor, &run.outcome.environment);
    if processor.system + processor.engine <= 0.0 {
        return Vec::new();
    }
    let measured = run.outcome.phases.measure;
    let (system, engine) = (environment.system_cores.len(), environment.engine_cores.len());
    let of = |seconds: f64, cores: usize| (cores > 0 && measured > 0.0).then(|| seconds / measured / cores as f64);
    let carried = run.outcome.carried;
    let per_stanza = |seconds: f64| (carried > 0).then(|| seconds / carried as f64);
    let share = |who, seconds, share, per_stanza| Share { who, seconds, share, per_stanza };
    vec![
        share("system", processor.system, of(processor.system, system), run.seconds_per_stanza()),
        share("engine", processor.engine, Some(processor.engine_busy), per_stanza(processor.engine)),
        share("others", processor.others, of(processor.others, system + engine), None),
    ]
}

fn processor(run: &Run, width: usize, paint: Paint) -> String {
    let shares = shares(run);
    if shares.is_empty() {
        return String::new();
    }
    let bar = width.saturating_sub(80).min(32);
    let head = format!("  {:<11}{:>13}  {:<7}{:<bar$}  {:>10}", "processor", "used", "share", "", "per stanza");
    let mut text = paint.faint(head) + "\n";
    for share in shares {
        let of = share.share.map_or(String::new(), units::share);
        let (filled, rest) = blocks(share.share.unwrap_or(0.0), bar);
        let bar = paint.curve(0, filled) + &paint.faint(rest);
        let per_stanza = share.per_stanza.map_or(String::new(), units::seconds);
        let rate = match run.seconds_per_stanza().filter(|_| share.who == "system") {
            Some(seconds) => paint.bold(format!("  {} stanzas/s per core", units::number(1.0 / seconds))),
            None => String::new(),
        };
        let line =
            format!("  {:<11}{:>13}  {of:<7}{bar}  {per_stanza:>10}{rate}", share.who, units::seconds(share.seconds));
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// A bar of `width` characters: what is filled, and the rest.
fn blocks(share: f64, width: usize) -> (String, String) {
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let mut filled = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) && width > 0 {
        filled.push(['▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8 - 1]);
    }
    let rest = "·".repeat(width - filled.chars().count());
    (filled, rest)
}

fn verdict(verdict: &Verdict, paint: Paint) -> String {
    let mut text = String::new();
    if verdict.interrupted {
        text += &format!("  {} this is what was measured until then.\n", paint.doubtful("! Interrupted:"));
    }
    if !verdict.invalid.is_empty() {
        text += &format!("  {} these figures must not be used.\n", paint.bad("✗ Not valid:"));
        verdict.invalid.iter().for_each(|reason| text += &format!("      {reason}\n"));
    }
    for doubt in &verdict.doubts {
        text += &format!("  {} {doubt}\n", paint.doubtful("! Doubt:"));
    }
    if !verdict.failed.is_empty() {
        text += &format!("  {}\n", paint.bad("✗ Failed:"));
        verdict.failed.iter().for_each(|reason| text += &format!("      {reason}\n"));
    }
    if verdict.is_good() {
        text += &format!("  {} the figures may be used, and everything asked for held.\n", paint.good("✓ Valid:"));
    }
    text
}

fn row(name: &str, content: &str) -> String {
    format!("  {name:<10} {content}\n")
}

/// At most `width` characters.
fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::report::made_up;

    /// The summary of a made-up run must be, letter by letter, what the file shows. `UPDATE_SNAPSHOTS=1` writes it anew.
    fn must_look_like(name: &str, shown: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/snapshots").join(name);
        if env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::create_dir_all(path.parent().expect("it has a folder")).unwrap();
            fs::write(&path, shown).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(shown, expected, "{} differs; UPDATE_SNAPSHOTS=1 writes it anew", path.display());
    }

    #[test]
    fn summary_of_a_good_run_looks_as_drawn() {
        must_look_like("good.txt", &summary(&made_up::fan_out(1, 30, 1.0), 100, false));
    }

    #[test]
    fn summary_of_a_bad_run_says_what_is_wrong() {
        let mut record = made_up::fan_out(2, 3, 1.0);
        let counts = &mut record.outcome.counts;
        (counts.arrived, counts.missing, counts.duplicated) = (counts.arrived - 12, 11, 2);
        (record.outcome.stressed.scheduled, record.outcome.stressed.undecided) = (7, 7);
        record.outcome.verdict.invalid = vec!["send lag p99 1.20 ms is more than 10 % of the result's p99".to_owned()];
        record.outcome.verdict.doubts = vec!["others used 31 % of the cores".to_owned()];
        record.outcome.verdict.failed = vec!["11 stanzas missing".to_owned()];
        record.outcome.verdict.interrupted = true;
        must_look_like("bad.txt", &summary(&record, 80, false));
    }

    #[test]
    fn summary_of_an_attack_says_what_the_attacker_did() {
        must_look_like("hostile.txt", &summary(&made_up::hostile(1, 12), 100, false));
    }

    #[test]
    fn interrupted_run_is_not_called_valid() {
        let mut record = made_up::fan_out(2, 3, 1.0);
        assert!(summary(&record, 80, false).contains("✓ Valid"));
        record.outcome.verdict.interrupted = true;
        let text = summary(&record, 80, false);
        assert!(
            text.contains("! Interrupted: this is what was measured until then.") && !text.contains("Valid"),
            "{text}"
        );
    }

    #[test]
    fn no_line_is_wider_than_asked_and_none_is_coloured_unasked() {
        let records = [made_up::fan_out(3, 2, 1.0), made_up::hostile(3, 2)];
        for (width, record) in [80, 100, 120].into_iter().flat_map(|width| records.iter().map(move |one| (width, one)))
        {
            let text = summary(record, width, false);
            assert!(!text.contains('\x1b'));
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width), "{widest:?} of {width}:\n{text}");
        }
        assert!(summary(&records[0], 100, true).contains("\x1b[1mfanout"));
    }

    #[test]
    fn percentile_without_samples_enough_is_not_shown() {
        let text = summary(&made_up::fan_out(4, 2, 1.0), 100, false);
        let last = text.lines().find(|line| line.trim_start().starts_with("last")).unwrap();
        let cells: Vec<&str> = last.split_whitespace().collect();
        assert_eq!(cells[1], "2,000");
        // 2,000 samples: enough for p50 and p90, and the maximum is always known.
        assert_eq!(cells.iter().filter(|cell| **cell == "n/a").count(), 3, "{last}");
        assert_ne!(cells.last(), Some(&"n/a"), "{last}");
    }

    #[test]
    fn idle_run_has_neither_table_nor_plot() {
        let mut record = made_up::fan_out(5, 1, 1.0);
        record.intervals.clear();
        record.outcome.counts = Counts::default();
        let text = summary(&record, 100, false);
        assert!(!text.contains("p99") && !text.contains("stanzas "), "{text}");
        assert!(text.contains("220 open in 412 ms, 26.4 kB of memory per domain stream"), "{text}");
    }

    #[test]
    fn several_shards_have_a_line() {
        let mut record = made_up::fan_out(5, 1, 1.0);
        assert!(!summary(&record, 100, false).contains("shards"));
        record.outcome.shards = Some(Shards { count: 2, streams_moved: 31, stanzas_crossed: 0 });
        let text = summary(&record, 100, false);
        assert!(text.contains("  shards     2; 0 stanzas crossed, 31 streams moved\n"), "{text}");
    }
}
