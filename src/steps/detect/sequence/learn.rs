//! Finds the unit that is a step, in a window of the sequence (see the module's docs for the rule).

use std::cmp::Reverse;
use std::collections::HashMap;

use super::bag::{Bag, Relation};
use super::begin::boundary;
use super::hash::{power, prefix_hashes};
use super::{Hint, Sequence, keys};
use crate::steps::detect::NoSteps;

/// Tokens looked at to learn the unit. Steps of big models without graphs have some 5,000 kernels.
const WINDOW: usize = 1 << 18;
/// Kinds of segment that are compared with each other.
const KINDS: usize = 64;
/// Cuts that are tried for each length of run.
const CUTS: usize = 160;
/// Lengths of run: a step that has no kernel of its own still has an order of kernels of its own.
const RUNS: [usize; 5] = [1, 2, 4, 8, 16];
/// Least share of the window that the common kinds must cover.
const LEAST_COVERAGE: f32 = 0.5;
/// How much less than the best a finer cut may cover.
const SLACK: f32 = 0.2;
/// Least number of steps.
const LEAST_STEPS: usize = 4;
/// Least number of kernels of different names in a step. A lone kernel in a loop is a benchmark, not a model.
const LEAST_KERNELS: usize = 3;

/// A step as the window shows it most.
#[derive(Clone, Debug)]
pub(in crate::steps) struct Template {
    /// Its tokens from its first to its last.
    pub(in crate::steps) tokens: Vec<u32>,
    /// Length of the runs that tell the place within a step.
    pub(in crate::steps) run: usize,
    /// Runs that occur once a step, by hash, with the position of their last token in `tokens`.
    pub(in crate::steps) frames: HashMap<u64, u32>,
    /// The kinds of step: the most common first.
    pub(in crate::steps) kinds: Vec<Bag>,
}

/// Least time that a GPU waits for the host between steps.
pub(in crate::steps) const LEAST_WAIT_NS: i64 = 10_000;

/// One way to cut the window.
struct Cut {
    run: usize,
    /// Where the segments begin.
    starts: Vec<u32>,
    /// Bag of each kind, how many segments it has, and one of them; the heaviest first.
    kinds: Vec<Kind>,
    coverage: f32,
    /// Segments of common kinds.
    common: usize,
}

struct Kind {
    bag: Bag,
    segments: usize,
    /// The most frequent exact sequence of this kind: positions of its segments in `starts`.
    instances: Vec<u32>,
}

/// Learns the unit, or says why there is none.
pub(in crate::steps) fn learn(sequence: &Sequence<'_>) -> Result<Template, NoSteps> {
    let from = sequence.tokens.len().saturating_sub(WINDOW) / 2;
    let to = (from + WINDOW).min(sequence.tokens.len());
    let window = Sequence { tokens: &sequence.tokens[from..to], gaps_ns: &sequence.gaps_ns[from..to], ..*sequence };
    let hashes = prefix_hashes(window.tokens);
    let total = window.tokens.iter().map(|&token| u64::from(window.weights[token as usize])).sum();
    let mut cuts: Vec<Cut> = Vec::new();
    let mut best_refused = 0.0_f32;
    for run in RUNS {
        for starts in candidates(&window, run) {
            match judge(&window, &hashes, total, run, starts) {
                Ok(cut) => cuts.push(cut),
                Err(coverage) => best_refused = best_refused.max(coverage),
            }
        }
    }
    let best = cuts.iter().map(|cut| cut.coverage).fold(0.0, f32::max);
    let finest = cuts
        .iter()
        .filter(|cut| cut.coverage >= best - SLACK)
        .max_by(|a, b| (a.common, a.coverage).partial_cmp(&(b.common, b.coverage)).unwrap_or(std::cmp::Ordering::Equal))
        .ok_or_else(|| {
            if window.tokens.len() < 2 * LEAST_STEPS {
                return NoSteps::FewRecords { records: window.tokens.len() };
            }
            NoSteps::NothingRecurs { share: best_refused }
        })?;
    // Of cuts that are about as fine, the shortest run loses least to a lost record, then the best coverage counts.
    let chosen = cuts
        .iter()
        .filter(|cut| cut.coverage >= best - SLACK && 50 * cut.common >= 49 * finest.common)
        .min_by(|a, b| (a.run, -a.coverage).partial_cmp(&(b.run, -b.coverage)).unwrap_or(std::cmp::Ordering::Equal))
        .unwrap_or(finest);
    template(&window, chosen).ok_or(NoSteps::NoPlace)
}

