//! What a hostile domain sends.

use clap::ValueEnum;
use serde::Serialize;

/// What a hostile domain does at full speed on streams that it is allowed to open.
///
/// Its stanzas are ones that the system has to read to their ends and that lead nowhere (errors to what is no address), so that
/// the domains inside do not have to read them, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
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

impl Attack {
    /// All of them, baselines first.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::Sink,
        Self::Elements,
        Self::Attributes,
        Self::Prefixes,
        Self::Records,
        Self::Bytes,
        Self::Whitespace,
        Self::Reconnect,
    ];

    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sink => "sink",
            Self::Elements => "elements",
            Self::Attributes => "attributes",
            Self::Prefixes => "prefixes",
            Self::Records => "records",
            Self::Bytes => "bytes",
            Self::Whitespace => "whitespace",
            Self::Reconnect => "reconnect",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for (attack, value) in Attack::ALL.iter().zip(Attack::value_variants()) {
            assert_eq!(attack, value);
            assert_eq!(attack.to_possible_value().expect("a value").get_name(), attack.name());
        }
        assert_eq!(Attack::ALL.len(), Attack::value_variants().len());
    }
}
