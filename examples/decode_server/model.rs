//! The model: its kernels, from a file that the Python server reads as well.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The models by name; one whose name ends with an architecture is meant for that.
const MODELS: [(&str, &str); 3] = [
    ("dense", include_str!("../models/dense.json")),
    ("moe", include_str!("../models/moe.json")),
    ("moe-gfx950", include_str!("../models/moe-gfx950.json")),
];

/// A file of `examples/models`.
#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    arch: String,
    other_arch: BTreeMap<String, Vec<(String, String)>>,
    layers: usize,
    /// The batch size to which the durations of decode kernels belong.
    pub batch: u64,
    /// The number of tokens to which the durations of prefill kernels belong.
    pub prompt_tokens: u64,
    /// Batch sizes for which graphs are captured.
    pub buckets: Vec<u64>,
    kernels: BTreeMap<String, String>,
    decode: Phase,
    prefill: Phase,
}

#[derive(Debug, Deserialize)]
struct Phase {
    head: Vec<Entry>,
    layers: Vec<Vec<Entry>>,
    last: Option<String>,
    tail: Vec<Entry>,
    after: Vec<Entry>,
}

/// Key, microseconds, flags.
type Entry = (String, f64, String);

/// A kernel in its place in a step.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// The symbol.
    pub name: String,
    /// How long it runs at the model's batch size or prompt length.
    pub duration_ns: u64,
    /// Whether it runs longer for more.
    pub grows: bool,
    /// Whether ranks share its work.
    pub sharded: bool,
    /// Whether it is an all-reduce.
    pub collective: bool,
    /// Whether it stays out of piecewise graphs.
    pub attention: bool,
}

/// The kernels of one kind of step.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    /// What a graph of the whole model holds.
    pub forward: Vec<Kernel>,
    /// What is launched one by one after it: logits and sampling.
    pub after: Vec<Kernel>,
}

impl Model {
    /// Reads a model by name, for this architecture.
    pub(crate) fn read(name: &str, arch: &str) -> Result<Self, String> {
        let known = |name: &str| MODELS.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let text = match known(&format!("{name}-{arch}")).or_else(|| known(name)) {
            Some(text) => text,
            None => {
                std::fs::read_to_string(name).map_err(|why| format!("{name}: neither a model nor a file: {why}"))?
            }
        };
        let mut model: Self = serde_json::from_str(&text).map_err(|why| format!("{name}: {why}"))?;
        if model.arch != arch {
            let replacements = model.other_arch.get(arch);
            let replacements = replacements.ok_or_else(|| format!("{name}: not for {arch}"))?;
            for kernel in model.kernels.values_mut() {
                for (from, to) in replacements {
                    *kernel = kernel.replace(from.as_str(), to);
                }
            }
        }
        Ok(model)
    }

    /// All kernel names.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.kernels.values().map(String::as_str).collect()
    }

    /// The kernels of a decode step (or of a prefill step) on one of `tp` ranks.
    pub(crate) fn sequence(&self, decode: bool, tp: usize) -> Sequence {
        let phase = if decode { &self.decode } else { &self.prefill };
        let mut forward = self.kernels_of(&phase.head, tp);
        for layer in 0..self.layers {
            forward.extend(self.kernels_of(&phase.layers[layer % phase.layers.len()], tp));
        }
        if let (Some(last), Some(key)) = (forward.last_mut(), &phase.last) {
            last.name = self.kernels[key].clone();
        }
        forward.extend(self.kernels_of(&phase.tail, tp));
        Sequence { forward, after: self.kernels_of(&phase.after, tp) }
    }

    fn kernels_of(&self, entries: &[Entry], tp: usize) -> Vec<Kernel> {
        let entries = entries.iter().filter(|(_, _, flags)| tp > 1 || !flags.contains('c'));
        let kernels = entries.map(|(key, microseconds, flags)| Kernel {
            name: self.kernels[key].clone(),
            duration_ns: (microseconds * 1000.0).round() as u64,
            grows: flags.contains('g'),
            sharded: flags.contains('s'),
            collective: flags.contains('c'),
            attention: flags.contains('a'),
        });
        kernels.collect()
    }
}
