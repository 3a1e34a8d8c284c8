//! Decoding of frames, up to the last whole one.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use super::command;
use super::frames::{DISPATCH_BYTES, FrameKind, Frames, Next, integers};
use super::{Agent, Error, MAGIC, Meta, Status, VERSION};
use crate::model::{
    CaptureInfo, ConditionKind, Format, Launch, LaunchCall, Links, LossCause, NameId, Process, ProcessIdx, Range, Rank,
    RankIdx, Source, Span, StreamIdx, TraceBuilder,
};

/// Reads a capture file, the magic included, from `input`; `path` is what the trace will call its source.
///
/// # Errors
/// If it is not a capture file, is of a newer version, or ends before it says whose it is.
pub fn read(path: &Path, input: &mut dyn Read, builder: &mut TraceBuilder) -> Result<(), Error> {
    let mut frames = Frames::new(input);
    let mut magic = [0; MAGIC.len()];
    if !frames.fill(&mut magic).map_err(|source| Error::Io { offset: None, source })? || magic != MAGIC {
        return Err(Error::NoCapture);
    }
    let mut capture: Option<CaptureReader<'_>> = None;
    loop {
        let offset = frames.offset;
        match frames.next().map_err(|source| Error::Io { offset: Some(offset), source })? {
            Next::Frame(kind) => {
                let Some(kind) = FrameKind::from_u32(kind) else { continue };
                match &mut capture {
                    None if kind == FrameKind::Meta => {
                        capture = Some(CaptureReader::begin(path, &frames.payload, builder)?)
                    }
                    None => return Err(Error::NoMeta { offset }),
                    Some(reader) => {
                        if reader.frame(kind, &frames.payload).is_none() {
                            reader.broken_frames += 1;
                        }
                    }
                }
            }
            Next::End => break,
            Next::Torn => {
                capture.as_mut().ok_or(Error::TornMeta { offset })?.torn_at = Some(offset);
                break;
            }
        }
    }
    capture.ok_or(Error::NeverBegun)?.finish();
    Ok(())
}

/// A marker range whose end was not seen yet.
struct OpenMarker {
    name: NameId,
    thread: u64,
    start_ns: u64,
}

/// Turns the frames of one file into parts of a trace.
struct CaptureReader<'a> {
    builder: &'a mut TraceBuilder,
    meta: Meta,
    process: ProcessIdx,
    /// By handle.
    agents: HashMap<u64, Agent>,
    ranks: HashMap<u64, RankIdx>,
    streams: HashMap<(u64, u64), StreamIdx>,
    code_objects: HashMap<u64, String>,
    kernels: HashMap<u64, NameId>,
    unknown_kernels: u64,
    open: HashMap<u64, OpenMarker>,
    /// Latest time seen anywhere, at which ranges that never closed are closed.
    last_ns: u64,
    status: Status,
    ended: bool,
    torn_at: Option<u64>,
    broken_frames: u64,
}

impl<'a> CaptureReader<'a> {
    fn begin(path: &Path, payload: &[u8], builder: &'a mut TraceBuilder) -> Result<Self, Error> {
        let mut meta: Meta = serde_json::from_slice(payload).map_err(Error::Meta)?;
        // Older tracers wrote it as it was.
        meta.command = command::masked(&meta.command);
        if meta.version > VERSION {
            return Err(Error::Newer { version: meta.version });
        }
        let source = builder.source(Source { path: path.display().to_string(), format: Format::Capture });
        let (pid, host, framework) = (Some(meta.pid), meta.host.clone(), meta.framework.clone());
        let process = builder.process(Process { source, pid, host, framework });
        Ok(Self {
            builder,
            meta,
            process,
            agents: HashMap::new(),
            ranks: HashMap::new(),
            streams: HashMap::new(),
            code_objects: HashMap::new(),
            kernels: HashMap::new(),
            unknown_kernels: 0,
            open: HashMap::new(),
            last_ns: 0,
            status: Status::default(),
            ended: false,
            torn_at: None,
            broken_frames: 0,
        })
    }

