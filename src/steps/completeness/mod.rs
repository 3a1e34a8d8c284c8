//! Which steps lack kernels.
//!
//! Decode steps of one kind run the same kernels every time, so a step that has fewer gives a lost record away without
//! anybody having counted it. What "of one kind" means is the difficulty: steps differ for good reason too (another
//! tile for another batch, a second attention kernel for longer contexts, block tables to copy now and then), and a
//! count alone cannot tell a kernel that was lost from one that was not needed. So steps are compared by what they hold:
//!
//! 1. Steps of one rank with the same phase, batch and graphs belong together.
//! 2. Among them, an exact sequence of kernels that several steps share is a *variant*. Losses fall anywhere, so the
//!    same loss does not make a variant: it would have to hit the same place of several steps.
//! 3. Every other step is held against the variant it is most like. If it lacks kernels and has hardly any others
//!    instead, they are missing. If it differs more than that it is a kind of its own, and nothing can be said; nor can
//!    it if it has more than the variant in a way that no other step has, since it may have had still more.
//! 4. Variants are held against those of the other [ranks], since what is lost in every step of a rank makes a
//!    variant there.
//!
//! Beyond this comparison are a kernel that is lost in every step on all ranks, and one that only some steps run.

mod ranks;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use crate::model::{LaunchCall, LaunchIdx, NameId, RankIdx, Trace};
use crate::steps::detect::Bag;
use crate::steps::spread::spread;
use crate::steps::{Batch, Phase, StepIdx, StepTable};

/// A step with too few kernels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missing {
    /// The step.
    pub step: StepIdx,
    /// Kernels that steps like it have.
    pub expected: u64,
    /// Kernels that it has of these.
    pub seen: u64,
    /// Of which kernels it has how many too few, by name.
    pub kernels: Vec<(NameId, u32)>,
}

/// What comparing steps with their like shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Completeness {
    /// The steps that lack kernels, by step.
    pub missing: Vec<Missing>,
    /// Steps that could be compared.
    pub compared: u32,
    /// Steps that are like no other, of which nothing can be said, by step.
    pub alone: Vec<StepIdx>,
    /// Ranks that run kernels where all ranks run the same, and no other rank runs: of what they lose in every step
    /// nothing can be said.
    pub apart: Vec<RankIdx>,
}

/// How a trace stands as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No step lacks kernels, and nine in ten could be compared.
    Complete,
    /// Too few steps could be compared to tell.
    Unknown,
    /// Kernels are missing.
    Incomplete,
}

impl Completeness {
    /// The verdict on all steps compared.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match () {
            () if !self.missing.is_empty() => Verdict::Incomplete,
            () if self.compared > 0 && self.compared as usize >= 9 * self.alone.len() => Verdict::Complete,
            () => Verdict::Unknown,
        }
    }
}

/// What steps must have in common to be compared: rank, phase, batch, and graphs where they are known.
type Group = (RankIdx, Phase, Batch, Vec<Option<u64>>);

