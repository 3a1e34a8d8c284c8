//! One trace event.

use super::collective::Collective;
use crate::ingest::json::{Fields, Raw};

/// The events that matter. Everything else is passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Category {
    Kernel,
    Memcpy,
    Memset,
    Runtime,
    Annotation,
    Operator,
}

impl Category {
    /// From the `cat` of an event. Spellings with a capital are those of Kineto before 2022.
    fn of(cat: &[u8]) -> Option<Self> {
        Some(match cat {
            b"kernel" | b"Kernel" => Self::Kernel,
            b"gpu_memcpy" | b"Memcpy" => Self::Memcpy,
            b"gpu_memset" | b"Memset" => Self::Memset,
            b"cuda_runtime" | b"cuda_driver" | b"hip_runtime" | b"Runtime" => Self::Runtime,
            b"user_annotation" => Self::Annotation,
            b"cpu_op" | b"Operator" => Self::Operator,
            _ => return None,
        })
    }
}

/// A complete event of a category that matters.
pub(super) struct Event<'a> {
    pub(super) category: Category,
    pub(super) name: Raw<'a>,
    pub(super) pid: Option<Raw<'a>>,
    pub(super) tid: Option<Raw<'a>>,
    pub(super) ts: Raw<'a>,
    pub(super) dur: Raw<'a>,
    pub(super) args: Args<'a>,
}

/// What came of looking at one element of `traceEvents`.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and a box would be an allocation an event")]
pub(super) enum Seen<'a> {
    Event(Event<'a>),
    /// Of no interest.
    Passed,
    /// Of no interest, and a sign of another tool that writes Chrome JSON.
    Foreign(Writer),
    /// No JSON, or of a category that matters, but without a name, a time or a duration.
    Incomplete,
}

/// Tools whose Chrome JSON is not Kineto's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Writer {
    /// rocprof v1: exact times are in `args.BeginNs`.
    RocprofV1,
    /// rpd2tracing and kin: no categories; `args.desc`.
    Rpd2Tracing,
}

impl<'a> Event<'a> {
    /// Looks at one element of `traceEvents`.
    pub(super) fn parse(element: &'a [u8]) -> Seen<'a> {
        let mut category = None;
        let (mut name, mut pid, mut tid, mut ts, mut dur, mut args) = (None, None, None, None, None, None);
        let mut known = None;
        let mut fields = Raw::new(element).fields();
        while let Some(key) = fields.key() {
            // Of an event that matters they are looked at on the way; of others they mostly come after the category.
            if key == b"args"
                && category.is_some()
                && let Some(mut inner) = fields.enter()
            {
                known = Some(Args::of(&mut inner));
                if !fields.leave(&inner) {
                    return Seen::Incomplete;
                }
                continue;
            }
            let Some(value) = fields.value() else { return Seen::Incomplete };
            match key {
                b"ph" if value.quoted() != Some(b"X") => return Seen::Passed,
                b"cat" => match value.quoted().and_then(Category::of) {
                    Some(known) => category = Some(known),
                    None => return Seen::Passed,
                },
                b"name" => name = Some(value),
                b"pid" => pid = Some(value),
                b"tid" => tid = Some(value),
                b"ts" => ts = Some(value),
                b"dur" => dur = Some(value),
                b"args" => args = Some(value),
                _ => {}
            }
        }
        if !fields.is_whole() {
            return Seen::Incomplete;
        }
        let Some(category) = category else { return foreign(args) };
        let (Some(name), Some(ts), Some(dur), Some(args)) = (name, ts, dur, known.or_else(|| Args::parse(args))) else {
            return Seen::Incomplete;
        };
        Seen::Event(Event { category, name, pid, tid, ts, dur, args })
    }
}

fn foreign<'a>(args: Option<Raw<'_>>) -> Seen<'a> {
    match args {
        Some(args) if args.get("BeginNs").is_some() => Seen::Foreign(Writer::RocprofV1),
        Some(args) if args.get("desc").is_some() => Seen::Foreign(Writer::Rpd2Tracing),
        _ => Seen::Passed,
    }
}

/// The `args` of an event that matter.
#[derive(Default)]
pub(super) struct Args<'a> {
    pub(super) device: Option<i64>,
    pub(super) stream: Option<Raw<'a>>,
    pub(super) correlation: Option<u64>,
    pub(super) external: Option<u64>,
    pub(super) bytes: Option<u64>,
    /// Sizes and types of an operator's inputs.
    pub(super) sizes: Option<Raw<'a>>,
    pub(super) types: Option<Raw<'a>>,
    /// Values of those that are no tensors.
    pub(super) values: Option<Raw<'a>>,
    /// The kernel that a call launches.
    pub(super) kernel: Option<Raw<'a>>,
    /// The rank, in files that TraceLens fused.
    pub(super) rank: Option<u32>,
    /// The process id before fusing; its presence is what makes `rank` mean that.
    pub(super) pid_raw: Option<i64>,
    pub(super) collective: Collective<'a>,
}

impl<'a> Args<'a> {
    /// `None` if they are no JSON.
    fn parse(args: Option<Raw<'a>>) -> Option<Self> {
        let Some(args) = args.filter(|args| args.is_object()) else { return Some(Self::default()) };
        let mut fields = args.fields();
        let parsed = Self::of(&mut fields);
        fields.is_whole().then_some(parsed)
    }

    /// What matters of `fields`, up to their end or to what is no JSON.
    fn of(fields: &mut Fields<'a>) -> Self {
        let mut parsed = Self::default();
        for (key, value) in fields {
            match key {
                b"device" => parsed.device = value.integer(),
                b"stream" => parsed.stream = Some(value),
                b"correlation" => parsed.correlation = value.id(),
                b"External id" | b"external id" => parsed.external = value.id(),
                b"Input Dims" | b"Input dims" => parsed.sizes = Some(value),
                b"Input type" => parsed.types = Some(value),
                b"Concrete Inputs" => parsed.values = Some(value),
                b"kernel" => parsed.kernel = Some(value),
                b"bytes" => parsed.bytes = value.id(),
                b"rank" => parsed.rank = value.id().and_then(|rank| u32::try_from(rank).ok()),
                b"Collective name" => parsed.collective.name = Some(value),
                b"Process Group Name" => parsed.collective.group = Some(value),
                b"Process Group Ranks" => parsed.collective.ranks = Some(value),
                b"Group size" => parsed.collective.size = value.id(),
                b"Global rank start" => parsed.collective.start = value.id(),
                b"Global rank stride" => parsed.collective.stride = value.id(),
                b"pid_raw" => parsed.pid_raw = value.integer(),
                _ => {}
            }
        }
        parsed
    }
}
