//! How close kernels of known operator come to the GPU's peaks.
//!
//! ```text
//!   o_proj GEMM  aten::addmm  M=32 N=2880 K=4096   24.0 MB, 0.76 GFLOP, 15.3 µs   1.58 TB/s of 5.3   30 % of peak
//! ```
//!
//! A kernel cannot take less than its bytes at the bandwidth of the HBM, nor less than its operations at the rate of the
//! matrix cores: the longer of both is the least that it takes, and what it takes beyond is the most that tuning could save.
//! It is made where captures of graphs tell what replays did.

mod cost;
mod other;

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use crate::analyze::critical::one_gpu::CriticalTime;
use crate::analyze::floor::{GPUS, Gpu, compute_units, find_gpu, partition};
use crate::analyze::layers::tables::Places;
use crate::analyze::layers::told;
use crate::analyze::scope::Scope;
use crate::analyze::tensor;
use crate::analyze::tensor::Dtype;
use crate::analyze::time::stats::share;
use crate::analyze::time::sums::Sums;
use crate::classify::{Category, Classes};
use crate::model::{NameId, Product, Trace, Work, WorkIdx};
use crate::output::gemm::{Tuned, TunedRow};
use crate::output::roofline::{Bound, Roofline, WorkRow};
use crate::steps::StepTable;
use crate::steps::labels::context_of_requests;
use cost::{Cost, Factors, of_product};
use other::{Around, of_other};

/// What a row is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key<'a> {
    /// Works of different layers are one.
    op: NameId,
    arguments: Option<&'a [crate::model::Argument]>,
    product: Option<Product>,
    /// Of what is no matrix product, each kernel by itself.
    kernel: Option<NameId>,
    role: Option<u32>,
}

/// What ran of a row.
#[derive(Default)]
struct Ran {
    calls: u64,
    gpu_time_ns: u64,
    critical_ns: u64,
    names: FxHashMap<NameId, u64>,
    layers: Vec<u32>,
    asked: (u64, u64),
    /// Tokens behind the requests, summed over the calls whose label tells.
    context: (u64, u64),
}

/// The roofline; `None` where no capture tells what kernels did.
pub(crate) fn roofline(
    scope: &Scope<'_>,
    sums: &Sums,
    critical: Option<&CriticalTime>,
    places: Option<&Places>,
) -> Option<Roofline> {
    let trace = scope.trace;
    let joined = trace.captured.fit.as_ref().is_some_and(|fit| fit.joined_launches > 0);
    if !joined || trace.captured.works.all().iter().all(|work| work.op.is_none()) {
        return None;
    }
    let peaks = Peaks::of(trace);
    let all = sums.counted.gpu_time_ns;
    let cache = cache_type(trace);
    let mut known_ns = 0;
    let mut rows: Vec<WorkRow> = gathered(scope, critical, places)
        .into_iter()
        // A kernel that only adds up parts may have made a row of its own.
        .filter(|(_, ran, _)| !ran.names.is_empty())
        .map(|(key, ran, work)| {
            let cost = cost(scope, key, &ran, work, cache);
            let cost = peaks.believed(cost, &ran);
            known_ns += if cost.bytes.is_some() { ran.gpu_time_ns } else { 0 };
            let critical_share = critical.map(|critical| share(ran.critical_ns, critical.wall_ns()));
            let of_time = share(ran.gpu_time_ns, all);
            let row = WorkRow { share: of_time, critical_share, ..named(scope, places, key, (&ran, work), cost) };
            peaks.filled(row, cost)
        })
        .collect();
    rows.sort_by(|a, b| {
        let key = |row: &WorkRow| (Reverse(row.could_save_ns), Reverse(row.gpu_time_ns));
        key(a).cmp(&key(b)).then_with(|| (&a.op, &a.arguments, &a.kernels).cmp(&(&b.op, &b.arguments, &b.kernels)))
    });
    Some(Roofline {
        gpu: peaks.gpu.map(|gpu| gpu.name),
        gpu_assumed: peaks.assumed,
        partition: peaks.partition,
        hbm_bytes_per_ns: peaks.gpu.map(|gpu| gpu.hbm_bytes_per_ns * peaks.partition),
        source: peaks.gpu.map(|gpu| gpu.source),
        known_share: share(known_ns, all),
        rows,
        assumptions: vec![
            "each argument and result is moved once, whatever caches hold of it",
            "the result of factors of less than 16 bits has 16 where the arguments do not tell",
            "attention reads all tokens before; where that would take more than the peak it reads a window, and nothing is said",
        ],
    })
}