/// Where a key occurs, for the keys that may mark steps: a few of each frequency, the rare ones first, since a step is
/// rarer than a layer.
fn candidates(window: &Sequence<'_>, run: usize) -> Vec<Vec<u32>> {
    let mut places: HashMap<u64, Vec<u32>> = HashMap::new();
    for (at, key) in keys(window.tokens, run).enumerate() {
        if at + 1 >= run {
            places.entry(key).or_default().push(at as u32);
        }
    }
    let mut all: Vec<Vec<u32>> = places.into_values().filter(|places| places.len() > LEAST_STEPS).collect();
    // By frequency, then by how much their largest distance exceeds the mean, then by place: the order is fixed.
    let unevenness = |places: &[u32]| {
        let widest = places.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        u64::from(widest) * places.len() as u64
    };
    all.sort_by_cached_key(|places| (places.len(), unevenness(places), places[0]));
    let mut of_frequency: HashMap<usize, usize> = HashMap::new();
    all.retain(|places| {
        let seen = of_frequency.entry(places.len()).or_insert(0);
        *seen += 1;
        *seen <= 6
    });
    // Too many: thin out evenly over the frequencies.
    let keep = all.len().div_ceil(CUTS).max(1);
    all.into_iter().step_by(keep).collect()
}

/// The segments of a cut by what they contain.
struct Sorted {
    kinds: Vec<Kind>,
    /// The kind of each segment; `None` for those beyond the kinds that are compared.
    kind_of: Vec<Option<usize>>,
    /// What the segments that have a kind weigh together.
    weight: u64,
}

impl Kind {
    /// What its segments weigh together.
    fn weight(&self) -> u64 {
        self.bag.weight() * self.segments as u64
    }
}

/// Cuts the window at `starts`; `Err`: it is no cut into steps, and this is how much its common kinds cover.
fn judge(window: &Sequence<'_>, hashes: &[u64], total: u64, run: usize, starts: Vec<u32>) -> Result<Cut, f32> {
    let Some(Sorted { mut kinds, kind_of, weight }) = sort(window, hashes, &starts) else { return Err(0.0) };
    let Some(main) = (0..kinds.len()).max_by_key(|&kind| kinds[kind].weight()) else { return Err(0.0) };
    let is_part = parts_of_others(&kinds, main, window.weights);
    // Only whole steps of kinds that recur explain anything. With a quarter more or less they are still steps, as long
    // as they come at irregular distances (`looks_like_layers`): a draft pass that always has its place is a part.
    let near = |kind: usize| kinds[main].bag.difference(&kinds[kind].bag, window.weights).is_near();
    let whole = |&kind: &usize| (!is_part[kind] || near(kind)) && kinds[kind].segments >= 2;
    let covered: u64 = (0..kinds.len()).filter(whole).map(|kind| kinds[kind].weight()).sum();
    // Segments of kinds beyond those compared are like these, for all that is known; what lies outside all segments is
    // not explained.
    let between = &window.tokens[starts[0] as usize..starts[starts.len() - 1] as usize];
    let inside: u64 = between.iter().map(|&token| u64::from(window.weights[token as usize])).sum();
    let coverage = covered as f32 / weight.max(1) as f32 * (inside as f32 / total.max(1) as f32);
    let common = (0..kinds.len()).filter(whole).map(|kind| kinds[kind].segments).sum();
    let too_little = coverage < LEAST_COVERAGE
        || common < LEAST_STEPS - 1
        || distinct_kernels(window, &kinds[main].bag) < LEAST_KERNELS;
    let are_layers = looks_like_layers(&kind_of, &is_part) || takes_turns(&kind_of, main);
    if too_little || are_layers && !are_models(window, &kinds, &is_part, main) {
        return Err(coverage);
    }
    let left_out: Vec<bool> = (0..kinds.len()).map(|kind| is_part[kind] && !near(kind)).collect();
    kinds = kinds.into_iter().zip(left_out).filter(|(_, left_out)| !left_out).map(|(kind, _)| kind).collect();
    kinds.sort_by_key(|kind| Reverse(kind.weight()));
    let cut = Cut { run, starts, kinds, coverage, common };
    if is_a_whole_model(window, &cut) { Ok(cut) } else { Err(coverage) }
}

