//! The page of a run.

use super::charts::{Timeline, distribution_chart, held_chart, percentile_chart};
use super::{document, escape, section};
use crate::measure::Series;
use crate::measure::figure::{SHOWN, maximum, percentile};
use crate::outcome::{Held, Interval, Verdict};
use crate::report::grid::Grid;
use crate::report::paint::title;
use crate::report::run::Run;
use crate::report::shell::shell_line;
use crate::report::summary::{adds_up, attack, curves, list, mistakes_of, rows, shares, trends};
use crate::report::units;

/// The page of a run, with its latency over time from `intervals`.
pub(in crate::report) fn page(run: &Run, intervals: &[Interval]) -> String {
    let outcome = &run.outcome;
    let name = format!("{} through {}", outcome.scenario, run.system());
    let measured = units::seconds(outcome.phases.measure);
    let sub = format!("{measured} measured, seed {}, {}, schema {}", outcome.seed, outcome.generator, outcome.schema);
    let mut body = format!("<h1>{}</h1>\n<p class=\"faint\">{}</p>\n", escape(&name), escape(&sub));
    body += &verdict(&outcome.verdict);
    body += &tiles(run);
    body += &percentiles(run);
    body += &over_time(run, intervals);
    body += &skew(run);
    body += &growth(run);
    body += &counts(run);
    body += &processor(run);
    body += &environment(run);
    body += &repeat(run);
    document(&name, &body)
}

fn verdict(verdict: &Verdict) -> String {
    let list = |class: &str, head: &str, reasons: &[String]| {
        let items: String = reasons.iter().map(|reason| format!("<li>{}</li>", escape(reason))).collect();
        let items = if items.is_empty() { String::new() } else { format!("<ul>{items}</ul>") };
        format!("<div class=\"verdict{class}\"><strong>{head}</strong>{items}</div>\n")
    };
    let mut text = String::new();
    if verdict.interrupted {
        text += &list(" doubt", "Interrupted: this is what was measured until then.", &[]);
    }
    if !verdict.invalid.is_empty() {
        text += &list(" bad", "Not valid: these figures must not be used.", &verdict.invalid);
    }
    if !verdict.failed.is_empty() {
        text += &list(" bad", "Failed:", &verdict.failed);
    }
    if verdict.is_good() {
        text += &list("", "Valid: the figures may be used, and everything asked for held.", &[]);
    }
    if !verdict.doubts.is_empty() {
        text += &list(" doubt", "To know before using them:", &verdict.doubts);
    }
    text
}

fn tiles(run: &Run) -> String {
    let mut tiles = Vec::new();
    if let Some((series, histogram)) = run.main_series().and_then(|series| Some((series, run.measured(series)?))) {
        for (quantile, name) in &SHOWN[..4] {
            if let Some(value) = percentile(histogram, *quantile).value() {
                tiles.push((crate::measure::figure::readable(value), format!("{name}, {}", title(series))));
            }
        }
        tiles.push((maximum(histogram).to_string(), format!("max, {}", title(series))));
    }
    if let Some(rate) = run.stanzas_per_second().filter(|rate| *rate > 0.0) {
        tiles.push((units::number(rate), "stanzas per second".to_owned()));
        tiles.push((units::count(run.outcome.counts.missing), "missing".to_owned()));
    }
    if let Some(seconds) = run.seconds_per_stanza() {
        tiles.push((units::seconds(seconds), "CPU per stanza".to_owned()));
    }
    if let Some(rate) = run.handshakes_per_second() {
        tiles.push((units::number(rate), "handshakes per second".to_owned()));
    }
    if let Some(bytes) = run.bytes_per_stream() {
        tiles.push((units::bytes(bytes), "memory per domain stream".to_owned()));
    }
    let tile = |(value, name): &(String, String)| {
        format!("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", escape(value), escape(name))
    };
    format!("<div class=\"tiles\">\n{}</div>\n", tiles.iter().map(tile).collect::<String>())
}

