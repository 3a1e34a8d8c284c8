//! What rules may ask: the report, and a few facts that no table shows.
//!
//! Everything is gathered once: which kernel follows which on its stream, how the work was launched, how steps went one
//! by one. Rules only read.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::analyze::advice::gaps::Gaps;
use crate::analyze::scope::{Scope, distinct};
use crate::analyze::time::latency::Wall;
use crate::analyze::time::stats::share;
use crate::analyze::time::sums::{ByCategory, Sums};
use crate::model::{CopyKind, Format, LaunchCall, NameId, Names, RankIdx, shortened};
use crate::output::Report;
use crate::output::time::{Cause, KernelRow};
use crate::steps::{Batch, Phase, Step};

/// A serving framework that actions differ for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Framework {
    Vllm,
    Sglang,
    Atom,
}

impl Framework {
    fn named(name: &str) -> Option<Self> {
        match name {
            "vllm" => Some(Self::Vllm),
            "sglang" => Some(Self::Sglang),
            "atom" => Some(Self::Atom),
            _ => None,
        }
    }

    /// As its users write it.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Vllm => "vLLM",
            Self::Sglang => "SGLang",
            Self::Atom => "ATOM",
        }
    }
}

/// A kernel name as rules see it.
pub(super) struct Kernel<'a> {
    pub(super) row: &'a KernelRow,
    /// Its name, demangled where that is known, in small letters.
    pub(super) text: String,
    /// Wall time that it held up.
    pub(super) critical_ns: u64,
    /// Executions in a step.
    pub(super) a_step: f64,
}

/// How the kernels of counted steps were launched.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Launches {
    /// By a graph launch.
    pub(super) by_graph: u64,
    /// One by one.
    pub(super) single: u64,
    /// Graph launches.
    pub(super) graphs: u64,
}

impl Launches {
    fn add(&mut self, is_graph: bool) {
        *(if is_graph { &mut self.by_graph } else { &mut self.single }) += 1;
    }

    /// Whether most of the kernels whose launch is known were launched by graphs; `None` where no launch is known.
    fn is_graph(&self) -> Option<bool> {
        (self.by_graph + self.single > 0).then_some(self.by_graph >= self.single)
    }
}

/// Copies of a kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copies {
    pub(super) kind: CopyKind,
    pub(super) count: u64,
    /// Their time together.
    pub(super) ns: u64,
}

/// One step on one rank.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) rank: RankIdx,
    pub(super) number: u32,
    pub(super) batch: Batch,
    /// Whether most of its kernels were launched by graphs; `None` where no launch is known.
    pub(super) by_graph: Option<bool>,
    /// First kernel to last.
    pub(super) span_ns: u64,
    /// GPU time by category.
    pub(super) gpu: ByCategory,
}

/// All that rules may ask.
pub(super) struct Evidence<'a> {
    pub(super) report: &'a Report,
    /// Steps, counted on each rank: what a figure "a step" is per.
    pub(super) steps: u64,
    /// Their wall time, summed over ranks.
    pub(super) wall_ns: u64,
    /// The frameworks that the trace tells of.
    pub(super) frameworks: Vec<Framework>,
    /// The architectures that the trace tells of.
    pub(super) archs: Vec<&'a str>,
    /// Whether all of it was recorded by our own tracer.
    pub(super) is_own: bool,
    /// Idle time that steps have which are not traced, over all ranks, where our tracer measured such steps.
    pub(super) untraced_idle_ns: Option<u64>,
    /// In the order of the report's table.
    pub(super) kernels: Vec<Kernel<'a>>,
    pub(super) launches: Launches,
    pub(super) gaps: Gaps,
    /// Steps one by one, on each rank in order.
    pub(super) pace: Vec<Pace>,
    /// Copies during the steps, by kind.
    pub(super) copies: Vec<Copies>,
    /// Prefill and mixed steps between the first counted step and the last on their rank, each once, and their time.
    pub(super) between: (u64, u64),
    names: &'a Names,
    next: Vec<Vec<(usize, u64)>>,
    previous: Vec<Vec<(usize, u64)>>,
}

/// Of a kernel's name, in a sentence.
const NAME_CHARS: usize = 80;

