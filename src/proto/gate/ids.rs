//! Unpredictable ids and jitter from one seed: SHA-256 in counter mode, so that the core needs no randomness of its own.

use sha2::{Digest, Sha256};

/// A generator; two with different seeds have nothing in common.
pub(crate) struct Ids {
    seed: [u8; 32],
    counter: u64,
}

impl Ids {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// 128 bits. RFC 6120 §4.7.3 asks for unpredictable, unique stream ids.
    pub(crate) fn next(&mut self) -> [u8; 16] {
        self.counter += 1;
        let digest = Sha256::new().chain_update(self.seed).chain_update(self.counter.to_be_bytes()).finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        id
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        let id = self.next();
        u64::from_be_bytes([id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7]])
    }

    pub(crate) fn next_u8(&mut self) -> u8 {
        self.next()[0]
    }
}

impl core::fmt::Debug for Ids {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ids").field("counter", &self.counter).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Ids;

    #[test]
    fn ids_differ_and_depend_on_the_seed() {
        let (mut a, mut b) = (Ids::new([1; 32]), Ids::new([2; 32]));
        let first = a.next();
        assert_ne!(first, a.next());
        assert_ne!(first, b.next());
        assert_eq!(first, Ids::new([1; 32]).next());
    }
}
