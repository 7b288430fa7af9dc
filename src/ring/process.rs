//! What the kernel grants the process, as far as it decides what a ring can do, and its threads.

use std::io;

/// A soft limit and the hard limit that it can be raised to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceLimit {
    /// What holds now.
    pub soft: u64,
    /// What it can be raised to without a privilege.
    pub hard: u64,
}

/// Descriptors that the process may have open.
///
/// # Errors
/// `getrlimit(2)`'s; none is known to occur.
pub fn open_files() -> io::Result<ResourceLimit> {
    limit(libc::RLIMIT_NOFILE)
}

/// Bytes of memory that the process may lock.
///
/// # Errors
/// `getrlimit(2)`'s; none is known to occur.
pub fn locked_memory() -> io::Result<ResourceLimit> {
    limit(libc::RLIMIT_MEMLOCK)
}

/// Raises the soft limit of open files to the hard one, and says what holds now.
///
/// # Errors
/// `setrlimit(2)`'s.
pub fn raise_open_files() -> io::Result<ResourceLimit> {
    let ResourceLimit { hard, .. } = open_files()?;
    let raised = libc::rlimit { rlim_cur: hard, rlim_max: hard };
    // SAFETY: `raised` is a valid structure for the whole call, which only reads it.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } != 0 {
        return Err(io::Error::last_os_error());
    }
    open_files()
}

/// Gives the calling thread what all others leave of its cores, and nothing while one of them could run: `SCHED_IDLE`.
/// The least niceness is no substitute: such a thread keeps the core for a slice of milliseconds while others wait.
///
/// # Errors
/// `sched_setscheduler(2)`'s; it needs no privilege.
pub fn leave_cores_to_others() -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: 0 };
    // SAFETY: `parameter` is a valid structure for the whole call, which only reads it; 0 is the calling thread.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameter) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn limit(resource: libc::__rlimit_resource_t) -> io::Result<ResourceLimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid structure for the whole call, which only writes it.
    if unsafe { libc::getrlimit(resource, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(ResourceLimit { soft: limit.rlim_cur, hard: limit.rlim_max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raised_limit_is_the_hard_one() {
        let raised = raise_open_files().expect("setrlimit");
        assert_eq!(raised.soft, raised.hard);
    }

    #[test]
    fn thread_that_leaves_its_cores_to_others_is_scheduled_as_idle() {
        std::thread::spawn(|| {
            leave_cores_to_others().expect("sched_setscheduler");
            let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("stat");
            // proc_pid_stat(5): field 41 is the policy; the name before it may contain anything.
            let policy = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(38)).map(str::parse);
            assert_eq!(policy, Some(Ok(libc::SCHED_IDLE)), "{stat}");
        })
        .join()
        .expect("the thread");
    }

    #[test]
    fn some_memory_may_be_locked() {
        assert!(locked_memory().expect("getrlimit").hard > 0);
    }
}
