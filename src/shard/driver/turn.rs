//! One turn of a shard with its observer, whoever drives them.

use std::io;

use super::Observe;
use crate::ring::Wait;
use crate::shard::Shard;

/// Completions of one tick: what they bring is sent before the receiver of a burst's first stanza has waited for its last.
const TICK_COMPLETIONS: usize = 32;

/// What a driver drives.
pub(super) struct Turner {
    pub(super) shard: Shard,
    pub(super) observer: Box<dyn Observe>,
}

/// What comes after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    /// Another turn: there is more to do.
    More,
    /// Sleep: everything that was there is done.
    Idle,
    /// Nothing: the shard has ended.
    Ended,
}

impl Turner {
    /// Turns the shard once, without sleeping.
    pub(super) fn turn(&mut self) -> io::Result<Turned> {
        let Self { shard, observer } = self;
        shard.enter(Wait::No)?;
        let more = shard.process(TICK_COMPLETIONS);
        shard.observations().events.drain(..).for_each(|event| observer.event(&event));
        if shard.take_publish_wish() {
            observer.publish(shard);
        }
        if shard.is_finished() {
            observer.publish(shard); // The last figures, for the interval log.
            return Ok(Turned::Ended);
        }
        Ok(if more { Turned::More } else { Turned::Idle })
    }
}
