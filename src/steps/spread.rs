//! Numbers spread over 64 bits, so that hashes made by adding them tell apart what they are made of.
//!
//! Which kernels ran is hashed by sums, since the order in which streams come to run does not matter. Names are numbered
//! from zero; a multiple of a constant would keep them on a line, where twice the first is the second.

/// By how much the state of SplitMix64 grows at each draw.
pub(crate) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection whose values look random: what SplitMix64 draws from the state `number`.
pub(crate) fn spread(number: u64) -> u64 {
    let mut x = number.wrapping_add(GOLDEN);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::spread;

    #[test]
    fn sums_of_up_to_three_small_numbers_are_all_different() {
        let mut met = HashSet::new();
        for a in 0..60 {
            assert!(met.insert(spread(a)));
            for b in a..60 {
                assert!(met.insert(spread(a).wrapping_add(spread(b))));
                for c in b..60 {
                    assert!(met.insert(spread(a).wrapping_add(spread(b)).wrapping_add(spread(c))));
                }
            }
        }
    }
}
