//! Standards are cited in one spelling, `RFC 6120 §4.9.3.13` and `XEP-0220 §2.1.2`, and RFC 6120's sections exist.

use crate::source::{self, line_of};

/// Every section of RFC 6120 that may be cited, from its table of contents. `a..b` are the last numbers of a range.
const RFC_6120: &[&str] = &[
    "1..15",
    "2.1..5",
    "3.1..4",
    "3.2.1..4",
    "4.1..9",
    "4.3.1..7",
    "4.6.1..4",
    "4.7.1..5",
    "4.8.1..5",
    "4.9.1..4",
    "4.9.1.1..4",
    "4.9.3.1..25",
    "5.1..4",
    "5.3.1..6",
    "5.4.1..3",
    "5.4.2.1..3",
    "5.4.3.1..3",
    "6.1..6",
    "6.3.1..10",
    "6.4.1..6",
    "6.5.1..11",
    "7.1..7",
    "8.1..4",
    "8.1.1..5",
    "8.1.1.1..2",
    "8.1.2.1..2",
    "8.2.1..3",
    "8.3.1..4",
    "8.3.3.1..22",
    "9.1..2",
    "9.1.1..3",
    "10.1..5",
    "10.4.1..3",
    "10.5.1..4",
    "11.1..8",
    "13.1..14",
    "13.7.1..2",
    "13.7.1.1..4",
    "13.7.2.1..3",
];

fn exists(section: &str) -> bool {
    RFC_6120.iter().any(|entry| {
        let (prefix, last) = entry.split_once("..").expect("every entry is a range");
        let (parent, first) = prefix.rsplit_once('.').map_or(("", prefix), |(parent, first)| (parent, first));
        let (own_parent, own) = section.rsplit_once('.').map_or(("", section), |(parent, own)| (parent, own));
        let number = |text: &str| text.parse::<u32>().ok();
        parent == own_parent && number(own).is_some_and(|own| Some(own) >= number(first) && Some(own) <= number(last))
    })
}

#[test]
fn standards_are_cited_in_one_spelling_and_their_sections_exist() {
    let mut wrong = Vec::new();
    for source in source::all().iter().filter(|source| source.path != "tests/tidy/citations.rs") {
        // One view after the other: a citation may go on in the next line of a comment.
        for text in [&source.comments, &source.strings] {
            let problems = problems(text).into_iter();
            wrong.extend(problems.map(|(at, what)| format!("{}:{}: {what}", source.path, line_of(text, at))));
        }
    }
    for path in ["README.md", "ARCHITECTURE.md", "ringgate.toml"] {
        let text = std::fs::read_to_string(source::root().join(path)).unwrap();
        wrong.extend(problems(&text).into_iter().map(|(at, what)| format!("{path}:{}: {what}", line_of(&text, at))));
    }
    assert!(wrong.is_empty(), "citations:\n{}", wrong.join("\n"));
}

fn problems(text: &str) -> Vec<(usize, String)> {
    let mut problems = Vec::new();
    for (at, _) in text.match_indices("RFC") {
        let rest = &text[at + 3..];
        let is_word = text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
        if is_word && digits(rest) > 0 || is_word && rest.starts_with('-') && digits(&rest[1..]) > 0 {
            problems.push((at, "write \"RFC 6120\", with a space".to_owned()));
        }
        let Some(cited) = rest.strip_prefix(' ').filter(|rest| is_word && digits(rest) > 0) else { continue };
        let (number, after) = cited.split_at(digits(cited));
        problems.extend(section_problem(number, after).map(|what| (at, what)));
    }
    for (at, _) in text.match_indices("XEP") {
        let rest = &text[at + 3..];
        let has_number = |rest: &str| rest.bytes().take(4).filter(u8::is_ascii_digit).count() == 4;
        if rest.starts_with([' ', '0']) && has_number(rest.trim_start()) {
            problems.push((at, "write \"XEP-0220\", with a hyphen".to_owned()));
        }
        if let Some(after) = rest.strip_prefix('-').filter(|rest| has_number(rest)) {
            problems.extend(section_problem("XEP", &after[4..]).map(|what| (at, what)));
        }
    }
    problems
}

/// What is wrong with the section that follows the number of a standard, if one does.
fn section_problem(number: &str, after: &str) -> Option<String> {
    let words = after.trim_start_matches([' ', ',']).to_ascii_lowercase();
    if words.starts_with("section ") || words.starts_with("sec. ") || words.starts_with("s.") {
        return Some("write § for \"section\"".to_owned());
    }
    let section = after.strip_prefix(" §").or_else(|| after.strip_prefix('§'))?;
    if after.starts_with('§') {
        return Some("write a space before §".to_owned());
    }
    let section: String = section.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
    let section = section.trim_end_matches('.');
    if section.is_empty() {
        return Some("write the number right after §".to_owned());
    }
    (number == "6120" && !exists(section)).then(|| format!("RFC 6120 has no §{section}"))
}

#[test]
fn misspelt_and_missing_sections_are_found() {
    for good in ["RFC 6120 §4.9.3.13, then", "RFC 6120 §6.5.", "XEP-0220 §2.1.2", "RFC 7622", "RFC 2782."] {
        assert_eq!(problems(good), [], "{good}");
    }
    let bad = [
        "RFC6120",
        "RFC 6120 section 4",
        "RFC 6120 §4.9.3.26",
        "RFC 6120, Section 5",
        "RFC 6120§5",
        "XEP 0220",
        "XEP-0220 § 2",
    ];
    for bad in bad {
        assert_eq!(problems(bad).len(), 1, "{bad}");
    }
    assert!(exists("13.7.2.1") && exists("4") && !exists("13.7.3") && !exists("16"));
}
