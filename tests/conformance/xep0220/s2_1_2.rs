//! XEP-0220 §2.1.2: the Receiving Server asks the authoritative server, and matches (from, to, id).

use ringgate_proto::dialback::{DialbackError, FrameKind, Outcome, Verifications};
use ringgate_proto::limits::VERIFICATION_REQUESTS_PER_STREAM;
use ringgate_proto::proof::{DomainVerified, Method};

use super::{answer, read, text};
use crate::peer::*;

const ID: &str = "our-id";

/// `remote.example` wants to send to `local.example`; the result came on stream 7.
fn asked() -> Verifications<u32> {
    let (mut verifications, mut out) = (Verifications::default(), Vec::new());
    assert_eq!(verifications.ask(&pair(REMOTE, LOCAL), ID, "key", 7, &mut out), None);
    verifications
}

fn verify(from: &str, to: &str, id: &str, outcome: Outcome) -> ringgate_proto::dialback::Frame {
    answer(FrameKind::Verify, from, to, Some(id), outcome)
}

#[test]
fn question_goes_from_the_target_to_the_sender_domain_with_our_stream_id() {
    let (mut verifications, mut out) = (Verifications::default(), Vec::new());
    verifications.ask(&pair(REMOTE, LOCAL), "our'id", "k<ey", (), &mut out);
    assert_eq!(
        text(&mut out),
        "<db:verify from='local.example' to='remote.example' id='our&apos;id'>k&lt;ey</db:verify>"
    );
}

#[test]
fn valid_answer_proves_the_pair_of_the_result_and_names_its_origin() {
    let mut verifications = asked();
    let (origin, verdict) = verifications.handle_answer(&verify(REMOTE, LOCAL, ID, Outcome::Valid)).unwrap();
    let proven = DomainVerified::from(verdict.unwrap());
    assert_eq!((origin, proven.pair(), proven.method()), (7, &pair(REMOTE, LOCAL), Method::Dialback));
    assert!(verifications.is_empty());
}

#[test]
fn invalid_and_error_prove_nothing() {
    for outcome in [Outcome::Invalid, Outcome::Error(DialbackError::ItemNotFound)] {
        let verdict = asked().handle_answer(&verify(REMOTE, LOCAL, ID, outcome));
        assert_eq!(verdict, Some((7, Err(outcome))));
    }
}

/// DBK-02 and A1.1
#[test]
fn unsolicited_answer_is_nothing() {
    let mut verifications = Verifications::<u32>::default();
    assert_eq!(verifications.handle_answer(&verify(REMOTE, LOCAL, ID, Outcome::Valid)), None);
}

/// A1.1: all combinations of (from, to, id, element) but the right one.
#[test]
fn answer_that_differs_in_any_part_is_nothing() {
    let mut verifications = asked();
    for from in [REMOTE, LOCAL, "else.example"] {
        for to in [LOCAL, REMOTE, "other.example"] {
            for id in [ID, "our-i", "our-id ", "OUR-ID", "else"] {
                if (from, to, id) != (REMOTE, LOCAL, ID) {
                    assert_eq!(
                        verifications.handle_answer(&verify(from, to, id, Outcome::Valid)),
                        None,
                        "{from} {to} {id}"
                    );
                }
            }
        }
    }
    for id in [None, Some(ID)] {
        let result = answer(FrameKind::Result, REMOTE, LOCAL, id, Outcome::Valid);
        assert_eq!(verifications.handle_answer(&result), None);
    }
    let request = read("<db:verify from='remote.example' to='local.example' id='our-id'>key</db:verify>").unwrap();
    assert_eq!(verifications.handle_answer(&request), None);
    assert_eq!(verifications.len(), 1, "the question is still open");
}

/// A1.1: an answer counts on the stream that the question went out on.
#[test]
fn answer_on_another_stream_is_nothing() {
    let (_first, mut second) = (asked(), Verifications::<u32>::default());
    assert_eq!(second.handle_answer(&verify(REMOTE, LOCAL, ID, Outcome::Valid)), None);
}

/// DBK-06
#[test]
fn second_answer_is_unsolicited() {
    let mut verifications = asked();
    assert!(verifications.handle_answer(&verify(REMOTE, LOCAL, ID, Outcome::Valid)).is_some());
    assert_eq!(verifications.handle_answer(&verify(REMOTE, LOCAL, ID, Outcome::Invalid)), None);
}

#[test]
fn same_question_is_not_asked_twice_while_it_is_open() {
    let mut verifications = asked();
    let mut out = Vec::new();
    assert_eq!(verifications.ask(&pair(REMOTE, LOCAL), ID, "another key", 8, &mut out), Some(8));
    assert_eq!(verifications.ask(&pair(REMOTE, LOCAL), "another-id", "key", 9, &mut out), None);
    assert_eq!(text(&mut out).matches("<db:verify ").count(), 1);
}

/// DBK-22, on one stream.
#[test]
fn questions_beyond_the_bound_are_given_back() {
    let (mut verifications, mut out) = (Verifications::default(), Vec::new());
    for n in 0..VERIFICATION_REQUESTS_PER_STREAM {
        assert_eq!(verifications.ask(&pair(REMOTE, LOCAL), &format!("id{n}"), "key", n, &mut out), None);
    }
    out.clear();
    assert!(verifications.is_full());
    assert_eq!(verifications.ask(&pair(REMOTE, LOCAL), "one-more", "key", 999, &mut out), Some(999));
    assert!(out.is_empty());
}

/// DBK-13, at the machine: nothing is left behind when time is over.
#[test]
fn open_questions_are_given_up_with_their_origins() {
    let mut verifications = asked();
    assert_eq!(verifications.drain(), [(7, pair(REMOTE, LOCAL))]);
    assert!(verifications.is_empty());
    assert_eq!(verifications.handle_answer(&verify(REMOTE, LOCAL, ID, Outcome::Valid)), None);
}

/// COMPAT test: Prosody echoes the key.
#[test]
fn answer_with_echoed_key_is_an_answer() {
    let frame = read("<db:verify from='remote.example' to='local.example' id='our-id' type='valid'>k</db:verify>");
    assert!(asked().handle_answer(&frame.unwrap()).unwrap().1.is_ok());
}
