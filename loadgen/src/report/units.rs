//! Figures as people read them: three significant digits, and their unit.

use std::time::Duration;

use crate::measure::figure::readable;

/// Nanoseconds: `12.3 µs`.
pub(crate) fn nanos(value: u64) -> String {
    readable(Duration::from_nanos(value))
}

/// A round number of nanoseconds, beside an axis: `1 ms`, `200 µs`.
pub(crate) fn mark(value: f64) -> String {
    let text = seconds(value / 1e9);
    let (digits, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    format!("{digits} {unit}")
}

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Shown as a duration: `12.3 µs`.
    Seconds,
    /// Shown in powers of a thousand: `6.90 kB`.
    Bytes,
    /// Without unit, or a rate whose name says it: `40,000`.
    Number,
    /// A part of a whole: `42 %`.
    Share,
    /// How many times as much: `1.50`.
    Ratio,
}

impl Unit {
    /// A value with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Seconds => seconds(value),
            Self::Bytes => bytes(value),
            Self::Number => number(value),
            Self::Share => share(value),
            Self::Ratio => ratio(value),
        }
    }
}

/// Seconds, as a duration: `12.3 µs`.
pub(crate) fn seconds(value: f64) -> String {
    Duration::try_from_secs_f64(value).map_or_else(|_| format!("{value} s"), readable)
}

/// With commas between thousands: `1,200,000`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes: `450 B`, `6.90 kB`, `1.20 GB`; powers of a thousand.
pub(crate) fn bytes(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        ..999.5 => return format!("{value:.0} B"),
        ..999.5e3 => (value / 1e3, "kB"),
        ..999.5e6 => (value / 1e6, "MB"),
        ..999.5e9 => (value / 1e9, "GB"),
        _ => (value / 1e12, "TB"),
    };
    format!("{} {unit}", digits(scaled))
}

/// A rate or another number without unit: three significant digits below a thousand, whole numbers above.
pub(crate) fn number(value: f64) -> String {
    if value.is_finite() && value.abs() >= 999.5 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", count(value.abs().round() as u64))
    } else {
        digits(value)
    }
}

/// How many times as much: `0.012`, `0.67`, `1.50`, `24.1`; at least two significant digits down to a thousandth.
fn ratio(value: f64) -> String {
    if value.abs() < 0.0995 { format!("{value:.3}") } else { number(value) }
}

/// A share: `0.42` is `42 %`.
pub(crate) fn share(value: f64) -> String {
    let percent = value * 100.0;
    if percent.abs() < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// Three significant digits of a number below a thousand.
fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [450.0, 6_900.0, 53_990.0, 540e6, 1.2e12].map(bytes),
            ["450 B", "6.90 kB", "54.0 kB", "540 MB", "1.20 TB"]
        );
        assert_eq!([0.0, 7.974, 42.0, 999.7, 98_000.4].map(number), ["0.00", "7.97", "42.0", "1,000", "98,000"]);
        assert_eq!([50e3, 1e6, 2e9, 500.0].map(mark), ["50 µs", "1 ms", "2 s", "500 ns"]);
        assert_eq!([0.004, 0.42, 1.0].map(share), ["0.4 %", "42 %", "100 %"]);
        assert_eq!([0.0123, 0.67, 24.1, 1_234.0].map(ratio), ["0.012", "0.67", "24.1", "1,234"]);
        assert_eq!([10.2e-6, 1.5].map(seconds), ["10.2 µs", "1.50 s"]);
    }
}