/// What a call of a row costs.
fn cost(scope: &Scope<'_>, key: Key<'_>, ran: &Ran, work: &Work, cache: Option<Dtype>) -> Cost {
    let names = &scope.trace.names;
    match (key.product, key.kernel) {
        (Some(product), _) => of_product(work, product, names),
        (None, Some(kernel)) => {
            let context = (ran.context.1 == ran.calls).then(|| ran.context.0 as f64 / ran.calls.max(1) as f64);
            of_other(work, scope.verdict(kernel), names, Around { context, cache })
        }
        (None, None) => Cost::default(),
    }
}

/// What the KV cache holds, by the operators that write it.
fn cache_type(trace: &Trace) -> Option<Dtype> {
    let written = trace
        .captured
        .works
        .all()
        .iter()
        .filter(|work| work.op.is_some_and(|op| trace.names.get(op).contains("reshape_and_cache")));
    let caches = written.filter_map(|work| {
        let tensors = tensor::tensors(work.arguments.as_deref()?, &trace.names)?;
        Some(tensors.get(2)?.dtype)
    });
    caches.reduce(|a, b| if a.bytes >= b.bytes { a } else { b })
}

/// A row with what needs no peaks.
fn named(scope: &Scope<'_>, places: Option<&Places>, key: Key<'_>, (ran, work): (&Ran, &Work), cost: Cost) -> WorkRow {
    let names = &scope.trace.names;
    let mut kernels: Vec<(Reverse<u64>, &str, NameId)> =
        ran.names.iter().map(|(&name, &ns)| (Reverse(ns), names.get(name), name)).collect();
    kernels.sort_unstable();
    WorkRow {
        role: places.zip(key.role).map(|(places, role)| places.roles[role as usize].clone()),
        layers: (!ran.layers.is_empty()).then_some(ran.layers.len() as u64),
        module: told::module(work, names),
        op: names.get(key.op).to_owned(),
        arguments: work.tensors_shown(names),
        product: key.product,
        category: kernels.first().map_or(Category::Other, |&(.., name)| scope.category(name)),
        kernels: kernels.into_iter().map(|(_, name, _)| name.to_owned()).collect(),
        calls: ran.calls,
        gpu_time_ns: ran.gpu_time_ns,
        share: 0.0,
        critical_share: None,
        bytes: cost.bytes,
        flops: cost.flops,
        tb_per_s: None,
        tflop_per_s: None,
        bound: None,
        least_ns: None,
        share_of_peak: None,
        could_save_ns: None,
        could_save_share: None,
        asked_rows: (ran.asked.1 > 0).then(|| ran.asked.0 as f64 / ran.asked.1 as f64),
        tuned: None,
    }
}

/// What ran in scope, by row.
fn gathered<'a>(
    scope: &Scope<'a>,
    critical: Option<&CriticalTime>,
    places: Option<&Places>,
) -> Vec<(Key<'a>, Ran, &'a Work)> {
    let trace = scope.trace;
    let mut rows = Rows::default();
    let mut contexts = Contexts::default();
    // The row of the last kernel of each stream, if that was a product, and its name.
    let mut last: Vec<Option<(usize, NameId)>> = vec![None; trace.streams.len()];
    for (position, dispatch) in trace.dispatches.iter().enumerate() {
        let last = &mut last[dispatch.stream.index()];
        let place = trace.place_of_work(position).filter(|_| scope.left_out(position).is_none());
        let op = place.and_then(|place| Some((place, trace.captured.works.get(place).op?)));
        let Some((place, op)) = op else {
            *last = None;
            continue;
        };
        let row = rows.of(scope, (place, op), dispatch.name, places.and_then(|places| places.role_of(position)));
        let key = rows.list[row].0;
        // Split products add up their parts in a kernel of their own, whose role is another.
        let same_call = last.filter(|&(before, name)| {
            let before = &rows.list[before].0;
            key.product.is_some() && (before.op, before.product) == (key.op, key.product) && name != dispatch.name
        });
        let row = same_call.map_or(row, |(before, _)| before);
        let ran = &mut rows.list[row].1;
        ran.calls += u64::from(same_call.is_none());
        let ns = dispatch.span.duration_ns();
        ran.gpu_time_ns += ns;
        ran.critical_ns += critical.map_or(0, |critical| critical.dispatches[position]);
        *ran.names.entry(dispatch.name).or_default() += ns;
        let told = || told::layer(trace.captured.works.get(place));
        if let Some(layer) = places.and_then(|places| places.layer_of(position)).or_else(told)
            && let Err(at) = ran.layers.binary_search(&layer)
        {
            ran.layers.insert(at, layer);
        }
        if let (Some(product), Some(rows), None) = (key.product, asked(scope, position), same_call)
            && rows <= product.m
            && product.m / 2 < rows
        {
            ran.asked = (ran.asked.0 + u64::from(rows), ran.asked.1 + 1);
        }
        if let Some(tokens) = contexts.of(scope, position) {
            ran.context = (ran.context.0 + tokens, ran.context.1 + 1);
        }
        *last = key.product.map(|_| (row, dispatch.name));
    }
    rows.list
}

