//! One rank of the server: its device, its graphs, its steps.

use std::collections::BTreeMap;

use crate::model::{Kernel, Model, Sequence};
use crate::options::{Markers, Mode, Options};
use crate::plan::{self, Durations, Step};
use crate::simulator::Host;

/// What the CPU does between steps and within them, ns.
const SCHEDULE_NS: u64 = 180_000;
const PREPARE_NS: u64 = 120_000;
/// The group of ranks that reduce together.
const GROUP: i64 = 1;

/// One rank, on one device of this process.
pub(crate) struct Rank<'a> {
    host: &'a Host,
    options: &'a Options,
    model: &'a Model,
    rank: usize,
    /// Ranks wait for each other on the simulated GPUs (they are in one process), or in what they compute (they are not).
    together: bool,
    stream: i64,
    handles: BTreeMap<String, i64>,
    decode: Sequence,
    prefill: Sequence,
    pieces: Vec<(std::ops::Range<usize>, bool)>,
    /// The graphs of each bucket, one for each piece that is a graph.
    graphs: BTreeMap<u64, Vec<i64>>,
}

impl<'a> Rank<'a> {
    /// Brings the rank's device up.
    pub(crate) fn start(
        host: &'a Host,
        options: &'a Options,
        model: &'a Model,
        rank: usize,
        device: i32,
        together: bool,
    ) -> Self {
        host.set_device(device);
        let names = model.names();
        let module = host.module_load(&names);
        let handles = names.iter().map(|name| ((*name).to_owned(), host.function(module, name))).collect();
        let stream = host.stream_create();
        let decode = model.sequence(true, options.tp);
        let pieces = plan::pieces(&decode, options.mode == Mode::Piecewise);
        let prefill = model.sequence(false, options.tp);
        Self { host, options, model, rank, together, stream, handles, decode, prefill, pieces, graphs: BTreeMap::new() }
    }

    /// Runs all steps; answers with how many decoded only, after the warm-up.
    pub(crate) fn serve(&mut self) -> u64 {
        self.dummy_runs();
        let mut decoded = 0;
        let mut warm = false;
        for step in plan::steps(self.options) {
            if !step.warmup && !std::mem::replace(&mut warm, true) && self.options.mode != Mode::Eager {
                self.capture();
            }
            self.host.work(SCHEDULE_NS);
            self.step(&step);
            decoded += u64::from(step.prefilling == 0 && !step.warmup);
        }
        decoded
    }

    /// Engines run the model a few times before they serve; ATOM marks that, the others do not.
    fn dummy_runs(&self) {
        for number in 0..2 {
            let step = Step { number: u64::MAX - number, decoding: 1, prefilling: 0, tokens: 0, warmup: true };
            self.marked((self.options.markers == Markers::Atom).then(|| "dummy_decode[bs=1]".to_owned()), || {
                self.eager(&self.decode, &step, 1);
            });
        }
    }

    /// Captures the graphs of all buckets that the batch can need.
    fn capture(&mut self) {
        let batch = self.options.batch.max(1);
        let needed: Vec<u64> = (batch - batch / 8..=batch).map(|batch| self.bucket(batch)).collect();
        let mut graphs = BTreeMap::new();
        for bucket in needed {
            if graphs.contains_key(&bucket) {
                continue;
            }
            let label = (self.options.markers == Markers::Atom).then(|| format!("capture_graph_bs_{bucket}"));
            self.marked(label, || {
                graphs.insert(bucket, self.capture_bucket());
            });
        }
        self.graphs = graphs;
    }

    fn capture_bucket(&self) -> Vec<i64> {
        let captured = self.pieces.iter().filter(|(_, is_graph)| *is_graph).map(|(range, _)| {
            self.host.capture_begin(self.stream);
            for kernel in &self.decode.forward[range.clone()] {
                self.launch(kernel, kernel.duration_ns);
            }
            let graph = self.host.capture_end(self.stream);
            let exec = self.host.graph_instantiate(graph);
            self.host.graph_destroy(graph);
            exec
        });
        captured.collect()
    }

    fn step(&self, step: &Step) {
        let graphs = !step.warmup && step.prefilling == 0 && self.options.mode != Mode::Eager;
        let bucket = if graphs { self.bucket(step.decoding) } else { step.decoding.max(1) };
        let label = step.label(self.options.markers, bucket, !graphs);
        self.marked(label, || {
            self.host.work(PREPARE_NS);
            // Token ids and positions go to the device.
            self.host.memcpy(self.stream, 2, 8 * bucket, 1_800);
            self.host.memcpy(self.stream, 2, 8 * bucket, 1_800);
            match self.graphs.get(&bucket).filter(|_| graphs) {
                Some(execs) => self.replay(execs, step, bucket),
                None if step.prefilling > 0 => self.eager(&self.prefill, step, bucket),
                None => self.eager(&self.decode, step, bucket),
            }
            // The new tokens come back.
            self.host.memcpy(self.stream, 3, 8 * bucket, 2_200);
            self.host.stream_synchronize(self.stream);
        });
    }

    fn replay(&self, execs: &[i64], step: &Step, bucket: u64) {
        let durations = self.durations(&self.decode.forward, step, bucket, 0);
        let mut execs = execs.iter();
        for (range, is_graph) in &self.pieces {
            if *is_graph && let Some(exec) = execs.next() {
                let part = &durations[range.clone()];
                self.host.graph_launch(*exec, self.stream, part.as_ptr(), part.len() as i32);
            } else {
                self.launch_all(&self.decode.forward[range.clone()], &durations[range.clone()]);
            }
        }
        self.after(&self.decode, step, bucket);
    }

    fn eager(&self, sequence: &Sequence, step: &Step, bucket: u64) {
        self.launch_all(&sequence.forward, &self.durations(&sequence.forward, step, bucket, 0));
        self.after(sequence, step, bucket);
    }

    fn after(&self, sequence: &Sequence, step: &Step, bucket: u64) {
        let durations = self.durations(&sequence.after, step, bucket, sequence.forward.len());
        self.launch_all(&sequence.after, &durations);
    }

    fn durations(&self, kernels: &[Kernel], step: &Step, bucket: u64, offset: usize) -> Vec<u64> {
        let durations = Durations { options: self.options, model: self.model };
        let mut own = durations.of(kernels, step, self.rank, bucket, offset);
        if !self.together && self.options.tp > 1 {
            durations.add_waits(&mut own, kernels, step, self.rank, bucket, offset);
        }
        own
    }

    fn launch_all(&self, kernels: &[Kernel], durations: &[u64]) {
        for (kernel, duration_ns) in kernels.iter().zip(durations) {
            self.launch(kernel, *duration_ns);
        }
    }

    fn launch(&self, kernel: &Kernel, duration_ns: u64) {
        let handle = self.handles[&kernel.name];
        let ranks = self.options.tp as i32;
        let code = if kernel.collective && self.together {
            self.host.launch_collective(handle, self.stream, duration_ns, GROUP, ranks)
        } else {
            self.host.launch(handle, self.stream, duration_ns)
        };
        assert_eq!(code, 0, "hipModuleLaunchKernel of {}", kernel.name);
    }

    fn marked(&self, label: Option<String>, work: impl FnOnce()) {
        if let Some(label) = &label {
            self.host.push(label);
        }
        work();
        if label.is_some() {
            self.host.pop();
        }
    }

    /// The smallest bucket that holds a batch.
    fn bucket(&self, batch: u64) -> u64 {
        self.model.buckets.iter().copied().find(|bucket| *bucket >= batch).unwrap_or(batch)
    }
}
