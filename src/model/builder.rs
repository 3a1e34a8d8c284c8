//! Putting a trace together.
//!
//! Both producers and every test build traces through [`TraceBuilder`], so the invariants that the analysis relies on
//! (sorted by start, `start <= end`, links that point at something) are made in one place.
//!
//! Producers see calls, kernels and ranges in any order and know them by *correlation ids* of their own. The builder
//! keeps those until [`finish`](TraceBuilder::finish), which sorts, joins each dispatch to its launch and drops the
//! ids: a trace holds only positions.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::mem;

use super::disorder;
use super::join::{Index, Keys, Links};
use super::order::{order_ranks, retain_with, sort_with};
use super::plausible::{Doubtful, Windows, impossible_times};
use super::{
    Around, CaptureInfo, Captured, CollectiveCall, Condition, ConditionKind, Copy, CopyKind, Dispatch, GroupIdx,
    Launch, LaunchCall, LaunchIdx, Loss, LossCause, NameId, Names, Origin, Process, ProcessGroup, ProcessIdx, Product,
    ProductIdx, Range, RangeIdx, Rank, RankIdx, Size, Source, SourceIdx, Span, Stream, StreamIdx, Told, Trace, Warning,
};

/// Builds a [`Trace`].
#[derive(Default, Debug)]
pub struct TraceBuilder {
    trace: Trace,
    /// Correlation keys of `trace.dispatches`, `trace.copies` and `trace.launches`.
    dispatch_keys: Keys,
    copy_keys: Keys,
    launch_keys: Keys,
    /// When dispatches were enqueued, as their producer counts.
    enqueued: Keys,
    /// Keys of `trace.ranges`, and range keys of `trace.dispatches`.
    range_keys: Keys,
    dispatch_range_keys: Keys,
    /// For `trace.dispatches` that were told to be collectives, their positions in `calls`.
    told_keys: Keys,
    calls: Vec<(Option<CollectiveCall>, Option<GroupIdx>)>,
    call_keys: HashMap<(Option<CollectiveCall>, Option<GroupIdx>), u64>,
    groups: HashMap<ProcessGroup, GroupIdx>,
    streams: HashMap<(RankIdx, u64), StreamIdx>,
    products: HashMap<Product, ProductIdx>,
    /// Those of the trace.
    conditions: HashSet<Condition>,
    warnings: HashSet<Warning>,
    doubtful: Doubtful,
}

/// A state of a [`TraceBuilder`], see [`TraceBuilder::mark`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    sources: usize,
    processes: usize,
    ranks: usize,
    streams: usize,
    dispatches: usize,
    copies: usize,
    ranges: usize,
    launches: usize,
    warnings: usize,
    doubtful: Doubtful,
    /// By cause.
    losses: [u64; LossCause::COUNT],
}

/// What was added since a [`Mark`], in the order of arrival.
#[derive(Debug)]
pub struct Added<'a> {
    /// Kernel executions; links are not resolved yet.
    pub dispatches: &'a mut [Dispatch],
    /// Copies and fills; links are not resolved yet.
    pub copies: &'a mut [Copy],
    /// Marker ranges.
    pub ranges: &'a mut [Range],
    /// Launch calls.
    pub launches: &'a mut [Launch],
}

impl TraceBuilder {
    /// A builder with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was added so far, in the order of arrival; links are not resolved yet.
    #[must_use]
    pub fn so_far(&self) -> &Trace {
        &self.trace
    }

    /// The name table, for interning kernel names and messages.
    pub fn names(&mut self) -> &mut Names {
        &mut self.trace.names
    }

    /// Adds an input.
    pub fn source(&mut self, source: Source) -> SourceIdx {
        self.trace.sources.push(source);
        SourceIdx::new(self.trace.sources.len() - 1)
    }

    /// Adds a process.
    pub fn process(&mut self, process: Process) -> ProcessIdx {
        self.trace.processes.push(process);
        ProcessIdx::new(self.trace.processes.len() - 1)
    }

    /// The process, to fill in what is learnt later.
    pub fn process_mut(&mut self, process: ProcessIdx) -> &mut Process {
        &mut self.trace.processes[process.index()]
    }

    /// Adds a GPU.
    pub fn rank(&mut self, rank: Rank) -> RankIdx {
        self.trace.ranks.push(rank);
        RankIdx::new(self.trace.ranks.len() - 1)
    }

    /// The GPU, to fill in what is learnt later.
    pub fn rank_mut(&mut self, rank: RankIdx) -> &mut Rank {
        &mut self.trace.ranks[rank.index()]
    }

