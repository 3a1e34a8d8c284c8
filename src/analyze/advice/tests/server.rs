//! A decode server drawn as a trace: healthy unless it is made sick.
//!
//! Kernels are real ones, so that the classifier is the real one; two layers of them and a tail, one after the other on
//! one stream. Ranks meet in collectives, which end together.

use std::sync::LazyLock;

use crate::analyze::testing::Drawn;
use crate::classify::Classifier;
use crate::model::{CopyKind, Launch, LaunchCall, Links, ProcessIdx, Product, RankIdx, Span, TraceBuilder};
use crate::output::Report;
use crate::steps::{Batch, Detector, Phase, Step, StepIdx, StepTable, Tail};

pub(super) const NORM: &str =
    "_ZN5aiter24add_rmsnorm_quant_kernelIDF16bDF16bLi256ELi16ELb1ELb0ELb1ELi1EEEvPT0_PT_PfS4_S4_S4_diiiiiiib";
pub(super) const GEMM: &str = "_ZN5aiter37bf16gemm_fp32bf16_tn_32x64_pf3_splitkE";
pub(super) const ROPE_CACHE: &str = "_fused_qk_rope_cosine_cache_llama_kernel";
pub(super) const ATTENTION: &str = "_ZN5aiter39mla_a16w16_qh16_m16x4_n16x1_coex0_mask1E";
pub(super) const REDUCE: &str = "_ZN5aiter30allreduce_fusion_kernel_1stageIDF16bDF16bLi4ELb0EEEvPNS_8RankDataENS_11RankSignalsEPNS_6SignalEiPT_S7_PT0_S7_PfiiiifS7_";
pub(super) const GATE: &str = "_ZN4vllm3moe17topkGatingSoftmaxILi4ELi128ELi4ELi16ELi64EiEEvPKfPKbPfiPT4_Piiii";
pub(super) const SORT: &str = "_ZN5aiter22opus_moe_sorting_entryINS_16MoeSortingKernelINS_19MoeSortingProblemExIifLi4ELb1ELb0ELb0ELb1ELi0EEEEENS4_5KargsEEEvT0_";
pub(super) const EXPERTS: &str = "_ZN5aiter50fmoe_bf16_pertokenMXfp4_g1u1_vs_silu_1tg_ps_32x512E";
pub(super) const ALL_TO_ALL: &str = "EpDispatchIntraNodeKernel";
pub(super) const LOGITS: &str = "Cijk_Alik_Bljk_BBS_BH_Bias_HA_S_SAV_UserArgs_MT160x32x128_MI16x16x1_SN_LDSB1_GSU1";
pub(super) const SAMPLE: &str = "_ZN5aiter20greedy_sample_kernelIfLi1024ELi4EEEvPKT_Piii";

/// A kernel and how long it takes.
pub(super) type Kernel = (&'static str, i64);

/// How kernels are launched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    Graph,
    Pieces(usize),
    Eager,
}

#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) layer: Vec<Kernel>,
    pub(super) tail: Vec<Kernel>,
    pub(super) ranks: usize,
    pub(super) steps: usize,
    pub(super) mode: Mode,
    /// Between two kernels that were launched together.
    pub(super) gap_ns: i64,
    /// Between two kernels that were not, or two steps: until the host has launched the next.
    pub(super) host_ns: i64,
    pub(super) batch: Batch,
    /// How much longer compute takes, by rank and step.
    pub(super) slow: fn(usize, usize) -> f64,
    /// The one kernel that `slow` is about; empty for all compute.
    pub(super) slow_kernel: &'static str,
    /// How long a rank does nothing before this kernel, though it was launched.
    pub(super) stall_ns: fn(usize, &str) -> i64,
    /// What the batch of a step is if not `batch`, and whether the step is launched kernel by kernel.
    pub(super) batch_of: fn(usize) -> Option<(Batch, bool)>,
    /// Copies within the GPU before each GEMM.
    pub(super) device_copy_ns: i64,
    /// How much later a rank begins a step.
    pub(super) skew_ns: fn(usize, usize) -> i64,
    /// A step of another phase before every so many.
    pub(super) between: Option<(Phase, usize, i64)>,
    /// A copy at the end of each step.
    pub(super) copy_ns: i64,
    /// Every so manyth step lacks its last kernel.
    pub(super) lose_every: Option<usize>,
    pub(super) marker: Option<&'static str>,
    pub(super) arch: &'static str,
    /// What eager launches are for.
    pub(super) product: Option<Product>,
    /// All times are multiplied by this.
    pub(super) scale: i64,
}

