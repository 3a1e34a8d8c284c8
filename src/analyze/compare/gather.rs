//! Runs to a [`Side`]: each step's time on its path, each kernel's time in each step, and the facts.

use std::collections::{BTreeMap, HashMap};

use rustc_hash::FxHashMap;

use crate::analyze::compare::layout::{Sequence, lay_out};
use crate::analyze::compare::path::{Paths, paths as step_paths};
use crate::analyze::compare::side::{Facts, Kernel, Run, Side, StepRow};
use crate::analyze::layers::identity::normal;
use crate::analyze::layers::told::place;
use crate::analyze::scope::Scope;
use crate::analyze::time::latency;
use crate::analyze::time::stats::share;
use crate::analyze::time::sums::ByCategory;
use crate::analyze::{around, completeness};
use crate::classify::Category;
use crate::model::{LaunchCall, LaunchIdx, NameId, Trace, WorkIdx};
use crate::output::report::ScopeOf;
use crate::output::steps::{Completeness, Phases};
use crate::steps::labels::context_of_requests;
use crate::steps::{Detector, Phase, Step, StepIdx};

impl Side {
    /// A side of one run, or of several runs of the same thing; of their decode steps, or of the whole traces.
    #[must_use]
    pub fn new(runs: &[Run<'_>], whole_trace: bool) -> Self {
        let facts = Facts { has_steps: !whole_trace, ..Facts::default() };
        let mut gather = Gather { facts, whole_trace, ..Gather::default() };
        runs.iter().for_each(|run| gather.add(run));
        let Gather { mut facts, steps, kernels, sequences, others, .. } = gather;
        facts.conditions.sort();
        let (layout, slots) = lay_out(&kernels, steps.len(), &sequences);
        Self { facts, steps, kernels, layout, slots, others }
    }
}

#[derive(Default)]
struct Gather {
    whole_trace: bool,
    facts: Facts,
    steps: Vec<StepRow>,
    kernels: Vec<Kernel>,
    /// By name, shape and module.
    tokens: HashMap<(String, Told), u32>,
    sequences: Vec<Sequence>,
    others: BTreeMap<String, Vec<u64>>,
}

impl Gather {
    fn add(&mut self, run: &Run<'_>) {
        let scope = Scope::new(run.trace, run.classes, run.steps, self.whole_trace);
        let paths = step_paths(&scope);
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
            number: step.number,
            size: None,
            graph_size: None,
            context: None,
            span: step.span,
            rest: step.rest,
            gpu: ByCategory::default(),
            wait_ns: 0,
            waits: if paths.across() { vec![0; ranks] } else { Vec::new() },
            ranks: vec![0; ranks],
        }));
        for (_, step) in scope.steps() {
            match rows.get(&step.number) {
                Some(&row) => {
                    self.steps[row].size = step.batch.size;
                    self.steps[row].graph_size = step.batch.graph_size;
                    let label = step.label.map(|label| run.trace.names.get(label));
                    self.steps[row].context = label.and_then(context_of_requests);
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

    fn add_dispatches(&mut self, scope: &Scope<'_>, paths: &Paths, rows: &HashMap<u32, usize>, first: usize) {
        let tokens: Vec<u32> =
            scope.trace.names.iter().map(|(name, text)| self.token(scope, name, text, (None, None))).collect();
        let mut shaped: FxHashMap<(NameId, WorkIdx), u32> = FxHashMap::default();
        let mut launched = Launched::default();
        for (row, positions) in ran(scope, rows, first) {
            let mut sequence = Sequence { step: row as u32, items: Vec::with_capacity(positions.len()) };
            for at in positions.into_iter().map(|at| at as usize) {
                let dispatch = &scope.trace.dispatches[at];
                launched.add(scope.trace, dispatch.launch);
                let wait_ns = paths.wait_ns(at);
                let own_ns = dispatch.span.duration_ns() - wait_ns;
                let step = &mut self.steps[row];
                step.gpu[scope.category(dispatch.name) as usize] += own_ns;
                step.wait_ns += wait_ns;
                if let Some(waited_ns) = step.waits.get_mut(scope.rank_of(at).index()) {
                    *waited_ns += wait_ns;
                }
                step.ranks[scope.rank_of(at).index()] += own_ns;
                let stream = scope.trace.streams[dispatch.stream.index()].id;
                let token = match scope.trace.captured.of.get(at).copied().flatten() {
                    Some(work) => *shaped.entry((dispatch.name, work)).or_insert_with(|| {
                        let told = told(scope, dispatch.name, work);
                        self.token(scope, dispatch.name, scope.trace.names.get(dispatch.name), told)
                    }),
                    None => tokens[dispatch.name.index()],
                };
                sequence.items.push((token, stream, own_ns));
            }
            self.sequences.push(sequence);
        }
        let facts = &mut self.facts;
        // Of runs that differ, the last shows: the sides are then not alike in any case.
        facts.graph_share = launched.graph_share().or(facts.graph_share);
        let on_ranks = (paths.steps.len() * scope.trace.ranks.len().max(1)).max(1);
        facts.dispatches_per_step = launched.all as f64 / on_ranks as f64;
    }

    fn token(&mut self, scope: &Scope<'_>, name: NameId, text: &str, told: Told) -> u32 {
        let key = (text.to_owned(), told);
        if let Some(&token) = self.tokens.get(&key) {
            return token;
        }
        let verdict = scope.verdict(name);
        let token = self.kernels.len() as u32;
        let path = scope.trace.code_objects.get(&name);
        self.kernels.push(Kernel {
            name: text.to_owned(),
            normal: normal(text),
            demangled: crate::classify::demangled(text),
            category: verdict.category,
            sub: verdict.sub.as_deref().unwrap_or("unknown").to_owned(),
            backend: verdict.backend.clone().into_owned(),
            dtype: verdict.dtype.clone(),
            secondary: verdict.secondary.as_deref().map(str::to_owned),
            collective: verdict.traits.collective.map(str::to_owned),
            path: path.filter(|uri| uri.starts_with("file://")).map(|uri| uri.to_string()),
            shape: key.1.0.clone(),
            module: key.1.1.clone(),
        });
        self.tokens.insert(key, token);
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
        facts.around.add(around::of(trace));
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
        facts.unknown_share = facts.unknown_share.max(share(unknown, all));
    }
}

/// What a capture tells of a kernel: what it worked on, and its place in the model.
type Told = (Option<String>, Option<String>);

/// M, N and K of a product, or else the tensors of its operator; and the place in the model.
fn told(scope: &Scope<'_>, kernel: NameId, work: WorkIdx) -> Told {
    let trace = scope.trace;
    let work = trace.captured.works.get(work);
    let shape = match work.product.filter(|_| scope.category(kernel) == Category::Gemm) {
        Some(product) => Some(trace.products[product.index()].to_string()),
        None => work.tensors_shown(&trace.names),
    };
    (shape, place(work, &trace.names))
}

/// What ran in each step on each rank, as positions in the trace; the whole trace is one step.
fn ran(scope: &Scope<'_>, rows: &HashMap<u32, usize>, first: usize) -> Vec<(usize, Vec<u32>)> {
    if scope.of == ScopeOf::Trace {
        let mut by_rank = vec![Vec::new(); scope.trace.ranks.len()];
        for at in 0..scope.trace.dispatches.len() {
            by_rank[scope.rank_of(at).index()].push(at as u32);
        }
        return by_rank.into_iter().map(|positions| (first, scope.in_order(positions))).collect();
    }
    let row = |(at, step): (StepIdx, &Step)| Some((*rows.get(&step.number)?, scope.dispatches(at)));
    scope.steps().filter_map(row).collect()
}

/// How kernels were launched.
#[derive(Default)]
struct Launched {
    all: u64,
    /// Those whose launch is known.
    linked: u64,
    by_graph: u64,
}

impl Launched {
    fn add(&mut self, trace: &Trace, launch: Option<LaunchIdx>) {
        self.all += 1;
        if let Some(launch) = launch {
            self.linked += 1;
            self.by_graph += u64::from(trace.launches[launch.index()].call == LaunchCall::Graph);
        }
    }

    fn graph_share(&self) -> Option<f64> {
        (self.linked > 0).then(|| self.by_graph as f64 / self.linked as f64)
    }
}
