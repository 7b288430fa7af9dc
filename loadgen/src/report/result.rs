//! `result.json`: written, and read back by comparisons.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::run::Run;
use crate::measure::figure::percentile;
use crate::measure::{Phase, Series};
use crate::outcome::{Outcome, SCHEMA};

/// Larger files are not read: a run has at most one histogram of some 100 kB for each phase and series, 36.
const BYTES_AT_MOST: u64 = 64 << 20;

/// Why a file is not read as a result.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be read at all.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is something else, or damaged.
    #[error("{}: not a result of loadgen: {reason}", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// Another version of loadgen wrote it.
    #[error("{}: schema {found}, but this loadgen reads schema {SCHEMA}; use the version that wrote it", path.display())]
    Schema {
        /// Which file.
        path: PathBuf,
        /// Its schema.
        found: u64,
    },
}

/// The whole file.
#[derive(Serialize, Deserialize)]
struct Document {
    #[serde(flatten)]
    outcome: Outcome,
    summaries: Vec<Summary>,
    histograms: Vec<Encoded>,
}

/// Figures of one series in one phase. A percentile is `null` where the samples do not suffice for it.
#[derive(Serialize, Deserialize)]
struct Summary {
    phase: Phase,
    series: Series,
    n: u64,
    min_ns: u64,
    mean_ns: f64,
    p50_ns: Option<u64>,
    p90_ns: Option<u64>,
    p99_ns: Option<u64>,
    #[serde(rename = "p99.9_ns")]
    p999_ns: Option<u64>,
    #[serde(rename = "p99.99_ns")]
    p9999_ns: Option<u64>,
    max_ns: u64,
}

impl Summary {
    fn of(phase: Phase, series: Series, histogram: &Histogram<u64>) -> Self {
        let at = |quantile| percentile(histogram, quantile).value().map(|value| value.as_nanos() as u64);
        Self {
            phase,
            series,
            n: histogram.len(),
            min_ns: histogram.min(),
            mean_ns: histogram.mean(),
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            p9999_ns: at(0.9999),
            max_ns: histogram.max(),
        }
    }
}

/// A histogram as HdrHistogram's other implementations read it.
#[derive(Serialize, Deserialize)]
struct Encoded {
    phase: Phase,
    series: Series,
    n: u64,
    /// HdrHistogram V2, deflated, base64; values are nanoseconds.
    v2_deflate_base64: String,
}

impl Encoded {
    fn of(phase: Phase, series: Series, histogram: &Histogram<u64>) -> anyhow::Result<Self> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(histogram, &mut bytes)?;
        Ok(Self { phase, series, n: histogram.len(), v2_deflate_base64: BASE64.encode(bytes) })
    }

    fn decode(&self) -> Result<Histogram<u64>, String> {
        let name = format!("histogram {}-{}", self.phase.name(), self.series.name());
        let bytes = BASE64.decode(&self.v2_deflate_base64).map_err(|error| format!("{name}: {error}"))?;
        let decoded = Deserializer::new().deserialize(&mut bytes.as_slice());
        let histogram: Histogram<u64> = decoded.map_err(|error| format!("{name}: {error}"))?;
        if histogram.len() != self.n {
            return Err(format!("{name} holds {} values, not {}", histogram.len(), self.n));
        }
        Ok(histogram)
    }
}

/// The content of `result.json`.
///
/// # Errors
/// When a histogram cannot be encoded.
pub fn to_json(run: &Run) -> anyhow::Result<String> {
    let histograms = run.histograms().map(|(phase, series, histogram)| Encoded::of(phase, series, histogram));
    let document = Document {
        outcome: run.outcome.clone(),
        summaries: run.histograms().map(|(phase, series, histogram)| Summary::of(phase, series, histogram)).collect(),
        histograms: histograms.collect::<Result<_, _>>()?,
    };
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}

/// Reads a `result.json`.
///
/// # Errors
/// One line that names the file: it cannot be read, is none, is damaged, or has another schema.
pub fn read(path: &Path) -> Result<Run, ReadError> {
    let text = text_of(path).map_err(|error| ReadError::Io { path: path.to_owned(), error })?;
    let foreign = |reason| ReadError::Foreign { path: path.to_owned(), reason };
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| foreign(error.to_string()))?;
    let Some(schema) = value.get("schema").and_then(serde_json::Value::as_u64) else {
        return Err(foreign("it has no schema number".to_owned()));
    };
    if schema != u64::from(SCHEMA) {
        return Err(ReadError::Schema { path: path.to_owned(), found: schema });
    }
    let document: Document = serde_json::from_value(value).map_err(|error| foreign(error.to_string()))?;
    let mut run = Run::new(document.outcome);
    for encoded in document.histograms {
        run.merge(encoded.phase, encoded.series, &encoded.decode().map_err(foreign)?);
    }
    Ok(run)
}

