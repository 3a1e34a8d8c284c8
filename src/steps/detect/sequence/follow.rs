//! Cuts a whole sequence by a template, in one pass.
//!
//! Runs that occur once a step tell the place within it. When the place goes back, a step has begun since the last such
//! run; where exactly, what lies between tells:
//!
//! ```text
//!   template   h1 h2 h3 [graph] t1 t2 t3
//!   seen       … [graph] t1 t2 t3 h1 h3 [graph] …     the graph recurs: a step began after the last one
//!                        ^^^^^^^^ the tail is whole, so the step began after it, and h2 is missing
//! ```
//!
//! A lost record moves no other boundary. What fits neither tail nor head and is too long for a step's variation was
//! not launched for a step that the template knows: it is left outside.

use super::bag::Relation;
use super::{Bag, Hint, LEAST_WAIT_NS, Sequence, Template, keys};

/// Tokens by which the beginning of a step is known again.
const HEAD: usize = 4;

/// A step in the sequence: positions of its tokens.
#[derive(Clone, Debug)]
pub(in crate::steps) struct Segment {
    pub(in crate::steps) start: usize,
    pub(in crate::steps) end: usize,
    /// The kind of the template that it is like.
    pub(in crate::steps) kind: Option<usize>,
    /// Whether it is at least another pass of the same model.
    pub(in crate::steps) is_pass: bool,
    /// What it holds.
    pub(in crate::steps) bag: Bag,
}

impl Segment {
    /// A pass of the model that is of no known kind.
    pub(in crate::steps) fn pass(start: usize, end: usize, bag: Bag) -> Self {
        Self { start, end, kind: None, is_pass: true, bag }
    }
}

/// The steps of `sequence`, in order; what lies between two of them is outside.
pub(in crate::steps) fn follow(sequence: &Sequence<'_>, template: &Template) -> Vec<Segment> {
    let spans = merge_crumbs(sequence, template, cut(sequence, template));
    let mut segments: Vec<Segment> = Vec::with_capacity(spans.len());
    // Where the last pass of the model ends, and what has been seen since.
    let (mut done, mut fragments) = (0, Vec::new());
    for (start, end) in spans {
        let whole = segment(sequence, template, start, end);
        let length = template.tokens.len();
        let parts = if whole.kind.is_none() && 2 * (end - start) > 3 * length && length > 1 {
            let parts = split_merged(sequence, template, start, end);
            parts.windows(2).map(|pair| segment(sequence, template, pair[0], pair[1])).collect()
        } else {
            vec![whole]
        };
        for part in parts {
            if part.is_pass {
                segments.extend(between(sequence, template, (done, part.start), &mut fragments));
                done = part.end;
                segments.push(part);
            } else {
                fragments.push(part);
            }
        }
    }
    segments.extend(between(sequence, template, (done, sequence.tokens.len()), &mut fragments));
    segments
}

/// What is between two passes that the template knows: passes that it does not, such as prefills so rare that they were
/// not learnt. They begin like a step, run much of what steps run, and may hold runs again and again that the template has
/// once. Else the fragments that were seen there, if they are large enough for steps that lost much.
fn between(
    sequence: &Sequence<'_>,
    template: &Template,
    (start, end): (usize, usize),
    fragments: &mut Vec<Segment>,
) -> Vec<Segment> {
    let mut fragments = std::mem::take(fragments);
    fragments.retain(|fragment| 4 * fragment.bag.weight() >= main_weight(template));
    if 2 * weigh(sequence, start, end) < main_weight(template) {
        return fragments;
    }
    let head = &template.tokens[..template.tokens.len().min(HEAD)];
    let begins: Vec<usize> = (start..end).filter(|&at| sequence.tokens[at..end].starts_with(head)).collect();
    let ends = begins.iter().skip(1).copied().chain([end]);
    let parts = begins.iter().copied().zip(ends).map(|(begin, end)| segment(sequence, template, begin, end));
    let passes: Vec<Segment> = parts.filter(|part| part.is_pass).collect();
    if passes.is_empty() { fragments } else { passes }
}

fn segment(sequence: &Sequence<'_>, template: &Template, start: usize, end: usize) -> Segment {
    let bag = Bag::of(&sequence.tokens[start..end], sequence.weights);
    let relation = |kind: &Bag| kind.difference(&bag, sequence.weights).relation();
    let kind = template.kinds.iter().position(|kind| relation(kind) == Relation::Similar);
    let is_pass = kind.is_some()
        || template.kinds.first().is_some_and(|main| {
            let difference = main.difference(&bag, sequence.weights);
            difference.is_near() || difference.is_addition() || difference.relation() == Relation::Pass
        });
    Segment { start, end, kind, is_pass, bag }
}

