//! A process and everything it started, as `/proc` tells.

use std::collections::HashSet;
use std::fs;

/// A process as it can be told from a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Member {
    pub(super) pid: u32,
    /// Since boot, in ticks of the kernel's.
    started: u64,
}

impl Member {
    /// The process of this number, if there is one.
    pub(super) fn find(pid: u32) -> Option<Self> {
        Line::read(pid).filter(|line| !line.has_ended).map(|line| Self { pid, started: line.started })
    }

    /// Whether it is still there, and not only waits to be reaped.
    pub(super) fn lives(self) -> bool {
        Line::read(self.pid).is_some_and(|line| line.started == self.started && !line.has_ended)
    }
}

/// The process `leader`, its descendants, and every process of its session: a child whose parent has ended belongs to it
/// still.
pub(super) fn of(leader: u32) -> Vec<Member> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let lines: Vec<Line> = pids.filter_map(Line::read).collect();
    let mut family: HashSet<u32> =
        lines.iter().filter(|line| line.pid == leader || line.session == leader).map(|line| line.pid).collect();
    // Parents may come after their children in the list: until nobody joins.
    loop {
        let before = family.len();
        let joining = lines.iter().filter(|line| family.contains(&line.parent)).map(|line| line.pid);
        let joining: Vec<u32> = joining.collect();
        family.extend(joining);
        if family.len() == before {
            break;
        }
    }
    let members = lines.iter().filter(|line| family.contains(&line.pid));
    members.map(|line| Member { pid: line.pid, started: line.started }).collect()
}

/// What matters of `/proc/PID/stat`.
///
/// # Source
/// proc_pid_stat(5).
struct Line {
    pid: u32,
    parent: u32,
    session: u32,
    started: u64,
    has_ended: bool,
}

impl Line {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(pid: u32, text: &str) -> Option<Self> {
        // The name before it may contain anything.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
            has_ended: matches!(*fields.first()?, "Z" | "X"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_with_parenthesis_does_not_shift_fields() {
        let text = "7 (a) R 1 2) S 5 7 9 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 12345 9 9\n";
        let line = Line::parse(7, text).expect("a line");
        assert_eq!((line.parent, line.session, line.started, line.has_ended), (5, 9, 12_345, false));
    }

    #[test]
    fn torn_line_is_no_process() {
        assert!(Line::parse(7, "7 (a) S 5 7").is_none());
        assert!(Line::parse(7, "").is_none());
    }

    #[test]
    fn own_process_is_in_its_family() {
        let own = std::process::id();
        let member = of(own).into_iter().find(|member| member.pid == own).expect("this process");
        assert!(member.lives());
        assert!(!Member { started: member.started + 1, ..member }.lives());
    }
}