/// Compares the steps of `table` that count (prefills and mixed steps do not: no two of them need be alike).
#[must_use]
pub fn check(trace: &Trace, table: &StepTable) -> Completeness {
    let shapes = shapes(trace, table);
    let mut groups: BTreeMap<Group, HashMap<u64, Vec<usize>>> = BTreeMap::new();
    for (place, step) in table.steps.iter().enumerate() {
        if step.warmup || matches!(step.phase, Phase::Prefill | Phase::Mixed | Phase::Other) {
            continue;
        }
        let batch = Batch { tokens: None, ..step.batch };
        let group = groups.entry((step.rank, step.phase, batch, shapes[place].graphs.clone())).or_default();
        group.entry(shapes[place].sequence).or_default().push(place);
    }
    let mut variants: Vec<Variant> = Vec::new();
    // For each group its variants and the steps to hold against them.
    let mut doubtful: Vec<(std::ops::Range<usize>, Vec<usize>)> = Vec::new();
    for ((.., graphs), sequences) in groups {
        let graphs_known = !graphs.is_empty() && graphs.iter().all(Option::is_some);
        let all: usize = sequences.values().map(Vec::len).sum();
        let least = (all / 20).max(if all >= 12 { 4 } else { 2 });
        let (first, mut others) = (variants.len(), Vec::new());
        let replayed = |steps: &[usize]| shapes[steps[0]].replayed;
        let most = sequences.values().map(|steps| replayed(steps)).max().unwrap_or(0);
        for steps in sequences.into_values() {
            // A replay of a graph that is known to be the same cannot have run a kernel too many.
            let is_whole = !graphs_known || replayed(&steps) == most;
            if is_whole && steps.len() >= least {
                variants.push(Variant { steps });
            } else {
                others.extend(steps);
            }
        }
        variants[first..].sort_unstable_by_key(Variant::sample);
        others.sort_unstable();
        if !others.is_empty() {
            doubtful.push((first..variants.len(), others));
        }
    }
    let mut found = Findings::default();
    found.compared += variants.iter().map(|variant| variant.steps.len() as u32).sum::<u32>();
    let samples = variants.iter().map(Variant::sample);
    let bags = bags(trace, table, samples.chain(doubtful.iter().flat_map(|(_, others)| others.iter().copied())));
    let weights = vec![1; trace.names.len()];
    for (of_group, others) in doubtful {
        found.hold_against(&mut variants, of_group, &others, &bags, &weights);
    }
    let (lacking, apart) = ranks::compare(trace, table, &variants);
    for (variant, kernels) in &lacking {
        let Variant { steps } = &variants[*variant];
        let whole = u64::from(table.steps[steps[0]].dispatches);
        steps.iter().for_each(|&step| found.lacks.entry(step).or_insert_with(|| Lack::of(whole)).add(kernels));
    }
    found.finish(trace, apart)
}

/// Kernels by name, with how many.
type Kernels = Vec<(u32, u32)>;

/// An exact sequence of kernels that several steps of a rank share, and steps that are it but for a loss.
#[derive(Debug)]
struct Variant {
    /// Places of the steps in the table; the first is one that has the sequence.
    steps: Vec<usize>,
}

impl Variant {
    fn sample(&self) -> usize {
        self.steps[0]
    }
}

/// What a step lacks, as far as is known yet.
#[derive(Clone, Debug, Default)]
struct Lack {
    expected: u64,
    seen: u64,
    /// How many too few it has of each kernel, by name.
    kernels: BTreeMap<u32, u32>,
}

impl Lack {
    /// Of a step that has `seen` of the kernels of its variant.
    fn of(seen: u64) -> Self {
        Self { expected: seen, seen, kernels: BTreeMap::new() }
    }

    fn add(&mut self, kernels: &[(u32, u32)]) {
        for &(name, count) in kernels {
            *self.kernels.entry(name).or_insert(0) += count;
            self.expected += u64::from(count);
        }
    }
}

/// A [`Completeness`] under construction.
#[derive(Debug, Default)]
struct Findings {
    lacks: BTreeMap<usize, Lack>,
    compared: u32,
    alone: Vec<usize>,
}