    /// Takes one frame; `None` if its payload makes no sense.
    fn frame(&mut self, kind: FrameKind, payload: &[u8]) -> Option<()> {
        match kind {
            FrameKind::Meta => {}
            FrameKind::Agent => {
                let agent: Agent = serde_json::from_slice(payload).ok()?;
                self.agents.entry(agent.handle).or_insert(agent);
            }
            FrameKind::CodeObject => {
                let ([id], uri) = integers(payload)?;
                self.code_objects.insert(id, String::from_utf8_lossy(uri).into_owned());
            }
            FrameKind::Symbol => {
                let ([kernel, code_object], name) = integers(payload)?;
                let name = self.builder.names().intern(&String::from_utf8_lossy(name));
                if let Some(uri) = self.code_objects.get(&code_object) {
                    self.builder.code_object(name, uri);
                }
                self.kernels.insert(kernel, name);
            }
            FrameKind::Dispatches => {
                let (records, []) = payload.as_chunks::<DISPATCH_BYTES>() else { return None };
                for record in records {
                    let (record, _) = integers(record)?;
                    self.dispatch(record);
                }
            }
            FrameKind::RangeOpen => {
                let ([id, thread, start_ns], message) = integers(payload)?;
                let name = self.builder.names().intern(&String::from_utf8_lossy(message));
                self.open.insert(id, OpenMarker { name, thread, start_ns });
                self.last_ns = self.last_ns.max(start_ns);
            }
            FrameKind::RangeClose => {
                let ([id, end_ns], _) = integers(payload)?;
                let open = self.open.remove(&id)?;
                self.last_ns = self.last_ns.max(end_ns);
                self.range(id, &open, end_ns);
            }
            FrameKind::Launch => {
                let ([start_ns, end_ns, correlation, thread, graph, call], _) = integers(payload)?;
                let span = Span { start_ns: start_ns as i64, end_ns: end_ns.max(start_ns) as i64 };
                let call = if call == 1 { LaunchCall::Graph } else { LaunchCall::Other };
                let launch =
                    Launch { span, call, process: self.process, thread, graph: Some(graph), op: None, product: None };
                self.builder.launch(launch, Some(correlation));
            }
            FrameKind::Status => self.status = serde_json::from_slice(payload).ok()?,
            FrameKind::End => {
                self.status = serde_json::from_slice(payload).ok()?;
                self.ended = true;
            }
        }
        Some(())
    }

    fn dispatch(&mut self, record: [u64; 8]) {
        let [start_ns, end_ns, enqueued, kernel, agent, queue, range, correlation] = record;
        let rank = match self.ranks.get(&agent) {
            Some(&rank) => rank,
            None => self.rank(agent),
        };
        let builder = &mut *self.builder;
        let stream = *self.streams.entry((agent, queue)).or_insert_with(|| builder.stream(rank, queue));
        let name = *self.kernels.entry(kernel).or_insert_with(|| {
            self.unknown_kernels += 1;
            builder.names().intern(&format!("unknown kernel {kernel}"))
        });
        let range = (range != 0).then_some(range);
        let links = Links { launch: Some(correlation), range, enqueued: Some(enqueued) };
        self.last_ns = self.last_ns.max(end_ns);
        self.builder.dispatch(start_ns as i64, end_ns as i64, name, stream, links);
    }

    /// The rank of an agent, at its first dispatch: GPUs that did nothing are no ranks.
    fn rank(&mut self, handle: u64) -> RankIdx {
        let agent = self.agents.get(&handle);
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        let rank = self.builder.rank(Rank {
            process: self.process,
            number: None,
            world_size: self.meta.world_size,
            device: agent.map(|agent| i64::from(agent.gpu_index)),
            gpu: agent.and_then(|agent| text(&agent.product)),
            arch: agent.and_then(|agent| text(&agent.arch)),
        });
        if let Some(agent) = agent.filter(|agent| agent.compute_units > 0) {
            self.builder.condition(ConditionKind::ComputeUnits, agent.compute_units.to_string());
        }
        self.ranks.insert(handle, rank);
        rank
    }

