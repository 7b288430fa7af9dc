//! Axes: where a value stands between 0 and 1, and which values are marked.

/// An axis of a chart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scale {
    /// Equal steps for equal ratios; both ends are above 0.
    Log {
        /// Left or lower end.
        from: f64,
        /// Right or upper end.
        to: f64,
    },
    /// Equal steps.
    Linear {
        /// Left or lower end.
        from: f64,
        /// Right or upper end.
        to: f64,
    },
    /// Quantiles, by the logarithm of the samples beyond: 0, 0.9, 0.99, … are equally far apart.
    Nines {
        /// How many nines the right end has.
        nines: f64,
    },
}

impl Scale {
    /// Logarithmic around all positive values, with some room; `None` if there is none.
    pub(crate) fn log_around(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let positive = values.into_iter().filter(|value| *value > 0.0 && value.is_finite());
        let (low, high) = positive.fold((f64::MAX, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        if high == 0.0 {
            return None;
        }
        // At least a factor of 4, so that a flat curve is seen to be flat.
        let missing = (4.0 / (high / low)).max(1.0).sqrt();
        Some(Self::Log { from: low / missing / 1.1, to: high * missing * 1.1 })
    }

    /// Quantiles up to the one that the greatest of `samples` values stands at.
    pub(crate) fn nines_for(samples: u64) -> Self {
        Self::Nines { nines: (samples.max(10) as f64).log10() }
    }

    /// Position of `value`, 0 to 1.
    pub(crate) fn position(self, value: f64) -> f64 {
        let position = match self {
            Self::Log { from, to } => (value.max(from) / from).ln() / (to / from).ln(),
            Self::Linear { from, to } => (value - from) / (to - from).max(f64::MIN_POSITIVE),
            Self::Nines { nines } => -(1.0 - value).max(1e-12).log10() / nines,
        };
        position.clamp(0.0, 1.0)
    }

    /// The value at a position.
    pub(crate) fn value(self, position: f64) -> f64 {
        match self {
            Self::Log { from, to } => from * (to / from).powf(position),
            Self::Linear { from, to } => from + (to - from) * position,
            Self::Nines { nines } => 1.0 - 10_f64.powf(-nines * position),
        }
    }

    /// Values to mark, ascending: 1, 2 and 5 times powers of ten (fewer when there would be more than `at_most`), or the quantiles that
    /// people speak of.
    pub(crate) fn marks(self, at_most: usize) -> Vec<f64> {
        match self {
            Self::Log { from, to } => {
                let steps: [&[f64]; 3] = [&[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
                let marks = |steps: &[f64]| -> Vec<f64> {
                    let decades = from.log10().floor() as i32..=to.log10().ceil() as i32;
                    let all = decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
                    all.filter(|value| (from..=to).contains(value)).collect()
                };
                let found = steps.iter().map(|steps| marks(steps)).find(|marks| marks.len() <= at_most);
                found.unwrap_or_else(|| marks(&[1.0]).into_iter().step_by(2).collect())
            }
            Self::Linear { from, to } => {
                let step = round_step((to - from) / at_most.max(1) as f64);
                let first = (from / step).ceil() as i64;
                (first..).map(|number| number as f64 * step).take_while(|value| *value <= to + step * 1e-9).collect()
            }
            Self::Nines { nines } => {
                let all = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999, 0.999_999_9];
                let end = 1.0 - 10_f64.powf(-nines);
                all.into_iter().filter(|quantile| *quantile <= end + 1e-12).collect()
            }
        }
    }
}

/// The next 1, 2 or 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|round| *round >= step * 0.999)
        .unwrap_or(power * 10.0)
}

/// A quantile as people say it: `99.9%`.
pub(crate) fn percent(quantile: f64) -> String {
    let text = format!("{:.5}", quantile * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_inside() {
        let log = Scale::Log { from: 90e3, to: 1.3e6 };
        assert_eq!(log.marks(5), [100e3, 200e3, 500e3, 1e6]);
        assert_eq!(log.marks(3), [100e3, 300e3, 1e6]);
        assert_eq!(log.marks(2), [100e3, 1e6]);
        assert_eq!(Scale::Linear { from: 0.0, to: 30.0 }.marks(6), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        assert_eq!(Scale::nines_for(30_000).marks(9), [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999]);
        assert_eq!([0.0, 0.5, 0.999, 0.99999].map(percent), ["0%", "50%", "99.9%", "99.999%"]);
    }

    #[test]
    fn nines_are_equally_far_apart() {
        let scale = Scale::Nines { nines: 4.0 };
        for (quantile, position) in [(0.0, 0.0), (0.9, 0.25), (0.99, 0.5), (0.999, 0.75), (0.9999, 1.0), (1.0, 1.0)] {
            assert!((scale.position(quantile) - position).abs() < 1e-9, "{quantile}");
        }
        assert!((scale.value(0.5) - 0.99).abs() < 1e-12);
    }

    #[test]
    fn flat_values_get_room_around_them() {
        let Some(Scale::Log { from, to }) = Scale::log_around([5.0, 5.0]) else { panic!("there are values") };
        assert!(from < 2.6 && to > 9.9, "{from} {to}");
        assert!(Scale::log_around([0.0]).is_none());
    }
}