/// Sorts the segments between `starts` into kinds; `None` where no two of many are the same.
///
/// Equal segments are found by hash, which is exact and cheap; then the [`KINDS`] most frequent are compared by what they
/// contain, so that steps that differ in a few kernels are one kind.
fn sort(window: &Sequence<'_>, hashes: &[u64], starts: &[u32]) -> Option<Sorted> {
    let mut powers: HashMap<u32, u64> = HashMap::new();
    let mut equal: HashMap<(u64, u32), Vec<u32>> = HashMap::new();
    for (index, pair) in starts.windows(2).enumerate() {
        let (start, end) = (pair[0] as usize, pair[1] as usize);
        let length = pair[1] - pair[0];
        let power = *powers.entry(length).or_insert_with(|| power(length));
        let hash = hashes[end].wrapping_sub(hashes[start].wrapping_mul(power));
        equal.entry((hash, length)).or_default().push(index as u32);
    }
    let mut equal: Vec<Vec<u32>> = equal.into_values().collect();
    equal.sort_by_key(|segments| (Reverse(segments.len()), segments[0]));
    if equal.len() > KINDS && equal[0].len() == 1 {
        return None;
    }
    let mut sorted = Sorted { kinds: Vec::new(), kind_of: vec![None; starts.len() - 1], weight: 0 };
    for segments in equal.into_iter().take(KINDS) {
        let first = segments[0] as usize;
        let bag = Bag::of(&window.tokens[starts[first] as usize..starts[first + 1] as usize], window.weights);
        sorted.weight += bag.weight() * segments.len() as u64;
        let is_like = |kind: &Kind| kind.bag.difference(&bag, window.weights).relation() == Relation::Similar;
        let like = sorted.kinds.iter().position(is_like);
        let kind = like.unwrap_or(sorted.kinds.len());
        segments.iter().for_each(|&segment| sorted.kind_of[segment as usize] = Some(kind));
        match like {
            Some(kind) => sorted.kinds[kind].segments += segments.len(),
            None => sorted.kinds.push(Kind { bag, segments: segments.len(), instances: segments }),
        }
    }
    Some(sorted)
}

/// For each kind whether it is contained in the main one or in one that occurs more often: a step that was cut in two
/// leaves such pieces.
fn parts_of_others(kinds: &[Kind], main: usize, weights: &[u32]) -> Vec<bool> {
    let contains = |whole: &Kind, part: &Kind| whole.bag.difference(&part.bag, weights).relation() == Relation::Part;
    let is_part = |kind: usize| {
        let weighed = |&other: &usize| other == main || kinds[other].segments > kinds[kind].segments;
        kind != main
            && (0..kinds.len())
                .filter(|&other| other != kind)
                .filter(weighed)
                .any(|other| contains(&kinds[other], &kinds[kind]))
    };
    (0..kinds.len()).map(is_part).collect()
}

