//! `idle`, `connect` and `reconnect-storm`: streams rather than stanzas.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::plan::chance::Purpose;
use crate::plan::draft::{Draft, STANZA_LEAST, STANZA_MOST, Sides, presence};
use crate::plan::options::{Basics, Direction, duration, seconds};
use crate::plan::problem::{Problem, within};
use crate::plan::{Class, Contact, Disturbance, Load, Plan};

/// All streams are open and nothing is sent: what does one cost?
#[derive(Clone, Debug, Args, Serialize)]
pub struct Idle {
    #[command(flatten)]
    #[serde(flatten)]
    pub basics: Basics,
    /// Remote domains, each with a stream in every direction asked for
    #[arg(long, short = 'd', default_value_t = 1_000, value_name = "N")]
    pub domains: u32,
    /// Who opens the streams: remote domains (in), the system under test (out)
    #[arg(long, value_enum, default_value_t = Direction::In)]
    pub direction: Direction,
}

/// Streams are opened, authenticated and closed again, as fast as they go.
#[derive(Clone, Debug, Args, Serialize)]
pub struct Connect {
    #[command(flatten)]
    #[serde(flatten)]
    pub basics: Basics,
    /// Remote domains, which take turns
    #[arg(long, short = 'd', default_value_t = 100, value_name = "N")]
    pub domains: u32,
    /// Handshakes under way at once
    #[arg(long, default_value_t = 32, value_name = "N")]
    pub at_once: u32,
    /// Stop after so many
    #[arg(long, value_name = "N")]
    pub total: Option<u32>,
}

/// A hub returns: the streams of thousands of domains vanish and are opened again at once, while others' stanzas flow.
#[derive(Clone, Debug, Args, Serialize)]
pub struct ReconnectStorm {
    #[command(flatten)]
    #[serde(flatten)]
    pub basics: Basics,
    /// Remote domains that vanish and return, each with one stream
    #[arg(long, default_value_t = 5_000, value_name = "N")]
    pub returning: u32,
    /// For so long they are gone
    #[arg(long, default_value = "2s", value_parser = duration, value_name = "TIME")]
    #[serde(serialize_with = "seconds")]
    pub pause: Duration,
    /// They return spread over this time; 0s: at once
    #[arg(long, default_value = "0s", value_parser = duration, value_name = "TIME")]
    #[serde(serialize_with = "seconds")]
    pub over: Duration,
    /// Remote domains that stay
    #[arg(long, short = 'd', default_value_t = 50, value_name = "N")]
    pub domains: u32,
    /// Presences a second to and from those that stay
    #[arg(long, default_value_t = 1_000.0, value_name = "PER_SECOND")]
    pub rate: f64,
    /// Of a presence on the wire
    #[arg(long, default_value_t = 450, value_name = "BYTES")]
    pub bytes: u32,
}

impl Idle {
    /// The plan.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn plan(&self) -> Result<Plan, Problem> {
        self.basics.check()?;
        within("domains", self.domains, 1, 100_000)?;
        let mut draft = Draft::new(&self.basics);
        for domain in 0..self.domains {
            super::lanes(&mut draft, self.direction, domain)?;
        }
        Ok(draft.finish("idle", Sides::new(1, self.domains), Load::Idle, self))
    }

    /// What the options imply.
    pub fn formula(&self) -> Vec<String> {
        vec!["memory per domain stream = (resident at the end, all open and idle - resident before) / streams of remote domains".to_owned()]
    }
}

impl Connect {
    /// The plan.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn plan(&self) -> Result<Plan, Problem> {
        self.basics.check()?;
        within("domains", self.domains, 1, 100_000)?;
        within("at-once", self.at_once, 1, 10_000)?;
        within("total", self.total.unwrap_or(1), 1, u32::MAX)?;
        let mut draft = Draft::new(&self.basics);
        for domain in 0..self.domains {
            super::lanes(&mut draft, Direction::In, domain)?;
        }
        let load = Load::Connecting { at_once: self.at_once, total: self.total, close: true };
        Ok(draft.finish("connect", Sides::new(1, self.domains), load, self))
    }

    /// What the options imply.
    pub fn formula(&self) -> Vec<String> {
        vec![format!(
            "handshakes/s = {} at once / duration of one, closed loop, as fast as the system is",
            self.at_once
        )]
    }
}

impl ReconnectStorm {
    /// The plan. The domains that stay have the lower numbers.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn plan(&self) -> Result<Plan, Problem> {
        self.check()?;
        let mut draft = Draft::new(&self.basics);
        let mut senders = Vec::new();
        for domain in 0..self.domains {
            for lane in super::lanes(&mut draft, Direction::Both, domain)? {
                senders.push(draft.sender(0, [Contact { lane, user: 0 }])?);
            }
        }
        let remotes = self.domains + self.returning;
        for domain in self.domains..remotes {
            super::lanes(&mut draft, Direction::In, domain)?;
        }
        let mut choice = draft.chance(Purpose::Senders);
        for at in draft.arrivals(&mut draft.chance(Purpose::Times), self.rate)? {
            let sender = senders[choice.below(senders.len() as u32) as usize];
            draft.depart(at, sender, presence(self.bytes), Class::Neighbour)?;
        }
        let vanishes = Disturbance::Vanishes { domains: self.domains..remotes, pause: self.pause, over: self.over };
        Ok(draft.paced("reconnect-storm", Sides { disturbance: Some(vanishes), ..Sides::new(1, remotes) }, self))
    }

    fn check(&self) -> Result<(), Problem> {
        self.basics.check()?;
        within("returning", self.returning, 1, 100_000)?;
        within("domains", self.domains, 1, 50_000)?;
        within("rate", self.rate, 0.01, 1e7)?;
        within("pause", self.pause.as_secs_f64(), 0.0, 86_400.0)?;
        within("over", self.over.as_secs_f64(), 0.0, 86_400.0)?;
        within("bytes", self.bytes, STANZA_LEAST, STANZA_MOST)?;
        if self.pause + self.over >= self.basics.duration {
            return Err(Problem::Contradiction {
                what: "the domains would return after the measured phase".to_owned(),
                remedy: format!("take a --duration longer than {:?}", self.pause + self.over),
            });
        }
        Ok(())
    }

    /// What the options imply.
    pub fn formula(&self) -> Vec<String> {
        let Self { returning, pause, over, rate, .. } = self;
        vec![
            format!(
                "handshakes = {returning}, from {pause:?} after the begin of the measured phase, spread over {over:?}"
            ),
            format!("neighbours' stanzas/s = {rate}, both directions"),
        ]
    }
}
