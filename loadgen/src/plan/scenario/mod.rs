//! Everything that can be measured: one variant per scenario, each a function from its options to a plan.

use clap::Subcommand;
use serde::Serialize;

use super::chance::Zipf;
use super::draft::Draft;
use super::options::Direction;
use super::{Contact, Party, Plan, Problem};

pub mod fanout;
pub mod ietf;
pub mod login_storm;
pub mod message;
pub mod mixed;
pub mod soak;
pub mod streams;
pub mod stress;
#[cfg(test)]
pub(super) mod tests;

/// A scenario with its options, as on the command line.
#[derive(Clone, Debug, Subcommand, Serialize)]
#[serde(tag = "scenario", rename_all = "kebab-case")]
pub enum Scenario {
    /// One presence change to many remote contacts: first, median and last arrival
    Fanout(fanout::Options),
    /// 67 presences/s: 20,000 users, 4 contacts, 3 changes an hour
    IetfBasic(ietf::Options),
    /// 333 presences/s: 20,000 users, 20 contacts, 3 changes an hour, many domains
    IetfWide(ietf::Options),
    /// 500 presences/s: 60,000 users, 10 contacts, 3 changes an hour
    IetfPeering(ietf::Options),
    /// 166,667 presences/s: 10,000,000 users, 10 contacts, 6 changes an hour
    IetfXl(ietf::Options),
    /// Messages: ping-pong, streams, or paced
    Message(message::Options),
    /// A share of all users logs in within a window: presence, probes, answers
    LoginStorm(login_storm::Options),
    /// The streams of 5,000 domains vanish and return, while neighbours go on
    ReconnectStorm(streams::ReconnectStorm),
    /// One domain has ten times its share: what do its neighbours notice?
    HotDomain(stress::HotDomain),
    /// One domain stops reading: what do its neighbours notice?
    SlowPeer(stress::SlowPeer),
    /// One domain attacks at full speed: what do its neighbours notice?
    Hostile(stress::Hostile),
    /// All streams open, nothing sent: memory per domain stream
    Idle(streams::Idle),
    /// Handshakes per second
    Connect(streams::Connect),
    /// A usual day: presence, logins, messages, avatars
    Mixed(mixed::Options),
    /// 20 minutes of traffic while streams come and go: does the system's memory grow?
    Soak(soak::Options),
}

impl Scenario {
    /// The plan.
    ///
    /// # Errors
    /// [`Problem`]: the options contradict each other, or lead nowhere.
    pub fn plan(&self) -> Result<Plan, Problem> {
        let plan = self.draft()?;
        plan.check_objective()?;
        Ok(plan)
    }

    fn draft(&self) -> Result<Plan, Problem> {
        match self {
            Self::Fanout(options) => options.plan(),
            Self::IetfBasic(options) => options.plan(&ietf::BASIC),
            Self::IetfWide(options) => options.plan(&ietf::WIDE),
            Self::IetfPeering(options) => options.plan(&ietf::PEERING),
            Self::IetfXl(options) => options.plan(&ietf::XL),
            Self::Message(options) => options.plan(),
            Self::LoginStorm(options) => options.plan(),
            Self::ReconnectStorm(options) => options.plan(),
            Self::HotDomain(options) => options.plan(),
            Self::SlowPeer(options) => options.plan(),
            Self::Hostile(options) => options.plan(),
            Self::Idle(options) => options.plan(),
            Self::Connect(options) => options.plan(),
            Self::Mixed(options) => options.plan(),
            Self::Soak(options) => options.plan(),
        }
    }

