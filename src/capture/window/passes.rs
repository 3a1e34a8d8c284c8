//! Where passes of the model begin among a thread's launches of graphs.
//!
//! ```text
//!   a a a b b a               one graph a pass, one for each batch bucket
//!   a1 a2 a3 a1 a2 a3 b1 b2 b3 a1 …      several pieces a pass
//! ```
//!
//! A graph that the pass already launched begins the next. So does one that began a pass before; and one never seen, once a
//! pass is known to be whole without it: another bucket's first. A bucket that is met before any pass is known is one pass
//! with what comes before it.

use std::collections::HashSet;

/// The passes of one thread.
#[derive(Default, Debug)]
pub(super) struct Passes {
    /// Graphs of the one at hand, in the order of their launches.
    graphs: Vec<u64>,
    seen: HashSet<u64>,
    /// Graphs that passes began with, and graphs that ended them.
    first: HashSet<u64>,
    last: HashSet<u64>,
}

impl Passes {
    /// Takes a launch; whether a pass begins with it.
    pub(super) fn begin(&mut self, graph: u64) -> bool {
        let is_new = self.seen.insert(graph);
        let last = self.graphs.last().copied();
        let is_whole = last.is_some_and(|last| self.last.contains(&last));
        let begins = match last {
            None => true,
            Some(_) => self.graphs.contains(&graph) || self.first.contains(&graph) || (is_new && is_whole),
        };
        if begins {
            // Whatever comes first was not seen to begin anything.
            if self.graphs.contains(&graph) {
                self.first.insert(graph);
                self.last.extend(last);
            }
            self.graphs.clear();
        }
        self.graphs.push(graph);
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bar before each launch that begins a pass.
    fn cut(graphs: &str) -> String {
        let mut passes = Passes::default();
        let mark = |graph: char| if passes.begin(graph as u64) { format!("|{graph}") } else { graph.to_string() };
        graphs.chars().map(mark).collect()
    }

    #[test]
    fn a_pass_begins_with_a_graph_that_the_last_had_or_another_buckets_first() {
        assert_eq!(cut("aabbabb"), "|a|a|b|b|a|b|b");
        assert_eq!(cut("abcabcxyzxyzabcxyz"), "|abc|abc|xyz|xyz|abc|xyz");
        assert_eq!(cut("abab"), "|ab|ab", "nothing tells two buckets that take turns from two pieces");
        assert_eq!(cut("adadadxdxd"), "|ad|ad|ad|xd|xd", "a drafter after each");
    }
}
