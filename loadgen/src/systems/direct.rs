//! Nothing under test: senders connect to receivers. What the generator and the machine cost by themselves.

use super::{Attachment, System, Under};

/// There is nothing to start.
pub(super) fn start() -> Under {
    let name = System::Direct.name().to_owned();
    Under {
        name,
        version: "none".to_owned(),
        attachment: Attachment::Direct,
        processes: Vec::new(),
        attached: None,
        metrics: None,
    }
}
