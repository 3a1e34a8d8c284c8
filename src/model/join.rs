//! Joining records to the calls that caused them, by numbers that a producer gave both.
//!
//! There may be many millions of records, so a key costs 8 bytes while the trace is put together and an index of all
//! calls 16 bytes a call. A hash table was rejected: it takes three times that, and calls and their records mostly come
//! in the same order, which a sorted list can use.

use super::ProcessIdx;

/// What stands for no key. As a key of its own it would be -1, which producers use for "none" too.
const NONE: u64 = u64::MAX;

/// A dispatch or copy as a producer sees it, before its links are resolved.
#[derive(Clone, Copy, Debug, Default)]
pub struct Links {
    /// Correlation id shared with the launch call; unique within the process.
    pub launch: Option<u64>,
    /// Key of the marker range it was launched under, as given to [`TraceBuilder::range`](super::TraceBuilder::range).
    pub range: Option<u64>,
    /// The process's count of dispatches when it was enqueued, for [`Trace::enqueued`](super::Trace::enqueued).
    pub enqueued: Option<u64>,
}

/// The keys of a list of items, in the same order. Takes no memory as long as nobody has a key.
#[derive(Default, Debug)]
pub(super) struct Keys(Vec<u64>);

impl Keys {
    /// Sets the key of the item at `position`, which is the last one so far.
    pub(super) fn set(&mut self, position: usize, key: Option<u64>) {
        if let Some(key) = key {
            self.0.resize(position, NONE);
            self.0.push(key);
        }
    }

    /// Whether nobody has a key.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All keys that there are, each with the position of its item, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u64)> {
        self.0.iter().copied().enumerate().filter(|&(_, key)| key != NONE)
    }

    /// The key of the item at `position`.
    pub(super) fn get(&self, position: usize) -> Option<u64> {
        self.0.get(position).copied().filter(|&key| key != NONE)
    }

    /// The keys of `count` items, if all of these have one.
    pub(super) fn of_all(self, count: usize) -> Vec<u64> {
        if self.0.len() == count && !self.0.contains(&NONE) { self.0 } else { Vec::new() }
    }

    /// Forgets the keys of all items from `position` on.
    pub(super) fn truncate(&mut self, position: usize) {
        self.0.truncate(position);
    }

    /// The keys after their items were put into `order`.
    pub(super) fn permuted(&self, order: &[u32]) -> Self {
        Self(order.iter().map(|&position| self.0.get(position as usize).copied().unwrap_or(NONE)).collect())
    }
}

/// Finds items by process and key.
pub(super) struct Index {
    /// Process, key and position, sorted.
    entries: Vec<(u64, u32, u32)>,
    /// Where the last search ended.
    last: usize,
}

impl Index {
    /// An index of `count` items with `keys`, each of the process that `process` gives for its position.
    pub(super) fn new(count: usize, keys: &Keys, process: impl Fn(usize) -> ProcessIdx) -> Self {
        let entry = |at: usize| Some((keys.get(at)?, process(at).index() as u32, at as u32));
        let mut entries: Vec<_> = (0..count).filter_map(entry).collect();
        if !entries.is_sorted() {
            entries.sort_unstable();
        }
        Self { entries, last: 0 }
    }

    /// The first item of `process` with `key`.
    pub(super) fn find(&mut self, process: ProcessIdx, key: u64) -> Option<usize> {
        let wanted = (key, process.index() as u32);
        let is = |entry: &(u64, u32, u32)| (entry.0, entry.1) == wanted;
        // Of items that share a key only the first is ever found, so the next key is where this one ends.
        if !self.entries.get(self.last).is_some_and(is) {
            let next = self.last + 1;
            let follows = self.entries.get(next).is_some_and(is);
            let search = || self.entries.partition_point(|entry| (entry.0, entry.1) < wanted);
            self.last = if follows && !is(&self.entries[self.last]) { next } else { search() };
        }
        self.entries.get(self.last).filter(|entry| is(entry)).map(|entry| entry.2 as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_item_of_its_process_is_found_in_any_order_of_asking() {
        let mut keys = Keys::default();
        let items = [(0, Some(7)), (1, Some(7)), (0, None), (0, Some(3)), (0, Some(7)), (1, Some(9))];
        for (position, (_, key)) in items.iter().enumerate() {
            keys.set(position, *key);
        }
        let process = ProcessIdx::new;
        let mut index = Index::new(items.len(), &keys, |at| process(items[at].0));
        for _ in 0..2 {
            for (of, key, found) in [(0, 7, Some(0)), (1, 7, Some(1)), (0, 3, Some(3)), (1, 9, Some(5)), (0, 9, None)] {
                assert_eq!(index.find(process(of), key), found);
                assert_eq!(index.find(process(of), key), found);
            }
        }
    }

    #[test]
    fn keys_that_nobody_has_take_no_memory() {
        let mut keys = Keys::default();
        for position in 0..1000 {
            keys.set(position, None);
        }
        assert_eq!(keys.0.capacity(), 0);
        assert_eq!(keys.get(7), None);
    }
}
