//! What a rank loses in every step.
//!
//! The ranks of a tensor-parallel server run the same kernels, but not everywhere: one of them may sample, or prepare
//! inputs, alone. Where they must run the same is in two places:
//!
//! ```text
//!   rank 0   in in │ AR  graph ▓▓▓▓▓▓▓▓▓▓▓▓▓  AR  lm_head  AR │ sample sample
//!   rank 1   in    │ AR  graph ▓▓▓▓▓ ▓▓▓▓▓▓▓  AR  lm_head  AR │
//!                  └──── the same on every rank: the core ────┘
//!                                   ^ one kernel less, in every step: lost
//! ```
//!
//! * in replays of a graph, which every rank captured from the same model;
//! * between a step's first and last all-reduce, since whoever ran something of its own in between would make the
//!   others wait.
//!
//! What steps have there is their *core*. A core that only some ranks have is held against those of the others: if all
//! that differs is that it has fewer of some kernels, and as many ranks at least have the larger one, these kernels are
//! missing. If the ranks hold other parts of the model (pipeline stages: most kernels differ in number) or ran other
//! kernels instead (another tile), nothing is said but that these ranks cannot be compared.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bag, Kernels, Variant};
use crate::classify::vocabulary;
use crate::model::{LaunchCall, RankIdx, Trace};
use crate::steps::{Batch, Phase, StepIdx, StepTable};

/// A core, and who has it.
#[derive(Debug)]
struct Core {
    bag: Bag,
    ranks: BTreeSet<RankIdx>,
    variants: Vec<usize>,
}

/// What each variant lacks beside the other ranks', and the ranks that cannot be compared.
pub(super) fn compare(trace: &Trace, table: &StepTable, variants: &[Variant]) -> (Vec<(usize, Kernels)>, Vec<RankIdx>) {
    if trace.ranks.len() < 2 {
        return (Vec::new(), Vec::new());
    }
    let samples: BTreeMap<usize, usize> = variants.iter().enumerate().map(|(at, v)| (v.sample(), at)).collect();
    let steps = kernels(trace, table, &samples);
    let mut groups: BTreeMap<(Phase, Batch), Vec<Core>> = BTreeMap::new();
    for (&sample, &variant) in &samples {
        let step = &table.steps[sample];
        let group = groups.entry((step.phase, Batch { tokens: None, ..step.batch })).or_default();
        let bag = steps[variant].core.clone();
        let place = group.iter().position(|core| core.bag == bag).unwrap_or(group.len());
        if place == group.len() {
            group.push(Core { bag, ranks: BTreeSet::new(), variants: Vec::new() });
        }
        group[place].ranks.insert(step.rank);
        group[place].variants.push(variant);
    }
    let (mut lacking, mut apart, mut whole) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for group in groups.values() {
        for core in group.iter().filter(|core| group.iter().any(|other| !other.ranks.is_subset(&core.ranks))) {
            let others: Vec<usize> = group
                .iter()
                // Steps of two kinds that both ranks run are no loss.
                .filter(|other| other.ranks.is_disjoint(&core.ranks) && other.ranks.len() >= core.ranks.len())
                .flat_map(|other| other.variants.iter().copied())
                .collect();
            for &variant in &core.variants {
                let lacks = others.iter().filter_map(|&other| Some((steps[variant].lacks(&steps[other])?, other)));
                match lacks.min_by_key(|(lacks, _)| lacks.iter().map(|&(_, count)| count).sum::<u32>()) {
                    Some((kernels, other)) => {
                        lacking.push((variant, kernels));
                        whole.insert(table.steps[variants[other].sample()].rank);
                    }
                    None if core.ranks.len() == 1 => apart.extend(&core.ranks),
                    None => {}
                }
            }
        }
    }
    // Who shows what another lacks is compared with that one.
    (lacking, apart.difference(&whole).copied().collect())
}

/// Kernels of a step: of its core, and all.
#[derive(Debug)]
struct Parts {
    core: Bag,
    all: Bag,
}

