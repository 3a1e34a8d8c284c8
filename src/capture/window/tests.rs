//! What the window does when steps begin and end.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use Strength::{Engine, Profiler};

fn armed(warmup: u32, steps: u32) -> Window {
    let mut window = Window::new();
    window.arm(warmup, steps);
    window
}

/// Runs `steps` decode steps on one thread; returns at which step it opened and after which it closed.
fn run(window: &mut Window, steps: u32) -> (Option<u32>, Option<u32>) {
    let (mut opened, mut closed) = (None, None);
    for step in 1..=steps {
        match window.begin(1, Engine, true).unwrap().0 {
            Action::Open => opened = Some(step),
            Action::Close => closed = Some(step - 1),
            Action::None => {}
        }
        if window.end(1, Engine, true) == Action::Close {
            closed = Some(step);
        }
    }
    (opened, closed)
}

#[test]
fn it_opens_after_the_warmup_and_closes_after_its_last_step() {
    assert_eq!(run(&mut armed(3, 5), 20), (Some(4), Some(8)));
    assert_eq!(run(&mut armed(0, 1), 20), (Some(1), Some(1)));
    assert_eq!(run(&mut armed(30, 1), 20), (None, None));
}

#[test]
fn prefill_steps_do_not_count_but_are_recorded_inside_the_window() {
    let mut window = armed(1, 2);
    assert_eq!(window.begin(1, Engine, false), Some((Action::None, false)));
    window.end(1, Engine, false);
    run(&mut window, 1);
    assert_eq!(window.begin(1, Engine, true), Some((Action::Open, true)));
    assert_eq!(window.end(1, Engine, true), Action::None);
    assert_eq!(window.begin(1, Engine, false), Some((Action::None, true)));
    assert_eq!(window.end(1, Engine, false), Action::None);
    assert_eq!(window.progress(), (1, 1));
}

#[test]
fn it_waits_for_the_slower_thread_and_leaves_out_what_the_faster_does_beyond() {
    let mut window = armed(1, 1);
    for thread in [1, 2] {
        window.begin(thread, Engine, true);
        window.end(thread, Engine, true);
    }
    assert_eq!(window.begin(1, Engine, true), Some((Action::Open, true)));
    assert_eq!(window.end(1, Engine, true), Action::None);
    assert_eq!(window.begin(1, Engine, true), Some((Action::None, false)), "beyond its last step");
    assert_eq!(window.begin(2, Engine, true), Some((Action::None, true)));
    assert_eq!(window.end(2, Engine, true), Action::None, "its tail is still to come");
    assert!(window.is_spent());
    assert_eq!(window.begin(2, Engine, false), Some((Action::Close, false)));
}

#[test]
fn a_thread_that_fell_silent_does_not_keep_it_open() {
    let mut window = armed(0, 3);
    window.begin(2, Engine, true);
    assert_eq!(run(&mut window, 10).1, Some(3 + LEAD as u32));
}

#[test]
fn a_step_of_graph_launches_begins_with_a_graph_seen_in_it_before() {
    let mut whole = armed(1, 2);
    let actions: Vec<_> = (0..5).map(|_| whole.launch(1, 7).0).collect();
    assert_eq!(actions, [Action::Open, Action::None, Action::None, Action::Close, Action::None], "one step early");

    let mut pieces = armed(1, 2);
    let actions: Vec<_> = (0..12).map(|i| pieces.launch(1, i % 3).0).collect();
    assert_eq!(actions.iter().position(|a| *a == Action::Open), Some(0));
    assert_eq!(actions.iter().position(|a| *a == Action::Close), Some(9));
    assert_eq!(pieces.progress(), (1, 2));
}

#[test]
fn markers_take_over_from_graph_launches_before_the_window_opens() {
    let mut window = armed(3, 2);
    window.launch(1, 7);
    window.launch(1, 7);
    assert_eq!(run(&mut window, 10), (Some(4), Some(5)));
    assert_eq!(window.launch(1, 7), (Action::None, false));
}

#[test]
fn a_stronger_label_takes_over_and_weaker_ones_count_no_more() {
    let mut window = armed(1, 1);
    assert_eq!(window.begin(1, Profiler, true), Some((Action::None, false)));
    assert_eq!(run(&mut window, 3), (Some(2), Some(2)));
    assert_eq!(window.begin(1, Profiler, true), None);
}

#[test]
fn threads_that_race_open_it_once_and_close_it_once() {
    let (warmup, steps, threads) = (3, 10, 4);
    let window = parking_lot::Mutex::new(armed(warmup, steps));
    let (opened, closed, recorded) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let act = |action: Action| match action {
        Action::None => {}
        Action::Open => drop(opened.fetch_add(1, Ordering::Relaxed)),
        Action::Close => drop(closed.fetch_add(1, Ordering::Relaxed)),
    };
    let start = std::sync::Barrier::new(threads);
    std::thread::scope(|scope| {
        for thread in 0..threads as u64 {
            let (window, act, start, recorded) = (&window, &act, &start, &recorded);
            scope.spawn(move || {
                // All are known before the first can be done, as ranks that come up together are.
                let begin = || window.lock().begin(thread, Engine, true).expect("the only source");
                act(begin().0);
                start.wait();
                act(window.lock().end(thread, Engine, true));
                for _ in 1..warmup + steps {
                    let (action, is_recorded) = begin();
                    act(action);
                    recorded.fetch_add(is_recorded.into(), Ordering::Relaxed);
                    act(window.lock().end(thread, Engine, true));
                }
                act(begin().0);
            });
        }
    });
    assert_eq!((opened.into_inner(), closed.into_inner()), (1, 1));
    // It waits for the slowest, unless a thread gets so far ahead that the others count as silent: none can here, for
    // want of steps beyond the window.
    assert_eq!(recorded.into_inner(), steps * threads as u32);
    assert_eq!(window.lock().position(), Position::After);
}

#[test]
fn what_comes_after_it_changes_nothing_of_what_was_counted() {
    let mut window = armed(1, 2);
    assert_eq!(window.position(), Position::Before);
    window.begin(1, Profiler, true);
    window.end(1, Profiler, true);
    window.begin(1, Profiler, true);
    assert_eq!(window.position(), Position::Inside);
    window.end(1, Profiler, true);
    window.begin(1, Profiler, true);
    window.end(1, Profiler, true);
    assert_eq!(window.begin(1, Profiler, true), Some((Action::Close, false)));
    assert_eq!(window.begin(1, Engine, true), Some((Action::None, false)));
    assert_eq!((window.position(), window.progress()), (Position::After, (1, 2)));
}

#[test]
fn it_is_blind_until_a_source_of_steps_shows_itself() {
    let mut window = armed(1, 1);
    assert!(window.is_blind());
    assert!(!window.take_left_blind());
    assert_eq!(run(&mut window, 3), (Some(2), Some(2)));
    assert!(window.take_left_blind());
    assert!(!window.take_left_blind(), "once");
    window.arm(0, 1);
    assert!(!window.is_blind(), "what was learnt is kept");
}
