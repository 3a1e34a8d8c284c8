//! What the simulator remembers of each thread: its clock, its correlation ids, its open ranges.
//!
//! The state is leaked on purpose and found through a thread-local without a destructor: the host may call us from atexit
//! handlers and library destructors, when thread-locals with destructors are gone.

use std::cell::{Cell, RefCell};

use crate::external::ExternalStack;

/// A range opened with `roctxRangePushA` on this thread.
#[derive(Debug)]
pub struct OpenRange {
    /// Its row in the ledger.
    pub ledger: Option<u32>,
    /// The MARKER_CORE_RANGE callback that is open with it, when any context asked for that kind, by [`crate::roctx`]'s
    /// number.
    pub bracket: Option<u64>,
}

/// One thread of the host.
#[derive(Debug)]
pub struct ThreadState {
    /// The kernel's thread id.
    pub tid: u64,
    clock_ns: Cell<u64>,
    /// The current HIP device.
    pub device: Cell<usize>,
    /// Internal correlation ids of the operations that are open, innermost last.
    pub correlations: RefCell<Vec<u64>>,
    /// Ranges that are open, innermost last.
    pub ranges: RefCell<Vec<OpenRange>>,
    /// Stacks of external correlation ids for this thread, by context, as far as they were looked up.
    pub external_stacks: RefCell<Vec<Option<&'static ExternalStack>>>,
    /// The graph launch in progress, as its row in the ledger.
    pub launch: Cell<Option<u32>>,
    /// The node of its graph that is being put into a queue.
    pub node: Cell<Option<u32>>,
}

thread_local! {
    static STATE: Cell<*const ThreadState> = const { Cell::new(std::ptr::null()) };
}

impl ThreadState {
    /// The calling thread's state, made at the first call.
    pub fn current() -> &'static Self {
        Self::existing().unwrap_or_else(|| {
            let state: &'static Self = Box::leak(Box::new(Self {
                tid: gettid(),
                clock_ns: Cell::new(0),
                device: Cell::new(0),
                correlations: RefCell::new(Vec::new()),
                ranges: RefCell::new(Vec::new()),
                external_stacks: RefCell::new(Vec::new()),
                launch: Cell::new(None),
                node: Cell::new(None),
            }));
            STATE.set(state);
            state
        })
    }

    /// The calling thread's state if it ever played the host.
    pub fn existing() -> Option<&'static Self> {
        // SAFETY: the pointer is null or was leaked by `current` on this very thread, so it is valid for ever and not
        // shared.
        unsafe { STATE.get().as_ref() }
    }

    /// The thread's own time in fast mode, 0 when it has none yet.
    pub fn clock_ns(&self) -> u64 {
        self.clock_ns.get()
    }

    /// Sets the thread's own time.
    pub fn set_clock_ns(&self, time_ns: u64) {
        self.clock_ns.set(time_ns);
    }

    /// The innermost open operation's correlation id.
    pub fn correlation(&self) -> Option<u64> {
        self.correlations.borrow().last().copied()
    }

    /// The correlation ids of the innermost open operation and of the one around it, 0 for none.
    pub fn open_correlation(&self) -> Option<(u64, u64)> {
        match self.correlations.borrow()[..] {
            [.., around, innermost] => Some((innermost, around)),
            [innermost] => Some((innermost, 0)),
            [] => None,
        }
    }

    /// The innermost open range's row in the ledger.
    pub fn range(&self) -> Option<u32> {
        self.ranges.borrow().last().and_then(|range| range.ledger)
    }
}

/// The kernel's id of the calling thread. The C library has a function for it since 2.30 only.
pub fn gettid() -> u64 {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::syscall(libc::SYS_gettid) as u64 }
}

/// The process id.
pub fn getpid() -> u64 {
    // SAFETY: getpid has no preconditions.
    unsafe { libc::getpid() as u64 }
}
