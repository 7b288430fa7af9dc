//! Processor time of processes, their threads, and of whole cores.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// `/proc/stat` counts in these. `USER_HZ` is 100 on every Linux architecture in use.
const TICK: Duration = Duration::from_millis(10);

/// What the cores of a run were used for, up to an instant. The difference of two says what happened between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Time in which the cores were not idle, in steps of 10 ms each.
    pub cores: Duration,
    /// All threads of this process.
    pub generator: Duration,
    /// All threads of all processes of the system under test.
    pub system: Duration,
}

impl Use {
    /// So far, with what the system under test says of itself.
    pub fn now(cores: &[usize], system: Duration) -> Self {
        Self { cores: of_cores(cores), generator: of_this_process(), system }
    }

    /// What others used on these cores since an earlier instant: whatever neither the generator nor the system did. Interrupts count as
    /// others. Not exact where generator or system also ran on further cores.
    pub fn others_since(&self, before: &Self) -> Duration {
        let ours = (self.generator.saturating_sub(before.generator)) + self.system.saturating_sub(before.system);
        self.cores.saturating_sub(before.cores).saturating_sub(ours)
    }
}

/// Of all threads of this process, those that have ended too.
pub fn of_this_process() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

/// Of another process: its threads that live, to the nanosecond, or, where those that have ended had more, all of them to
/// 10 ms; and of its children that have ended. Zero when there is no such process.
pub fn of_process(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let (own, children) = ticks(&stat).unwrap_or_default();
    of_threads(&pid.to_string()).max(own) + children
}

/// A process, and its children that were waited for.
///
/// # Source
/// proc_pid_stat(5).
fn ticks(stat: &str) -> Option<(Duration, Duration)> {
    // The name before it may contain anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut times = rest.split(' ').skip(11).map_while(|field| field.parse::<u32>().ok());
    let mut user_and_system = || Some(TICK * times.next()?.saturating_add(times.next()?));
    Some((user_and_system()?, user_and_system()?))
}

fn of_threads(process: &str) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Duration::ZERO };
    let texts = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok());
    texts.filter_map(|text| on_processor(&text)).sum()
}

/// Of the calling thread.
pub fn of_this_thread() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

fn clock(clock: ClockId) -> Duration {
    clock_gettime(clock).try_into().unwrap_or_default()
}

/// Time that these cores were not idle, in steps of 10 ms each.
pub fn of_cores(cores: &[usize]) -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    cores.iter().map(|core| busy(&stat, *core)).sum()
}

/// First field of `schedstat`: nanoseconds on a processor.
fn on_processor(schedstat: &str) -> Option<Duration> {
    schedstat.split(' ').next()?.trim().parse().ok().map(Duration::from_nanos)
}

fn busy(stat: &str, core: usize) -> Duration {
    let name = format!("cpu{core} ");
    let Some(line) = stat.lines().find_map(|line| line.strip_prefix(&name)) else { return Duration::ZERO };
    let fields: Vec<u32> = line.split(' ').map_while(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guests are part of user and nice.
    let busy = [0, 1, 2, 5, 6, 7].into_iter().filter_map(|field| fields.get(field));
    TICK * busy.fold(0, |sum: u32, field| sum.saturating_add(*field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_time_of_a_core_is_all_but_idle_and_waiting() {
        let stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 4 100 1000 8 16 32 64 128\ncpu10 1 0 0 0 0 0 0 0 0 0\n";
        assert_eq!(busy(stat, 0), TICK * 63);
        assert_eq!((busy(stat, 10), busy(stat, 1)), (TICK, Duration::ZERO));
    }

    #[test]
    fn children_that_ended_are_told_from_the_process_itself() {
        let stat = "7 (a) R 1) S 5 7 9 0 -1 4194304 1 2 3 4 10 20 3 4 20 0 3 0 12345 9 9\n";
        assert_eq!(ticks(stat), Some((TICK * 30, TICK * 7)));
        assert_eq!(ticks("7 (a) S 5"), None);
        assert!(of_process(std::process::id()) > Duration::ZERO);
        assert_eq!(of_process(u32::MAX), Duration::ZERO);
    }

    #[test]
    fn work_of_a_thread_is_seen_in_its_process() {
        let (thread, process) = (of_this_thread(), of_this_process());
        let begin = std::time::Instant::now();
        while begin.elapsed() < Duration::from_secs(10) && of_this_thread() - thread < Duration::from_millis(20) {
            std::hint::black_box((0..10_000_u64).sum::<u64>());
        }
        assert!(of_this_thread() - thread >= Duration::from_millis(20));
        assert!(of_this_process() - process >= Duration::from_millis(20));
    }

    #[test]
    fn others_are_what_is_left_of_the_cores() {
        let of = |cores, generator, system| Use {
            cores: Duration::from_secs(cores),
            generator: Duration::from_secs(generator),
            system: Duration::from_secs(system),
        };
        assert_eq!(of(30, 9, 8).others_since(&of(10, 2, 3)), Duration::from_secs(8));
        assert_eq!(of(10, 9, 8).others_since(&of(10, 2, 3)), Duration::ZERO);
    }
}
