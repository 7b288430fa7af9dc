//! No attribute twice: neither by QName nor by expanded name. XML 1.0 §3.1, Namespaces in XML 1.0 §6.3.

use alloc::vec::Vec;

use super::scratch::{Attribute, Scratch};
use super::{Rule, StreamContext, namespaces};

/// Up to this many attributes are told apart by length and first byte first, more by a hash of the whole name.
const FEW: usize = 8;

/// Checks the QNames of the current tag's attributes.
#[inline(always)]
pub(super) fn by_qname(s: &[u8], attributes: &[Attribute]) -> Result<(), Rule> {
    if attributes.len() > FEW {
        return by_qname_hashed(s, attributes);
    }
    // One bit for each name, by length and first byte: those of a tag differ in it nearly always.
    let (mut seen, mut clash) = (0u64, 0);
    for Attribute { name, .. } in attributes {
        let bit = 1 << ((u32::from(s[name.start as usize]) + 8 * u32::from(name.len)) & 63);
        clash |= seen & bit;
        seen |= bit;
    }
    if clash == 0 { Ok(()) } else { by_qname_closely(s, attributes) }
}

#[inline(never)]
fn by_qname_closely(s: &[u8], attributes: &[Attribute]) -> Result<(), Rule> {
    for (i, one) in attributes.iter().enumerate() {
        let same = |other: &Attribute| one.name.len == other.name.len && one.name.bytes(s) == other.name.bytes(s);
        if attributes[..i].iter().any(same) {
            return Err(Rule::NotWellFormed);
        }
    }
    Ok(())
}

#[cold]
#[inline(never)]
fn by_qname_hashed(s: &[u8], attributes: &[Attribute]) -> Result<(), Rule> {
    let hashes: Vec<u64> = attributes.iter().map(|a| hash(0, a.name.bytes(s))).collect();
    let same = |i: usize, j: usize| attributes[i].name.bytes(s) == attributes[j].name.bytes(s);
    if any_pair(&hashes, same) { Err(Rule::NotWellFormed) } else { Ok(()) }
}

/// Checks the expanded names of those attributes that have a prefix.
#[cold]
#[inline(never)]
pub(super) fn by_expanded_name(s: &[u8], scratch: &mut Scratch, context: &StreamContext) -> Result<(), Rule> {
    let mut names = Vec::new();
    let mut hashes = Vec::new();
    for i in 0..scratch.attributes.len() {
        let attribute = scratch.attributes[i];
        if attribute.name.prefix != 0 && !namespaces::declares(s, attribute.name) {
            let namespace = namespaces::resolve(s, scratch, context, attribute.name)?.name(s, context);
            let local = attribute.name.local(s);
            hashes.push(hash(hash(0, local), &namespace));
            names.push((local, namespace));
        }
    }
    let same = |i: usize, j: usize| names[i] == names[j];
    if any_pair(&hashes, same) { Err(Rule::NotWellFormed) } else { Ok(()) }
}

/// Whether two of a tag's attributes have the same hash and are the same. Quadratic in a number bounded by
/// `Limits::attributes`, but only in comparisons of integers: hashes without a seed that a peer makes collide cost it
/// at most as many comparisons of names.
fn any_pair(hashes: &[u64], same: impl Fn(usize, usize) -> bool) -> bool {
    hashes.iter().enumerate().any(|(i, one)| (0..i).any(|j| hashes[j] == *one && same(i, j)))
}

/// Mixes `bytes` into `seed`, eight at a time.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = seed ^ (bytes.len() as u64).wrapping_mul(ODD);
    let mut mix = |word: u64| state = (state ^ word).wrapping_mul(ODD).rotate_left(29);
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(u64::from_le_bytes(last));
    state
}
