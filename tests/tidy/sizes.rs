//! Files one can hold in the head: at most 1000 lines, functions at most 70.

use crate::source::{self, Source, line_of};

const FILE_LINES: usize = 1_000;
const FUNCTION_LINES: usize = 70;

/// Longer files: path, lines, reason. The numbers only fall.
const LONG_FILES: &[(&str, usize, &str)] = &[];

/// Longer functions: path, name, lines, reason. The numbers only fall.
const LONG_FUNCTIONS: &[(&str, &str, usize, &str)] = &[];

#[test]
fn files_and_functions_are_short() {
    let mut wrong = Vec::new();
    for source in source::all() {
        let lines = source.code.lines().count();
        let allowed =
            LONG_FILES.iter().find(|(path, ..)| *path == source.path).map_or(FILE_LINES, |(_, lines, _)| *lines);
        if lines > allowed {
            wrong.push(format!("{}: {lines} lines, at most {allowed}", source.path));
        }
        for (name, at, lines) in functions(&source) {
            let listed = LONG_FUNCTIONS.iter().find(|(path, listed, ..)| *path == source.path && *listed == name);
            let allowed = listed.map_or(FUNCTION_LINES, |(_, _, lines, _)| *lines);
            if lines > allowed {
                let line = line_of(&source.code, at);
                wrong.push(format!("{}:{line}: fn {name} has {lines} lines, at most {allowed}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "too long:\n{}", wrong.join("\n"));
}

/// Name, offset and lines of every function with a body.
fn functions(source: &Source) -> Vec<(String, usize, usize)> {
    let code = &source.code;
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        let name: String = code[at + 3..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if let Some(length) = body_length(&code[at..]).filter(|_| !name.is_empty()) {
            found.push((name, at, code[at..at + length].lines().count()));
        }
    }
    found
}

/// From `fn` to the end of its body; `None` for a declaration without one.
fn body_length(code: &str) -> Option<usize> {
    let (mut depth, mut brackets) = (0, 0);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if depth == 0 && brackets == 0 => return None,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
                if depth < 0 {
                    return None; // A function pointer type, as in the last field of a struct.
                }
            }
            _ => {}
        }
    }
    None
}

#[test]
fn functions_are_measured_from_their_name_to_their_brace() {
    let text =
        "trait T { fn declared(&self, x: [u8; 3]); }\nfn f() {\n  if a { '{' }\n}\nstruct S { g: fn (u8) -> u8 }\n";
    let found = functions(&Source::of("x.rs".into(), text));
    assert_eq!(found.iter().map(|(name, _, lines)| (name.as_str(), *lines)).collect::<Vec<_>>(), [("f", 3)]);
}