    fn range(&mut self, id: u64, open: &OpenMarker, end_ns: u64) {
        let span = Span { start_ns: open.start_ns as i64, end_ns: end_ns.max(open.start_ns) as i64 };
        self.builder.range(Range { span, name: open.name, process: self.process, thread: open.thread }, Some(id));
    }

    fn finish(mut self) {
        let mut open: Vec<_> = self.open.drain().collect();
        open.sort_unstable_by_key(|(id, _)| *id);
        for (id, range) in &open {
            self.range(*id, range, self.last_ns);
        }
        self.number_ranks();
        self.tell_what_is_missing();
        self.builder.capture(CaptureInfo {
            sdk_version: self.meta.sdk_version.clone(),
            dispatch_context: self.meta.context.clone(),
            armed_by: self.meta.armed_by.clone(),
            records: self.status.records,
            steps_before_stop: self.status.steps,
            warmup_steps: self.status.warmup_steps,
            blind: self.meta.blind,
            steps_wanted: self.meta.steps,
            warmup_wanted: self.meta.warmup,
            marker: self.meta.marker.clone(),
            closed_by: if self.ended { self.status.closed_by.clone() } else { "unfinished".to_owned() },
            overhead: self.status.overhead,
        });
    }

    /// A process that drives one GPU has the rank that its launcher gave it, whatever number that GPU has for it. One
    /// that drives several numbers them by device.
    fn number_ranks(&mut self) {
        let mut ranks: Vec<RankIdx> = self.ranks.values().copied().collect();
        ranks.sort_by_key(|&rank| self.builder.rank_mut(rank).device);
        if let ([rank], Some(number)) = (&ranks[..], self.meta.rank) {
            self.builder.rank_mut(*rank).number = Some(number);
            return;
        }
        for (number, &rank) in ranks.iter().enumerate() {
            self.builder.rank_mut(rank).number = Some(number as u32);
        }
    }

    fn tell_what_is_missing(&mut self) {
        let builder = &mut *self.builder;
        for loss in &self.status.losses {
            builder.loss(loss.cause, loss.count);
        }
        builder.loss(LossCause::Unreadable, self.broken_frames);
        builder.loss(LossCause::UnknownSymbol, self.unknown_kernels);
        let pid = self.meta.pid;
        for (code, text) in &self.status.remarks {
            builder.warn(remark_code(code), format!("process {pid}: {text}"));
        }
        if let Some(offset) = self.torn_at {
            builder.warn(
                "capture-torn",
                format!("process {pid}: the capture file is cut inside a frame at byte {offset}"),
            );
        }
        if !self.ended {
            let text = format!(
                "process {pid}: the capture was not finished (the process still runs, or was killed); what came after the last \
                 snapshot, at most a second, is missing"
            );
            builder.warn("capture-unfinished", text);
        }
    }
}

