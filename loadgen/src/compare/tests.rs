//! Comparisons of made-up runs.

use std::path::PathBuf;

use super::side::Repeat;
use super::*;
use crate::outcome::Outcome;
use crate::report::{Paint, Run, made_up};

/// As many runs as there are seeds, each slower by a little of its own; `change` makes them what they are.
fn side(number: usize, seeds: std::ops::Range<u64>, slowness: f64, change: impl Fn(usize, &mut Outcome)) -> Side {
    let repeat = |(at, seed): (usize, u64)| {
        let scatter = 1.0 + 0.01 * (seed * 7 % 5) as f64;
        let mut record = made_up::fan_out(seed, 1, slowness * scatter);
        change(at, &mut record.outcome);
        Repeat { path: PathBuf::from(format!("{seed}/result.json")), run: Run::of(&record) }
    };
    Side::new(number, "runs", seeds.enumerate().map(repeat).collect())
}

fn unchanged(_: usize, _: &mut Outcome) {}

fn text(comparison: &Comparison) -> String {
    comparison.text(100, Paint(false))
}

/// The cells of a row of one of the tables, by the first words of the row.
fn row(text: &str, name: &str) -> String {
    let found = text.lines().rev().find(|line| line.trim_start().starts_with(name));
    found.unwrap_or_else(|| panic!("{name}:\n{text}")).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn slower_side_is_worse_in_what_is_slower_only() {
    let comparison = Comparison::of(vec![side(0, 0..5, 1.0, unchanged), side(1, 0..5, 1.3, unchanged)]);
    assert_eq!(comparison.judgement(), Judgement::Worse);
    let text = text(&comparison);
    assert!(row(&text, "CPU per stanza").starts_with("CPU per stanza 1.30 1.2"), "{text}");
    assert!(row(&text, "p50").ends_with("worse"), "{text}");
    assert_eq!(row(&text, "stanzas/s"), "stanzas/s 1.00 1.00 to 1.00 no difference shown");
    assert_eq!(row(&text, "B against A"), "B against A: worse in CPU per stanza, p50.");
}

#[test]
fn faster_side_is_better_and_the_same_side_shows_no_difference() {
    let sides = vec![side(0, 0..5, 1.0, unchanged), side(1, 0..5, 0.7, unchanged), side(2, 1..6, 1.0, unchanged)];
    let comparison = Comparison::of(sides);
    assert_eq!(comparison.judgement(), Judgement::NotWorse);
    let text = text(&comparison);
    assert!(row(&text, "B against A").starts_with("B against A: better in CPU"), "{text}");
    assert_eq!(row(&text, "C against A"), "C against A: no difference shown.");
    assert!(text.contains("! seed differs: A 0, 1, 2, 3, 4; B 0, 1, 2, 3, 4; C 1, 2, 3, 4, 5"), "{text}");
}

#[test]
fn fewer_than_five_runs_have_ratios_and_no_interval() {
    let one = Comparison::of(vec![side(0, 0..1, 1.0, unchanged), side(1, 0..1, 9.0, unchanged)]);
    assert_eq!(one.judgement(), Judgement::NotWorse);
    assert!(row(&text(&one), "B against A").contains("one run each: no interval"), "{}", text(&one));
    assert_eq!(row(&text(&one), "CPU per stanza"), "CPU per stanza 9.00 none no interval");
    let four = Comparison::of(vec![side(0, 0..5, 1.0, unchanged), side(1, 0..4, 9.0, unchanged)]);
    assert!(row(&text(&four), "B against A").contains("5 and 4 runs: no interval"), "{}", text(&four));
}

#[test]
fn another_load_is_named_first_and_there_is_no_verdict() {
    let other = |_: usize, outcome: &mut Outcome| outcome.options["rate"] = 2_000.0.into();
    let comparison = Comparison::of(vec![side(0, 0..5, 1.0, unchanged), side(1, 0..5, 1.3, other)]);
    assert_eq!(comparison.judgement(), Judgement::DifferentLoads);
    let text = text(&comparison);
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}:\n{text}"));
    assert!(at("✗ option rate differs: A 1000.0; B 2000.0") < at("by percentile"));
    assert!(row(&text, "p50").ends_with("no verdict"), "{text}");
    assert!(text.ends_with("  No verdict: the runs did not have the same load.\n"), "{text}");
}

#[test]
fn repeats_of_different_systems_or_scenarios_are_no_side() {
    let mixed = |at: usize, outcome: &mut Outcome| {
        if at == 1 {
            outcome.system.name = "haproxy".to_owned();
            outcome.scenario = "message".to_owned();
        }
    };
    let comparison = Comparison::of(vec![side(0, 0..5, 1.0, mixed), side(1, 0..5, 1.0, unchanged)]);
    assert_eq!(comparison.judgement(), Judgement::DifferentLoads);
    let text = text(&comparison);
    assert!(text.contains("✗ A mixes systems: haproxy 0.1.0, ringgate 0.1.0\n"), "{text}");
    assert!(text.contains("✗ scenario differs: A fanout, message; B fanout\n"), "{text}");
}

