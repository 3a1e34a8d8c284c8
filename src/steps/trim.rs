//! Which steps count: warm-up found or asked for, steps cut by the trace's edges, and how many to keep.
//!
//! ```text
//!   ╎▓ ▓▓▓▓▓▓▓▓ ▓▓▓▓▓▓ ▓▓▓▓ ▓▓▓ ▓▓▓ ▓▓▓ ▓▓▓ ▓▓▓ ▓▓▓ ▓▓▓ ▓▓╎
//!   cut └──── unsettled ───┘ └────────── counted ─────────┘ cut
//! ```
//!
//! A step is left out on all ranks or on none, so that what counts is whole everywhere. Steps of other phases between
//! those left out go with them.
//!
//! *Unsettled* is a change-point on step time. Each step is compared with the median of its like (same batch, same
//! kernels) in the later two thirds of the trace; the first step from which on that ratio stays within the noise
//! begins the window. At most a third of the steps goes this way: a trace that never settles is not trimmed but said to
//! be so.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::align::of_rank;
use super::labels::Labels;
use super::spread::spread;
use super::{Batch, Detector, LeftOut, Phase, Step, StepIdx, StepOptions, StepTable, Unmet};
use crate::model::{CaptureInfo, NameId, Trace};

/// Fewer steps than this say nothing of settling.
const LEAST_STEPS: usize = 12;
/// Excess over the median of its like from which on a step is not settled.
const EXCESS: f64 = 1.05;

/// Marks the steps that do not count.
pub(super) fn trim(table: &mut StepTable, trace: &Trace, labels: &Labels, options: &StepOptions) {
    let kernels = Kernels::of(table, trace);
    let mut left_out: BTreeMap<u32, LeftOut> = BTreeMap::new();
    if !has_whole_steps(table, trace) {
        left_out.extend(cut_numbers(table, &kernels).into_iter().map(|number| (number, LeftOut::Cut)));
    }
    let mut decode: Vec<u32> = table
        .steps
        .iter()
        .filter(|step| step.phase == Phase::Decode && !left_out.contains_key(&step.number))
        .map(|step| step.number)
        .collect();
    decode.sort_unstable();
    decode.dedup();
    let (warmup, limit) = asked_for(trace, options);
    let (skipped, why) = match warmup {
        Some(asked) => ((asked as usize).min(decode.len()), LeftOut::Asked),
        None => {
            let captured = captured(table, trace, labels);
            let unsettled = unsettled(table, &kernels, &decode);
            if unsettled.is_none() {
                table.remarks.push(
                    "Step times had not settled within the first third of the trace, so no warm-up was left out."
                        .to_owned(),
                );
            }
            let after = |number: u32| decode.partition_point(|&of| of <= number);
            (captured.map_or(0, after).max(unsettled.unwrap_or(0)), LeftOut::Unsettled)
        }
    };
    table.unmet.extend(unmet(trace, options, decode.len(), skipped));
    let kept = limit.map_or(usize::MAX, |limit| skipped.saturating_add(limit as usize));
    // Everything up to the last decode step that is skipped goes, and everything after the last that is kept.
    let from = skipped.checked_sub(1).and_then(|last| decode.get(last)).map(|&last| last + 1);
    let to = (kept < decode.len()).then(|| kept.checked_sub(1).map_or(0, |last| decode[last] + 1));
    for step in &table.steps {
        let why = match () {
            () if from.is_some_and(|from| step.number < from) => why,
            () if to.is_some_and(|to| step.number >= to) => LeftOut::BeyondLimit,
            () => continue,
        };
        left_out.entry(step.number).or_insert(why);
    }
    for (place, step) in table.steps.iter_mut().enumerate() {
        if let Some(&why) = left_out.get(&step.number) {
            step.warmup = true;
            table.left_out.push((StepIdx::new(place), why));
        }
    }
}

