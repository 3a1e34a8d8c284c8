//! The orders in which a trace keeps what it holds.

use super::join::Keys;
use super::{Dispatch, Rank, RankIdx, Stream, Told};

/// Puts ranks in the order of their numbers, those without one last.
pub(super) fn order_ranks(ranks: &mut Vec<Rank>, streams: &mut [Stream]) {
    let number = |rank: &Rank| (rank.number.is_none(), rank.number);
    if ranks.is_sorted_by_key(number) {
        return;
    }
    let mut order: Vec<usize> = (0..ranks.len()).collect();
    order.sort_by_key(|&position| number(&ranks[position]));
    let mut place = vec![0; ranks.len()];
    for (new, &old) in order.iter().enumerate() {
        place[old] = new;
    }
    *ranks = order.iter().map(|&position| ranks[position].clone()).collect();
    for stream in streams {
        stream.rank = RankIdx::new(place[stream.rank.index()]);
    }
}

/// Sorts `items` by `key` (stable) and returns all their `keys` in the same new order.
pub(super) fn sort_with<T, K, const N: usize>(items: &mut [T], keys: [Keys; N], key: impl Fn(&T) -> K) -> [Keys; N]
where
    T: Copy,
    K: Ord,
{
    if items.is_sorted_by_key(&key) {
        return keys;
    }
    if keys.iter().all(Keys::is_empty) {
        items.sort_by_key(key);
        return keys;
    }
    let mut order: Vec<u32> = (0..items.len() as u32).collect();
    order.sort_by_key(|&i| key(&items[i as usize]));
    let sorted: Vec<T> = order.iter().map(|&i| items[i as usize]).collect();
    items.copy_from_slice(&sorted);
    keys.map(|keys| if keys.is_empty() { keys } else { keys.permuted(&order) })
}

/// Leaves out the dispatches that are not to be kept, and what was told of them.
pub(super) fn retain_with(
    dispatches: &mut Vec<Dispatch>,
    enqueued: &mut Vec<u64>,
    told: &mut Vec<Told>,
    mut keep: impl FnMut(&Dispatch) -> bool,
) {
    let mut place = Vec::with_capacity(dispatches.len());
    let mut kept = 0;
    dispatches.retain(|dispatch| {
        let keeps = keep(dispatch);
        place.push(keeps.then_some(kept));
        kept += u32::from(keeps);
        keeps
    });
    let mut places = place.iter();
    enqueued.retain(|_| places.next().is_some_and(Option::is_some));
    told.retain_mut(|told| {
        let at = place[told.dispatch as usize];
        told.dispatch = at.unwrap_or(0);
        at.is_some()
    });
}