impl<'a> Evidence<'a> {
    pub(super) fn new(scope: &Scope<'a>, sums: &Sums, walls: &[Wall], report: &'a Report) -> Self {
        let steps = report.steps.gpu_span_ns.map_or(0, |span| span.count).max(1);
        let kernel = |row: &'a KernelRow| Kernel {
            row,
            text: row.demangled.as_deref().unwrap_or(&row.name).to_ascii_lowercase(),
            critical_ns: row.critical_ns.unwrap_or(0),
            a_step: row.count as f64 / steps as f64,
        };
        let (next, previous) = neighbours(scope, report);
        let (launches, by_step) = launches(scope);
        let pace = scope.steps().map(|(at, step)| Pace {
            rank: step.rank,
            number: step.number,
            by_graph: by_step[at.index()].is_graph(),
            batch: Batch { tokens: None, ..step.batch },
            span_ns: step.gpu.duration_ns(),
            gpu: *sums.step(at),
        });
        Self {
            report,
            steps,
            wall_ns: report.scope.wall_ns,
            frameworks: frameworks(report),
            archs: report.source.iter().filter_map(|row| row.arch.as_deref()).collect(),
            is_own: report.source.iter().all(|row| row.format == Format::Capture),
            untraced_idle_ns: untraced_idle_ns(report, steps),
            kernels: report.kernels.iter().map(kernel).collect(),
            launches,
            gaps: Gaps::of(scope),
            pace: pace.collect(),
            copies: copies(scope, walls),
            between: between(scope),
            names: &scope.trace.names,
            next,
            previous,
        }
    }

    /// What runs right after (or right before) the kernel at `at` on its stream within a step, and how much GPU time the
    /// kernel's executions with that neighbour took.
    pub(super) fn neighbours(&self, at: usize, next: bool) -> impl Iterator<Item = (usize, u64)> + '_ {
        (if next { &self.next[at] } else { &self.previous[at] }).iter().copied()
    }

    /// Idle time of a cause, over all ranks.
    pub(super) fn idle_ns(&self, cause: Cause) -> u64 {
        let causes = self.report.idle.as_ref().map_or(&[][..], |idle| &idle.causes);
        causes.iter().filter(|row| row.name == cause).map(|row| row.ns).sum()
    }

    /// Whether most of the kernels whose launch is known were launched by graphs; `None` where no launch is known.
    pub(super) fn is_graph(&self) -> Option<bool> {
        self.launches.is_graph()
    }

    /// The most rows that matrix products of a step have, padding included; `None` where a step does not tell.
    pub(super) fn most_rows(&self) -> Option<u32> {
        self.report.steps.batch.iter().map(|row| row.rows).collect::<Option<Vec<u32>>>()?.into_iter().max()
    }

    /// Whether the work ran on one of these architectures, as far as the trace tells.
    pub(super) fn is_arch_of(&self, archs: &[&str]) -> bool {
        self.archs.iter().any(|arch| archs.contains(arch))
    }

    /// A kernel's name, as far as a sentence has room for it.
    pub(super) fn name(&self, id: NameId) -> String {
        shortened(self.names.get(id), NAME_CHARS)
    }

    /// Of the wall time.
    pub(super) fn share(&self, ns: u64) -> f64 {
        share(ns, self.wall_ns)
    }
}

/// Prefill and mixed steps that stood between counted steps: how many, and their time on all ranks. What ended before the
/// first of these or began after the last stalled none.
fn between(scope: &Scope<'_>) -> (u64, u64) {
    let mut counted: Vec<Option<(u32, u32)>> = vec![None; scope.trace.ranks.len()];
    for (_, step) in scope.steps() {
        let (_, last) = counted[step.rank.index()].get_or_insert((step.number, step.number));
        *last = step.number;
    }
    let stalls = |step: &&Step| {
        let inside = counted[step.rank.index()].is_some_and(|(first, last)| (first..last).contains(&step.number));
        matches!(step.phase, Phase::Prefill | Phase::Mixed) && inside && !step.warmup && step.dispatches > 0
    };
    let steps = || scope.table.steps.iter().filter(stalls);
    (distinct(steps()), steps().map(|step| step.gpu.duration_ns()).sum())
}

/// A step outside of the window takes what its kernels hold up and some idle time; `None` where no such step was measured.
fn untraced_idle_ns(report: &Report, steps: u64) -> Option<u64> {
    let overhead = report.capture.as_ref()?.overhead;
    let (outside, inside) = (overhead.step_outside_p50_ns?, overhead.step_inside_p50_ns?);
    let idle_ns = report.idle.as_ref()?.critical_ns / steps;
    (outside < inside).then(|| idle_ns.saturating_sub(inside - outside) * steps)
}

