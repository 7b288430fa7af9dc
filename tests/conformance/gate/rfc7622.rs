//! RFC 7622: addresses, as a whole gate compares and refuses them.

use super::town::*;
use crate::peer::*;

fn hello_to(address: &str) -> String {
    HELLO.replace("b@local.example", address)
}

/// ADR-01: 1,023 bytes of a part are in order, one more is not.
#[test]
fn part_of_1024_bytes_hears_jid_malformed() {
    let part = |bytes: usize| "x".repeat(bytes);
    for (address, is_malformed) in [
        (format!("{}@local.example", part(1023)), false),
        (format!("{}@local.example", part(1024)), true),
        (format!("b@local.example/{}", part(1023)), false),
        (format!("b@local.example/{}", part(1024)), true),
    ] {
        let mut town = Town::new();
        town.knows_remote();
        let peer = town.proven();
        town.says(peer, &hello_to(&address));
        town.goes_on(peer);
        let call = town.calls.front().expect("the stanza or its error goes out");
        assert_eq!(call.address, if is_malformed { REMOTE_ADDRESS } else { BACKEND });
    }
}

/// ADR-02, ADR-03: other spellings of one domain in a header are that domain, and its stanzas are of the same pair.
#[test]
fn other_spellings_of_a_domain_in_the_header_are_the_same_pair() {
    for spelling in ["local.example.", "LOCAL.example", "ｌｏｃａｌ.example", "local。example"] {
        let mut town = Town::new();
        let attributes = format!("from='remote.example' to='{spelling}' version='1.0'");
        let peer = town.encrypted_with(&attributes, certificate(&[REMOTE]));
        town.says(peer, &auth("="));
        town.says(peer, &header(&attributes));
        town.says(peer, HELLO);
        town.says(peer, &hello_to("b@LOCAL.Example/x"));
        town.goes_on(peer);
        assert_eq!(town.account(REMOTE, LOCAL).accepted, 2, "{spelling}");
        assert_eq!(town.gate.accounts().count(), 1, "{spelling}");
    }
}

/// ADR-02, ADR-03: a stanza's bytes go on unchanged, so a spelling that a backend might take for another domain than
/// the proven one is refused instead of forwarded.
#[test]
fn stanza_in_a_spelling_that_needs_preparation_is_not_forwarded() {
    for spelling in ["local.example.", "ｌｏｃａｌ.example", "local。example"] {
        let mut town = Town::new();
        let peer = town.proven();
        town.says(peer, &hello_to(&format!("b@{spelling}/x")));
        assert!(town.line(peer).is_closed && town.calls.is_empty(), "{spelling}");
        assert_eq!(town.account(REMOTE, LOCAL).accepted, 0);
    }
}

/// ADR-06, inbound.
#[test]
fn address_literal_as_target_hears_host_unknown() {
    let mut town = Town::new();
    for literal in ["192.0.2.1", "[2001:db8::1]"] {
        let peer = town.connects();
        town.says(peer, &header(&format!("from='remote.example' to='{literal}' version='1.0'")));
        let heard = town.hears(peer);
        assert!(heard.contains("<host-unknown ") || heard.contains("<improper-addressing "), "{heard}");
        assert!(town.line(peer).is_closed);
    }
}

/// ADR-06, outbound: nobody is asked for the service of an address.
#[test]
fn stanza_to_an_address_literal_comes_back_and_nothing_is_dialled() {
    for literal in ["192.0.2.1", "[2001:db8::1]"] {
        let mut town = Town::new();
        let (backend, back) = town.backend_calls();
        town.says(backend, &format!("<message from='b@local.example' to='a@{literal}' id='m'/>"));
        town.goes_on(backend);
        town.grants(back);
        let heard = town.hears(back);
        assert!(heard.is_empty() || heard.contains("<remote-server-not-found "), "{literal}: {heard}");
        assert!(town.calls.is_empty());
    }
}

/// ADR-07, inbound: the header ends the stream, and so does a stanza.
#[test]
fn malformed_domain_hears_improper_addressing() {
    let long_label = format!("{}.example", "x".repeat(64));
    let long_name = format!("{}example", "x.".repeat(124));
    assert!(long_name.len() > 253);
    for bad in ["a..example", ".example", &long_label, &long_name, "a_b.example"] {
        let mut town = Town::new();
        let peer = town.connects();
        town.says(peer, &header(&format!("from='{bad}' to='local.example' version='1.0'")));
        town.ends_with(peer, "improper-addressing");
        let peer = town.proven();
        town.says(peer, &hello_to(&format!("b@{bad}")));
        assert!(town.line(peer).is_closed && town.calls.is_empty(), "{bad}: it is no proven target either");
    }
}

/// ADR-07, outbound: one bad address of a backend's user costs one stanza.
#[test]
fn backends_stanza_to_a_malformed_domain_does_not_end_its_stream() {
    let mut town = Town::new();
    let (backend, _) = town.backend_calls();
    for bad in ["a..example", "a_b.example"] {
        town.says(backend, &format!("<message from='b@local.example' to='a@{bad}' id='m'/>"));
        town.goes_on(backend);
    }
    assert_eq!(town.count("jid-malformed"), 2);
}

/// ADR-09: only the domain is prepared; the rest is the backend's business.
#[test]
fn unassigned_code_points_in_a_resource_are_forwarded() {
    let message = hello_to("b@local.example/\u{E0080}\u{378}x");
    let mut town = Town::new();
    let peer = town.proven();
    town.says(peer, &message);
    let backend = town.backend_takes();
    assert_eq!(town.hears(backend), message);
}

/// ADR-03: a header may say A-labels; stanzas then go by the U-labels that backends read.
#[test]
fn domain_proven_by_its_a_labels_sends_stanzas_under_its_u_labels() {
    let mut town = Town::new();
    let attributes = "from='xn--bcher-kva.example' to='local.example' version='1.0'";
    let peer = town.encrypted_with(attributes, certificate(&["xn--bcher-kva.example"]));
    town.says(peer, &auth("="));
    town.says(peer, &header(attributes));
    town.says(peer, &HELLO.replace("a@remote.example", "a@bücher.example"));
    town.goes_on(peer);
    assert_eq!(town.account("bücher.example", LOCAL).accepted, 1);
    town.says(peer, &HELLO.replace("a@remote.example", "a@xn--bcher-kva.example"));
    town.ends_with(peer, "invalid-from");
    assert_eq!(town.account("bücher.example", LOCAL).accepted, 1);
}
