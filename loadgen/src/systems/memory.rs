//! What a process holds: memory, and descriptors.

use std::fs;

/// Resident memory of a process, bytes; 0 if it is not there, or this user may not look.
///
/// # Source
/// proc_pid_status(5).
pub(super) fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kilobytes| kilobytes * 1024)
}

/// Open descriptors of a process; 0 if this user may not look at them, as at those of another user's.
///
/// # Source
/// proc_pid_fd(5).
pub(super) fn descriptors(pid: u32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| entries.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opened_file_is_one_more_descriptor() {
        let own = std::process::id();
        let of_others = descriptors(u32::MAX);
        // Other tests open and close files meanwhile: so many that they cannot hide these.
        let before = descriptors(own);
        let files: Vec<fs::File> = (0..500).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        assert!(descriptors(own) > before + 250 && of_others == 0);
        drop(files);
        assert!(descriptors(own) < before + 250);
    }
}
