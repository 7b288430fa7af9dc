//! One run from its plan to its record: sets the stage, starts the system under test alone on its cores, plays, judges.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use ringgate::shard::placement;

use crate::bare::Bare;
use crate::engine::{Ground, Live, Measured, Stage, SystemWatch};
use crate::measure::validity::{self, Evidence};
use crate::measure::{Hiccup, merge};
use crate::outcome::{Environment, Outcome, Record, SCHEMA, SystemRecord, Verdict};
use crate::plan::Plan;
use crate::report::Progress;
use crate::systems::attach::Attach;
use crate::systems::scratch::Scratch;
use crate::systems::{self, Programs, Setting, System, Under};

/// Between two looks at a run for its display.
const LOOK: Duration = Duration::from_millis(100);

/// Cores of a run: the system under test has its own, and so has the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cores {
    /// Of the system under test.
    pub system: Vec<usize>,
    /// Of the engine's threads, and the first of them of the thread that measures hiccups.
    pub engine: Vec<usize>,
}

impl Cores {
    /// Half of the cores that this process may use for each, where nothing else is asked for; a single core is shared, and what
    /// each spends on it makes the other late.
    ///
    /// # Errors
    /// A core that this process may not use, or one asked for twice.
    pub fn choose(system: &[usize], engine: &[usize]) -> anyhow::Result<Self> {
        Self::among(&placement::allowed_cores().context("the cores of this process")?, system, engine)
    }

    fn among(allowed: &[usize], system: &[usize], engine: &[usize]) -> anyhow::Result<Self> {
        for core in system.iter().chain(engine) {
            ensure!(allowed.contains(core), "core {core} is not one of {allowed:?}, which this process may use");
        }
        if let Some(core) = system.iter().find(|core| engine.contains(core)) {
            bail!("core {core} is asked for twice, for the system and for the engine");
        }
        for (cores, who) in [(system, "system"), (engine, "engine")] {
            if let Some((_, core)) = cores.iter().enumerate().find(|(at, core)| cores[..*at].contains(core)) {
                bail!("core {core} is asked for twice for the {who}");
            }
        }
        let free = |taken: &[usize]| allowed.iter().copied().filter(|core| !taken.contains(core)).collect::<Vec<_>>();
        let (system, engine) = match (system, engine) {
            ([], []) => match allowed.split_at(allowed.len() / 2) {
                ([], all) => (all.to_vec(), all.to_vec()),
                (system, engine) => (system.to_vec(), engine.to_vec()),
            },
            ([], engine) => (free(engine), engine.to_vec()),
            (system, []) => (system.to_vec(), free(system)),
            (system, engine) => (system.to_vec(), engine.to_vec()),
        };
        ensure!(
            !system.is_empty() && !engine.is_empty(),
            "no core is left for the other side; the cores are {allowed:?}"
        );
        Ok(Self { system, engine })
    }

    /// All of them, each once.
    fn all(&self) -> Vec<usize> {
        let mut all = [self.system.as_slice(), &self.engine].concat();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Where runs take place.
pub struct Rig {
    /// Who has which cores.
    pub cores: Cores,
    /// What to start where there is a choice.
    pub programs: Programs,
    /// Configurations and logs of systems stay there.
    pub keep: bool,
    /// A ringgate that runs already, instead of one to start.
    pub attach: Option<Attach>,
}

impl Rig {
    /// Runs `plan` on `system`, which `command` repeats. Ends early, with what there is, when `stop` becomes true.
    ///
    /// # Errors
    /// In one line: the system does not start, refuses us, or ends; the machine lacks something.
    pub fn play(
        &self,
        plan: &Plan,
        system: System,
        command: Vec<String>,
        progress: &mut Progress,
        stop: &AtomicBool,
    ) -> anyhow::Result<Record> {
        let scratch = Scratch::new(self.keep)?;
        let (stage, under) = self.set(plan, system, &scratch, stop)?;
        let watched = Watched::new(under, &self.cores);
        let length = plan.phases.connect + plan.phases.warm_up + plan.phases.measure;
        let hiccup = Hiccup::start(self.cores.engine.first().copied(), Instant::now(), length)?;
        let measured = play(progress, |live| match system {
            System::Bare => self.bare(&stage).run(live, stop),
            _ => stage.run(watched.under.attachment.clone(), &watched, live, stop),
        });
        // A system that is gone says more than what the engine noticed of it.
        watched.under.check()?;
        let mut measured = measured?;
        let shards = watched.under.shards()?;
        measured.intervals = merge([measured.intervals, hiccup.finish(measured.phases)]);
        let mut record = record(plan, command, &watched, measured);
        record.outcome.shards = shards;
        Ok(record)
    }

    /// The stage, and on it the system: started, or as it runs already.
    fn set(&self, plan: &Plan, system: System, scratch: &Scratch, stop: &AtomicBool) -> anyhow::Result<(Stage, Under)> {
        let Some(attach) = &self.attach else {
            let stage = Stage::set(plan, &self.cores.engine, Ground::new(system)?)?;
            let under = self.start(&stage, system, scratch)?;
            return Ok((stage, under));
        };
        let site = attach.site(plan, &self.cores.system, &self.cores.engine, scratch)?;
        // Before ringgate: it may look for everyone as soon as it runs.
        let stage = Stage::set(plan, &self.cores.engine, site.ground()?)?;
        let under = attach.find(&site, stop)?;
        Ok((stage, under))
    }

    /// On the first core of each side.
    fn bare<'a>(&self, stage: &'a Stage) -> Bare<'a> {
        let first = |cores: &[usize]| cores.first().copied().unwrap_or_default();
        let (system_core, engine_core) = (first(&self.cores.system), first(&self.cores.engine));
        Bare { plan: stage.plan(), authority: stage.authority(), system_core, engine_core }
    }

