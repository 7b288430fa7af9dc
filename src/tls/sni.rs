//! Which certificate a peer that connects to us is shown, and what it asked for.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::clock;
use crate::log::Budget;

thread_local! {
    /// What the ClientHello that this thread just worked on asked for. An unbuffered server connection does not tell; the
    /// session takes it right after the call in which the resolver ran, on the same thread.
    static ASKED: Cell<Option<Asked>> = const { Cell::new(None) };
    /// For lines about peers that asked for nothing; a shard has one thread.
    static NAMELESS: RefCell<Budget> = RefCell::default();
}

/// A ClientHello's server name, if it had one.
pub(super) struct Asked(pub(super) Option<Box<str>>);

/// What the last ClientHello processed on this thread asked for, once.
pub(super) fn take_asked() -> Option<Asked> {
    ASKED.take()
}

/// Logs that a peer asked for no name, which every stranger can do as often as it connects.
pub(super) fn log_nameless() {
    if let Some(suppressed) = NAMELESS.with_borrow_mut(|budget| budget.take(clock::now())) {
        tracing::info!(sni = "none", suppressed, "the peer named no server; it was shown the default certificate");
    }
}

/// Certificates by exact A-label name; the default for any other name and for none. RFC 6066 §3.
pub(super) struct ByName {
    by_name: Arc<HashMap<String, Arc<CertifiedKey>>>,
    default: Arc<CertifiedKey>,
}

impl ByName {
    pub(super) fn new(by_name: Arc<HashMap<String, Arc<CertifiedKey>>>, default: Arc<CertifiedKey>) -> Self {
        Self { by_name, default }
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let key = name.as_ref().and_then(|name| self.by_name.get(name)).unwrap_or(&self.default);
        ASKED.set(Some(Asked(name.map(String::into_boxed_str))));
        Some(Arc::clone(key))
    }
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByName").field("names", &self.by_name.len()).finish_non_exhaustive()
    }
}
