//! Which runtime calls put work on a GPU, by the names that tracers write.

use crate::model::LaunchCall;

/// What kind of launch the call `name` is; `None` for calls that enqueue nothing.
///
/// HIP, CUDA runtime and CUDA driver calls are told apart from the work that they enqueue by the part of the name after
/// their prefix: `hipGraphLaunch_spt` and `cudaGraphLaunch_v10000` are the same kind. A name that is neither a known
/// launch nor known to enqueue nothing is [`LaunchCall::Other`]: a link to it is better than none.
pub(crate) fn launch_call(name: &str) -> Option<LaunchCall> {
    let rest = ["cuda", "hip", "cu"].iter().find_map(|prefix| name.strip_prefix(prefix))?;
    let driver = name.starts_with("cu") && !name.starts_with("cuda");
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| rest.starts_with(prefix));
    if starts(&["GraphLaunch"]) {
        Some(LaunchCall::Graph)
    } else if starts(&["ExtModuleLaunch", "HccModuleLaunch"]) {
        Some(LaunchCall::ExtModule)
    } else if starts(&["ExtLaunch"]) {
        Some(LaunchCall::Ext)
    } else if starts(&["ModuleLaunch", "DrvLaunch"]) || (driver && starts(&["Launch"])) {
        Some(LaunchCall::Module)
    } else if starts(&["LaunchHostFunc"]) {
        None
    } else if starts(&["Launch"]) {
        Some(LaunchCall::Kernel)
    } else if starts(&["Memcpy", "Memset", "DrvMemcpy", "Mem", "GraphMem"]) && is_copy(rest) {
        Some(LaunchCall::Memory)
    } else if starts(ENQUEUES_NOTHING) {
        None
    } else {
        Some(LaunchCall::Other)
    }
}

fn is_copy(rest: &str) -> bool {
    rest.contains("Memcpy") || rest.contains("Memset")
}

/// Beginnings, after the prefix, of calls that never put a kernel or a copy on a GPU.
const ENQUEUES_NOTHING: &[&str] = &[
    "ApiName",
    "Array",
    "Bind",
    "Choose",
    "Config",
    "Create",
    "Ctx",
    "Destroy",
    "Device",
    "Driver",
    "Drv",
    "Event",
    "External",
    "Free",
    "Func",
    "Get",
    "Graph",
    "Host",
    "Import",
    "Init",
    "Ipc",
    "IsCapture",
    "KernelName",
    "Kernel",
    "Link",
    "Malloc",
    "Mem",
    "Module",
    "Occupancy",
    "Peek",
    "Pointer",
    "Profiler",
    "RuntimeGet",
    "Runtime",
    "Set",
    "Setup",
    "Stream",
    "Tex",
    "Thread",
    "Unbind",
    "User",
    "rtc",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_by_what_they_enqueue() {
        let kinds = [
            ("hipLaunchKernel", Some(LaunchCall::Kernel)),
            ("hipLaunchKernel_spt", Some(LaunchCall::Kernel)),
            ("cudaLaunchKernelExC_v11060", Some(LaunchCall::Kernel)),
            ("hipLaunchCooperativeKernel", Some(LaunchCall::Kernel)),
            ("hipModuleLaunchKernel", Some(LaunchCall::Module)),
            ("hipDrvLaunchKernelEx", Some(LaunchCall::Module)),
            ("cuLaunchKernelEx", Some(LaunchCall::Module)),
            ("hipExtModuleLaunchKernel", Some(LaunchCall::ExtModule)),
            ("hipExtLaunchKernel", Some(LaunchCall::Ext)),
            ("hipGraphLaunch", Some(LaunchCall::Graph)),
            ("cudaGraphLaunch_v10000", Some(LaunchCall::Graph)),
            ("hipMemcpyWithStream", Some(LaunchCall::Memory)),
            ("hipMemsetD8Async", Some(LaunchCall::Memory)),
            ("hipSomethingNew", Some(LaunchCall::Other)),
            ("hipLaunchHostFunc", None),
            ("hipMemGetInfo", None),
            ("hipMallocAsync", None),
            ("hipStreamSynchronize", None),
            ("hipGraphInstantiate", None),
            ("__hipPushCallConfiguration", None),
            ("hsa_queue_create", None),
        ];
        for (name, kind) in kinds {
            assert_eq!(launch_call(name), kind, "{name}");
        }
    }
}
