//! What the two SRV lookups of a domain mean together.

use alloc::string::String;
use alloc::vec::Vec;

use super::srv::{self, Target};
use super::{Answer, Srv, Transport, Unreachable};

/// What one SRV lookup said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Nothing yet.
    Awaited,
    /// No such name, no such records, or not asked for.
    Absent,
    /// Its only target is `.`: decidedly not available. RFC 2782, "Target".
    Declined,
    /// No answer.
    Failed,
    /// Records with targets.
    Offered(Vec<Srv>),
}

impl Service {
    /// Reads an answer; records with the target `.` beside others are passed over.
    pub(super) fn read(answer: &Answer) -> Self {
        match answer {
            Answer::Srv(records) if records.is_empty() => Self::Absent,
            Answer::Srv(records) => {
                let offered: Vec<Srv> = records.iter().filter_map(with_target).collect();
                if offered.is_empty() { Self::Declined } else { Self::Offered(offered) }
            }
            Answer::NoSuchName => Self::Absent,
            Answer::Failed | Answer::Addresses(_) => Self::Failed,
        }
    }

    fn into_records(self) -> Vec<Srv> {
        if let Self::Offered(records) = self { records } else { Vec::new() }
    }
}

fn with_target(record: &Srv) -> Option<Srv> {
    let target = record.target.trim_end_matches('.').to_ascii_lowercase();
    (!target.is_empty() && record.port != 0).then(|| Srv { target, ..record.clone() })
}

/// The targets to look up, in order.
///
/// - Any usable record: the records, and nothing else (RFC 6120 §3.2.1).
/// - `_xmpp-server` declined: nothing. `_xmpps-server` declined: its domain knows of SRV, so no fallback (XEP-0368 §5).
/// - Otherwise, also when a lookup failed: the domain itself on port 5269 with STARTTLS (RFC 6120 §3.2.2). A zone whose
///   servers choke on SRV is reached so, as Prosody reaches it; a wrong host there still has no certificate for the domain.
///
/// # Errors
/// [`Unreachable::NotFound`] when the domain says that it has no service; [`Unreachable::NoAnswer`] when the lookup
/// that could have said otherwise failed.
pub(super) fn targets(xmpps: Service, xmpp: Service, domain: &str, seed: u64) -> Result<Vec<Target>, Unreachable> {
    let no_fallback = xmpps == Service::Declined || xmpp == Service::Declined;
    let failed = xmpps == Service::Failed || xmpp == Service::Failed;
    let ordered = srv::order(xmpps.into_records(), xmpp.into_records(), seed);
    if !ordered.is_empty() {
        return Ok(ordered);
    }
    match (no_fallback, failed) {
        (true, true) => Err(Unreachable::NoAnswer),
        (true, false) => Err(Unreachable::NotFound),
        (false, _) => Ok([fallback(domain)].into()),
    }
}

fn fallback(domain: &str) -> Target {
    Target { host: String::from(domain), port: 5269, transport: Transport::StartTls }
}
