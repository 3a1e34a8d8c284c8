//! roctx, as librocprofiler-sdk-roctx has it: every call is traced.
//!
//! With `ROCPROFILER_SIM_ROCTX=legacy` the functions behave as those of libroctx64 do instead: they work, the ledger notes
//! their ranges, and no tool ever hears of them.
#![allow(missing_docs, reason = "the names and meanings are those of roctx")]
#![allow(clippy::missing_safety_doc, reason = "the callers are C; what they owe is in the documentation of roctx")]

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use rocprofiler_sys::MarkerApi;
use rocprofiler_sys::bindings as c;

use crate::bracket::Bracket;
use crate::context::kind;
use crate::thread::{OpenRange, ThreadState, gettid};
use crate::{clock, ledger, lock, registration};

/// Operations of MARKER_CORE_API.
pub const CORE: [&str; 6] =
    ["roctxMarkA", "roctxRangePushA", "roctxRangePop", "roctxRangeStartA", "roctxRangeStop", "roctxGetThreadId"];
/// Operations of MARKER_CORE_RANGE_API.
pub const CORE_RANGE: [&str; 4] = ["roctxMarkA", "roctxThreadRangeA", "roctxProcessRangeA", "roctxGetThreadId"];
/// Operations of MARKER_CONTROL_API.
pub const CONTROL: [&str; 2] = ["roctxProfilerPause", "roctxProfilerResume"];
/// Operations of MARKER_NAME_API.
pub const NAME: [&str; 4] = ["roctxNameOsThread", "roctxNameHsaAgent", "roctxNameHipDevice", "roctxNameHipStream"];

const REQUEST_CORE: u32 = 7;
const REQUEST_CONTROL: u32 = 8;
const REQUEST_NAME: u32 = 9;
const REQUEST_CORE_RANGE: u32 = 18;

/// The payload of a marker callback.
fn payload(args: [u64; 2]) -> MarkerApi {
    let size = size_of::<MarkerApi>() as u64;
    MarkerApi { size, args: c::rocprofiler_marker_api_args_t { words: args }, ..MarkerApi::default() }
}

/// The start of a range by `roctxRangeStartA`, until its stop, on whichever thread.
#[derive(Debug)]
struct Started {
    ledger: Option<u32>,
    bracket: Option<u64>,
}

#[derive(Debug)]
struct SendBracket(Bracket);

// SAFETY: a bracket refers to contexts, which are shared by all threads, and to user data, which is plain.
unsafe impl Send for SendBracket {}

static STARTED: Mutex<Option<HashMap<u64, Started>>> = Mutex::new(None);
/// The MARKER_CORE_RANGE callbacks that are open, by numbers of ours.
static OPEN: Mutex<Option<HashMap<u64, SendBracket>>> = Mutex::new(None);

fn is_legacy() -> bool {
    static LEGACY: OnceLock<bool> = OnceLock::new();
    *LEGACY.get_or_init(|| std::env::var("ROCPROFILER_SIM_ROCTX").is_ok_and(|value| value == "legacy"))
}

/// Begins a call of roctx: the runtime registers, the thread pays for it.
fn begin() -> u64 {
    if !is_legacy() {
        registration::register();
    }
    clock::spend(clock::CALL_NS)
}

/// ENTER, what the call does, EXIT.
fn traced((kind, operation, request): (usize, i32, u32), args: [u64; 2], body: impl FnOnce() -> u64) -> u64 {
    if is_legacy() || !registration::is_tracing() {
        return body();
    }
    let mut data = payload(args);
    let bracket = Bracket::enter(kind, operation, request, (&raw mut data).cast());
    let retval = body();
    data.retval.roctx_range_id_t_retval = retval;
    if let Some(bracket) = bracket {
        bracket.exit((&raw mut data).cast());
    }
    crate::scribble(&mut data);
    retval
}

/// ENTER of a MARKER_CORE_RANGE callback; answers with its number if any context asked for it.
fn open_range(operation: i32, message: *const c_char) -> Option<u64> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    if is_legacy() || !registration::is_tracing() {
        return None;
    }
    let mut data = payload([message as u64, 0]);
    let bracket = Bracket::enter(kind::MARKER_CORE_RANGE_API, operation, REQUEST_CORE_RANGE, (&raw mut data).cast())?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    lock(&OPEN).get_or_insert_default().insert(number, SendBracket(bracket));
    Some(number)
}

