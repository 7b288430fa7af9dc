//! The repository's Rust files, and a lexer just good enough to tell code, comments and strings apart.

use std::fs;
use std::path::{Path, PathBuf};

/// One file in three views of the same length: what is not in a view is blank there, and line ends are in all of them.
pub(crate) struct Source {
    /// Relative to the repository.
    pub(crate) path: String,
    pub(crate) code: String,
    pub(crate) comments: String,
    pub(crate) strings: String,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the repository, in order.
pub(crate) fn all() -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches", "loadgen", "fuzz"] {
        collect(&root().join(folder), &mut paths);
    }
    paths.extend(Some(root().join("build.rs")).filter(|path| path.exists()));
    paths.sort();
    paths.iter().map(|path| Source::read(path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !matches!(name, "target" | "corpus" | "artifacts" | "cases" | "record") {
            collect(&path, paths);
        } else if name.ends_with(".rs") {
            paths.push(path);
        }
    }
}

impl Source {
    fn read(path: &Path) -> Self {
        let relative = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        Self::of(relative, &fs::read_to_string(path).unwrap())
    }

    pub(crate) fn of(path: String, text: &str) -> Self {
        let mut views = Views::default();
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let (kind, length) = token(bytes, at);
            views.push(&bytes[at..at + length], kind);
            at += length;
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { path, code: text(views.code), comments: text(views.comments), strings: text(views.strings) }
    }

    /// The code before the unit tests at the end of the file; nothing of a file of tests.
    pub(crate) fn code_without_tests(&self) -> &str {
        let is_test =
            self.path.starts_with("tests/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/");
        if is_test { "" } else { &self.code[..self.tests_begin()] }
    }

    /// As [`Self::code_without_tests`].
    pub(crate) fn strings_without_tests(&self) -> &str {
        &self.strings[..self.code_without_tests().len()]
    }

    /// Where `#[cfg(test)] mod …` begins, or the end.
    fn tests_begin(&self) -> usize {
        let ends_file = |(at, _): &(usize, &str)| {
            let rest = self.code[*at..].trim_start_matches("#[cfg(test)]").trim_start();
            rest.starts_with("mod ") || rest.starts_with("pub(crate) mod ")
        };
        self.code.match_indices("#[cfg(test)]").find(ends_file).map_or(self.code.len(), |(at, _)| at)
    }
}

/// The line of a byte offset, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].bytes().filter(|byte| *byte == b'\n').count() + 1
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Text,
}

#[derive(Default)]
struct Views {
    code: Vec<u8>,
    comments: Vec<u8>,
    strings: Vec<u8>,
}

impl Views {
    fn push(&mut self, bytes: &[u8], kind: Kind) {
        let views =
            [(Kind::Code, &mut self.code), (Kind::Comment, &mut self.comments), (Kind::Text, &mut self.strings)];
        for (own, view) in views {
            let keep = |byte: &u8| if own == kind || *byte == b'\n' { *byte } else { b' ' };
            view.extend(bytes.iter().map(keep));
        }
    }
}

/// The kind and length of the token at `at`.
fn token(bytes: &[u8], at: usize) -> (Kind, usize) {
    let rest = &bytes[at..];
    let after_name = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => (Kind::Comment, rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())),
        [b'/', b'*', ..] => (Kind::Comment, block_comment(rest)),
        [b'"', ..] => (Kind::Text, quoted(rest)),
        [b'r', ..] | [b'b', b'r', ..] | [b'c', b'r', ..] if !after_name => {
            raw_string(rest).map_or((Kind::Code, 1), |length| (Kind::Text, length))
        }
        [b'\'', ..] => char_literal(rest).map_or((Kind::Code, 1), |length| (Kind::Text, length)),
        _ => (Kind::Code, 1),
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8]) -> Option<usize> {
    let start = rest.iter().position(|byte| *byte == b'r')? + 1;
    let hashes = rest[start..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(start + hashes) != Some(&b'"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes)).into_bytes();
    let body = start + hashes + 1;
    let found = rest[body..].windows(end.len()).position(|window| window == end);
    Some(found.map_or(rest.len(), |found| body + found + end.len()))
}

/// `'x'` or `'\n'`, not the lifetime `'x`.
fn char_literal(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        let end = rest[3..].iter().position(|byte| *byte == b'\'')?;
        return Some(3 + end + 1);
    }
    let text = std::str::from_utf8(&rest[1..rest.len().min(6)]);
    let text = text.or_else(|error| std::str::from_utf8(&rest[1..1 + error.valid_up_to()])).ok()?;
    let c = text.chars().next()?;
    (rest.get(1 + c.len_utf8()) == Some(&b'\'')).then_some(c.len_utf8() + 2)
}

#[test]
fn lexer_tells_code_comments_and_strings_apart() {
    let text =
        "let a = \"// no \\\" comment\"; // yes 'x\nlet b: &'a str = r#\"raw \" {\"#; /* {/* */ { */ '{' '\\'' r#fn\n";
    let source = Source::of("x.rs".into(), text);
    assert_eq!(source.code.len(), text.len());
    assert!(source.comments.contains("// yes 'x") && source.comments.contains("/* {/* */ { */"));
    assert!(source.strings.contains("// no") && source.strings.contains("raw \" {") && source.strings.contains("'{'"));
    assert!(!source.code.contains('{') && source.code.contains("&'a str") && source.code.contains("r#fn"));
}
