//! Where in a cycle the step begins: a cycle has no start, but waits and names.

use super::{Hint, Sequence};

/// What lies between two kernels of a busy GPU, more or less: so little tells nothing.
const NO_WAIT_NS: f64 = 2_000.0;

/// Where in the cycle the step begins: where the GPU waits longest, helped by what names tell.
pub(super) fn boundary(window: &Sequence<'_>, cycle: &[u32], gaps_ns: &[i64]) -> usize {
    let is_embedding = embeddings(window, cycle);
    let hint_at = |at: usize| match window.hints[cycle[at % cycle.len()] as usize] {
        Hint::Head if !is_embedding[at % cycle.len()] => Hint::None,
        hint => hint,
    };
    let near = |most: usize| cycle.len().min(most);
    let score = |at: usize| {
        let after_tail = (1..=near(6)).find(|&back| hint_at(at + cycle.len() - back) == Hint::Tail);
        // The tail goes on if it samples again before the model starts.
        let is_model = |at: usize| {
            matches!(hint_at(at), Hint::Head | Hint::Model) || window.weights[cycle[at % cycle.len()] as usize] > 1
        };
        let in_tail =
            (0..near(6)).take_while(|&ahead| !is_model(at + ahead)).any(|ahead| hint_at(at + ahead) == Hint::Tail);
        // Nothing of the model comes before its embedding.
        let next = (0..near(16)).map(|ahead| hint_at(at + ahead)).find(|hint| matches!(hint, Hint::Head | Hint::Model));
        let tail = after_tail.filter(|_| !in_tail).map_or(1.0, |back| 1.0 + 7.0 / back as f64);
        // Names help where waits differ little, and decide where there are none.
        let (helps, decides) = if next == Some(Hint::Head) { (1.5, 4.0) } else { (1.0, 1.0) };
        (gaps_ns[at] as f64 * helps + NO_WAIT_NS * decides) * tail
    };
    (0..cycle.len()).max_by(|&a, &b| score(a).total_cmp(&score(b)).then(b.cmp(&a))).unwrap_or(0)
}

/// Which places of a cycle look up embeddings, by their names and by what follows: the kernels that select rows of a table
/// also select the hidden states to sample from, but then hardly anything follows until the embedding.
fn embeddings(window: &Sequence<'_>, cycle: &[u32]) -> Vec<bool> {
    let heads: Vec<usize> = (0..cycle.len()).filter(|&at| window.hints[cycle[at] as usize] == Hint::Head).collect();
    let next = heads.iter().cycle().skip(1);
    let kernels = |from: usize, to: usize| -> u64 {
        let length = (to + cycle.len() - from - 1) % cycle.len() + 1;
        (from..from + length).map(|at| u64::from(window.weights[cycle[at % cycle.len()] as usize])).sum()
    };
    let followed: Vec<u64> = heads.iter().zip(next).map(|(&from, &to)| kernels(from, to)).collect();
    let most = followed.iter().copied().max().unwrap_or(0);
    let mut is_embedding = vec![false; cycle.len()];
    heads.iter().zip(followed).for_each(|(&at, followed)| is_embedding[at] = 2 * followed > most);
    is_embedding
}
