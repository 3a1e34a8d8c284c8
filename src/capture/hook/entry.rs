//! How the SDK finds, starts and ends us.
//!
//! `rocprofiler_configure` is the symbol by which the SDK finds a tool. It is called when a runtime comes up in the process;
//! a process that never uses a GPU never gets here. What else the library exports stands before functions of others:
//! [`gateway`](super::gateway), [`exits`], [`roctx`](super::roctx), [`attach`](super::attach).
//!
//! `initialize` runs on whichever application thread touched a runtime first, possibly with the loader's lock held, so
//! it waits for nobody. Everything must be configured there: afterwards the SDK's configuration is locked. A failure
//! costs one feature, or makes the tracer decline: it starts no context and is then never called again.

use std::ffi::{c_char, c_int, c_void};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rocprofiler_sys::bindings::{
    rocprofiler_client_finalize_t as ClientFinalize, rocprofiler_tool_configure_result_t as ConfigureResult,
};
use rocprofiler_sys::{
    AgentType, CallbackKind, ContextId, Layout, Sdk, TracingCallback, Version, is_secure, set_client_name,
};

use super::{callbacks, exits, graphs};
use crate::capture::fence::{self, State};
use crate::capture::host;
use crate::capture::message::{self, Event, Outbox};
use crate::capture::operations::{HIP, HIP_GRAPH, Operations};
use crate::capture::options::Options;
use crate::capture::rank::Placement;
use crate::capture::tracer::{CLIENT_NAME, Contexts, Tracer};
use crate::capture::write::{Aggregator, control};
use crate::steps::labels::Labels;
use crate::wire::Agent;

/// Longest wait for the aggregator in `finalize`: making the report of a large capture takes its time.
const FINISH_AT_MOST: Duration = Duration::from_secs(20);

/// What we answer to `rocprofiler_configure`. The SDK copies it.
struct Answer(ConfigureResult);

// SAFETY: the pointers in it are functions and null; nobody writes to it after it was made.
unsafe impl Send for Answer {}
// SAFETY: as above.
unsafe impl Sync for Answer {}

static ANSWER: OnceLock<Answer> = OnceLock::new();
/// The layout of the SDK that called `rocprofiler_configure`.
static LAYOUT: OnceLock<Layout> = OnceLock::new();

/// The symbol by which rocprofiler-sdk finds its tools.
///
/// # Safety
/// To be called by the SDK only: `client_id` must point to a client id in the layout of `version`.
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "exported from the library, not from the crate")]
pub unsafe extern "C" fn rocprofiler_configure(
    version: u32,
    _runtime_version: *const c_char,
    _priority: u32,
    client_id: *mut c_void,
) -> *mut ConfigureResult {
    fence::guard("rocprofiler_configure", std::ptr::null_mut(), || {
        let Some(layout) = Version::from_number(version).layout() else { return std::ptr::null_mut() };
        if is_secure() || !Options::from_env(|name| std::env::var_os(name)).enabled {
            return std::ptr::null_mut();
        }
        // An SDK that cannot list the GPUs throws, which would end the program.
        if let Some(unreadable) = host::unreadable_topology(Path::new("/")) {
            host::say_aside(&format!("not tracing this process: {} cannot be read", unreadable.display()));
            return std::ptr::null_mut();
        }
        // Registered twice, say by LD_PRELOAD and by ROCP_TOOL_LIBRARIES under another path: once is enough.
        if !fence::change(State::Absent, State::Starting) {
            return std::ptr::null_mut();
        }
        let _ = LAYOUT.set(layout);
        // SAFETY: the SDK passes a client id of its own version's layout.
        unsafe { set_client_name(client_id, layout, CLIENT_NAME) };
        let answer = ANSWER.get_or_init(|| {
            Answer(ConfigureResult {
                size: size_of::<ConfigureResult>(),
                initialize: Some(initialize),
                finalize: Some(finalize),
                tool_data: std::ptr::null_mut(),
            })
        });
        std::ptr::from_ref(&answer.0).cast_mut()
    })
}

