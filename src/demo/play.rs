//! What the demo's users do, and what became of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;
use ringgate_proto::address::Domain;
use ringgate_proto::scan::Kind;

use super::Stage;
use super::server::{Arrival, Server};
use crate::clock;

/// Users of each domain.
const USERS: u64 = 4;
/// After the last stanza was sent, how long one may take to arrive.
const GRACE: Duration = Duration::from_secs(5);
/// How long the first stanza may take: streams have to be made.
const FIRST: Duration = Duration::from_secs(15);

/// What became of the stanzas in one direction between two domains.
pub(super) struct Lane {
    pub(super) messages: u64,
    pub(super) presences: u64,
    pub(super) arrived: u64,
    pub(super) duplicates: u64,
    pub(super) misordered: u64,
    /// Microseconds from the sending server to the receiving one.
    pub(super) latency: Histogram<u64>,
    last: HashMap<&'static str, u64>,
}

/// By sender's and target's domain.
pub(super) type Tally = BTreeMap<(String, String), Lane>;

impl Lane {
    fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("constant bounds, tried by every demo");
        Self { messages: 0, presences: 0, arrived: 0, duplicates: 0, misordered: 0, latency, last: HashMap::new() }
    }

    /// Sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.messages + self.presences
    }
}

/// Lets users talk for `length`, then waits for what is still under way.
pub(super) fn play(stage: &Stage, length: Duration, rate: u32) -> Tally {
    let mut tally = Tally::new();
    warm_up(stage, &mut tally);
    let interval = Duration::from_secs(1) / rate;
    let begin = clock::now();
    let mut turn: u64 = 1;
    while clock::now().since(begin) < length {
        // An open schedule: a late turn is followed at once by the next.
        let due = begin + interval * u32::try_from(turn).unwrap_or(u32::MAX);
        thread::sleep(due.since(clock::now()));
        for remote in &stage.remotes {
            say(&stage.backend, remote, turn, &mut tally);
            say(remote, &stage.backend, turn, &mut tally);
        }
        stage.arrivals.try_iter().for_each(|arrival| take(&arrival, &mut tally));
        turn += 1;
    }
    wait_for_all(stage, GRACE, &mut tally);
    tally
}

/// One stanza each way, so that the streams stand before anything is measured.
fn warm_up(stage: &Stage, tally: &mut Tally) {
    for remote in &stage.remotes {
        say(&stage.backend, remote, 0, tally);
        say(remote, &stage.backend, 0, tally);
    }
    wait_for_all(stage, FIRST, tally);
    tally.values_mut().for_each(|lane| lane.latency.reset());
}

fn wait_for_all(stage: &Stage, patience: Duration, tally: &mut Tally) {
    let deadline = clock::now() + patience;
    while tally.values().any(|lane| lane.arrived < lane.sent()) && clock::now() < deadline {
        match stage.arrivals.recv_timeout(Duration::from_millis(50)) {
            Ok(arrival) => take(&arrival, tally),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A message from one user to another, and every fifth turn a change of presence.
fn say(from: &Server, to: &Server, turn: u64, tally: &mut Tally) {
    let (sender, target) = (from.domain(), to.domain());
    let lane = tally.entry((sender.to_string(), target.to_string())).or_insert_with(Lane::new);
    let user = turn % USERS;
    if turn.is_multiple_of(5) {
        lane.presences += 1;
        from.send(target, presence(sender, target, user, turn));
    }
    lane.messages += 1;
    from.send(target, message(sender, target, user, turn));
}

/// The id carries the kind, the turn and the time at which it was sent.
fn id(kind: &str, turn: u64) -> String {
    format!("{kind}-{turn}-{}", clock::now().as_nanos())
}

fn message(from: &Domain, to: &Domain, user: u64, turn: u64) -> Vec<u8> {
    let id = id("m", turn);
    format!(
        "<message from='user{user}@{from}/demo' to='user{user}@{to}' type='chat' id='{id}'><body>Is this thing on? \
         This is turn {turn}.</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
    .into_bytes()
}

fn presence(from: &Domain, to: &Domain, user: u64, turn: u64) -> Vec<u8> {
    let id = id("p", turn);
    let show = if turn.is_multiple_of(2) { "away" } else { "dnd" };
    format!(
        "<presence from='user{user}@{from}/demo' to='user{user}@{to}' id='{id}'><show>{show}</show>\
         <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:demo' ver='q07IKJEyjvHSyhy/CH0CxmKi8w8='/>\
         </presence>"
    )
    .into_bytes()
}

fn take(arrival: &Arrival, tally: &mut Tally) {
    let domain_of = |jid: &str| {
        let bare = jid.split('/').next().unwrap_or_default();
        bare.rsplit('@').next().unwrap_or_default().to_owned()
    };
    if domain_of(&arrival.to) != arrival.at.as_str() {
        return;
    }
    let Some(lane) = tally.get_mut(&(domain_of(&arrival.from), domain_of(&arrival.to))) else { return };
    let mut parts = arrival.id.split('-').skip(1).map(str::parse::<u64>);
    let (Some(Ok(turn)), Some(Ok(sent))) = (parts.next(), parts.next()) else { return };
    lane.arrived += 1;
    lane.latency.saturating_record(arrival.nanos.saturating_sub(sent) / 1_000);
    let kind = if arrival.kind == Kind::Presence { "presence" } else { "message" };
    match lane.last.insert(kind, turn) {
        Some(last) if last == turn => lane.duplicates += 1,
        Some(last) if last > turn => lane.misordered += 1,
        _ => {}
    }
}
