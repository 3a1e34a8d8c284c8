//! Ranges of the old roctx library, which rocprofiler-sdk never sees.
//!
//! PyTorch's ROCm wheels emit their ranges through `libroctx64.so.4`, which does not register with rocprofiler-register
//! (observed). So the library exports roctx's range functions too. Each call goes on to the function that it was meant
//! for; if that is the old library's, the tracer hears of the range here, and if it is librocprofiler-sdk-roctx's, it hears
//! of it from the SDK, so nothing is counted twice. A program that finds the functions by `dlsym` in a handle of its own
//! does not come by here.
//!
//! The function meant is the next one in the loader's global order, else that of whichever roctx library is loaded
//! without being visible to all, as those are that come in with a Python module.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use super::markers;
use crate::capture::options::Fault;
use crate::capture::tracer::Tracer;
use crate::capture::{fence, host};

/// File names of roctx libraries, the old one first: if both are there invisibly, the new one was not meant.
const LIBRARIES: [&CStr; 5] = [
    c"libroctx64.so.4",
    c"libroctx64.so",
    c"librocprofiler-sdk-roctx.so.1",
    c"librocprofiler-sdk-roctx.so.0",
    c"librocprofiler-sdk-roctx.so",
];

/// The functions of the roctx library that was meant.
#[derive(Clone, Copy)]
struct Roctx {
    push: Option<unsafe extern "C" fn(*const c_char) -> c_int>,
    pop: Option<unsafe extern "C" fn() -> c_int>,
    start: Option<unsafe extern "C" fn(*const c_char) -> u64>,
    stop: Option<unsafe extern "C" fn(u64)>,
    mark: Option<unsafe extern "C" fn(*const c_char)>,
    /// The SDK does not hear of its ranges.
    is_old: bool,
}

fn roctx() -> Roctx {
    /// The next function of this name as the type of the field that it is for; a null pointer is `None`.
    macro_rules! next {
        ($name:literal, $type:ty) => {
            std::mem::transmute::<*mut c_void, Option<$type>>(next($name))
        };
    }
    static ROCTX: OnceLock<Roctx> = OnceLock::new();
    *ROCTX.get_or_init(|| {
        // SAFETY: roctx's functions of these names have these types in every version (roctracer 4.1, rocprofiler-sdk 0.4
        // to 1.3).
        unsafe {
            Roctx {
                push: next!(c"roctxRangePushA", unsafe extern "C" fn(*const c_char) -> c_int),
                pop: next!(c"roctxRangePop", unsafe extern "C" fn() -> c_int),
                start: next!(c"roctxRangeStartA", unsafe extern "C" fn(*const c_char) -> u64),
                stop: next!(c"roctxRangeStop", unsafe extern "C" fn(u64)),
                mark: next!(c"roctxMarkA", unsafe extern "C" fn(*const c_char)),
                is_old: is_old(next(c"roctxRangePushA")),
            }
        }
    })
}

/// The function of this name that a call would have reached without us; null if there is none.
fn next(name: &CStr) -> *mut c_void {
    // SAFETY: all names are C strings; with RTLD_NOLOAD nothing is loaded, and the handles are kept.
    unsafe {
        let visible = libc::dlsym(libc::RTLD_NEXT, name.as_ptr());
        if !visible.is_null() {
            return visible;
        }
        LIBRARIES
            .iter()
            .map(|library| libc::dlopen(library.as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_LAZY))
            .filter(|handle| !handle.is_null())
            .map(|handle| libc::dlsym(handle, name.as_ptr()))
            .find(|function| !function.is_null())
            .unwrap_or(std::ptr::null_mut())
    }
}

/// Whether a function is that of a roctx library which the SDK does not hear of. Every roctx that registers exports
/// `roctxProfilerPause` as well (rocprofiler-sdk 0.4 to 1.3), which the old one has not.
fn is_old(function: *mut c_void) -> bool {
    if function.is_null() {
        return false;
    }
    // SAFETY: an all-zero Dl_info is valid storage; dladdr takes any address and gives the name of a loaded library, whose
    // handle RTLD_NOLOAD gives again.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(function, &raw mut info) == 0 || info.dli_fname.is_null() {
            return false;
        }
        let handle = libc::dlopen(info.dli_fname, libc::RTLD_NOLOAD | libc::RTLD_LAZY);
        !handle.is_null() && libc::dlsym(handle, c"roctxProfilerPause".as_ptr()).is_null()
    }
}

/// Tells the tracer, if one runs here, of what the SDK will not tell it.
fn tell(what: impl FnOnce(&'static Tracer, u64)) {
    fence::guard("a roctx range", (), || {
        if fence::enter(Fault::Marker)
            && roctx().is_old
            && let Some(tracer) = Tracer::current()
            && tracer.listens()
        {
            what(tracer, host::thread_id());
        }
    });
}

/// The text of a message.
///
/// # Safety
/// `message` must be null or a C string that lives through the call.
unsafe fn text(message: *const c_char) -> String {
    if message.is_null() {
        return String::new();
    }
    // SAFETY: the caller holds that it is a string.
    unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned()
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
        tell(|tracer, thread| markers::push(tracer, thread, &text(message)));
        roctx().push.map_or(-1, |push| push(message))
    }
}

/// roctx's function of this name.
///
/// # Safety
/// None needed; the symbol replaces roctx's.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub unsafe extern "C" fn roctxRangePop() -> c_int {
    tell(|tracer, _| markers::pop(tracer));
    // SAFETY: the function that the call was meant for.
    roctx().pop.map_or(-1, |pop| unsafe { pop() })
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
        let id = roctx().start.map_or(0, |start| start(message));
        tell(|tracer, thread| markers::start(tracer, thread, id, &text(message)));
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
    if let Some(stop) = roctx().stop {
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
    if let Some(mark) = roctx().mark {
        // SAFETY: the caller's string is passed on to the function that it was meant for.
        unsafe { mark(message) };
    }
}