/// Configures everything. The SDK ignores what is returned.
unsafe extern "C" fn initialize(_finalize: ClientFinalize, _data: *mut c_void) -> c_int {
    fence::guard("initialize", -1, || match start() {
        Ok(()) => 0,
        Err(error) => {
            host::say_aside(&format!("not tracing this process: {error}"));
            -1
        }
    })
}

/// The SDK's end of the process: every outstanding kernel has completed. Our own destructors and this thread's locals
/// may be gone already.
unsafe extern "C" fn finalize(_data: *mut c_void) {
    fence::guard("finalize", (), || {
        if exits::is_ours()
            && let Some(tracer) = Tracer::current()
        {
            tracer.finish(FINISH_AT_MOST);
            fence::finish();
        }
    });
}

/// Finds the SDK, configures its services, starts the aggregator and the contexts.
fn start() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if control::is_listening() {
        return Err("another copy of the library traces it".into());
    }
    let options = Options::from_env(|name| std::env::var_os(name));
    let sdk = Sdk::in_process()?;
    let called = LAYOUT.get().copied();
    if called != Some(sdk.layout()) {
        let text = "two copies of rocprofiler-sdk with different layouts are in the process";
        return Err(format!("{text} ({called:?} called, {} is {:?})", sdk.path().display(), sdk.layout()).into());
    }
    let contexts = Contexts {
        control: sdk.create_context()?,
        steps: sdk.create_context()?,
        calls: sdk.create_context()?,
        tracing: sdk.create_context()?,
        graphs: sdk.create_context()?,
        captures: sdk.create_context()?,
    };
    let (outbox, inbox) = message::channel(options.channel);
    let Options { fault, signal, armed, warmup, steps, .. } = options;
    let labels = labels(&options, &outbox);
    let agents = agents(&sdk, &outbox);
    let operations = Operations::find(&sdk, |error| {
        outbox.event(Event::Remark("sdk-function-failed", format!("an operation is not known: {error}")));
    });
    let rank = Placement::from_env(|name| std::env::var_os(name));
    let tracer: &'static Tracer =
        Box::leak(Box::new(Tracer::new(sdk, contexts, operations, options, rank, agents, labels, outbox)));
    configure(tracer)?;
    tracer.make_current();
    host::at_fork(on_fork_child);
    let aggregator = Aggregator::new(tracer, inbox);
    // Before the aggregator starts, which lives as long as the tracer runs. No callback comes before a context is started.
    fence::run(fault);
    std::thread::Builder::new().name("profile-decode".into()).spawn(move || aggregator.live())?;
    exits::watch(signal);
    tracer.start()?;
    if armed {
        tracer.arm(warmup, steps)?;
    }
    Ok(())
}