fn text_of(path: &Path) -> io::Result<String> {
    let bytes = fs::metadata(path)?.len();
    if bytes > BYTES_AT_MOST {
        return Err(io::Error::other(format!("{bytes} bytes; a result has at most {BYTES_AT_MOST}")));
    }
    fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::made_up;

    fn file(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("loadgen-result-{}-{name}.json", std::process::id()));
        fs::write(&path, text).unwrap();
        path
    }

    /// Reads `text` from a file and removes that.
    fn read_text(name: &str, text: &str) -> Result<Run, ReadError> {
        let path = file(name, text);
        let read = read(&path);
        fs::remove_file(path).unwrap();
        read
    }

    fn good() -> (Run, Value) {
        let run = Run::of(&made_up::fan_out(1, 2, 1.0));
        let value = serde_json::from_str(&to_json(&run).unwrap()).unwrap();
        (run, value)
    }

    #[test]
    fn result_reads_back_as_it_was_written() {
        let (run, value) = good();
        let back = read_text("same", &value.to_string()).unwrap();
        let outcome = |run: &Run| serde_json::to_value(&run.outcome).unwrap();
        assert_eq!(outcome(&back), outcome(&run));
        assert_eq!(back.histograms().count(), 14);
        for ((phase, series, there), (.., here)) in back.histograms().zip(run.histograms()) {
            assert_eq!(there, here, "{phase:?} {series:?}");
        }
    }

    #[test]
    fn summary_has_null_where_samples_do_not_suffice_and_its_number_beside_it() {
        let (run, value) = good();
        let summaries = value["summaries"].as_array().unwrap();
        let last = summaries.iter().find(|one| one["phase"] == "measure" && one["series"] == "last").unwrap();
        assert_eq!((&last["n"], &last["p99_ns"], &last["p99.9_ns"]), (&2_000.into(), &Value::Null, &Value::Null));
        let histogram = run.measured(Series::Last).unwrap();
        assert_eq!(last["p90_ns"], histogram.value_at_quantile(0.9));
        assert_eq!(last["max_ns"], histogram.max());
    }

    #[test]
    fn file_of_another_schema_is_refused_with_both_numbers() {
        let (_, mut value) = good();
        value["schema"] = 7.into();
        let error = read_text("schema", &value.to_string()).unwrap_err().to_string();
        let said = format!("schema 7, but this loadgen reads schema {SCHEMA}; use the version that wrote it");
        assert!(error.ends_with(&said), "{error}");
    }

    #[test]
    fn damaged_file_ends_in_one_line_that_names_it() {
        let (_, value) = good();
        let with = |change: &dyn Fn(&mut Value)| {
            let mut changed = value.clone();
            change(&mut changed);
            changed.to_string()
        };
        let cut = value.to_string();
        let cases = [
            ("cut", cut[..cut.len() / 2].to_owned(), "EOF"),
            ("list", "[]".to_owned(), "no schema number"),
            ("field", with(&|value| value["counts"]["missing"] = "many".into()), "invalid type"),
            ("series", with(&|value| value["histograms"][0]["series"] = "gone".into()), "unknown variant"),
            ("base64", with(&|value| value["histograms"][0]["v2_deflate_base64"] = "%".into()), "histogram"),
            ("bytes", with(&|value| value["histograms"][0]["v2_deflate_base64"] = "AAAA".into()), "histogram"),
            ("count", with(&|value| value["histograms"][0]["n"] = 3.into()), "not 3"),
        ];
        for (name, text, expected) in cases {
            let error = read_text(name, &text).unwrap_err().to_string();
            assert!(error.contains("not a result of loadgen") && error.contains(expected), "{name}: {error}");
            assert!(error.contains(&format!("-{name}.json")) && !error.contains('\n'), "{name}: {error}");
        }
        let error = read(Path::new("/nowhere/result.json")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/result.json: "), "{error}");
    }
}
