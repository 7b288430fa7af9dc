//! Nothing under test: what the generator and the machine cost by themselves, or their records and sends alone.

use super::{Attachment, System, Under};

/// There is nothing to start.
pub(super) fn start(system: System) -> Under {
    let name = system.name().to_owned();
    Under {
        name,
        version: "none".to_owned(),
        attachment: Attachment::Direct,
        processes: Vec::new(),
        attached: None,
        metrics: None,
    }
}
