//! What a plan will do, in lines that can be checked by hand.

use std::time::Duration;

use super::{Class, Departure, Lane, Load, Party, Plan, Scenario, StanzaKind};
use crate::measure::figure::{SHOWN, samples_needed};
use crate::measure::{Mode, Series};

/// What the timetable holds for the measured phase.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Fan-outs.
    pub departures: u64,
    /// Of which of [`Class::Plain`].
    pub plain: u64,
    /// Stanzas from local to remote domains.
    pub out: u64,
    /// Stanzas from remote to local domains.
    pub inward: u64,
    /// Of both, to or from the domain under stress.
    pub stressed: u64,
    /// Of both, to or from its neighbours.
    pub neighbours: u64,
    /// Of both.
    pub bytes: u64,
}

impl Tally {
    /// Stanzas of both directions.
    pub fn stanzas(&self) -> u64 {
        self.out + self.inward
    }
}

impl Plan {
    /// What the timetable holds for the measured phase up to `end`, since the begin of the warm-up: what a run must account for.
    pub fn tally(&self, end: Duration) -> Tally {
        let mut tally = Tally::default();
        let Load::Paced(timetable) = &self.load else { return tally };
        let departures = timetable.departures();
        let first = departures.partition_point(|departure| departure.at < self.phases.warm_up);
        for departure in departures[first..].iter().take_while(|departure| departure.at < end) {
            self.add(&mut tally, departure);
        }
        tally
    }

    fn add(&self, tally: &mut Tally, departure: &Departure) {
        let contacts = &self.senders[departure.sender as usize].contacts;
        let is_out = |lane: Lane| matches!(lane.from, Party::Local(_));
        let out = contacts.iter().filter(|contact| is_out(self.lanes[contact.lane as usize])).count() as u64;
        let all = contacts.len() as u64;
        tally.departures += 1;
        tally.out += out;
        tally.inward += all - out;
        match departure.class {
            Class::Plain => tally.plain += 1,
            Class::Stressed => tally.stressed += all,
            Class::Neighbour => tally.neighbours += all,
        }
        if departure.stanza.kind != StanzaKind::Probe {
            tally.bytes += all * u64::from(departure.stanza.bytes);
        }
    }
}

impl Scenario {
    /// The rates that the model implies, with their formulas, and what the plan makes of them: streams, stanzas and bytes a second,
    /// samples and the percentiles that they will support, length of the run.
    pub fn explain(&self, plan: &Plan) -> Vec<String> {
        let mut lines = vec![format!("{}, seed {}", plan.scenario, plan.seed), "by the model:".to_owned()];
        lines.extend(self.formula().into_iter().map(indented));
        lines.push("in this plan:".to_owned());
        let mut facts = streams(plan);
        let tally = plan.tally(plan.phases.warm_up + plan.phases.measure);
        facts.extend(rates(plan, &tally));
        facts.extend(samples(plan, &tally));
        facts.push(length(plan));
        lines.extend(facts.into_iter().map(indented));
        lines
    }
}

fn indented(line: String) -> String {
    format!("  {line}")
}

fn streams(plan: &Plan) -> Vec<String> {
    let out = plan.lanes.iter().filter(|lane| matches!(lane.from, Party::Local(_))).count();
    let inward = plan.lanes.len() - out;
    let kind = if plan.transport.resumption { "TLS sessions may be resumed" } else { "all full" };
    let transport = match (plan.transport.direct_tls, plan.transport.dialback) {
        (true, true) => "direct TLS, dialback",
        (true, false) => "direct TLS, SASL EXTERNAL",
        (false, true) => "STARTTLS, dialback",
        (false, false) => "STARTTLS, SASL EXTERNAL",
    };
    vec![
        format!("{} local and {} remote domains", plan.locals, plan.remotes),
        format!(
            "{out} streams to remote domains, {inward} from them: {} handshakes ({transport}, {kind})",
            plan.lanes.len()
        ),
    ]
}

fn rates(plan: &Plan, tally: &Tally) -> Vec<String> {
    if tally.stanzas() == 0 {
        return Vec::new();
    }
    let per_second = |count: u64| count as f64 / plan.phases.measure.as_secs_f64();
    vec![
        format!("{} departures, {:.1}/s (Poisson)", tally.departures, per_second(tally.departures)),
        format!(
            "{} stanzas, {:.1}/s: {:.1}/s out, {:.1}/s in",
            tally.stanzas(),
            per_second(tally.stanzas()),
            per_second(tally.out),
            per_second(tally.inward)
        ),
        format!("{:.1} kB/s of stanzas, before TLS and TCP; probes not counted", per_second(tally.bytes) / 1e3),
    ]
}

/// Samples per series, as far as the plan knows them.
fn samples(plan: &Plan, tally: &Tally) -> Vec<String> {
    let plain = tally.stanzas() - tally.stressed - tally.neighbours;
    let mut known =
        vec![(Series::Recipient, plain), (Series::Stressed, tally.stressed), (Series::Neighbour, tally.neighbours)];
    if plan.mode() == (Mode::Open { fan_outs: true }) {
        known.push((Series::Last, tally.plain));
    }
    known.retain(|(_, samples)| *samples > 0);
    known.into_iter().map(|(series, samples)| support(series, samples)).collect()
}

fn support(series: Series, samples: u64) -> String {
    let supported: Vec<&str> =
        SHOWN.iter().filter(|(quantile, _)| samples_needed(*quantile) <= samples).map(|(_, name)| *name).collect();
    let percentiles = match supported.is_empty() {
        true => "only the maximum".to_owned(),
        false => format!("{}, maximum", supported.join(", ")),
    };
    format!("{}: {samples} samples: {percentiles}", series.name())
}

fn length(plan: &Plan) -> String {
    let phases = &plan.phases;
    format!(
        "length: connecting (at most {:?}) + {:?} warm-up + {:?} measured + draining (at most {:?})",
        phases.connect, phases.warm_up, phases.measure, plan.deadline
    )
}