/// Whether the pieces recur evenly: then it is the cut that makes them, not an odd step now and then.
fn looks_like_layers(kind_of: &[Option<usize>], is_part: &[bool]) -> bool {
    let parts: Vec<bool> = kind_of.iter().map(|kind| kind.is_some_and(|kind| is_part[kind])).collect();
    let comes_evenly = |kind: usize| {
        let places = kind_of.iter().enumerate().filter(|&(_, of)| *of == Some(kind)).map(|(place, _)| place);
        is_even(places)
    };
    is_regular(&parts) || (0..is_part.len()).any(|kind| is_part[kind] && comes_evenly(kind))
}

/// Tokens that a kind has beyond another, and how many of each.
type Added = Vec<(u32, u32)>;

/// Whether kinds that are others with something added are passes of a model after all: each looks up embeddings, and what
/// is added is one thing, now once and now several times. A drafter is asked for as many tokens as the last were right;
/// what a step has beside its layers is there once.
fn are_models(window: &Sequence<'_>, kinds: &[Kind], is_part: &[bool], main: usize) -> bool {
    let embeds = |kind: &Kind| kind.bag.tokens().any(|token| window.hints[token as usize] == Hint::Head);
    if !kinds.iter().all(|kind| embeds(kind) && 2 * kind.bag.weight() >= kinds[main].bag.weight()) {
        return false;
    }
    let added = |more: &Kind, to: &Kind| to.bag.beyond(&more.bag).is_empty().then(|| more.bag.beyond(&to.bag));
    let additions: Vec<(usize, usize, Added)> = (0..kinds.len())
        .flat_map(|more| (0..kinds.len()).map(move |to| (more, to)))
        .filter(|(more, to)| more != to)
        .filter_map(|(more, to)| Some((more, to, added(&kinds[more], &kinds[to])?)))
        .collect();
    let size = |added: &[(u32, u32)]| added.iter().map(|&(_, count)| count).sum::<u32>();
    let Some((_, _, least)) = additions.iter().min_by_key(|(.., added)| size(added)) else { return false };
    // Kinds that differ by one of it alone may pass for the same, so that the least seen is several already.
    let several = least.iter().fold(0, |divisor, &(_, count)| common_divisor(divisor, count)).max(1);
    let unit: &Added = &least.iter().map(|&(token, count)| (token, count / several)).collect();
    let times = |added: &[(u32, u32)]| {
        let times = size(added) / size(unit).max(1);
        let is_multiple = added.len() == unit.len()
            && added.iter().zip(unit).all(|(&(token, count), &(of, one))| token == of && count == times * one);
        is_multiple.then_some(times)
    };
    let explained = |kind: usize| {
        additions.iter().any(|(more, to, added)| (*more == kind || *to == kind) && times(added).is_some())
    };
    let is_asked_for_several = additions.iter().any(|(.., added)| times(added).is_some_and(|times| times > 1));
    is_asked_for_several && (0..kinds.len()).all(|kind| !is_part[kind] || explained(kind))
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// Whether the main kind is more than layers. In a trace of a single step layers recur undisturbed, so this has to be
/// told from what a step has and a layer has not: it looks up embeddings or samples, it replays a graph or several pieces
/// that each have their place, or at least the GPU waits for the host at one place in it.
fn is_a_whole_model(window: &Sequence<'_>, cut: &Cut) -> bool {
    let Some(main) = cut.kinds.first() else { return false };
    let hinted = |token: u32| matches!(window.hints[token as usize], Hint::Head | Hint::Tail);
    // The graph of a whole step, not of a piece of it.
    let replays = |token: u32| {
        let kernels = window.weights[token as usize];
        kernels > 1 && 2 * u64::from(kernels) >= main.bag.weight()
    };
    let pieces = main.bag.tokens().filter(|&token| window.hints[token as usize] == Hint::Piece).count();
    if pieces >= 2 || main.bag.tokens().any(|token| hinted(token) || replays(token)) {
        return true;
    }
    if window.tokens.iter().any(|&token| hinted(token)) {
        return false;
    }
    let length = main.bag.length();
    let mut gaps = gaps(window, cut, main, length);
    let longest = gaps.iter().copied().max().unwrap_or(0);
    let middle = *gaps.select_nth_unstable(length / 2).1;
    longest >= LEAST_WAIT_NS && longest >= 5 * middle
}

/// Kernels of different names, as far as tokens tell: a graph stands for many.
fn distinct_kernels(window: &Sequence<'_>, bag: &Bag) -> usize {
    bag.tokens().map(|token| window.weights[token as usize].min(LEAST_KERNELS as u32) as usize).sum()
}

/// Whether `parts` come at a constant distance: the same number of whole segments between them, or a multiple where one
/// was not recognised.
fn is_regular(parts: &[bool]) -> bool {
    // Runs of (wholes, parts): ----p----p----p has (4, 1) three times.
    let mut runs: Vec<(usize, usize)> = vec![(0, 0)];
    for &part in parts {
        let last = runs.len() - 1;
        match (part, runs[last].1) {
            (true, _) => runs[last].1 += 1,
            (false, 0) => runs[last].0 += 1,
            (false, _) => runs.push((1, 0)),
        }
    }
    if runs.last().is_some_and(|run| run.1 == 0) {
        runs.pop();
    }
    // The window may begin anywhere, so its first run tells nothing.
    let Some((_, inner)) = runs.split_first() else { return false };
    match inner {
        [] | [_] => false,
        inner => {
            let mut frequency: HashMap<(usize, usize), usize> = HashMap::new();
            inner.iter().for_each(|&run| *frequency.entry(run).or_insert(0) += 1);
            let Some((&(wholes, parts), _)) = frequency.iter().max_by_key(|&(&run, &count)| (count, run)) else {
                return false;
            };
            if wholes == 0 {
                return false;
            }
            let period = wholes + parts;
            // Steps follow one another, so parts are as dense as that.
            let exact = inner.iter().filter(|run| run.0 + run.1 == period).count();
            if 2 * exact * period < inner.iter().map(|run| run.0 + run.1).sum() {
                return false;
            }
            let fits = |run: &&(usize, usize)| (run.0 + run.1).is_multiple_of(period);
            // By accident alone one distance in `period` fits.
            let least = if period == 2 { 8 } else { 6 };
            inner.iter().filter(fits).count() * 10 >= inner.len() * least
        }
    }
}

/// Whether a kind hardly ever follows itself: halves of a step take turns, as do its layers if every other is different,
/// while steps come many in a row.
fn takes_turns(kind_of: &[Option<usize>], kind: usize) -> bool {
    let followed: Vec<bool> =
        kind_of.windows(2).filter(|pair| pair[0] == Some(kind)).map(|pair| pair[1] == Some(kind)).collect();
    followed.len() >= LEAST_STEPS && 10 * followed.iter().filter(|itself| **itself).count() <= followed.len()
}

/// Whether places have mostly the same distance, or a multiple where one was not recognised.
fn is_even(places: impl Iterator<Item = usize>) -> bool {
    let places: Vec<usize> = places.collect();
    let mut frequency: HashMap<usize, usize> = HashMap::new();
    places.windows(2).for_each(|pair| *frequency.entry(pair[1] - pair[0]).or_insert(0) += 1);
    let Some((&usual, &times)) = frequency.iter().max_by_key(|&(&distance, &times)| (times, distance)) else {
        return false;
    };
    let multiples: usize =
        frequency.iter().filter(|(distance, _)| **distance % usual == 0).map(|(_, times)| times).sum();
    let all = places.len() - 1;
    all >= 4 && usual >= 2 && 2 * times >= all && 5 * multiples >= 3 * all
}

/// The template of a cut: its main kind, turned so that it starts where the step does.
fn template(window: &Sequence<'_>, cut: &Cut) -> Option<Template> {
    let main = cut.kinds.first()?;
    let mut tokens = cycle(window, cut, main).to_vec();
    let turn = begins_with_more(window, cut, &tokens)
        .unwrap_or_else(|| boundary(window, &tokens, &gaps(window, cut, main, tokens.len())));
    tokens.rotate_left(turn);
    let bags: Vec<Bag> = cut.kinds.iter().filter(|kind| kind.segments >= 2).map(|kind| kind.bag.clone()).collect();
    let frames = frames(window, cut, &tokens);
    (!frames.is_empty()).then_some(Template { tokens, run: cut.run, frames, kinds: bags })
}

/// The tokens of a kind, as its most frequent segment has them.
fn cycle<'a>(window: &Sequence<'a>, cut: &Cut, kind: &Kind) -> &'a [u32] {
    let first = kind.instances[0] as usize;
    &window.tokens[cut.starts[first] as usize..cut.starts[first + 1] as usize]
}

