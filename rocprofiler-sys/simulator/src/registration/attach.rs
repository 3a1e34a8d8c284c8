//! Attaching tools to a running process, and detaching them (abi-1.3 §6, "Attach").
//!
//! ```text
//!   attach     ROCPROF_ATTACH_TOOL_LIBRARY is loaded -> rocprofiler_configure -> rocprofiler_configure_attach
//!              -> tool_init -> tool_attach(detach function, the tool's contexts, their number, data)
//!   detach     tool_detach(data)
//!   again      tool_attach only
//!   exit       tool_fini
//! ```
//!
//! From 1.1 on, in a process that was started with `ROCP_TOOL_ATTACH=1`. What was not read: whether the SDK itself stops the
//! contexts of a tool that is detached. Here it does not; a tool that wants peace has to do it. Nor is the late start of 1.3.0
//! needed: an attached process was prepared for it when it started.

use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::Mutex;

use rocprofiler_sys::bindings as c;

use super::clients::with_client_id;
use super::{Configure, begin, find, initialized, late, register};
use crate::version::{Version, static_c_str};
use crate::{complain, context, env_is_true, lock};

type ConfigureAttach =
    unsafe extern "C" fn(u32, *const c_char, u32, *mut c_void) -> *const c::rocprofiler_tool_configure_attach_result_t;

/// A client that can be attached.
#[derive(Clone, Copy, Debug)]
struct Attachable {
    client: usize,
    result: c::rocprofiler_tool_configure_attach_result_t,
}

// SAFETY: the pointers are the tool's, to be handed back to it from whichever thread attaches and detaches.
unsafe impl Send for Attachable {}

#[derive(Debug)]
struct Session {
    tools: Vec<Attachable>,
    is_loaded: bool,
    is_attached: bool,
}

static SESSION: Mutex<Session> = Mutex::new(Session { tools: Vec::new(), is_loaded: false, is_attached: false });

/// Attaches the tools; the first time they are loaded and initialised. The error says why that cannot be.
pub fn attach() -> Result<(), String> {
    let version = Version::current();
    if !version.has_attach() {
        return Err(format!("SDK {} cannot attach", version.text()));
    }
    if !env_is_true("ROCP_TOOL_ATTACH") {
        return Err("the process was not started with ROCP_TOOL_ATTACH=1".to_owned());
    }
    if std::mem::replace(&mut lock(&SESSION).is_attached, true) {
        return Err("attached already".to_owned());
    }
    if !std::mem::replace(&mut lock(&SESSION).is_loaded, true) {
        register();
        find::make_global();
        if initialized() == 0 {
            begin::initialize();
        }
        let list = std::env::var("ROCPROF_ATTACH_TOOL_LIBRARY").unwrap_or_default();
        for library in list.split(':').filter(|library| !library.is_empty()) {
            load(library)?;
        }
    }
    let tools = lock(&SESSION).tools.clone();
    for tool in tools {
        begin(tool);
    }
    Ok(())
}

/// Detaches the tools.
pub fn detach() -> Result<(), String> {
    if !std::mem::replace(&mut lock(&SESSION).is_attached, false) {
        return Err("not attached".to_owned());
    }
    let tools = lock(&SESSION).tools.clone();
    for tool in tools {
        if let Some(tool_detach) = tool.result.tool_detach {
            // SAFETY: the tool gave us this function and its data.
            unsafe { tool_detach(tool.result.tool_data) };
        }
    }
    Ok(())
}

/// The function that `tool_attach` is given: the tool itself asks for the end of the session.
unsafe extern "C" fn detach_by_tool(_client: c::rocprofiler_client_id_v1_t) {
    if let Err(why) = detach() {
        complain(&format!("detach: {why}"));
    }
}

fn begin(tool: Attachable) {
    let contexts = context::of_client(tool.client).into_iter().map(|handle| c::rocprofiler_context_id_t { handle });
    let mut contexts: Vec<c::rocprofiler_context_id_t> = contexts.collect();
    if let Some(tool_attach) = tool.result.tool_attach {
        // SAFETY: the tool gave us this function and its data; the contexts outlive the call.
        unsafe {
            tool_attach(Some(detach_by_tool), contexts.as_mut_ptr(), contexts.len() as u64, tool.result.tool_data)
        };
    }
}

/// Loads a tool's library and makes a client of it.
fn load(library: &str) -> Result<(), String> {
    let path = CString::new(library).map_err(|_| format!("{library:?} is no path"))?;
    // SAFETY: loading a tool runs its constructors, which is what the variable asks for.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LOCAL | libc::RTLD_LAZY) };
    if handle.is_null() {
        return Err(format!("cannot load {library}"));
    }
    let configure: Configure = find::symbol(handle).ok_or_else(|| format!("{library} has no rocprofiler_configure"))?;
    late::add(configure, |client| {
        if let Some(result) = ask(handle, c"rocprofiler_configure_attach", client as u32) {
            lock(&SESSION).tools.push(Attachable { client, result });
        }
    });
    Ok(())
}

/// Calls a tool's `rocprofiler_configure_attach`, if it has one.
fn ask(library: *mut c_void, name: &CStr, priority: u32) -> Option<c::rocprofiler_tool_configure_attach_result_t> {
    // SAFETY: the name is a C string; what it finds has the signature that the SDK demands of this name.
    let configure = unsafe {
        let found = libc::dlsym(library, name.as_ptr());
        std::mem::transmute::<*mut c_void, Option<ConfigureAttach>>(found)
    }?;
    let version = Version::current();
    with_client_id(priority + 1, |id| {
        // SAFETY: as for `rocprofiler_configure`, whose arguments these are.
        let result = unsafe { configure(version.number(), static_c_str(&version.text()).as_ptr(), priority, id) };
        // SAFETY: the tool answers with null or with a result that is valid at least until it is called again.
        unsafe { result.as_ref() }.copied()
    })
}
