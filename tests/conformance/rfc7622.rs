//! RFC 7622: addresses as public API; the rows ADR-* stand with the code in `address`.

use ringgate_proto::address::{AddressError, Jid};

use crate::peer::domain;

/// A1.23: no spelling slips past a comparison.
#[test]
fn spellings_of_one_domain_are_equal_and_hash_alike() {
    let spellings =
        ["bücher.example", "BÜCHER.EXAMPLE.", "xn--bcher-kva.example", "bu\u{308}cher.example", "bücher。example"];
    let set: std::collections::HashSet<_> = spellings.map(domain).into_iter().collect();
    assert_eq!(set.len(), 1);
}

/// A1.17: `victim/x@evil` is at `victim`.
#[test]
fn separators_are_found_in_the_order_of_the_standard() {
    assert_eq!(Jid::split("victim.example/x@evil.example").unwrap().domain, b"victim.example");
    assert_eq!(Jid::split("a@b/c@d/e").unwrap().resource, Some(b"c@d/e".as_slice()));
    assert_eq!(Jid::split("@b"), Err(AddressError::Empty));
}
