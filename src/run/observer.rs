//! What becomes of a shard's events: a log line, a sum, and the figures that others read.

use std::sync::Arc;

use ringgate_proto::event::Event;
use ringgate_proto::gate::ShardId;

use crate::clock;
use crate::log::Logger;
use crate::metrics::{Board, Snapshot, Tally};
use crate::shard::driver::Observe;
use crate::shard::Shard;

/// One shard's observer.
pub(super) struct Observer {
    shard: ShardId,
    logger: Logger,
    tally: Tally,
    board: Arc<Board>,
}

impl Observer {
    pub(super) fn new(shard: ShardId, board: Arc<Board>) -> Self {
        Self { shard, logger: Logger::new(shard.0), tally: Tally::default(), board }
    }
}

impl Observe for Observer {
    fn event(&mut self, event: &Event) {
        self.logger.event(event, clock::now());
        self.tally.fold(event);
    }

    fn publish(&mut self, shard: &Shard) {
        let live = shard.gate().accounts().map(|(_, account)| account);
        let snapshot = Snapshot::take(&self.tally, shard.observed(), live, shard.connections());
        self.board.publish(self.shard.0, snapshot);
    }
}
