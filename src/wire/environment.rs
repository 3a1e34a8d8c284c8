//! What stands around a process, on its way into a capture and out of it.

use std::collections::HashMap;

use super::command;
use super::{Environment, Meta, Sample};
use crate::model::secrets::{HIDDEN, is_public, shown};
use crate::model::{Around, ConditionKind, Fact, FactKind, GpuSample, ProcessIdx, TraceBuilder};

/// Packages whose version is a condition of the run.
const TORCH: &str = "torch";
/// Most samples of a file that are taken.
const SAMPLES: usize = 100_000;

/// `environment` without what is nobody's business. What was left out once is left out still.
pub(super) fn masked(mut environment: Environment) -> Environment {
    for fact in &mut environment.around.facts {
        fact.value = match fact.kind {
            FactKind::Variable | FactKind::Argument | FactKind::Other => shown(&fact.name, &fact.value),
            _ if is_public(&fact.name) => without_home(&fact.value),
            _ => HIDDEN.to_owned(),
        };
        fact.name = without_home(&fact.name);
    }
    environment.command = command::masked(&environment.command);
    environment.around.facts.sort();
    environment.around.facts.dedup();
    environment
}

/// `text` with the names of home folders left out.
fn without_home(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = ["/home/", "/Users/"].iter().filter_map(|home| Some(rest.find(home)? + home.len())).min() {
        out.push_str(&rest[..at]);
        out.push('…');
        rest = &rest[at..];
        rest = &rest[rest.find('/').unwrap_or(rest.len())..];
    }
    out + rest
}

/// What a capture has told so far.
#[derive(Default)]
pub(super) struct Seen {
    around: Around,
    command: Vec<String>,
    samples: Vec<Sample>,
}

impl Seen {
    /// Takes a part.
    pub(super) fn add(&mut self, part: Environment) {
        let part = masked(part);
        self.around.add(part.around);
        self.command.extend(part.command);
        let room = SAMPLES.saturating_sub(self.samples.len());
        self.samples.extend(part.samples.into_iter().take(room));
    }

    /// Tells `builder` what a process, that numbers its GPUs by `devices`, has around it.
    pub(super) fn tell(
        self,
        meta: &Meta,
        process: ProcessIdx,
        devices: &HashMap<u32, i64>,
        builder: &mut TraceBuilder,
    ) {
        let Self { mut around, command, samples } = self;
        arguments(&meta.command, &mut around);
        arguments(&command, &mut around);
        if let Some(version) = &meta.sdk_version {
            let fact = Fact { kind: FactKind::Rocm, name: "rocprofiler-sdk".to_owned(), value: version.clone() };
            around.add(Around { facts: vec![fact], ..Around::default() });
        }
        around.unix_offset_ns = (meta.realtime_offset_ns != 0).then_some(meta.realtime_offset_ns);
        let kinds = [
            (FactKind::Rocm, "ROCm", ConditionKind::Rocm),
            (FactKind::Rocm, "HIP", ConditionKind::Hip),
            (FactKind::KernelPackage, TORCH, ConditionKind::Torch),
            (FactKind::Driver, "Linux", ConditionKind::Kernel),
        ];
        for (kind, name, condition) in kinds {
            for value in around.values(kind, name) {
                builder.condition(condition, value);
            }
        }
        let mut clocks: HashMap<i64, Vec<u32>> = HashMap::new();
        for Sample { node, at_ns, read } in samples {
            let Some(&device) = devices.get(&node) else { continue };
            clocks.entry(device).or_default().extend(read.clock_mhz);
            around.samples.push(GpuSample { process, device, at_ns: at_ns as i64, read });
        }
        around.samples.sort_by_key(|sample| (sample.device, sample.at_ns));
        for mut of_gpu in clocks.into_values().filter(|of_gpu| !of_gpu.is_empty()) {
            of_gpu.sort_unstable();
            builder.condition(ConditionKind::ShaderClock, of_gpu[of_gpu.len() / 2].to_string());
        }
        builder.around().add(around);
    }
}

/// The engine's arguments, as far as they are told.
fn arguments(command: &[String], around: &mut Around) {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: &str| {
        let (kind, name) = (FactKind::Argument, name.trim_start_matches('-').replace('_', "-"));
        facts.push(Fact { kind, name, value: value.to_owned() });
    };
    let mut arguments = command.iter().peekable();
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.strip_prefix("--").filter(|flag| !flag.is_empty()) else { continue };
        match flag.split_once('=') {
            Some((name, value)) => fact(name, value),
            None => match arguments.next_if(|next| !next.starts_with("--")) {
                Some(value) => fact(flag, value),
                None => fact(flag, "set"),
            },
        }
    }
    around.add(Around { facts, ..Around::default() });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(kind: FactKind, name: &str, value: &str) -> Fact {
        Fact { kind, name: name.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn what_is_left_out_once_stays_so() {
        let facts = vec![
            fact(FactKind::Variable, "VLLM_API_KEY", "swordfish"),
            fact(FactKind::Variable, "VLLM_USE_V1", "1"),
            fact(FactKind::CodeObjects, "/home/ada/aiter/hsa/gfx942/mla", "26 files, 0123456789abcdef"),
        ];
        let once = masked(Environment { around: Around { facts, ..Around::default() }, ..Environment::default() });
        assert_eq!(masked(once.clone()), once);
        let told: Vec<(&str, &str)> = once.around.facts.iter().map(|fact| (&*fact.name, &*fact.value)).collect();
        let expected = [
            ("/home/…/aiter/hsa/gfx942/mla", "26 files, 0123456789abcdef"),
            ("VLLM_API_KEY", HIDDEN),
            ("VLLM_USE_V1", "1"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn arguments_are_those_that_the_command_line_tells() {
        let command = "vllm serve *** --tensor-parallel-size 8 --api-key *** --dtype=bfloat16 --enforce-eager";
        let mut around = Around::default();
        arguments(&command.split(' ').map(str::to_owned).collect::<Vec<_>>(), &mut around);
        let told: Vec<(&str, &str)> = around.facts.iter().map(|fact| (&*fact.name, &*fact.value)).collect();
        let expected =
            [("api-key", "***"), ("dtype", "bfloat16"), ("enforce-eager", "set"), ("tensor-parallel-size", "8")];
        assert_eq!(told, expected);
    }
}
