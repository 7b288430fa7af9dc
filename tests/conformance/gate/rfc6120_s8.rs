//! RFC 6120 §8: stanzas, and who may send them.

use ringgate_proto::gate::Backend;

use super::town::*;
use crate::peer::*;

/// What the backend hears of `stanza` from `remote.example`, which goes on to be heard.
fn delivered(stanza: &str) -> String {
    let mut town = Town::new();
    let peer = town.proven();
    town.says(peer, stanza);
    let backend = town.backend_takes();
    let heard = town.hears(backend);
    town.goes_on(peer);
    heard
}

/// STZ-01
#[test]
fn stanza_from_an_unproven_domain_hears_invalid_from_and_is_not_forwarded() {
    let mut town = Town::new();
    let peer = town.proven();
    town.says(peer, &HELLO.replace("a@remote.example", "a@victim.example"));
    town.ends_with(peer, "invalid-from");
    assert!(town.calls.is_empty());
    assert_eq!(town.account("victim.example", LOCAL).accepted, 0);
}

/// STZ-02: the other domain behind us was not asked for on this stream.
#[test]
fn stanza_to_a_domain_that_was_not_negotiated_is_not_forwarded() {
    let local = |name, backend| ringgate_proto::gate::LocalDomain { name: domain(name), backend };
    let mut town = Town::with(|config| {
        config.domains = vec![local(LOCAL, 0), local("other.example", 1)];
        config.backends.push(Backend { address: "10.0.0.2:15269".parse().unwrap(), starttls: false });
    });
    for target in ["b@other.example", "b@nowhere.example"] {
        let peer = town.proven();
        town.says(peer, &HELLO.replace("b@local.example", target));
        town.ends_with(peer, "not-authorized");
    }
    assert!(town.calls.is_empty(), "no backend is called");
}

/// STZ-04
#[test]
fn stanza_without_from_or_to_hears_improper_addressing() {
    let mut town = Town::new();
    for missing in [" from='a@remote.example/x'", " to='b@local.example'"] {
        let peer = town.proven();
        town.says(peer, &HELLO.replace(missing, ""));
        town.ends_with(peer, "improper-addressing");
    }
    assert!(town.calls.is_empty());
}

/// STZ-05
#[test]
fn stanza_to_no_address_hears_improper_addressing() {
    let mut town = Town::new();
    for to in ["", "@", "a@", "/x", "a@/x"] {
        let peer = town.proven();
        town.says(peer, &HELLO.replace("b@local.example", to));
        town.ends_with(peer, "improper-addressing");
    }
    assert!(town.calls.is_empty());
}

/// STZ-06
#[test]
fn element_that_is_no_stanza_hears_unsupported_stanza_type() {
    let mut town = Town::new();
    let peer = town.proven();
    town.says(peer, "<foo xmlns='bar'/>");
    town.ends_with(peer, "unsupported-stanza-type");
}

/// STZ-08. In clear, the peer first hears that TLS is required.
#[test]
fn stanza_before_authentication_ends_the_stream_and_is_not_forwarded() {
    let mut town = Town::new();
    let peer = town.connects();
    town.says(peer, &format!("{}{HELLO}", header(TO_LOCAL)));
    town.ends_with(peer, "policy-violation");
    let peer = town.encrypted();
    town.says(peer, HELLO);
    let heard = town.hears(peer);
    assert!(heard.contains("<not-authorized ") || heard.contains("<invalid-from "), "{heard}");
    assert!(town.calls.is_empty());
}

/// STZ-10
#[test]
fn request_without_id_hears_bad_request_and_the_stream_goes_on() {
    for ty in ["get", "set", "g&#101;t"] {
        let mut town = Town::new();
        town.knows_remote();
        let peer = town.proven();
        let iq = format!("<iq from='a@remote.example' to='b@local.example' type='{ty}'><q xmlns='urn:x'/></iq>");
        town.says(peer, &iq);
        let back = town.remote_takes();
        let heard = town.hears(back);
        assert!(heard.contains("<bad-request ") && heard.contains("from='b@local.example'"), "{heard}");
        town.goes_on(peer);
        assert_eq!(town.account(REMOTE, LOCAL).bounced, 1);
    }
}

/// STZ-11: what an `iq` has inside is the backend's business.
#[test]
fn iq_with_no_or_two_children_is_forwarded_as_it_is() {
    for children in ["", "<a xmlns='urn:x'/><b xmlns='urn:y'/>"] {
        let iq = format!("<iq from='a@remote.example' to='b@local.example' id='i' type='get'>{children}</iq>");
        assert_eq!(delivered(&iq), iq);
    }
}

/// STZ-12
#[test]
fn message_of_an_unknown_type_is_forwarded_unchanged() {
    let message = HELLO.replace("id=", "type='bogus' id=");
    assert_eq!(delivered(&message), message);
}

