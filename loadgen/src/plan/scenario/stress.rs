//! `hot-domain`, `slow-peer` and `hostile`: one domain misbehaves; what do its neighbours notice?
//!
//! The domain under stress is the most popular one, number 0. Presences to or from it are recorded as stressed, all others as
//! neighbours'; the neighbours are what is judged.

use clap::Args;
use serde::Serialize;

use crate::plan::chance::{Chance, Purpose, Zipf};
use crate::plan::draft::{Draft, STANZA_LEAST, STANZA_MOST, Sides, presence};
use crate::plan::options::{Basics, Direction};
use crate::plan::problem::{Problem, within};
use crate::plan::{Attack, Class, Disturbance, Party, Plan};

/// One domain has many times its share of the stanzas.
#[derive(Clone, Debug, Args, Serialize)]
pub struct HotDomain {
    #[command(flatten)]
    #[serde(flatten)]
    pub neighbourhood: Neighbourhood,
    /// The hot domain has so many times the stanzas that its popularity gives it
    #[arg(long, default_value_t = 10.0, value_name = "TIMES")]
    pub factor: f64,
    /// Which way stanzas go
    #[arg(long, value_enum, default_value_t = Direction::Out)]
    pub direction: Direction,
}

/// One remote domain stops reading when the measured phase begins. What is sent to it may go missing without failing the run.
#[derive(Clone, Debug, Args, Serialize)]
pub struct SlowPeer {
    #[command(flatten)]
    #[serde(flatten)]
    pub neighbourhood: Neighbourhood,
}

/// One remote domain sends what costs most, as fast as the system takes it. It has no part in the usual traffic.
#[derive(Clone, Debug, Args, Serialize)]
pub struct Hostile {
    #[command(flatten)]
    #[serde(flatten)]
    pub neighbourhood: Neighbourhood,
    /// What it sends
    #[arg(long, value_enum, default_value_t = Attack::Elements)]
    pub attack: Attack,
    /// Which way the neighbours' stanzas go
    #[arg(long, value_enum, default_value_t = Direction::Both)]
    pub direction: Direction,
}

/// Domains and their usual traffic.
#[derive(Clone, Debug, Args, Serialize)]
pub struct Neighbourhood {
    #[command(flatten)]
    #[serde(flatten)]
    pub basics: Basics,
    /// Remote domains, the one under stress among them
    #[arg(long, short = 'd', default_value_t = 50, value_name = "N")]
    pub domains: u32,
    /// Presences a second in all, before stress
    #[arg(long, default_value_t = 2_000.0, value_name = "PER_SECOND")]
    pub rate: f64,
    /// Exponent of the Zipf law by which they are spread over domains; 0: evenly
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    pub zipf: f64,
    /// Of a presence on the wire
    #[arg(long, default_value_t = 450, value_name = "BYTES")]
    pub bytes: u32,
}

impl HotDomain {
    /// The plan.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn plan(&self) -> Result<Plan, Problem> {
        self.neighbourhood.check()?;
        within("factor", self.factor, 1.0, 10_000.0)?;
        let draft = self.neighbourhood.draft(self.direction, Some(self.factor))?;
        Ok(draft.paced("hot-domain", Sides::new(1, self.neighbourhood.domains), self))
    }

    /// What the options imply.
    pub fn formula(&self) -> Vec<String> {
        self.neighbourhood.formula(self.factor)
    }
}

impl SlowPeer {
    /// The plan.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn plan(&self) -> Result<Plan, Problem> {
        self.neighbourhood.check()?;
        let draft = self.neighbourhood.draft(Direction::Out, Some(1.0))?;
        let disturbance = Some(Disturbance::StopsReading(Party::Remote(0)));
        Ok(draft.paced("slow-peer", Sides { disturbance, ..Sides::new(1, self.neighbourhood.domains) }, self))
    }

    /// What the options imply.
    pub fn formula(&self) -> Vec<String> {
        self.neighbourhood.formula(1.0)
    }
}

impl Hostile {
    /// The plan.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn plan(&self) -> Result<Plan, Problem> {
        self.neighbourhood.check()?;
        let draft = self.neighbourhood.draft(self.direction, None)?;
        let disturbance = Some(Disturbance::Attacks { from: Party::Remote(0), how: self.attack });
        Ok(draft.paced("hostile", Sides { disturbance, ..Sides::new(1, self.neighbourhood.domains) }, self))
    }

    /// What the options imply.
    pub fn formula(&self) -> Vec<String> {
        let mut formula = self.neighbourhood.formula(1.0);
        formula[0] = format!("attack: {}, as fast as the system takes it", self.attack);
        formula
    }
}

impl Neighbourhood {
    fn check(&self) -> Result<(), Problem> {
        self.basics.check()?;
        within("domains", self.domains, 2, 100_000)?;
        within("rate", self.rate, 0.01, 1e7)?;
        within("zipf", self.zipf, 0.0, 5.0)?;
        within("bytes", self.bytes, STANZA_LEAST, STANZA_MOST)
    }

    /// With `factor` times its share for the domain under stress; `None`: with nothing to or from it.
    fn draft(&self, direction: Direction, factor: Option<f64>) -> Result<Draft<'_>, Problem> {
        let mut draft = Draft::new(&self.basics);
        let zipf = Zipf::new(self.domains, self.zipf);
        let senders = super::senders(&mut draft, direction, self.domains)?;
        let pick = |choice: &mut Chance, domain: u32| {
            let of_domain = &senders[domain as usize];
            of_domain[choice.below(of_domain.len() as u32) as usize]
        };
        let (mut times, mut choice) = (draft.chance(Purpose::Times), draft.chance(Purpose::Senders));
        if let Some(factor) = factor {
            for at in draft.arrivals(&mut times, self.rate * zipf.share(0) * factor)? {
                draft.depart(at, pick(&mut choice, 0), presence(self.bytes), Class::Stressed)?;
            }
        }
        for at in draft.arrivals(&mut times, self.rate * (1.0 - zipf.share(0)))? {
            let domain = neighbour(&zipf, &mut choice);
            draft.depart(at, pick(&mut choice, domain), presence(self.bytes), Class::Neighbour)?;
        }
        Ok(draft)
    }

    fn formula(&self, factor: f64) -> Vec<String> {
        let zipf = Zipf::new(self.domains, self.zipf);
        let (rate, share) = (self.rate, zipf.share(0));
        vec![
            format!(
                "stressed stanzas/s = rate x share x factor = {rate} x {share:.3} x {factor} = {:.0}",
                rate * share * factor
            ),
            format!(
                "neighbours' stanzas/s = rate x (1 - share) = {rate} x {:.3} = {:.0}",
                1.0 - share,
                rate * (1.0 - share)
            ),
            super::shares(&zipf),
        ]
    }
}

/// A domain other than number 0, by its popularity.
fn neighbour(zipf: &Zipf, choice: &mut Chance) -> u32 {
    loop {
        match zipf.draw(choice) {
            0 => {}
            domain => return domain,
        }
    }
}
