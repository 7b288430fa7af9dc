//! Processes that are not ours: found by their ports, watched, never touched.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, bail, ensure};

use crate::systems::family::{self, Member};

/// A system's processes, with all that they started.
#[derive(Debug)]
pub(in crate::systems) struct Attached {
    leaders: Vec<Member>,
}

impl Attached {
    /// The process of this number.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn by_pid(pid: u32) -> anyhow::Result<Self> {
        let member = Member::find(pid).with_context(|| format!("there is no process {pid}"))?;
        Ok(Self { leaders: vec![member] })
    }

    /// The processes that listen on these addresses.
    ///
    /// # Errors
    /// Nobody whom this user may look at listens on one of them.
    pub(super) fn listening(addresses: &[SocketAddr]) -> anyhow::Result<Self> {
        let table = fs::read_to_string("/proc/net/tcp").context("/proc/net/tcp")?;
        let mut leaders = BTreeSet::new();
        for address in addresses {
            let sockets = listeners(&table, *address);
            let owners = owners(&sockets);
            ensure!(!owners.is_empty(), "cannot see which process listens on {address}; name it with --pid");
            leaders.extend(owners);
        }
        let leaders: Vec<Member> = leaders.into_iter().filter_map(Member::find).collect();
        ensure!(!leaders.is_empty(), "the processes that listened have ended");
        Ok(Self { leaders })
    }

    /// All of them, now.
    pub(in crate::systems) fn pids(&self) -> Vec<u32> {
        let members: HashSet<Member> = self.leaders.iter().flat_map(|leader| family::of(leader.pid)).collect();
        members.into_iter().map(|member| member.pid).collect()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// One of those that were found has ended.
    pub(in crate::systems) fn check(&self) -> anyhow::Result<()> {
        match self.leaders.iter().find(|leader| !leader.lives()) {
            Some(leader) => bail!("ringgate ended (process {}, not started by loadgen)", leader.pid),
            None => Ok(()),
        }
    }

    /// The cores that it works on: those of the threads that are pinned; all that it may use, if none is.
    pub(in crate::systems) fn cores(&self) -> Vec<usize> {
        let (mut all, mut pinned) = (BTreeSet::new(), BTreeSet::new());
        for pid in self.pids() {
            let allowed = allowed(&format!("/proc/{pid}/status"));
            let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            for thread in threads {
                let own = self::allowed(&thread.path().join("status").to_string_lossy());
                if own.len() < allowed.len() {
                    pinned.extend(own);
                }
            }
            all.extend(allowed);
        }
        if pinned.is_empty() { all } else { pinned }.into_iter().collect()
    }
}

impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, leader) in self.leaders.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}process {}", leader.pid)?;
            if let Ok(program) = fs::read_link(format!("/proc/{}/exe", leader.pid)) {
                write!(f, " ({})", program.display())?;
            }
        }
        Ok(())
    }
}

/// The cores that a process or thread may use, by its status.
///
/// # Source
/// proc_pid_status(5).
fn allowed(status: &str) -> Vec<usize> {
    let text = fs::read_to_string(status).unwrap_or_default();
    let list = text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.map(|list| cores(list.trim())).unwrap_or_default()
}

/// Reads `0-2,5`.
fn cores(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// Inodes of the sockets that listen on an address of IPv4, or on all of them.
///
/// # Source
/// proc_net_tcp: `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode`.
fn listeners(table: &str, wanted: SocketAddr) -> HashSet<u64> {
    const LISTEN: &str = "0A";
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (address, port) = fields.get(1)?.split_once(':')?;
        // The kernel prints the four bytes as one number of the machine's own order.
        let address = Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?.to_ne_bytes());
        let is_there = u16::from_str_radix(port, 16).ok()? == wanted.port()
            && (address.is_unspecified() || wanted.ip() == address);
        (is_there && *fields.get(3)? == LISTEN).then(|| fields.get(9)?.parse().ok())?
    };
    table.lines().filter_map(inode).collect()
}

/// The processes that have one of these sockets, as far as this user may look.
fn owners(sockets: &HashSet<u64>) -> BTreeSet<u32> {
    let is_wanted = |link: std::path::PathBuf| {
        let text = link.to_string_lossy();
        let inode = text.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inode.and_then(|inode| inode.parse().ok()).is_some_and(|inode: u64| sockets.contains(&inode))
    };
    let holds = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(is_wanted)
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(holds).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn listener_of_this_process_is_found_by_its_port() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let attached = Attached::listening(&[address]).unwrap();
        assert!(attached.pids().contains(&std::process::id()));
        assert!(attached.check().is_ok() && !attached.cores().is_empty());
        assert!(attached.to_string().contains(&format!("process {} (/", std::process::id())), "{attached}");
    }

    #[test]
    fn port_that_nobody_listens_on_asks_for_the_process() {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let error = Attached::listening(&[nowhere]).unwrap_err().to_string();
        assert_eq!(error, "cannot see which process listens on 127.0.0.1:1; name it with --pid");
        let error = Attached::by_pid(u32::MAX).unwrap_err().to_string();
        assert_eq!(error, "there is no process 4294967295");
    }

    #[test]
    fn only_listening_sockets_of_the_address_count() {
        let line = |address: [u8; 4], port: u16, state: &str, inode: u64| {
            let address = u32::from_ne_bytes(address);
            format!("   1: {address:08X}:{port:04X} 00000000:0000 {state} 0:0 00:0 0 0 0 {inode} 1 0 100 0\n")
        };
        let table = [
            "  sl  local_address rem_address   st tx_queue rx_queue\n".to_owned(),
            line([127, 0, 0, 1], 5269, "0A", 11),
            line([127, 0, 0, 1], 5269, "01", 12),
            line([127, 0, 0, 2], 5269, "0A", 13),
            line([0, 0, 0, 0], 5269, "0A", 14),
            line([127, 0, 0, 1], 5270, "0A", 15),
        ]
        .concat();
        let found = listeners(&table, SocketAddr::from((Ipv4Addr::LOCALHOST, 5269)));
        assert_eq!(found, HashSet::from([11, 14]));
        assert_eq!(cores("0-2,5"), [0, 1, 2, 5]);
    }
}
