//! The floors of `src/proto`: nothing imports upwards, and `stream` and `dialback` meet only in `gate`.

use crate::source::{self, Source, line_of};

/// Floor of every module of the core.
const FLOORS: &[(&str, u8)] = &[
    ("address", 0),
    ("limits", 0),
    ("ns", 0),
    ("scan", 0),
    ("time", 0),
    ("dialback", 1),
    ("discover", 1),
    ("stream", 1),
    ("proof", 2),
    ("policy", 3),
    ("route", 3),
    ("event", 3),
    ("gate", 4),
];

/// Modules of one floor that may not know each other.
const STRANGERS: &[(&str, &str)] =
    &[("stream", "dialback"), ("dialback", "stream"), ("discover", "stream"), ("discover", "dialback")];

/// Edges that go upwards all the same, each with its reason. The list only shrinks.
const ALLOWED: &[(&str, &str, &str)] =
    &[("dialback", "stream", "only for StreamError: a malformed dialback element ends its stream, in the same words")];

#[test]
fn nothing_in_the_core_imports_upwards() {
    let mut wrong = Vec::new();
    let mut used = vec![false; ALLOWED.len()];
    for source in source::all() {
        let Some(module) = module_of(&source.path) else { continue };
        let own = floor(module).unwrap_or_else(|| panic!("{module} has no floor: name it in FLOORS"));
        for (target, at) in edges(&source) {
            let other = floor(&target).unwrap_or_else(|| panic!("{}: crate::{target} has no floor", source.path));
            let is_stranger = STRANGERS.contains(&(module, &target));
            if other <= own && !is_stranger {
                continue;
            }
            match ALLOWED.iter().position(|(from, to, _)| *from == module && *to == target) {
                Some(index) => used[index] = true,
                None => wrong.push(format!("{}:{}: {module} knows {target}", source.path, line_of(&source.code, at))),
            }
        }
    }
    assert!(wrong.is_empty(), "upward edges:\n{}", wrong.join("\n"));
    let unused = ALLOWED.iter().zip(used).filter(|(_, used)| !used).map(|(edge, _)| edge).collect::<Vec<_>>();
    assert!(unused.is_empty(), "these edges are gone, take them off the list: {unused:?}");
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// `src/proto/stream/sasl.rs` → `stream`; the crate's root belongs to no floor.
fn module_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/proto/")?;
    let name = inner.split('/').next()?;
    let name = name.strip_suffix(".rs").unwrap_or(name);
    (name != "lib" && !inner.starts_with("tests/")).then_some(name)
}

/// The modules named by `crate::x` and `crate::{x, y::z}`, with where.
fn edges(source: &Source) -> Vec<(String, usize)> {
    let code = source.code_without_tests();
    let mut edges = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => edges.extend(group_heads(group).into_iter().map(|name| (name, at))),
            None => edges.push((identifier(rest), at)),
        }
    }
    edges.retain(|(name, _)| name.starts_with(|c: char| c.is_ascii_lowercase()));
    edges
}

/// The first names of the items of a `{…}` group, whose `{` is off.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut expects) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expects = true,
            c if expects && !c.is_whitespace() => {
                heads.push(identifier(&group[at..]));
                expects = false;
            }
            _ => {}
        }
    }
    heads
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

#[test]
fn edges_are_found_in_groups_and_paths() {
    let text = "use crate::{scan::{A, B}, ns};\nfn f() { crate::gate::x(); crate::Top; }\n#[cfg(test)]\nmod tests { use crate::event; }";
    let names = edges(&Source::of("src/proto/x.rs".into(), text)).into_iter().map(|(name, _)| name);
    assert_eq!(names.collect::<Vec<_>>(), ["scan", "ns", "gate"]);
}
