use alloc::format;
use alloc::vec::Vec;

use super::*;
use crate::address::DomainPair;
use crate::dialback::{Frame, FrameBody, FrameKind, Outcome, Requests, Secret};

fn pair(from: &str, to: &str) -> DomainPair {
    let domain = |name| Domain::parse(name).expect("a domain");
    DomainPair { from: domain(from), to: domain(to) }
}

/// A proof as a stream gets it: by a dialback request that was answered `valid`.
fn proof(from: &str, to: &str) -> DomainVerified {
    let (pair, mut requests) = (pair(from, to), Requests::default());
    requests.request(&pair, &Secret::new(b"secret"), "id", &mut Vec::new());
    let body = FrameBody::Answer(Outcome::Valid);
    let answer = Frame { pair: pair.reversed(), kind: FrameKind::Result, id: None, body };
    let (_, verdict) = requests.handle_answer(&answer).expect("it was asked for");
    DomainVerified::from(verdict.expect("it is valid"))
}

fn proven(pairs: &[(&str, &str)]) -> Proven {
    let mut proven = Proven::default();
    for (number, (from, to)) in pairs.iter().enumerate() {
        assert!(proven.insert(proof(from, to), PairIndex(number as u32)), "{from} {to}");
    }
    proven
}

#[test]
fn nothing_is_proven_on_a_fresh_stream() {
    let mut proven = Proven::default();
    assert_eq!(proven.standing("a.example", "b.example"), Standing::Unproven);
    assert!(proven.is_empty() && proven.sender("a.example").is_none());
}

#[test]
fn every_pair_is_found_under_its_own_number_in_any_order() {
    let pairs = [
        ("c.example", "x.example"),
        ("a.example", "z.example"),
        ("b.example", "x.example"),
        ("a.example", "x.example"),
    ];
    let mut proven = proven(&pairs);
    for round in [[0, 1, 2, 3], [3, 1, 0, 2], [2, 2, 3, 3]] {
        for number in round {
            let (from, to) = pairs[number];
            assert_eq!(proven.standing(from, to), Standing::Proven(PairIndex(number as u32)), "{from} {to}");
        }
    }
    let mut numbers: Vec<u32> = proven.pairs().map(|index| index.0).collect();
    numbers.sort_unstable();
    assert_eq!((numbers.as_slice(), proven.len()), ([0, 1, 2, 3].as_slice(), 4));
}

/// The pair that was used last is tried first: neither half of it may stand for the whole.
#[test]
fn half_of_a_proven_pair_proves_nothing() {
    let mut proven = proven(&[("a.example", "x.example"), ("b.example", "y.example")]);
    for _ in 0..2 {
        assert_eq!(proven.standing("a.example", "y.example"), Standing::OtherTarget);
        assert_eq!(proven.standing("c.example", "x.example"), Standing::Unproven);
        assert_eq!(proven.standing("x.example", "a.example"), Standing::Unproven);
        assert_eq!(proven.standing("a.example", "x.example"), Standing::Proven(PairIndex(0)));
    }
}

#[test]
fn proof_covers_no_name_above_below_or_beside() {
    let mut proven = proven(&[("a.example", "x.example")]);
    for from in ["b.a.example", "example", "aa.example", "a.example.org", "", "a.example/"] {
        assert_eq!(proven.standing(from, "x.example"), Standing::Unproven, "{from:?}");
    }
}

/// What a backend would have to map first is another name to it: it is not forwarded as proven.
#[test]
fn only_the_wire_spelling_of_a_domain_is_proven() {
    let mut proven = proven(&[("bücher.example", "x.example")]);
    assert_eq!(proven.standing("bücher.example", "X.Example"), Standing::Proven(PairIndex(0)));
    for from in ["xn--bcher-kva.example", "BÜCHER.example", "bücher.example.", "bücher。example"] {
        assert_eq!(proven.standing(from, "x.example"), Standing::Unproven, "{from}");
    }
}

#[test]
fn pair_proven_again_keeps_its_first_number() {
    let mut proven = proven(&[("a.example", "x.example")]);
    assert!(!proven.insert(proof("a.example", "x.example"), PairIndex(7)));
    assert_eq!(proven.standing("a.example", "x.example"), Standing::Proven(PairIndex(0)));
    assert_eq!(proven.len(), 1);
}

#[test]
fn sender_is_found_among_many_and_never_taken_for_its_neighbour() {
    let names: Vec<_> = (0..9).map(|n| (format!("s{n}.example"), format!("t{n}.example"))).collect();
    let pairs: Vec<_> = names.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    let proven = proven(&pairs);
    for (from, to) in pairs {
        let found = proven.sender(from).expect("it is proven");
        assert_eq!(*found.pair(), pair(from, to));
    }
    for stranger in ["r.example", "s4.exampla", "s44.example", "z.example"] {
        assert!(proven.sender(stranger).is_none(), "{stranger}");
    }
}
