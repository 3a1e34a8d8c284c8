//! The C ABI of rocprofiler-sdk.

mod agent;
#[allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]
#[allow(clippy::undocumented_unsafe_blocks)]
#[rustfmt::skip]
pub mod bindings;
mod functions;
mod load;
mod record;
mod registration;
mod sdk;
mod version;

pub use agent::{Agent, AgentType};
pub use load::LoadError;
pub use record::{
    CallbackFor, CodeObjectLoad, HipApi, HipStream, KernelDispatch, KernelSymbol, MarkerApi, MemoryCopy, Payload,
    Record, RecordV0, RecordV1, TracingCallback, UserData,
};
pub use registration::set_client_name;
pub use sdk::{CallError, CallbackKind, ContextId, Sdk};
pub use version::{Layout, Version};
