//! Drawn traces: small timelines for tests and examples, written as a picture is.

use super::{
    Launch, LaunchCall, Links, Process, ProcessIdx, Range, Rank, RankIdx, Source, Span, StreamIdx, Trace, TraceBuilder,
};

/// Shorthand with which tests draw a timeline of one process and one GPU.
///
/// ```
/// use profile_decode::model::{LaunchCall, TraceBuilder};
/// let mut draw = TraceBuilder::new().drawing();
/// draw.range("decode[bs=1]", 0, 100);
/// draw.launch(LaunchCall::Graph, 10, 20, 7);
/// draw.kernel("gemm", 30, 60, 7);
/// draw.kernel("attn", 62, 90, 7);
/// let trace = draw.finish();
/// assert_eq!(trace.dispatches.len(), 2);
/// assert!(trace.dispatches[0].launch.is_some());
/// ```
#[derive(Debug)]
pub struct Drawing {
    builder: TraceBuilder,
    process: ProcessIdx,
    rank: RankIdx,
    stream: StreamIdx,
}

impl TraceBuilder {
    /// Starts a [`Drawing`] with one process, one GPU (gfx942) and one stream.
    #[must_use]
    pub fn drawing(mut self) -> Drawing {
        let source = self.source(Source { path: "drawing".to_owned(), format: super::Format::Capture });
        let process = self.process(Process { source, pid: Some(1), host: None, framework: None });
        let rank = self.rank(Rank {
            process,
            number: Some(0),
            world_size: None,
            device: Some(0),
            gpu: None,
            arch: Some("gfx942".to_owned()),
        });
        let stream = self.stream(rank, 0);
        Drawing { builder: self, process, rank, stream }
    }
}

impl Drawing {
    /// A marker range on thread 1 of the current process.
    pub fn range(&mut self, message: &str, start_ns: i64, end_ns: i64) -> &mut Self {
        let name = self.builder.names().intern(message);
        let span = Span::new(start_ns, end_ns);
        self.builder.range(Range { span, name, process: self.process, thread: 1 }, None);
        self
    }

    /// A launch call on thread 1 of the current process.
    pub fn launch(&mut self, call: LaunchCall, start_ns: i64, end_ns: i64, correlation: u64) -> &mut Self {
        let span = Span::new(start_ns, end_ns);
        let launch = Launch { span, call, process: self.process, thread: 1, graph: None, op: None, product: None };
        self.builder.launch(launch, Some(correlation));
        self
    }

    /// A kernel on the current stream, launched by the call with `correlation`.
    pub fn kernel(&mut self, name: &str, start_ns: i64, end_ns: i64, correlation: u64) -> &mut Self {
        let name = self.builder.names().intern(name);
        let links = Links { launch: Some(correlation), ..Links::default() };
        self.builder.dispatch(start_ns, end_ns, name, self.stream, links);
        self
    }

    /// Goes on with stream `id` of the current GPU.
    pub fn on_stream(&mut self, id: u64) -> &mut Self {
        self.stream = self.builder.stream(self.rank, id);
        self
    }

    /// Goes on with a new GPU of rank `number`, in the current process.
    pub fn on_new_rank(&mut self, number: u32) -> &mut Self {
        let mut rank = self.builder.rank_mut(self.rank).clone();
        rank.number = Some(number);
        rank.device = Some(i64::from(number));
        rank.process = self.process;
        self.rank = self.builder.rank(rank);
        self.on_stream(0)
    }

    /// Goes on with a new process, whose first GPU has rank `number`.
    pub fn on_new_process(&mut self, number: u32) -> &mut Self {
        let mut process = self.builder.process_mut(self.process).clone();
        process.pid = Some(number + 1);
        self.process = self.builder.process(process);
        self.on_new_rank(number)
    }

    /// The builder underneath, for what has no shorthand.
    pub fn builder(&mut self) -> &mut TraceBuilder {
        &mut self.builder
    }

    /// The trace drawn.
    #[must_use]
    pub fn finish(self) -> Trace {
        self.builder.finish()
    }
}
