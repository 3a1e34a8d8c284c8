//! What the model's code does while it captures a graph: the modules and operators that a thread is in.
//!
//! ```text
//!   Python thread                                    this library
//!   ─────────────                                    ────────────
//!   capture begins                                   ACTIVE goes up, and the hook in Python sees it
//!   module model.layers.0.self_attn ── push ──>      stack [1]       mark 1: {"module": …}
//!     operator vllm::unified_attention ── push ──>   stack [1 2]     mark 2: below 1, {"op": …, "args": …}
//!       hipModuleLaunchKernel                        current() = 2   the node of the graph keeps 4 bytes
//!     ── pop ──>                                     stack [1]
//!   ── pop ──>                                       stack []
//! ```
//!
//! A mark is a path of such entries, stored once however many kernels were launched in it: 12 bytes and its place in a map,
//! and the text of its last entry, which is stored once for all marks. What the texts mean is for who reads the capture
//! file ([`Marks`](crate::wire)).
//!
//! A pop names what it pops. So an entry that was not pushed, since the capture began within it or a bound was reached, is
//! not popped either, and one whose pop never came is popped with the one around it.
//!
//! Nobody waits for long: the table is held for one look-up at a time, and who does not get it within a moment goes without
//! a mark of its own and is counted, as is whoever comes when the table is full.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::wire::Encoder;

/// Where a launch stands; [`Mark::NONE`]: outside of all that is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Mark(pub(super) u32);

impl Mark {
    /// Outside of all.
    pub(super) const NONE: Self = Self(0);
}

/// A mark that is new.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NewMark {
    /// Its number, from 1 on.
    pub(super) mark: u32,
    /// That of the mark around it; 0: none.
    pub(super) parent: u32,
    /// The number of its text, from 1 on.
    pub(super) text: u32,
    /// The text, where no mark before has it.
    pub(super) content: Option<Arc<str>>,
}

impl NewMark {
    /// Puts it into a capture file.
    pub(super) fn write(&self, encoder: &mut Encoder) {
        let Self { mark, parent, text, content } = self;
        encoder.mark(*mark, *parent, *text, content.as_deref());
    }
}

/// Most marks: a model of 128 layers with 50 places each, captured for 40 sizes.
const MARKS: usize = 1 << 18;
/// Most bytes of texts.
const TEXTS: usize = 16 << 20;
/// The longest text.
pub(super) const TEXT: usize = 4096;
/// Deepest entry of a stack that is kept; those within belong to it.
const DEEPEST: usize = 48;
/// Longest wait for the table.
const PATIENCE: Duration = Duration::from_millis(1);

/// Captures that are open, and threads that are in something that was entered during one: while it is 0 the hook has
/// nothing to do. Exported, so that a look at it costs no call.
#[unsafe(export_name = "profile_decode_modules_active")]
pub(super) static ACTIVE: AtomicU32 = AtomicU32::new(0);
/// Captures that are open, as told last.
static OPEN: AtomicU32 = AtomicU32::new(0);
/// Entries that got no mark of their own.
static REFUSED: AtomicU64 = AtomicU64::new(0);
static TABLE: Mutex<Option<Table>> = Mutex::new(None);

/// What a thread is in. Plain data without a destructor: callbacks may come when the thread's other locals are gone.
struct Stack {
    depth: Cell<usize>,
    entries: [Cell<(u64, Mark)>; DEEPEST],
}

thread_local! {
    static STACK: Stack = const {
        Stack { depth: Cell::new(0), entries: [const { Cell::new((0, Mark::NONE)) }; DEEPEST] }
    };
}

impl Stack {
    fn top(&self) -> Mark {
        self.depth.get().checked_sub(1).map_or(Mark::NONE, |at| self.entries[at].get().1)
    }

    /// Goes to another depth, and tells the hook whether there is something to do.
    fn go_to(&self, depth: usize) {
        match (self.depth.replace(depth), depth) {
            (0, 1..) => _ = ACTIVE.fetch_add(1, Ordering::AcqRel),
            (1.., 0) => _ = ACTIVE.fetch_sub(1, Ordering::AcqRel),
            _ => {}
        }
    }
}

/// The marks of a process.
#[derive(Default)]
struct Table {
    texts: FxHashMap<Arc<str>, u32>,
    bytes: usize,
    /// By the mark around it and its text.
    marks: FxHashMap<(u32, u32), u32>,
}

impl Table {
    /// The mark of `text` within `parent`; a new one is given to `tell` before anybody else can know it. `None`: it is full.
    fn intern(&mut self, parent: u32, text: &str, tell: impl FnOnce(NewMark)) -> Option<u32> {
        let known = self.texts.get(text).copied();
        if let Some(&mark) = known.and_then(|text| self.marks.get(&(parent, text))) {
            return Some(mark);
        }
        let is_full = self.marks.len() >= MARKS || (known.is_none() && self.bytes + text.len() > TEXTS);
        if is_full {
            return None;
        }
        let content: Option<Arc<str>> = known.is_none().then(|| text.into());
        let text = known.unwrap_or(self.texts.len() as u32 + 1);
        if let Some(content) = &content {
            self.bytes += content.len();
            self.texts.insert(Arc::clone(content), text);
        }
        let mark = self.marks.len() as u32 + 1;
        self.marks.insert((parent, text), mark);
        tell(NewMark { mark, parent, text, content });
        Some(mark)
    }
}

