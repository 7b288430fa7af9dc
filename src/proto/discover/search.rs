//! The search for one domain's server.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::services::{self, Service};
use super::srv::Target;
use super::targets::{Candidate, Draw, Lookup};
use super::{Action, Answer, Egress, Question, RecordKind, Transport, Unreachable};
use crate::address::Domain;
use crate::limits;
use crate::time::Timestamp;

/// The search for one domain's server: ask, connect, fall back, in the order of the records.
///
/// Driven: call [`Self::next`] until it gives [`Action::Wait`] or [`Action::Exhausted`]; feed answers, failures and
/// time; call it again.
///
/// When one attempt has connected, the others are the caller's to abort. They need not be reported: should the winner
/// fail, they are begun again, unless [`Self::attempt_failed`] was called for them.
#[derive(Debug)]
pub struct Discovery {
    domain: String,
    seed: u64,
    xmpps: Service,
    xmpp: Service,
    /// To be given out by `next`.
    asks: VecDeque<Question>,
    /// Given out or about to be, not answered.
    awaited: Vec<Question>,
    /// Not looked up yet, in order.
    targets: VecDeque<Target>,
    /// Looked up, in order.
    lookups: Vec<Lookup>,
    /// The next to connect to.
    ready: Option<Candidate>,
    /// Set aside: aborted for a winner, or at an address that is being tried in another way.
    aside: VecDeque<Candidate>,
    /// Every candidate there was; none is taken twice.
    seen: Vec<Candidate>,
    running: Vec<Candidate>,
    connected: Option<Candidate>,
    /// Head start of the youngest attempt.
    not_before: Timestamp,
    /// Attempts begun.
    attempts: usize,
    /// The domain said that there is nothing to find.
    refusal: Option<Unreachable>,
    an_answer_failed: bool,
    an_address_was_forbidden: bool,
    /// Addresses were configured, not found: no stranger chose them.
    trusted: bool,
}

impl Discovery {
    /// Begins for `domain`. `seed` decides the weighted order; `direct_tls` whether `_xmpps-server` is asked for.
    pub fn new(domain: &Domain, seed: u64, direct_tls: bool) -> Self {
        Self::named(domain.as_ascii(), seed, direct_tls)
    }

    pub(super) fn named(domain: &str, seed: u64, direct_tls: bool) -> Self {
        let mut search = Self::blank();
        search.domain = String::from(domain);
        search.seed = seed;
        if direct_tls {
            search.xmpps = Service::Awaited;
            search.ask(format!("_xmpps-server._tcp.{domain}"), RecordKind::Srv);
        }
        search.xmpp = Service::Awaited;
        search.ask(format!("_xmpp-server._tcp.{domain}"), RecordKind::Srv);
        search
    }

    /// A search that has exactly one place to look (a backend). The egress rules do not apply to it: the operator
    /// named it.
    pub fn fixed(address: SocketAddr) -> Self {
        let mut search = Self::blank();
        search.ready = Some(Candidate { address, transport: Transport::StartTls });
        search.trusted = true;
        search
    }

    fn blank() -> Self {
        Self {
            domain: String::new(),
            seed: 0,
            xmpps: Service::Absent,
            xmpp: Service::Absent,
            asks: VecDeque::new(),
            awaited: Vec::new(),
            targets: VecDeque::new(),
            lookups: Vec::new(),
            ready: None,
            aside: VecDeque::new(),
            seen: Vec::new(),
            running: Vec::new(),
            connected: None,
            not_before: Timestamp::default(),
            attempts: 0,
            refusal: None,
            an_answer_failed: false,
            an_address_was_forbidden: false,
            trusted: false,
        }
    }

    fn ask(&mut self, name: String, kind: RecordKind) {
        let question = Question { name, kind };
        if !self.awaited.contains(&question) {
            self.awaited.push(question.clone());
            self.asks.push_back(question);
        }
    }

    /// The DNS answered. An answer that was not asked for changes nothing.
    pub fn handle_answer(&mut self, question: &Question, answer: &Answer) {
        let Some(at) = self.awaited.iter().position(|awaited| awaited == question) else { return };
        self.awaited.swap_remove(at);
        self.asks.retain(|ask| ask != question);
        self.an_answer_failed |= !fits(question.kind, answer);
        if question.kind == RecordKind::Srv {
            self.take_service(question, answer);
            return;
        }
        for lookup in self.lookups.iter_mut().filter(|lookup| lookup.target.host == question.name) {
            lookup.take(question.kind, answer);
        }
    }

    fn take_service(&mut self, question: &Question, answer: &Answer) {
        let service = if question.name.starts_with("_xmpps-") { &mut self.xmpps } else { &mut self.xmpp };
        *service = Service::read(answer);
        if self.is_awaiting_services() {
            return;
        }
        let xmpps = core::mem::replace(&mut self.xmpps, Service::Absent);
        let xmpp = core::mem::replace(&mut self.xmpp, Service::Absent);
        match services::targets(xmpps, xmpp, &self.domain, self.seed) {
            Ok(targets) => self.targets = targets.into(),
            Err(refusal) => self.refusal = Some(refusal),
        }
    }

    fn is_awaiting_services(&self) -> bool {
        self.xmpps == Service::Awaited || self.xmpp == Service::Awaited
    }

