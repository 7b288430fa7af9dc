//! Start tags.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::reader::{MALFORMED, Reader, Stop, TOO_MUCH};
use super::{Scope, lookup};
use crate::ns;
use crate::scan::namespaces::PREFIXES_IN_SCOPE;
use crate::scan::{Limits, Rule};

/// A start tag with its values decoded.
pub(super) struct Tag {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) empty: bool,
}

fn split(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or(("", name))
}

impl Tag {
    /// Reads from `<` to `>`.
    pub(super) fn read(reader: &mut Reader<'_>, limits: Limits) -> Result<Self, Stop> {
        reader.literal(b"<")?;
        if reader.peek()? == b'?' {
            reader.at += 1;
            let start = reader.at;
            let stop = reader.name().err();
            // Said as soon as the target begins like a name.
            return Err(stop.filter(|_| reader.at == start).unwrap_or(Stop::Broken(Rule::RestrictedXml)));
        }
        let name = reader.name()?;
        let mut attributes = Vec::new();
        loop {
            let spaces = reader.spaces(256)?;
            match reader.peek()? {
                b'>' => {
                    reader.at += 1;
                    return Ok(Self { name, attributes, empty: false });
                }
                b'/' => {
                    reader.literal(b"/>")?;
                    return Ok(Self { name, attributes, empty: true });
                }
                _ if spaces == 0 => return Err(MALFORMED),
                _ => {}
            }
            let attribute = reader.name()?;
            reader.spaces(64)?;
            reader.literal(b"=")?;
            reader.spaces(64)?;
            let value = reader.value()?;
            if attributes.len() == usize::from(limits.attributes) {
                return Err(TOO_MUCH);
            }
            attributes.push((attribute, value));
        }
    }

    pub(super) fn prefix(&self) -> &str {
        split(&self.name).0
    }

    pub(super) fn local(&self) -> &str {
        split(&self.name).1
    }

    /// The namespace that this tag binds `prefix` to.
    pub(super) fn declared(&self, prefix: &str) -> Option<String> {
        let name = if prefix.is_empty() { "xmlns".to_string() } else { ["xmlns:", prefix].concat() };
        self.attributes.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone())
    }

    /// Checks the tag and brings its declarations into scope; `outer` is what the header bound.
    pub(super) fn enter(&self, scope: &mut Scope, outer: &Scope) -> Result<(), Stop> {
        for (i, (name, _)) in self.attributes.iter().enumerate() {
            if self.attributes[..i].iter().any(|(other, _)| other == name) {
                return Err(MALFORMED);
            }
        }
        let declarations = self.attributes.iter().filter(|(name, _)| is_declaration(name));
        for (name, namespace) in declarations {
            let prefix = name.strip_prefix("xmlns:").unwrap_or_default();
            check_declaration(prefix, namespace)?;
            if prefix.is_empty() || prefix == "xml" {
                continue;
            }
            if scope.len() == PREFIXES_IN_SCOPE {
                return Err(TOO_MUCH);
            }
            scope.push((prefix.to_string(), namespace.clone()));
        }
        self.check_prefixes(scope, outer)
    }

    /// Every prefix is bound, and no expanded name is there twice.
    fn check_prefixes(&self, scope: &Scope, outer: &Scope) -> Result<(), Stop> {
        let bound = |prefix: &str| match prefix {
            "xml" => Ok(ns::XML.to_string()),
            _ => lookup(scope, prefix).or_else(|| lookup(outer, prefix)).ok_or(MALFORMED),
        };
        if !self.prefix().is_empty() {
            bound(self.prefix())?;
        }
        let mut expanded: Vec<(String, &str)> = Vec::new();
        for (name, _) in self.attributes.iter().filter(|(name, _)| name.contains(':') && !is_declaration(name)) {
            let (prefix, local) = split(name);
            expanded.push((bound(prefix)?, local));
        }
        let twice = expanded.iter().enumerate().any(|(i, one)| expanded[..i].contains(one));
        if twice { Err(MALFORMED) } else { Ok(()) }
    }
}

fn is_declaration(name: &str) -> bool {
    name == "xmlns" || name.starts_with("xmlns:")
}

fn check_declaration(prefix: &str, namespace: &str) -> Result<(), Stop> {
    let reserved = namespace == ns::XML || namespace == ns::XMLNS;
    let fine = match prefix {
        "" => !reserved,
        "xml" => namespace == ns::XML,
        "xmlns" => false,
        _ => !reserved && !namespace.is_empty(),
    };
    if fine && namespace.chars().all(|c| c >= ' ') { Ok(()) } else { Err(MALFORMED) }
}