#[test]
fn invalid_run_is_named_and_left_out() {
    let spoilt = |at: usize, outcome: &mut Outcome| match at {
        0 => {
            outcome.verdict.invalid.push("the generator was late".to_owned());
            outcome.processor.system *= 100.0;
        }
        1 => outcome.verdict.failed.push("3 stanzas missing".to_owned()),
        _ => {}
    };
    let comparison = Comparison::of(vec![side(0, 0..5, 1.0, unchanged), side(1, 0..6, 1.0, spoilt)]);
    assert_eq!(comparison.judgement(), Judgement::Worse, "one of them lost stanzas");
    let shown = text(&comparison);
    assert!(
        shown.contains("5 of 6 runs valid")
            && shown.contains("✗ B, run 1 (0/result.json): not valid: the generator was late\n"),
        "{shown}"
    );
    assert!(shown.contains("! B, run 2 (1/result.json): failed: 3 stanzas missing\n"), "{shown}");
    assert!(!shown.contains("80"), "the figure of the invalid run is not used: {shown}");

    let interrupted = |_: usize, outcome: &mut Outcome| outcome.verdict.interrupted = true;
    let comparison = Comparison::of(vec![side(0, 0..5, 1.0, unchanged), side(1, 0..5, 2.0, interrupted)]);
    assert_eq!(comparison.judgement(), Judgement::Invalid);
    let shown = text(&comparison);
    assert!(shown.contains("✗ B, all runs: not valid: it was interrupted\n"), "{shown}");
    assert!(shown.ends_with("  No verdict: no valid run of B.\n") && shown.contains("16.3 µs"), "{shown}");
}

#[test]
fn side_whose_runs_failed_where_those_of_the_first_did_not_is_worse_however_fast() {
    let lossy = |at: usize, outcome: &mut Outcome| {
        if at > 2 {
            outcome.verdict.failed.push(format!("{at} stanzas had not arrived by the deadline"));
        }
    };
    let judged = |sides: [Side; 2]| {
        let comparison = Comparison::of(sides.into());
        (comparison.judgement(), row(&text(&comparison), "B "))
    };
    let (judgement, said) = judged([side(0, 0..5, 1.0, unchanged), side(1, 0..5, 0.7, lossy)]);
    assert_eq!(judgement, Judgement::Worse);
    let loss = "B is worse than A: 2 of 5 runs failed, the first of them: 3 stanzas had not arrived by the deadline. B against A: better";
    assert!(said.starts_with(loss), "{said}");
    // One run is enough: a loss needs no interval.
    let all_lossy = |_: usize, outcome: &mut Outcome| lossy(3, outcome);
    let (judgement, said) = judged([side(0, 0..1, 1.0, unchanged), side(1, 0..1, 1.0, all_lossy)]);
    assert_eq!(judgement, Judgement::Worse);
    assert!(said.starts_with("B is worse than A: its run failed: 3 stanzas"), "{said}");
    let (judgement, _) = judged([side(0, 0..5, 1.0, lossy), side(1, 0..5, 1.0, lossy)]);
    assert_eq!(judgement, Judgement::NotWorse);
    let (judgement, _) = judged([side(0, 0..5, 1.0, lossy), side(1, 0..5, 1.0, unchanged)]);
    assert_eq!(judgement, Judgement::NotWorse);
}

#[test]
fn words_that_differ_in_numbers_only_are_said_once() {
    let busy =
        |at: usize, outcome: &mut Outcome| outcome.verdict.doubts.push(format!("others used {at} % of the cores"));
    let comparison = Comparison::of(vec![side(0, 0..3, 1.0, busy), side(1, 0..3, 1.0, unchanged)]);
    let text = text(&comparison);
    assert!(text.contains("! A, all runs: others used 0 % of the cores; the others alike\n"), "{text}");
    assert_eq!(text.matches("of the cores").count(), 1, "{text}");
}

#[test]
fn curves_are_overlaid_and_no_line_is_too_wide() {
    let comparison = Comparison::of(vec![side(0, 0..5, 1.0, unchanged), side(1, 0..5, 3.0, unchanged)]);
    let text = text(&comparison);
    assert!(
        text.contains("A ringgate\n") && text.contains(" B ringgate\n") && text.contains("last by percentile"),
        "{text}"
    );
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{widest:?}:\n{text}");
}

#[test]
fn page_holds_all_that_the_text_says_and_escapes_it() {
    let nasty = |_: usize, outcome: &mut Outcome| {
        outcome.system.name = "<b>".to_owned();
        outcome.verdict.doubts.push("</body>".to_owned());
    };
    let page = Comparison::of(vec![side(0, 0..5, 1.0, unchanged), side(1, 0..5, 2.0, nasty)]).page();
    assert!(page.contains("B, all runs: &lt;/body&gt;") && page.contains("B &lt;b&gt;"), "{page}");
    assert!(page.contains("<svg ") && page.contains("worse in CPU per stanza") && !page.contains("<b>"), "{page}");
}
