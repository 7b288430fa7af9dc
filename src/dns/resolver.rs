//! The stub resolver of one shard.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RecordType};
use ringgate_proto::discover::{Answer, Question, RecordKind};

use super::cache::Cache;
use super::exchange::{self, Verdict};
use super::message::{self, Asked, Finding, Reply};
use super::resolv_conf::{ResolverConfig, SERVERS};
use super::within::within;
use super::{FAILURE_LIFETIME, LOOKUP_TIME, QUESTIONS_IN_FLIGHT};
use crate::{clock, entropy};

/// A stub resolver with a cache, for the tasks of one glommio executor. Clones are the same resolver.
#[derive(Clone, Debug)]
pub struct Resolver {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: RefCell<ResolverConfig>,
    cache: RefCell<Cache>,
    flights: RefCell<HashMap<Question, Rc<Flight>>>,
    /// Questions that may be under way.
    flights_most: usize,
    /// Index of the server that answered last.
    preferred: Cell<usize>,
    /// Messages sent, for tests and figures.
    sent: Cell<u64>,
}

/// A question under way, and who waits for it.
#[derive(Debug, Default)]
struct Flight {
    answer: RefCell<Option<Answer>>,
    waiting: RefCell<Vec<Waker>>,
}

impl Resolver {
    /// A resolver with an empty cache. To be used inside a glommio executor.
    pub fn new(config: ResolverConfig) -> Self {
        Self::bounded(config, QUESTIONS_IN_FLIGHT)
    }

    pub(super) fn bounded(config: ResolverConfig, flights_most: usize) -> Self {
        let cache = RefCell::new(Cache::new(config.cache_entries));
        let shared = Shared {
            config: RefCell::new(config),
            cache,
            flights: RefCell::default(),
            flights_most,
            preferred: Cell::new(0),
            sent: Cell::new(0),
        };
        Self { shared: Rc::new(shared) }
    }

    /// Uses other servers from the next question on. The cache is kept, with its capacity.
    pub fn reconfigure(&self, config: ResolverConfig) {
        self.shared.preferred.set(0);
        *self.shared.config.borrow_mut() = config;
    }

    /// Asks, unless the answer is known or the question is under way already; at most [`LOOKUP_TIME`].
    ///
    /// A name that no host can have does not exist. More than [`QUESTIONS_IN_FLIGHT`] questions at a time: the further
    /// ones fail at once. If the caller stops waiting, the question goes on, and its answer is kept.
    pub async fn lookup(&self, question: &Question) -> Answer {
        let Some(name) = message::to_name(&question.name) else { return Answer::NoSuchName };
        let question = Question { name: question.name.trim_end_matches('.').to_ascii_lowercase(), ..*question };
        if let Some(answer) = self.shared.cache.borrow().get(&question, clock::now()) {
            return answer.clone();
        }
        match self.join_flight(question, name) {
            Some(flight) => flight.landed().await,
            None => Answer::Failed,
        }
    }

    /// Answers that are kept, expired ones included until they make room.
    pub fn cached(&self) -> usize {
        self.shared.cache.borrow().len()
    }

    /// Messages sent to servers so far.
    pub fn sent(&self) -> u64 {
        self.shared.sent.get()
    }

    fn join_flight(&self, question: Question, name: Name) -> Option<Rc<Flight>> {
        let mut flights = self.shared.flights.borrow_mut();
        if let Some(flight) = flights.get(&question) {
            return Some(flight.clone());
        }
        if flights.len() >= self.shared.flights_most {
            return None;
        }
        let flight = Rc::new(Flight::default());
        flights.insert(question.clone(), flight.clone());
        drop(flights);
        let shared = self.shared.clone();
        // A task of its own: the question does not depend on who asked it first.
        glommio::spawn_local(async move { shared.fly(question, name).await }).detach();
        Some(flight)
    }
}

impl Flight {
    async fn landed(&self) -> Answer {
        poll_fn(|context| {
            if let Some(answer) = &*self.answer.borrow() {
                return Poll::Ready(answer.clone());
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    fn land(&self, answer: Answer) {
        *self.answer.borrow_mut() = Some(answer);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}

impl Shared {
    async fn fly(&self, question: Question, name: Name) {
        let resolved = within(LOOKUP_TIME, self.resolve(name, question.kind)).await;
        let (answer, lifetime) = resolved.flatten().unwrap_or((Answer::Failed, FAILURE_LIFETIME));
        self.cache.borrow_mut().put(question.clone(), answer.clone(), lifetime, clock::now());
        if let Some(flight) = self.flights.borrow_mut().remove(&question) {
            flight.land(answer);
        }
    }

    /// Asks until the aliases end. `None`: there is no answer.
    async fn resolve(&self, name: Name, kind: RecordKind) -> Option<(Answer, Duration)> {
        let mut chain = vec![name.clone()];
        let mut ttl = u32::MAX;
        let mut next = name;
        loop {
            let message = self.ask_servers(&next, message::record_type(kind)).await?;
            match message::follow(&message, kind, &mut chain, &mut ttl) {
                Finding::Final(answer, lifetime) => return Some((answer, lifetime)),
                Finding::Alias(alias) => next = alias,
                Finding::Endless => return None,
            }
        }
    }

    /// Asks one server after the other, in rounds, beginning with the one that answered last.
    async fn ask_servers(&self, name: &Name, kind: RecordType) -> Option<Box<Message>> {
        let (servers, timeout, attempts) = {
            let config = self.config.borrow();
            let servers: Vec<SocketAddr> = config.servers.iter().copied().take(SERVERS).collect();
            (servers, config.timeout, config.attempts)
        };
        let first = self.preferred.get();
        for _ in 0..attempts {
            for turn in 0..servers.len() {
                let index = (first + turn) % servers.len();
                let asked = self.ask(servers[index], name, kind);
                if let Some(Some(message)) = within(timeout, asked).await {
                    self.preferred.set(index);
                    return Some(message);
                }
            }
        }
        None
    }

    /// Asks one server: with EDNS, and without if it does not know that.
    async fn ask(&self, server: SocketAddr, name: &Name, kind: RecordType) -> Option<Box<Message>> {
        for edns in [true, false] {
            let asked = Asked { id: random_id(), name: name.clone(), kind };
            match self.ask_once(server, &asked, edns).await? {
                Reply::Answered(message) => return Some(message),
                Reply::WithoutEdns => {}
                Reply::Foreign | Reply::Truncated | Reply::Useless => return None,
            }
        }
        None
    }

    async fn ask_once(&self, server: SocketAddr, asked: &Asked, edns: bool) -> Option<Reply> {
        let query = asked.to_message(edns)?;
        self.sent.set(self.sent.get() + 1);
        let judge = |bytes: &[u8]| match asked.read(bytes) {
            Reply::Foreign => Verdict::Ignore,
            Reply::Truncated => Verdict::OverTcp,
            reply => Verdict::Take(reply),
        };
        if let Some(reply) = exchange::over_udp(server, &query, judge).await.ok()? {
            return Some(reply);
        }
        self.sent.set(self.sent.get() + 1);
        let message = exchange::over_tcp(server, &query).await.ok()?;
        Some(asked.read(&message))
    }
}

pub(super) fn random_id() -> u16 {
    let mut id = [0; 2];
    entropy::fill(&mut id);
    u16::from_ne_bytes(id)
}
