//! What a hostile peer can make the scanner spend: looks at bytes, and memory.

use alloc::string::String;
use alloc::{format, vec};

use super::{Cpu, examined, scan};
use crate::scan::naive::End;
use crate::scan::{Limits, Scanner, Scratch, Step};

const HEADER: &str = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>";

#[test]
fn bytes_looked_at_stay_linear_for_tokens_that_are_read_again() {
    let long = "n".repeat(1_000);
    let wide = "é".repeat(500);
    let white = " ".repeat(60);
    let hostile = [
        format!("<{long}/>").repeat(20),
        format!("<{wide}></{wide}>").repeat(20),
        format!("<a {long}='1'/>").repeat(20),
        format!("<a b{white}={white}'1'{white}>x</a{white}>").repeat(200),
        format!("<a>{}</a>", "&#00000000000000000000000000065;".repeat(500)),
        format!("<a>{}</a>", "&amp;".repeat(5_000)),
        format!("<a b='{}'/>", "v".repeat(100_000)),
        format!("<a><![CDATA[{}]]></a>", "] ]> ".repeat(5_000)),
        format!("{}{}", "<a x='y'>".repeat(100), "</a>".repeat(100)),
    ];
    for body in hostile {
        let stream = format!("{HEADER}{body}");
        examined::take();
        let outcome = scan(stream.as_bytes().chunks(1), Limits::default(), Cpu::Avx2);
        let examined = examined::take();
        assert_eq!(outcome.end, End::Open);
        // A character reference of 32 bytes is the longest token that is read again at each byte.
        assert!(examined <= 20 * stream.len() as u64, "{examined} of {}: {}", stream.len(), &body[..20]);
    }
}

#[test]
fn an_idle_scanner_is_small_whatever_stanza_came_before() {
    assert!(size_of::<Scanner>() <= 160, "{}", size_of::<Scanner>());
    let (mut scanner, mut scratch) = (Scanner::new(Limits::default(), Cpu::Avx2), Scratch::default());
    let stanza = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
    let stream = format!("{HEADER}{stanza}");
    let Ok(Step::Header(header)) = scanner.scan(&mut scratch, stream.as_bytes()) else { panic!("header") };
    let rest = &stream.as_bytes()[header.end..];
    assert!(matches!(scanner.scan(&mut scratch, &rest[..500]), Ok(Step::NeedMore { keep_from: 0 })));
    assert!(scanner.holds_memory());
    assert!(matches!(scanner.scan(&mut scratch, rest), Ok(Step::Element(_))));
    assert!(!scanner.holds_memory());
}

#[test]
fn prefixes_in_scope_are_bounded_and_freed_with_their_elements() {
    let declare = |n: usize| (0..50).fold(String::from("<a"), |tag, i| format!("{tag} xmlns:p{n}-{i}='u'")) + ">";
    let nested: String = (0..6).map(declare).collect();
    let outcome = scan([format!("{HEADER}{nested}").as_bytes()], Limits::default(), Cpu::Avx2);
    assert_eq!(outcome.end, End::Broken(crate::scan::Rule::PolicyViolation));
    let siblings: String = (0..6).map(|n| declare(n) + "</a>").collect();
    let outcome = scan([format!("{HEADER}<b>{siblings}</b>").as_bytes()], Limits::default(), Cpu::Avx2);
    assert_eq!((outcome.end, outcome.elements.len()), (End::Open, 1));
}

#[test]
fn bounds_of_an_element_are_those_it_began_with() {
    let (mut scanner, mut scratch) = (Scanner::new(Limits::default(), Cpu::Avx2), Scratch::default());
    let stream = format!("{HEADER}<a><b><c/></b></a><a><b><c/></b></a>");
    let Ok(Step::Header(header)) = scanner.scan(&mut scratch, stream.as_bytes()) else { panic!("header") };
    let rest = &stream.as_bytes()[header.end..];
    assert!(matches!(scanner.scan(&mut scratch, &rest[..4]), Ok(Step::NeedMore { .. })));
    scanner.set_limits(Limits { depth: 2, ..Limits::default() });
    let Ok(Step::Element(first)) = scanner.scan(&mut scratch, rest) else { panic!("first") };
    let refused = scanner.scan(&mut scratch, &rest[first.end..]).unwrap_err();
    assert_eq!(refused.rule, crate::scan::Rule::PolicyViolation);
    let again = vec![scanner.scan(&mut scratch, b"<a/>").unwrap_err(), scanner.scan(&mut scratch, b"").unwrap_err()];
    assert_eq!(again, [refused; 2]);
}