/// Rows by what they are of.
#[derive(Default)]
struct Rows<'a> {
    list: Vec<(Key<'a>, Ran, &'a Work)>,
    places: FxHashMap<Key<'a>, usize>,
    /// The same by numbers, which are hashed faster than arguments.
    known: FxHashMap<(WorkIdx, NameId, Option<u32>), usize>,
}

impl<'a> Rows<'a> {
    /// The row of a kernel that did the work at `place`, in a role.
    fn of(&mut self, scope: &Scope<'a>, (place, op): (WorkIdx, NameId), kernel: NameId, role: Option<u32>) -> usize {
        if let Some(&row) = self.known.get(&(place, kernel, role)) {
            return row;
        }
        let trace = scope.trace;
        let work = trace.captured.works.get(place);
        let is_gemm = scope.category(kernel) == Category::Gemm;
        let product = work.product.filter(|_| is_gemm).map(|product| trace.products[product.index()]);
        let arguments = work.arguments.as_deref();
        let key = Key { op, arguments, product, kernel: product.is_none().then_some(kernel), role };
        let list = &mut self.list;
        let row = *self.places.entry(key).or_insert_with(|| {
            list.push((key, Ran::default(), work));
            list.len() - 1
        });
        self.known.insert((place, kernel, role), row);
        row
    }
}

/// Rows that the step of a dispatch was asked for, as its label tells.
fn asked(scope: &Scope<'_>, position: usize) -> Option<u32> {
    let batch = scope.table.step_of(position)?.batch;
    batch.tokens.max(batch.size)
}

/// Tokens behind the requests of steps, by label.
#[derive(Default)]
struct Contexts(FxHashMap<NameId, Option<u64>>);

impl Contexts {
    /// Of the step of a dispatch, as its label tells.
    fn of(&mut self, scope: &Scope<'_>, position: usize) -> Option<u64> {
        let step = scope.table.step_of(position)?;
        let (label, requests) = (step.label?, u64::from(step.batch.size?));
        let tokens = self.0.entry(label).or_insert_with(|| context_of_requests(scope.trace.names.get(label)));
        Some((*tokens)? * requests)
    }
}

/// What the GPU can do.
struct Peaks {
    gpu: Option<&'static Gpu>,
    assumed: bool,
    partition: f64,
}

impl Peaks {
    fn of(trace: &Trace) -> Self {
        let rank = trace.ranks.iter().find(|rank| rank.gpu.is_some()).or_else(|| trace.ranks.first());
        let (name, arch) = rank.map_or((None, None), |rank| (rank.gpu.as_deref(), rank.arch.as_deref()));
        let units = compute_units(trace);
        let only = units.first().filter(|_| units.len() == 1);
        let by_name = find_gpu(name, None);
        let is = |gpu: &&Gpu| arch.is_some_and(|arch| arch.split(':').next() == Some(gpu.arch));
        let by_units = GPUS.iter().filter(is).find(|gpu| Some(&gpu.compute_units) == only);
        let gpu = by_name.or(by_units).or_else(|| find_gpu(None, arch));
        let part = gpu.and_then(|gpu| partition(gpu, &units));
        let partition = part.map_or(1.0, |(part, _)| part);
        Self { gpu, assumed: by_name.is_none(), partition }
    }