/// Joins spans that are too small to be a step to the neighbour that they belong to: the step after, if they begin like
/// a step or the GPU waited longer before them than after.
fn merge_crumbs(sequence: &Sequence<'_>, template: &Template, spans: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    let most = (main_weight(template) / 20).min(12);
    let mut merged: Vec<(usize, usize)> = Vec::with_capacity(spans.len());
    let mut carried: Option<usize> = None;
    for (at, &(start, end)) in spans.iter().enumerate() {
        // What the step before ended with, once more: a drafter that was asked for as many tokens.
        if carried.is_none()
            && let Some(before) = merged.last_mut().filter(|before| before.1 == start)
            && 2 * (end - start) < start - before.0
            && sequence.tokens[start..end] == sequence.tokens[2 * start - end..start]
        {
            before.1 = end;
            continue;
        }
        let begin = carried.take().unwrap_or(start);
        let after = spans.get(at + 1).filter(|next| next.0 == end);
        if weigh(sequence, begin, end) > most {
            merged.push((begin, end));
            continue;
        }
        let before = merged.last_mut().filter(|before| before.1 == begin);
        let is_head = sequence.tokens[begin] == template.tokens[0]
            || after.is_some_and(|next| sequence.gaps_ns[begin] >= sequence.gaps_ns[next.0]);
        match (before, after) {
            (_, Some(_)) if is_head && begin > 0 => carried = Some(begin),
            (Some(before), _) if at + 1 < spans.len() || !is_head => before.1 = end,
            (None, Some(_)) if begin > 0 => carried = Some(begin),
            // What there is of a step that the sequence begins or ends within.
            _ => merged.push((begin, end)),
        }
    }
    merged
}

/// Start and end of each step.
fn cut(sequence: &Sequence<'_>, template: &Template) -> Vec<(usize, usize)> {
    let tokens = sequence.tokens;
    let reach = template.run - 1;
    let mut spans = Vec::new();
    // Start of the step that is open; position of the last frame and its place in the template.
    let mut open: Option<usize> = None;
    let mut last: Option<(usize, usize)> = None;
    for (at, key) in keys(tokens, template.run).enumerate() {
        let Some(place) = template.frames.get(&key).map(|&place| place as usize) else { continue };
        if last.is_none_or(|(_, before)| place <= before) {
            // The run itself fits from here on, perhaps back to the boundary.
            let back = place.min(reach).min(at);
            let glue = Glue {
                start: last.map_or(0, |(position, _)| position + 1),
                end: at - back,
                tail: last.map_or(&[][..], |(_, before)| &template.tokens[before + 1..]),
                head: &template.tokens[..place - back],
            };
            let (end, mut start) = glue.split(sequence, template);
            if last.is_none() && at - start < place && 5 * weigh(sequence, 0, start) <= 6 * main_weight(template) {
                // The head is not whole and no more than a step lies before: the sequence begins within a step.
                start = 0;
            } else if last.is_none() {
                spans.extend(first_step(sequence, template, start).map(|first| (first, start)));
            }
            if let Some(open) = open {
                spans.push((open, end.max(open)));
            }
            open = Some(start);
        }
        last = Some((at, place));
    }
    if let (Some(open), Some((position, place))) = (open, last) {
        let tail = &template.tokens[place + 1..];
        let rest = &tokens[position + 1..];
        let fits = common_prefix(rest, tail);
        let mut end = if fits == tail.len() { fits } else { rest.len().min(tail.len()) };
        // As much again as the drafter was asked for, if nothing of another step has begun.
        let goes_on = |&token: &u32| token != template.tokens[0] && template.kinds.iter().any(|kind| kind.has(token));
        let more = rest[end..].iter().take_while(|token| goes_on(token)).count();
        if rest[end..end + more].iter().any(|&token| is_of_model(sequence, token)) {
            end += more;
        }
        spans.push((open, position + 1 + end));
    }
    spans.retain(|(start, end)| start < end);
    spans
}

