//! Our own protocols between threads, run in every order in which their steps may happen.
//!
//! `gate`, `counter` and `switch` are the tracer's own files; what they share comes from `sync`, which is loom's here. A slot
//! stands for the channel from the callbacks to the aggregator: crossbeam's is tested where it is made.
#![allow(dead_code, unreachable_pub, reason = "the files have more than these models use")]

#[path = "../../src/capture/counter.rs"]
mod counter;
#[path = "../../src/capture/gate.rs"]
mod gate;
#[path = "../../src/capture/switch.rs"]
mod switch;

/// In place of the tracer's own.
mod sync {
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};

    /// As parking_lot's: a panic in a model ends it anyway.
    #[derive(Debug)]
    pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(super) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("no panic holds it")
        }

        pub(super) fn try_lock(&self) -> Option<loom::sync::MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Self(loom::sync::Mutex::new(T::default()))
        }
    }
}

use std::convert::Infallible;

use gate::{Gate, Manner};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use loom::thread;
use switch::Switch;

/// Threads that turn the switch on and off at once leave it as the last one wanted it, and never turn it twice.
fn a_switch_is_left_as_the_last_wanted() {
    let (switch, is_on) = (Arc::new(Switch::default()), Arc::new(AtomicBool::new(false)));
    let turn = |switch: &Switch, is_on: &AtomicBool, wanted: bool| {
        switch.want(wanted);
        let _ = switch.settle(|on| {
            assert_ne!(is_on.swap(on, Relaxed), on, "turned twice");
            Ok::<(), Infallible>(())
        });
    };
    let other = thread::spawn({
        let (switch, is_on) = (Arc::clone(&switch), Arc::clone(&is_on));
        move || {
            turn(&switch, &is_on, true);
            turn(&switch, &is_on, false);
        }
    });
    turn(&switch, &is_on, true);
    other.join().expect("no panic");
    assert!(switch.is_settled());
}

/// A step that is recorded finds the context on, and it stays on: whoever opened the window, and though the one before is
/// still being turned off.
fn who_is_recorded_finds_it_on() {
    let (switch, is_on) = (Arc::new(Switch::default()), Arc::new(AtomicBool::new(false)));
    let settle = |switch: &Switch, is_on: &AtomicBool| {
        let _ = switch.settle(|on| {
            is_on.store(on, Relaxed);
            Ok::<(), Infallible>(())
        });
    };
    switch.want(true);
    settle(&switch, &is_on);
    switch.want(false);
    let aggregator = thread::spawn({
        let (switch, is_on) = (Arc::clone(&switch), Arc::clone(&is_on));
        move || settle(&switch, &is_on)
    });
    switch.want(true);
    if !switch.is_settled() {
        settle(&switch, &is_on);
    }
    assert!(is_on.load(Relaxed), "it launches, and nothing is recorded");
    aggregator.join().expect("no panic");
    assert!(is_on.load(Relaxed), "it was turned off under a step that is recorded");
}

/// Once all completions are counted, all records are in the channel, on however many threads they came.
fn what_is_counted_is_in_the_channel() {
    let gate = Arc::new(Gate::new(Manner::Keep, true));
    gate.open();
    let slots = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let completions: Vec<_> = (0..2)
        .map(|at| {
            let word = gate.enqueue(|| 0).expect("a recording goes on").word();
            let (gate, slots) = (Arc::clone(&gate), Arc::clone(&slots));
            thread::spawn(move || {
                let ticket = gate.complete(word).expect("it is of this recording");
                slots[at].store(7, Relaxed);
                gate.sent(ticket);
            })
        })
        .collect();
    if gate.outstanding() == 0 {
        assert!(slots.iter().all(|slot| slot.load(Relaxed) == 7), "counted and not there");
    }
    completions.into_iter().for_each(|completion| completion.join().expect("no panic"));
    assert_eq!((gate.outstanding(), gate.completed()), (0, 2));
}

/// A completion that comes while the next recording begins is of the one that it was enqueued in, or of none.
fn a_late_completion_is_none_of_the_next_recording() {
    let gate = Arc::new(Gate::new(Manner::Keep, true));
    gate.open();
    let word = gate.enqueue(|| 0).expect("a recording goes on").word();
    let late = thread::spawn({
        let gate = Arc::clone(&gate);
        move || {
            if let Some(ticket) = gate.complete(word) {
                gate.sent(ticket);
            }
        }
    });
    gate.close();
    gate.open();
    assert_eq!(gate.outstanding(), 0, "nothing of the second is enqueued");
    let own = gate.enqueue(|| 0).expect("a recording goes on").word();
    assert_eq!(gate.outstanding(), 1);
    late.join().expect("no panic");
    let ticket = gate.complete(own).expect("it is of this recording");
    assert_eq!(gate.outstanding(), 1);
    gate.sent(ticket);
    assert_eq!((gate.outstanding(), gate.completed()), (0, 1));
}

/// Closing while a thread enqueues: what got a ticket is waited for, what got none is not recorded.
fn a_window_that_closes_waits_for_what_it_let_in() {
    let gate = Arc::new(Gate::new(Manner::Switch, true));
    gate.open();
    let host = thread::spawn({
        let gate = Arc::clone(&gate);
        move || match gate.enqueue(|| 0) {
            Some(ticket) => {
                let ticket = gate.complete(ticket.word()).expect("it is drained");
                gate.sent(ticket);
                1
            }
            None => 0,
        }
    });
    gate.close();
    let recorded = host.join().expect("no panic");
    assert_eq!((gate.outstanding(), gate.completed()), (0, recorded));
}

/// The end of the process and the aggregator: who is told that all is written finds it written.
fn who_waits_for_the_end_finds_all_written() {
    struct End {
        asked: AtomicBool,
        done: AtomicBool,
        written: AtomicU64,
    }
    use loom::sync::atomic::Ordering::{Acquire, Release};
    let end = Arc::new(End { asked: AtomicBool::new(false), done: AtomicBool::new(false), written: AtomicU64::new(0) });
    let aggregator = thread::spawn({
        let end = Arc::clone(&end);
        move || {
            if end.asked.load(Acquire) {
                end.written.store(1, Relaxed);
                end.done.store(true, Release);
            }
        }
    });
    end.asked.store(true, Release);
    if end.done.load(Acquire) {
        assert_eq!(end.written.load(Relaxed), 1);
    }
    aggregator.join().expect("no panic");
}

fn main() {
    let models: [(&str, fn()); 6] = [
        ("a switch is left as the last wanted", a_switch_is_left_as_the_last_wanted),
        ("who is recorded finds it on", who_is_recorded_finds_it_on),
        ("what is counted is in the channel", what_is_counted_is_in_the_channel),
        ("a late completion is none of the next recording", a_late_completion_is_none_of_the_next_recording),
        ("a window that closes waits for what it let in", a_window_that_closes_waits_for_what_it_let_in),
        ("who waits for the end finds all written", who_waits_for_the_end_finds_all_written),
    ];
    for (what, model) in models {
        loom::model(model);
        println!("{what}: holds in every order");
    }
}
