//! The only source of randomness: the kernel.

/// Fills `bytes` with entropy from getrandom(2).
///
/// # Panics
/// When the kernel has no getrandom(2) or refuses it (a seccomp filter): ids and keys that a stranger could guess are
/// no way to go on.
pub fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("getrandom(2) is available since Linux 3.17");
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_draws_differ() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        super::fill(&mut a);
        super::fill(&mut b);
        assert_ne!(a, b);
    }
}