/// What the calling thread is in. Costs a look at a thread-local.
#[inline]
pub(super) fn current() -> Mark {
    STACK.try_with(Stack::top).unwrap_or(Mark::NONE)
}

/// As many captures are open now: to be told at each begin and end of one, by whoever counts them.
pub(super) fn captures_are_open(open: u32) {
    let before = OPEN.swap(open, Ordering::AcqRel);
    // Threads that tell at once add up to what was told last.
    ACTIVE.fetch_add(open.wrapping_sub(before), Ordering::AcqRel);
}

/// The calling thread enters what `text` describes. `token` names it for [`pop`]; `tell` is given a mark that is new.
pub(super) fn push(token: u64, text: &[u8], tell: impl FnOnce(NewMark)) {
    let _ = STACK.try_with(|stack| {
        let depth = stack.depth.get();
        let Some(entry) = stack.entries.get(depth) else {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let parent = stack.top();
        let text = Some(text).filter(|text| !text.is_empty() && text.len() <= TEXT);
        let mark = text.and_then(|text| std::str::from_utf8(text).ok()).and_then(|text| {
            let mut table = TABLE.try_lock_for(PATIENCE)?;
            table.get_or_insert_default().intern(parent.0, text, tell).map(Mark)
        });
        if mark.is_none() {
            REFUSED.fetch_add(1, Ordering::Relaxed);
        }
        entry.set((token, mark.unwrap_or(parent)));
        stack.go_to(depth + 1);
    });
}

/// The calling thread leaves what it entered last as `token`, and all that it entered since; nothing if there is none.
pub(super) fn pop(token: u64) {
    let _ = STACK.try_with(|stack| {
        let entries = &stack.entries[..stack.depth.get()];
        if let Some(at) = entries.iter().rposition(|entry| entry.get().0 == token) {
            stack.go_to(at);
        }
    });
}

/// Entries that got no mark of their own so far.
pub(super) fn refused() -> u64 {
    REFUSED.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes and gives what is new.
    fn enter(token: u64, text: &str) -> Option<NewMark> {
        let mut told = None;
        push(token, text.as_bytes(), |new| told = Some(new));
        told
    }

    #[test]
    fn a_mark_is_the_way_to_where_a_thread_is_and_is_told_once() {
        let outer = enter(1, "marks: outer").unwrap();
        assert_eq!((outer.parent, current()), (0, Mark(outer.mark)));
        let inner = enter(2, "marks: inner").unwrap();
        assert_eq!((inner.parent, inner.content.as_deref()), (outer.mark, Some("marks: inner")));
        pop(2);
        assert_eq!(current(), Mark(outer.mark));
        assert_eq!(enter(2, "marks: inner"), None, "known");
        assert_eq!(current(), Mark(inner.mark));
        let again = enter(3, "marks: inner").unwrap();
        assert_eq!((again.parent, again.text, again.content), (inner.mark, inner.text, None), "another place");
        pop(1);
        assert_eq!(current(), Mark::NONE, "with all that is in it");
    }

    #[test]
    fn what_was_not_pushed_is_not_popped() {
        enter(1, "marks: begun");
        let at = current();
        pop(7);
        assert_eq!(current(), at);
        pop(1);
        pop(1);
        assert_eq!(current(), Mark::NONE);
    }

    #[test]
    fn what_enters_itself_leaves_itself_as_often() {
        enter(1, "marks: itself");
        let outer = current();
        enter(1, "marks: itself");
        assert_ne!(current(), outer);
        pop(1);
        assert_eq!(current(), outer);
        pop(1);
    }

    #[test]
    fn beyond_the_bounds_the_place_around_is_told_and_it_is_counted() {
        let refused_before = refused();
        for depth in 0..DEEPEST as u64 + 5 {
            enter(depth, "marks: deep");
        }
        let deepest = current();
        pop(DEEPEST as u64 + 4);
        assert_eq!(current(), deepest, "it was never entered");
        pop(0);
        enter(1, "marks: around");
        let around = current();
        for text in ["", &"x".repeat(TEXT + 1)] {
            enter(2, text);
            assert_eq!(current(), around);
            pop(2);
        }
        push(3, b"\xff", |_| panic!("it is no text"));
        pop(1);
        assert!(refused() >= refused_before + 8);
    }

    #[test]
    fn a_table_that_is_full_keeps_what_it_has() {
        let mut table = Table::default();
        let text = "x".repeat(TEXT - 8);
        let mut number = 0;
        while table.intern(0, &format!("{number:8}{text}"), |_| {}).is_some() {
            number += 1;
        }
        assert_eq!(number, TEXTS / TEXT);
        assert_eq!(table.intern(0, &format!("{:8}{text}", 0), |_| panic!("it is known")), Some(1));
        assert!(table.intern(1, &format!("{:8}{text}", 0), |_| {}).is_some(), "a mark needs no text of its own");
    }

    #[test]
    fn each_thread_is_where_it_is() {
        enter(1, "marks: here");
        let here = current();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(current(), Mark::NONE);
                enter(1, "marks: here");
                assert_eq!(current(), here, "the same place");
                pop(1);
            });
        });
        assert_eq!(current(), here);
        pop(1);
    }
}