    /// An attempt failed: at connect, or later before the stream was of use.
    pub fn attempt_failed(&mut self, address: SocketAddr, now: Timestamp) {
        if self.connected.is_some_and(|winner| winner.address == address) {
            self.connected = None;
            self.not_before = now;
        } else if let Some(at) = self.running.iter().position(|running| running.address == address) {
            self.running.swap_remove(at);
            self.not_before = now; // RFC 8305 §5: a failure ends the head start
        } else if let Some(at) = self.aside.iter().position(|aside| aside.address == address) {
            self.aside.remove(at);
        }
    }

    /// An attempt connected: no further attempts are begun until it fails.
    pub fn attempt_connected(&mut self, address: SocketAddr) {
        if self.connected.is_some() {
            return;
        }
        let Some(at) = self.running.iter().position(|running| running.address == address) else { return };
        self.connected = Some(self.running.remove(at));
        for loser in self.running.drain(..).rev() {
            self.aside.push_front(loser);
        }
    }

    /// What to do next.
    pub fn next(&mut self, egress: &Egress, now: Timestamp) -> Action {
        loop {
            if self.connected.is_some() {
                return Action::Wait(None);
            }
            if let Some(question) = self.asks.pop_front() {
                return Action::Ask(question);
            }
            if self.is_awaiting_services() {
                return Action::Wait(None);
            }
            if self.attempts >= limits::ATTEMPTS_PER_STREAM {
                return self.rest(None);
            }
            let held = self.make_ready(egress, now);
            if let Some(candidate) = self.ready {
                return self.begin(candidate, now);
            }
            match self.open_next(now) {
                Opening::Opened => {}
                Opening::NotBefore(then) => return self.rest(held.into_iter().chain([then]).min()),
                Opening::NoneLeft => return self.rest(held),
            }
        }
    }

    fn begin(&mut self, candidate: Candidate, now: Timestamp) -> Action {
        if now < self.not_before && !self.running.is_empty() {
            return Action::Wait(Some(self.not_before));
        }
        self.ready = None;
        self.attempts += 1;
        self.running.push(candidate);
        self.not_before = now + limits::ATTEMPT_DELAY;
        Action::Connect { address: candidate.address, transport: candidate.transport }
    }

    /// Nothing can be begun: wait for something that runs, or give up.
    fn rest(&self, until: Option<Timestamp>) -> Action {
        let capped = self.attempts >= limits::ATTEMPTS_PER_STREAM;
        if !self.running.is_empty() || until.is_some() || !capped && !self.awaited.is_empty() {
            return Action::Wait(until);
        }
        Action::Exhausted(self.verdict())
    }

    fn verdict(&self) -> Unreachable {
        match self.refusal {
            Some(refusal) => refusal,
            None if self.attempts > 0 => Unreachable::Failed,
            None if self.an_address_was_forbidden => Unreachable::Forbidden,
            None if self.an_answer_failed => Unreachable::NoAnswer,
            None => Unreachable::NotFound,
        }
    }

    /// Fills `ready` if it can; else gives the time until which IPv4 addresses are held back.
    fn make_ready(&mut self, egress: &Egress, now: Timestamp) -> Option<Timestamp> {
        if self.ready.is_some() {
            return None;
        }
        if let Some(at) = self.aside.iter().position(|aside| !self.is_running(aside.address)) {
            self.ready = self.aside.remove(at);
            return None;
        }
        let mut held: Option<Timestamp> = None;
        for at in 0..self.lookups.len() {
            loop {
                match self.lookups[at].draw(now) {
                    Draw::Candidate(candidate) if self.admits(candidate, egress) => {
                        self.ready = Some(candidate);
                        return None;
                    }
                    Draw::Candidate(_) => {}
                    Draw::NotBefore(until) => {
                        held = held.into_iter().chain([until]).min();
                        break;
                    }
                    Draw::Nothing => break,
                }
            }
        }
        held
    }

    /// Whether a drawn candidate is new, permitted, and can be tried now; what can be tried later is set aside.
    fn admits(&mut self, candidate: Candidate, egress: &Egress) -> bool {
        if self.seen.contains(&candidate) {
            return false;
        }
        self.seen.push(candidate);
        if !self.trusted && !egress.permits(candidate.address) {
            self.an_address_was_forbidden = true;
            return false;
        }
        if self.is_running(candidate.address) {
            // Failures are reported by address, so an address is tried in one way at a time.
            self.aside.push_back(candidate);
            return false;
        }
        true
    }

    fn is_running(&self, address: SocketAddr) -> bool {
        self.running.iter().any(|running| running.address == address)
    }

    /// Looks up the next target, unless the latest one has a moment left to answer.
    fn open_next(&mut self, now: Timestamp) -> Opening {
        if self.targets.is_empty() {
            return Opening::NoneLeft;
        }
        if let Some(latest) = self.lookups.last().filter(|latest| latest.is_awaiting()) {
            let then = latest.opened_at + limits::TARGET_LOOKUP;
            if now < then {
                return Opening::NotBefore(then);
            }
        }
        let Some(target) = self.targets.pop_front() else { return Opening::NoneLeft };
        self.ask(target.host.clone(), RecordKind::Aaaa);
        self.ask(target.host.clone(), RecordKind::A);
        self.lookups.push(Lookup::new(target, now));
        Opening::Opened
    }
}

enum Opening {
    Opened,
    /// The latest target is waited for until then.
    NotBefore(Timestamp),
    NoneLeft,
}

/// Whether the answer is one to the question; anything else counts as none.
fn fits(kind: RecordKind, answer: &Answer) -> bool {
    match answer {
        Answer::Srv(_) => kind == RecordKind::Srv,
        Answer::Addresses(_) => kind != RecordKind::Srv,
        Answer::NoSuchName => true,
        Answer::Failed => false,
    }
}
