//! Why a plan is impossible, in one line that says what would be possible.

use thiserror::Error;

/// Options that no plan fulfils.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Problem {
    /// An option lies outside of what is possible.
    #[error("--{option} {got} is not possible: {bound}")]
    OutOfRange {
        /// Its name.
        option: &'static str,
        /// As given.
        got: String,
        /// What would be.
        bound: String,
    },
    /// Two options contradict each other.
    #[error("{what}: {remedy}")]
    Contradiction {
        /// Which, and why.
        what: String,
        /// What would be possible.
        remedy: String,
    },
    /// The plan is larger than what can be held or numbered.
    #[error("the plan has {got} {what}, the limit is {limit}: {remedy}")]
    TooLarge {
        /// Of these.
        what: &'static str,
        /// So many.
        got: u64,
        /// At most so many.
        limit: u64,
        /// How to get there.
        remedy: &'static str,
    },
}

/// Refuses a value outside `least..=most`.
///
/// # Errors
/// [`Problem::OutOfRange`].
pub(super) fn within<T>(option: &'static str, got: T, least: T, most: T) -> Result<(), Problem>
where
    T: PartialOrd + std::fmt::Display,
{
    // Written so that NaN is refused as well.
    if got >= least && got <= most {
        return Ok(());
    }
    Err(Problem::OutOfRange { option, got: got.to_string(), bound: format!("{least} to {most}") })
}

/// Refuses more than a limit.
///
/// # Errors
/// [`Problem::TooLarge`].
pub(super) fn at_most(what: &'static str, got: u64, limit: u64, remedy: &'static str) -> Result<(), Problem> {
    match got > limit {
        true => Err(Problem::TooLarge { what, got, limit, remedy }),
        false => Ok(()),
    }
}
