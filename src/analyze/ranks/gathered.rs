//! The communication kernels of a trace: by step, then by rank.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::analyze::scope::Scope;
use crate::classify::Category;
use crate::model::{GroupIdx, RankIdx, Span, Trace};
use crate::output::report::ScopeOf;

/// A communication kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel {
    /// Its position in the trace.
    pub(super) at: u32,
    /// On its rank's clock.
    pub(super) span: Span,
    /// What it computes, as far as the process or its name tells.
    pub(super) kind: Option<&'static str>,
    pub(super) part: Part,
}

/// What a communication kernel is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// Nothing was told.
    Unsaid,
    /// A collective of this process group.
    Told(GroupIdx),
    /// No collective of ranks that are there: a send or receive, or a group that lacks ranks or has but one.
    Alone,
}

/// Communication kernels in order of start: by step, then by rank.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) steps: BTreeMap<Option<u32>, Vec<Vec<Kernel>>>,
    /// The steps that each rank ran.
    ran: HashSet<(RankIdx, u32)>,
    /// The process groups of the trace whose ranks are all there, in order; `None` for others and for groups of one.
    pub(super) told: Vec<Option<Vec<RankIdx>>>,
}

impl Gathered {
    pub(super) fn of(scope: &Scope<'_>) -> Self {
        let told = groups_told(scope.trace);
        let mut calls = scope.trace.told.iter().peekable();
        let mut steps: BTreeMap<Option<u32>, Vec<Vec<Kernel>>> = BTreeMap::new();
        for (position, dispatch) in scope.trace.dispatches.iter().enumerate() {
            let call = calls.next_if(|call| call.dispatch as usize == position);
            if scope.category(dispatch.name) != Category::Allreduce || scope.left_out(position).is_some() {
                continue;
            }
            let of_name = scope.verdict(dispatch.name).traits.collective;
            let kind = call.and_then(|call| call.call).map(|call| call.name()).or(of_name);
            let group = call.and_then(|call| call.group);
            let part = match group {
                _ if kind == Some("send_recv") => Part::Alone,
                Some(group) if told[group.index()].is_some() => Part::Told(group),
                Some(_) => Part::Alone,
                None => Part::Unsaid,
            };
            let step = match scope.of {
                ScopeOf::DecodeSteps => scope.table.step_of(position).map(|step| step.number),
                ScopeOf::Trace => None,
            };
            let ranks = steps.entry(step).or_insert_with(|| vec![Vec::new(); scope.trace.ranks.len()]);
            ranks[scope.rank_of(position).index()].push(Kernel {
                at: position as u32,
                span: dispatch.span,
                kind,
                part,
            });
        }
        let ran = scope.steps().map(|(_, step)| (step.rank, step.number)).collect();
        Self { steps, ran, told }
    }

    /// Whether `rank` ran `step`; the whole trace is run by all.
    pub(super) fn ran(&self, rank: RankIdx, step: Option<u32>) -> bool {
        step.is_none_or(|number| self.ran.contains(&(rank, number)))
    }

    /// Kernels of two ranks that are the same collective by their order, by what they compute: of groups that both are
    /// told to be in, if there are any. Steps in which the ranks have not equally many are passed over.
    pub(super) fn pairs_in_order(&self, a: RankIdx, b: RankIdx) -> Vec<Vec<(Span, Span)>> {
        let told = |kernel: &Kernel| match kernel.part {
            Part::Told(group) => {
                let ranks = self.told[group.index()].as_deref().unwrap_or_default();
                (ranks.contains(&a) && ranks.contains(&b)).then_some((Some(group), kernel.kind))
            }
            Part::Unsaid | Part::Alone => None,
        };
        let unsaid = |kernel: &Kernel| (kernel.part == Part::Unsaid).then_some((None::<GroupIdx>, kernel.kind));
        let pairs = self.pairs_by(a, b, told);
        if pairs.is_empty() { self.pairs_by(a, b, unsaid) } else { pairs }
    }

    fn pairs_by<K: Ord>(&self, a: RankIdx, b: RankIdx, key: impl Fn(&Kernel) -> Option<K>) -> Vec<Vec<(Span, Span)>> {
        let mut pairs: BTreeMap<K, Vec<(Span, Span)>> = BTreeMap::new();
        for ranks in self.steps.values() {
            let mut lists: BTreeMap<K, [Vec<Kernel>; 2]> = BTreeMap::new();
            for (side, rank) in [a, b].into_iter().enumerate() {
                for kernel in &ranks[rank.index()] {
                    if let Some(key) = key(kernel) {
                        lists.entry(key).or_default()[side].push(*kernel);
                    }
                }
            }
            for (key, [a, b]) in lists {
                if a.len() == b.len() && alike(&a, &b) {
                    pairs.entry(key).or_default().extend(a.iter().zip(&b).map(|(a, b)| (a.span, b.span)));
                }
            }
        }
        pairs.into_values().collect()
    }
}

/// Whether two lists may be the same collectives in order, as far as it is known what they compute.
pub(super) fn alike(a: &[Kernel], b: &[Kernel]) -> bool {
    a.iter().zip(b).all(|(a, b)| is_like(a, b))
}

/// Whether two kernels may be the same collective.
pub(super) fn is_like(a: &Kernel, b: &Kernel) -> bool {
    a.kind.is_none() || b.kind.is_none() || a.kind == b.kind
}

/// The ranks of each process group, if they are all there and more than one.
fn groups_told(trace: &Trace) -> Vec<Option<Vec<RankIdx>>> {
    let mut by_number: HashMap<u32, Option<RankIdx>> = HashMap::new();
    for (at, rank) in trace.ranks.iter().enumerate() {
        if let Some(number) = rank.number {
            // A number that comes twice names no rank.
            by_number.entry(number).and_modify(|of| *of = None).or_insert(Some(RankIdx::new(at)));
        }
    }
    let ranks = |numbers: &[u32]| -> Option<Vec<RankIdx>> {
        let ranks: Option<Vec<RankIdx>> =
            numbers.iter().map(|number| by_number.get(number).copied().flatten()).collect();
        ranks.filter(|ranks| ranks.len() > 1)
    };
    trace.groups.iter().map(|group| ranks(&group.ranks)).collect()
}
