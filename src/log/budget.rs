//! How many lines of one kind may be written, when somebody else decides how often there is something to say.

use std::time::Duration;

use ringgate_proto::time::Timestamp;

/// Lines of one kind, per shard and second.
pub(super) const LINES_PER_SECOND: u32 = 10;

/// The lines of one kind on one shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    /// When the current second began.
    second: Timestamp,
    written: u32,
    suppressed: u64,
}

impl Budget {
    /// How many lines were left out before this one, or `None` when this one is left out too.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<u64> {
        if now.since(self.second) >= Duration::from_secs(1) {
            (self.second, self.written) = (now, 0);
        }
        if self.written == LINES_PER_SECOND {
            self.suppressed += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}