    fn start(&self, stage: &Stage, system: System, scratch: &Scratch) -> anyhow::Result<Under> {
        let (locals, backends) = (stage.local_domains(), stage.backends());
        let setting = Setting {
            locals: &locals,
            backends: &backends,
            authority: stage.authority(),
            dns: stage.dns(),
            transport: stage.plan().transport,
            cores: &self.cores.system,
            scratch,
            programs: &self.programs,
        };
        systems::start(system, &setting)
    }
}

/// Judges what the engine has measured on these cores.
pub fn judge(plan: &Plan, measured: &Measured, cores: &Cores) -> Verdict {
    validity::judge(&Evidence {
        plan,
        counts: measured.counts,
        stressed: measured.stressed,
        intervals: &measured.intervals,
        phases: measured.phases,
        processor: measured.processor,
        system_cores: cores.system.len(),
        cores: cores.all().len(),
        streams: &measured.streams,
        growth: measured.growth.as_ref(),
        interrupted: measured.interrupted,
    })
}

/// What is left of a run.
fn record(plan: &Plan, command: Vec<String>, watched: &Watched, measured: Measured) -> Record {
    let mut verdict = judge(plan, &measured, &watched.cores);
    verdict.doubts.extend(watched.doubts());
    let outcome = Outcome {
        schema: SCHEMA,
        generator: crate::VERSION.to_owned(),
        command,
        started_unix_seconds: measured.started_unix_seconds,
        scenario: plan.scenario.to_owned(),
        seed: plan.seed,
        options: plan.options.clone(),
        main_series: plan.main_series(),
        system: SystemRecord { name: watched.under.name.clone(), version: watched.under.version.clone() },
        shards: None,
        environment: Environment::of_this_machine(&watched.cores.system, &watched.cores.engine),
        phases: measured.phases,
        counts: measured.counts,
        stressed: measured.stressed,
        carried: measured.carried,
        processor: measured.processor,
        streams: measured.streams,
        attack: measured.attack,
        growth: measured.growth,
        verdict,
    };
    Record { outcome, intervals: measured.intervals }
}

/// A system under test, and the cores as they are: one that runs already chose its own.
struct Watched {
    under: Under,
    cores: Cores,
    /// Each once.
    all: Vec<usize>,
}

impl Watched {
    fn new(under: Under, chosen: &Cores) -> Self {
        let system = under.own_cores().unwrap_or_else(|| chosen.system.clone());
        let cores = Cores { system, engine: chosen.engine.clone() };
        Self { under, all: cores.all(), cores }
    }

    /// What to know of figures of a system that loadgen did not start.
    fn doubts(&self) -> Vec<String> {
        let Some(system) = self.under.own_cores() else { return Vec::new() };
        let mut doubts =
            vec!["the system ran already: its cores, priority and past are not loadgen's choice".to_owned()];
        if system.iter().any(|core| self.cores.engine.contains(core)) {
            doubts.push("the system may run on the cores of the engine".to_owned());
        }
        doubts
    }
}

impl SystemWatch for Watched {
    fn processor(&self) -> Duration {
        self.under.processor()
    }

    fn resident_bytes(&self) -> u64 {
        self.under.resident_bytes()
    }

    fn descriptors(&self) -> u64 {
        self.under.descriptors()
    }

    fn cores(&self) -> &[usize] {
        &self.all
    }
}

/// Plays in a thread of its own, so that this one can show how it goes.
fn play(
    progress: &mut Progress,
    run: impl FnOnce(&Live) -> anyhow::Result<Measured> + Send,
) -> anyhow::Result<Measured> {
    let live = Live::default();
    thread::scope(|scope| {
        let run = scope.spawn(|| run(&live));
        while !run.is_finished() {
            thread::sleep(LOOK);
            progress.show(&live.glimpse());
        }
        run.join().map_err(|_| anyhow::anyhow!("the engine panicked"))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(allowed: &[usize], system: &[usize], engine: &[usize]) -> Result<(Vec<usize>, Vec<usize>), String> {
        let cores = Cores::among(allowed, system, engine).map_err(|error| error.to_string())?;
        Ok((cores.system, cores.engine))
    }

    #[test]
    fn each_side_has_half_of_the_cores_or_what_the_other_leaves() {
        assert_eq!(chosen(&[0, 1, 2, 5], &[], &[]), Ok((vec![0, 1], vec![2, 5])));
        assert_eq!(chosen(&[3, 4, 5], &[], &[]), Ok((vec![3], vec![4, 5])));
        assert_eq!(chosen(&[7], &[], &[]), Ok((vec![7], vec![7])), "a single core is shared");
        assert_eq!(chosen(&[0, 1, 2], &[1], &[]), Ok((vec![1], vec![0, 2])));
        assert_eq!(chosen(&[0, 1, 2], &[], &[0, 1]), Ok((vec![2], vec![0, 1])));
        assert_eq!(chosen(&[0, 1, 2], &[2], &[0]), Ok((vec![2], vec![0])));
    }

    #[test]
    fn cores_that_cannot_be_had_are_refused() {
        let refused = |system: &[usize], engine: &[usize]| chosen(&[0, 1], system, engine).unwrap_err();
        assert_eq!(refused(&[2], &[]), "core 2 is not one of [0, 1], which this process may use");
        assert_eq!(refused(&[1], &[1]), "core 1 is asked for twice, for the system and for the engine");
        assert_eq!(refused(&[0, 0], &[]), "core 0 is asked for twice for the system");
        assert_eq!(refused(&[], &[1, 1]), "core 1 is asked for twice for the engine");
        assert_eq!(refused(&[0, 1], &[]), "no core is left for the other side; the cores are [0, 1]");
    }
}