    /// What `bisect` searches for: the unit of [`Self::set_rate`], if the scenario has a rate.
    pub fn rate_unit(&self) -> Option<&'static str> {
        match self {
            Self::Fanout(_) => Some("presence changes/s"),
            Self::IetfBasic(_) | Self::IetfWide(_) | Self::IetfPeering(_) | Self::IetfXl(_) => Some("presences/s"),
            Self::ReconnectStorm(_) | Self::HotDomain(_) | Self::SlowPeer(_) | Self::Hostile(_) => Some("presences/s"),
            Self::Message(_) => Some("messages/s"),
            Self::Soak(_) => Some("stanzas/s"),
            Self::LoginStorm(_) => Some("logins/s"),
            Self::Idle(_) | Self::Connect(_) | Self::Mixed(_) => None,
        }
    }

    /// Replaces the rate, in [`Self::rate_unit`]; scenarios without one stay as they are. `plan` says whether it is possible.
    pub fn set_rate(&mut self, rate: f64) {
        match self {
            Self::Fanout(options) => options.rate = rate,
            Self::IetfBasic(options) => options.set_rate(&ietf::BASIC, rate),
            Self::IetfWide(options) => options.set_rate(&ietf::WIDE, rate),
            Self::IetfPeering(options) => options.set_rate(&ietf::PEERING, rate),
            Self::IetfXl(options) => options.set_rate(&ietf::XL, rate),
            Self::Message(options) => options.rate = Some(rate),
            Self::Soak(options) => options.rate = rate,
            Self::ReconnectStorm(options) => options.rate = rate,
            Self::HotDomain(options) => options.neighbourhood.rate = rate,
            Self::SlowPeer(options) => options.neighbourhood.rate = rate,
            Self::Hostile(options) => options.neighbourhood.rate = rate,
            Self::LoginStorm(options) => options.users = rate * options.window.as_secs_f64() / options.share,
            Self::Idle(_) | Self::Connect(_) | Self::Mixed(_) => {}
        }
    }

    /// The options that [`Self::set_rate`] sets, as they are.
    pub fn rate_options(&self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Fanout(options) => vec![("--rate", options.rate)],
            Self::IetfBasic(options) | Self::IetfWide(options) | Self::IetfPeering(options) | Self::IetfXl(options) => {
                options.users.map(|users| ("--users", users)).into_iter().chain([("--scale", options.scale)]).collect()
            }
            Self::Message(options) => options.rate.map(|rate| ("--rate", rate)).into_iter().collect(),
            Self::ReconnectStorm(options) => vec![("--rate", options.rate)],
            Self::Soak(options) => vec![("--rate", options.rate)],
            Self::HotDomain(options) => vec![("--rate", options.neighbourhood.rate)],
            Self::SlowPeer(options) => vec![("--rate", options.neighbourhood.rate)],
            Self::Hostile(options) => vec![("--rate", options.neighbourhood.rate)],
            Self::LoginStorm(options) => vec![("--users", options.users)],
            Self::Idle(_) | Self::Connect(_) | Self::Mixed(_) => Vec::new(),
        }
    }

    /// The rates that the options imply, with their formulas, so that they can be checked by hand.
    pub(super) fn formula(&self) -> Vec<String> {
        match self {
            Self::Fanout(options) => options.formula(),
            Self::IetfBasic(options) => options.formula(&ietf::BASIC),
            Self::IetfWide(options) => options.formula(&ietf::WIDE),
            Self::IetfPeering(options) => options.formula(&ietf::PEERING),
            Self::IetfXl(options) => options.formula(&ietf::XL),
            Self::Message(options) => options.formula(),
            Self::LoginStorm(options) => options.formula(),
            Self::ReconnectStorm(options) => options.formula(),
            Self::HotDomain(options) => options.formula(),
            Self::SlowPeer(options) => options.formula(),
            Self::Hostile(options) => options.formula(),
            Self::Idle(options) => options.formula(),
            Self::Connect(options) => options.formula(),
            Self::Mixed(options) => options.formula(),
            Self::Soak(options) => options.formula(),
        }
    }
}

/// The lanes between local domain 0 and a remote domain.
///
/// # Errors
/// [`Problem::TooLarge`].
fn lanes(draft: &mut Draft<'_>, direction: Direction, remote: u32) -> Result<Vec<u32>, Problem> {
    let (local, remote) = (Party::Local(0), Party::Remote(remote));
    Ok(match direction {
        Direction::Out => vec![draft.lane(local, remote)?],
        Direction::In => vec![draft.lane(remote, local)?],
        Direction::Both => vec![draft.lane(local, remote)?, draft.lane(remote, local)?],
    })
}

/// By remote domain: a sender for each of its lanes, with that lane's other end as its contact.
///
/// # Errors
/// [`Problem::TooLarge`].
fn senders(draft: &mut Draft<'_>, direction: Direction, remotes: u32) -> Result<Vec<Vec<u32>>, Problem> {
    let of_domain = |domain| {
        let lanes = lanes(draft, direction, domain)?.into_iter();
        lanes.map(|lane| draft.sender(0, [Contact { lane, user: 0 }])).collect()
    };
    (0..remotes).map(of_domain).collect()
}

/// How much the most popular domains get.
fn shares(zipf: &Zipf) -> String {
    let percent = |domains| zipf.head(domains) * 100.0;
    format!(
        "shares of the domains (Zipf): first {:.1} %, first 10 {:.1} %, first 100 {:.1} %",
        percent(1),
        percent(10),
        percent(100)
    )
}