    /// The stream with the producer's number `id` on `rank`, added if it is new.
    pub fn stream(&mut self, rank: RankIdx, id: u64) -> StreamIdx {
        let streams = &mut self.trace.streams;
        *self.streams.entry((rank, id)).or_insert_with(|| {
            streams.push(Stream { rank, id });
            StreamIdx::new(streams.len() - 1)
        })
    }

    /// The place of a product's shape among [`Trace::products`], added if it is new.
    pub fn product(&mut self, product: Product) -> ProductIdx {
        let products = &mut self.trace.products;
        *self.products.entry(product).or_insert_with(|| {
            products.push(product);
            ProductIdx::new(products.len() - 1)
        })
    }

    /// Adds a kernel execution. An end before its start (seen from real hardware) is swapped and counted, and so is a
    /// kernel that took no time: no kernel can, so its times are unknown.
    pub fn dispatch(&mut self, start_ns: i64, end_ns: i64, name: NameId, stream: StreamIdx, links: Links) {
        let span = self.span(start_ns, end_ns);
        self.doubtful.empty += u64::from(start_ns == end_ns);
        let position = self.trace.dispatches.len();
        self.trace.dispatches.push(Dispatch { span, name, stream, launch: None, range: None });
        self.dispatch_keys.set(position, links.launch);
        self.dispatch_range_keys.set(position, links.range);
        self.enqueued.set(position, links.enqueued);
    }

    /// The place of a process group among [`Trace::groups`], added if it is new.
    pub fn group(&mut self, group: ProcessGroup) -> GroupIdx {
        let groups = &mut self.trace.groups;
        *self.groups.entry(group).or_insert_with_key(|group| {
            groups.push(group.clone());
            GroupIdx::new(groups.len() - 1)
        })
    }

    /// Says of the dispatch that was added as number `position` which collective it is. Dispatches are told of in the
    /// order in which they were added.
    pub fn tell(&mut self, position: usize, call: Option<CollectiveCall>, group: Option<GroupIdx>) {
        let calls = &mut self.calls;
        let key = *self.call_keys.entry((call, group)).or_insert_with_key(|&told| {
            calls.push(told);
            calls.len() as u64 - 1
        });
        self.told_keys.set(position, Some(key));
    }

    /// Adds a copy or fill.
    pub fn copy(
        &mut self,
        start_ns: i64,
        end_ns: i64,
        kind: CopyKind,
        stream: StreamIdx,
        bytes: Option<u64>,
        launch: Option<u64>,
    ) {
        let span = self.span(start_ns, end_ns);
        self.trace.copies.push(Copy { span, kind, stream, bytes, launch: None });
        self.copy_keys.set(self.trace.copies.len() - 1, launch);
    }

    /// Adds a launch call; `correlation` is what its dispatches carry too.
    pub fn launch(&mut self, launch: Launch, correlation: Option<u64>) {
        self.trace.launches.push(launch);
        self.launch_keys.set(self.trace.launches.len() - 1, correlation);
    }

    /// Adds a marker range; `key` is what dispatches that know their range first hand carry too.
    pub fn range(&mut self, range: Range, key: Option<u64>) {
        self.trace.ranges.push(range);
        self.range_keys.set(self.trace.ranges.len() - 1, key);
    }

    /// Counts lost records.
    pub fn loss(&mut self, cause: LossCause, count: u64) {
        if count == 0 {
            return;
        }
        match self.trace.losses.iter_mut().find(|loss| loss.cause == cause) {
            Some(loss) => loss.count += count,
            None => self.trace.losses.push(Loss { cause, count }),
        }
    }

    /// Adds a condition of the run; the same one twice is kept once, and nothing is no condition.
    pub fn condition(&mut self, kind: ConditionKind, value: impl Into<String>) {
        let condition = Condition { kind, value: value.into() };
        if !condition.value.is_empty() && self.conditions.insert(condition.clone()) {
            self.trace.conditions.push(condition);
        }
    }

    /// What stood around the run, to add to it.
    pub fn around(&mut self) -> &mut Around {
        &mut self.trace.around
    }

    /// Adds a warning; the same code and text twice is kept once.
    pub fn warn(&mut self, code: &'static str, text: impl Into<String>) {
        let warning = Warning { code, text: text.into() };
        if self.warnings.insert(warning.clone()) {
            self.trace.warnings.push(warning);
        }
    }

    /// What captures of graphs tell, to add to it.
    pub fn captured(&mut self) -> &mut Captured {
        &mut self.trace.captured
    }

