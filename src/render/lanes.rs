//! Slices laid on as few tracks as they need, so that those of one track lie within each other and never across.
//!
//! ```text
//!   lane 0   ├──────a──────┤       ├─d─┤        b lies within a; c across a; d comes after both
//!              ├─b─┤
//!   lane 1           ├────c────┤
//! ```
//!
//! A slice goes to the first lane that it fits on. There may be as many lanes as slices, so the first is found by a tree
//! over the lanes that knows the least and greatest end of the innermost open slices below each node.

use crate::model::Span;

/// Open slices of one lane, the innermost last, by where they end.
type Open = Vec<i64>;

/// The lanes of one track.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: Vec<Open>,
    /// Least and greatest end below each node: the root at 1, children of `n` at `2n` and `2n + 1`, leaves last.
    tree: Vec<(i64, i64)>,
}

/// What a leaf without a lane has: nothing fits on it.
const NO_LANE: (i64, i64) = (i64::MAX, i64::MIN);

impl Lanes {
    /// The lane of the next slice; slices must come in the order of their starts.
    pub(super) fn place(&mut self, span: Span) -> usize {
        while let Some(lane) = self.first(span) {
            let open = &mut self.lanes[lane];
            while open.last().is_some_and(|end_ns| *end_ns <= span.start_ns) {
                open.pop();
            }
            let fits = open.last().is_none_or(|end_ns| span.end_ns <= *end_ns);
            if fits {
                open.push(span.end_ns);
            }
            self.update(lane);
            if fits {
                return lane;
            }
        }
        self.lanes.push(vec![span.end_ns]);
        if self.lanes.len() > self.leaves() {
            self.grow();
        }
        self.update(self.lanes.len() - 1);
        self.lanes.len() - 1
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lanes.len()
    }

    /// The first lane whose innermost slice has ended, or is open for longer than `span`.
    fn first(&self, span: Span) -> Option<usize> {
        let may = |&(least, greatest): &(i64, i64)| least <= span.start_ns || greatest >= span.end_ns;
        let mut node = self.tree.get(1).filter(|ends| may(ends)).map(|_| 1)?;
        while node < self.leaves() {
            node = 2 * node + usize::from(!may(&self.tree[2 * node]));
        }
        Some(node - self.leaves()).filter(|&lane| lane < self.lanes.len())
    }

    fn leaves(&self) -> usize {
        self.tree.len() / 2
    }

    fn grow(&mut self) {
        self.tree = vec![NO_LANE; 4 * self.leaves().max(1)];
        for lane in 0..self.lanes.len() {
            self.update(lane);
        }
    }

    /// Takes over what the open slices of `lane` are.
    fn update(&mut self, lane: usize) {
        let end_ns = self.lanes[lane].last().copied().unwrap_or(i64::MIN);
        let mut node = self.leaves() + lane;
        self.tree[node] = (end_ns, end_ns);
        while node > 1 {
            node /= 2;
            let ((a, b), (c, d)) = (self.tree[2 * node], self.tree[2 * node + 1]);
            self.tree[node] = (a.min(c), b.max(d));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lanes of `spans`, by looking at one lane after the other.
    fn one_by_one(spans: &[Span]) -> Vec<usize> {
        let mut lanes: Vec<Open> = Vec::new();
        let mut places = Vec::new();
        for span in spans {
            let fits = |open: &mut Open| {
                open.retain(|end_ns| *end_ns > span.start_ns);
                open.last().is_none_or(|end_ns| span.end_ns <= *end_ns)
            };
            let place = lanes.iter_mut().position(fits).unwrap_or(lanes.len());
            if place == lanes.len() {
                lanes.push(Open::new());
            }
            lanes[place].push(span.end_ns);
            places.push(place);
        }
        places
    }

    proptest::proptest! {
        #[test]
        fn each_slice_is_on_the_first_lane_that_it_fits_on(times in proptest::collection::vec((0i64..60, 0i64..30), 0..80)) {
            let mut spans: Vec<Span> = times.iter().map(|&(start, length)| Span::new(start, start + length)).collect();
            spans.sort();
            let mut lanes = Lanes::default();
            let places: Vec<usize> = spans.iter().map(|&span| lanes.place(span)).collect();
            proptest::prop_assert_eq!(places, one_by_one(&spans));
        }
    }

    #[test]
    fn slices_that_all_lie_across_each_other_have_a_lane_each() {
        let mut lanes = Lanes::default();
        for at in 0..100_000 {
            assert_eq!(lanes.place(Span::new(at, at + 200_000)), at as usize);
        }
        assert_eq!(lanes.count(), 100_000);
    }
}
