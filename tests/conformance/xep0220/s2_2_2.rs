//! XEP-0220 §2.2.2: the Authoritative Server answers from the key alone.

use ringgate_proto::dialback::{DialbackError, FrameBody, Outcome, Secret, answer_verification};

use super::{read, text};
use crate::peer::*;

fn outcome(secret: &Secret, from: &str, to: &str, id: &str, key: &str, serves: bool) -> Outcome {
    let frame = read(&format!("<db:verify from='{from}' to='{to}' id='{id}'>{key}</db:verify>")).unwrap();
    let answer = answer_verification(&frame, secret, serves);
    assert_eq!((answer.pair, answer.id.as_deref()), (pair(to, from), Some(id)));
    match answer.body {
        FrameBody::Answer(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

/// The example of the section, with its key.
#[test]
fn right_key_is_valid_and_the_answer_repeats_the_id() {
    let key = "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643";
    let frame = format!("<db:verify from='xmpp.example.com' to='example.org' id='D60000229F'>{key}</db:verify>");
    let mut out = Vec::new();
    answer_verification(&read(&frame).unwrap(), &Secret::new(b"s3cr3tf0rd14lb4ck"), true).write(&mut out);
    assert_eq!(text(&mut out), "<db:verify from='example.org' to='xmpp.example.com' id='D60000229F' type='valid'/>");
}

/// DBK-26: wrong in its last character, or anywhere else.
#[test]
fn wrong_key_is_invalid() {
    let secret = Secret::new(b"s");
    let key = secret.key(&domain(REMOTE), &domain(LOCAL), "i");
    assert_eq!(outcome(&secret, REMOTE, LOCAL, "i", &key, true), Outcome::Valid);
    let last = if key.ends_with('0') { '1' } else { '0' };
    for wrong in
        [format!("{}{last}", &key[..63]), String::new(), key[..63].into(), format!("{key}0"), key.to_uppercase()]
    {
        assert_eq!(outcome(&secret, REMOTE, LOCAL, "i", &wrong, true), Outcome::Invalid, "{wrong}");
    }
}

#[test]
fn key_for_another_id_or_another_domain_is_invalid() {
    let secret = Secret::new(b"s");
    let key = secret.key(&domain(REMOTE), &domain(LOCAL), "i");
    assert_eq!(outcome(&secret, REMOTE, LOCAL, "j", &key, true), Outcome::Invalid);
    assert_eq!(outcome(&secret, "else.example", LOCAL, "i", &key, true), Outcome::Invalid);
    assert_eq!(outcome(&secret, REMOTE, "other.example", "i", &key, true), Outcome::Invalid);
    assert_eq!(outcome(&secret, LOCAL, REMOTE, "i", &key, true), Outcome::Invalid);
}

/// DBK-28 and A1.2 (CVE-2016-0756)
#[test]
fn characters_moved_between_the_fields_are_invalid() {
    let secret = Secret::new(b"s");
    let key = secret.key(&domain("a.example"), &domain("b.example"), "c");
    assert_eq!(outcome(&secret, "a.exampleb", "example", "c", &key, true), Outcome::Invalid);
    assert_eq!(outcome(&secret, "a.example", "b.examplec", "c", &key, true), Outcome::Invalid);
}

/// DBK-29
#[test]
fn key_of_another_secret_is_invalid() {
    let key = Secret::new(b"before the restart").key(&domain(REMOTE), &domain(LOCAL), "i");
    assert_eq!(outcome(&Secret::new(b"after it"), REMOTE, LOCAL, "i", &key, true), Outcome::Invalid);
}

/// DBK-09
#[test]
fn domain_that_is_not_ours_is_not_found_even_with_the_right_key() {
    let secret = Secret::new(b"s");
    let key = secret.key(&domain(REMOTE), &domain("else.example"), "i");
    let expected = Outcome::Error(DialbackError::ItemNotFound);
    assert_eq!(outcome(&secret, REMOTE, "else.example", "i", &key, false), expected);
}

#[test]
fn what_is_no_request_for_verification_is_not_acceptable() {
    for element in [
        "<db:verify from='remote.example' to='local.example' id='i' type='valid'/>",
        "<db:result from='remote.example' to='local.example'>key</db:result>",
    ] {
        let answer = answer_verification(&read(element).unwrap(), &Secret::new(b"s"), true);
        assert_eq!(answer.body, FrameBody::Answer(Outcome::Error(DialbackError::NotAcceptable)));
    }
}

/// COMPAT test: Prosody asks on a stream of its own that has proven nothing yet.
#[test]
fn verification_is_taken_on_an_unauthenticated_stream() {
    let mut peer = is_encrypted(DEFAULT, certificate(&["else.example"]));
    peer.says("<db:verify from='remote.example' to='local.example' id='i'>key</db:verify>");
    assert_eq!((peer.taken.len(), peer.error), (1, None));
}
