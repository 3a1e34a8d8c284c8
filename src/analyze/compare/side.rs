//! One side of a comparison: a run, or several of the same thing, as series over decode steps.
//!
//! Everything that is compared is a number for each step: how long it took, what each category, rank and kernel took of
//! it. A side holds these series and what decides whether it may be compared, and no dispatches: it can be written to a
//! file and compared against much later.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::analyze::compare::layout::{self, Layout, Sequence, Slot};
use crate::analyze::compare::path;
use crate::analyze::completeness;
use crate::analyze::critical::breakdown::Breakdown;
use crate::analyze::layers::identity::{self, Identity};
use crate::analyze::scope::Scope;
use crate::analyze::time::latency;
use crate::analyze::time::sums::ByCategory;
use crate::classify::{Category, Classes};
use crate::model::{Condition, LaunchCall, Trace};
use crate::output::report::ScopeOf;
use crate::output::steps::Completeness;
use crate::output::steps::Phases;
use crate::steps::{Detector, Phase, StepTable};

/// One run to compare: a trace, what its kernels are, and its steps.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// All ranks of the run.
    pub trace: &'a Trace,
    /// Classes of its kernels.
    pub classes: &'a Classes,
    /// Its steps.
    pub steps: &'a StepTable,
}

/// One side of a comparison.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Side {
    pub(super) facts: Facts,
    /// Decode steps that ran on every rank, run by run, in order; one for the whole trace if it has none.
    pub(super) steps: Vec<StepRow>,
    /// Distinct kernels.
    pub(super) kernels: Vec<Kernel>,
    pub(super) layout: Option<Layout>,
    /// Kernels by their place in the step, else by name.
    pub(super) slots: Vec<Slot>,
    /// GPU spans of steps that are not decode, by phase, in order of time.
    #[serde(default)]
    pub(super) others: BTreeMap<String, Vec<u64>>,
}

/// What decides whether two sides may be compared. Of several runs, lists are joined and the worst counts.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) inputs: Vec<String>,
    pub(super) formats: Vec<String>,
    pub(super) gpus: Vec<String>,
    pub(super) archs: Vec<String>,
    pub(super) frameworks: Vec<String>,
    pub(super) sdk_versions: Vec<String>,
    #[serde(default)]
    pub(super) conditions: Vec<Condition>,
    pub(super) runs: u32,
    /// Ranks of each run; more than one value if the runs differ.
    pub(super) ranks: Vec<u32>,
    /// Whether every run has decode steps.
    pub(super) has_steps: bool,
    pub(super) detectors: Vec<String>,
    /// Steps short of kernels, and records known to be lost.
    pub(super) incomplete: u64,
    /// Decode steps that did not run on every rank.
    pub(super) partial: u64,
    pub(super) phases: [u64; 5],
    /// Part of the counted dispatches that graphs launched; `None` where launches are not known.
    pub(super) graph_share: Option<f64>,
    pub(super) dispatches_per_step: f64,
    pub(super) unknown_share: f64,
    /// Whether kernels carry the times of others.
    #[serde(default)]
    pub(super) displaced: bool,
    /// Whether step times run over the ranks that arrive last, or are averages over ranks.
    pub(super) across: bool,
}

/// A decode step.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct StepRow {
    pub(super) run: u32,
    pub(super) size: Option<u32>,
    pub(super) graph_size: Option<u32>,
    /// From its first kernel to its last.
    pub(super) span: Breakdown,
    /// From there to the next decode step, where one follows.
    pub(super) rest: Option<Breakdown>,
    /// GPU time by category, summed over ranks, waiting for peers taken off.
    pub(super) gpu: ByCategory,
    /// Time that ranks waited for one another in collectives, summed.
    pub(super) wait_ns: u64,
    /// GPU time of each rank, waiting taken off.
    pub(super) ranks: Vec<u64>,
}

/// A kernel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Kernel {
    pub(super) name: String,
    pub(super) normal: String,
    pub(super) demangled: Option<String>,
    pub(super) category: Category,
    pub(super) sub: String,
    pub(super) backend: String,
    #[serde(default)]
    pub(super) dtype: Option<String>,
}

impl Kernel {
    pub(super) fn traits(&self) -> Identity<'_> {
        Identity { normal: &self.normal, category: self.category, sub: &self.sub, backend: &self.backend }
    }
}

