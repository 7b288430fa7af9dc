//! Being left alone by other programs, as far as the user may ask for it.

use std::fs;

use rustix::process::{getpriority_process, setpriority_process};

/// Of the generator and of every system alike.
const NICENESS: i32 = -15;

/// Gives the calling thread, and the threads and children that it starts from now on, precedence over other programs on
/// the same cores; `false` when the user may not. Without it, or with other programs that have the same, runs are noisier.
///
/// Where sessions are scheduling groups, niceness counts only among the processes of a session: this one's session gets the
/// precedence, too, as long as the returned value lives.
///
/// # Source
/// sched(7), "The autogroup feature".
pub fn favour_self() -> Option<Precedence> {
    let niceness = getpriority_process(None).ok()?;
    if niceness > NICENESS {
        setpriority_process(None, NICENESS).ok()?;
    }
    let session = read_group("self");
    write_group("self", NICENESS);
    Some(Precedence { session })
}

/// Gives a child that is a session of its own the same.
pub(super) fn favour(pid: u32) {
    if getpriority_process(None).is_ok_and(|niceness| niceness <= NICENESS) {
        write_group(&pid.to_string(), NICENESS);
    }
}

/// Precedence of this process's session.
#[derive(Debug)]
#[must_use = "it ends when dropped"]
pub struct Precedence {
    /// As it was before.
    session: Option<i32>,
}

impl Drop for Precedence {
    fn drop(&mut self) {
        if let Some(niceness) = self.session {
            write_group("self", niceness);
        }
    }
}

/// Niceness of the scheduling group of a process; `None` without such groups.
fn read_group(process: &str) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{process}/autogroup")).ok()?;
    text.trim().rsplit_once(' ')?.1.parse().ok()
}

fn write_group(process: &str, niceness: i32) {
    // Without groups, or without the right to it, there is nothing to gain.
    let _ = fs::write(format!("/proc/{process}/autogroup"), niceness.to_string());
}