impl Parts {
    /// Of which kernels this has how many fewer than `other`, if it has that and no other kernels instead.
    fn lacks(&self, other: &Self) -> Option<Kernels> {
        // What is only outside the core here, since the core's own edge was lost, is not missing.
        let of_all = other.all.beyond(&self.all);
        let in_all = |name: u32| of_all.iter().find(|&&(of, _)| of == name).map_or(0, |&(_, count)| count);
        let of_core = other.core.beyond(&self.core).into_iter().map(|(name, count)| (name, count.min(in_all(name))));
        let lacks: Kernels = of_core.filter(|&(_, count)| count > 0).collect();
        // The other may have lost a few as well, but none may have been run in another's place.
        let added = self.core.beyond(&other.core);
        let sum = |kernels: &Kernels| kernels.iter().map(|&(_, count)| u64::from(count)).sum::<u64>();
        let nothing_else =
            50 * sum(&added) <= other.core.weight() && added.iter().all(|&(name, _)| other.core.has(name));
        // A whole layer less is another part of the model.
        let few_names = 2 * lacks.len() <= other.core.tokens().count();
        let few = 2 * sum(&lacks) <= other.core.weight();
        (!lacks.is_empty() && nothing_else && few_names && few).then_some(lacks)
    }
}

/// The kernels of each of the `samples` (places of steps, and what they are called in the answer).
fn kernels(trace: &Trace, table: &StepTable, samples: &BTreeMap<usize, usize>) -> Vec<Parts> {
    let places = vocabulary::places(trace);
    let mut steps: Vec<Vec<(u32, bool)>> = vec![Vec::new(); samples.len()];
    for (dispatch, step) in trace.dispatches.iter().zip(&table.of_dispatch) {
        let Some(&at) = step.map(StepIdx::index).and_then(|step| samples.get(&step)) else { continue };
        let replayed = dispatch.launch.is_some_and(|l| trace.launches[l.index()].call == LaunchCall::Graph);
        steps[at].push((dispatch.name.index() as u32, replayed));
    }
    let weights = vec![1; trace.names.len()];
    let bags = |kernels: Vec<(u32, bool)>| {
        let meets = |&(name, _): &(u32, bool)| places[name as usize].all_reduces;
        let meeting = kernels.iter().position(meets).zip(kernels.iter().rposition(meets));
        let in_core = |at: usize, replayed: bool| replayed || meeting.is_some_and(|(a, b)| (a..=b).contains(&at));
        let core = kernels.iter().enumerate().filter(|&(at, &(_, replayed))| in_core(at, replayed));
        let core: Vec<u32> = core.map(|(_, &(name, _))| name).collect();
        let all: Vec<u32> = kernels.iter().map(|&(name, _)| name).collect();
        Parts { core: Bag::of(&core, &weights), all: Bag::of(&all, &weights) }
    };
    steps.into_iter().map(bags).collect()
}

#[cfg(test)]
mod tests {
    use crate::model::{LaunchCall, TraceBuilder};
    use crate::steps::completeness::check;
    use crate::steps::{StepOptions, find};

    /// Rank, kernels expected and seen, and those lacking.
    type Row = (usize, u64, u64, String);

