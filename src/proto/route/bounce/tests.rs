use alloc::string::String;

use super::*;
use crate::scan::{Cpu, Limits, Scanner, Scratch, Step};

const HEADER: &[u8] = b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
    xmlns:db='jabber:server:dialback' version='1.0'>";

/// The error for a stanza as it was received; none if there may be none.
fn error_for(stanza: &str, error: StanzaError, text: &str) -> Option<String> {
    let (mut scanner, mut scratch) = (Scanner::new(Limits::default(), Cpu::Scalar), Scratch::default());
    scanner.scan(&mut scratch, HEADER).expect("the header is well formed");
    let Ok(Step::Element(element)) = scanner.scan(&mut scratch, stanza.as_bytes()) else { panic!("{stanza}") };
    let mut out = Vec::new();
    write_error(&element, error, text, &mut out);
    (!out.is_empty()).then(|| String::from_utf8(out).expect("errors are text"))
}

const ADDRESSES: &str = "from='a@a.example/x' to='b@b.example'";

#[test]
fn error_goes_from_the_target_to_the_sender_with_the_stanzas_name_and_id() {
    let error = error_for(
        &alloc::format!("<message {ADDRESSES} id='7'><body>hello</body></message>"),
        StanzaError::RemoteServerNotFound,
        "dns-not-found",
    );
    assert_eq!(
        error.as_deref(),
        Some(
            "<message from='b@b.example' to='a@a.example/x' id='7' type='error'><error type='cancel'>\
             <remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>dns-not-found</text></error></message>"
        )
    );
}

#[test]
fn error_without_text_or_id_has_neither() {
    let error = error_for(&alloc::format!("<presence {ADDRESSES}/>"), StanzaError::NotAllowed, "").expect("an error");
    assert!(error.starts_with("<presence from='b@b.example' to='a@a.example/x' type='error'>"), "{error}");
    assert!(!error.contains("<text") && error.ends_with("</error></presence>"), "{error}");
}

/// RFC 6120 §8.3.1: an answer to an error could go on for ever.
#[test]
fn errors_and_results_are_never_answered() {
    for (stanza, is_answered) in [
        ("message", true),
        ("message type='chat'", true),
        ("message type='error'", false),
        ("presence", true),
        ("presence type='unavailable'", true),
        ("presence type='error'", false),
        ("iq type='get' id='1'", true),
        ("iq type='set' id='1'", true),
        ("iq type='result' id='1'", false),
        ("iq type='error' id='1'", false),
        // A result is one of an iq only.
        ("message type='result'", true),
        ("db:result", false),
        ("unknown xmlns='urn:x'", false),
    ] {
        let answer = error_for(&alloc::format!("<{stanza} {ADDRESSES}/>"), StanzaError::RemoteServerTimeout, "");
        assert_eq!(answer.is_some(), is_answered, "{stanza}");
    }
}

/// The values were proven as they stood: they are copied with their references, inside the quote they do not contain.
#[test]
fn values_are_copied_as_they_were_spelt() {
    let stanza = r#"<iq type='get' from="o'brien@a.example" to='b@b.example' id='&lt;"&#38;'/>"#;
    let error = error_for(stanza, StanzaError::JidMalformed, "").expect("an error");
    let expected = r#"<iq from='b@b.example' to="o'brien@a.example" id='&lt;"&#38;' type='error'>"#;
    assert!(error.starts_with(expected), "{error}");
}

/// RFC 6120 §8.3.3 gives each condition its type: `wait` may be tried again, `cancel` not, `modify` when changed.
#[test]
fn every_condition_has_its_type() {
    for (error, element, ty) in [
        (StanzaError::BadRequest, "bad-request", "modify"),
        (StanzaError::InternalServerError, "internal-server-error", "cancel"),
        (StanzaError::JidMalformed, "jid-malformed", "modify"),
        (StanzaError::NotAllowed, "not-allowed", "cancel"),
        (StanzaError::PolicyViolation, "policy-violation", "modify"),
        (StanzaError::RemoteServerNotFound, "remote-server-not-found", "cancel"),
        (StanzaError::RemoteServerTimeout, "remote-server-timeout", "wait"),
        (StanzaError::ResourceConstraint, "resource-constraint", "wait"),
    ] {
        let answer = error_for(&alloc::format!("<message {ADDRESSES}/>"), error, "").expect("an error");
        assert!(answer.contains(&alloc::format!("<error type='{ty}'><{element} xmlns=")), "{answer}");
    }
}
