//! Tools that configure late, by `rocprofiler_force_configure` (abi-1.3 §6).
//!
//! | | nothing has registered | a runtime is up, no tool | another tool has configured |
//! |---|---|---|---|
//! | up to 1.1 | yes | `CONFIGURATION_LOCKED` | `CONFIGURATION_LOCKED` |
//! | 1.3.0 | yes | yes | `CONFIGURATION_LOCKED` |
//! | from 1.3.2 on | yes | yes | yes |
//!
//! A late start needs a rocprofiler-register of ROCm 7.0 or later; `ROCPROFILER_SIM_OLD_REGISTER=1` has an older one, and the
//! answer is `INCOMPATIBLE_REGISTER_VERSION`. Code objects that are loaded are told to the tool once it has initialised.
//!
//! While a second tool is configured the runtimes' tables are restored and then wrapped again: calls that other threads make
//! meanwhile are seen by no tool. (1.4.1 makes all interception reversible. That this closes the gap is not said, so it stays.)
//! What the real one does with queues that were made before a late start was not read; here their dispatches are traced.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::find::make_global;
use super::{Configure, FORCED, INITIALIZED, REGISTERED, begin, clients, initialized, once};
use crate::version::{Status, Version};
use crate::{code_object, context, env_is_true, lock, thread};

/// The thread that configures a second tool, 0 for none.
static REWRAPPING: AtomicU64 = AtomicU64::new(0);

/// Whether the runtimes' tables are restored, as the calling thread sees them.
pub(super) fn is_rewrapping() -> bool {
    let thread = REWRAPPING.load(Ordering::Relaxed);
    thread != 0 && thread != thread::gettid()
}

/// Initialises now, with this tool first; or adds this tool, where the runtimes or others were first.
pub fn force(configure: Option<Configure>) -> Result<(), Status> {
    if initialized() != 0 {
        let configure = configure.filter(|_| Version::current().has_second_configuration() && initialized() == 1);
        add(configure.ok_or(Status::ConfigurationLocked)?, |_| {});
        return Ok(());
    }
    if REGISTERED.load(Ordering::Acquire) {
        return start(configure);
    }
    *lock(&FORCED) = configure;
    // SAFETY: the real SDK sets it, so that children load the SDK as well; tests that call this have one thread.
    unsafe { std::env::set_var("ROCPROFILER_REGISTER_FORCE_LOAD", "1") };
    make_global();
    once(begin::initialize);
    Ok(())
}

/// The first tool, when the runtimes are up.
fn start(configure: Option<Configure>) -> Result<(), Status> {
    if !Version::current().has_late_start() {
        return Err(Status::ConfigurationLocked);
    }
    if env_is_true("ROCPROFILER_SIM_OLD_REGISTER") {
        return Err(Status::IncompatibleRegisterVersion);
    }
    *lock(&FORCED) = configure;
    make_global();
    begin::initialize();
    code_object::replay(0);
    Ok(())
}

/// One more tool, with something to do between its answer and its `initialize`. Answers with the client that it becomes;
/// `None` if it opts out, or is one already.
pub(super) fn add(configure: Configure, answered: impl FnOnce(usize)) -> Option<usize> {
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    let _one = lock(&ONE_BY_ONE);
    if clients::is_known(configure) {
        return None;
    }
    REWRAPPING.store(thread::gettid(), Ordering::Relaxed);
    INITIALIZED.store(-1, Ordering::Release);
    let client = clients::ask(configure, clients::count() as u32);
    if let Some(client) = client {
        answered(client);
        begin::initialize_client(client);
        context::publish();
    }
    INITIALIZED.store(1, Ordering::Release);
    REWRAPPING.store(0, Ordering::Relaxed);
    if let Some(client) = client {
        code_object::replay(client);
    }
    client
}
