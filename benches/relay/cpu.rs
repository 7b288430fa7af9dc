//! Who used how much of the two cores.

use std::fs;
use std::time::Duration;

/// `/proc/stat` counts in these. `USER_HZ` is 100 on every Linux architecture in use.
const TICK: Duration = Duration::from_millis(10);

/// CPU time that a process has used, all threads, exact to the nanosecond.
pub(crate) fn of_process(pid: u32) -> Duration {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Duration::ZERO };
    let nanos = tasks.flatten().filter_map(|task| {
        let line = fs::read_to_string(task.path().join("schedstat")).ok()?;
        line.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Time that a core was not idle, in steps of 10 ms.
pub(crate) fn of_core(core: usize) -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let name = format!("cpu{core} ");
    let Some(line) = stat.lines().find_map(|line| line.strip_prefix(&name)) else { return Duration::ZERO };
    let fields: Vec<u32> = line.split(' ').filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let busy: u32 = [0, 1, 2, 5, 6, 7].into_iter().filter_map(|field| fields.get(field)).sum();
    TICK * busy
}