/// STZ-13: we end the stream, since the rest of such a stanza may be endless. What follows it is no stanza.
#[test]
fn stanza_over_the_limit_ends_the_stream_and_its_tail_is_not_a_stanza() {
    let max = 20_000;
    let exact = |bytes: usize| {
        let empty = HELLO.replace("hello", "");
        HELLO.replace("hello", &"x".repeat(bytes - empty.len()))
    };
    let mut town = Town::with(|config| config.stanza_bytes_max = max);
    let peer = town.proven();
    town.says(peer, &exact(max as usize));
    assert_eq!(town.account(REMOTE, LOCAL).accepted, 1);
    let trap = exact(max as usize + 1).replace("</body>", &format!("</body>{HELLO}"));
    town.says(peer, &format!("{trap}{HELLO}"));
    town.ends_with(peer, "policy-violation");
    assert_eq!(town.account(REMOTE, LOCAL).accepted, 1);
}

/// STZ-16
#[test]
fn element_of_5000_attributes_hears_policy_violation() {
    let mut town = Town::new();
    let peer = town.proven();
    let attributes: String = (0..5_000).map(|n| format!(" a{n}=''")).collect();
    town.says(peer, &HELLO.replace("<body", &format!("<body{attributes}")));
    town.ends_with(peer, "policy-violation");
}

/// STZ-17
#[test]
fn stanza_of_many_tiny_elements_hears_policy_violation() {
    let mut town = Town::new();
    let peer = town.proven();
    town.says(peer, &HELLO.replace("hello", &"<a/>".repeat(60_000)));
    town.ends_with(peer, "policy-violation");
}

/// STZ-24: only the outermost addresses count.
#[test]
fn forwarded_stanza_inside_a_stanza_is_opaque() {
    let inner = "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='boss@local.example' \
                 to='b@other.example'><body>pay</body></message></forwarded>";
    let carbon = HELLO.replace("</message>", &format!("<sent xmlns='urn:xmpp:carbons:2'>{inner}</sent></message>"));
    assert_eq!(delivered(&carbon), carbon);
}

/// STZ-26: a child may give `stream` another meaning, for itself.
#[test]
fn rebound_stream_prefix_is_forwarded_with_its_meaning() {
    let message = HELLO.replace("</message>", "<stream:x xmlns:stream='urn:mine'><stream:error/></stream:x></message>");
    assert_eq!(delivered(&message), message);
}

/// STZ-26: a prefix of the peer's own header is declared again on the stream that does not have it.
#[test]
fn prefix_of_the_peers_header_is_declared_again_on_the_stanza() {
    let mut town = Town::new();
    let mine = format!("{TO_LOCAL} xmlns:my='urn:mine'");
    let peer = town.encrypted_with(&mine, certificate(&[REMOTE]));
    town.says(peer, &auth("="));
    town.says(peer, &header(&mine));
    town.says(peer, &HELLO.replace("<body>hello</body>", "<my:x/>"));
    let backend = town.backend_takes();
    let heard = town.hears(backend);
    assert!(heard.starts_with("<message xmlns:my='urn:mine' ") && heard.contains("<my:x/>"), "{heard}");
}

/// STZ-27: the very bytes go on, so no character is escaped twice or not at all.
#[test]
fn quotes_and_character_references_in_attributes_are_forwarded_as_they_are() {
    let message = HELLO.replace("<body>", "<body a='&quot;&apos;&lt;&#13;&#10;&#9;\"' b=\"'&#x27;&gt;>\">");
    assert_eq!(delivered(&message), message);
}

/// STZ-28
#[test]
fn cdata_is_forwarded_as_it_is_and_its_end_in_text_is_refused() {
    let cdata = HELLO.replace("hello", "<![CDATA[<message from='x'/> & ]] >]]>]]&gt;");
    assert_eq!(delivered(&cdata), cdata);
    let mut town = Town::new();
    let peer = town.proven();
    town.says(peer, &HELLO.replace("hello", "]]>"));
    town.ends_with(peer, "not-well-formed");
}

/// STZ-34, STZ-35: acknowledgements were not negotiated, so each request is refused, up to a bound.
#[test]
fn flood_of_acknowledgement_requests_ends_the_stream() {
    for element in ["<r xmlns='urn:xmpp:sm:3'/>", "<a xmlns='urn:xmpp:sm:3' h='4294967295'/>"] {
        let mut town = Town::new();
        let peer = town.proven();
        for _ in 0..1_000 {
            if !town.line(peer).is_closed {
                town.says(peer, element);
            }
        }
        let heard = town.hears(peer);
        assert!(heard.len() < 16_384 && town.line(peer).is_closed, "{heard}");
    }
}