/// Registers the callbacks. Only dispatches and their names are indispensable.
fn configure(tracer: &'static Tracer) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let Tracer { sdk, contexts, operations, outbox, .. } = tracer;
    let register = |context, kind: &str, operations: &[i32], callback: TracingCallback| {
        let kind: CallbackKind = sdk
            .callback_kind(kind)
            .ok_or_else(|| format!("rocprofiler_query_callback_tracing_kind_name knows no {kind}"))?;
        let data = std::ptr::from_ref(tracer).cast_mut().cast::<c_void>();
        // SAFETY: the callbacks take a Tracer as data, may run on any thread at once, and let no panic out; the Tracer is
        // never freed.
        unsafe { sdk.configure_callback_tracing(context, kind, operations, callback, data) }
            .map_err(|error| error.to_string())
    };
    register(contexts.control, "CODE_OBJECT", &[], callbacks::CODE_OBJECT)?;
    register(contexts.tracing, "KERNEL_DISPATCH", &[], callbacks::DISPATCH)?;
    let without = tracer.options.without;
    let optional = [
        ("steps cannot be told by markers", contexts.steps, "MARKER_CORE_API", operations.markers(), callbacks::MARKER),
        (
            "steps cannot be told by graph launches",
            contexts.steps,
            HIP,
            operations.graph_launches.clone(),
            callbacks::GRAPH_LAUNCH,
        ),
        ("launch calls are not recorded", contexts.calls, HIP, operations.calls(), callbacks::CALL),
    ];
    for (what, context, kind, operations, callback) in optional {
        if context.handle() == contexts.calls.handle() && without.launches {
            continue;
        }
        // An empty list would subscribe to every operation.
        let registered = if operations.is_empty() {
            Err("this SDK does not know their operations".to_owned())
        } else {
            register(context, kind, &operations, callback)
        };
        if let Err(why) = registered {
            outbox.event(Event::Remark("sdk-feature-missing", format!("{what}: {why}")));
        }
    }
    // Without it graphs are told apart by their pointers, which HIP gives again.
    if let Some(launch) = operations.exec_launch
        && let Err(why) = register(contexts.steps, HIP_GRAPH, &[launch], callbacks::GRAPH)
    {
        outbox.event(Event::Remark("sdk-feature-missing", format!("graphs have no ids: {why}")));
    }
    if !without.copies
        && let Err(why) = register(contexts.tracing, "MEMORY_COPY", &[], callbacks::COPY)
    {
        outbox.event(Event::Remark("sdk-feature-missing", format!("copies are not recorded: {why}")));
    }
    if !without.graphs {
        graphs::find_names(sdk.version());
        listen_to_captures(tracer, register);
    }
    Ok(())
}

/// Registers the callbacks for captures of graphs.
fn listen_to_captures<E: std::fmt::Display>(
    tracer: &Tracer,
    register: impl Fn(ContextId, &str, &[i32], TracingCallback) -> Result<(), E>,
) {
    let Tracer { contexts, operations, outbox, .. } = tracer;
    let lasting = (contexts.graphs, HIP, operations.graph_calls(true), graphs::GRAPH_CALL);
    let captured = (contexts.captures, HIP, operations.graph_calls(false), graphs::GRAPH_CALL);
    let made = (contexts.graphs, HIP_GRAPH, operations.exec_create.into_iter().collect(), graphs::MADE);
    for (context, kind, operations, callback) in [lasting, captured, made] {
        // An empty list would subscribe to every operation.
        if operations.is_empty() {
            continue;
        }
        if let Err(why) = register(context, kind, &operations, callback) {
            let text = format!("captures of graphs are not seen: {why}");
            outbox.event(Event::Remark("sdk-feature-missing", text));
            return;
        }
    }
}

/// Called in a forked child, where only async-signal-safe work is allowed: stores and a close are.
extern "C" fn on_fork_child() {
    if fence::fork() {
        control::forget();
    }
}

fn labels(options: &Options, outbox: &Outbox) -> Labels {
    let Some(pattern) = &options.marker else { return Labels::known() };
    Labels::custom(pattern).unwrap_or_else(|error| {
        outbox.event(Event::Remark("invalid-option", format!("{error}; the labels of known engines are used")));
        Labels::known()
    })
}

/// The GPUs of the host, in the order in which they are counted.
fn agents(sdk: &Sdk, outbox: &Outbox) -> Vec<Agent> {
    let found = sdk.agents().unwrap_or_else(|error| {
        outbox.event(Event::Remark("sdk-function-failed", format!("GPUs are not named: {error}")));
        Vec::new()
    });
    found
        .into_iter()
        .filter(|agent| agent.agent_type == AgentType::Gpu)
        .map(|agent| Agent {
            handle: agent.id,
            node_id: agent.node_id,
            gpu_index: agent.logical_node_type_id as u32,
            arch: agent.name,
            product: agent.product_name,
            compute_units: agent.cu_count,
        })
        .collect()
}
