//! Which tokens a segment holds, how often, and how two segments differ.
//!
//! Order is left out: kernels of side streams and of speculative schedules change places, and what matters is what is
//! there. Counts are weighted by the kernels that a token stands for.

/// Kernels that a replayed pass and one that is not must have in common outside graphs. A layer's attention, which is not
/// in its graph, is fewer.
const LEAST_SHARED: u64 = 3;

/// Tokens and how often each occurs, by token.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(in crate::steps) struct Bag {
    counts: Vec<(u32, u32)>,
    weight: u64,
}

/// What one segment lacks and has beyond another, in kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(in crate::steps) struct Difference {
    pub(in crate::steps) missing: u64,
    pub(in crate::steps) extra: u64,
    /// Distinct tokens in both, and of the one that has fewer; of those outside graphs where these differ.
    shared: u64,
    fewer: u64,
    /// Kernels of either.
    weights: (u64, u64),
    /// Whether graphs make up most of one, and the other does not replay these: it runs eagerly, or from other pieces.
    unrolled: bool,
}

/// How one kind of segment stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::steps) enum Relation {
    /// The same, but for noise.
    Similar,
    /// Another pass of the same model: comparable size, some kernels replaced.
    Pass,
    /// The other with something added or left out, or something that has nothing to do with it.
    Part,
}

impl Bag {
    /// The bag of `tokens`.
    pub(in crate::steps) fn of(tokens: &[u32], weights: &[u32]) -> Self {
        let mut sorted = tokens.to_vec();
        sorted.sort_unstable();
        let mut counts: Vec<(u32, u32)> = Vec::new();
        for token in sorted {
            match counts.last_mut() {
                Some((last, count)) if *last == token => *count += 1,
                _ => counts.push((token, 1)),
            }
        }
        let weight = tokens.iter().map(|&token| u64::from(weights[token as usize])).sum();
        Self { counts, weight }
    }

    /// Kernels in it.
    pub(in crate::steps) fn weight(&self) -> u64 {
        self.weight
    }

    /// How many tokens, each as often as it occurs.
    pub(in crate::steps) fn length(&self) -> usize {
        self.counts.iter().map(|&(_, count)| count as usize).sum()
    }

    /// The tokens, each once.
    pub(in crate::steps) fn tokens(&self) -> impl Iterator<Item = u32> {
        self.counts.iter().map(|&(token, _)| token)
    }

    /// The tokens that `other` has fewer of, with how many, by token.
    pub(in crate::steps) fn beyond(&self, other: &Self) -> Vec<(u32, u32)> {
        let there = |token: u32| match other.counts.binary_search_by_key(&token, |&(token, _)| token) {
            Ok(at) => other.counts[at].1,
            Err(_) => 0,
        };
        let beyond = self.counts.iter().map(|&(token, count)| (token, count.saturating_sub(there(token))));
        beyond.filter(|&(_, count)| count > 0).collect()
    }

    /// Whether it has a token.
    pub(in crate::steps) fn has(&self, token: u32) -> bool {
        self.counts.binary_search_by_key(&token, |&(token, _)| token).is_ok()
    }

    /// What `other` lacks and has beyond this one.
    pub(in crate::steps) fn difference(&self, other: &Self, weights: &[u32]) -> Difference {
        let (mut a, mut b) = (self.counts.iter().peekable(), other.counts.iter().peekable());
        let mut found = Difference { weights: (self.weight, other.weight), ..Difference::default() };
        let mut eager = 0;
        let weigh = |token: u32, count: u32| u64::from(count) * u64::from(weights[token as usize]);
        loop {
            match (a.peek(), b.peek()) {
                (None, None) => break,
                (Some(&&(token, count)), other) if other.is_none_or(|&&(next, _)| token < next) => {
                    found.missing += weigh(token, count);
                    a.next();
                }
                (one, Some(&&(token, count))) if one.is_none_or(|&&(next, _)| token < next) => {
                    found.extra += weigh(token, count);
                    b.next();
                }
                (Some(&&(token, here)), Some(&&(_, there))) => {
                    found.missing += weigh(token, here.saturating_sub(there));
                    found.extra += weigh(token, there.saturating_sub(here));
                    eager += u64::from(weights[token as usize] == 1);
                    found.shared += 1;
                    a.next();
                    b.next();
                }
                _ => break,
            }
        }
        found.unrolled = self.unrolls(other, weights) || other.unrolls(self, weights);
        // A pass that is not replayed from the same graphs shares only what is outside them.
        let names = |bag: &Self| bag.tokens().filter(|&t| !found.unrolled || weights[t as usize] == 1).count() as u64;
        found.fewer = names(self).min(names(other));
        if found.unrolled {
            found.shared = eager;
        }
        found
    }