/// The decode steps to skip and to keep: what the user says, else what the tracer in the server was told. That has let
/// the warm-up pass before it recorded, unless it was blind to steps and recorded everything. It may have recorded more
/// than it was told: all of that where it was blind, and where it waits for a thread what others do meanwhile.
fn asked_for(trace: &Trace, options: &StepOptions) -> (Option<u32>, Option<u32>) {
    let wanted = trace.capture.as_ref().map(|info| info.steps_wanted).filter(|&wanted| wanted > 0);
    let (warmup, limit) = match &trace.capture {
        None => (None, None),
        Some(info) if info.blind => (Some(info.warmup_wanted), wanted),
        Some(_) => (Some(0), wanted),
    };
    (options.warmup.or(warmup), options.limit.or(limit))
}

/// What of warm-up and number was asked and is not so, if there are so many decode steps and so many are skipped. What the
/// tracer was asked for counts unless something else is asked now.
fn unmet(trace: &Trace, options: &StepOptions, decode: usize, skipped: usize) -> Option<Unmet> {
    if let Some(asked) = options.warmup.filter(|_| decode > 0 && skipped == decode) {
        return Some(Unmet::Warmup { asked, of: decode });
    }
    let captured = trace.capture.as_ref().filter(|_| options.warmup.is_none()).map(|info| info.steps_wanted);
    let asked = options.limit.or(captured)?;
    let counted = decode - skipped;
    (counted < asked as usize).then_some(Unmet::Steps { asked, counted })
}

/// Whether the trace neither begins nor ends within a step: our own tracer opens its window before the first kernel of a
/// marked step is launched, and closes a full one after the last step.
fn has_whole_steps(table: &StepTable, trace: &Trace) -> bool {
    let is_full = |info: &CaptureInfo| !info.blind && info.closed_by == "window_full";
    table.detector == Detector::Marker && trace.capture.as_ref().is_some_and(is_full)
}

/// The kernels that each step was first and last to launch, and a hash of which kernels it has.
#[derive(Debug)]
struct Kernels {
    first: Vec<Option<NameId>>,
    last: Vec<Option<NameId>>,
    which: Vec<u64>,
}

impl Kernels {
    fn of(table: &StepTable, trace: &Trace) -> Self {
        type Placed = ((u64, usize), NameId);
        let steps = table.steps.len();
        let mut which = vec![0_u64; steps];
        // Streams come to run in any order, launches in one; on a stream, or where no launch is known, start order is it.
        let mut ends: Vec<Option<[Placed; 2]>> = vec![None; steps];
        for (position, (dispatch, step)) in trace.dispatches.iter().zip(&table.of_dispatch).enumerate() {
            let Some(step) = step.map(StepIdx::index) else { continue };
            let launch = dispatch.launch.map_or(position as u64, |launch| launch.index() as u64);
            let order = (trace.enqueued.get(position).copied().unwrap_or(launch), position);
            let [first, last] = ends[step].get_or_insert([(order, dispatch.name); 2]);
            *first = (*first).min((order, dispatch.name));
            *last = (*last).max((order, dispatch.name));
            // A sum, so that no order matters.
            which[step] = which[step].wrapping_add(spread(dispatch.name.index() as u64));
        }
        let end = |at: usize| ends.iter().map(|ends| ends.map(|ends| ends[at].1)).collect();
        Self { first: end(0), last: end(1), which }
    }
}

/// Numbers of the steps at the edges of a rank's trace that the trace begins or ends within.
fn cut_numbers(table: &StepTable, kernels: &Kernels) -> BTreeSet<u32> {
    let mut cut = BTreeSet::new();
    let mut place = 0;
    for steps in of_rank(&table.steps) {
        let inner = 1..steps.len().saturating_sub(1).max(1);
        let mut counts: Vec<u32> =
            steps[inner.clone()].iter().filter(|s| s.phase == Phase::Decode).map(|s| s.dispatches).collect();
        counts.sort_unstable();
        if let Some(&usual) = counts.get(counts.len() / 2).filter(|_| counts.len() >= 3) {
            let decode = |at: &usize| steps[*at].phase == Phase::Decode;
            let edge_is_cut = |at: usize, ends: &[Option<NameId>]| {
                let usual_end = mode(inner.clone().filter(decode).map(|at| ends[place + at]));
                let few = steps[at].dispatches < usual;
                (few && usual_end.is_some_and(|usual| usual != ends[place + at])) || 2 * steps[at].dispatches < usual
            };
            if edge_is_cut(0, &kernels.first) {
                cut.insert(steps[0].number);
            }
            if edge_is_cut(steps.len() - 1, &kernels.last) {
                cut.insert(steps[steps.len() - 1].number);
            }
        }
        place += steps.len();
    }
    cut
}

