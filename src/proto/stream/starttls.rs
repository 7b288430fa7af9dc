//! The four elements of STARTTLS. RFC 6120 §5.4.2.

use alloc::vec::Vec;

use crate::ns;
use crate::scan::tree::Node;

/// An element in the STARTTLS namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartTls {
    /// `<starttls/>`, §5.4.2.1.
    Command,
    /// `<failure/>`, §5.4.2.2.
    Failure,
    /// `<proceed/>`, §5.4.2.3.
    Proceed,
    /// No such element.
    Unknown,
}

impl StartTls {
    pub(super) fn read(node: &Node) -> Self {
        match node.name.as_str() {
            "starttls" => Self::Command,
            "failure" => Self::Failure,
            "proceed" => Self::Proceed,
            _ => Self::Unknown,
        }
    }
}

/// Appends `<starttls/>`, `<proceed/>` or `<failure/>`; never anything around it (RFC 6120 §5.3.3).
pub(super) fn write(name: &str, out: &mut Vec<u8>) {
    for part in ["<", name, " xmlns='", ns::TLS, "'/>"] {
        out.extend_from_slice(part.as_bytes());
    }
}