impl Server {
    pub(super) fn healthy() -> Self {
        Self {
            layer: vec![
                (NORM, 4_000),
                (GEMM, 12_000),
                (ROPE_CACHE, 4_000),
                (ATTENTION, 30_000),
                (GEMM, 12_000),
                (NORM, 4_000),
                (GATE, 4_000),
                (SORT, 5_000),
                (EXPERTS, 80_000),
            ],
            tail: vec![(LOGITS, 40_000), (SAMPLE, 8_000)],
            ranks: 1,
            steps: 30,
            mode: Mode::Graph,
            gap_ns: 500,
            host_ns: 8_000,
            batch: Batch { size: Some(30), graph_size: Some(32), tokens: None },
            slow: |_, _| 1.0,
            slow_kernel: "",
            stall_ns: |_, _| 0,
            batch_of: |_| None,
            device_copy_ns: 0,
            skew_ns: |_, _| 0,
            between: None,
            copy_ns: 0,
            lose_every: None,
            marker: None,
            arch: "gfx950",
            product: None,
            scale: 1,
        }
    }

    /// The same on `ranks` ranks that reduce after attention and after the experts, norms included.
    pub(super) fn parallel(ranks: usize) -> Self {
        let mut server = Self { ranks, ..Self::healthy() };
        server.layer.retain(|kernel| kernel.0 != NORM);
        server.layer.insert(4, (REDUCE, 8_000));
        server.layer.push((REDUCE, 8_000));
        server
    }

    /// Every `name` in the layer is replaced by these.
    pub(super) fn replace(mut self, name: &str, by: &[Kernel]) -> Self {
        let of = |kernel: &Kernel| if kernel.0 == name { by.to_vec() } else { vec![*kernel] };
        self.layer = self.layer.iter().flat_map(of).collect();
        self
    }

    /// These come after every `name` in the layer.
    pub(super) fn after(self, name: &'static str, more: &[Kernel]) -> Self {
        let ns = self.layer.iter().find(|kernel| kernel.0 == name).map_or(0, |kernel| kernel.1);
        let by: Vec<Kernel> = [(name, ns)].into_iter().chain(more.iter().copied()).collect();
        self.replace(name, &by)
    }

    pub(super) fn report(&self) -> Report {
        self.drawn().report()
    }

    pub(super) fn ids(&self) -> Vec<&'static str> {
        self.report().advice.iter().map(|advice| advice.id).collect()
    }

    pub(super) fn drawn(&self) -> Drawn {
        let mut draw = TraceBuilder::new().drawing();
        for rank in 1..self.ranks {
            draw.on_new_rank(rank as u32);
        }
        let builder = draw.builder();
        for rank in 0..self.ranks {
            builder.rank_mut(RankIdx::new(rank)).arch = Some(self.arch.to_owned());
        }
        let mut drawing = Timeline::new(self, builder);
        for step in 0..self.steps {
            if let Some((phase, every, ns)) = self.between
                && step % every == every - 1
            {
                drawing.step(phase, &[(GEMM, ns)], step, false);
            }
            let kernels: Vec<Kernel> =
                self.layer.iter().cycle().take(2 * self.layer.len()).chain(&self.tail).copied().collect();
            let lost = self.lose_every.is_some_and(|every| step % every == every - 1);
            drawing.step(Phase::Decode, &kernels, step, lost);
        }
        let mut steps = drawing.steps;
        steps.sort_by_key(|step| (step.rank, step.number));
        let trace = draw.finish();
        let of_dispatch = trace.dispatches.iter().map(|dispatch| {
            let rank = trace.rank_of(dispatch.stream);
            let here = |step: &Step| step.rank == rank && step.gpu.contains(dispatch.span.start_ns);
            steps.iter().position(here).map(StepIdx::new)
        });
        let of_dispatch = of_dispatch.collect();
        let mut table = StepTable::new(Detector::Marker, steps, of_dispatch);
        table.marker = self.marker.map(str::to_owned);
        static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(Classifier::builtin);
        let classes = CLASSIFIER.classify_trace(&trace);
        Drawn { trace, classes, table }
    }
}

/// Puts kernels one after the other.
struct Timeline<'a> {
    server: &'a Server,
    builder: &'a mut TraceBuilder,
    now: Vec<i64>,
    key: u64,
    number: u32,
    steps: Vec<Step>,
}