    /// Notes which code object registered a kernel name.
    pub fn code_object(&mut self, kernel: NameId, uri: &str) {
        self.trace.code_objects.entry(kernel).or_insert_with(|| uri.into());
    }

    /// Notes what a code object tells of a kernel; objects of one name may differ.
    pub fn origin(&mut self, kernel: NameId, origin: &Origin) {
        origin.add_to(self.trace.origins.entry(kernel).or_default());
    }

    /// Notes how our own tracer fared in one process; several processes of a run are put together.
    pub fn capture(&mut self, info: CaptureInfo) {
        self.trace.capture = Some(match self.trace.capture.take() {
            None => info,
            Some(before) => before.join(info),
        });
    }

    /// How much was added so far: what a producer adds from here on can be looked at again with [`since`](Self::since)
    /// or taken back with [`rollback`](Self::rollback).
    #[must_use]
    pub fn mark(&self) -> Mark {
        let Trace { sources, processes, ranks, streams, dispatches, copies, ranges, launches, .. } = &self.trace;
        let mut losses = [0; LossCause::COUNT];
        for loss in &self.trace.losses {
            losses[loss.cause as usize] = loss.count;
        }
        Mark {
            sources: sources.len(),
            processes: processes.len(),
            ranks: ranks.len(),
            streams: streams.len(),
            dispatches: dispatches.len(),
            copies: copies.len(),
            ranges: ranges.len(),
            launches: launches.len(),
            warnings: self.trace.warnings.len(),
            doubtful: self.doubtful,
            losses,
        }
    }

