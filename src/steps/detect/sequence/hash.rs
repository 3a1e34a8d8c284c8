//! Hashes of stretches of the sequence, so that equal ones are found without comparing them.
//!
//! That of the tokens from `a` to `b` is `prefix[b] - prefix[a] * power(b - a)`.

use crate::steps::spread::spread;

/// `result[i]` is the hash of the first `i` tokens.
pub(super) fn prefix_hashes(tokens: &[u32]) -> Vec<u64> {
    let mut hashes = Vec::with_capacity(tokens.len() + 1);
    hashes.push(0_u64);
    for &token in tokens {
        let last = hashes[hashes.len() - 1];
        hashes.push(last.wrapping_mul(BASE).wrapping_add(spread(u64::from(token))));
    }
    hashes
}

const BASE: u64 = 0xd6e8_feb8_6659_fd93;

/// The base to this power.
pub(super) fn power(exponent: u32) -> u64 {
    (0..exponent).fold(1, |power: u64, _| power.wrapping_mul(BASE))
}