    /// `cost`, unless it is of a whole context and moving that would take more than the peak.
    fn believed(&self, cost: Cost, ran: &Ran) -> Cost {
        let least = |gpu: &Gpu| cost.bytes.map(|bytes| bytes as f64 / (gpu.hbm_bytes_per_ns * self.partition));
        let ns = ran.gpu_time_ns as f64 / ran.calls.max(1) as f64;
        match self.gpu.and_then(least) {
            Some(least) if cost.whole_context && least > ns => Cost::default(),
            _ => cost,
        }
    }

    /// `row` with what follows from bytes, operations and time.
    fn filled(&self, mut row: WorkRow, cost: Cost) -> WorkRow {
        let ns = row.gpu_time_ns as f64 / row.calls.max(1) as f64;
        if ns > 0.0 {
            row.tb_per_s = cost.bytes.map(|bytes| bytes as f64 / ns / 1000.0);
            row.tflop_per_s = cost.flops.map(|flops| flops as f64 / ns / 1000.0);
        }
        let Some((gpu, bytes)) = self.gpu.zip(cost.bytes).filter(|_| ns > 0.0 && !cost.no_peak) else { return row };
        let moving = bytes as f64 / (gpu.hbm_bytes_per_ns * self.partition);
        let peak = cost.on.and_then(|on| gpu.flop_per_ns(on)).map(|peak| peak * self.partition);
        let computing = cost.flops.zip(peak).map_or(0.0, |(flops, peak)| flops as f64 / peak);
        let least = moving.max(computing);
        let part = (1.0 - least / ns).max(0.0);
        row.bound = Some(if moving >= computing { Bound::Memory } else { Bound::Compute });
        row.least_ns = Some(least.round() as u64);
        row.share_of_peak = Some(least / ns);
        row.could_save_ns = Some((row.gpu_time_ns as f64 * part).round() as u64);
        row.could_save_share = row.critical_share.map(|share| share * part);
        row
    }
}

/// Adds how products stand to aiter's tuned tables.
pub(crate) fn against_tables(roofline: &mut Roofline, tuned: Option<&Tuned>) {
    let Some(tuned) = tuned else { return };
    for row in &mut roofline.rows {
        let of = |known: &&TunedRow| known.shape == row.product && Some(&known.name) == row.kernels.first();
        row.tuned = row.product.and_then(|_| tuned.kernels.iter().find(of)).map(|known| known.verdict);
    }
}

/// A product that ran, as aiter's tuner takes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ToTune {
    /// What was multiplied.
    pub product: Product,
    /// Whether a bias is added.
    pub bias: bool,
    /// Type of the factors.
    pub dtype: &'static str,
    /// Type of the result.
    pub out: &'static str,
    /// Whether the factors have scales.
    pub scaled: bool,
}

/// The products that ran in the counted steps, or in the whole trace, and whose types are known, each once; and how many
/// there are of unknown types.
#[must_use]
pub fn to_tune(trace: &Trace, classes: &Classes, steps: &StepTable, whole_trace: bool) -> (Vec<ToTune>, u64) {
    let scope = Scope::new(trace, classes, steps, whole_trace);
    let mut found: FxHashMap<Product, Vec<ToTune>> = FxHashMap::default();
    for (position, dispatch) in trace.dispatches.iter().enumerate() {
        if scope.left_out(position).is_some() || scope.category(dispatch.name) != Category::Gemm {
            continue;
        }
        let Some(product) = trace.product_of(position).map(|product| trace.products[product.index()]) else { continue };
        let known = found.entry(product).or_default();
        let Some(work) = trace.work_of(position) else { continue };
        let Some(factors) = Factors::of(work, product, &trace.names) else { continue };
        let (dtype, out) = factors.types();
        let row = ToTune { product, bias: factors.has_bias(product), dtype, out, scaled: factors.is_scaled() };
        if !known.contains(&row) {
            known.push(row);
        }
    }
    let untyped = found.values().filter(|rows| rows.is_empty()).count() as u64;
    let mut rows: Vec<ToTune> = found.into_values().flatten().collect();
    rows.sort_unstable();
    (rows, untyped)
}
