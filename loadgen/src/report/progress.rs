//! What a run does, while it does it: a bar on a terminal, a line every few seconds elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::units;
use crate::engine::Glimpse;
use crate::measure::Phase;
use crate::measure::figure::readable;

/// Between two lines where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// In one line, without the bar. Percentiles of a single second help to see that all is well; they are no figures.
fn words(glimpse: &Glimpse) -> String {
    if glimpse.phase == Phase::Connect {
        let (open, all) = (glimpse.opened, glimpse.to_open);
        return format!("{} of {} streams open", units::count(open), units::count(all));
    }
    let mut words = format!("{}/s", units::count(glimpse.rate));
    if glimpse.p50 > Duration::ZERO {
        words += &format!("   p50 {}   p99 {}", readable(glimpse.p50), readable(glimpse.p99));
    }
    words + &format!("   missing {}", units::count(glimpse.missing))
}

/// Length and position of the bar: streams while they are opened, then time.
fn extent(glimpse: &Glimpse) -> (u64, u64) {
    let (length, position) = match glimpse.phase {
        Phase::Connect => (glimpse.to_open, glimpse.opened),
        Phase::WarmUp | Phase::Measure => (glimpse.planned.as_millis() as u64, glimpse.elapsed.as_millis() as u64),
    };
    (length.max(1), position.min(length.max(1)))
}

/// Shows each [`Glimpse`] on standard error.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// Since when no line was printed, where there is no terminal.
    lined: Option<(Phase, Duration)>,
}

impl Progress {
    /// On standard error.
    pub fn new() -> Self {
        Self::on(ProgressDrawTarget::stderr_with_hz(5))
    }

    fn on(target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(Some(1), target);
        let style = ProgressStyle::with_template("  {prefix:<8} {bar:32.cyan/dim} {msg}");
        bar.set_style(style.expect("a template without mistakes").progress_chars("━╸─"));
        Self { bar, lined: None }
    }

    /// Shows how far the run is. To be called a few times a second.
    pub fn show(&mut self, glimpse: &Glimpse) {
        if self.bar.is_hidden() {
            if let Some(line) = self.line(glimpse) {
                eprintln!("{line}");
            }
            return;
        }
        let (length, position) = extent(glimpse);
        self.bar.set_prefix(glimpse.phase.name());
        self.bar.set_length(length);
        self.bar.set_position(position);
        self.bar.set_message(words(glimpse));
    }

    /// Takes the bar away; what follows is the summary.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }

    /// A line when a phase begins and every few seconds of it.
    fn line(&mut self, glimpse: &Glimpse) -> Option<String> {
        let (phase, elapsed) = (glimpse.phase, glimpse.elapsed);
        let is_due = self.lined.is_none_or(|(lined, at)| lined != phase || elapsed >= at + BETWEEN_LINES);
        is_due.then(|| {
            self.lined = Some((phase, elapsed));
            let (elapsed, planned) = (elapsed.as_secs(), glimpse.planned.as_secs());
            format!("  {:<8} {elapsed:>3} s of {planned} s   {}", phase.name(), words(glimpse))
        })
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use indicatif::{InMemoryTerm, TermLike};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn glimpse(phase: Phase, seconds: u32) -> Glimpse {
        Glimpse {
            phase,
            elapsed: SECOND * seconds,
            planned: SECOND * 30,
            opened: 1_024,
            to_open: 2_000,
            rate: 40_123,
            p50: Duration::from_micros(112),
            p99: Duration::from_micros(1_240),
            done: 1_000,
            missing: 3,
        }
    }

    #[test]
    fn without_a_terminal_a_line_comes_every_five_seconds_and_with_each_phase() {
        let mut progress = Progress::on(ProgressDrawTarget::hidden());
        let mut lines = Vec::new();
        lines.extend((0..3).filter_map(|second| progress.line(&glimpse(Phase::Connect, second))));
        lines.extend((0..12).filter_map(|second| progress.line(&glimpse(Phase::Measure, second))));
        assert_eq!(lines.len(), 4, "{lines:#?}");
        assert_eq!(lines[0], "  connect    0 s of 30 s   1,024 of 2,000 streams open");
        assert_eq!(lines[2], "  measure    5 s of 30 s   40,123/s   p50 112 µs   p99 1.24 ms   missing 3");
    }

    #[test]
    fn bar_shows_phase_rate_percentiles_and_what_is_missing() {
        let term = InMemoryTerm::new(4, 120);
        assert_eq!(term.width(), 120);
        let mut progress = Progress::on(ProgressDrawTarget::term_like(Box::new(term.clone())));
        progress.show(&glimpse(Phase::Measure, 15));
        progress.bar.force_draw();
        let shown = term.contents();
        for expected in ["measure", "━", "40,123/s", "p50 112 µs", "p99 1.24 ms", "missing 3"] {
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
        progress.finish();
        assert_eq!(term.contents(), "");
    }
}