impl Findings {
    /// Holds steps of a group against its variants.
    fn hold_against(
        &mut self,
        variants: &mut [Variant],
        of_group: std::ops::Range<usize>,
        others: &[usize],
        bags: &HashMap<usize, Bag>,
        weights: &[u32],
    ) {
        // Steps with more than their variant: the variant, the step, and how many kernels of which name.
        let mut more: Vec<(usize, usize, Kernels)> = Vec::new();
        for &step in others {
            let bag = &bags[&step];
            let against = |variant: usize| bags[&variants[variant].sample()].difference(bag, weights);
            // Of two that are as near, the one that has more: a loss must not pass for something added.
            let nearest = of_group
                .clone()
                .map(|variant| (against(variant), variant))
                .min_by_key(|(d, variant)| (d.missing + d.extra, d.extra, variants[*variant].sample()));
            let weight = |variant: usize| bags[&variants[variant].sample()].weight();
            let Some((difference, variant)) = nearest.filter(|(d, variant)| d.is_comparable(weight(*variant))) else {
                self.alone.push(step);
                continue;
            };
            self.compared += 1;
            let sample = variants[variant].sample();
            variants[variant].steps.push(step);
            if difference.missing > 0 {
                let seen = bags[&sample].weight() - difference.missing;
                self.lacks.entry(step).or_insert_with(|| Lack::of(seen)).add(&bags[&sample].beyond(bag));
            } else {
                more.push((variant, step, bag.beyond(&bags[&sample])));
            }
        }
        // What a step has in addition may be not all that it had, unless another step has the same.
        let mut same: HashMap<(usize, &Kernels), u32> = HashMap::new();
        more.iter().for_each(|(variant, _, added)| *same.entry((*variant, added)).or_insert(0) += 1);
        for (variant, step, added) in more.iter().filter(|(.., added)| !added.is_empty()) {
            if same[&(*variant, added)] == 1 {
                self.compared -= 1;
                self.alone.push(*step);
            }
        }
    }

    fn finish(mut self, trace: &Trace, apart: Vec<RankIdx>) -> Completeness {
        self.alone.sort_unstable();
        let names: Vec<NameId> = trace.names.iter().map(|(name, _)| name).collect();
        let missing = self.lacks.into_iter().map(|(step, Lack { expected, seen, kernels })| {
            let kernels = kernels.into_iter().map(|(name, count)| (names[name as usize], count)).collect();
            Missing { step: StepIdx::new(step), expected, seen, kernels }
        });
        Completeness {
            missing: missing.collect(),
            compared: self.compared,
            alone: self.alone.into_iter().map(StepIdx::new).collect(),
            apart,
        }
    }
}

/// What a step looks like.
#[derive(Clone, Default, Debug)]
struct Shape {
    /// Hash of its kernels, in order on each stream.
    sequence: u64,
    /// The graphs that it replayed, sorted, and how many kernels they ran.
    graphs: Vec<Option<u64>>,
    replayed: u32,
}

fn shapes(trace: &Trace, table: &StepTable) -> Vec<Shape> {
    let mut shapes = vec![Shape::default(); table.steps.len()];
    let mut streams: HashMap<(u32, u32), u64> = HashMap::new();
    let mut last_graph: Vec<Option<LaunchIdx>> = vec![None; table.steps.len()];
    let mut met: HashSet<(usize, LaunchIdx)> = HashSet::new();
    for (dispatch, step) in trace.dispatches.iter().zip(&table.of_dispatch) {
        let Some(step) = step.map(StepIdx::index) else { continue };
        let hash = streams.entry((step as u32, dispatch.stream.index() as u32)).or_insert(0);
        *hash = spread(hash.wrapping_add(dispatch.name.index() as u64));
        let graph = dispatch.launch.filter(|l| trace.launches[l.index()].call == LaunchCall::Graph);
        shapes[step].replayed += u32::from(graph.is_some());
        if let Some(launch) = graph.filter(|_| last_graph[step] != graph) {
            last_graph[step] = graph;
            if met.insert((step, launch)) {
                shapes[step].graphs.push(trace.launches[launch.index()].graph);
            }
        }
    }
    for ((step, _), hash) in streams {
        // A sum: which stream is which differs between runs of a graph.
        let sequence = &mut shapes[step as usize].sequence;
        *sequence = sequence.wrapping_add(hash);
    }
    shapes.iter_mut().for_each(|shape| shape.graphs.sort_unstable());
    shapes
}

