//! The files of a run.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::run::Run;
use super::{hgrm, hlog, html, result};
use crate::outcome::{Growth, Held, Record};

/// Where the files of a run are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Everything, for programs and for `compare`.
    pub result: PathBuf,
    /// One self-contained page.
    pub page: PathBuf,
    /// Every interval of every series, for HdrHistogram's tools.
    pub intervals: PathBuf,
    /// The main series' percentile table; none if nothing was measured.
    pub percentiles: Option<PathBuf>,
    /// What the system held over time; none unless the scenario is about that.
    pub held: Option<PathBuf>,
}

impl Files {
    /// One line per file, and what it is for.
    pub fn listing(&self) -> String {
        let mut text = format!("  report  {}\n", self.page.display());
        text += &format!("  data    {}   loadgen compare reads it\n", self.result.display());
        text += &format!("  HDR     {}", self.intervals.display());
        if let Some(percentiles) = &self.percentiles {
            let name = percentiles.file_name().unwrap_or(percentiles.as_os_str());
            text += &format!(", {}", name.display());
        }
        text += "\n";
        if let Some(held) = &self.held {
            text += &format!("  CSV     {}   what the system held\n", held.display());
        }
        text
    }
}

/// Writes `result.json`, `report.html`, `latency.hlog`, `latency.hgrm` and `held.csv` into `directory`, which is made if need be; earlier
/// ones are overwritten.
///
/// # Errors
/// When the directory or a file cannot be written; names it.
pub fn write_files(record: &Record, directory: &Path) -> anyhow::Result<Files> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let run = Run::of(record);
    let main = run.main_series().and_then(|series| run.measured(series));
    let files = Files {
        result: directory.join("result.json"),
        page: directory.join("report.html"),
        intervals: directory.join("latency.hlog"),
        percentiles: main.map(|_| directory.join("latency.hgrm")),
        held: run.outcome.growth.as_ref().map(|_| directory.join("held.csv")),
    };
    write(&files.intervals, |file| hlog::write(file, record))?;
    if let (Some(path), Some(histogram)) = (&files.percentiles, main) {
        write(path, |file| Ok(hgrm::write(file, histogram)?))?;
    }
    if let (Some(path), Some(growth)) = (&files.held, &run.outcome.growth) {
        write_text(path, &csv(growth))?;
    }
    write_text(&files.page, &html::page(&run, &record.intervals))?;
    // Last: whoever finds it finds the others, too.
    write_text(&files.result, &result::to_json(&run)?)?;
    Ok(files)
}

/// A line for each look at the system.
fn csv(growth: &Growth) -> String {
    let line = |held: &Held| {
        let Held { at, phase, resident_bytes, descriptors } = held;
        format!("{at:.3},{},{resident_bytes},{descriptors}\n", phase.name())
    };
    let lines: String = growth.held.iter().map(line).collect();
    "seconds,phase,resident_bytes,descriptors\n".to_owned() + &lines
}

fn write(path: &Path, content: impl FnOnce(BufWriter<File>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let context = || format!("cannot write {}", path.display());
    content(BufWriter::new(File::create(path).with_context(context)?)).with_context(context)
}

fn write_text(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