/// What the sources or the labels of the steps tell of frameworks.
fn frameworks(report: &Report) -> Vec<Framework> {
    // Ids of known labels begin with the engine that writes them.
    let labels = report.steps.marker.as_deref().unwrap_or("").split(", ");
    let by_label = labels.filter_map(|label| Framework::named(label.split('-').next()?));
    let named = |row: &crate::output::report::SourceRow| Framework::named(row.framework.as_deref()?);
    let mut found: Vec<Framework> = report.source.iter().filter_map(named).collect();
    if found.is_empty() {
        found.extend(by_label);
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// By kernel: its neighbour, and the GPU time of its executions beside it.
type Beside = Vec<Vec<(usize, u64)>>;

fn neighbours(scope: &Scope<'_>, report: &Report) -> (Beside, Beside) {
    let mut row_of = vec![usize::MAX; scope.trace.names.len()];
    for (at, row) in report.kernels.iter().enumerate() {
        if let Some(name) = scope.trace.names.find(&row.name) {
            row_of[name.index()] = at;
        }
    }
    let mut pairs: FxHashMap<(u32, u32), (u64, u64)> = FxHashMap::default();
    let mut last: Vec<Option<usize>> = vec![None; scope.trace.streams.len()];
    for (position, dispatch) in scope.trace.dispatches.iter().enumerate() {
        if scope.left_out(position).is_some() {
            continue;
        }
        let before = last[dispatch.stream.index()].replace(position);
        let Some(before) = before.filter(|&at| scope.table.of_dispatch[at] == scope.table.of_dispatch[position]) else {
            continue;
        };
        let before = &scope.trace.dispatches[before];
        let pair = pairs.entry((row_of[before.name.index()] as u32, row_of[dispatch.name.index()] as u32)).or_default();
        pair.0 += before.span.duration_ns();
        pair.1 += dispatch.span.duration_ns();
    }
    let mut next = vec![Vec::new(); report.kernels.len()];
    let mut previous = next.clone();
    for ((first, second), (first_ns, second_ns)) in pairs {
        let (first, second) = (first as usize, second as usize);
        if first < next.len() && second < next.len() {
            next[first].push((second, first_ns));
            previous[second].push((first, second_ns));
        }
    }
    (next, previous)
}

/// Of all counted steps, and of each by itself.
fn launches(scope: &Scope<'_>) -> (Launches, Vec<Launches>) {
    let mut all = Launches::default();
    let mut by_step = vec![Launches::default(); scope.table.steps.len()];
    let mut graphs = FxHashSet::default();
    for (position, dispatch) in scope.trace.dispatches.iter().enumerate() {
        let Some(launch) = dispatch.launch.filter(|_| scope.left_out(position).is_none()) else { continue };
        let is_graph = scope.trace.launches[launch.index()].call == LaunchCall::Graph;
        all.add(is_graph);
        if let Some(step) = scope.table.of_dispatch[position] {
            by_step[step.index()].add(is_graph);
        }
        if is_graph {
            graphs.insert(launch.index());
        }
    }
    all.graphs = graphs.len() as u64;
    (all, by_step)
}

/// Copies that began between the first counted step's start and the last one's end on their rank.
fn copies(scope: &Scope<'_>, walls: &[Wall]) -> Vec<Copies> {
    let mut hulls = vec![None; scope.trace.ranks.len()];
    for wall in walls {
        let rank = scope.table.steps[wall.step.index()].rank.index();
        hulls[rank] = Some(hulls[rank].map_or(wall.span, |hull: crate::model::Span| hull.hull(wall.span)));
    }
    let kinds = [CopyKind::HostToDevice, CopyKind::DeviceToHost, CopyKind::DeviceToDevice, CopyKind::Fill];
    let count = |kind| {
        let of_kind = scope.trace.copies.iter().filter(|copy| copy.kind == kind);
        let within = |copy: &&crate::model::Copy| {
            hulls[scope.trace.rank_of(copy.stream).index()].is_some_and(|hull| hull.contains(copy.span.start_ns))
        };
        let (count, ns) =
            of_kind.filter(within).fold((0, 0), |(count, ns), copy| (count + 1, ns + copy.span.duration_ns()));
        Copies { kind, count, ns }
    };
    kinds.map(count).into_iter().filter(|copies| copies.count > 0).collect()
}
