//! Which tokens a segment holds, how often, and how two segments differ.
//!
//! Order is left out: kernels of side streams and of speculative schedules change places, and what matters is what is
//! there. Counts are weighted by the kernels that a token stands for.

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
    /// Distinct tokens in both, and of the one that has fewer.
    shared: u64,
    fewer: u64,
    /// Kernels of either.
    weights: (u64, u64),
    /// Whether a graph makes up most of the first, while the second has none.
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
        let mut found = Difference {
            fewer: self.counts.len().min(other.counts.len()) as u64,
            weights: (self.weight, other.weight),
            ..Difference::default()
        };
        let weight_of = |&(token, _): &(u32, u32)| weights[token as usize];
        let is_graph = |entry: &&(u32, u32)| weight_of(entry) > 1;
        let largest = self.counts.iter().map(weight_of).max().unwrap_or(0);
        found.unrolled =
            2 * u64::from(largest) >= self.weight && largest > 1 && !other.counts.iter().any(|e| is_graph(&e));
        let weigh = |token: u32, count: u32| u64::from(count) * u64::from(weights[token as usize]);
        loop {
            match (a.peek(), b.peek()) {
                (None, None) => return found,
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
                    found.shared += 1;
                    a.next();
                    b.next();
                }
                _ => return found,
            }
        }
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
        // An eager pass among replays shares only what is outside the graph.
        let names = if self.unrolled { self.fewer.saturating_sub(1) } else { self.fewer };
        let kernels = self.weights.0.saturating_sub(self.missing);
        let alike = 2 * self.shared >= names && (self.unrolled || 4 * kernels >= small);
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
