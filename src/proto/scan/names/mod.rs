//! Names in tags: QNames of the fourth edition's characters.

pub(super) mod fourth_edition;

use super::classes::{CLASS, NAME, ODD, START};
use super::scratch::Name;
use crate::limits::NAME_BYTES;

/// Why a name is none (yet).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameStop {
    /// The input ends in it. All before `verified` is good, if given; more name characters there make it only longer.
    More { verified: Option<usize> },
    /// Not a name.
    Bad { at: usize },
    /// More than [`NAME_BYTES`].
    TooLong,
}

/// The QName at `start` and the offset after it: a loop over ASCII without a colon, and [`odd`] for the rest. (The offset
/// could be had from the name, but the next token's place should not wait for that.)
#[inline(always)]
pub(super) fn qname(s: &[u8], start: usize) -> Result<(Name, usize), NameStop> {
    match plain(s, start) {
        Some(found) => Ok(found),
        None => odd(s, start),
    }
}

/// [`qname`] if it is ASCII, has no prefix and does not reach the end of the input.
#[inline(always)]
pub(super) fn plain(s: &[u8], start: usize) -> Option<(Name, usize)> {
    match ascii_part(s, start) {
        Some(end) if CLASS[s[end] as usize] & ODD == 0 && end - start <= NAME_BYTES => {
            Some((Name { start: start as u32, len: (end - start) as u16, prefix: 0 }, end))
        }
        _ => None,
    }
}

/// [`qname`] with a prefix, or whatever its characters.
#[inline(never)]
fn odd(s: &[u8], start: usize) -> Result<(Name, usize), NameStop> {
    if let Some(colon) = ascii_part(s, start)
        && s[colon] == b':'
        && let Some(end) = ascii_part(s, colon + 1)
        && CLASS[s[end] as usize] & ODD == 0
        && end - start <= NAME_BYTES
    {
        return Ok((Name { start: start as u32, len: (end - start) as u16, prefix: (colon - start) as u16 }, end));
    }
    any(s, start).map(|name| (name, name.end()))
}

/// End of the ASCII part of a name at `start` that begins like one and does not reach the end of the input.
#[inline(always)]
fn ascii_part(s: &[u8], start: usize) -> Option<usize> {
    if CLASS[*s.get(start)? as usize] & START == 0 {
        return None;
    }
    let mut i = start + 1;
    // Eight at a time, to look at the bounds once. Vectors are slower here: names end after a few bytes, and a branch that
    // is predicted costs less than waiting for a mask.
    while let Some(eight) = s.get(i..).and_then(|rest| rest.first_chunk::<8>()) {
        for (n, b) in eight.iter().enumerate() {
            if CLASS[*b as usize] & NAME == 0 {
                return Some(i + n);
            }
        }
        i += 8;
    }
    while CLASS[*s.get(i)? as usize] & NAME != 0 {
        i += 1;
    }
    Some(i)
}

/// The QName at `start`, whatever its characters.
#[cold]
#[inline(never)]
pub(super) fn any(s: &[u8], start: usize) -> Result<Name, NameStop> {
    let first = part(s, start, start)?;
    let (prefix, end) = if s.get(first) == Some(&b':') {
        if first + 1 - start > NAME_BYTES {
            return Err(NameStop::TooLong);
        }
        (first - start, part(s, start, first + 1)?)
    } else {
        (0, first)
    };
    match s.get(end) {
        Some(b':') => Err(NameStop::Bad { at: end }),
        _ => Ok(Name { start: start as u32, len: (end - start) as u16, prefix: prefix as u16 }),
    }
}

/// End of the NCName at `at`, within a QName that began at `start`. Another character follows it.
fn part(s: &[u8], start: usize, at: usize) -> Result<usize, NameStop> {
    let first = match character(s, at) {
        Character::Of { code, len } if starts(code) => at + len,
        Character::Cut => return Err(NameStop::More { verified: None }),
        _ => return Err(NameStop::Bad { at }),
    };
    let (end, cut) = run(s, first);
    if end - start > NAME_BYTES {
        return Err(NameStop::TooLong);
    }
    if cut { Err(NameStop::More { verified: Some(end) }) } else { Ok(end) }
}

/// Whether a name begins at `at`; nothing if too little is there.
pub(super) fn begins(s: &[u8], at: usize) -> Option<bool> {
    match character(s, at) {
        Character::Of { code, .. } => Some(starts(code)),
        Character::Cut => None,
        Character::Other => Some(false),
    }
}

/// Goes over name characters (no colon) from `at`; where it ends, and whether the input ended there.
pub(super) fn run(s: &[u8], at: usize) -> (usize, bool) {
    let mut i = at;
    loop {
        match character(s, i) {
            Character::Of { code, len } if continues(code) => i += len,
            Character::Cut => return (i, true),
            _ => return (i, false),
        }
    }
}

enum Character {
    /// A character of the basic plane.
    Of { code: u16, len: usize },
    /// The input ends before or in it.
    Cut,
    /// Not UTF-8, or beyond the basic plane, where the fourth edition has no name characters.
    Other,
}

fn character(s: &[u8], at: usize) -> Character {
    let tail = |n: usize| s.get(at + n).map(|b| (*b, *b & 0xC0 == 0x80));
    let bits = |b: u8| u16::from(b & 0x3F);
    let Some(&lead) = s.get(at) else { return Character::Cut };
    match (lead, tail(1), tail(2)) {
        (0..=0x7F, ..) => Character::Of { code: u16::from(lead), len: 1 },
        // Overlong forms and surrogates.
        (0xE0, Some((0x80..=0x9F, _)), _) | (0xED, Some((0xA0..=0xBF, _)), _) => Character::Other,
        (0xC2..=0xEF, None, _) | (0xE0..=0xEF, Some((_, true)), None) => Character::Cut,
        (0xC2..=0xDF, Some((a, true)), _) => Character::Of { code: u16::from(lead & 0x1F) << 6 | bits(a), len: 2 },
        (0xE0..=0xEF, Some((a, true)), Some((b, true))) => {
            Character::Of { code: u16::from(lead & 0x0F) << 12 | bits(a) << 6 | bits(b), len: 3 }
        }
        _ => Character::Other,
    }
}

fn starts(code: u16) -> bool {
    STARTS[usize::from(code >> 6)] >> (code & 63) & 1 != 0
}

fn continues(code: u16) -> bool {
    CONTINUES[usize::from(code >> 6)] >> (code & 63) & 1 != 0
}

static STARTS: [u64; 1024] = bitmap(&fourth_edition::START);
static CONTINUES: [u64; 1024] = bitmap(&fourth_edition::CHAR);

const fn bitmap(ranges: &[(u16, u16)]) -> [u64; 1024] {
    let mut map = [0; 1024];
    let mut r = 0;
    while r < ranges.len() {
        let (first, last) = (ranges[r].0 as usize, ranges[r].1 as usize);
        let mut word = first / 64;
        while word <= last / 64 {
            let from = if word == first / 64 { first % 64 } else { 0 };
            let to = if word == last / 64 { last % 64 } else { 63 };
            map[word] |= (u64::MAX >> (63 - (to - from))) << from;
            word += 1;
        }
        r += 1;
    }
    map
}
