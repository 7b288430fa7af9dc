//! One thread from which all children are started, for a child's death signal is sent when the *thread* that made it ends.
//!
//! # Source
//! PR_SET_PDEATHSIG(2const), "Caveats".

use std::io;
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, Sender, channel};

/// What to start, and where the child goes.
type Order = (Command, Sender<io::Result<Child>>);

static ORDERS: LazyLock<io::Result<Sender<Order>>> = LazyLock::new(|| {
    let (sender, orders) = channel();
    std::thread::Builder::new().name("spawner".into()).spawn(move || serve(&orders))?;
    Ok(sender)
});

/// Lasts as long as the process: the sender is never dropped.
fn serve(orders: &Receiver<Order>) {
    for (mut command, answer) in orders {
        // Who asked waits for the answer.
        let _ = answer.send(command.spawn());
    }
}

/// Starts a child that outlives the thread that calls this.
///
/// # Errors
/// As [`Command::spawn`].
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    let orders = ORDERS.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
    let (answer, child) = channel();
    let gone = || io::Error::other("the thread that starts children is gone");
    orders.send((command, answer)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}