    /// Whether graphs make up most of this, and `other` runs the same eagerly or from far smaller pieces.
    fn unrolls(&self, other: &Self, weights: &[u32]) -> bool {
        let weight = |&(token, _): &(u32, u32)| weights[token as usize];
        let largest = |bag: &Self| bag.counts.iter().map(weight).max().unwrap_or(0);
        let graphs = self.counts.iter().filter(|entry| weight(entry) > 1);
        let replayed: u64 = graphs.map(|entry| u64::from(entry.1) * u64::from(weight(entry))).sum();
        2 * replayed >= self.weight && largest(self) >= 3 * largest(other)
    }
}

impl Difference {
    /// Whether it is small enough to be noise: a lost record, a kernel that is needed now and then.
    fn is_noise(&self) -> bool {
        let of = self.weights.0.max(self.weights.1);
        20 * (self.missing + self.extra) <= of
    }

    /// Whether at most a quarter differs.
    pub(in crate::steps) fn is_near(&self) -> bool {
        4 * (self.missing + self.extra) <= self.weights.0.max(self.weights.1)
    }

    /// Whether the second may be the first with kernels missing: it has nearly nothing else instead, and most of it.
    pub(in crate::steps) fn is_comparable(&self, expected: u64) -> bool {
        10 * self.extra <= expected && 2 * self.missing <= expected
    }

    /// Whether one is the other with something added, up to as much again.
    pub(in crate::steps) fn is_addition(&self) -> bool {
        let (small, large) = (self.weights.0.min(self.weights.1), self.weights.0.max(self.weights.1));
        20 * self.missing.min(self.extra) <= small && large < 2 * small
    }

    pub(in crate::steps) fn relation(&self) -> Relation {
        let (small, large) = (self.weights.0.min(self.weights.1), self.weights.0.max(self.weights.1));
        if self.is_noise() {
            return Relation::Similar;
        }
        if large > 3 * small {
            return Relation::Part;
        }
        let added = self.extra >= 3 * self.missing && 4 * self.missing <= small;
        let left_out = self.missing >= 3 * self.extra && 4 * self.extra <= small;
        let kernels = self.weights.0.saturating_sub(self.missing);
        let enough = if self.unrolled { self.shared >= LEAST_SHARED } else { 4 * kernels >= small };
        let alike = 2 * self.shared >= self.fewer && enough;
        if !added && !left_out && alike { Relation::Pass } else { Relation::Part }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(a: &[u32], b: &[u32]) -> Relation {
        let weights = [1; 64];
        Bag::of(a, &weights).difference(&Bag::of(b, &weights), &weights).relation()
    }

    #[test]
    fn a_layer_with_the_steps_tail_added_is_a_part_and_a_prefill_is_another_pass() {
        let layer = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        let with_tail = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 21, 22, 23];
        assert_eq!(relation(&layer, &with_tail), Relation::Part);
        assert_eq!(relation(&with_tail, &layer), Relation::Part);
        let prefill = [1, 2, 30, 4, 31, 6, 32, 8, 33, 10];
        assert_eq!(relation(&layer, &prefill), Relation::Pass);
        let step: Vec<u32> = (1..41).collect();
        assert_eq!(relation(&step, &step[..38]), Relation::Similar);
        assert_eq!(relation(&layer, &[40, 41]), Relation::Part);
    }

    #[test]
    fn differences_count_kernels_not_tokens() {
        let weights = [1, 100];
        let difference = Bag::of(&[0, 0, 1], &weights).difference(&Bag::of(&[0], &weights), &weights);
        assert_eq!((difference.missing, difference.extra), (101, 0));
    }
}
