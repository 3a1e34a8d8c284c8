//! What the hook in Python calls.
//!
//! The hook finds these symbols in the process, through `ctypes`, and does nothing where they are not there. It looks at
//! `profile_decode_modules_active`, a 32-bit number, before it calls: it is not 0 only while a graph is being captured, or
//! somebody is still in what was entered then.

use crate::capture::message::Event;
use crate::capture::options::Fault;
use crate::capture::tracer::Tracer;
use crate::capture::{fence, marks};

/// The calling thread enters a module or operator that `length` bytes of JSON at `text` describe. `token` names it for the
/// pop: the module's address, say.
///
/// # Safety
/// `text` must point to `length` bytes.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub unsafe extern "C" fn profile_decode_module_push(token: u64, text: *const u8, length: usize) {
    fence::guard("a module's begin", (), || {
        if fence::enter(Fault::Marker)
            && !text.is_null()
            && let Some(tracer) = Tracer::current()
        {
            // What is too long is not read, whatever its length; one byte more tells that it is.
            let length = length.min(marks::TEXT + 1);
            // SAFETY: the caller's bytes, which are read before this returns.
            let text = unsafe { std::slice::from_raw_parts(text, length) };
            marks::push(token, text, |new| tracer.outbox.event(Event::Mark(new)));
        }
    });
}

/// The calling thread leaves what it entered as `token`.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub extern "C" fn profile_decode_module_pop(token: u64) {
    fence::guard("a module's end", (), || {
        if fence::enter(Fault::Marker) {
            marks::pop(token);
        }
    });
}
