//! What becomes of a shard's events: a log line, a sum, and the figures that others read.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use ringgate_proto::event::Event;
use ringgate_proto::gate::ShardId;

use crate::clock;
use crate::log::Logger;
use crate::metrics::{Board, Snapshot, Tally};
use crate::shard::Shard;
use crate::shard::driver::Observe;

/// One shard's observer.
pub(super) struct Observer {
    shard: ShardId,
    logger: Logger,
    tally: Tally,
    board: Arc<Board>,
    tap: Option<Sender<Event>>,
}

impl Observer {
    pub(super) fn new(shard: ShardId, board: Arc<Board>, tap: Option<Sender<Event>>) -> Self {
        Self { shard, logger: Logger::new(shard.0), tally: Tally::default(), board, tap }
    }
}

impl Observe for Observer {
    fn event(&mut self, event: &Event) {
        self.logger.event(event, clock::now());
        self.tally.fold(event);
        if let Some(tap) = &self.tap {
            // Whoever listened has heard enough.
            let _ = tap.send(event.clone());
        }
    }

    fn publish(&mut self, shard: &Shard) {
        let live = shard.gate().accounts().map(|(_, account)| account);
        let snapshot = Snapshot::take(&self.tally, shard.observed(), live, shard.gauges());
        self.board.publish(self.shard.0, snapshot);
    }
}