fn mode<T: Ord>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut times: BTreeMap<T, usize> = BTreeMap::new();
    values.for_each(|value| *times.entry(value).or_insert(0) += 1);
    times.into_iter().max_by_key(|&(_, times)| times).map(|(value, _)| value)
}

/// The last step that began while graphs were still being captured, if steps follow after.
fn captured(table: &StepTable, trace: &Trace, labels: &Labels) -> Option<u32> {
    let end = trace
        .ranges
        .iter()
        .filter(|range| labels.is_capture(trace.names.get(range.name)))
        .map(|range| range.span.end_ns)
        .max()?;
    let begins = |step: &Step| step.cpu.unwrap_or(step.gpu).start_ns;
    table.steps.iter().filter(|step| begins(step) < end).map(|step| step.number).max()
}

/// How many of the decode steps `numbers` were not settled yet; `None`: they never settled.
fn unsettled(table: &StepTable, kernels: &Kernels, numbers: &[u32]) -> Option<usize> {
    if numbers.len() < LEAST_STEPS {
        return Some(0);
    }
    let ratios = ratios(table, kernels, numbers);
    let mut late: Vec<f64> = ratios[ratios.len() / 3..].to_vec();
    let middle = median(&mut late);
    let mut off: Vec<f64> = late.iter().map(|ratio| (ratio - middle).abs()).collect();
    let noise = 1.4826 * median(&mut off);
    let limit = middle * EXCESS.max(1.0 + 4.0 * noise);
    let settled = |at: usize| {
        let mut next: Vec<f64> = ratios[at..(at + 3).min(ratios.len())].to_vec();
        ratios[at] <= limit && median(&mut next) <= limit
    };
    (0..=ratios.len() / 3).find(|&at| settled(at))
}

/// Time of each step over the median of its like among the later two thirds; of several ranks the slowest.
fn ratios(table: &StepTable, kernels: &Kernels, numbers: &[u32]) -> Vec<f64> {
    type Key = (Batch, u64);
    let later = numbers[numbers.len() / 3];
    let time = |step: &Step| step.gpu.duration_ns() as f64;
    let decode = || table.steps.iter().enumerate().filter(|(_, step)| step.phase == Phase::Decode);
    let key = |place: usize, step: &Step| -> Key { (Batch { tokens: None, ..step.batch }, kernels.which[place]) };
    let mut alike: HashMap<Key, Vec<f64>> = HashMap::new();
    let mut all: Vec<f64> = Vec::new();
    for (place, step) in decode().filter(|(_, step)| step.number >= later) {
        alike.entry(key(place, step)).or_default().push(time(step));
        all.push(time(step));
    }
    let overall = median(&mut all);
    let usual: HashMap<Key, f64> = alike
        .into_iter()
        .filter(|(_, times)| times.len() >= 3)
        .map(|(key, mut times)| (key, median(&mut times)))
        .collect();
    let mut ratio_of: BTreeMap<u32, f64> = BTreeMap::new();
    for (place, step) in decode() {
        let ratio = time(step) / usual.get(&key(place, step)).copied().unwrap_or(overall).max(1.0);
        let slowest = ratio_of.entry(step.number).or_insert(ratio);
        *slowest = slowest.max(ratio);
    }
    numbers.iter().map(|number| ratio_of[number]).collect()
}

fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CaptureInfo, LaunchCall, TraceBuilder};
    use crate::steps::find;

    /// Decode steps of `kernels[i]` kernels that last `times[i]` each, marked; the first lacks its first kernels and
    /// the last its last where they have fewer than the others.
    fn draw(times: &[i64], kernels: impl Fn(usize) -> std::ops::Range<i64>) -> Trace {
        let mut draw = TraceBuilder::new().drawing();
        let mut clock = 0;
        for (step, &time) in times.iter().enumerate() {
            draw.range("step[DECODE bs=1]", clock, clock + 10);
            draw.launch(LaunchCall::Graph, clock + 1, clock + 2, step as u64);
            for kernel in kernels(step) {
                let at = clock + 10 + kernel * time;
                draw.kernel(&format!("k{kernel}"), at, at + time, step as u64);
            }
            clock += 20 * time;
        }
        draw.finish()
    }

    fn table(times: &[i64], kernels: impl Fn(usize) -> std::ops::Range<i64>, options: &StepOptions) -> StepTable {
        find(&draw(times, kernels), options)
    }

    fn left_out(table: &StepTable) -> Vec<(u32, LeftOut)> {
        table.left_out.iter().map(|&(step, why)| (table.steps[step.index()].number, why)).collect()
    }

    #[test]
    fn a_first_step_that_compiles_and_clocks_that_ramp_up_are_warm_up() {
        let times = [900, 140, 120, 110, 100, 101, 100, 99, 100, 100, 102, 100, 100, 99, 100, 100, 100, 100];
        let found = left_out(&table(&times, |_| 0..6, &StepOptions::default()));
        assert_eq!(found, (0..4).map(|number| (number, LeftOut::Unsettled)).collect::<Vec<_>>());
    }

    #[test]
    fn steady_steps_with_an_outlier_have_no_warm_up() {
        let mut times = [100; 30];
        times[2] = 300;
        times[20] = 300;
        let table = table(&times, |_| 0..6, &StepOptions::default());
        assert_eq!((left_out(&table), table.remarks.len()), (Vec::new(), 0));
    }

    #[test]
    fn a_trace_that_never_settles_is_said_to_be_so() {
        let times: Vec<i64> = (0..30).map(|step| if step < 14 { 300 } else { 100 }).collect();
        let table = table(&times, |_| 0..6, &StepOptions::default());
        assert!(left_out(&table).is_empty());
        assert!(table.remarks[0].contains("not settled"));
    }

    #[test]
    fn steps_cut_by_the_edges_are_left_out_but_a_lost_record_there_is_not_an_edge() {
        let kernels = |step| match step {
            0 => 4..6,
            9 => 0..3,
            _ => 0..6,
        };
        let table_cut = table(&[100; 10], kernels, &StepOptions::default());
        assert_eq!(left_out(&table_cut), [(0, LeftOut::Cut), (9, LeftOut::Cut)]);
        let lost_at_end = |step| if step == 0 { 0..5 } else { 0..6 };
        assert!(left_out(&table(&[100; 10], lost_at_end, &StepOptions::default())).is_empty());
    }

    #[test]
    fn an_edge_is_known_by_what_was_launched_last_though_a_side_stream_runs_later() {
        //  launched   a b c s │ a b c s │ …   s, on a stream of its own, runs before c in some steps; the last lost a record
        let mut draw = TraceBuilder::new().drawing();
        for step in 0..10 {
            let at = step * 1_000;
            draw.range("step[DECODE bs=1]", at, at + 90);
            for (nth, name) in ["a", "b", "c", "s"].into_iter().enumerate() {
                let (key, offset) = (step * 4 + nth as i64, nth as i64 * 20);
                draw.launch(LaunchCall::Kernel, at + offset, at + offset + 1, key as u64);
                if step == 9 && name == "b" {
                    continue;
                }
                let start = at + 100 + offset - if name == "s" && step == 9 { 25 } else { 0 };
                draw.on_stream(u64::from(name == "s")).kernel(name, start, start + 10, key as u64);
            }
        }
        assert!(left_out(&find(&draw.finish(), &StepOptions::default())).is_empty());
    }

    #[test]
    fn a_full_window_over_marked_steps_cuts_none() {
        let cut = |step| if step == 9 { 0..3 } else { 0..6 };
        let mut trace = draw(&[100; 10], cut);
        let mut left_out_if = |closed_by: &str| {
            trace.capture = Some(CaptureInfo { closed_by: closed_by.to_owned(), ..CaptureInfo::default() });
            left_out(&find(&trace, &StepOptions::default()))
        };
        assert_eq!(left_out_if("window_full"), []);
        assert_eq!(left_out_if("exit"), [(9, LeftOut::Cut)]);
    }

    #[test]
    fn what_was_asked_for_counts_after_what_is_cut() {
        let options = StepOptions { warmup: Some(2), limit: Some(3), ..StepOptions::default() };
        let kernels = |step| if step == 0 { 4..6 } else { 0..6 };
        let found = left_out(&table(&[100; 8], kernels, &options));
        let expected = [
            (0, LeftOut::Cut),
            (1, LeftOut::Asked),
            (2, LeftOut::Asked),
            (6, LeftOut::BeyondLimit),
            (7, LeftOut::BeyondLimit),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_capture_knows_its_own_warm_up_and_what_is_asked_for_now_goes_before() {
        let times: Vec<i64> = (0..20).map(|step| if step < 4 { 300 } else { 100 }).collect();
        let trace = |blind| {
            let mut trace = draw(&times, |_| 0..6);
            trace.capture = Some(CaptureInfo { blind, warmup_wanted: 3, steps_wanted: 10, ..CaptureInfo::default() });
            trace
        };
        let counted = |blind, options: &StepOptions| {
            let table = find(&trace(blind), options);
            let numbers = table.steps.iter().filter(|step| !step.warmup).map(|step| step.number);
            (numbers.clone().min().unwrap(), numbers.count())
        };
        assert_eq!(counted(false, &StepOptions::default()), (0, 10), "the tracer let the warm-up pass");
        assert_eq!(counted(true, &StepOptions::default()), (3, 10), "it recorded everything");
        let options = StepOptions { warmup: Some(1), limit: Some(5), ..StepOptions::default() };
        assert_eq!((counted(false, &options), counted(true, &options)), ((1, 5), (1, 5)));
    }

    #[test]
    fn fewer_steps_than_asked_for_now_or_when_they_were_traced_are_told() {
        let unmet = |options: &StepOptions| table(&[100; 8], |_| 0..6, options).unmet;
        let ask = |warmup, limit| StepOptions { warmup, limit, ..StepOptions::default() };
        assert_eq!(unmet(&ask(None, None)), []);
        assert_eq!(unmet(&ask(Some(2), Some(6))), []);
        assert_eq!(unmet(&ask(Some(3), Some(1_000))), [Unmet::Steps { asked: 1_000, counted: 5 }]);
        let mut trace = draw(&[100; 8], |_| 0..6);
        trace.capture = Some(CaptureInfo { steps_wanted: 10, ..CaptureInfo::default() });
        assert_eq!(find(&trace, &ask(None, None)).unmet, [Unmet::Steps { asked: 10, counted: 8 }]);
        assert_eq!(find(&trace, &ask(Some(2), None)).unmet, [], "fewer were asked for now");
    }

    #[test]
    fn a_capture_is_read_by_the_marker_that_it_was_made_with() {
        let mut draw = TraceBuilder::new().drawing();
        for step in 0..6_i64 {
            let at = step * 1_000;
            draw.range("mine", at, at + 10).launch(LaunchCall::Graph, at + 1, at + 2, step as u64);
            for kernel in 0..4 {
                let start = at + 20 + kernel * 20;
                draw.kernel(&format!("k{kernel}"), start, start + 15, step as u64);
            }
        }
        let mut trace = draw.finish();
        trace.capture = Some(CaptureInfo { marker: Some("^mine$".to_owned()), ..CaptureInfo::default() });
        let found = find(&trace, &StepOptions::default());
        assert_eq!((found.detector, found.marker.as_deref()), (Detector::Marker, Some("^mine$")));
        let now = StepOptions { marker: Some("^other$".to_owned()), ..StepOptions::default() };
        let found = find(&trace, &now);
        assert!(
            matches!(&found.unmet[0], Unmet::Marker { pattern, instead: Some("graph"), .. } if pattern == "^other$")
        );
    }

    #[test]
    fn asking_for_more_than_there_is_leaves_nothing_and_does_not_fail() {
        let options = StepOptions { warmup: Some(u32::MAX), limit: Some(u32::MAX), ..StepOptions::default() };
        let nothing = table(&[100; 4], |_| 0..6, &options);
        assert_eq!(left_out(&nothing).len(), 4);
        assert_eq!(nothing.unmet, [Unmet::Warmup { asked: u32::MAX, of: 4 }]);
        let none = StepOptions { limit: Some(0), warmup: Some(0), ..StepOptions::default() };
        assert_eq!(left_out(&table(&[100; 4], |_| 0..6, &none)).len(), 4);
    }
}
