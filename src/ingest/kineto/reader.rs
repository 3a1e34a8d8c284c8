//! From events to the model.

use std::collections::HashMap;
use std::path::Path;

use super::collective::Collectives;
use super::event::{Category, Event, Seen, Writer};
use super::header::{Header, rank_of_path, tensor_rank};
use super::product::{Around, product};
use super::recorded::{self, Recorded};
use crate::ingest::gpus::Gpus;
use crate::ingest::json::{Fault, Json, Raw, Unreadable};
use crate::ingest::launch::launch_call;
use crate::ingest::{Error, ErrorKind};
use crate::model::{
    CapturedGraph, CopyKind, Format, Launch, LaunchCall, Links, LossCause, Mark, NameId, Process, ProductIdx, Range,
    Source, SourceIdx, Span, StreamIdx, TraceBuilder, size_in,
};

/// Operators whose names are kept for the launches they make: 16 bytes each, and 40 more for products.
const MAX_OPERATORS: usize = 4 << 20;

/// Reads the events of one file into a [`TraceBuilder`].
pub(in crate::ingest) struct Reader<'b> {
    builder: &'b mut TraceBuilder,
    path: &'b Path,
    mark: Mark,
    source: SourceIdx,
    pub(super) header: Header,
    groups: Vec<Group>,
    /// Positions in `groups`, by rank and label.
    group_of: HashMap<(Option<u32>, Box<[u8]>), usize>,
    /// The group of the last event.
    group: usize,
    /// Names and products of CPU operators, and the operator of each launch since `mark`.
    operators: Vec<(OperatorKey, NameId, Option<ProductIdx>)>,
    around: Around,
    operators_dropped: bool,
    launched_by: Vec<OperatorKey>,
    collectives: Collectives<OperatorKey>,
    unreadable: Unreadable,
    foreign: Option<Writer>,
    /// Where captures of graphs are read, and nothing else.
    recorded: Option<Recorded>,
}

/// One rank's events in a file that may hold several.
struct Group {
    /// `args.rank`, in files that TraceLens fused.
    rank: Option<u32>,
    /// The beginning of the process id in files that SGLang merged, e.g. `TP03-DP00`; else empty.
    label: Box<[u8]>,
    /// A launch has told the process id.
    pid_known: bool,
    gpus: Gpus<Option<i64>>,
}

/// Group and `External id` of an operator; 0 is no operator's id.
type OperatorKey = (u32, u32);

impl<'b> Reader<'b> {
    /// A reader of the file at `path`.
    pub(in crate::ingest) fn new(path: &'b Path, builder: &'b mut TraceBuilder) -> Self {
        let mark = builder.mark();
        let source = builder.source(Source { path: path.display().to_string(), format: Format::Kineto });
        Self {
            builder,
            path,
            mark,
            source,
            header: Header::default(),
            groups: Vec::new(),
            group_of: HashMap::new(),
            group: 0,
            operators: Vec::new(),
            around: Around::default(),
            operators_dropped: false,
            launched_by: Vec::new(),
            collectives: Collectives::default(),
            unreadable: Unreadable::default(),
            foreign: None,
            recorded: None,
        }
    }

    /// A reader of the captures of graphs in the file at `path`.
    pub(in crate::ingest) fn of_captures(path: &'b Path, builder: &'b mut TraceBuilder) -> Self {
        Self { recorded: Some(Recorded::default()), ..Self::new(path, builder) }
    }

    /// Ends a file of captures: its graphs. Nothing else of it stays.
    pub(in crate::ingest) fn finish_captures(mut self) -> Vec<CapturedGraph> {
        let recorded = self.recorded.take().unwrap_or_default();
        let rank = self.header.rank.or_else(|| rank_of_path(self.path));
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let bucket = name.starts_with("bs_").then(|| size_in(&name)).flatten();
        let works = &mut self.builder.captured().works;
        let graphs = recorded.graphs(&self.path.display().to_string(), rank, bucket, works);
        self.builder.rollback(self.mark);
        graphs
    }

