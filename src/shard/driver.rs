//! The executors: one glommio executor per shard, pinned to a core, that turns its shard and runs the tasks beside it.
//!
//! A shard sleeps where its executor would sleep (`parked`). No glommio timer, socket or channel is on the way of a stanza.

mod lookups;
mod parked;
mod turn;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use glommio::{LocalExecutorBuilder, Placement};
use ringgate_proto::discover::{Answer, Question};
use ringgate_proto::event::Event;
use ringgate_proto::gate::ShardId;
use thiserror::Error;

use super::mailbox::{Mailboxes, Message};
use super::{Call, Report, Shard, ShardConfig, placement};
use crate::ring::parking;
use parked::Parked;
use turn::Turner;

/// glommio's own I/O buffers per executor; nothing big goes through them.
const IO_MEMORY: usize = 64 << 10;
/// Submissions of glommio's rings between two flushes.
const RING_DEPTH: usize = 1_024;
/// After this time of one task running after the other, glommio looks at its sockets and timers.
const PREEMPT: Duration = Duration::from_millis(1);
/// Pause before a message that must arrive is put into a full mailbox again.
const POST_RETRY: Duration = Duration::from_millis(1);

/// A task of an executor.
pub type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Answers questions to the DNS, on a shard's executor.
pub trait Resolve {
    /// Looks up one question; comes to an end by itself.
    fn lookup<'a>(&'a self, question: &'a Question) -> Pin<Box<dyn Future<Output = Answer> + 'a>>;
}

/// Watches a shard, between its ticks.
pub trait Observe {
    /// Sees every event, in order, after the tick that brought it.
    fn event(&mut self, event: &Event);
    /// Somebody wants the shard's figures ([`Handle::publish`]).
    fn publish(&mut self, shard: &Shard);
}

/// What one executor runs; made on its thread, inside the executor.
pub struct Setup {
    /// The shard.
    pub shard: ShardConfig,
    /// Who answers the gate's questions.
    pub resolver: Rc<dyn Resolve>,
    /// Who turns events into log lines and figures.
    pub observer: Box<dyn Observe>,
    /// What runs beside it (DNS answerer, metrics listener); dropped when the shard has ended.
    pub tasks: Vec<Task>,
}

/// Why the shards could not be started, or did not end well.
#[derive(Debug, Error)]
pub enum DriverError {
    /// Descriptors, memory or threads are missing, the program is not linked as it must be, or a shard's ring broke.
    #[error("shard {shard}: {error}")]
    Shard {
        /// Which.
        shard: u16,
        /// How.
        error: String,
    },
    /// Before any shard: descriptors are missing, or the cores are unknown.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// From any thread: orders to the shards.
#[derive(Clone)]
pub struct Handle {
    mailboxes: Arc<Mailboxes>,
}

impl Handle {
    /// How many shards there are.
    pub fn shards(&self) -> u16 {
        self.mailboxes.shards()
    }

    /// Tells all shards to end: no new streams, flush, close, bounce the rest. Returns at once.
    pub fn drain(&self) {
        for shard in 0..self.shards() {
            self.post(ShardId(shard), Message::Drain);
        }
    }

    /// Runs `call` on a shard's thread, between two ticks; it may wake tasks there, but do nothing else with glommio.
    /// Blocks only while the shard's mailbox is full; `false` when there is no such shard. Use it from another thread, or
    /// from the shard's own executor for another shard.
    pub fn call(&self, shard: ShardId, call: impl FnOnce(&mut Shard) + Send + 'static) -> bool {
        let call: Call = Box::new(call);
        self.post(shard, Message::Call(call))
    }

    /// Has every shard publish its figures soon; `false` when there are none left.
    pub fn publish(&self) -> bool {
        !self.mailboxes.are_all_drained()
            && (0..self.shards()).all(|shard| self.call(ShardId(shard), Shard::wish_to_publish))
    }

