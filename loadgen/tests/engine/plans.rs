//! Small plans, and how they are played.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use loadgen::engine::{Ground, Live, Measured, Stage, SystemWatch};
use loadgen::plan::{
    Class, Contact, Departure, Lane, Load, Party, Phases, Plan, Sender, Slo, Stanza, StanzaKind, Timetable, Transport,
};
use loadgen::systems::{Attachment, System};

/// A system that uses nothing.
pub(crate) struct Nobody;

impl SystemWatch for Nobody {
    fn processor(&self) -> Duration {
        Duration::ZERO
    }
    fn resident_bytes(&self) -> u64 {
        0
    }
    fn descriptors(&self) -> u64 {
        0
    }
}

pub(crate) const STARTTLS: Transport =
    Transport { direct_tls: false, dialback: false, inside_tls: false, resumption: false };
pub(crate) const PRESENCE: Stanza = Stanza { kind: StanzaKind::Presence, bytes: 450 };
pub(crate) const MS: Duration = Duration::from_millis(1);

/// One local domain and `remotes` remote ones with a lane each way; for each lane one sender.
pub(crate) fn pairs(remotes: u32, load: Load) -> Plan {
    let (local, numbers) = (Party::Local(0), 0..remotes);
    let there = numbers.clone().map(|number| Lane { from: local, to: Party::Remote(number) });
    let back = numbers.map(|number| Lane { from: Party::Remote(number), to: local });
    let lanes: Vec<Lane> = there.chain(back).collect();
    let sender = |lane| Sender { user: 3, contacts: [Contact { lane, user: lane }].into() };
    Plan {
        scenario: "test",
        seed: 1,
        locals: 1,
        remotes,
        transport: STARTTLS,
        senders: (0..lanes.len() as u32).map(sender).collect(),
        lanes,
        load,
        phases: Phases { connect: 5_000 * MS, warm_up: 200 * MS, measure: 600 * MS },
        deadline: 1_000 * MS,
        disturbance: None,
        slo: Slo::default(),
        options: serde_json::Value::Null,
    }
}

/// One sender tells contacts on all lanes of the local domain, two on each, `count` times, evenly over warm-up and measured phase.
pub(crate) fn fan_out(remotes: u32, count: u32) -> Plan {
    let mut plan = pairs(remotes, Load::Idle);
    let contacts = (0..2 * remotes).map(|contact| Contact { lane: contact % remotes, user: contact }).collect();
    plan.senders = vec![Sender { user: 1, contacts }];
    plan.load = Load::Paced(every(&plan, count, |_| 0));
    plan
}

/// Departures at even intervals, of senders as asked.
pub(crate) fn every(plan: &Plan, count: u32, sender: impl Fn(u32) -> u32) -> Timetable {
    let step = (plan.phases.warm_up + plan.phases.measure) / count;
    let departure =
        |number| Departure { at: step * number, sender: sender(number), stanza: PRESENCE, class: Class::Plain };
    Timetable::new((0..count).map(departure).collect())
}

/// A stage for a plan, with nothing under test.
pub(crate) fn stage(plan: &Plan, cores: &[usize]) -> anyhow::Result<Stage> {
    Stage::set(plan, cores, Ground::new(System::Direct)?)
}

/// Plays on these cores, with what the machine allows.
pub(crate) fn play(plan: &Plan, cores: &[usize], attachment: Attachment) -> anyhow::Result<Measured> {
    let stage = stage(plan, cores)?;
    stage.run(attachment, &Nobody, &Live::default(), &AtomicBool::new(false))
}
