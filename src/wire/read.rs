//! Decoding of frames, up to the last whole one.

mod graphs;
mod marks;

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use self::graphs::{Around, Graphs};
use self::marks::Marks;
use super::command;
use super::copies::Copies;
use super::environment::Seen;
use super::frames::{COPY_BYTES, DISPATCH_BYTES, FrameKind, Frames, LAUNCH_BYTES, Next, integers};
use super::records::call_of;
use super::{Agent, Error, MAGIC, Meta, Status, VERSION};
use crate::model::{
    CaptureInfo, ConditionKind, Format, Launch, LaunchCall, Links, LossCause, NameId, Origin, Process, ProcessIdx,
    Range, Rank, RankIdx, Source, Span, StreamIdx, TraceBuilder,
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
    let mut skipped = 0;
    loop {
        let offset = frames.offset;
        match frames.next().map_err(|source| Error::Io { offset: Some(offset), source })? {
            Next::Frame(kind) => {
                let Some(kind) = FrameKind::from_u32(kind) else {
                    skipped += 1;
                    continue;
                };
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
    capture.ok_or(Error::NeverBegun)?.finish(skipped);
    Ok(())
}

/// A marker range whose end was not seen yet.
struct OpenMarker {
    name: NameId,
    thread: u64,
    start_ns: u64,
}

/// A kernel that was registered.
struct Kernel {
    name: NameId,
    code_object: u64,
    /// Whether it ran.
    ran: bool,
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
    kernels: HashMap<u64, Kernel>,
    /// What code objects tell of their kernels.
    origins: HashMap<(u64, NameId), Origin>,
    unknown_kernels: u64,
    open: HashMap<u64, OpenMarker>,
    copies: Copies,
    marks: Marks,
    graphs: Graphs,
    path: String,
    /// Latest time seen anywhere, at which ranges that never closed are closed.
    last_ns: u64,
    status: Status,
    seen: Seen,
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
            origins: HashMap::new(),
            unknown_kernels: 0,
            open: HashMap::new(),
            copies: Copies::default(),
            marks: Marks::default(),
            graphs: Graphs::default(),
            path: path.display().to_string(),
            last_ns: 0,
            status: Status::default(),
            seen: Seen::default(),
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
            FrameKind::Symbol => self.symbol(payload)?,
            FrameKind::Origins => self.origins(payload)?,
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
            FrameKind::Launch => self.launch(integers(payload)?.0),
            FrameKind::Launches => {
                let (records, []) = payload.as_chunks::<LAUNCH_BYTES>() else { return None };
                for record in records {
                    self.launch(integers(record)?.0);
                }
            }
            FrameKind::Copies => {
                let (records, []) = payload.as_chunks::<COPY_BYTES>() else { return None };
                for record in records {
                    self.last_ns = self.last_ns.max(self.copies.add(record)?);
                }
            }
            FrameKind::Graphs => self.graphs.add(payload)?,
            FrameKind::GraphChanges => self.graphs.add_changes(payload)?,
            FrameKind::Mark => {
                let (numbers, text) = integers(payload)?;
                self.marks.add(numbers, text)?;
            }
            FrameKind::Environment => self.seen.add(serde_json::from_slice(payload).ok()?),
            FrameKind::Status => self.status = serde_json::from_slice(payload).ok()?,
            FrameKind::End => {
                self.status = serde_json::from_slice(payload).ok()?;
                self.ended = true;
            }
        }
        Some(())
    }

    fn symbol(&mut self, payload: &[u8]) -> Option<()> {
        let ([kernel, code_object], name) = integers(payload)?;
        // The suffix is the symbol's, not the kernel's; rocprofv3 leaves it out as well.
        let name = name.strip_suffix(b".kd").unwrap_or(name);
        let name = self.builder.names().intern(&String::from_utf8_lossy(name));
        self.kernels.insert(kernel, Kernel { name, code_object, ran: false });
        Some(())
    }

    fn origins(&mut self, payload: &[u8]) -> Option<()> {
        let ([code_object], text) = integers(payload)?;
        let kernels: Vec<(String, Origin)> = serde_json::from_slice(text).ok()?;
        for (name, origin) in kernels {
            let name = self.builder.names().intern(&name);
            self.origins.insert((code_object, name), origin);
        }
        Some(())
    }

    /// Where the kernels that ran came from. Others may share a name with them, and came from elsewhere.
    fn place_origins(&mut self) {
        let mut ran: Vec<(&u64, &Kernel)> = self.kernels.iter().filter(|(_, kernel)| kernel.ran).collect();
        ran.sort_unstable_by_key(|(id, _)| **id);
        for (_, kernel) in ran {
            if let Some(uri) = self.code_objects.get(&kernel.code_object) {
                self.builder.code_object(kernel.name, uri);
            }
            if let Some(origin) = self.origins.get(&(kernel.code_object, kernel.name)) {
                self.builder.origin(kernel.name, origin);
            }
        }
    }

    fn launch(&mut self, [start_ns, end_ns, correlation, thread, graph, call]: [u64; 6]) {
        let span = Span { start_ns: start_ns as i64, end_ns: end_ns.max(start_ns) as i64 };
        let call = call_of(call);
        let graph = (call == LaunchCall::Graph).then_some(graph);
        let launch = Launch { span, call, process: self.process, thread, graph, op: None, product: None };
        self.builder.launch(launch, Some(correlation));
    }

    fn dispatch(&mut self, record: [u64; 8]) {
        let [start_ns, end_ns, enqueued, kernel, agent, queue, range, correlation] = record;
        let rank = match self.ranks.get(&agent) {
            Some(&rank) => rank,
            None => self.rank(agent),
        };
        let builder = &mut *self.builder;
        let stream = *self.streams.entry((agent, queue)).or_insert_with(|| builder.stream(rank, queue));
        let kernel = self.kernels.entry(kernel).or_insert_with(|| {
            self.unknown_kernels += 1;
            let name = builder.names().intern(&format!("unknown kernel {kernel}"));
            Kernel { name, code_object: 0, ran: false }
        });
        kernel.ran = true;
        let name = kernel.name;
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

    fn finish(mut self, skipped: u64) {
        let ranks = &self.ranks;
        std::mem::take(&mut self.copies).place(self.builder, |agent| ranks.get(&agent).copied());
        let kernels = |number: u64| self.kernels.get(&number).map(|kernel| kernel.name);
        let around = Around { path: &self.path, process: self.process, rank: self.meta.rank, kernel: &kernels };
        std::mem::take(&mut self.graphs).place(self.builder, &mut self.marks, &around);
        let mut open: Vec<_> = self.open.drain().collect();
        open.sort_unstable_by_key(|(id, _)| *id);
        for (id, range) in &open {
            self.range(*id, range, self.last_ns);
        }
        self.place_origins();
        let devices = self.agents.values().map(|agent| (agent.node_id, i64::from(agent.gpu_index))).collect();
        std::mem::take(&mut self.seen).tell(&self.meta, self.process, &devices, self.builder);
        self.number_ranks();
        self.tell_what_is_missing(skipped);
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

    fn tell_what_is_missing(&mut self, skipped: u64) {
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
        if skipped > 0 {
            let text =
                format!("process {pid}: {skipped} frames of the capture are of kinds that this program does not know");
            builder.warn("capture-frames-skipped", text);
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
    const KNOWN: [&str; 10] = [
        "tracer-disarmed",
        "sdk-function-failed",
        "sdk-feature-missing",
        "invalid-option",
        "completions-missing",
        "calls-missing",
        "modules-missing",
        "code-objects-unread",
        "graphs-missing",
        "output-failed",
    ];
    KNOWN.into_iter().find(|known| *known == code).unwrap_or("tracer")
}

#[cfg(test)]
mod tests;