/// Where the main kind begins as the largest of those does that are the same with more of a model: a drafter that runs in
/// some steps stands between what ends a step and what begins the next, which without it cannot be told apart.
fn begins_with_more(window: &Sequence<'_>, cut: &Cut, main: &[u32]) -> Option<usize> {
    let bag = &cut.kinds.first()?.bag;
    let adds_a_model = |kind: &&Kind| {
        let mut added = kind.bag.beyond(bag).into_iter();
        kind.segments >= 2
            && bag.difference(&kind.bag, window.weights).is_addition()
            && kind.bag.weight() > bag.weight()
            && added.any(|(token, _)| window.hints[token as usize] == Hint::Model && !bag.has(token))
    };
    let more = cut.kinds.iter().filter(adds_a_model).max_by_key(|kind| kind.bag.weight())?;
    let tokens = cycle(window, cut, more);
    let begin = boundary(window, tokens, &gaps(window, cut, more, tokens.len()));
    let at = |cycle: &[u32], from: usize, ahead: usize| cycle[(from + ahead) % cycle.len()];
    let same = |&from: &usize| (0..8).all(|ahead| at(main, from, ahead) == at(tokens, begin, ahead));
    let mut places = (0..main.len()).filter(same);
    places.next().filter(|_| places.next().is_none())
}

