//! Faults on demand: calls that fail, functions that are missing, completions that are wrong, late or lost.
//!
//! `ROCPROFILER_SIM_FAIL=function[:nth][=status],…` makes a call of the API fail, each one or only the nth, with a status by
//! name (`CONFIGURATION_LOCKED`) or number, `ERROR` when none is given. `ROCPROFILER_SIM_GPU=fault:every,…` does something
//! to every nth dispatch:
//!
//! | fault | what happens |
//! |---|---|
//! | `lost` | no COMPLETE |
//! | `late` | its COMPLETE is held back until 64 others are, or the end |
//! | `zero` | the GPU gave 0/0: the SDK reports a kernel without length |
//! | `swap` | the GPU gave an end before the start: the SDK swaps them and says so |
//! | `hang` | the kernel never ends, and with a tool that traces it on path A neither does `exit` |
//! | `extended` | the kernel comes in an extended dispatch packet of AMD's, which SDK 1.1 and older lose |
//!
//! `ROCPROFILER_SIM_SIGNAL_DELAY_US` is a pause of a signal thread before each batch.
//!
//! `ROCPROFILER_SIM_BYPASS=start:ms` is how long each start of a context with dispatches takes, on either path.
//! `ROCPROFILER_SIM_BYPASS=stall:ms,slow:ms,drop` is what goes wrong on path B when contexts with dispatches start and stop
//! (abi-1.3 §5, idle bypass; §8, #11623, #10994, #11363 and #11550; see [`crate::interposition`]). `stall` is on unless it is
//! set to 0: the real one may stand for ever, here it is a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, RwLock};

use crate::lock;
use crate::version::{Status, Version};

#[derive(Debug)]
struct Failure {
    function: String,
    nth: Option<u64>,
    status: u32,
    calls: u64,
}

static FAILURES: OnceLock<Mutex<Vec<Failure>>> = OnceLock::new();
static GPU: RwLock<Vec<(&'static str, u64)>> = RwLock::new(Vec::new());
static SIGNAL_DELAY_US: AtomicU64 = AtomicU64::new(0);

const EXTENDED: &str = "extended";
const GPU_FAULTS: [&str; 6] = ["lost", "late", "zero", "swap", "hang", EXTENDED];

/// What goes wrong on path B at the start and the stop of a context.
#[derive(Clone, Copy, Debug)]
pub struct Bypass {
    /// For how long any start takes, ms.
    pub start_ms: u64,
    /// For how long a start after idling stands, ms; 0 for a repaired SDK.
    pub stall_ms: u64,
    /// For how long a stop takes, ms.
    pub slow_ms: u64,
    /// Whether a stop loses the completions that are on their way.
    pub drop: bool,
}

static BYPASS: OnceLock<Bypass> = OnceLock::new();

/// What goes wrong on path B.
pub fn bypass() -> Bypass {
    *BYPASS.get_or_init(|| {
        let mut bypass = Bypass { start_ms: 0, stall_ms: 1_000, slow_ms: 0, drop: false };
        let spec = std::env::var("ROCPROFILER_SIM_BYPASS").unwrap_or_default();
        for item in spec.split(',').filter(|item| !item.is_empty()) {
            match item.split_once(':').map(|(what, ms)| (what, ms.parse())).unwrap_or((item, Ok(0))) {
                ("start", Ok(ms)) => bypass.start_ms = ms,
                ("stall", Ok(ms)) => bypass.stall_ms = ms,
                ("slow", Ok(ms)) => bypass.slow_ms = ms,
                ("drop", Ok(_)) => bypass.drop = true,
                _ => crate::fatal(&format!(
                    "ROCPROFILER_SIM_BYPASS={spec}: {item:?} is none of start:ms, stall:ms, slow:ms, drop"
                )),
            }
        }
        bypass
    })
}

/// Reads the environment once.
pub fn init() {
    if let Ok(spec) = std::env::var("ROCPROFILER_SIM_GPU") {
        set_gpu(&spec).unwrap_or_else(|why| crate::fatal(&format!("ROCPROFILER_SIM_GPU={spec}: {why}")));
    }
    let delay = std::env::var("ROCPROFILER_SIM_SIGNAL_DELAY_US").ok().and_then(|text| text.parse().ok());
    SIGNAL_DELAY_US.store(delay.unwrap_or(0), Ordering::Relaxed);
}

/// Sets what is done to dispatches, `swap:2,zero:3`; an empty text clears it.
pub fn set_gpu(spec: &str) -> Result<(), String> {
    let mut faults = Vec::new();
    for item in spec.split(',').filter(|item| !item.is_empty()) {
        let (name, every) = item.split_once(':').unwrap_or((item, "1"));
        let fault = GPU_FAULTS.iter().find(|known| **known == name).ok_or(format!("no fault is called {name:?}"))?;
        match every.parse() {
            Ok(every) if every > 0 => faults.push((*fault, every)),
            _ => return Err(format!("{every:?} is not a positive number")),
        }
    }
    *crate::write(&GPU) = faults;
    Ok(())
}

/// What shall be done to this dispatch.
pub fn of_dispatch(id: u64) -> Option<&'static str> {
    let faults = crate::read(&GPU);
    let mut faults = faults.iter().filter(|(fault, _)| *fault != EXTENDED);
    faults.find(|(_, every)| id != 0 && id.is_multiple_of(*every)).map(|(fault, _)| *fault)
}

/// Whether the packet that is being written is an extended one; to be asked once for each kernel's.
pub fn is_extended_packet() -> bool {
    static PACKETS: AtomicU64 = AtomicU64::new(0);
    let faults = crate::read(&GPU);
    let every = faults.iter().find(|(fault, _)| *fault == EXTENDED).map(|(_, every)| *every);
    every.is_some_and(|every| (PACKETS.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(every))
}

/// The pause of the signal thread before each batch, µs.
pub fn signal_delay_us() -> u64 {
    SIGNAL_DELAY_US.load(Ordering::Relaxed)
}

/// The status with which this call of `function` shall fail.
pub fn of_call(function: &str) -> Option<u32> {
    let failures = FAILURES.get_or_init(|| {
        let spec = std::env::var("ROCPROFILER_SIM_FAIL").unwrap_or_default();
        Mutex::new(spec.split(',').filter(|item| !item.is_empty()).map(parse_failure).collect())
    });
    let mut failures = lock(failures);
    let failure = failures.iter_mut().find(|failure| failure.function == function)?;
    failure.calls += 1;
    failure.nth.is_none_or(|nth| nth == failure.calls).then_some(failure.status)
}

fn parse_failure(item: &str) -> Failure {
    let (call, status) = item.split_once('=').unwrap_or((item, "ERROR"));
    let (function, nth) = match call.split_once(':') {
        Some((function, nth)) => (function, nth.parse().ok()),
        None => (call, None),
    };
    let version = Version::current();
    let status = status.parse().ok().or_else(|| {
        (0..version.statuses).find(|value| {
            let name = version.status_name(*value).unwrap_or_default();
            name == status || name.strip_prefix("ROCPROFILER_STATUS_ERROR_") == Some(status)
        })
    });
    Failure { function: function.to_owned(), nth, status: status.unwrap_or(Status::Error as u32), calls: 0 }
}
