//! The callbacks around the calls of the host.

use std::ffi::c_void;

use crate::context::{self, Context, Event, Service, phase};
use crate::thread::ThreadState;

/// The callbacks around one call of a traced API by the host.
///
/// Who was told of the ENTER is told of the EXIT, even if its context was stopped in between.
#[derive(Debug)]
pub struct Bracket {
    event: Event,
    /// Whether the operation got an id of its own, which is the thread's innermost one until the EXIT.
    opened: bool,
    told: Vec<(&'static Context, &'static Service, u64, u64)>,
}

impl Bracket {
    /// ENTER, for all contexts that trace the operation; `None` if there are none. The operation is the thread's
    /// innermost one until [`Bracket::exit`].
    pub fn enter(kind: usize, operation: i32, request_kind: u32, payload: *mut c_void) -> Option<Self> {
        context::tracing(kind, operation).next()?;
        let state = ThreadState::current();
        let internal = context::next_correlation();
        let ancestor = state.correlation().unwrap_or(0);
        state.correlations.borrow_mut().push(internal);
        Some(Self::tell((kind, operation, phase::ENTER), request_kind, (internal, ancestor), payload, true))
    }

    /// As [`Bracket::enter`], of an operation within a traced one, whose id it has. Where none is open it gets its own.
    pub fn within(kind: usize, operation: i32, request_kind: u32, payload: *mut c_void) -> Option<Self> {
        let open = ThreadState::current().open_correlation();
        match open {
            None => Self::enter(kind, operation, request_kind, payload),
            Some(ids) => {
                context::tracing(kind, operation).next()?;
                Some(Self::tell((kind, operation, phase::ENTER), request_kind, ids, payload, false))
            }
        }
    }

    /// One callback, of phase NONE, with the id of the operation that is open, or with one of its own.
    pub fn once(kind: usize, operation: i32, request_kind: u32, payload: *mut c_void) {
        if context::tracing(kind, operation).next().is_some() {
            let open = ThreadState::current().open_correlation();
            let ids = open.unwrap_or_else(|| (context::next_correlation(), 0));
            Self::tell((kind, operation, phase::NONE), request_kind, ids, payload, false);
        }
    }

    fn tell(
        what: (usize, i32, u32),
        request_kind: u32,
        (internal, ancestor): (u64, u64),
        payload: *mut c_void,
        opened: bool,
    ) -> Self {
        let state = ThreadState::current();
        let event = Event { what, thread: state.tid, internal, ancestor, external: 0 };
        let mut bracket = Self { event, opened, told: Vec::new() };
        for (context, service) in context::tracing(what.0, what.1) {
            let external = context.external(state, request_kind, what.1, internal);
            let mut user_data = 0;
            context.call(service, &Event { external, ..event }, payload, &mut user_data);
            bracket.told.push((context, service, user_data, context.external_after(state, request_kind, external)));
        }
        bracket
    }

    /// The internal correlation id of the call.
    pub fn correlation(&self) -> u64 {
        self.event.internal
    }

    /// EXIT.
    pub fn exit(self, payload: *mut c_void) {
        let state = ThreadState::current();
        let (kind, operation, _) = self.event.what;
        let event = Event { what: (kind, operation, phase::EXIT), ..self.event };
        for (context, service, mut user_data, external) in self.told {
            context.call(service, &Event { external, ..event }, payload, &mut user_data);
        }
        if self.opened {
            let mut open = state.correlations.borrow_mut();
            if let Some(position) = open.iter().rposition(|id| *id == self.event.internal) {
                open.remove(position);
            }
        }
    }
}