/// Where the step before the first boundary begins, if there is one: its frames were not seen, or only the boundary has
/// any.
fn first_step(sequence: &Sequence<'_>, template: &Template, boundary: usize) -> Option<usize> {
    let length = template.tokens.len();
    let fits = common_suffix(&sequence.tokens[..boundary], &template.tokens);
    if fits == length || (fits == boundary && fits > 0) || 2 * fits > length {
        return Some(boundary - fits);
    }
    let expected = boundary.checked_sub(length)?;
    near(sequence, template, expected, 0, boundary)
}

/// The position nearest to `expected` between two others where a step begins like the template.
fn near(sequence: &Sequence<'_>, template: &Template, expected: usize, after: usize, end: usize) -> Option<usize> {
    let length = template.tokens.len();
    let head = &template.tokens[..length.min(12)];
    let slack = (length / 10).max(2);
    let places = (0..=slack).flat_map(|off| [expected.saturating_sub(off), expected + off]);
    places.filter(|&at| after <= at && at < end).find(|&at| sequence.tokens[at..end].starts_with(head))
}

fn main_weight(template: &Template) -> u64 {
    template.kinds.first().map_or(0, Bag::weight)
}

/// What lies between the last frame of one step and the first of the next.
struct Glue<'a> {
    start: usize,
    end: usize,
    tail: &'a [u32],
    head: &'a [u32],
}

impl Glue<'_> {
    /// Where the one step ends and the other starts.
    fn split(&self, sequence: &Sequence<'_>, template: &Template) -> (usize, usize) {
        let between = &sequence.tokens[self.start.min(self.end)..self.end];
        let head = common_suffix(between, self.head);
        let tail = common_prefix(between, self.tail).min(between.len() - head.min(between.len()));
        let (after_tail, before_head) = (self.start + tail, self.end - head);
        let middle: u64 = weigh(sequence, after_tail, before_head);
        let main = main_weight(template);
        let known = |&token: &u32| template.kinds.iter().any(|kind| kind.has(token));
        if middle > 8 && 4 * middle > main && !sequence.tokens[after_tail..before_head].iter().all(known) {
            return (after_tail, before_head);
        }
        // Another pass that begins as the last one ends, such as a prefill that is launched kernel by kernel.
        let longest = (after_tail..=before_head).map(|at| sequence.gaps_ns[at]).max().unwrap_or(0);
        if 2 * middle > main && longest >= LEAST_WAIT_NS && sequence.gaps_ns[after_tail] == longest {
            return (after_tail, after_tail);
        }
        // What the model runs, and its drafter after it, no step begins with.
        let is_of_before = |&at: &usize| is_of_model(sequence, sequence.tokens[at]);
        let after_tail = (after_tail..before_head).rev().find(is_of_before).map_or(after_tail, |last| last + 1);
        let boundary = if middle == 0 {
            before_head
        } else if head == self.head.len() && tail == self.tail.len() {
            // Both are whole and something is between them: preparation that is not needed in every step, unless the
            // GPU clearly waited after it.
            let gap = |at: usize| sequence.gaps_ns[at];
            if 3 * gap(after_tail) >= gap(before_head) { after_tail } else { before_head }
        } else if head == self.head.len() {
            before_head
        } else if tail == self.tail.len() {
            after_tail
        } else {
            (after_tail..=before_head).max_by_key(|&at| (sequence.gaps_ns[at], at)).unwrap_or(before_head)
        };
        (boundary, boundary)
    }
}

fn weigh(sequence: &Sequence<'_>, start: usize, end: usize) -> u64 {
    sequence.tokens[start.min(end)..end].iter().map(|&token| u64::from(sequence.weights[token as usize])).sum()
}

/// Whether a model runs it, or what samples from it.
fn is_of_model(sequence: &Sequence<'_>, token: u32) -> bool {
    matches!(sequence.hints[token as usize], Hint::Model | Hint::Tail)
}

fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn common_suffix(a: &[u32], b: &[u32]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// Boundaries within a segment that holds several steps because the runs at their seam were lost: where the template's
/// beginning is found again about one length further on.
fn split_merged(sequence: &Sequence<'_>, template: &Template, start: usize, end: usize) -> Vec<usize> {
    let length = template.tokens.len();
    let mut bounds = vec![start];
    let mut from = start;
    while 2 * (end - from) > 3 * length {
        let Some(at) = near(sequence, template, from + length, from + 1, end) else { break };
        bounds.push(at);
        from = at;
    }
    bounds.push(end);
    bounds
}
