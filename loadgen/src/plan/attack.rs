//! What a hostile domain sends.

use std::fmt;

use clap::ValueEnum;
use serde::{Serialize, Serializer};

/// What a hostile domain does at full speed on streams that it is allowed to open.
///
/// Its stanzas are ones that the system has to read to their ends and that lead nowhere (errors to what is no address), so that
/// the domains inside do not have to read them, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Attack {
    /// Nothing at all: a baseline in which the generator has its core for itself
    None,
    /// Fills a socket of the generator's own: a baseline in which both cores are as busy as in an attack
    Sink,
    /// Stanzas of 9,990 empty elements
    Elements,
    /// Stanzas of 250 kB of elements with 60 attributes
    Attributes,
    /// The same with prefixes, which cost more: 30 declarations and 30 attributes
    Prefixes,
    /// Such stanzas, one byte to a TLS record, hundreds of records to a write
    Records,
    /// Such stanzas, one byte to a TLS record, one record to a write
    Bytes,
    /// 64 KiB of white space between short stanzas
    Whitespace,
    /// Opens a stream, proves itself, and cuts it
    Reconnect,
}

/// As on the command line.
impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every value has a name: none is skipped.
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

impl Serialize for Attack {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