/// The kernels of some steps.
fn bags(trace: &Trace, table: &StepTable, wanted: impl Iterator<Item = usize>) -> HashMap<usize, Bag> {
    let mut names: HashMap<usize, Vec<u32>> = wanted.map(|step| (step, Vec::new())).collect();
    if names.is_empty() {
        return HashMap::new();
    }
    for (dispatch, step) in trace.dispatches.iter().zip(&table.of_dispatch) {
        if let Some(names) = step.and_then(|step| names.get_mut(&step.index())) {
            names.push(dispatch.name.index() as u32);
        }
    }
    let weights = vec![1; trace.names.len()];
    names.into_iter().map(|(step, names)| (step, Bag::of(&names, &weights))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TraceBuilder;
    use crate::steps::{StepOptions, find};

    /// Marked steps of the kernels named by letters.
    fn check_steps(steps: &[&str]) -> (Vec<(u32, u64, u64)>, Completeness) {
        let mut draw = TraceBuilder::new().drawing();
        for (step, kernels) in steps.iter().enumerate() {
            let at = step as i64 * 1000;
            draw.range("step[DECODE bs=1]", at, at + 10);
            draw.launch(LaunchCall::Kernel, at + 1, at + 2, step as u64);
            for (i, name) in kernels.chars().enumerate() {
                let start = at + 20 + i as i64 * 10;
                draw.kernel(&name.to_string(), start, start + 8, step as u64);
            }
        }
        let trace = draw.finish();
        let options = StepOptions { warmup: Some(0), ..StepOptions::default() };
        let table = find(&trace, &options);
        let found = check(&trace, &table);
        let missing = found.missing.iter().map(|m| (table.steps[m.step.index()].number, m.expected, m.seen)).collect();
        (missing, found)
    }

    #[test]
    fn a_step_short_of_a_kernel_in_its_middle_is_missing_one() {
        let (missing, found) = check_steps(&["abcabcd", "abcabcd", "abcbcd", "abcabcd", "abcabcd"]);
        assert_eq!((missing, found.verdict()), (vec![(2, 7, 6)], Verdict::Incomplete));
    }

    #[test]
    fn variants_that_several_steps_share_are_complete_and_of_one_with_a_kernel_more_nothing_can_be_said() {
        let long = "abcabcabcabcabcabcabcd";
        let more = "abcabcabcabcabcabcabcxd";
        let split = "arbcarbcarbcarbcarbcarbcarbcd";
        let steps = [long, long, split, split, more, long, split, long, long, long];
        let (missing, found) = check_steps(&steps);
        assert_eq!((missing, found.verdict(), found.alone.len()), (vec![], Verdict::Complete, 1));
        let (missing, found) = check_steps(&[&steps[..], &["xabcabcabcabcabcabcabcd"]].concat());
        assert_eq!((missing, found.verdict(), found.alone.len()), (vec![], Verdict::Complete, 0), "two have the same");
    }

    #[test]
    fn a_step_between_two_variants_lacks_what_the_larger_has() {
        let (plain, both) = ("abcabcabcabcabcd", "abcabcabcabcabcxyd");
        let (missing, _) = check_steps(&[plain, both, plain, both, "abcabcabcabcabcxd", both, plain]);
        assert_eq!(missing, [(4, 18, 17)]);
    }

    #[test]
    fn a_lost_kernel_is_found_in_a_step_that_has_one_more_than_usual() {
        let long = "abcabcabcabcabcabcabcabcabcabcd";
        let both = "abcabcabcabcabcbcabcabcabcabcxd";
        let (missing, _) = check_steps(&[long, long, long, both, long, long]);
        assert_eq!(missing, [(3, 31, 30)]);
    }

    #[test]
    fn steps_that_are_all_different_say_nothing() {
        let (missing, found) = check_steps(&["abcdef", "ghijkl", "mnopqr", "stuvwx", "abghmn"]);
        assert_eq!((missing, found.verdict()), (vec![], Verdict::Unknown));
    }
}