    fn post(&self, shard: ShardId, message: Message) -> bool {
        if self.mailboxes.get(shard).is_none() {
            return false;
        }
        let mut message = message;
        // A full mailbox is emptied within ticks, and a shard that has ended needs no orders.
        while let Err(back) = self.mailboxes.post(shard, message) {
            if self.mailboxes.are_all_drained() {
                return false;
            }
            message = back;
            thread::sleep(POST_RETRY);
        }
        true
    }
}

/// The running shards.
pub struct Running {
    handle: Handle,
    threads: Vec<JoinHandle<()>>,
    reports: mpsc::Receiver<Result<Report, DriverError>>,
}

impl Running {
    /// For orders.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Blocks until all shards have ended after [`Handle::drain`], and returns their reports in order of the shards.
    ///
    /// # Errors
    /// A shard broke: the others were told to drain, and have ended.
    pub fn wait(self) -> Result<Vec<Report>, DriverError> {
        let (mut reports, mut failure) = (Vec::new(), None);
        for _ in 0..self.threads.len() {
            match self.reports.recv() {
                Ok(Ok(report)) => reports.push(report),
                Ok(Err(error)) => {
                    failure.get_or_insert(error);
                    self.handle.mailboxes.count_drained();
                    self.handle.drain();
                }
                Err(_) => break,
            }
        }
        for thread in self.threads {
            // A panic was reported through the channel already.
            let _ = thread.join();
        }
        reports.sort_by_key(|report| report.shard);
        failure.map_or(Ok(reports), Err)
    }
}

/// Starts `shards` executors, on the cores that the process may use, one after the other; more shards than cores share
/// them. `setup` runs once on each. Returns when all of them run.
///
/// # Errors
/// What kept the first of them from running; those that ran have been stopped again.
pub fn start<F>(shards: u16, setup: F) -> Result<Running, DriverError>
where
    F: Fn(ShardId) -> Result<Setup, String> + Send + Sync + 'static,
{
    let mailboxes = Mailboxes::new(shards)?;
    let cores = placement::allowed_cores()?;
    let setup = Arc::new(setup);
    let (ready, readiness) = mpsc::channel();
    let (ended, reports) = mpsc::channel();
    let mut threads = Vec::new();
    for shard in 0..shards {
        let seat = Seat {
            shard: ShardId(shard),
            core: cores[usize::from(shard) % cores.len()],
            mailboxes: Arc::clone(&mailboxes),
            ready: ready.clone(),
        };
        let (setup, ended) = (Arc::clone(&setup), ended.clone());
        let thread = thread::Builder::new().name(format!("shard-{shard}")).spawn(move || {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| seat.run(&*setup)));
            let outcome = outcome.unwrap_or_else(|_| Err("it panicked; see the log".to_owned()));
            // Nobody listens any more when the start has failed.
            let _ = ended.send(outcome.map_err(|error| DriverError::Shard { shard, error }));
        })?;
        threads.push(thread);
    }
    drop(ready);
    let running = Running { handle: Handle { mailboxes }, threads, reports };
    let ready = readiness.into_iter().take(shards.into()).count();
    if ready == usize::from(shards) { Ok(running) } else { Err(stop(running)) }
}

/// Ends those that did start, and says why the others did not.
fn stop(running: Running) -> DriverError {
    running.handle.drain();
    let unknown = DriverError::System(io::Error::other("the shards did not start"));
    running.wait().err().unwrap_or(unknown)
}

/// One executor's place.
struct Seat {
    shard: ShardId,
    core: usize,
    mailboxes: Arc<Mailboxes>,
    ready: mpsc::Sender<()>,
}

impl Seat {
    fn run(self, setup: &impl Fn(ShardId) -> Result<Setup, String>) -> Result<Report, String> {
        let executor = LocalExecutorBuilder::new(Placement::Fixed(self.core))
            .io_memory(IO_MEMORY)
            .ring_depth(RING_DEPTH)
            .preempt_timer(PREEMPT)
            .make()
            .map_err(|error| error.to_string())?;
        parking::stay_awake();
        executor.run(async move {
            let Setup { shard: config, resolver, observer, tasks } = setup(self.shard)?;
            let shard =
                Shard::new(self.shard, config, &self.mailboxes).map_err(|error| format!("its data ring: {error}"))?;
            let control = shard.control();
            let parked = Parked::begin(Turner { shard, observer }).await?;
            let mut beside: Vec<_> = tasks.into_iter().map(glommio::spawn_local).collect();
            beside.extend(lookups::serve(control, resolver).map(glommio::spawn_local));
            // The receiver is there: `start` waits for it.
            let _ = self.ready.send(());
            drop(self.ready);
            parked.ended().await;
            for task in beside {
                task.cancel().await;
            }
            Ok(parked.finish().await?.shard.finish())
        })
    }
}
