//! What is on only for a recording, and who turns it on and off.
//!
//! A start of one of the SDK's contexts takes as long as the SDK likes, and so does a stop. So nobody holds a lock of the
//! window meanwhile. Whoever wants it on or off says so, which costs a store; the change itself is made
//!
//! * by the thread that begins the last step of warm-up, one step ahead: the others find it on when the window opens,
//! * by a thread whose step is recorded and that finds it off: what it launches next would be missed otherwise,
//! * by the aggregator, for every stop.
//!
//! ```text
//!   thread 1   step (warm-up) begins: wanted, start ...... on   step begins: opens the window
//!   thread 2        other steps, other calls: nobody waits      step begins: it is on
//! ```

use super::sync::{AtomicBool, AtomicU8, Mutex, Ordering, fence};

/// Where it stands; [`OFF`] and [`ON`] are what is wanted as a number.
const OFF: u8 = 0;
const ON: u8 = 1;
const CHANGING: u8 = 2;

/// See the [module](self).
#[derive(Default, Debug)]
pub(super) struct Switch {
    wanted: AtomicBool,
    state: AtomicU8,
    /// Held by the thread that makes a change.
    hand: Mutex<()>,
}

impl Switch {
    /// Says what is wanted from now on. Never waits.
    pub(super) fn want(&self, on: bool) {
        self.wanted.store(on, Ordering::Release);
    }

    /// Whether it is as wanted, and stays so until something else is wanted. Never waits.
    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        // With the one in `settle`: of a thread that wants it on and one that turns it off, one sees the other.
        fence(Ordering::SeqCst);
        self.state.load(Ordering::Acquire) == as_state(self.wanted.load(Ordering::Acquire))
    }

    /// Makes it as wanted: by `change`, or by waiting for whoever is at it. A change that fails is not tried again: the
    /// first error is returned.
    pub(super) fn settle<E>(&self, change: impl Fn(bool) -> Result<(), E>) -> Result<(), E> {
        let _hand = self.hand.lock();
        self.turn(change)
    }

    /// The same, but nothing if somebody is at it: there is time until it is needed.
    pub(super) fn settle_if_free<E>(&self, change: impl Fn(bool) -> Result<(), E>) -> Result<(), E> {
        match self.hand.try_lock() {
            Some(_hand) => self.turn(change),
            None => Ok(()),
        }
    }

    /// Makes it as wanted, by the thread that has the hand on it.
    fn turn<E>(&self, change: impl Fn(bool) -> Result<(), E>) -> Result<(), E> {
        let mut changed = Ok(());
        loop {
            let before = self.state.load(Ordering::Acquire);
            if before == as_state(self.wanted.load(Ordering::Acquire)) {
                return changed;
            }
            self.state.store(CHANGING, Ordering::Release);
            fence(Ordering::SeqCst);
            // Who wanted something else before this has found it settled; who does after this waits.
            let wanted = self.wanted.load(Ordering::Acquire);
            if before != as_state(wanted) {
                changed = changed.and(change(wanted));
            }
            self.state.store(as_state(wanted), Ordering::Release);
        }
    }
}

fn as_state(on: bool) -> u8 {
    if on { ON } else { OFF }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::AtomicU32;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_slow_change_keeps_nobody_from_saying_what_is_wanted_and_is_made_once() {
        let (switch, starts, stops) = (Switch::default(), AtomicU32::new(0), AtomicU32::new(0));
        let (begun_in, begun) = channel();
        let (go, may_go) = channel::<()>();
        let may_go = Mutex::new(may_go);
        std::thread::scope(|scope| {
            switch.want(true);
            let (switch, starts, stops, may_go) = (&switch, &starts, &stops, &may_go);
            scope.spawn(move || {
                let slow = |on: bool| {
                    let count = if on { starts } else { stops };
                    count.fetch_add(1, Ordering::Relaxed);
                    let _ = begun_in.send(());
                    let _ = may_go.lock().recv();
                    Ok::<(), Infallible>(())
                };
                switch.settle(slow)
            });
            begun.recv().unwrap();
            assert!(!switch.is_settled());
            // Wanted off and on again while the start goes on: nothing is left to be done after it.
            switch.want(false);
            switch.want(true);
            go.send(()).unwrap();
        });
        assert!(switch.is_settled());
        assert_eq!((starts.into_inner(), stops.into_inner()), (1, 0));
    }

    #[test]
    fn threads_that_change_their_mind_at_once_leave_it_as_the_last_wanted() {
        let (switch, on) = (Switch::default(), AtomicBool::new(false));
        let turn = |wanted: bool| {
            assert_ne!(on.swap(wanted, Ordering::AcqRel), wanted, "turned twice");
            Ok::<(), Infallible>(())
        };
        for _ in 0..if cfg!(miri) { 5 } else { 500 } {
            std::thread::scope(|scope| {
                for wanted in [true, false, true] {
                    let (switch, turn) = (&switch, &turn);
                    scope.spawn(move || {
                        switch.want(wanted);
                        switch.settle(turn)
                    });
                }
            });
            assert!(switch.is_settled());
            assert_eq!(on.load(Ordering::Acquire), switch.wanted.load(Ordering::Acquire));
        }
    }

    #[test]
    fn an_error_is_told_once() {
        let switch = Switch::default();
        switch.want(true);
        assert_eq!(switch.settle(|_| Err(7)), Err(7));
        assert_eq!(switch.settle(|_| Err(8)), Ok(()));
    }
}