/// Median gap before each token of a segment, over segments of the same sequence.
fn gaps(window: &Sequence<'_>, cut: &Cut, kind: &Kind, length: usize) -> Vec<i64> {
    let step = kind.instances.len().div_ceil(65);
    let sample: Vec<usize> =
        kind.instances.iter().step_by(step).map(|&segment| cut.starts[segment as usize] as usize).collect();
    let mut seen = Vec::with_capacity(sample.len());
    (0..length)
        .map(|offset| {
            seen.clear();
            seen.extend(sample.iter().map(|start| window.gaps_ns[start + offset]));
            let middle = seen.len() / 2;
            *seen.select_nth_unstable(middle).1
        })
        .collect()
}

/// The runs of `cycle` that occur once in it, and at most once in a step of any other kind.
fn frames(window: &Sequence<'_>, cut: &Cut, cycle: &[u32]) -> HashMap<u64, u32> {
    let mut places: HashMap<u64, Option<u32>> = HashMap::new();
    // Runs reach back over the boundary into the step before.
    let reach = cut.run - 1;
    let turned: Vec<u32> =
        cycle.iter().cycle().skip(cycle.len() - reach % cycle.len()).take(cycle.len() + reach).copied().collect();
    for (at, key) in keys(&turned, cut.run).enumerate().skip(reach) {
        places.entry(key).and_modify(|place| *place = None).or_insert(Some((at - reach) as u32));
    }
    for kind in &cut.kinds {
        let segment = kind.instances[0] as usize;
        let (start, end) = (cut.starts[segment] as usize, cut.starts[segment + 1] as usize);
        let mut seen: HashMap<u64, u32> = HashMap::new();
        for key in keys(&window.tokens[start.saturating_sub(reach)..end], cut.run).skip(reach.min(start)) {
            *seen.entry(key).or_insert(0) += 1;
        }
        for (key, _) in seen.into_iter().filter(|&(_, times)| times > 1) {
            places.entry(key).and_modify(|place| *place = None);
        }
    }
    places.into_iter().filter_map(|(key, place)| place.map(|place| (key, place))).collect()
}