impl Side {
    /// A side of one run, or of several runs of the same thing; of their decode steps, or of the whole traces.
    #[must_use]
    pub fn new(runs: &[Run<'_>], whole_trace: bool) -> Self {
        let facts = Facts { has_steps: !whole_trace, ..Facts::default() };
        let mut gather = Gather { facts, whole_trace, ..Gather::default() };
        runs.iter().for_each(|run| gather.add(run));
        let Gather { mut facts, steps, kernels, sequences, others, .. } = gather;
        facts.conditions.sort();
        let (layout, slots) = layout::lay_out(&kernels, steps.len(), sequences);
        Self { facts, steps, kernels, layout, slots, others }
    }

    /// What sums over ranks are divided by for one rank.
    pub(super) fn ranks(&self) -> u64 {
        self.facts.ranks.iter().copied().max().map_or(1, u64::from).max(1)
    }
}

#[derive(Default)]
struct Gather {
    whole_trace: bool,
    facts: Facts,
    steps: Vec<StepRow>,
    kernels: Vec<Kernel>,
    tokens: HashMap<String, u32>,
    sequences: Vec<Sequence>,
    others: BTreeMap<String, Vec<u64>>,
}

impl Gather {
    fn add(&mut self, run: &Run<'_>) {
        let scope = Scope::new(run.trace, run.classes, run.steps, self.whole_trace);
        let paths = path::paths(&scope);
        let number = self.facts.runs;
        self.facts.runs += 1;
        self.add_facts(&scope, paths.across());
        self.add_others(&scope);

        let ranks = run.trace.ranks.len().max(1);
        let first = self.steps.len();
        let rows: HashMap<u32, usize> =
            paths.steps.iter().enumerate().map(|(at, step)| (step.number, first + at)).collect();
        self.steps.extend(paths.steps.iter().map(|step| StepRow {
            run: number,
            size: None,
            graph_size: None,
            span: step.span,
            rest: step.rest,
            gpu: ByCategory::default(),
            wait_ns: 0,
            ranks: vec![0; ranks],
        }));
        for (_, step) in scope.steps() {
            match rows.get(&step.number) {
                Some(&row) => {
                    self.steps[row].size = step.batch.size;
                    self.steps[row].graph_size = step.batch.graph_size;
                }
                None => self.facts.partial += 1,
            }
        }
        self.add_dispatches(&scope, &paths, &rows, first);
    }

    /// Steps that are not decode: each as long as on the rank where it took longest.
    fn add_others(&mut self, scope: &Scope<'_>) {
        let mut longest: BTreeMap<(Phase, u32), u64> = BTreeMap::new();
        for step in &scope.table.steps {
            if step.phase != Phase::Decode && !step.warmup && step.dispatches > 0 {
                let known = longest.entry((step.phase, step.number)).or_default();
                *known = step.gpu.duration_ns().max(*known);
            }
        }
        for ((phase, _), ns) in longest {
            self.others.entry(phase.name().to_owned()).or_default().push(ns);
        }
    }

    fn add_dispatches(&mut self, scope: &Scope<'_>, paths: &path::Paths, rows: &HashMap<u32, usize>, first: usize) {
        let tokens: Vec<u32> = scope.trace.names.iter().map(|(name, text)| self.token(scope, name, text)).collect();
        let mut sequences: BTreeMap<(usize, usize), Sequence> = BTreeMap::new();
        let mut last: Option<((usize, usize), Sequence)> = None;
        let (mut counted, mut by_graph, mut linked) = (0_u64, 0_u64, 0_u64);
        for (at, dispatch) in scope.trace.dispatches.iter().enumerate() {
            if scope.left_out(at).is_some() {
                continue;
            }
            let row = match scope.of {
                ScopeOf::Trace => Some(first),
                ScopeOf::DecodeSteps => scope.table.step_of(at).and_then(|step| rows.get(&step.number).copied()),
            };
            let Some(row) = row else { continue };
            counted += 1;
            if let Some(launch) = dispatch.launch {
                linked += 1;
                by_graph += u64::from(scope.trace.launches[launch.index()].call == LaunchCall::Graph);
            }
            let wait = paths.wait_ns(at);
            let own = dispatch.span.duration_ns() - wait;
            let rank = scope.rank_of(at).index();
            let step = &mut self.steps[row];
            step.gpu[scope.category(dispatch.name) as usize] += own;
            step.wait_ns += wait;
            step.ranks[rank] += own;
            let item = (tokens[dispatch.name.index()], dispatch.stream.index() as u32, own);
            match &mut last {
                Some((key, sequence)) if *key == (row, rank) => sequence.items.push(item),
                _ => {
                    if let Some((key, sequence)) = last.take() {
                        sequences.insert(key, sequence);
                    }
                    let mut sequence =
                        sequences.remove(&(row, rank)).unwrap_or(Sequence { step: row as u32, items: Vec::new() });
                    sequence.items.push(item);
                    last = Some(((row, rank), sequence));
                }
            }
        }
        sequences.extend(last);
        self.sequences.extend(sequences.into_values());
        let facts = &mut self.facts;
        let share = (linked > 0).then(|| by_graph as f64 / linked as f64);
        // Of runs that differ, the last shows: the sides are then not alike in any case.
        facts.graph_share = share.or(facts.graph_share);
        let on_ranks = (paths.steps.len() * scope.trace.ranks.len().max(1)).max(1);
        facts.dispatches_per_step = counted as f64 / on_ranks as f64;
    }

