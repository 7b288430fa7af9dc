//! Which cores a process may use, and how many shards it gets.

use std::fs;
use std::io;

/// The cores that this process may run on, in order, as the kernel numbers them.
///
/// # Errors
/// `/proc` is not there, or does not say.
pub fn allowed_cores() -> io::Result<Vec<usize>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.and_then(|list| parse_cores(list.trim())).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// `0-2,5` is 0, 1, 2, 5.
fn parse_cores(list: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        cores.extend(first..=last);
    }
    Some(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_single_cores_are_read() {
        assert_eq!(parse_cores("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(parse_cores("3"), Some(vec![3]));
        assert_eq!(parse_cores("x"), None);
    }

    #[test]
    fn this_process_may_run_somewhere() {
        assert!(!allowed_cores().expect("/proc").is_empty());
    }
}