impl<'a> Timeline<'a> {
    fn new(server: &'a Server, builder: &'a mut TraceBuilder) -> Self {
        Self { server, builder, now: vec![1_000_000; server.ranks], key: 0, number: 0, steps: Vec::new() }
    }

    fn step(&mut self, phase: Phase, kernels: &[Kernel], step: usize, lost: bool) {
        let (server, ranks) = (self.server, self.server.ranks);
        let host_ns = server.host_ns * server.scale;
        let (batch, eager) = (server.batch_of)(step).unwrap_or((server.batch, false));
        let mode = if eager { Mode::Eager } else { server.mode };
        let piece = match mode {
            Mode::Graph => usize::MAX,
            Mode::Pieces(pieces) => kernels.len().div_ceil(pieces),
            Mode::Eager => 1,
        };
        (0..ranks).for_each(|rank| self.now[rank] += (server.skew_ns)(rank, step) * server.scale);
        let begin = self.now.clone();
        let mut end = begin.clone();
        let mut launched = vec![0; ranks];
        let recorded = if lost { &kernels[..kernels.len() - 1] } else { kernels };
        for (at, &(name, ns)) in recorded.iter().enumerate() {
            let collective =
                [REDUCE, ALL_TO_ALL].contains(&name) || name.contains("nccl") || name.contains("cross_device");
            for (rank, launched) in launched.iter_mut().enumerate() {
                if at % piece == 0 {
                    // The call returns long before the kernel begins, but begins when the host gets to it.
                    self.key += 1;
                    *launched = self.key;
                    self.now[rank] += if at > 0 { host_ns } else { 0 };
                    self.launch(self.now[rank] - 500 * server.scale, rank, mode);
                }
                self.hold_up(rank, name);
            }
            let last = self.now.iter().copied().max().unwrap_or(0);
            for rank in 0..ranks {
                let slow = !collective && (server.slow_kernel.is_empty() || server.slow_kernel == name);
                let factor = if slow { (server.slow)(rank, step) } else { 1.0 };
                let ns = (ns as f64 * factor) as i64 * server.scale;
                end[rank] = if collective { last + ns } else { self.now[rank] + ns };
                self.kernel(name, self.now[rank], end[rank], rank, launched[rank]);
                self.now[rank] = end[rank] + server.gap_ns * server.scale;
            }
        }
        for rank in 0..ranks {
            if server.copy_ns > 0 {
                self.now[rank] = end[rank];
                self.copy(rank, CopyKind::DeviceToHost, server.copy_ns);
            }
            self.now[rank] += host_ns;
            self.steps.push(Step {
                number: self.number,
                rank: RankIdx::new(rank),
                phase,
                batch,
                label: None,
                cpu: None,
                gpu: Span::new(begin[rank], end[rank]),
                dispatches: recorded.len() as u32,
                gpu_time_ns: 0,
                tail: Tail::default(),
                warmup: false,
            });
        }
        self.number += 1;
    }

    /// What delays a kernel that was launched.
    fn hold_up(&mut self, rank: usize, name: &str) {
        let server = self.server;
        self.now[rank] += (server.stall_ns)(rank, name) * server.scale;
        if name == GEMM && server.device_copy_ns > 0 {
            self.copy(rank, CopyKind::DeviceToDevice, server.device_copy_ns);
        }
    }

    fn copy(&mut self, rank: usize, kind: CopyKind, ns: i64) {
        let (from, stream) = (self.now[rank], self.builder.stream(RankIdx::new(rank), 0));
        self.now[rank] = from + ns * self.server.scale;
        self.builder.copy(from, self.now[rank], kind, stream, Some(256), None);
    }

    fn launch(&mut self, at_ns: i64, rank: usize, mode: Mode) {
        let call = if mode == Mode::Eager { LaunchCall::Kernel } else { LaunchCall::Graph };
        let span = Span::new(at_ns, at_ns + 200);
        let product = self.server.product.map(|product| self.builder.product(product));
        let process = ProcessIdx::new(0);
        let launch = Launch { span, call, process, thread: rank as u64, graph: None, op: None, product };
        self.builder.launch(launch, Some(self.key));
    }

    fn kernel(&mut self, name: &str, start_ns: i64, end_ns: i64, rank: usize, key: u64) {
        let stream = self.builder.stream(RankIdx::new(rank), 0);
        let name = self.builder.names().intern(name);
        self.builder.dispatch(start_ns, end_ns, name, stream, Links { launch: Some(key), ..Links::default() });
    }
}