/// Codes in the model are static; these are the ones that the tracer writes.
fn remark_code(code: &str) -> &'static str {
    const KNOWN: [&str; 6] = [
        "tracer-disarmed",
        "sdk-function-failed",
        "sdk-feature-missing",
        "invalid-option",
        "completions-missing",
        "output-failed",
    ];
    KNOWN.into_iter().find(|known| *known == code).unwrap_or("tracer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Trace;
    use crate::wire::{DispatchRecord, Encoder, LaunchRecord};

    /// A file with two kernels in one range on GPU 3, driven by rank 5, and one dispatch of a kernel never registered.
    fn file(ended: bool) -> Vec<u8> {
        let mut encoder = Encoder::default();
        encoder.begin(&Meta { version: VERSION, pid: 7, rank: Some(5), world_size: Some(8), ..Meta::default() });
        encoder.agent(&Agent { handle: 99, gpu_index: 3, arch: "gfx942".into(), ..Agent::default() });
        encoder.code_object(1, "file:///opt/aiter/fmoe.co");
        encoder.symbol(11, 1, "gemm.kd");
        encoder.range_open(1, 70, 100, "decode[bs=1]");
        encoder.launch(&LaunchRecord {
            start_ns: 101,
            end_ns: 110,
            correlation: 40,
            thread: 70,
            graph: 0xdead,
            call: LaunchCall::Graph,
        });
        let dispatch =
            DispatchRecord { kernel_id: 11, agent: 99, queue: 1, range: 1, correlation: 40, ..Default::default() };
        encoder.dispatches(&[
            DispatchRecord { start_ns: 300, end_ns: 400, dispatch_id: 71, ..dispatch },
            DispatchRecord { start_ns: 200, end_ns: 290, dispatch_id: 72, ..dispatch },
            DispatchRecord {
                start_ns: 410,
                end_ns: 420,
                dispatch_id: 73,
                kernel_id: 12,
                range: 0,
                correlation: 41,
                ..dispatch
            },
        ]);
        encoder.range_close(1, 150);
        if ended {
            encoder.end(&Status { records: 3, steps: 1, closed_by: "exit".into(), ..Status::default() });
        }
        encoder.buffer
    }

    fn parse(bytes: &[u8]) -> Result<Trace, Error> {
        let mut builder = TraceBuilder::new();
        read(Path::new("x.pdc"), &mut &*bytes, &mut builder)?;
        Ok(builder.finish())
    }

    #[test]
    fn what_was_written_is_read_back() {
        let trace = parse(&file(true)).unwrap();
        assert_eq!(trace.dispatches.len(), 3);
        assert_eq!(trace.dispatches[0].span, Span::new(200, 290));
        assert_eq!(trace.enqueued, [72, 71, 73], "in the order of the dispatches");
        let range = trace.ranges[trace.dispatches[0].range.unwrap().index()];
        assert_eq!((trace.names.get(range.name), range.span), ("decode[bs=1]", Span::new(100, 150)));
        assert_eq!(trace.launches[trace.dispatches[1].launch.unwrap().index()].graph, Some(0xdead));
        assert_eq!(trace.code_objects[&trace.dispatches[0].name].as_ref(), "file:///opt/aiter/fmoe.co");
        assert_eq!((trace.ranks.len(), trace.ranks[0].number, trace.ranks[0].device), (1, Some(5), Some(3)));
        assert_eq!(trace.kernel(&trace.dispatches[2]), "unknown kernel 12");
        assert_eq!(
            trace.losses.iter().map(|l| (l.cause, l.count)).collect::<Vec<_>>(),
            [(LossCause::UnknownSymbol, 1)]
        );
        assert_eq!(trace.capture.unwrap().closed_by, "exit");
        assert_eq!(trace.warnings, []);
    }

    #[test]
    fn a_file_without_an_end_is_read_and_said_to_be_unfinished() {
        let trace = parse(&file(false)).unwrap();
        assert_eq!(trace.dispatches.len(), 3);
        assert_eq!(trace.warnings.iter().map(|w| w.code).collect::<Vec<_>>(), ["capture-unfinished"]);
        assert_eq!(trace.capture.unwrap().closed_by, "unfinished");
    }

    #[test]
    fn any_prefix_is_an_error_or_a_warning() {
        let whole = file(true);
        for end in 0..whole.len() {
            match parse(&whole[..end]) {
                Ok(trace) => assert!(!trace.warnings.is_empty(), "prefix of {end} bytes looks whole"),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn a_newer_version_is_refused() {
        let mut encoder = Encoder::default();
        encoder.begin(&Meta { version: VERSION + 1, ..Meta::default() });
        assert!(matches!(parse(&encoder.buffer), Err(Error::Newer { .. })));
    }

    proptest::proptest! {
        #[test]
        fn damaged_files_never_panic(position in 0usize..900, byte: u8) {
            let mut bytes = file(true);
            let position = position % bytes.len();
            bytes[position] = byte;
            let _ = parse(&bytes);
        }
    }
}
