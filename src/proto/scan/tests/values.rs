//! What the scanner hands out: addresses decoded, the header's meaning, splices.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::scan::{Cpu, Element, Limits, Rule, ScanError, Scanner, Scratch, Step, StreamContext, forward};

const HEADER: &str = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
    xmlns:db='jabber:server:dialback' xmlns:x=\"urn:x?a&amp;b='c'\" xmlns:d='urn:other' from='a&#46;example' to='b.example' \
    id='i' version='1.0' xml:lang='pt-BR'>";

/// Gives the first element after `header` to `look`.
fn first<T>(header: &str, element: &str, look: impl FnOnce(&Element<'_>, &StreamContext) -> T) -> T {
    let stream = format!("{header}{element}");
    let (mut scanner, mut scratch) = (Scanner::new(Limits::default(), Cpu::Avx2), Scratch::default());
    let Ok(Step::Header(header)) = scanner.scan(&mut scratch, stream.as_bytes()) else { panic!("no header") };
    match scanner.scan(&mut scratch, &stream.as_bytes()[header.end..]) {
        Ok(Step::Element(element)) => look(&element, scanner.context()),
        other => panic!("{other:?}"),
    }
}

fn forwarded(header: &str, element: &str) -> String {
    first(header, element, |element, context| {
        let mut out = Vec::new();
        forward(element, context, &StreamContext::ours(), &mut out);
        String::from_utf8(out).unwrap()
    })
}

fn refusal(header: &str) -> ScanError {
    Scanner::new(Limits::default(), Cpu::Avx2).scan(&mut Scratch::default(), header.as_bytes()).unwrap_err()
}

#[test]
fn addresses_decode_to_what_the_backend_will_read() {
    let arena = bumpalo::Bump::new();
    let element =
        "<message from='u&#64;a&#x2E;example' to='v@b.example\r\n\t' id='&lt;&quot;&apos;&gt;&amp;' type='chat'/>";
    first(HEADER, element, |e, _| {
        assert_eq!(e.from.unwrap().decode(&arena), "u@a.example");
        assert_eq!(e.to.unwrap().decode(&arena), "v@b.example  ");
        assert_eq!(e.id.unwrap().decode(&arena), "<\"'>&");
        let plain = e.ty.unwrap();
        assert!(!plain.needs_decode);
        assert_eq!(plain.decode(&arena).as_ptr(), plain.raw.as_ptr());
    });
}

#[test]
fn only_unprefixed_attributes_are_addresses() {
    first(HEADER, "<iq x:from='victim@c.example' From='victim@c.example'/>", |e, _| {
        assert!(e.from.is_none() && e.to.is_none() && e.id.is_none() && e.ty.is_none() && !e.has_lang);
    });
}

#[test]
fn header_tells_addresses_dialback_and_bindings() {
    let arena = bumpalo::Bump::new();
    let (mut scanner, mut scratch) = (Scanner::new(Limits::default(), Cpu::Sse2), Scratch::default());
    let Ok(Step::Header(header)) = scanner.scan(&mut scratch, HEADER.as_bytes()) else { panic!("no header") };
    assert_eq!(header.end, HEADER.len());
    assert_eq!(header.from.unwrap().decode(&arena), "a.example");
    assert_eq!(header.version.unwrap().raw, b"1.0");
    assert_eq!(header.lang.unwrap().raw, b"pt-BR");
    assert!(header.declares_dialback);
    let context = scanner.context();
    assert_eq!(context.namespace(""), Some("jabber:server"));
    assert_eq!(context.namespace("x"), Some("urn:x?a&b='c'"));
    assert_eq!(context.namespace("y"), None);
    assert_eq!(context.lang(), Some("pt-BR"));
    assert_eq!(StreamContext::default().namespace(""), None);
    assert_eq!(StreamContext::ours().namespace("db"), Some("jabber:server:dialback"));
    assert_eq!(StreamContext::ours().lang(), None);
}

#[test]
fn inherited_prefixes_are_declared_once_and_only_if_the_destination_lacks_them() {
    let header = HEADER.replace(" xml:lang='pt-BR'", "");
    let same = "<message><db:x stream:y='1'/></message>";
    assert_eq!(forwarded(&header, same), same);
    assert_eq!(
        forwarded(&header, "<message a='1'><x:a x:b='2'/><d:c/></message>"),
        "<message xmlns:x='urn:x?a&amp;b=&apos;c&apos;' xmlns:d='urn:other' a='1'><x:a x:b='2'/><d:c/></message>"
    );
    let own = "<x:message xmlns:x='urn:own'><x:a/></x:message>";
    assert_eq!(forwarded(&header, own), own);
    let rebound = header.replace("xmlns:db='jabber:server:dialback'", "xmlns:db='urn:rebound'");
    assert_eq!(forwarded(&rebound, "<iq><db:x/></iq>"), "<iq xmlns:db='urn:rebound'><db:x/></iq>");
}

#[test]
fn language_of_the_header_is_given_to_stanzas_without_one() {
    assert_eq!(forwarded(HEADER, "<iq/>"), "<iq xml:lang='pt-BR'/>");
    assert_eq!(forwarded(HEADER, "<iq xml:lang=''/>"), "<iq xml:lang=''/>");
    let empty = HEADER.replace("xml:lang='pt-BR'", "xml:lang=''");
    assert_eq!(forwarded(&empty, "<iq/>"), "<iq/>");
}

#[test]
fn header_with_more_prefixes_than_bits_is_refused() {
    let header = |n: usize| {
        let prefixes: String = (0..n).map(|i| format!(" xmlns:p{i}='u'")).collect();
        format!("<s:stream xmlns='jabber:server' xmlns:s='http://etherx.jabber.org/streams'{prefixes}>")
    };
    let limits = Limits { attributes: 100, ..Limits::default() };
    let scan = |stream: String| {
        Scanner::new(limits, Cpu::Avx2).scan(&mut Scratch::default(), stream.as_bytes()).map(|_| ()).map_err(|e| e.rule)
    };
    assert_eq!(scan(header(63)), Ok(()));
    assert_eq!(scan(header(64)), Err(Rule::PolicyViolation));
}

#[test]
fn header_rules_have_their_conditions() {
    let xml = "<?xml version='1.0'?>";
    let latin = "<?xml version='1.0' encoding='iso-8859-1'?>";
    assert_eq!(refusal(latin).rule, Rule::UnsupportedEncoding);
    assert_eq!(refusal("<?xml version='1.1'?>").rule, Rule::NotWellFormed);
    assert_eq!(refusal("\u{feff}<stream:stream>").rule, Rule::NotWellFormed);
    assert_eq!(refusal(&format!("{xml}{xml}")), ScanError { rule: Rule::RestrictedXml, at: xml.len() as u64 });
    assert_eq!(refusal("<stream xmlns='jabber:server'>").rule, Rule::InvalidNamespace);
    assert_eq!(refusal("<stream xmlns='http://etherx.jabber.org/streams'>").rule, Rule::InvalidNamespace);
    assert_eq!(refusal("<message xmlns='jabber:server'>").rule, Rule::BadFormat);
}

#[test]
fn header_that_is_its_own_end_tag_opens_and_closes() {
    let stream = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'/>";
    let (mut scanner, mut scratch) = (Scanner::new(Limits::default(), Cpu::Avx2), Scratch::default());
    assert!(matches!(scanner.scan(&mut scratch, stream.as_bytes()), Ok(Step::Header(_))));
    assert!(matches!(scanner.scan(&mut scratch, b""), Ok(Step::Close { end: 0 })));
    assert!(matches!(scanner.scan(&mut scratch, b" \n"), Ok(Step::NeedMore { keep_from: 2 })));
    assert_eq!(scanner.scan(&mut scratch, b"<a/>").unwrap_err().rule, Rule::NotWellFormed);
}
