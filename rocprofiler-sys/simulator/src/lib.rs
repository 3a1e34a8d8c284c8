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
//!        |                        signal ── COMPLETE, out of order ─────────────────────────> tool   (signal thread)
//!        |                           |
//!        └── roctxRangePushA ─> roctx ── MARKER ENTER, EXIT ────────────────────────────────> tool   (host's thread)
//!                                    |
//!                                 ledger
//! ```
//!
//! What is played was read in the sources of the SDK from 0.4.0 to 1.0.0, or seen in transcripts of SDK 1.0.0 with HIP
//! 7.2.4; a test plays the transcripts' programs and compares. Where the real one is lenient, this one is strict: payloads
//! and kernel names are overwritten when a callback has returned, and handles start at odd numbers.
//!
//! # Played
//! * Versions 0.4, 0.5, 0.6, 1.0, 1.1, 1.3, and 2.0, which does not exist: records of 56 or 64 bytes, client ids of 16 or
//!   24, sizes of agents, kernel symbols and copies, status codes and buffer kinds that moved, kinds that came later,
//!   functions that an old version does not export (hidden from `dlsym`, see [`hide`]).
//! * Registration ([`registration`]): on the thread that first uses a runtime, or in the constructor with
//!   `ROCPROFILER_LIBRARY_CTOR`; which symbols, environment variables and libraries make a tool, in which order and with
//!   which priority; the parser of `ROCP_TOOL_LIBRARIES` with its quirk; `ROCPROFILER_REGISTER_ENABLED=0`; several tools;
//!   opting out; `rocprofiler_force_configure` before anything has registered; the abort when the SDK is missing.
//! * Configuration only while tools initialise; handles that must be zero (from 0.5); a kind that the library lacks ends the
//!   process; one service for each context and kind.
//! * Kernel dispatches ([`work`]): ENQUEUE on the launching thread, COMPLETE with phase NONE on one signal thread, out of
//!   order; contexts captured at enqueue; user data from ENTER to COMPLETE; dispatch ids; correlation ids of the innermost
//!   open operation; external ids by stack (per context and thread, inherited from the loading thread) and by request.
//! * Code objects ([`code_object`]): told at load to active contexts only, or deferred; `.kd`; the runtime's own object.
//! * Markers of roctx, also as ranges (1.0+); pause and resume; the legacy library that nobody hears of.
//! * HIP calls of the control API as `HIP_RUNTIME_API`; graphs; memory copies (EXIT on the signal thread).
//! * Buffered tracing of dispatches, with watermark and flush ([`buffer`]).
//! * The end: by `atexit` on the exiting thread, after all traced work, however long that takes; early by the finalizer;
//!   not at all by `_exit` or a signal; UNLOADs as in the transcripts; the crash of a child that was forked after GPU work.
//! * Timestamps that the GPU got wrong, as the SDK reports them.
//!
//! # Not played
//! * HSA, RCCL and scratch memory records, memory allocations, HIP streams and graphs as kinds of their own, counters, PC
//!   sampling, thread trace: such kinds can be configured and stay silent, and functions for the last three are not there.
//! * Arguments of HIP calls beyond the first words (graph, stream); names of HIP operations that the control API cannot
//!   play; iteration over arguments of records.
//! * Buffered records of anything but dispatches; back-pressure of full buffers, and lossy ones: both policies keep all.
//! * Process attach (1.1), configuration after runtimes have come up (1.3), the serialising barriers and the cost of real
//!   interception.
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
//! | `ROCPROFILER_SIM_GPU`, `_SIGNAL_DELAY_US` | dispatches that go wrong, and a slow signal thread, see [`fault`] |
//! | `ROCPROFILER_SIM_HIDE` | functions to hide from `dlsym`, separated by commas |
//! | `ROCPROFILER_SIM_MISSING` | the real SDK cannot be loaded: with a tool, the process aborts |
//! | `ROCPROFILER_SIM_ROCTX` | `legacy`: roctx as in libroctx64 |
//! | `ROCPROFILER_SIM_FORK_IS_HARMLESS` | a child forked after GPU work may exit |

pub mod agent;
pub mod api;
pub mod buffer;
pub mod clock;
pub mod code_object;
pub mod context;
pub mod fault;
pub mod hide;
pub mod host;
pub mod ledger;
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
