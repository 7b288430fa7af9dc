//! `message`: one stanza at a time (ping-pong), streams of them, or as many a second as asked for.

use clap::Args;
use serde::Serialize;

use crate::plan::chance::{Purpose, Zipf};
use crate::plan::draft::{Draft, STANZA_LEAST, STANZA_MOST, Sides};
use crate::plan::options::{Basics, Direction};
use crate::plan::problem::{Problem, within};
use crate::plan::{Class, Load, Plan, Stanza, StanzaKind, WAITING_BYTES};

/// Plaintext of a TLS record, bytes at most.
const RECORD: u64 = 16_384;

/// Messages: as fast as they go through with a window (closed loop), or by a schedule (open loop, with --rate).
///
/// The defaults are a ping-pong: one message on its way per lane.
#[derive(Clone, Debug, Args, Serialize)]
pub struct Options {
    #[command(flatten)]
    #[serde(flatten)]
    pub basics: Basics,
    /// Remote domains
    #[arg(long, short = 'd', default_value_t = 10, value_name = "N")]
    pub domains: u32,
    /// Stanzas on their way per lane, at most
    #[arg(long, default_value_t = 1, value_name = "N", conflicts_with = "rate")]
    pub window: u32,
    /// Written at once, into one TLS record
    #[arg(long, default_value_t = 1, value_name = "N", conflicts_with = "rate")]
    pub per_record: u32,
    /// Messages a second in all, by a schedule, instead of a window
    #[arg(long, value_name = "PER_SECOND")]
    pub rate: Option<f64>,
    /// Exponent of the Zipf law by which messages are spread over domains, with --rate; 0: evenly
    #[arg(long, default_value_t = 0.0, value_name = "S")]
    pub zipf: f64,
    /// Of a message on the wire
    #[arg(long, default_value_t = 500, value_name = "BYTES")]
    pub bytes: u32,
    /// Which way they go
    #[arg(long, value_enum, default_value_t = Direction::Out)]
    pub direction: Direction,
}

impl Options {
    /// The plan.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn plan(&self) -> Result<Plan, Problem> {
        self.check()?;
        let mut draft = Draft::new(&self.basics);
        let senders = super::senders(&mut draft, self.direction, self.domains)?;
        let sides = Sides::new(1, self.domains);
        let stanza = Stanza { kind: StanzaKind::Message, bytes: self.bytes };
        let Some(rate) = self.rate else {
            let load = Load::Saturating { window: self.window, per_record: self.per_record, stanza };
            return Ok(draft.finish("message", sides, load, self));
        };
        let zipf = Zipf::new(self.domains, self.zipf);
        let mut choice = draft.chance(Purpose::Senders);
        for at in draft.arrivals(&mut draft.chance(Purpose::Times), rate)? {
            let of_domain = &senders[zipf.draw(&mut choice) as usize];
            let sender = of_domain[choice.below(of_domain.len() as u32) as usize];
            draft.depart(at, sender, stanza, Class::Plain)?;
        }
        Ok(draft.paced("message", sides, self))
    }

    fn check(&self) -> Result<(), Problem> {
        self.basics.check()?;
        within("domains", self.domains, 1, 100_000)?;
        within("window", self.window, 1, 100_000)?;
        within("per-record", self.per_record, 1, 1_000)?;
        within("rate", self.rate.unwrap_or(1.0), 0.01, 1e7)?;
        within("zipf", self.zipf, 0.0, 5.0)?;
        within("bytes", self.bytes, STANZA_LEAST, STANZA_MOST)?;
        if !self.window.is_multiple_of(self.per_record) {
            let nearest = self.window.div_ceil(self.per_record) * self.per_record;
            return Err(Problem::Contradiction {
                what: format!("a window of {} is not made of records of {}", self.window, self.per_record),
                remedy: format!("take --window {nearest}"),
            });
        }
        let on_their_way = self.window as usize * self.bytes as usize;
        if on_their_way > WAITING_BYTES {
            return Err(Problem::Contradiction {
                what: format!("a window of {} messages of {} bytes is more than 64 MiB", self.window, self.bytes),
                remedy: format!("take at most --window {}", WAITING_BYTES / self.bytes as usize),
            });
        }
        let record = u64::from(self.per_record) * u64::from(self.bytes);
        if self.per_record > 1 && record > RECORD {
            return Err(Problem::Contradiction {
                what: format!("{} messages of {} bytes do not fit a TLS record", self.per_record, self.bytes),
                remedy: format!("take at most --per-record {}", (RECORD / u64::from(self.bytes)).max(1)),
            });
        }
        Ok(())
    }

    /// What the options imply.
    pub fn formula(&self) -> Vec<String> {
        match self.rate {
            Some(rate) => {
                vec![format!("stanzas/s = {rate}, open loop"), super::shares(&Zipf::new(self.domains, self.zipf))]
            }
            None => vec![format!(
                "stanzas/s = lanes x window / transit: up to {} on their way per lane, closed loop, as fast as the system is",
                self.window
            )],
        }
    }
}
