//! Options that all scenarios share, and how they are read.

use std::time::Duration;

use clap::{Args, FromArgMatches, ValueEnum};
use serde::{Serialize, Serializer};

use super::problem::{Problem, within};
use super::{Phases, Slo, Transport};

/// Which way stanzas go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From local users to remote domains.
    Out,
    /// From remote domains to local users.
    In,
    /// Both, half and half.
    Both,
}

/// What every run has.
#[derive(Clone, Debug, Args, Serialize)]
pub struct Basics {
    /// Seed of every random choice: the same seed is the same plan, on every machine
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Until all streams are open, at most
    #[arg(long, default_value = "60s", value_parser = duration, value_name = "TIME")]
    #[serde(serialize_with = "seconds")]
    pub connect_timeout: Duration,
    /// Stanzas flow for so long before figures are taken
    #[arg(long, default_value = "3s", value_parser = duration, value_name = "TIME")]
    #[serde(serialize_with = "seconds")]
    pub warm_up: Duration,
    /// Length of the measured phase
    #[arg(long, default_value = "30s", value_parser = duration, value_name = "TIME")]
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
    /// A recipient that got nothing for so long after the scheduled time is missing
    #[arg(long, default_value = "5s", value_parser = duration, value_name = "TIME")]
    #[serde(serialize_with = "seconds")]
    pub deadline: Duration,
    /// Remote streams speak TLS from the first byte (XEP-0368) instead of STARTTLS
    #[arg(long)]
    pub direct_tls: bool,
    /// Remote streams prove themselves by dialback instead of SASL EXTERNAL
    #[arg(long)]
    pub dialback: bool,
    /// TLS between the system and the local domains' servers, too
    #[arg(long)]
    pub inside_tls: bool,
    /// TLS sessions may be resumed; otherwise every handshake is a full one, as with a domain met for the first time
    #[arg(long)]
    pub resumption: bool,
    /// Fail if the 99th percentile of the scenario's main series is greater
    #[arg(long, value_parser = duration, value_name = "TIME")]
    #[serde(serialize_with = "maybe_seconds")]
    pub slo_p99: Option<Duration>,
    /// Fail if the 99.9th percentile of the scenario's main series is greater
    #[arg(long, value_parser = duration, value_name = "TIME")]
    #[serde(serialize_with = "maybe_seconds")]
    pub slo_p999: Option<Duration>,
}

impl Basics {
    /// Refuses lengths that make no run.
    ///
    /// # Errors
    /// [`Problem::OutOfRange`].
    pub(super) fn check(&self) -> Result<(), Problem> {
        within("connect-timeout", self.connect_timeout.as_secs_f64(), 0.1, 3_600.0)?;
        within("warm-up", self.warm_up.as_secs_f64(), 0.0, 3_600.0)?;
        within("duration", self.duration.as_secs_f64(), 0.1, 86_400.0)?;
        within("deadline", self.deadline.as_secs_f64(), 0.01, 600.0)
    }

    pub(super) fn phases(&self) -> Phases {
        Phases { connect: self.connect_timeout, warm_up: self.warm_up, measure: self.duration }
    }

    pub(super) fn transport(&self) -> Transport {
        let Self { direct_tls, dialback, inside_tls, resumption, .. } = *self;
        Transport { direct_tls, dialback, inside_tls, resumption }
    }

    pub(super) fn slo(&self) -> Slo {
        Slo { p99: self.slo_p99, p999: self.slo_p999 }
    }
}

/// What stands on the command line when nothing does: the one place of defaults are the options' attributes.
pub fn defaults<T: Args + FromArgMatches>() -> T {
    let matches = T::augment_args(clap::Command::new("defaults")).get_matches_from(["defaults"]);
    T::from_arg_matches(&matches).expect("every option has a default or is optional")
}

/// Reads `250ms`, `5s`, `1.5s`, `15m`, `8h`.
///
/// # Errors
/// What would be readable.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        _ => return Err("a number and its unit, as in 250ms, 5s, 15m or 8h".to_owned()),
    };
    let number: f64 = text[..text.len() - unit.len()].parse().map_err(|_| format!("no number before {unit}"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

pub(super) fn seconds<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(value.as_secs_f64())
}

fn maybe_seconds<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|value| value.as_secs_f64()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_number_and_a_unit() {
        let read = |text| duration(text).ok().map(|value| value.as_micros());
        let good = ["250ms", "5s", "1.5s", "15m", "8h", "80us"].map(read);
        let expected = [250_000, 5_000_000, 1_500_000, 900_000_000, 28_800_000_000, 80];
        assert_eq!(good.to_vec(), expected.map(Some));
        assert!(
            ["", "5", "s", "5 s", "-1s", "1e3s", "1..5s", "5d", "99999999999999999999999h"]
                .iter()
                .all(|text| read(text).is_none())
        );
    }
}
