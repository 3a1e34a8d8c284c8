//! A stand-in for librocprofiler-sdk, HIP and roctx, so that a tracing tool can be tested and shown without a GPU.
//!
//! One shared library exports three things: the C API of rocprofiler-sdk under its own names ([`api`]), the functions of
//! roctx ([`roctx`]), and a small control API, `sim_*`, with which a program plays HIP on simulated GPUs ([`host`]). A tool
//! cannot tell it from the real library: it is found and called in the same way, by the same rules, in the record layout of
//! the version that is played ([`version`]). A ledger says what really happened ([`ledger`]).
//!
//! ```text
//!   host program ── sim_launch ─> work: who traces it? ── ENQUEUE ENTER, EXIT ──────────────> tool   (host's thread)
//!        |                           |
//!        |                        timeline: when does it start, when does it end?
//!        |                           |
//!        |                        signal ── COMPLETE, out of order ─────────────────────────> tool   (signal threads)
//!        |                           |
//!        └── roctxRangePushA ─> roctx ── MARKER ENTER, EXIT ────────────────────────────────> tool   (host's thread)
//!                                    |
//!                                 ledger
//! ```
//!
//! What is played was read in the sources of the SDK from 0.4.0 to 1.0.0, or seen in transcripts of SDK 1.0.0 with HIP
//! 7.2.4; a test plays the transcripts' programs and compares. What versions 1.1 to 1.4.1 do was read in parts of their sources
//! and in what was written about them: `abi-1.3` names those notes (`abi-1.3.md`, by section), and what is inferred there is
//! called inferred here. Where the real one is lenient, this one is strict: payloads
//! and kernel names are overwritten when a callback has returned, and handles start at odd numbers.
//!
//! # Played
//! * Versions 0.4, 0.5, 0.6, 1.0, 1.1, 1.3 (1.3.0), 1.3.2, 1.3.5, 1.4.1, and 2.0, which does not exist: records of 56 or 64 bytes, client ids of 16 or
//!   24, sizes of agents, kernel symbols and copies, status codes and buffer kinds that moved, kinds that came later,
//!   functions that an old version does not export (hidden from `dlsym`, see [`hide`]).
//! * Registration ([`registration`]): on the thread that first uses a runtime, or in the constructor with
//!   `ROCPROFILER_LIBRARY_CTOR`; which symbols, environment variables and libraries make a tool, in which order and with
//!   which priority; the parser of `ROCP_TOOL_LIBRARIES` with its quirk; `ROCPROFILER_REGISTER_ENABLED=0`; several tools;
//!   opting out; `rocprofiler_force_configure` before anything has registered, and later where the version allows it;
//!   attaching, detaching and attaching again; the abort when the SDK is missing.
//! * Configuration only while tools initialise; handles that must be zero (from 0.5); a kind that the library lacks ends the
//!   process; one service for each context and kind.
//! * The two ways of intercepting dispatches, and what goes wrong with the newer one ([`interposition`]).
//! * Kernel dispatches ([`work`]): ENQUEUE on the launching thread, COMPLETE with phase NONE on one signal thread or on several
//!   ([`signal`]), out of order; packets that a version does not know; contexts captured at enqueue; user data from ENTER to COMPLETE; dispatch ids; correlation ids of the innermost
//!   open operation; external ids by stack (per context and thread, inherited from the loading thread) and by request.
//! * Code objects ([`code_object`]): told at load to active contexts only, or deferred; `.kd`; the runtime's own object; ELF files
//!   with metadata and lines ([`elf`]), in memory that is gone when the callback has returned.
//! * Markers of roctx, also as ranges (1.0+); pause and resume; the legacy library that nobody hears of.
//! * HIP calls of the control API as `HIP_RUNTIME_API`; graphs, by id from 1.3.0 on ([`hip_graph`]); memory copies
//!   (EXIT on a signal thread).
//! * Buffered tracing of dispatches and graph launches, with watermark and flush ([`buffer`]).
//! * The end: by `atexit` on the exiting thread, after all traced work, however long that takes, or abandoning it; early by the finalizer;
//!   not at all by `_exit` or a signal; UNLOADs as in the transcripts; the crash of a child that was forked after GPU work.
//! * Timestamps that the GPU got wrong, as the SDK reports them.
//!
//! # Not played
//! * HSA, RCCL and scratch memory records, memory allocations, HIP streams and events, kernel replay, counters, PC
//!   sampling, thread trace: such kinds can be configured and stay silent, and functions for the last three are not there.
//! * Arguments of HIP calls beyond the first words (graph, stream); names of HIP operations that the control API cannot
//!   play; iteration over arguments of records.
//! * Buffered records of anything but dispatches and graph launches; back-pressure of full buffers, and lossy ones: both policies keep all.
//! * The serialising barriers and the cost of real interception; the hang with five GPUs and more (abi-1.3 §8, #10143): a kernel
//!   here never waits for a signal thread.
//! * Attaching from another process, and what `ROCP_TOOL_ATTACH=1` costs. Dispatches logged by the kernel driver.
//! * Dependencies between streams; kernels that share a GPU do not slow each other down.
//! * The `user_data` that contexts of 0.x may share: it is per context in all versions.
//!
//! # Environment
//! | variable | meaning |
//! |---|---|
//! | `ROCPROFILER_SIM_VERSION` | the version to play, default 1.0 |
//! | `ROCPROFILER_SIM_LEDGER` | the file to which the ledger is written at exit |
//! | `ROCPROFILER_SIM_REALTIME` | real time instead of fast time, see [`clock`] |
//! | `ROCPROFILER_SIM_GPUS`, `_ARCH` | the machine, where the runtime comes up before the host says it |
//! | `ROCPROFILER_SIM_FAIL` | API calls that fail, see [`fault`] |
//! | `ROCPROFILER_SIM_GPU`, `_SIGNAL_DELAY_US` | dispatches that go wrong, and slow signal threads, see [`fault`] |
//! | `ROCPROFILER_SIM_OBJECTS` | what is wrong with the bytes of code objects, see [`object_bytes`] |
//! | `ROCPROFILER_SIM_BYPASS` | starts and stops that go wrong, see [`fault`] |
//! | `ROCPROFILER_SIM_OLD_REGISTER` | rocprofiler-register is older than ROCm 7.0, see [`registration`] |
//! | `ROCPROFILER_SIM_GRAPH_RECORD` | `88`: the smaller record of a graph launch, see [`hip_graph`] |
//! | `ROCPROFILER_SIM_HIDE` | functions to hide from `dlsym`, separated by commas |
//! | `ROCPROFILER_SIM_MISSING` | the real SDK cannot be loaded: with a tool, the process aborts |
//! | `ROCPROFILER_SIM_ROCTX` | `legacy`: roctx as in libroctx64 |
//! | `ROCPROFILER_SIM_FORK_IS_HARMLESS` | a child forked after GPU work may exit |
//!
//! Of the real ones: `ROCPROFILER_QUEUE_INTERPOSITION`, `ROCPROFILER_ASYNC_SIGNAL_HANDLER_THREADS`, `GPU_MAX_HW_QUEUES`,
//! `ROCP_TOOL_LIBRARIES`, `ROCP_TOOL_ATTACH`, `ROCPROF_ATTACH_TOOL_LIBRARY`, `ROCPROFILER_LIBRARY_CTOR` and
//! `ROCPROFILER_REGISTER_*`.

