#![doc = include_str!("../README.md")]
//!
//! # From `rocprofiler_configure` to a dispatch
//!
//! ```no_run
//! use rocprofiler_sys::{KernelDispatch, Record, RecordV0, RecordV1, Sdk, TracingCallback, UserData};
//! use std::ffi::c_void;
//!
//! unsafe extern "C" fn on_dispatch<R: Record>(record: R, _: *mut UserData, _: *mut c_void) {
//!     // SAFETY: the callback is configured for the kind KERNEL_DISPATCH alone.
//!     let _dispatch = unsafe { record.payload::<KernelDispatch>() };
//! }
//!
//! /// What the `initialize` of a tool does.
//! fn initialize() -> Result<(), Box<dyn std::error::Error>> {
//!     let sdk = Sdk::in_process()?;
//!     let context = sdk.create_context()?;
//!     let kind = sdk.callback_kind("KERNEL_DISPATCH").ok_or("this SDK cannot trace dispatches")?;
//!     let callback = TracingCallback { v0: on_dispatch::<RecordV0>, v1: on_dispatch::<RecordV1> };
//!     // SAFETY: the callback is sound on any thread, and uses no data.
//!     unsafe { sdk.configure_callback_tracing(context, kind, &[], callback, std::ptr::null_mut()) }?;
//!     Ok(sdk.start_context(context)?)
//! }
//! # let _ = initialize;
//! ```

mod agent;
#[allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]
#[allow(clippy::undocumented_unsafe_blocks)]
#[rustfmt::skip]
pub mod bindings;
mod functions;
pub mod gateway;
mod load;
mod record;
mod registration;
mod sdk;
mod version;

pub use agent::{Agent, AgentType};
pub use load::{LoadError, Search, is_secure};
pub use record::{
    CallbackFor, CodeObjectLoad, HipApi, HipGraph, HipStream, HostKernelSymbol, KernelDispatch, KernelSymbol,
    MarkerApi, MemoryCopy, Payload, Record, RecordV0, RecordV1, TracingCallback, UserData,
};
pub use registration::set_client_name;
pub use sdk::{CallError, CallbackKind, ContextId, Sdk};
pub use version::{Layout, Version};
