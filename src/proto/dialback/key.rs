//! Keys that any shard or host with the secret can check without a table. XEP-0185 §2.

use alloc::string::String;
use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::address::Domain;

/// The secret that keys are made from. XEP-0185 §2.
///
/// Only its digest is kept, and it is never shown.
pub struct Secret {
    /// Lower-case hex of SHA-256 of the secret.
    digest: [u8; 64],
}

impl Secret {
    /// From what the operator configured or the shell drew at random.
    pub fn new(secret: &[u8]) -> Self {
        Self { digest: hex(&Sha256::digest(secret).into()) }
    }

    /// Lower-case hex of HMAC-SHA256(hex(SHA256(secret)), "receiving originating id").
    pub fn key(&self, receiving: &Domain, originating: &Domain, stream_id: &str) -> String {
        self.digits(receiving, originating, stream_id).iter().copied().map(char::from).collect()
    }

    /// Constant-time comparison with the right key.
    pub fn matches(&self, key: &str, receiving: &Domain, originating: &Domain, stream_id: &str) -> bool {
        self.digits(receiving, originating, stream_id).ct_eq(key.as_bytes()).into()
    }

    /// Domains have no space, so no two triples give the same text (class of CVE-2016-0756). Their A-labels are taken:
    /// a peer may spell an international name either way.
    fn digits(&self, receiving: &Domain, originating: &Domain, stream_id: &str) -> [u8; 64] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.digest).expect("HMAC takes a key of any length");
        for part in [receiving.as_ascii(), " ", originating.as_ascii(), " ", stream_id] {
            mac.update(part.as_bytes());
        }
        hex(&mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    core::array::from_fn(|n| {
        let byte = bytes[n / 2];
        DIGITS[usize::from(if n % 2 == 0 { byte >> 4 } else { byte & 15 })]
    })
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn domain(name: &str) -> Domain {
        Domain::parse(name).unwrap()
    }

    /// A1.2: the key that XEP-0185 and XEP-0220 §2.1.1 print.
    #[test]
    fn key_is_that_of_the_known_answer() {
        let secret = Secret::new(b"s3cr3tf0rd14lb4ck");
        let (receiving, originating) = (domain("xmpp.example.com"), domain("example.org"));
        let key = secret.key(&receiving, &originating, "D60000229F");
        assert_eq!(key, "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643");
        assert!(secret.matches(&key, &receiving, &originating, "D60000229F"));
    }

    /// DBK-26: nothing but the key itself matches, wherever the difference is.
    #[test]
    fn any_other_text_does_not_match() {
        let secret = Secret::new(b"secret");
        let (a, b) = (domain("a.example"), domain("b.example"));
        let key = secret.key(&a, &b, "id");
        for at in 0..key.len() {
            let mut other = key.clone().into_bytes();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            assert!(!secret.matches(core::str::from_utf8(&other).unwrap(), &a, &b, "id"));
            assert!(!secret.matches(&key[..at], &a, &b, "id"));
        }
        assert!(!secret.matches(&key.to_uppercase(), &a, &b, "id"));
        assert!(!secret.matches(&format!("{key}0"), &a, &b, "id"));
        assert!(!secret.matches(&key, &b, &a, "id"));
        assert!(!secret.matches(&key, &a, &b, "ie"));
        assert!(!Secret::new(b"secreu").matches(&key, &a, &b, "id"));
    }

    /// DBK-28
    #[test]
    fn moving_characters_from_one_field_to_the_next_changes_the_key() {
        let secret = Secret::new(b"secret");
        let key = |a, b, id| secret.key(&domain(a), &domain(b), id);
        assert_ne!(key("a.example", "b.example", "id"), key("a.exampleb", "example", "id"));
        assert_ne!(key("a.example", "b.example", "id"), key("a.example", "b.examplei", "d"));
        assert_ne!(
            key("a.example", "b.example", "c.example id"),
            key("a.example", "b.example c.example".split(' ').next().unwrap(), "id")
        );
    }

    #[test]
    fn both_spellings_of_an_international_name_give_one_key() {
        let secret = Secret::new(b"secret");
        let a = domain("a.example");
        assert_eq!(
            secret.key(&domain("bücher.example"), &a, "x"),
            secret.key(&domain("xn--bcher-kva.example"), &a, "x")
        );
    }

    /// DBK-29
    #[test]
    fn key_outlives_its_maker_when_the_secret_is_configured() {
        let (a, b) = (domain("a.example"), domain("b.example"));
        let key = Secret::new(b"configured").key(&a, &b, "id");
        assert!(Secret::new(b"configured").matches(&key, &a, &b, "id"));
        assert!(!Secret::new(b"drawn anew").matches(&key, &a, &b, "id"));
    }

    #[test]
    fn secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new(b"hunter2")), "Secret(..)");
    }
}
