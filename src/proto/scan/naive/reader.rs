//! Tokens, byte by byte.

use alloc::string::String;
use alloc::vec::Vec;

use crate::limits::NAME_BYTES;
use crate::scan::names::fourth_edition;
use crate::scan::{Limits, Rule};

/// Why reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The input ended.
    More,
    /// A rule is broken.
    Broken(Rule),
}

pub(super) const MALFORMED: Stop = Stop::Broken(Rule::NotWellFormed);
pub(super) const TOO_MUCH: Stop = Stop::Broken(Rule::PolicyViolation);

pub(super) fn is_space(b: u8) -> bool {
    b" \t\r\n".contains(&b)
}

/// A place in the input.
pub(super) struct Reader<'b> {
    bytes: &'b [u8],
    pub(super) at: usize,
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn passed(&self) -> &'b [u8] {
        &self.bytes[..self.at]
    }

    /// A stanza that is not complete within its bound is too long.
    pub(super) fn bounded(&self, stop: Stop, limits: Limits) -> Stop {
        if stop == Stop::More && self.bytes.len() >= limits.stanza_bytes as usize { TOO_MUCH } else { stop }
    }

    pub(super) fn peek(&self) -> Result<u8, Stop> {
        self.bytes.get(self.at).copied().ok_or(Stop::More)
    }

    pub(super) fn next(&mut self) -> Result<u8, Stop> {
        let b = self.peek()?;
        self.at += 1;
        Ok(b)
    }

    pub(super) fn starts_with(&self, what: &[u8]) -> bool {
        self.bytes[self.at..].starts_with(what)
    }

    /// Exactly these bytes.
    pub(super) fn literal(&mut self, what: &[u8]) -> Result<(), Stop> {
        for b in what {
            if self.next()? != *b {
                return Err(MALFORMED);
            }
        }
        Ok(())
    }

    /// White space, at most `most` bytes; how many.
    pub(super) fn spaces(&mut self, most: usize) -> Result<usize, Stop> {
        let start = self.at;
        while is_space(self.peek().inspect_err(|_| ())?) {
            self.at += 1;
            if self.at - start > most {
                return Err(TOO_MUCH);
            }
        }
        Ok(self.at - start)
    }

    /// `</name >`.
    pub(super) fn end_tag(&mut self, name: &[u8]) -> Result<(), Stop> {
        self.literal(b"</")?;
        self.literal(name)?;
        self.spaces(64)?;
        self.literal(b">")
    }

    pub(super) fn cdata(&mut self) -> Result<(), Stop> {
        self.literal(b"<![CDATA[")?;
        let start = self.at;
        loop {
            self.character_byte()?;
            if self.bytes[start..self.at].ends_with(b"]]>") {
                return Ok(());
            }
        }
    }

    /// Character data up to the next `<`.
    pub(super) fn text(&mut self) -> Result<(), Stop> {
        let mut run = self.at;
        while self.peek()? != b'<' {
            if self.peek()? == b'&' {
                self.reference()?;
                run = self.at;
                continue;
            }
            self.character_byte()?;
            if self.bytes[run..self.at].ends_with(b"]]>") {
                return Err(MALFORMED);
            }
        }
        Ok(())
    }

    /// A byte that is no control character.
    fn character_byte(&mut self) -> Result<u8, Stop> {
        let b = self.next()?;
        if b < 0x20 && !is_space(b) { Err(MALFORMED) } else { Ok(b) }
    }

    /// A quoted value, decoded. What is not UTF-8 is replaced here and found later.
    pub(super) fn value(&mut self) -> Result<String, Stop> {
        let quote = self.next()?;
        if quote != b'\'' && quote != b'"' {
            return Err(MALFORMED);
        }
        let mut value = Vec::new();
        loop {
            match self.peek()? {
                b if b == quote => {
                    self.at += 1;
                    return Ok(String::from_utf8_lossy(&value).into_owned());
                }
                b'<' => return Err(MALFORMED),
                b'&' => {
                    let c = self.reference()?;
                    value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                b'\r' if self.bytes.get(self.at + 1) == Some(&b'\n') => self.at += 1,
                b if is_space(b) => {
                    self.at += 1;
                    value.push(b' ');
                }
                _ => value.push(self.character_byte()?),
            }
        }
    }

    fn reference(&mut self) -> Result<char, Stop> {
        let start = self.at;
        self.literal(b"&")?;
        if self.peek()? != b'#' {
            let name = self.name()?;
            self.literal(b";")?;
            let known = [("lt", '<'), ("gt", '>'), ("amp", '&'), ("quot", '"'), ("apos", '\'')];
            let found = known.iter().find(|(n, _)| *n == name).map(|(_, c)| *c);
            return found.ok_or(Stop::Broken(Rule::RestrictedXml));
        }
        self.at += 1;
        let radix = if self.peek()? == b'x' { 16 } else { 10 };
        self.at += usize::from(radix == 16);
        let mut digits = String::new();
        while let Some(digit) = Some(self.peek()?).filter(|b| char::from(*b).is_digit(radix)) {
            digits.push(char::from(digit));
            self.at += 1;
            if self.at - start > 32 {
                return Err(TOO_MUCH);
            }
        }
        let code = u128::from_str_radix(&digits, radix).map_err(|_| MALFORMED)?;
        self.literal(b";")?;
        let c = u32::try_from(code).ok().and_then(char::from_u32).ok_or(MALFORMED)?;
        if super::is_char(c) { Ok(c) } else { Err(MALFORMED) }
    }

    /// A QName.
    pub(super) fn name(&mut self) -> Result<String, Stop> {
        let start = self.at;
        self.part(start)?;
        if self.peek()? == b':' {
            self.at += 1;
            if self.at - start > NAME_BYTES {
                return Err(TOO_MUCH);
            }
            self.part(start)?;
            if self.peek()? == b':' {
                return Err(MALFORMED);
            }
        }
        Ok(String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned())
    }

    /// An NCName in a QName that began at `start`.
    fn part(&mut self, start: usize) -> Result<(), Stop> {
        let (first, len) = self.character()?;
        if !within(&fourth_edition::START, first) {
            return Err(MALFORMED);
        }
        self.at += len;
        loop {
            if self.at - start > NAME_BYTES {
                return Err(TOO_MUCH);
            }
            match self.character() {
                Ok((c, len)) if within(&fourth_edition::CHAR, c) => self.at += len,
                Err(Stop::More) => return Err(Stop::More),
                _ => return Ok(()),
            }
        }
    }

    /// The character here and its length.
    fn character(&self) -> Result<(char, usize), Stop> {
        let there = &self.bytes[self.at..];
        let there = &there[..there.len().min(4)];
        let valid = match core::str::from_utf8(there) {
            Ok(text) => text,
            Err(e) if e.valid_up_to() == 0 && e.error_len().is_none() && there[0] < 0xF0 => return Err(Stop::More),
            Err(e) if e.valid_up_to() == 0 => return Err(MALFORMED),
            Err(e) => core::str::from_utf8(&there[..e.valid_up_to()]).unwrap_or_default(),
        };
        let c = valid.chars().next().ok_or(Stop::More)?;
        Ok((c, c.len_utf8()))
    }

    /// What `<!…` that is no CDATA section breaks.
    pub(super) fn refused(&mut self) -> Stop {
        let rest = &self.bytes[self.at..];
        for (start, from) in [(&b"<!--"[..], 2), (b"<!DOCTYPE", 2)] {
            if rest.starts_with(start) {
                return Stop::Broken(Rule::RestrictedXml);
            }
            if rest.len() >= from && start.starts_with(rest) {
                return Stop::More;
            }
        }
        MALFORMED
    }
}

fn within(ranges: &[(u16, u16)], c: char) -> bool {
    let code = u32::from(c);
    ranges.iter().any(|(first, last)| (u32::from(*first)..=u32::from(*last)).contains(&code))
}