    /// Eight marked steps a rank of the kernels named by letters; `R` is an all-reduce, capitals between brackets are a
    /// replay. Gives (rank, expected, seen, lacking) of the steps that lack kernels, each once a rank, and the ranks
    /// apart.
    fn check_ranks(ranks: &[&str]) -> (Vec<Row>, Vec<usize>) {
        let mut draw = TraceBuilder::new().drawing();
        for (rank, kernels) in ranks.iter().enumerate() {
            if rank > 0 {
                draw.on_new_process(rank as u32);
            }
            for step in 0..8_u64 {
                let at = step as i64 * 10_000;
                draw.range("step[DECODE bs=1]", at, at + 1000);
                let (mut key, mut replay) = (step * 1000, None);
                for (i, name) in kernels.chars().enumerate() {
                    let start = at + 2000 + i as i64 * 10;
                    match name {
                        '[' | ']' => {
                            replay = (name == '[').then_some(key + 1);
                            if let Some(key) = replay {
                                draw.launch(LaunchCall::Graph, at + i as i64, at + i as i64 + 1, key);
                            }
                            key += 1;
                        }
                        _ => {
                            let key = replay.unwrap_or_else(|| {
                                key += 1;
                                draw.launch(LaunchCall::Kernel, at + i as i64, at + i as i64 + 1, key);
                                key
                            });
                            let name = if name == 'R' { "cross_device_reduce_1stage".into() } else { name.to_string() };
                            draw.kernel(&name, start, start + 8, key);
                        }
                    }
                }
            }
        }
        let trace = draw.finish();
        let table = find(&trace, &StepOptions { warmup: Some(0), ..StepOptions::default() });
        let found = check(&trace, &table);
        let mut rows: Vec<_> = found
            .missing
            .iter()
            .map(|m| {
                let names = m.kernels.iter().map(|&(name, count)| format!("{count}{}", trace.names.get(name)));
                let rank = table.steps[m.step.index()].rank.index();
                (rank, m.expected, m.seen, names.collect::<Vec<_>>().join(" "))
            })
            .collect();
        assert_eq!(rows.len() % 8, 0, "every step of a rank or none: {rows:?}");
        rows.dedup();
        (rows, found.apart.iter().map(|rank| rank.index()).collect())
    }

    #[test]
    fn a_kernel_that_one_rank_loses_in_every_replay_is_missing_there() {
        let (whole, short) = ("i[abcRabcRabcR]s", "i[abcRacRabcR]s");
        let lacking = |rank| (rank, 14, 13, "1b".to_owned());
        assert_eq!(check_ranks(&[whole, short]), (vec![lacking(1)], vec![]));
        assert_eq!(check_ranks(&[whole, whole, short, whole]), (vec![lacking(2)], vec![]));
        assert_eq!(check_ranks(&[short, short, whole, whole]), (vec![lacking(0), lacking(1)], vec![]));
    }

    #[test]
    fn all_kernels_of_a_name_may_be_lost_and_the_all_reduce_too() {
        let whole = "i[abcdeRabcdeRabcdeR]s";
        let (rows, _) = check_ranks(&[whole, "i[acdeRacdeRacdeR]s"]);
        assert_eq!(rows, [(1, 20, 17, "3b".to_owned())]);
        let (rows, _) = check_ranks(&["iRabcRabcRls", "iRabcRabcls"]);
        assert_eq!(rows, [(1, 12, 11, "1cross_device_reduce_1stage".to_owned())]);
    }

    #[test]
    fn what_one_rank_does_alone_before_and_after_the_others_is_not_missing_there() {
        let (first, other) = ("ijRabcRabcRabcRabstuv", "iRabcRabcRabcRab");
        assert_eq!(check_ranks(&[first, other]), (vec![], vec![]));
        let (first, other) = ("i[xyabcRabcRabcR]st", "i[abcRabcRabcR]s");
        let (rows, apart) = check_ranks(&[first, other, other]);
        assert_eq!((rows, apart), (vec![], vec![0]), "more than the others have is not said to be missing there");
    }

    #[test]
    fn ranks_with_other_layers_or_other_kernels_are_apart_and_nothing_is_missing() {
        let (three, four) = ("iRabcRabcRabcRs", "iRabcRabcRabcRabcRs");
        assert_eq!(check_ranks(&[three, four]), (vec![], vec![0, 1]));
        assert_eq!(check_ranks(&["i[abcRabcR]s", "i[axxcRabcR]s"]), (vec![], vec![0, 1]));
    }

    #[test]
    fn a_rank_whose_replays_were_not_recorded_is_apart() {
        let (rows, apart) = check_ranks(&["iR[abcRabcRabcR]s", "iRs", "iR[abcRabcRabcR]s"]);
        assert_eq!((rows, apart), (vec![], vec![1]));
    }
}