pub mod agent;
pub mod api;
pub mod bracket;
pub mod buffer;
pub mod clock;
pub mod code_object;
pub mod context;
pub mod elf;
pub mod external;
pub mod fault;
pub mod hide;
pub mod hip_graph;
pub mod host;
pub mod internal_threads;
pub mod interposition;
pub mod kernel;
pub mod ledger;
mod object_bytes;
mod payload;
pub mod registration;
pub mod roctx;
pub mod signal;
pub mod thread;
pub mod timeline;
pub mod version;
pub mod work;

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Locks, whatever happened to the previous holder.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See [`lock`].
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// See [`lock`].
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Says something on stderr, if there is one.
pub(crate) fn complain(message: &str) {
    // One write a line, so that threads do not mix theirs.
    let _ = std::io::stderr().write_all(format!("rocprofiler-sdk simulator: {message}\n").as_bytes());
}

/// Whether an environment variable says yes.
pub(crate) fn env_is_true(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| {
        !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "off" | "no" | "n" | "f")
    })
}

/// Ends the process as the real libraries do where they cannot go on.
pub(crate) fn fatal(message: &str) -> ! {
    complain(&format!("FATAL: {message}"));
    std::process::abort()
}

/// Overwrites a payload after its callback has returned.
pub(crate) fn scribble<T: Copy>(payload: &mut T) {
    // SAFETY: the payload is plain data that nobody reads as a `T` again; black_box keeps the writes.
    unsafe { std::ptr::write_bytes(std::ptr::from_mut(payload).cast::<u8>(), 0xdb, size_of::<T>()) };
    std::hint::black_box(payload);
}