    fn token(&mut self, scope: &Scope<'_>, name: crate::model::NameId, text: &str) -> u32 {
        if let Some(&token) = self.tokens.get(text) {
            return token;
        }
        let verdict = scope.verdict(name);
        let token = self.kernels.len() as u32;
        self.kernels.push(Kernel {
            name: text.to_owned(),
            normal: identity::normal(text),
            demangled: crate::classify::demangled(text),
            category: verdict.category,
            sub: verdict.sub.as_deref().unwrap_or("unknown").to_owned(),
            backend: verdict.backend.clone().into_owned(),
            dtype: verdict.dtype.clone(),
        });
        self.tokens.insert(text.to_owned(), token);
        token
    }

    fn add_facts(&mut self, scope: &Scope<'_>, across: bool) {
        fn note<T: PartialEq>(list: &mut Vec<T>, value: T) {
            if !list.contains(&value) {
                list.push(value);
            }
        }
        let trace = scope.trace;
        let facts = &mut self.facts;
        for source in &trace.sources {
            facts.inputs.push(source.path.clone());
            let format = serde_json::to_value(source.format).ok();
            note(&mut facts.formats, format.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default());
        }
        for rank in &trace.ranks {
            rank.gpu.iter().for_each(|gpu| note(&mut facts.gpus, gpu.clone()));
            rank.arch.iter().for_each(|arch| note(&mut facts.archs, arch.clone()));
        }
        for process in &trace.processes {
            process.framework.iter().for_each(|name| note(&mut facts.frameworks, name.clone()));
        }
        if let Some(version) = trace.capture.as_ref().and_then(|capture| capture.sdk_version.clone()) {
            note(&mut facts.sdk_versions, version);
        }
        trace.conditions.iter().for_each(|condition| note(&mut facts.conditions, condition.clone()));
        note(&mut facts.ranks, trace.ranks.len() as u32);
        note(&mut facts.detectors, scope.table.detector.name().to_owned());
        facts.has_steps &= scope.of == ScopeOf::DecodeSteps && scope.table.detector != Detector::None;
        facts.across = across && (facts.runs == 1 || facts.across);
        let found = completeness::check(scope);
        if found.verdict == Completeness::Incomplete {
            facts.incomplete += (found.missing.len() as u64).max(1);
        }
        let Phases { decode, prefill, mixed, draft, dummy, .. } = latency::phases(&scope.table.steps);
        facts.phases.iter_mut().zip([decode, prefill, mixed, draft, dummy]).for_each(|(sum, count)| *sum += count);
        let (mut all, mut unknown) = (0, 0);
        for (at, dispatch) in trace.dispatches.iter().enumerate() {
            if scope.left_out(at).is_none() {
                all += dispatch.span.duration_ns();
                unknown += if scope.verdict(dispatch.name).is_unknown() { dispatch.span.duration_ns() } else { 0 };
            }
        }
        facts.displaced |= !scope.trace.disorders.is_empty();
        facts.unknown_share = facts.unknown_share.max(crate::analyze::time::stats::share(unknown, all));
    }
}
