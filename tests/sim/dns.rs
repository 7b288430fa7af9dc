//! Virtual DNS: domains with SRV records, hosts, names that do not exist, and weather.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ringgate_proto::discover::{Answer, Question, RecordKind, Srv};

#[derive(Debug, Default)]
pub struct Dns {
    srv: BTreeMap<String, Vec<Srv>>,
    hosts: BTreeMap<String, Vec<IpAddr>>,
    /// Names below these get no answer until the time given.
    pub broken_until: BTreeMap<String, u64>,
}

impl Dns {
    /// A domain whose server is found by one SRV record.
    pub fn publish(&mut self, domain: &str, at: SocketAddr) {
        let host = format!("xmpp.{domain}");
        self.add_srv(&format!("_xmpp-server._tcp.{domain}"), 10, 5, at.port(), &host);
        self.hosts.insert(host, vec![at.ip()]);
        self.hosts.entry(domain.into()).or_default();
    }

    /// Direct TLS too.
    pub fn publish_direct(&mut self, domain: &str, at: SocketAddr) {
        let host = format!("xmpps.{domain}");
        self.add_srv(&format!("_xmpps-server._tcp.{domain}"), 5, 5, at.port(), &host);
        self.hosts.insert(host, vec![at.ip()]);
    }

    pub fn add_srv(&mut self, name: &str, priority: u16, weight: u16, port: u16, target: &str) {
        let record = Srv { priority, weight, port, target: target.into() };
        self.srv.entry(name.into()).or_default().push(record);
    }

    pub fn add_host(&mut self, host: &str, at: IpAddr) {
        self.hosts.entry(host.into()).or_default().push(at);
    }

    pub fn answer(&self, question: &Question, now: u64) -> Answer {
        let is_broken = |(name, until): (&String, &u64)| question.name.ends_with(name.as_str()) && now < *until;
        if self.broken_until.iter().any(is_broken) {
            return Answer::Failed;
        }
        match question.kind {
            RecordKind::Srv => self.srv.get(&question.name).cloned().map_or(Answer::NoSuchName, Answer::Srv),
            RecordKind::A | RecordKind::Aaaa => match self.hosts.get(&question.name) {
                None => Answer::NoSuchName,
                Some(all) => {
                    let fits = |ip: &&IpAddr| ip.is_ipv4() == (question.kind == RecordKind::A);
                    Answer::Addresses(all.iter().filter(fits).copied().collect())
                }
            },
        }
    }

    /// Where a model server connects for a domain.
    pub fn first(&self, domain: &str) -> Option<SocketAddr> {
        let record = self.srv.get(&format!("_xmpp-server._tcp.{domain}"))?.first()?;
        let ip = self.hosts.get(&record.target)?.first()?;
        Some(SocketAddr::new(*ip, record.port))
    }
}