fn percentiles(run: &Run) -> String {
    let chart = percentile_chart(&curves(run));
    let grid = figures(run);
    if grid.rows.is_empty() {
        return String::new();
    }
    let since = match run.main_series() {
        Some(Series::Transit) => "From writing a stanza, in a closed loop: a system that falls behind is asked less.",
        Some(Series::Handshake) => {
            "From the begin of a connection, in a closed loop: a system that falls behind is asked less."
        }
        _ => "From the scheduled time, so a system that falls behind is not asked less.",
    };
    let caption = format!(
        "{since} Dotted, and n/a below: fewer than 100 samples lie beyond, so it says little about the next run."
    );
    let content = format!(
        "<figure>{chart}<figcaption>{caption}</figcaption></figure>\n<div class=\"wide\">{}</div>\n",
        grid.html()
    );
    section("Latency by percentile", &content)
}

/// All series of the measured phase.
fn figures(run: &Run) -> Grid {
    let head =
        ["series", "samples", "min", "mean"].into_iter().chain(SHOWN.iter().map(|(_, name)| *name)).chain(["max"]);
    let row = |series: Series| {
        let histogram = run.measured(series)?;
        let mut cells = vec![
            title(series),
            units::count(histogram.len()),
            units::nanos(histogram.min()),
            units::seconds(histogram.mean() / 1e9),
        ];
        let figures = SHOWN.iter().map(|(quantile, _)| percentile(histogram, *quantile));
        cells.extend(figures.map(|figure| figure.value().map_or("n/a".to_owned(), |_| figure.to_string())));
        cells.push(maximum(histogram).to_string());
        Some(cells)
    };
    Grid { head: head.map(str::to_owned).collect(), rows: rows().filter_map(row).collect() }
}

fn over_time(run: &Run, intervals: &[Interval]) -> String {
    let main = run.main_series().and_then(|series| Some((series, Timeline::of(series, intervals)?)));
    let Some((series, timeline)) = main else { return String::new() };
    let (span, phases) = (timeline.span(), &run.outcome.phases);
    let measured_from = phases.connect + phases.warm_up;
    let mut content = timeline.chart("latency over time", 300.0, span, measured_from);
    let caption = format!(
        "{}, second by second since the begin of the run. Dotted: fewer than 100 samples of a second lie beyond.",
        title(series)
    );
    content += &format!("<p class=\"faint\">{}</p>\n", escape(&caption));
    if let Some(hiccups) = Timeline::of(Series::Hiccup, intervals) {
        content += &hiccups.chart("hiccups over time", 170.0, span, measured_from);
        content += "<p class=\"faint\">hiccup: how late a thread of the generator wakes up that only sleeps; a peak in both is the \
                    machine's, not the system's.</p>\n";
    }
    section("Latency over time", &content)
}

fn skew(run: &Run) -> String {
    let Some(histogram) = run.measured(Series::Skew) else { return String::new() };
    let chart = distribution_chart("distribution of the fan-out skew", histogram);
    let content = format!(
        "<figure>{chart}<figcaption>From the first to the last recipient of the same presence change; share of {} fan-outs.\
         </figcaption></figure>\n",
        units::count(histogram.len())
    );
    section("Fan-out skew", &content)
}

/// What the system held over time.
fn growth(run: &Run) -> String {
    let Some(growth) = &run.outcome.growth else { return String::new() };
    let measured_from = run.outcome.phases.connect + run.outcome.phases.warm_up;
    let mut content = String::new();
    let of = [|held: &Held| held.resident_bytes, |held: &Held| held.descriptors];
    for ((name, slope), (of, show)) in trends(run).into_iter().zip(of.into_iter().zip([units::bytes, units::number])) {
        let points: Vec<(f64, f64)> = growth.held.iter().map(|held| (held.at, of(held) as f64)).collect();
        content += &held_chart(name, &points, measured_from, show);
        content += &format!("<p class=\"faint\">{}: {}</p>\n", escape(name), escape(&slope));
    }
    section("What the system held", &content)
}

