//! The only reader of the clock.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringgate_proto::time::Timestamp;

/// Monotonic time since this function was first called in the process; the same origin on every thread.
pub fn now() -> Timestamp {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let origin = *ORIGIN.get_or_init(Instant::now);
    Timestamp::from_nanos(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// Time since 1970, for the validity of certificates; it may jump. Zero before 1970.
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn time_does_not_run_backwards_between_threads() {
        let before = super::now();
        let other = std::thread::spawn(super::now).join().expect("the thread only reads the clock");
        assert!(before <= other && other <= super::now());
    }
}