    /// What was added since `mark`, in order, for what a producer learns late: the base of a clock, an operator's name.
    pub fn since(&mut self, mark: Mark) -> Added<'_> {
        Added {
            dispatches: &mut self.trace.dispatches[mark.dispatches..],
            copies: &mut self.trace.copies[mark.copies..],
            ranges: &mut self.trace.ranges[mark.ranges..],
            launches: &mut self.trace.launches[mark.launches..],
        }
    }

    /// Puts dispatches and copies on other streams: what a producer's numbers mean may show only at the end.
    pub fn move_streams(&mut self, moved: &HashMap<StreamIdx, StreamIdx>) {
        let to = |stream: &mut StreamIdx| moved.get(stream).into_iter().for_each(|&to| *stream = to);
        self.trace.dispatches.iter_mut().for_each(|dispatch| to(&mut dispatch.stream));
        self.trace.copies.iter_mut().for_each(|copy| to(&mut copy.stream));
    }

    /// The only GPU that was added since `mark`; `None`: there are several, or none.
    pub fn lone_rank_since(&mut self, mark: Mark) -> Option<&mut Rank> {
        match &mut self.trace.ranks[mark.ranks..] {
            [rank] => Some(rank),
            _ => None,
        }
    }

    /// The dispatches added since `mark`, and all streams by which they say where they ran.
    #[must_use]
    pub fn dispatches_since(&self, mark: Mark) -> (&[Dispatch], &[Stream]) {
        (&self.trace.dispatches[mark.dispatches..], &self.trace.streams)
    }

    /// Takes back what was added since `mark`, but for names and shapes.
    pub fn rollback(&mut self, mark: Mark) {
        self.trace.sources.truncate(mark.sources);
        self.trace.processes.truncate(mark.processes);
        self.trace.ranks.truncate(mark.ranks);
        self.trace.streams.truncate(mark.streams);
        self.streams.retain(|_, stream| stream.index() < mark.streams);
        self.trace.dispatches.truncate(mark.dispatches);
        self.dispatch_keys.truncate(mark.dispatches);
        self.dispatch_range_keys.truncate(mark.dispatches);
        self.told_keys.truncate(mark.dispatches);
        self.enqueued.truncate(mark.dispatches);
        self.trace.copies.truncate(mark.copies);
        self.copy_keys.truncate(mark.copies);
        self.trace.ranges.truncate(mark.ranges);
        self.range_keys.truncate(mark.ranges);
        self.trace.launches.truncate(mark.launches);
        self.launch_keys.truncate(mark.launches);
        for warning in self.trace.warnings.drain(mark.warnings..) {
            self.warnings.remove(&warning);
        }
        self.doubtful = mark.doubtful;
        for loss in &mut self.trace.losses {
            loss.count = mark.losses[loss.cause as usize];
        }
        self.trace.losses.retain(|loss| loss.count > 0);
    }

    /// How much was added so far.
    #[must_use]
    pub fn size(&self) -> Size {
        Size::of(&self.trace)
    }

    /// How many launch calls were added so far.
    #[must_use]
    pub fn launches(&self) -> usize {
        self.trace.launches.len()
    }

    /// The launch call that was added as number `position`, to fill in what is learnt later.
    pub fn launch_mut(&mut self, position: usize) -> &mut Launch {
        &mut self.trace.launches[position]
    }

    /// How many dispatches were added so far.
    #[must_use]
    pub fn dispatches(&self) -> usize {
        self.trace.dispatches.len()
    }

    /// Sorts everything, joins dispatches and copies to launches and ranges, and gives the trace.
    ///
    /// Correlation ids are taken to be unique in a process, so the join is by (process, id); of launches that share an
    /// id the first by start time counts.
    #[must_use]
    pub fn finish(mut self) -> Trace {
        for (code, text) in self.doubtful.warnings(self.trace.dispatches.len()) {
            self.warn(code, text);
        }
        let Trace { sources, processes, launches, ranges, dispatches, copies, streams, ranks, disorders, .. } =
            &mut self.trace;
        order_ranks(ranks, streams);
        let process_of = |stream: StreamIdx| ranks[streams[stream.index()].rank.index()].process;
        let mut windows = Windows::new(processes.len(), dispatches, |dispatch| process_of(dispatch.stream));
        for launch in launches.iter_mut() {
            launch.span = windows.cut(launch.process, launch.span);
        }
        for range in ranges.iter_mut() {
            range.span = windows.cut(range.process, range.span);
        }
        let [launch_keys] = sort_with(launches, [mem::take(&mut self.launch_keys)], |launch| launch.span);
        let outer_first = |range: &Range| (range.span.start_ns, Reverse(range.span.end_ns));
        let [range_keys] = sort_with(ranges, [mem::take(&mut self.range_keys)], outer_first);
        let mut launch_of = Index::new(launches.len(), &launch_keys, |i| launches[i].process);
        let mut range_of = Index::new(ranges.len(), &range_keys, |i| ranges[i].process);
        // Links are made before sorting, so that keys need not be sorted along.
        for (i, dispatch) in dispatches.iter_mut().enumerate() {
            let process = process_of(dispatch.stream);
            let launch = self.dispatch_keys.get(i).and_then(|key| launch_of.find(process, key));
            let range = self.dispatch_range_keys.get(i).and_then(|key| range_of.find(process, key));
            dispatch.launch = launch.map(LaunchIdx::new);
            dispatch.range = range.map(RangeIdx::new);
        }
        for (i, copy) in copies.iter_mut().enumerate() {
            let process = process_of(copy.stream);
            let launch = self.copy_keys.get(i).and_then(|key| launch_of.find(process, key));
            copy.launch = launch.map(LaunchIdx::new);
        }
        drop((launch_of, range_of));
        drop([&mut self.dispatch_keys, &mut self.dispatch_range_keys, &mut self.copy_keys].map(mem::take));
        *disorders = disorder::find(dispatches, |launch, stream| {
            let source = processes[process_of(stream).index()].source;
            launches[launch.index()].call == LaunchCall::Graph && sources[source.index()].format.pairs_by_position()
        });
        let keys = [&mut self.told_keys, &mut self.enqueued].map(mem::take);
        let [told_keys, enqueued] = sort_with(dispatches, keys, |dispatch| dispatch.span);
        let mut enqueued = enqueued.of_all(dispatches.len());
        copies.sort_by_key(|copy| copy.span);
        let before = dispatches.len() + copies.len();
        let told = |(at, key): (usize, u64)| Told::of(at, self.calls[key as usize]);
        let mut told: Vec<Told> = told_keys.iter().map(told).collect();
        if !windows.all_fit() {
            retain_with(dispatches, &mut enqueued, &mut told, |dispatch| {
                windows.takes(process_of(dispatch.stream), dispatch.span)
            });
        }
        copies.retain(|copy| windows.takes(process_of(copy.stream), copy.span));
        let impossible = before - dispatches.len() - copies.len();
        if impossible > 0 {
            self.loss(LossCause::Unreadable, impossible as u64);
            self.warn("impossible-times", impossible_times(impossible));
        }
        (self.trace.told, self.trace.enqueued) = (told, enqueued);
        self.trace
    }

    fn span(&mut self, start_ns: i64, end_ns: i64) -> Span {
        if end_ns < start_ns {
            self.doubtful.swapped += 1;
            return Span::new(end_ns, start_ns);
        }
        Span::new(start_ns, end_ns)
    }
}

#[cfg(test)]
mod tests;
