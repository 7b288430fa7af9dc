//! README.md and ARCHITECTURE.md name only what exists: commands, files, symbols.

use std::collections::BTreeSet;
use std::process::Command;

use crate::source::{self, Source, root};

const DOCUMENTS: &[&str] = &["README.md", "ARCHITECTURE.md"];

/// Commands that are named before they are there, each with its reason. The list only shrinks.
const EXPECTED_COMMANDS: &[(&str, &str)] = &[];

/// Paths that are named before they are there, each with its reason. The list only shrinks.
const EXPECTED_PATHS: &[(&str, &str)] = &[];

fn read(document: &str) -> String {
    std::fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

#[test]
fn files_and_links_in_the_documents_exist() {
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        let links = links.filter(|link| !link.starts_with("http") && !link.starts_with('#')).map(str::to_owned);
        for path in links.chain(quoted(&text).into_iter().filter(|word| is_path(word))) {
            let bare = path.split('#').next().unwrap_or(&path).trim_end_matches('/');
            let is_expected = EXPECTED_PATHS.iter().any(|(expected, _)| *expected == bare);
            if root().join(bare).exists() == is_expected {
                wrong.push(format!(
                    "{document}: {path}{}",
                    if is_expected { " is there: take it off the list" } else { "" }
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "no such file:\n{}", wrong.join("\n"));
}

/// `src/proto/gate/`, `ringgate.toml`, `.ci/run`; not an absolute path, a pattern or a command with arguments.
fn is_path(word: &str) -> bool {
    const FOLDERS: [&str; 8] = ["src/", "tests/", "benches/", "loadgen/", "fuzz/", ".ci/", "docs/", "target/"];
    let is_plain = !word.contains([' ', '*', '…', '<', '$']);
    let is_in_folder = FOLDERS.iter().any(|folder| word.starts_with(folder)) && !word.starts_with("target/");
    let is_file = !word.contains('/') && [".md", ".toml"].iter().any(|end| word.ends_with(end));
    is_plain && (is_in_folder || is_file)
}

/// The texts between single backticks.
fn quoted(text: &str) -> BTreeSet<String> {
    let without_blocks: String = text.split("```").step_by(2).collect();
    without_blocks.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn symbols_in_the_documents_exist() {
    let sources = source::all();
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        for word in quoted(&read(document)).iter().filter(|word| is_symbol(word)) {
            if !symbol_exists(&sources, word.trim_end_matches("()")) {
                wrong.push(format!("{document}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "no such symbol:\n{}", wrong.join("\n"));
}

/// `gate::Gate::handle`, `limits::STANZA_BYTES`: words with `::`, none of them foreign.
fn is_symbol(word: &str) -> bool {
    let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    word.contains("::") && word.trim_end_matches("()").split("::").all(is_name) && !word.starts_with("std::")
}

/// Each part must be declared in, or be the name of, a file that the parts before it lead to.
fn symbol_exists(sources: &[Source], symbol: &str) -> bool {
    let parts = symbol.split("::").collect::<Vec<_>>();
    let mut files = sources.iter().filter(|source| source.path.starts_with("src/")).collect::<Vec<_>>();
    for (index, part) in parts.iter().enumerate() {
        let is_module = |source: &&Source| {
            let path = format!("/{}", source.path.trim_end_matches(".rs"));
            path.contains(&format!("/{part}/")) || path.ends_with(&format!("/{part}"))
        };
        let in_module = files.iter().copied().filter(|source| is_module(source)).collect::<Vec<_>>();
        let declaring = files.iter().copied().filter(|source| declares(source, part)).collect::<Vec<_>>();
        let is_last = index + 1 == parts.len();
        if in_module.is_empty() && declaring.is_empty() {
            return false;
        }
        if !is_last {
            // A type's methods may stand in other files of its folder.
            let folders = declaring.iter().map(|source| folder(&source.path)).collect::<BTreeSet<_>>();
            files.retain(|source| is_module(source) || folders.contains(folder(&source.path)));
        }
    }
    true
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether the file declares `name`: as an item, an enum's variant or a field.
fn declares(source: &Source, name: &str) -> bool {
    const KEYWORDS: [&str; 8] = ["fn", "struct", "enum", "trait", "const", "static", "type", "mod"];
    let code = &source.code;
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].trim_end();
        let after = code[at + name.len()..].chars().next();
        let ends = after.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_');
        let begins = code[..at].ends_with(char::is_whitespace);
        let is_item = KEYWORDS.iter().any(|keyword| before.ends_with(keyword)) || before.ends_with("macro_rules!");
        let is_variant = name.starts_with(|c: char| c.is_ascii_uppercase()) && before.ends_with(['{', ',', '}', ']']);
        ends && begins && (is_item || is_variant)
    })
}

#[test]
fn commands_in_the_readme_exist() {
    let text = read("README.md");
    let blocks = text.split("```").skip(1).step_by(2).filter(|block| block.starts_with("sh\n"));
    let lines = blocks.flat_map(|block| block.lines().skip(1)).map(str::trim).collect::<Vec<_>>();
    assert!(lines.contains(&"cargo run --release -- demo") && lines.contains(&".ci/run"), "{lines:?}");
    for line in lines {
        let arguments = line.strip_prefix("cargo run --release -- ").or_else(|| line.strip_prefix("ringgate "));
        if let Some(command) = arguments.and_then(|rest| rest.split(' ').next()) {
            let is_expected = EXPECTED_COMMANDS.iter().any(|(expected, _)| *expected == command);
            assert_ne!(is_command(command), is_expected, "{line}: not a command, or on the list though it is one");
        }
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(root().join(".ci/run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, ".ci/run can be executed");
}

fn is_command(name: &str) -> bool {
    let help = Command::new(env!("CARGO_BIN_EXE_ringgate")).args(["help", name]).output().unwrap();
    help.status.success()
}

#[test]
fn symbols_are_resolved_through_files_and_declarations() {
    let text = "pub struct Gate {}\nimpl Gate { pub fn handle(&self) {} }\npub enum Word { Alpha, Beta }\n";
    let sources = [Source::of("src/proto/gate/mod.rs".into(), text)];
    for good in ["gate::Gate", "gate::Gate::handle", "Gate::handle", "Word::Beta"] {
        assert!(symbol_exists(&sources, good), "{good}");
    }
    for bad in ["gate::Missing", "route::Gate", "Gate::gone", "Word::Gamma"] {
        assert!(!symbol_exists(&sources, bad), "{bad}");
    }
}