fn counts(run: &Run) -> String {
    let (outcome, counts) = (&run.outcome, &run.outcome.counts);
    let mut rows = Vec::new();
    if counts.scheduled > 0 {
        let mut parts = vec![(counts.arrived, "arrived"), (counts.missing, "missing"), (counts.unsent, "unsent")];
        parts.extend((counts.undecided > 0).then_some((counts.undecided, "undecided")));
        let parts: Vec<String> =
            parts.into_iter().map(|(count, name)| format!("{} {name}", units::count(count))).collect();
        let holds = if adds_up(counts) { "adds up" } else { "does NOT add up" };
        rows.push((
            "stanzas",
            format!("{} scheduled = {} ({holds})", units::count(counts.scheduled), parts.join(" + ")),
        ));
        let mistakes = mistakes_of(counts).map(|(name, count)| format!("{} {name}", units::count(count)));
        rows.push(("", mistakes.join(", ")));
        rows.push(("fan-outs", units::count(counts.departures)));
        rows.push(("bytes", units::bytes(counts.bytes as f64)));
    }
    let streams = &outcome.streams;
    rows.push((
        "streams",
        format!("{} open in {}", units::count(streams.open), units::seconds(outcome.phases.connect)),
    ));
    rows.push((
        "handshakes",
        format!("{} done, {} failed", units::count(streams.handshakes), units::count(streams.failed)),
    ));
    rows.extend((streams.lost > 0).then(|| ("lost streams", units::count(streams.lost))));
    rows.extend(streams.back_after.map(|after| ("all streams back after", units::seconds(after))));
    rows.extend(attack(run).into_iter().flatten());
    let memory = [
        ("before", streams.memory_before_bytes),
        ("with all streams open", streams.memory_open_bytes),
        ("at the end", streams.memory_end_bytes),
    ];
    let memory = memory.map(|(when, bytes)| format!("{} {when}", units::bytes(bytes as f64)));
    rows.push(("memory", memory.join(", ")));
    section("Counts", &facts(&rows))
}

fn processor(run: &Run) -> String {
    let head = ["who", "used", "of its cores", "per stanza"].map(str::to_owned).to_vec();
    let none = || "".to_owned();
    let row = |share: &crate::report::summary::Share| {
        vec![
            share.who.to_owned(),
            units::seconds(share.seconds),
            share.share.map_or_else(none, units::share),
            share.per_stanza.map_or_else(none, units::seconds),
        ]
    };
    let rows: Vec<Vec<String>> = shares(run).iter().map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    section("Processor time in the measured phase", &Grid { head, rows }.html())
}

fn environment(run: &Run) -> String {
    let environment = &run.outcome.environment;
    let known = |value: Option<&str>| value.unwrap_or("not told").to_owned();
    let rows = [
        ("system", run.system()),
        ("kernel", environment.kernel.clone()),
        ("processor", environment.processor.clone()),
        ("cores", environment.cores.to_string()),
        ("system on", list(&environment.system_cores)),
        ("engine on", list(&environment.engine_cores)),
        ("governor", known(environment.governor.as_deref())),
        ("SMT", known(environment.smt.map(|smt| if smt { "yes" } else { "no" }))),
        ("memory", units::bytes(environment.memory_bytes as f64)),
        ("control group", environment.control_group.join("; ")),
        ("mitigations", environment.mitigations.join("; ")),
    ];
    section("Environment", &facts(&rows))
}

fn repeat(run: &Run) -> String {
    let options = serde_json::to_string_pretty(&run.outcome.options).unwrap_or_default();
    let content =
        format!("<pre>{}</pre>\n<pre>{}</pre>\n", escape(&shell_line(&run.outcome.command)), escape(&options));
    section("To repeat it", &content)
}

fn facts(rows: &[(&str, String)]) -> String {
    let row =
        |(name, value): &(&str, String)| format!("<tr><td>{}</td><td>{}</td></tr>\n", escape(name), escape(value));
    let rows: String = rows.iter().filter(|(_, value)| !value.is_empty()).map(row).collect();
    format!("<table class=\"facts\">\n<tbody>\n{rows}</tbody>\n</table>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::made_up;

    #[test]
    fn caption_says_from_when_the_main_series_counts() {
        let caption = |series: Series| {
            let record = made_up::only(series, 1);
            page(&Run::of(&record), &record.intervals)
        };
        assert!(caption(Series::Recipient).contains("From the scheduled time, so a system"));
        for (series, since) in
            [(Series::Transit, "From writing a stanza"), (Series::Handshake, "From the begin of a connection")]
        {
            let page = caption(series);
            assert!(page.contains(since) && !page.contains("From the scheduled time"), "{series:?}");
        }
    }
}
