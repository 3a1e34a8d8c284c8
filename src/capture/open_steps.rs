//! The steps that a thread has open, and the ids by which its dispatches know them.

use std::sync::atomic::{AtomicU64, Ordering};

use rocprofiler_sys::{CallError, ContextId, Sdk};

use super::meter::Meter;
use super::window::Position;
use crate::steps::labels::Nesting;

/// How a range was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    /// By roctxRangePushA, with so many open on its thread.
    Pushed(u32),
    /// By roctxRangeStartA, which returned this.
    Started(u64),
}

/// A step whose range is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenStep {
    /// Our id, which its dispatches carry.
    pub(super) id: u64,
    /// How it was opened, which tells what closes it.
    pub(super) how: How,
    /// Whether it is inside the window.
    pub(super) recorded: bool,
}

impl OpenStep {
    /// The external correlation id of its dispatches.
    fn carried(&self) -> u64 {
        if self.recorded { self.id } else { 0 }
    }
}

/// The steps of one thread.
#[derive(Default, Debug)]
pub(super) struct ThreadSteps {
    pub(super) open: Nesting<OpenStep>,
    /// The range of what is launched after a step; 0: there is none.
    pub(super) tail: u64,
    /// The external ids that the SDK has for the thread, above the 0 at the bottom; `None`: not even that was pushed yet.
    pushed: Option<Vec<u64>>,
    /// The id for the thread's dispatches, if the SDK takes none.
    pub(super) unbound: Option<&'static AtomicU64>,
    /// When and where the step before began, if it was a decode step.
    last_decode: Option<(u64, Position)>,
}

impl ThreadSteps {
    /// Forgets what was seen before there was a gap. What the SDK has been given, it has.
    pub(super) fn forget(&mut self) {
        (self.open, self.last_decode) = (Nesting::default(), None);
    }

    /// Lets the dispatches of the thread carry the id of what is open now. The first error is told; from then on the id is in
    /// `unbound`.
    pub(super) fn bind(&mut self, sdk: &Sdk, context: ContextId, thread: u64) -> Result<(), CallError> {
        let mut wanted: Vec<u64> = self.open.iter().map(|(_, range)| range.carried()).collect();
        if wanted.is_empty() && self.tail != 0 {
            wanted.push(self.tail);
        }
        let bound = if self.unbound.is_none() { self.push(sdk, context, thread, &wanted) } else { Ok(()) };
        if bound.is_err() {
            self.unbound = Some(Box::leak(Box::default()));
        }
        if let Some(unbound) = self.unbound {
            unbound.store(wanted.last().copied().unwrap_or(0), Ordering::Release);
        }
        bound
    }

    /// Makes the SDK's ids the `wanted` ones.
    fn push(&mut self, sdk: &Sdk, context: ContextId, thread: u64, wanted: &[u64]) -> Result<(), CallError> {
        if self.pushed.is_none() {
            sdk.push_external_correlation_id(context, thread, 0)?;
        }
        let pushed = self.pushed.get_or_insert_default();
        let same = pushed.iter().zip(wanted).take_while(|(a, b)| a == b).count();
        while pushed.len() > same {
            sdk.pop_external_correlation_id(context, thread)?;
            pushed.pop();
        }
        for &id in &wanted[same..] {
            sdk.push_external_correlation_id(context, thread, id)?;
            pushed.push(id);
        }
        Ok(())
    }

    /// A step begins now, at this position; if the one before was a decode step too, its time is known.
    pub(super) fn take_time(&mut self, meter: &Meter, position: Position, counts: bool, now_ns: u64) {
        if let (true, Some((begun_ns, position))) = (counts, self.last_decode) {
            meter.step(position, now_ns.saturating_sub(begun_ns));
        }
        self.last_decode = counts.then_some((now_ns, position));
    }
}
