//! Runs against runs.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::Args;

use crate::compare::{Comparison, Judgement, SIDES_AT_MOST, Side};
use crate::report::{Paint, Terminal};

const METHOD: &str = "\
Each argument is one side; the others are compared with the first. A side is the result.json of a run, the directory of a run, a \
directory of directories of runs (repeats of the same), or several of these with commas between them:

  loadgen compare before.json after.json
  loadgen compare haproxy-1,haproxy-2,haproxy-3,haproxy-4,haproxy-5 ringgate-runs/

A ratio is the median of the ratios of each run to each run of the first side (Hodges and Lehmann). Its interval is the exact one of the \
Mann-Whitney test: of 100 comparisons, 95 or more hold the true ratio, for each figure by itself. It needs 5 valid runs of each side. An \
interval that contains 1 shows no difference.

Exit codes: 0 nothing is shown to be worse; 1 a file cannot be read, or the runs had different loads; 2 wrong usage; 3 a side is \
worse than the first in a figure, or runs of it failed and none of the first did; 4 a side has no valid run.";

/// What to compare.
#[derive(Clone, Debug, Args)]
#[command(after_help = METHOD)]
pub(super) struct Options {
    /// Sides: runs, or repeats of a run
    #[arg(required = true, num_args = 2.., value_name = "RUNS")]
    sides: Vec<String>,
    /// Write the comparison as a page, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Prints the comparison.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let count = options.sides.len();
    ensure!(count <= SIDES_AT_MOST, "{count} sides; at most {SIDES_AT_MOST} are compared");
    let sides = options.sides.iter().enumerate().map(|(number, given)| Side::read(number, given));
    let comparison = Comparison::of(sides.collect::<anyhow::Result<_>>()?);
    let terminal = Terminal::stdout();
    print!("{}", comparison.text(terminal.width, Paint(terminal.colour)));
    if let Some(path) = &options.html {
        fs::write(path, comparison.page()).with_context(|| format!("cannot write {}", path.display()))?;
        println!("\n  report  {}", path.display());
    }
    match comparison.judgement() {
        Judgement::DifferentLoads => bail!("no verdict: the runs did not have the same load"),
        Judgement::Invalid => Ok(ExitCode::from(super::INVALID)),
        Judgement::Worse => Ok(ExitCode::from(super::FAILED)),
        Judgement::NotWorse => Ok(ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{made_up, write_files};

    #[test]
    fn exit_code_tells_what_the_comparison_comes_to() {
        let root = std::env::temp_dir().join(format!("loadgen-compare-{}", std::process::id()));
        for seed in 0..5 {
            let mut record = made_up::fan_out(seed, 1, 1.0);
            write_files(&record, &root.join(format!("base/{seed}"))).unwrap();
            record.outcome.verdict.interrupted = true;
            write_files(&record, &root.join(format!("invalid/{seed}"))).unwrap();
            record.outcome.scenario = "message".to_owned();
            write_files(&record, &root.join(format!("other/{seed}"))).unwrap();
            write_files(&made_up::fan_out(seed, 1, 1.5), &root.join(format!("slow/{seed}"))).unwrap();
        }
        let page = root.join("page.html");
        let compare = |sides: &[&str]| {
            let sides = sides.iter().map(|side| root.join(side).display().to_string()).collect();
            run(&Options { sides, html: Some(page.clone()) })
        };
        let code = |sides: &[&str]| format!("{:?}", compare(sides).unwrap());
        let expected = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(code(&["base", "base"]), expected(0));
        assert_eq!([code(&["base", "slow"]), code(&["slow", "base"])], [expected(3), expected(0)]);
        assert_eq!(code(&["slow", "invalid"]), expected(4));
        assert!(fs::read_to_string(&page).unwrap().contains("No verdict: no valid run of B."));
        let error = |sides: &[&str]| compare(sides).unwrap_err().to_string();
        assert_eq!(error(&["base", "other"]), "no verdict: the runs did not have the same load");
        assert!(error(&["base", "none"]).contains("none: "), "{}", error(&["base", "none"]));
        assert_eq!(error(&["base"; 9]), "9 sides; at most 8 are compared");
        fs::remove_dir_all(root).unwrap();
    }
}
