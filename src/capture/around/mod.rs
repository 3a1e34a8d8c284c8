//! What stands around this process: software, settings, the state of its GPUs.
//!
//! A thread of its own looks, so that neither the host nor the aggregator waits for a file system: at a window's begin for
//! what does not change, then every tenth of a second at the GPUs. It sends parts to the aggregator, which writes them into
//! the window's file; nobody waits for it for longer than [`PATIENCE`].
//!
//! ```text
//!   aggregator ──begin──────────────────take parts──────────────take parts──close
//!                  └─> look around (≤ 50 ms) ── GPUs ── GPUs ── GPUs ── stopped
//! ```
//!
//! | what | where it is read |
//! |---|---|
//! | GPUs ([`gpus`]) | `/sys/class/kfd/kfd/topology`, `/sys/class/drm/renderD*/device`, its `hwmon` and `gpu_metrics` |
//! | system ([`system`]) | `/proc`, `/opt/rocm/.info`, `/sys/module/amdgpu`, the cgroup |
//! | Python packages ([`python`]) | `*.dist-info` in the directories that the process imports from; nothing is imported |
//! | aiter ([`aiter`]) | `configs/*.csv`, `hsa/**/*.co` |
//!
//! Every read goes below a root, so that tests can draw a machine; every read is bounded, and so is the time.

mod aiter;
mod gpus;
mod looker;
mod python;
mod system;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use crate::capture::{fence, host};
use crate::model::Around;
use crate::wire::{Agent, Environment};
use looker::Looker;

/// Longest search for what does not change.
const SEARCH_AT_MOST: Duration = Duration::from_millis(50);
/// Time from one look at the GPUs to the next, and looks after which it becomes longer.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS: u32 = 6_000;
/// Longest wait for what the thread has found when the window is over.
const PATIENCE: Duration = Duration::from_millis(60);
/// GPUs that are looked at.
const GPUS: usize = 16;
/// Parts on their way.
const PARTS: usize = 256;

/// Beginnings of the names of variables that are told.
const VARIABLES: [&str; 16] = [
    "VLLM_",
    "AITER_",
    "SGLANG_",
    "SGL_",
    "ATOM_",
    "HIP",
    "HSA_",
    "ROC",
    "NCCL_",
    "RCCL_",
    "PYTORCH_",
    "TORCH_",
    "TRITON_",
    "FLYDSL_",
    "MORI_",
    "GPU_MAX_HW_QUEUES",
];
/// Most of them, and the most bytes of a value.
const VARIABLES_AT_MOST: (usize, usize) = (256, 1024);

/// What is known of the process before anybody looks.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The root of all paths.
    pub(super) root: PathBuf,
    /// Variables of the environment.
    pub(super) variables: Vec<(String, String)>,
    /// GPUs of the host.
    pub(super) agents: Vec<Agent>,
}

/// Those variables of the environment that are told.
pub(super) fn variables(all: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>) -> Vec<(String, String)> {
    let told = |name: &str| VARIABLES.iter().any(|start| name.starts_with(start));
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        let name =
            name.into_string().ok().filter(|name| told(name) || ["VIRTUAL_ENV", "PYTHONPATH"].contains(&&**name))?;
        let value = value.to_string_lossy();
        Some((name, value.chars().take(VARIABLES_AT_MOST.1).collect()))
    };
    let mut variables: Vec<(String, String)> = all.filter_map(text).take(VARIABLES_AT_MOST.0).collect();
    variables.sort();
    variables
}

/// The thread that looks, as the aggregator sees it.
pub(super) struct Watch {
    parts: Receiver<Environment>,
    stop: Arc<AtomicBool>,
    /// Nodes of the GPUs that ran something.
    used: Arc<Mutex<Vec<u32>>>,
    has_around: bool,
}

impl Watch {
    /// Begins to look; `None` if there is no thread to be had.
    pub(super) fn begin(known: Known) -> Option<Self> {
        let (sender, parts) = bounded(PARTS);
        let (stop, used) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let watch = Self { parts, stop: stop.clone(), used: used.clone(), has_around: false };
        let look = move || fence::guard("the look around", (), || look(&known, &sender, &stop, &used));
        std::thread::Builder::new().name("profile-decode".into()).spawn(look).ok()?;
        Some(watch)
    }

    /// Notes that a GPU runs something.
    pub(super) fn uses(&self, node: u32) {
        let mut used = self.used.lock();
        if !used.contains(&node) && used.len() < GPUS {
            used.push(node);
        }
    }

    /// A part that came, if one did.
    pub(super) fn part(&mut self) -> Option<Environment> {
        let part = self.parts.try_recv().ok()?;
        self.has_around |= !part.around.is_empty();
        Some(part)
    }

    /// The parts that are left, the last look among them if it comes soon enough.
    pub(super) fn end(mut self) -> Vec<Environment> {
        self.stop.store(true, Ordering::Relaxed);
        let (begun, mut left) = (Instant::now(), Vec::new());
        while let Some(wait) = PATIENCE.checked_sub(begun.elapsed()) {
            let Ok(part) = self.parts.recv_timeout(if self.has_around { wait.min(LOOK_EVERY / 20) } else { wait })
            else {
                break;
            };
            self.has_around |= !part.around.is_empty();
            left.push(part);
        }
        left
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The thread's life.
fn look(known: &Known, parts: &Sender<Environment>, stop: &AtomicBool, used: &Mutex<Vec<u32>>) {
    host::block_signals();
    let around = search(known, SEARCH_AT_MOST);
    let command = system::starter(&Looker::new(&known.root, SEARCH_AT_MOST));
    if parts.send(Environment { around, command, samples: Vec::new() }).is_err() {
        return;
    }
    let looker = Looker::new(&known.root, Duration::MAX);
    let gpus = gpus::find(&looker, &known.agents);
    let mut every = LOOK_EVERY;
    for looks in 1_u64.. {
        let wanted = used.lock().clone();
        let at_ns = host::boottime_ns();
        let samples: Vec<_> =
            gpus.iter().filter(|gpu| wanted.contains(&gpu.node)).filter_map(|gpu| gpu.sample(&looker, at_ns)).collect();
        // Parts that nobody takes are not worth waiting for.
        if !samples.is_empty() {
            let _ = parts.try_send(Environment { samples, ..Environment::default() });
        }
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if looks.is_multiple_of(u64::from(LOOKS)) {
            every *= 2;
        }
        let begun = Instant::now();
        while begun.elapsed() < every && !stop.load(Ordering::Relaxed) {
            std::thread::sleep((LOOK_EVERY / 10).min(every));
        }
    }
}

/// What does not change, as far as it is found in time.
fn search(known: &Known, at_most: Duration) -> Around {
    let mut looker = Looker::new(&known.root, at_most);
    for (name, value) in known.variables.iter().filter(|(name, _)| !["VIRTUAL_ENV", "PYTHONPATH"].contains(&&**name)) {
        looker.fact(crate::model::FactKind::Variable, name, value.clone());
    }
    gpus::facts(&mut looker, &known.agents);
    system::facts(&mut looker);
    let places = python::places(&looker, &known.variables);
    let sources = python::facts(&mut looker, &places);
    aiter::facts(&mut looker, &sources, known);
    Around { utc_offset_s: system::utc_offset_s(), ..looker.finish() }
}
