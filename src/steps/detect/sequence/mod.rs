//! Steps in a sequence of tokens.
//!
//! Both detectors that work without markers reduce to this: one has a sequence of launches (a graph is one token), the
//! other a sequence of kernel names. Somewhere in it a unit recurs, and the unit that is a *step* must be told from the
//! unit that is a *layer* and from the unit that is a *request*:
//!
//! ```text
//!   request   ├── prefill ──┼──────────────────── decode ×127 ────────────────────┼── prefill ── …
//!   step      ├─ h L' L' t ─┼─ h LLLLLLLL t ─┼─ h LLLLLLLL t ─┼─ … ─┼─ h LLLLLLLL t ─┼─ …
//!   layer                        ├┼┼┼┼┼┼┼┼──────┼┼┼┼┼┼┼┼─ …
//!                                        ^ one segment in eight holds a layer and also t and h
//! ```
//!
//! Cut the sequence at each occurrence of one token (or of one run of k tokens): this gives segments, and most cuts give
//! segments of few kinds. **The cut at layers is betrayed by the one segment a step that holds a layer *and* the tail
//! and head of the step**: a kind that contains another kind, at a constant distance. Prefills among decode steps are
//! kinds too, but they replace kernels rather than add some. So the rule is: *a step is the finest cut in which no kind
//! of segment is another kind with something regularly added or left out.* [`learn()`] looks for it in a window of bounded
//! size; what it finds is a [`Template`], and [`follow()`] cuts the whole sequence by it in one pass.
//!
//! Where a unit begins cannot be told from order alone, since a cycle has no start. It is where the GPU waits longest,
//! in the median over many steps: between steps the host samples, schedules and prepares. Names help where the waits
//! do not differ ([`Hint`]).
//!
//! Rejected: autocorrelation (a step of 80 layers is 98 % periodic in its layers), suffix arrays and grammars (steps
//! are not exact repeats: attention kernels vary with the context's length, records get lost), alignment against a
//! template from the start (there is no template before the unit is known).

mod bag;
mod begin;
mod follow;
mod hash;
mod learn;

pub(in crate::steps) use bag::Bag;
pub(super) use follow::{Segment, follow};
pub(super) use learn::{LEAST_WAIT_NS, Template, learn};

use crate::steps::spread::spread;

/// What a token's name tells of its place in a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Hint {
    /// It looks up embeddings: the model starts here.
    Head,
    /// It samples a token: the step ends about here.
    Tail,
    /// It is of the model, or of another that drafts: no step begins with it.
    Model,
    /// It is a graph that has its place among the pieces of a pass.
    Piece,
    /// Nothing.
    #[default]
    None,
}

/// The sequence to cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sequence<'a> {
    /// Tokens, each below `alphabet`.
    pub(super) tokens: &'a [u32],
    /// How long the GPU had been idle when each token began.
    pub(super) gaps_ns: &'a [i64],
    /// How many kernels each token of the alphabet stands for.
    pub(super) weights: &'a [u32],
    /// What each token of the alphabet tells of its place.
    pub(super) hints: &'a [Hint],
}

/// A hash of each run of `k` tokens, by the position of its last one; runs reach back over the start of `before`.
///
/// For `k` = 1 this is the token. Longer runs are hashed by a rolling polynomial over 64 bits.
fn keys(tokens: &[u32], k: usize) -> impl Iterator<Item = u64> {
    const BASE: u64 = 0x9e37_79b9_7f4a_7c15;
    let leave = (0..k).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut hash = 0_u64;
    tokens.iter().enumerate().map(move |(at, &token)| {
        if k == 1 {
            return u64::from(token);
        }
        hash = hash.wrapping_mul(BASE).wrapping_add(spread(u64::from(token)));
        if at >= k {
            hash = hash.wrapping_sub(spread(u64::from(tokens[at - k])).wrapping_mul(leave));
        }
        // A run that would reach back before the start has a hash of its own kind, which recurs nowhere.
        hash
    })
}
