//! What must not be written, each with what to write instead.

use crate::source::{self, Source, line_of};

/// A text that must not occur.
struct Ban {
    text: &'static str,
    /// What to do instead.
    instead: &'static str,
    /// Where it may stand all the same: beginnings of paths, each with its reason in the comment beside it.
    except: &'static [&'static str],
    /// Whether unit tests and `tests/` are looked at too.
    in_tests: bool,
}

const BANS: &[Ban] = &[
    Ban {
        text: "unsafe ",
        instead: "write it in safe Rust; only the scanner's finder, the data ring and the expat oracle may",
        // Vector instructions; io_uring; the C library that judges the scanner.
        except: &["src/proto/scan/finder", "src/ring/", "tests/expat", "benches/expat", "fuzz/expat"],
        in_tests: true,
    },
    Ban {
        text: "Instant::now",
        instead: "crate::clock::now()",
        // The clock itself; the ring, whose time-outs are the kernel's; programs that measure have clocks of their own.
        except: &["src/clock.rs", "src/ring/", "benches/", "loadgen/"],
        in_tests: false,
    },
    Ban {
        text: "SystemTime::now",
        instead: "crate::clock::wall()",
        except: &["src/clock.rs", "benches/", "loadgen/"],
        in_tests: false,
    },
    Ban { text: "getrandom::", instead: "crate::entropy::fill", except: &["src/entropy.rs"], in_tests: false },
    Ban { text: "todo!(", instead: "finish it", except: &[], in_tests: true },
    Ban { text: "unimplemented!(", instead: "finish it", except: &[], in_tests: true },
    Ban { text: "dbg!(", instead: "log it, or remove it", except: &[], in_tests: true },
    Ban { text: "#[ignore", instead: "run it, or remove it", except: &[], in_tests: true },
    Ban {
        text: "thread::sleep",
        instead: "wait for what happens, with a deadline",
        // Orders to a shard from a thread that is none, when its mailbox is full; the thread that has figures published;
        // the demo's players; programs that pace what they measure.
        except: &["src/shard/driver.rs", "src/run.rs", "src/demo/", "benches/", "loadgen/"],
        in_tests: false,
    },
    Ban {
        text: "RwLock",
        instead: "a shard owns its data; metrics::Board shows how others read it",
        except: &[],
        in_tests: false,
    },
    Ban {
        text: "Mutex<",
        instead: "a shard owns its data; metrics::Board shows how others read it",
        // One pointer, once per second; sessions are resumed on every shard, once per handshake; what is handed out once
        // when shards start; the demo's servers, which are no part of the proxy.
        except: &["src/metrics/board.rs", "src/tls/", "src/run.rs", "src/demo/"],
        in_tests: false,
    },
];

/// Words that must not stand in comments.
const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX:"];

/// File and folder names that say nothing.
const NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc"];

#[test]
fn nothing_that_is_banned_is_written() {
    let mut wrong = Vec::new();
    for source in source::all().iter().filter(|source| source.path != "tests/tidy/bans.rs") {
        for ban in BANS {
            wrong.extend(occurrences(source, ban));
        }
        for word in UNFINISHED {
            for (at, _) in source.comments.match_indices(word) {
                wrong.push(format!("{}:{}: {word}: finish it", source.path, line_of(&source.comments, at)));
            }
        }
    }
    assert!(wrong.is_empty(), "banned:\n{}", wrong.join("\n"));
}

fn occurrences(source: &Source, ban: &Ban) -> Vec<String> {
    if ban.except.iter().any(|path| source.path.starts_with(path)) {
        return Vec::new();
    }
    let code = if ban.in_tests { source.code.as_str() } else { source.code_without_tests() };
    let is_word = |at: &usize| {
        let before = code[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let found = code.match_indices(ban.text).map(|(at, _)| at).filter(is_word);
    found.map(|at| format!("{}:{}: {} → {}", source.path, line_of(code, at), ban.text, ban.instead)).collect()
}

#[test]
fn namespaces_of_xmpp_are_named_only_in_the_core() {
    let mut wrong = Vec::new();
    for source in source::all() {
        // The demo speaks as a remote server does; scan shows what stands in a stream.
        let shell = source.path.starts_with("src/") && !source.path.starts_with("src/proto/");
        if !shell || source.path.starts_with("src/demo/") {
            continue;
        }
        let strings = source.strings_without_tests();
        for name in ["urn:ietf", "jabber:", "urn:xmpp", "etherx.jabber.org"] {
            for (at, _) in strings.match_indices(name) {
                wrong.push(format!("{}:{}: {name}: the core decides about XMPP", source.path, line_of(strings, at)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_or_folder_has_a_name_that_says_nothing() {
    let is_bad = |path: &str| path.split('/').any(|part| NAMES.contains(&part.strip_suffix(".rs").unwrap_or(part)));
    let wrong = source::all().into_iter().map(|source| source.path).filter(|path| is_bad(path)).collect::<Vec<_>>();
    assert!(wrong.is_empty(), "find the noun: {wrong:?}");
}
