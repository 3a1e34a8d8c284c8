//! How far one order is from another.

use std::collections::HashMap;

/// For each of `expected`, in order, where it stands in `seen`: the first one of a letter is the first one there, and so
/// on. `None` if the two are not the same letters as often.
pub(super) fn matched(seen: &[u32], expected: &[u32]) -> Option<Vec<usize>> {
    if seen.len() != expected.len() {
        return None;
    }
    let mut places: HashMap<u32, Vec<usize>> = HashMap::new();
    for (at, &letter) in seen.iter().enumerate().rev() {
        places.entry(letter).or_default().push(at);
    }
    expected.iter().map(|letter| places.get_mut(letter)?.pop()).collect()
}

/// The fewest of `places` that have to move for the others to rise.
pub(super) fn moved(places: &[usize]) -> usize {
    // The least end of a rising subsequence of each length.
    let mut ends: Vec<usize> = Vec::new();
    for &place in places {
        let longer_than = ends.partition_point(|&end| end < place);
        match ends.get_mut(longer_than) {
            Some(end) => *end = place,
            None => ends.push(place),
        }
    }
    places.len() - ends.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_matched_one_by_one_and_only_if_they_are_the_same() {
        assert_eq!(matched(&[1, 2, 1], &[1, 1, 2]), Some(vec![0, 2, 1]));
        assert_eq!(matched(&[1, 2, 1], &[1, 2, 2]), None);
        assert_eq!(matched(&[1, 2], &[1, 2, 3]), None);
        assert_eq!((moved(&[0, 1, 2]), moved(&[1, 0, 2]), moved(&[3, 0, 1, 2])), (0, 1, 1));
    }
}
