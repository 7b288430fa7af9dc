//! A hostile domain: a thread of its own that floods the system with what costs most.
//!
//! It shares a core of the engine but gets only what the engine leaves: the engine's measuring must not wait for it, and what its
//! neighbours notice shall be the system's doing. It knows no schedule: it writes as fast as the system reads.

mod line;
mod waste;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringgate::ring::process::leave_cores_to_others;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::scene::Scene;
use super::shared::Shared;
use crate::outcome::Attacked;
use crate::plan::{Attack, Disturbance, Lane, Party};
use line::{Ended, Line};
use waste::Waste;

/// Between two looks whether the load has begun.
const LOOK: Duration = Duration::from_millis(5);
/// Between two attempts when the system refuses a stream.
const REFUSED: Duration = Duration::from_millis(10);

/// The attacker of a run.
pub(super) struct Attacker(JoinHandle<Attacked>);

impl Attacker {
    /// Starts it on a core of the engine, if the plan has one; it attacks as soon as the load begins. What it sends to a sink
    /// is read on the other core: one of the system's, if that has any of its own.
    ///
    /// # Errors
    /// The kernel gives no thread.
    pub(super) fn start(
        scene: &Arc<Scene>,
        shared: &Arc<Shared>,
        [core, sink]: [usize; 2],
    ) -> io::Result<Option<Self>> {
        let Some(Disturbance::Attacks { from, how }) = scene.plan.disturbance else { return Ok(None) };
        if how == Attack::None {
            return Ok(None);
        }
        let (scene, shared) = (Arc::clone(scene), Arc::clone(shared));
        let thread = thread::Builder::new().name("attacker".to_owned()).spawn(move || {
            step_back(core);
            let mut assault = Assault { scene, shared, from, sink, attacked: Attacked::default() };
            if let Err(why) = assault.carry_out(how) {
                assault.shared.fail(format!("the attacker: {why:#}"));
            }
            assault.attacked
        })?;
        Ok(Some(Self(thread)))
    }

    /// What it did; the run must be over.
    pub(super) fn finish(self) -> Attacked {
        self.0.join().unwrap_or_default()
    }
}

/// Gives the calling thread what others leave of a core. Best effort: if it gets more, the neighbours' figures are worse.
fn step_back(core: usize) {
    let _ = leave_cores_to_others();
    if core < CpuSet::MAX_CPU {
        let mut set = CpuSet::new();
        set.set(core);
        let _ = sched_setaffinity(None, &set);
    }
}

/// An attack under way.
struct Assault {
    scene: Arc<Scene>,
    shared: Arc<Shared>,
    from: Party,
    /// Where a sink is read.
    sink: usize,
    attacked: Attacked,
}

impl Assault {
    fn carry_out(&mut self, how: Attack) -> anyhow::Result<()> {
        while self.shared.begin().is_none() {
            if self.is_over() {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        match how {
            Attack::Sink => Ok(self.fill_sink()?),
            _ => self.fill_streams(Waste::of(how, &self.lane())),
        }
    }

    fn lane(&self) -> Lane {
        Lane { from: self.from, to: Party::Local(0) }
    }

    /// Whether nothing departs any more.
    fn is_over(&self) -> bool {
        let phases = self.scene.plan.phases;
        let end = self.shared.begin().map(|begin| begin + phases.warm_up + phases.measure);
        let end = [end, self.shared.cut()].into_iter().flatten().min();
        self.shared.is_over() || self.shared.failure().is_some() || end.is_some_and(|end| self.shared.now() >= end)
    }

    fn is_measured(&self) -> bool {
        let begin = self.shared.begin().map(|begin| begin + self.scene.plan.phases.warm_up);
        begin.is_some_and(|begin| self.shared.now() >= begin)
    }

    /// Adds to what was done, in the measured phase.
    fn count(&mut self, what: impl FnOnce(&mut Attacked)) {
        if self.is_measured() {
            what(&mut self.attacked);
        }
    }

    /// Opens a stream and writes on it; another one whenever it has ended.
    fn fill_streams(&mut self, mut waste: Option<Waste>) -> anyhow::Result<()> {
        let mut was_open = false;
        while !self.is_over() {
            let mut line = match Line::open(self.scene.opening_of(&self.lane()), &|| self.is_over()) {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(()),
                Err(_) if was_open => {
                    self.count(|attacked| attacked.refused += 1);
                    thread::sleep(REFUSED);
                    continue;
                }
                Err(why) => return Err(why),
            };
            was_open = true;
            self.count(|attacked| attacked.streams += 1);
            // Without anything to send, it is cut at once.
            if let Some(waste) = &mut waste {
                self.fill_stream(&mut line, waste);
            }
        }
        Ok(())
    }

    fn fill_stream(&mut self, line: &mut Line, waste: &mut Waste) {
        while !self.is_over() {
            let (sent, ended) = line.send(waste, &|| self.is_over());
            self.count(|attacked| attacked.bytes += sent as u64);
            if let Err(ended) = ended {
                return self.count(|attacked| attacked.closed += u64::from(ended == Ended::ByThem));
            }
        }
    }

    /// Writes to a socket of the generator's own: on the same core, at the same priority, through the same kernel. It is read on a
    /// core of the system's, which is then as busy as in an attack, with what the system need not wait for.
    fn fill_sink(&mut self) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut stream = TcpStream::connect(listener.local_addr()?)?;
        let mut sink = listener.accept()?.0;
        let core = self.sink;
        let reader = thread::Builder::new().name("sink".to_owned()).spawn(move || {
            step_back(core);
            let mut buffer = vec![0; 1 << 16];
            while sink.read(&mut buffer).is_ok_and(|count| count > 0) {}
        })?;
        let piece = vec![b' '; 1 << 14];
        while !self.is_over() {
            stream.write_all(&piece)?;
            self.count(|attacked| attacked.bytes += piece.len() as u64);
        }
        drop(stream);
        let _ = reader.join();
        Ok(())
    }
}
