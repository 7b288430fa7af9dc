//! Random choices that are the same on every machine: ChaCha by seed, and distributions over `libm`, whose results do not depend
//! on the processor or the C library.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random choices.
pub(super) struct Chance(ChaCha8Rng);

/// What a stream of choices is for. Each has its own, so that changing how one thing is drawn changes no other.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// When things depart.
    Times,
    /// Who sends.
    Senders,
    /// Which contacts everyone has; each user has a stream.
    Contacts(u32),
}

impl Chance {
    /// Of a seed, for a purpose.
    pub(super) fn new(seed: u64, purpose: Purpose) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(match purpose {
            Purpose::Times => 0,
            Purpose::Senders => 1,
            Purpose::Contacts(user) => 2 + u64::from(user),
        });
        Self(generator)
    }

    /// From 0 (included) to 1 (not).
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below `bound`, each alike but for one part in 2^32.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let product = u128::from(self.0.next_u64()) * u128::from(bound);
        (product >> 64) as u32
    }

    /// Whether something of this probability happens.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Gap between events of a Poisson process of this rate, in its unit.
    pub(super) fn gap(&mut self, rate: f64) -> f64 {
        -libm::log1p(-self.unit()) / rate
    }

    /// Events of a Poisson process in a stretch where `mean` are expected.
    pub(super) fn poisson(&mut self, mean: f64) -> u32 {
        let mut passed = self.gap(1.0);
        let mut events = 0;
        while passed < mean {
            events += 1;
            passed += self.gap(1.0);
        }
        events
    }

    /// A log-normal value: half of all are below `median`; `sigma` is the standard deviation of its logarithm.
    pub(super) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        // Box and Muller: two uniform values make a normal one.
        let radius = libm::sqrt(-2.0 * libm::log1p(-self.unit()));
        median * libm::exp(sigma * radius * libm::cos(std::f64::consts::TAU * self.unit()))
    }
}

/// Zipf's law: of `domains`, the one of rank `n` (from 1) has a share proportional to `n^-s`.
#[derive(Clone, Debug)]
pub(super) struct Zipf {
    /// Shares of all ranks up to each.
    cumulative: Vec<f64>,
}

impl Zipf {
    /// Of `domains` (at least one) and exponent `s`; 0 makes all alike.
    pub(super) fn new(domains: u32, s: f64) -> Self {
        let mut sum = 0.0;
        let mut cumulative: Vec<f64> = (1..=domains.max(1))
            .map(|rank| {
                sum += libm::pow(f64::from(rank), -s);
                sum
            })
            .collect();
        cumulative.iter_mut().for_each(|share| *share /= sum);
        Self { cumulative }
    }

    /// A domain's number, from 0, by its popularity.
    pub(super) fn draw(&self, chance: &mut Chance) -> u32 {
        let at = chance.unit();
        let number = self.cumulative.partition_point(|below| *below <= at);
        number.min(self.cumulative.len() - 1) as u32
    }

    /// Share of the domain of this number.
    pub(super) fn share(&self, number: u32) -> f64 {
        let number = number as usize;
        self.cumulative[number] - if number == 0 { 0.0 } else { self.cumulative[number - 1] }
    }

    /// Share of the first `domains` together.
    pub(super) fn head(&self, domains: u32) -> f64 {
        match domains {
            0 => 0.0,
            _ => self.cumulative[(domains as usize).min(self.cumulative.len()) - 1],
        }
    }

    /// How many different domains `draws` draws are expected to meet: the sum over all of `1 - (1 - share)^draws`.
    pub(super) fn distinct(&self, draws: u32) -> f64 {
        let met = |number| 1.0 - libm::pow(1.0 - self.share(number), f64::from(draws));
        (0..self.cumulative.len() as u32).map(met).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: impl Iterator<Item = f64>) -> f64 {
        let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        sum / count
    }

    fn chance() -> Chance {
        Chance::new(7, Purpose::Times)
    }

    #[test]
    fn same_seed_and_purpose_draw_the_same_and_others_do_not() {
        let draw = |seed, purpose| Chance::new(seed, purpose).below(u32::MAX);
        assert_eq!(draw(1, Purpose::Contacts(3)), draw(1, Purpose::Contacts(3)));
        let others = [(2, Purpose::Contacts(3)), (1, Purpose::Contacts(4)), (1, Purpose::Times), (1, Purpose::Senders)];
        assert!(others.iter().all(|(seed, purpose)| draw(*seed, *purpose) != draw(1, Purpose::Contacts(3))));
    }

    #[test]
    fn gaps_are_exponential() {
        let mut chance = chance();
        let gaps: Vec<f64> = (0..100_000).map(|_| chance.gap(50.0)).collect();
        let average = mean(gaps.iter().copied());
        let variance = mean(gaps.iter().map(|gap| (gap - average) * (gap - average)));
        assert!((average * 50.0 - 1.0).abs() < 0.02, "{average}");
        assert!((variance * 2_500.0 - 1.0).abs() < 0.05, "{variance}");
        let beyond = gaps.iter().filter(|gap| **gap > 3.0 / 50.0).count() as f64 / 1e5;
        assert!((beyond - libm::exp(-3.0)).abs() < 0.003, "{beyond}");
    }

    #[test]
    fn log_normal_has_its_median_and_its_tail() {
        let mut chance = chance();
        let mut values: Vec<f64> = (0..100_000).map(|_| chance.log_normal(25.0, 1.068)).collect();
        values.sort_by(f64::total_cmp);
        assert!((values[50_000] - 25.0).abs() < 0.5, "{}", values[50_000]);
        assert!((values[99_000] - 300.0).abs() < 20.0, "{}", values[99_000]);
    }

    #[test]
    fn poisson_has_its_mean_and_variance() {
        let mut chance = chance();
        let values: Vec<f64> = (0..100_000).map(|_| f64::from(chance.poisson(1.5))).collect();
        let average = mean(values.iter().copied());
        let variance = mean(values.iter().map(|value| (value - average) * (value - average)));
        assert!((average - 1.5).abs() < 0.02 && (variance - 1.5).abs() < 0.05, "{average} {variance}");
    }

    #[test]
    fn zipf_draws_each_rank_by_its_share() {
        let zipf = Zipf::new(50, 1.0);
        let harmonic: f64 = (1..=50).map(|rank| 1.0 / f64::from(rank)).sum();
        assert!((zipf.share(0) - 1.0 / harmonic).abs() < 1e-12);
        assert!((zipf.share(9) - 0.1 / harmonic).abs() < 1e-12);
        let mut counts = [0_u32; 50];
        let mut chance = chance();
        (0..100_000).for_each(|_| counts[zipf.draw(&mut chance) as usize] += 1);
        for number in [0, 1, 9, 49] {
            let share = f64::from(counts[number as usize]) / 1e5;
            assert!((share - zipf.share(number)).abs() < 0.005, "{number}: {share}");
        }
        assert!((zipf.head(50) - 1.0).abs() < 1e-12);
        assert!((Zipf::new(10, 0.0).share(7) - 0.1).abs() < 1e-12, "all alike");
    }
}
