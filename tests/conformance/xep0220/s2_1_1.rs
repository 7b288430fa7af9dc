//! XEP-0220 §2.1.1: the Initiating Server asks for authorisation and believes only what it asked for.

use ringgate_proto::dialback::{DialbackError, FrameKind, Outcome, Requests, Secret};
use ringgate_proto::limits::PAIRS_PER_STREAM;
use ringgate_proto::proof::{DomainVerified, Method};

use super::{answer, read, text};
use crate::peer::*;

fn asked(pairs: &[(&str, &str)]) -> Requests {
    let (mut requests, mut out) = (Requests::default(), Vec::new());
    for (from, to) in pairs {
        assert!(requests.request(&pair(from, to), &Secret::new(b"s"), "peer-id", &mut out));
    }
    requests
}

fn result(from: &str, to: &str, outcome: Outcome) -> ringgate_proto::dialback::Frame {
    answer(FrameKind::Result, from, to, None, outcome)
}

/// The example of the section, with its key.
#[test]
fn request_carries_the_key_made_from_the_peers_stream_id() {
    let (mut requests, mut out) = (Requests::default(), Vec::new());
    let secret = Secret::new(b"s3cr3tf0rd14lb4ck");
    requests.request(&pair("example.org", "xmpp.example.com"), &secret, "D60000229F", &mut out);
    assert_eq!(
        text(&mut out),
        "<db:result from='example.org' to='xmpp.example.com'>\
         37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643</db:result>"
    );
}

#[test]
fn valid_answer_proves_the_pair_in_the_direction_of_our_stanzas() {
    let mut requests = asked(&[(LOCAL, REMOTE)]);
    let (asked, verdict) = requests.handle_answer(&result(REMOTE, LOCAL, Outcome::Valid)).unwrap();
    assert_eq!(asked, pair(LOCAL, REMOTE));
    let proven = DomainVerified::from(verdict.unwrap());
    assert_eq!((proven.pair(), proven.method()), (&pair(LOCAL, REMOTE), Method::Dialback));
    assert_eq!(requests.pending().count(), 0);
}

/// DBK-16, DBK-17, at the machine: the router hears which of the two it was.
#[test]
fn invalid_and_error_are_told_apart() {
    for outcome in [Outcome::Invalid, Outcome::Error(DialbackError::RemoteServerTimeout)] {
        let mut requests = asked(&[(LOCAL, REMOTE), ("other.example", REMOTE)]);
        let verdict = requests.handle_answer(&result(REMOTE, LOCAL, outcome)).unwrap();
        assert_eq!(verdict, (pair(LOCAL, REMOTE), Err(outcome)));
        assert!(requests.pending().eq([&pair("other.example", REMOTE)]));
    }
}

/// DBK-01 and A1.1 (CVE-2012-3525, -4669, -4670, -4671, -4672)
#[test]
fn unsolicited_answer_is_nothing() {
    let mut requests = Requests::default();
    assert_eq!(requests.handle_answer(&result(REMOTE, LOCAL, Outcome::Valid)), None);
}

/// DBK-07 and A1.1: all wrong combinations of direction and domains, and the wrong element.
#[test]
fn answer_for_a_pair_that_was_not_asked_for_is_nothing() {
    let mut requests = asked(&[(LOCAL, REMOTE)]);
    for (from, to) in [
        (LOCAL, REMOTE),
        (REMOTE, "other.example"),
        ("else.example", LOCAL),
        ("else.example", "other.example"),
        (LOCAL, LOCAL),
        (REMOTE, REMOTE),
        ("sub.remote.example", LOCAL),
    ] {
        assert_eq!(requests.handle_answer(&result(from, to, Outcome::Valid)), None, "{from} {to}");
    }
    let verify = answer(FrameKind::Verify, REMOTE, LOCAL, Some("peer-id"), Outcome::Valid);
    assert_eq!(requests.handle_answer(&verify), None);
    let request = read("<db:result from='remote.example' to='local.example'>key</db:result>").unwrap();
    assert_eq!(requests.handle_answer(&request), None);
    assert!(requests.pending().eq([&pair(LOCAL, REMOTE)]), "the question is still open");
}

/// DBK-06 and A1.1
#[test]
fn second_answer_is_unsolicited() {
    let mut requests = asked(&[(LOCAL, REMOTE)]);
    assert!(requests.handle_answer(&result(REMOTE, LOCAL, Outcome::Valid)).is_some());
    assert_eq!(requests.handle_answer(&result(REMOTE, LOCAL, Outcome::Invalid)), None);
}

/// DBK-33
#[test]
fn answer_in_another_spelling_is_for_the_same_pair() {
    let mut requests = asked(&[(LOCAL, "bücher.example")]);
    let frame = read("<db:result from='XN--BCHER-KVA.example.' to='Local.EXAMPLE' type='valid'/>").unwrap();
    assert_eq!(requests.handle_answer(&frame).unwrap().0, pair(LOCAL, "bücher.example"));
}

/// COMPAT test: Prosody puts an `id` and the key into its answers.
#[test]
fn answer_with_id_and_echoed_key_is_an_answer() {
    let mut requests = asked(&[(LOCAL, REMOTE)]);
    let frame = read("<db:result from='remote.example' to='local.example' id='x' type='valid'>k</db:result>").unwrap();
    assert!(requests.handle_answer(&frame).unwrap().1.is_ok());
}

#[test]
fn pending_pair_is_not_asked_for_twice_and_a_refused_one_may_be_again() {
    let mut requests = asked(&[(LOCAL, REMOTE)]);
    let mut out = Vec::new();
    assert!(!requests.request(&pair(LOCAL, REMOTE), &Secret::new(b"s"), "peer-id", &mut out));
    assert!(out.is_empty());
    requests.handle_answer(&result(REMOTE, LOCAL, Outcome::Invalid));
    assert!(requests.request(&pair(LOCAL, REMOTE), &Secret::new(b"s"), "peer-id", &mut out));
}

#[test]
fn pairs_beyond_the_bound_are_not_asked_for() {
    let (mut requests, mut out) = (Requests::default(), Vec::new());
    for n in 0..PAIRS_PER_STREAM {
        assert!(requests.request(&pair(&format!("d{n}.example"), REMOTE), &Secret::new(b"s"), "i", &mut out));
    }
    out.clear();
    assert!(!requests.request(&pair(LOCAL, REMOTE), &Secret::new(b"s"), "i", &mut out));
    assert_eq!((out.len(), requests.pending().count()), (0, PAIRS_PER_STREAM));
}