/// EXIT of it. The message may be gone by now; the real one leaves the old pointer there, this one none.
fn close_range(number: Option<u64>) {
    let open = number.and_then(|number| lock(&OPEN).as_mut()?.remove(&number));
    if let Some(SendBracket(bracket)) = open {
        let mut data = payload([0; 2]);
        bracket.exit((&raw mut data).cast::<c_void>());
    }
}

fn text(message: *const c_char) -> String {
    if message.is_null() {
        return String::new();
    }
    // SAFETY: the host passes a C string.
    unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned()
}

fn note_range(message: *const c_char, start_ns: u64, process: bool) -> Option<u32> {
    ledger::with(|ledger| {
        let state = ThreadState::current();
        let (thread, parent) = (state.tid, if process { None } else { state.range() });
        ledger.open_range(ledger::Range { message: text(message), thread, parent, start_ns, end_ns: None, process })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn roctxRangePushA(message: *const c_char) -> c_int {
    let start_ns = begin();
    let bracket = open_range(1, message);
    let level = traced((kind::MARKER_CORE_API, 1, REQUEST_CORE), [message as u64, 0], || {
        let row = note_range(message, start_ns, false);
        let state = ThreadState::current();
        let mut ranges = state.ranges.borrow_mut();
        ranges.push(OpenRange { ledger: row, bracket: None });
        ranges.len() as u64 - 1
    });
    if let Some(range) = ThreadState::current().ranges.borrow_mut().last_mut() {
        range.bracket = bracket;
    }
    level as c_int
}

#[unsafe(no_mangle)]
pub extern "C" fn roctxRangePop() -> c_int {
    let end_ns = begin();
    let mut popped = None;
    let level = traced((kind::MARKER_CORE_API, 2, REQUEST_CORE), [0; 2], || {
        let mut ranges = ThreadState::current().ranges.borrow_mut();
        popped = ranges.pop();
        if popped.is_some() { ranges.len() as u64 } else { u64::MAX }
    });
    if let Some(OpenRange { ledger: row, bracket }) = popped {
        close_range(bracket);
        if let Some(row) = row {
            ledger::with(|ledger| ledger.close_range(row, end_ns));
        }
    }
    level as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn roctxRangeStartA(message: *const c_char) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let start_ns = begin();
    let bracket = open_range(2, message);
    traced((kind::MARKER_CORE_API, 3, REQUEST_CORE), [message as u64, 0], || {
        let id = NEXT.fetch_add(1, Ordering::Relaxed) + 1;
        let row = note_range(message, start_ns, true);
        lock(&STARTED).get_or_insert_default().insert(id, Started { ledger: row, bracket });
        id
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn roctxRangeStop(id: u64) {
    let end_ns = begin();
    traced((kind::MARKER_CORE_API, 4, REQUEST_CORE), [id, 0], || 0);
    let started = lock(&STARTED).as_mut().and_then(|started| started.remove(&id));
    if let Some(Started { ledger: row, bracket }) = started {
        close_range(bracket);
        if let Some(row) = row {
            ledger::with(|ledger| ledger.close_range(row, end_ns));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn roctxMarkA(message: *const c_char) {
    let time_ns = begin();
    close_range(open_range(0, message));
    traced((kind::MARKER_CORE_API, 0, REQUEST_CORE), [message as u64, 0], || {
        ledger::with(|ledger| ledger.add_mark(ledger::Mark { message: text(message), thread: gettid(), time_ns }));
        0
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn roctxGetThreadId(tid: *mut u64) -> c_int {
    begin();
    traced((kind::MARKER_CORE_API, 5, REQUEST_CORE), [tid as u64, 0], || {
        // SAFETY: the host passes null or a pointer to its variable.
        if let Some(tid) = unsafe { tid.as_mut() } {
            *tid = gettid();
        }
        0
    }) as c_int
}

#[unsafe(no_mangle)]
pub extern "C" fn roctxProfilerPause(tid: u64) -> c_int {
    begin();
    traced((kind::MARKER_CONTROL_API, 0, REQUEST_CONTROL), [tid, 0], || 0) as c_int
}

#[unsafe(no_mangle)]
pub extern "C" fn roctxProfilerResume(tid: u64) -> c_int {
    begin();
    traced((kind::MARKER_CONTROL_API, 1, REQUEST_CONTROL), [tid, 0], || 0) as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn roctxNameOsThread(name: *const c_char) -> c_int {
    begin();
    traced((kind::MARKER_NAME_API, 0, REQUEST_NAME), [name as u64, 0], || 0) as c_int
}
