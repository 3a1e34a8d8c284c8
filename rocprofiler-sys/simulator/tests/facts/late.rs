//! Tools that configure late (abi-1.3 §6).

use std::ffi::c_void;
use std::sync::Barrier;

use rocprofiler_sdk_simulator::api::context::rocprofiler_start_context;
use rocprofiler_sdk_simulator::host::module::sim_get_device_count;
use rocprofiler_sdk_simulator::host::stream::sim_launch;
use rocprofiler_sys::{Record, RecordV1, UserData};

use crate::tool::{
    configure, configure_with, create, force, host, register, settle, status_name, tell, told, two_contexts,
};

/// A context with code objects and dispatches, started.
fn one_context() {
    let (status, context) = create();
    assert_eq!(status, 0);
    for kind in [10, 12] {
        assert_eq!(configure(context, kind), 0);
    }
    assert_eq!(rocprofiler_start_context(context), 0);
}

/// A runtime is up and no tool is there. `FACT_STATUS` is what the answer must be.
pub(crate) fn forced_after_a_runtime() {
    let (stream, kernels) = host(&["early"]);
    let status = status_name(force::<0>(one_context));
    assert_eq!(status, std::env::var("FACT_STATUS").expect("the test says it"));
    if status.ends_with("SUCCESS") {
        assert_eq!(told(), ["configure 0", "symbol early.kd"], "what is loaded is told");
        sim_launch(kernels[0], stream, 1_000);
        settle();
        assert_eq!(told().len(), 3);
    }
}

/// Another tool has configured. `FACT_STATUS` is what the answer must be.
pub(crate) fn forced_after_a_tool() {
    register(two_contexts);
    let (stream, kernels) = host(&["early"]);
    told();
    let status = status_name(force::<1>(one_context));
    assert_eq!(status, std::env::var("FACT_STATUS").expect("the test says it"));
    let lives = status.ends_with("SUCCESS");
    assert_eq!(told(), if lives { &["configure 1", "symbol early.kd"][..] } else { &[] }, "only the newcomer is told");
    sim_launch(kernels[0], stream, 1_000);
    settle();
    assert_eq!(told().len(), if lives { 6 } else { 3 }, "both live, or the first as before");
    if lives {
        assert_eq!(force::<1>(one_context), 0);
        assert!(told().is_empty(), "a tool is configured once");
    }
}

/// While a second tool is configured calls of other threads are seen by no tool.
pub(crate) fn gap() {
    static AT_THE_GAP: Barrier = Barrier::new(2);
    unsafe extern "C" fn on_hip(record: RecordV1, _: *mut UserData, _: *mut c_void) {
        if record.operation() == 103 && record.phase() == 1 {
            tell("hipGetDeviceCount".to_owned());
        }
    }
    register(|| {
        let (_, context) = create();
        assert_eq!(configure_with(context, 5, on_hip as *const c_void), 0);
        assert_eq!(rocprofiler_start_context(context), 0);
    });
    let thread = std::thread::spawn(|| {
        sim_get_device_count();
        AT_THE_GAP.wait();
        AT_THE_GAP.wait();
        sim_get_device_count();
        AT_THE_GAP.wait();
        AT_THE_GAP.wait();
        sim_get_device_count();
    });
    AT_THE_GAP.wait();
    let status = force::<1>(|| {
        AT_THE_GAP.wait();
        AT_THE_GAP.wait();
    });
    assert_eq!(status, 0);
    AT_THE_GAP.wait();
    thread.join().expect("no panic");
    let seen = told().iter().filter(|line| *line == "hipGetDeviceCount").count();
    assert_eq!(seen, 2, "the call in the gap is missing");
}