    /// Forgets the file: it is not Kineto's.
    pub(in crate::ingest) fn abandon(self) -> &'b mut TraceBuilder {
        self.builder.rollback(self.mark);
        self.builder
    }

    /// Reads the array of events that comes next. False if the file ended in it.
    pub(super) fn events(&mut self, json: &mut Json) -> bool {
        let mut unreadable = self.unreadable;
        let read = json.elements(&mut unreadable, |element| self.event(element));
        self.unreadable = unreadable;
        if let Err(fault) = read {
            self.unfinished(json, fault);
        }
        read.is_ok()
    }

    /// Notes that the file ended, or made no sense any more, after events were read.
    pub(super) fn unfinished(&mut self, json: &Json, fault: Fault) {
        let at = json.offset();
        let path = self.path.display();
        let text = match (json.cut(), fault) {
            (Some(reason), _) => format!("{path}: read up to byte {at} only: {reason}; later events are missing"),
            (None, Fault::Cut) => format!("{path}: ends at byte {at} without an end; later events may be missing"),
            (None, _) => {
                format!("{path}: read up to byte {at} only: what follows is not JSON; later events are missing")
            }
        };
        self.builder.warn("cut-short", text);
    }

    /// Ends the file: fills in what the header told, wherever it stood.
    ///
    /// # Errors
    /// If there was no GPU work in it.
    pub(in crate::ingest) fn finish(mut self) -> Result<(), Error> {
        let added = self.builder.since(self.mark);
        if added.dispatches.is_empty() && added.copies.is_empty() {
            let error = self.nothing_found();
            self.builder.rollback(self.mark);
            return Err(error);
        }
        let base = self.header.base_ns;
        let shift = |span: &mut Span| {
            span.start_ns = span.start_ns.saturating_add(base);
            span.end_ns = span.end_ns.saturating_add(base);
        };
        added.dispatches.iter_mut().for_each(|dispatch| shift(&mut dispatch.span));
        added.copies.iter_mut().for_each(|copy| shift(&mut copy.span));
        added.ranges.iter_mut().for_each(|range| shift(&mut range.span));
        self.operators.sort_unstable();
        self.around.nest();
        for (launch, by) in added.launches.iter_mut().zip(&self.launched_by) {
            let first = self.operators.partition_point(|(key, ..)| key < by);
            let op = self.operators.get(first).filter(|(key, ..)| key == by && key.1 != 0);
            launch.op = op.map(|&(_, name, _)| name);
            // What a graph replays was launched by other operators, when it was captured.
            if !matches!(launch.call, LaunchCall::Graph | LaunchCall::Memory) {
                let around = || self.around.find(by.0, launch.thread, launch.span.start_ns);
                launch.product = op.and_then(|op| op.2).or_else(around);
            }
            shift(&mut launch.span);
        }
        self.name_ranks();
        std::mem::take(&mut self.collectives).tell(&self.header.groups, self.builder);
        self.header.tell_conditions(self.builder);
        self.warn();
        Ok(())
    }

    fn name_ranks(&mut self) {
        let alone = self.groups.len() == 1 && self.groups[0].gpus.ranks().len() == 1;
        let of_file = self.header.rank.or_else(|| rank_of_path(self.path)).filter(|_| alone);
        for group in &self.groups {
            let number = match (group.rank, &*group.label) {
                (Some(rank), _) => Some(rank),
                (None, []) => of_file,
                (None, label) => tensor_rank(&String::from_utf8_lossy(label)),
            };
            for &(device, rank) in group.gpus.ranks() {
                let rank = self.builder.rank_mut(rank);
                rank.device = device;
                (rank.gpu, rank.arch) = self.header.gpu(device);
                rank.number = number.filter(|_| group.gpus.ranks().len() == 1);
                rank.world_size = self.header.world_size;
            }
        }
    }

    fn warn(&mut self) {
        let path = self.path.display();
        if let Unreadable { count, first: Some(at) } = self.unreadable {
            self.builder.loss(LossCause::Unreadable, count);
            let text = format!("{path}: {count} events could not be read, the first at byte {at}");
            self.builder.warn("unreadable-events", text);
        }
        if self.operators_dropped {
            let text = format!("{path}: more CPU operators than are kept; later launches do not name theirs");
            self.builder.warn("operators-dropped", text);
        }
    }

    fn nothing_found(&self) -> Error {
        let error = |kind, message: &str| Error::new(kind, self.path, message);
        match self.foreign {
            Some(Writer::RocprofV1) => error(ErrorKind::UnknownFormat, "a Chrome trace of rocprof v1 is not read")
                .hint("record with rocprofv3, or use the results.db of the run with a tool of its time"),
            Some(Writer::Rpd2Tracing) => error(ErrorKind::UnknownFormat, "a Chrome trace made from an RPD is not read")
                .hint("give the .rpd or .db file it was made from"),
            None if self.unreadable.count > 0 => {
                error(ErrorKind::Malformed, "no event of GPU work could be read").at(self.unreadable.first.unwrap_or(0))
            }
            None => error(ErrorKind::Empty, "there is no GPU work in this trace")
                .hint("was it recorded with ProfilerActivity.CUDA, and is it a worker's trace, not the front end's?"),
        }
    }

    /// Takes in one element. False if it mattered and could not be read.
    fn event(&mut self, element: &[u8]) -> bool {
        match Event::parse(element) {
            Seen::Event(event) => self.take(&event).is_some(),
            Seen::Passed => true,
            Seen::Foreign(writer) => {
                self.foreign = Some(writer);
                true
            }
            Seen::Incomplete => false,
        }
    }

    fn take(&mut self, event: &Event<'_>) -> Option<()> {
        let start_ns = event.ts.micros_as_ns()?;
        let end_ns = start_ns.checked_add(event.dur.micros_as_ns()?)?;
        let name = event.name.text()?;
        if self.recorded.is_some() {
            self.enter_group(event);
        }
        if let Some(recorded) = &mut self.recorded {
            recorded.take(event, &name, self.group as u32, [start_ns, end_ns], self.builder);
            return Some(());
        }
        match event.category {
            Category::Operator => self.operator(event, &name, start_ns, end_ns),
            Category::Annotation => {
                self.enter_group(event);
                let name = self.builder.names().intern(&name);
                let span = ordered(start_ns, end_ns);
                let range =
                    Range { span, name, process: self.groups[self.group].gpus.process(), thread: thread(event) };
                self.builder.range(range, None);
            }
            Category::Runtime => {
                let Some(call) = launch_call(&name) else { return Some(()) };
                self.enter_group(event);
                self.learn_pid(event);
                let process = self.groups[self.group].gpus.process();
                let span = ordered(start_ns, end_ns);
                let launch =
                    Launch { span, call, process, thread: thread(event), graph: None, op: None, product: None };
                self.builder.launch(launch, event.args.correlation);
                self.launched_by.push(self.operator_key(event));
            }
            Category::Kernel => {
                let stream = self.stream(event);
                let name = self.builder.names().intern(&name);
                let links = Links { launch: event.args.correlation, ..Links::default() };
                let number = self.builder.dispatches();
                let operator = Some(self.operator_key(event)).filter(|key| key.1 != 0);
                self.collectives.kernel(number, operator, &event.args.collective);
                self.builder.dispatch(start_ns, end_ns, name, stream, links);
            }
            Category::Memcpy | Category::Memset => {
                let stream = self.stream(event);
                let kind = if event.category == Category::Memset { CopyKind::Fill } else { copy_kind(&name) };
                self.builder.copy(start_ns, end_ns, kind, stream, event.args.bytes, event.args.correlation);
            }
        }
        Some(())
    }

    fn operator(&mut self, event: &Event<'_>, name: &str, start_ns: i64, end_ns: i64) {
        self.enter_group(event);
        self.collectives.operator(self.operator_key(event), &event.args.collective);
        if self.operators.len() >= MAX_OPERATORS {
            self.operators_dropped = true;
            return;
        }
        let product = event.args.sizes.and_then(|sizes| product(name, sizes, event.args.types));
        let product = product.map(|product| self.builder.product(product));
        let name = self.builder.names().intern(name);
        if let Some(product) = product {
            let arguments = recorded::arguments(&event.args, self.builder);
            self.builder.captured().tell(name, product, arguments);
        }
        let key = self.operator_key(event);
        self.operators.push((key, name, product));
        if let Some(product) = product {
            self.around.add(key.0, thread(event), start_ns, end_ns, product);
        }
    }

    fn operator_key(&self, event: &Event<'_>) -> OperatorKey {
        (self.group as u32, event.args.external.and_then(|id| u32::try_from(id).ok()).unwrap_or(0))
    }

    fn stream(&mut self, event: &Event<'_>) -> StreamIdx {
        self.enter_group(event);
        let id = event.args.stream.or(event.tid).and_then(Raw::id).unwrap_or(0);
        let device = event.args.device.or_else(|| event.pid.and_then(process_id));
        self.groups[self.group].gpus.stream(self.builder, device, id)
    }

    /// Makes `self.group` the group of `event`.
    fn enter_group(&mut self, event: &Event<'_>) {
        let rank = event.args.rank.filter(|_| event.args.pid_raw.is_some());
        let label = match event.pid.and_then(Raw::quoted) {
            Some([b'[', inner @ ..]) => memchr::memchr(b']', inner).map_or(&[][..], |end| &inner[..end]),
            _ => &[],
        };
        // Nearly all files hold one rank, whose label is empty.
        let same = |known: &[u8]| known.len() == label.len() && (label.is_empty() || known == label);
        let is = |group: &Group| group.rank == rank && same(&group.label);
        if self.groups.get(self.group).is_some_and(is) {
            return;
        }
        self.group = *self.group_of.entry((rank, label.into())).or_insert_with(|| {
            let process = Process { source: self.source, pid: None, host: None, framework: None };
            let process = self.builder.process(process);
            self.groups.push(Group { rank, label: label.into(), pid_known: false, gpus: Gpus::new(process) });
            self.groups.len() - 1
        });
    }

    /// The process that launches is the process.
    fn learn_pid(&mut self, event: &Event<'_>) {
        let group = &mut self.groups[self.group];
        if !group.pid_known {
            let pid = event.args.pid_raw.or_else(|| event.pid.and_then(process_id));
            self.builder.process_mut(group.gpus.process()).pid = pid.and_then(|pid| u32::try_from(pid).ok());
            group.pid_known = true;
        }
    }
}

/// The number in a process id: `251`, `"251"` or `"[TP03-DP00] 251"`.
fn process_id(pid: Raw<'_>) -> Option<i64> {
    pid.integer().or_else(|| {
        let text = pid.text()?;
        text.rsplit(' ').next()?.parse().ok()
    })
}

fn thread(event: &Event<'_>) -> u64 {
    event.tid.and_then(Raw::id).unwrap_or(0)
}

fn ordered(start_ns: i64, end_ns: i64) -> Span {
    Span::new(start_ns.min(end_ns), start_ns.max(end_ns))
}

/// What a copy moved, by its name: `Memcpy HtoD (Pinned -> Device)`, `CopyHostToDevice`.
fn copy_kind(name: &str) -> CopyKind {
    let has = |parts: [&str; 2]| parts.iter().any(|part| name.contains(part));
    if has(["HtoD", "HostToDevice"]) {
        CopyKind::HostToDevice
    } else if has(["DtoH", "DeviceToHost"]) {
        CopyKind::DeviceToHost
    } else if has(["DtoD", "DeviceToDevice"]) || name.contains("PtoP") {
        CopyKind::DeviceToDevice
    } else {
        CopyKind::Unknown
    }
}
