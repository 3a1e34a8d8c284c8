//! Ranges of the old roctx library, which rocprofiler-sdk never sees.
//!
//! PyTorch's ROCm wheels emit their ranges through `libroctx64.so.4`, which does not register with rocprofiler-register
//! (observed). So the library exports roctx's range functions too. Each call goes on to the function that it was meant
//! for; if that is the old library's, the tracer hears of the range here, and if it is librocprofiler-sdk-roctx's, it hears
//! of it from the SDK, so nothing is counted twice. A program that finds the functions by `dlsym` in a handle of its own
//! does not come by here.
//!
//! The function meant is the next one in the loader's global order, else that of whichever roctx library is loaded
//! without being visible to all, as those are that come in with a Python module. As long as there is none, every call looks
//! again.

use std::ffi::{c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_LAZY, Symbol};

use super::markers;
use crate::capture::options::Fault;
use crate::capture::tracer::Tracer;
use crate::capture::{fence, host};

/// File names of roctx libraries, the old one first: if both are there invisibly, the new one was not meant.
const LIBRARIES: [&str; 5] = [
    "libroctx64.so.4",
    "libroctx64.so",
    "librocprofiler-sdk-roctx.so.1",
    "librocprofiler-sdk-roctx.so.0",
    "librocprofiler-sdk-roctx.so",
];

/// The functions of the roctx library that was meant.
struct Roctx {
    push: Symbol<unsafe extern "C" fn(*const c_char) -> c_int>,
    pop: Option<Symbol<unsafe extern "C" fn() -> c_int>>,
    start: Option<Symbol<unsafe extern "C" fn(*const c_char) -> u64>>,
    stop: Option<Symbol<unsafe extern "C" fn(u64)>>,
    mark: Option<Symbol<unsafe extern "C" fn(*const c_char)>>,
    /// The SDK does not hear of its ranges.
    is_old: bool,
}

/// The roctx library that was meant, once there is one in the process.
fn roctx() -> Option<&'static Roctx> {
    static ROCTX: OnceLock<Roctx> = OnceLock::new();
    if ROCTX.get().is_none()
        && let Some(found) = Roctx::next().or_else(|| LIBRARIES.iter().find_map(|name| Roctx::loaded(name)))
    {
        // Whoever was first has the same answer.
        let _ = ROCTX.set(found);
    }
    ROCTX.get()
}

impl Roctx {
    /// The functions that calls would have reached without us.
    fn next() -> Option<Self> {
        // SAFETY: RTLD_NEXT is a handle for dlsym, which looks behind this library with it; it is never closed.
        let next = ManuallyDrop::new(unsafe { Library::from_raw(libc::RTLD_NEXT) });
        Self::of(&next)
    }

    /// Those of a library that is loaded already.
    fn loaded(name: &str) -> Option<Self> {
        // SAFETY: with RTLD_NOLOAD nothing is loaded, so no initializer runs; the handle is kept.
        let library = unsafe { Library::open(Some(name), RTLD_LAZY | libc::RTLD_NOLOAD) }.ok()?;
        Self::of(&ManuallyDrop::new(library))
    }

    fn of(library: &Library) -> Option<Self> {
        // SAFETY: roctx's functions of these names have these types in every version (roctracer 4.1, rocprofiler-sdk 0.4
        // to 1.3); libraries that are loaded are kept.
        unsafe {
            let push: Symbol<unsafe extern "C" fn(*const c_char) -> c_int> = library.get(b"roctxRangePushA\0").ok()?;
            Some(Self {
                is_old: is_old(push.clone().as_raw_ptr()),
                push,
                pop: library.get(b"roctxRangePop\0").ok(),
                start: library.get(b"roctxRangeStartA\0").ok(),
                stop: library.get(b"roctxRangeStop\0").ok(),
                mark: library.get(b"roctxMarkA\0").ok(),
            })
        }
    }
}

/// Whether a function is that of a roctx library which the SDK does not hear of. Every roctx that registers exports
/// `roctxProfilerPause` as well (rocprofiler-sdk 0.4 to 1.3), which the old one has not.
fn is_old(function: *mut c_void) -> bool {
    let Some(path) = host::library_of(function) else { return false };
    // SAFETY: nothing is loaded by it, and the handle is kept; the function is only looked for.
    unsafe {
        Library::open(Some(&path), RTLD_LAZY | libc::RTLD_NOLOAD).is_ok_and(|library| {
            ManuallyDrop::new(library).get::<unsafe extern "C" fn(u64) -> c_int>(b"roctxProfilerPause\0").is_err()
        })
    }
}

/// Tells the tracer, if one runs here, of what the SDK will not tell it.
fn tell(what: impl FnOnce(&'static Tracer, u64)) {
    fence::guard("a roctx range", (), || {
        if fence::enter(Fault::Marker)
            && roctx().is_some_and(|roctx| roctx.is_old)
            && let Some(tracer) = Tracer::current()
            && !tracer.options.without.roctx
            && tracer.listens()
        {
            what(tracer, host::thread_id());
        }
    });
}

/// roctx's function of this name.
///
/// # Safety
/// As there: `message` must be a C string.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub unsafe extern "C" fn roctxRangePushA(message: *const c_char) -> c_int {
    // SAFETY: the caller's string is passed on to the function that it was meant for, and read here.
    unsafe {
        tell(|tracer, thread| markers::push(tracer, thread, host::bytes(message)));
        roctx().map_or(-1, |roctx| (roctx.push)(message))
    }
}

/// roctx's function of this name.
///
/// # Safety
/// None needed; the symbol replaces roctx's.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub unsafe extern "C" fn roctxRangePop() -> c_int {
    tell(markers::pop);
    // SAFETY: the function that the call was meant for.
    roctx().and_then(|roctx| roctx.pop.as_ref()).map_or(-1, |pop| unsafe { pop() })
}

/// roctx's function of this name.
///
/// # Safety
/// As there: `message` must be a C string.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub unsafe extern "C" fn roctxRangeStartA(message: *const c_char) -> u64 {
    // SAFETY: as in roctxRangePushA.
    unsafe {
        let id = roctx().and_then(|roctx| roctx.start.as_ref()).map_or(0, |start| start(message));
        tell(|tracer, thread| markers::start(tracer, thread, id, host::bytes(message)));
        id
    }
}

/// roctx's function of this name.
///
/// # Safety
/// None needed; the symbol replaces roctx's.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub unsafe extern "C" fn roctxRangeStop(id: u64) {
    tell(|tracer, _| markers::stop(tracer, id));
    if let Some(stop) = roctx().and_then(|roctx| roctx.stop.as_ref()) {
        // SAFETY: the function that the call was meant for.
        unsafe { stop(id) };
    }
}

/// roctx's function of this name, of no interest to us.
///
/// # Safety
/// As there: `message` must be a C string.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub unsafe extern "C" fn roctxMarkA(message: *const c_char) {
    if let Some(mark) = roctx().and_then(|roctx| roctx.mark.as_ref()) {
        // SAFETY: the caller's string is passed on to the function that it was meant for.
        unsafe { mark(message) };
    }
}
