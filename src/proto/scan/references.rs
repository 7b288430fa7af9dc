//! References: the five predefined entities and characters by number. XML 1.0 §4.1, §4.6.

use alloc::vec::Vec;

use super::Rule;
use super::names::{self, NameStop};
use super::scratch::Stuck;

/// Longest character reference, leading zeros included; more is `policy-violation`.
const CHARACTER_REFERENCE_BYTES: usize = 32;

/// Why a reference cannot be passed (yet).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefStop {
    /// The input ends in it.
    More(Stuck),
    /// It is not allowed.
    Rule(Rule),
}

/// Offset after the reference whose `&` is at `at`.
#[inline(always)]
pub(super) fn end(s: &[u8], at: usize) -> Result<usize, RefStop> {
    match s.get(at + 1..at + 6) {
        Some([b'l' | b'g', b't', b';', ..]) => Ok(at + 4),
        Some([b'a', b'm', b'p', b';', _]) => Ok(at + 5),
        Some(b"quot;" | b"apos;") => Ok(at + 6),
        _ => any(s, at),
    }
}

#[cold]
#[inline(never)]
fn any(s: &[u8], at: usize) -> Result<usize, RefStop> {
    match s.get(at + 1) {
        None => Err(RefStop::More(Stuck::No)),
        Some(b'#') => character(s, at).map(|(_, end)| end),
        Some(_) => entity(s, at),
    }
}

/// Only the five entities of XML 1.0 §4.6 exist, since there is no DTD. RFC 6120 §11.1.
fn entity(s: &[u8], at: usize) -> Result<usize, RefStop> {
    let name = names::any(s, at + 1).map_err(|stop| match stop {
        NameStop::More { verified: Some(verified) } => {
            RefStop::More(Stuck::Name { from: at as u32 + 1, verified: verified as u32 })
        }
        NameStop::More { verified: None } => RefStop::More(Stuck::No),
        NameStop::Bad { .. } => RefStop::Rule(Rule::NotWellFormed),
        NameStop::TooLong => RefStop::Rule(Rule::PolicyViolation),
    })?;
    match (s.get(name.end()), name.bytes(s)) {
        (Some(b';'), b"lt" | b"gt" | b"amp" | b"quot" | b"apos") => Ok(name.end() + 1),
        (Some(b';'), _) => Err(RefStop::Rule(Rule::RestrictedXml)),
        (Some(_), _) => Err(RefStop::Rule(Rule::NotWellFormed)),
        (None, _) => Err(RefStop::More(Stuck::No)),
    }
}

/// The character and the offset after its reference.
fn character(s: &[u8], at: usize) -> Result<(char, usize), RefStop> {
    let hexadecimal = s.get(at + 2) == Some(&b'x');
    let (first, base) = if hexadecimal { (at + 3, 16) } else { (at + 2, 10) };
    let mut code = 0u32;
    let mut i = first;
    loop {
        if i - at > CHARACTER_REFERENCE_BYTES {
            return Err(RefStop::Rule(Rule::PolicyViolation));
        }
        let Some(&b) = s.get(i) else { return Err(RefStop::More(Stuck::No)) };
        let Some(digit) = char::from(b).to_digit(base) else { break };
        code = code.saturating_mul(base).saturating_add(digit);
        i += 1;
    }
    match char::from_u32(code) {
        Some(c) if i > first && s[i] == b';' && is_character(c) => Ok((c, i + 1)),
        _ => Err(RefStop::Rule(Rule::NotWellFormed)),
    }
}

/// Whether XML has this character. XML 1.0 §2.2.
pub(super) fn is_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// Writes the value of an attribute, decoded and normalised (XML 1.0 §2.11, §3.3.3), to the front of `out` and returns
/// its length, which is at most that of `raw`. Unsound references, which a scan does not let pass, stay as they are.
pub(super) fn decode_to(raw: &[u8], out: &mut [u8]) -> usize {
    let mut len = 0;
    let mut i = 0;
    while let Some(&b) = raw.get(i) {
        let (byte, next) = match b {
            b'\r' if raw.get(i + 1) == Some(&b'\n') => (b' ', i + 2),
            b'\t' | b'\n' | b'\r' => (b' ', i + 1),
            b'&' => match referred(raw, i) {
                Some((c, next)) => {
                    len += c.encode_utf8(&mut out[len..]).len();
                    i = next;
                    continue;
                }
                None => (b'&', i + 1),
            },
            b => (b, i + 1),
        };
        out[len] = byte;
        len += 1;
        i = next;
    }
    len
}

/// The character referred to at `at`, and the offset after it.
fn referred(raw: &[u8], at: usize) -> Option<(char, usize)> {
    if raw.get(at + 1) == Some(&b'#') {
        return character(raw, at).ok();
    }
    let end = entity(raw, at).ok()?;
    let c = match &raw[at + 1..end - 1] {
        b"lt" => '<',
        b"gt" => '>',
        b"amp" => '&',
        b"quot" => '"',
        _ => '\'',
    };
    Some((c, end))
}

/// [`decode_to`] in memory of its own.
pub(super) fn decoded(raw: &[u8]) -> Vec<u8> {
    let mut out = alloc::vec![0; raw.len()];
    let len = decode_to(raw, &mut out);
    out.truncate(len);
    out
}
