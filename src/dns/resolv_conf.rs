//! Which servers to ask: `/etc/resolv.conf`, resolv.conf(5).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// What a [`super::Resolver`] is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverConfig {
    /// Asked in this order; one that answered is asked first from then on. At most 8 are used.
    pub servers: Vec<SocketAddr>,
    /// How long one server is waited for.
    pub timeout: Duration,
    /// Rounds over all servers.
    pub attempts: u32,
    /// Answers that are kept; the one that would expire first makes room.
    pub cache_entries: usize,
}

/// Servers used of a configuration.
pub(super) const SERVERS: usize = 8;
/// Answers kept unless configured otherwise.
const CACHE_ENTRIES: usize = 4_096;
/// A `resolv.conf` is not longer than this; the rest is not read.
const FILE_BYTES: usize = 64 << 10;

impl Default for ResolverConfig {
    /// The name server of this host, as resolv.conf(5) has it for an empty file.
    fn default() -> Self {
        Self {
            servers: vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 53)],
            timeout: Duration::from_secs(5),
            attempts: 2,
            cache_entries: CACHE_ENTRIES,
        }
    }
}

/// A line that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl ResolverConfig {
    /// Reads a file in the format of resolv.conf(5); a file that does not exist counts as empty.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(path: &Path) -> io::Result<(Self, Vec<Warning>)> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self::parse(&String::from_utf8_lossy(&bytes[..bytes.len().min(FILE_BYTES)])))
    }

    /// Reads `nameserver` and the options `timeout:` (1 to 30 s) and `attempts:` (1 to 5); the rest is for libc.
    pub fn parse(text: &str) -> (Self, Vec<Warning>) {
        let mut config = Self { servers: Vec::new(), ..Self::default() };
        let mut warnings = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if let Err(problem) = config.take_line(line) {
                warnings.push(Warning { line: index + 1, problem });
            }
        }
        if config.servers.is_empty() {
            config.servers = Self::default().servers;
        }
        (config, warnings)
    }

    fn take_line(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split_whitespace().take_while(|word| !word.starts_with(['#', ';']));
        match words.next() {
            None | Some("search" | "domain" | "sortlist") => Ok(()),
            Some("nameserver") => self.take_server(words.next().unwrap_or_default()),
            Some("options") => words.try_for_each(|option| self.take_option(option)),
            Some(keyword) => Err(format!("unknown keyword {keyword:?}")),
        }
    }

    fn take_server(&mut self, word: &str) -> Result<(), String> {
        let ip: IpAddr = word.parse().map_err(|_| format!("{word:?} is no IP address"))?;
        let server = SocketAddr::new(ip, 53);
        if self.servers.len() >= SERVERS {
            return Err(format!("more than {SERVERS} name servers"));
        }
        if !self.servers.contains(&server) {
            self.servers.push(server);
        }
        Ok(())
    }

    fn take_option(&mut self, option: &str) -> Result<(), String> {
        let number = |text: &str| text.parse::<u32>().map_err(|_| format!("{option:?} has no number"));
        match option.split_once(':') {
            Some(("timeout", seconds)) => {
                self.timeout = Duration::from_secs(number(seconds)?.clamp(1, 30).into());
            }
            Some(("attempts", rounds)) => self.attempts = number(rounds)?.clamp(1, 5),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_options_are_read() {
        let text = "# by NetworkManager\nsearch example.org\n  nameserver 192.0.2.1 # first\nnameserver 2001:db8::1\n\
            nameserver 192.0.2.1\n;nameserver 192.0.2.9\noptions edns0 timeout:2 attempts:3 ndots:1 trust-ad\n";
        let (config, warnings) = ResolverConfig::parse(text);
        assert_eq!(config.servers, ["192.0.2.1:53".parse().unwrap(), "[2001:db8::1]:53".parse().unwrap()]);
        assert_eq!((config.timeout, config.attempts), (Duration::from_secs(2), 3));
        assert_eq!(warnings, []);
    }

    #[test]
    fn bad_lines_are_passed_over_with_a_warning() {
        let text = "nameserver\nnameserver fe80::1%eth0\nnameserver localhost\nfoo bar\noptions timeout:x\nnameserver 192.0.2.1";
        let (config, warnings) = ResolverConfig::parse(text);
        assert_eq!(config.servers, ["192.0.2.1:53".parse().unwrap()]);
        assert_eq!(warnings.iter().map(|warning| warning.line).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert!(warnings[1].problem.contains("fe80::1%eth0"));
    }

    #[test]
    fn options_are_clamped_and_servers_are_bounded() {
        let mut text = String::from("options timeout:0 attempts:4000000000\n");
        for n in 0..100 {
            text.push_str(&format!("nameserver 192.0.2.{n}\n"));
        }
        let (config, warnings) = ResolverConfig::parse(&text);
        assert_eq!((config.timeout, config.attempts), (Duration::from_secs(1), 5));
        assert_eq!((config.servers.len(), warnings.len()), (SERVERS, 100 - SERVERS));
    }

    #[test]
    fn an_empty_or_missing_file_means_this_host() {
        assert_eq!(ResolverConfig::parse("").0, ResolverConfig::default());
        let (config, warnings) = ResolverConfig::read(Path::new("/nonexistent/resolv.conf")).unwrap();
        assert_eq!((config, warnings), (ResolverConfig::default(), vec![]));
    }
}
