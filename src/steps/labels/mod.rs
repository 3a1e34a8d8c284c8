//! What a marker's message says of the step it covers.
//!
//! Serving engines name their steps in the messages of marker ranges, each in its own words and in new words every few
//! releases. The words are [data](table); this module reads a message against them:
//!
//! ```text
//!   "execute_context_2(4096)_generation_30(30)"  ──>  mixed, 32 requests, 4126 tokens
//!   "decode[bs=117/128 tok=117 p=0 d=117]"       ──>  decode, 117 requests in the graph for 128
//!   "aten::mm"                                   ──>  not a step
//! ```
//!
//! Both the offline detector and the tracer inside a server read messages here, so a step is the same thing to both.
//! Reading allocates nothing and compares a message that names no step with a handful of prefixes. Which of several labels
//! at once is the step is the business of [`Nesting`].

mod nesting;
mod pattern;
mod table;

use regex_lite::Regex;

use super::{Batch, Phase};
pub use nesting::{Nesting, Opened};
use pattern::Fields;
pub use table::{KNOWN, Known};

/// What our own tracer calls the range of what a thread launches between a step and the next. It names no step; what was
/// launched in it belongs to the step before, as whatever a trace shows to be launched there.
pub const TAIL: &str = "tail of the step";

/// How much a label is worth beside others that cover the same work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Strength {
    /// A scope within a step, which happens once in each.
    Scope,
    /// The torch profiler's own step.
    Profiler,
    /// The engine's label of a step, or the user's own pattern.
    Engine,
}

/// How a [`Known`] label tells its phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PhaseRule {
    /// Always this.
    Is(Phase),
    /// It does not tell: the step's kernels may.
    Open,
    /// Prompts `c` and generating requests `g`: one of them decode or prefill, both mixed, none dummy.
    Counts,
    /// Prefill tokens `p` and decode tokens `d` where the label has them, else decode.
    TokenKinds,
}

/// What a message says of its step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StepLabel {
    /// What the step does.
    pub phase: Phase,
    /// How much it holds.
    pub batch: Batch,
    /// The engine's own number of the step, where the label has one.
    pub sequence: Option<u32>,
    /// What the label is worth beside others.
    pub strength: Strength,
    /// Which label it is: the id in [`KNOWN`], or `custom`.
    pub id: &'static str,
}

impl StepLabel {
    /// Adds what another label of the same step tells of it.
    pub(super) fn add(&mut self, other: &Self) {
        if self.phase == other.phase {
            self.batch.size = self.batch.size.or(other.batch.size);
            self.batch.graph_size = self.batch.graph_size.or(other.batch.graph_size);
        }
    }
}

/// The labels to look for, compiled.
#[derive(Debug)]
pub struct Labels {
    custom: Option<Regex>,
}

/// A step marker pattern that is no regular expression.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the step marker pattern \"{pattern}\" is no regular expression: {error}")]
pub struct PatternError {
    pattern: String,
    error: String,
}

impl Default for Labels {
    fn default() -> Self {
        Self::known()
    }
}

impl Labels {
    /// The labels of the engines that we know.
    #[must_use]
    pub fn known() -> Self {
        Self { custom: None }
    }

    /// Only messages that match `pattern`, a regular expression (not anchored). Groups named `phase` (a phase's name
    /// or its beginning, such as `dec`), `bs`, `graph`, `tok` and `seq` are read where it has them; without `phase`
    /// every match is a decode step.
    ///
    /// # Errors
    /// If `pattern` is no regular expression.
    pub fn custom(pattern: &str) -> Result<Self, PatternError> {
        match Regex::new(pattern) {
            Ok(regex) => Ok(Self { custom: Some(regex) }),
            Err(error) => Err(PatternError { pattern: pattern.to_owned(), error: error.to_string() }),
        }
    }

    /// What `message` says of its step; `None`: it names no step.
    #[must_use]
    pub fn parse(&self, message: &str) -> Option<StepLabel> {
        self.parse_bytes(message.as_bytes())
    }

    /// The same of a message that need not be UTF-8. Nothing is allocated for a known label or what is none; a user's regular
    /// expression takes as long as it takes, and a copy of what is not UTF-8.
    #[must_use]
    pub fn parse_bytes(&self, message: &[u8]) -> Option<StepLabel> {
        match &self.custom {
            Some(regex) => custom_label(regex, &String::from_utf8_lossy(message)),
            None if !may_begin(message) => None,
            None => KNOWN.iter().find_map(|known| {
                let fields = pattern::read(known.pattern, message)?;
                known.step.map(|(strength, rule)| label(known.id, strength, rule, &fields))
            }),
        }
    }

    /// Whether `message` tells that graphs are being captured: everything until its end is warm-up.
    #[must_use]
    pub fn is_capture(&self, message: &str) -> bool {
        self.custom.is_none()
            && KNOWN.iter().any(|known| known.step.is_none() && pattern::read(known.pattern, message).is_some())
    }
}

/// Whether any known label begins as `message` does: few messages do.
fn may_begin(message: &[u8]) -> bool {
    /// The first bytes of known labels.
    const FIRST: [bool; 256] = {
        let mut first = [false; 256];
        let mut at = 0;
        while at < KNOWN.len() {
            let byte = KNOWN[at].pattern.as_bytes()[0];
            assert!(byte != b'{', "a label begins with what it is called by");
            first[byte as usize] = true;
            at += 1;
        }
        first
    };
    message.first().is_some_and(|&byte| FIRST[usize::from(byte)])
}

/// How many tokens a generating request of the step has behind it, the mean of its requests, where `message` tells:
/// `execute_32_context_0(…)_generation_32(sq32sk55086…)` has 32 requests of 1721 tokens.
#[must_use]
pub fn context_of_requests(message: &str) -> Option<u64> {
    let (_, generation) = message.split_once("_generation_")?;
    let (requests, lengths) = generation.split_once("(sq")?;
    let (_, length) = lengths.split_once("sk")?;
    let digits = length.find(|c: char| !c.is_ascii_digit()).unwrap_or(length.len());
    let tokens: u64 = length[..digits].parse().ok()?;
    tokens.checked_div(requests.parse().ok()?)
}

fn label(id: &'static str, strength: Strength, rule: PhaseRule, fields: &Fields) -> StepLabel {
    let context = fields.get('c').or(fields.get('n'));
    let generation = fields.get('g').or(fields.get('m'));
    let kinds = |prompts: Option<u32>, generating: Option<u32>| match (prompts, generating) {
        (Some(0), Some(0)) => Phase::Dummy,
        (Some(0) | None, _) => Phase::Decode,
        (Some(_), Some(0) | None) => Phase::Prefill,
        (Some(_), Some(_)) => Phase::Mixed,
    };
    let phase = match rule {
        PhaseRule::Is(phase) => phase,
        PhaseRule::Open => Phase::Unknown,
        PhaseRule::Counts => kinds(context, generation),
        PhaseRule::TokenKinds => match (fields.get('p'), fields.get('d')) {
            // A label that counts no token of either kind does not say that the step is empty.
            (Some(0), Some(0)) => Phase::Decode,
            (prompts, generating) => kinds(prompts, generating),
        },
    };
    let sum = |a: Option<u32>, b: Option<u32>| match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
    };
    let size = fields.get('b').or_else(|| sum(context, generation));
    let counted = sum(fields.get('C'), fields.get('G'));
    let tokens = counted.or(fields.get('t'));
    // A total beyond the tokens that the label itemises is padding up to the graph's bucket.
    let padded = fields.get('t').filter(|&total| counted.is_some_and(|counted| total > counted));
    let batch = Batch { size, graph_size: fields.get('B').or(padded), tokens: tokens.filter(|_| tokens != size) };
    StepLabel { phase, batch, sequence: fields.get('#'), strength, id }
}

fn custom_label(regex: &Regex, message: &str) -> Option<StepLabel> {
    let found = regex.captures(message)?;
    let number = |group: &str| found.name(group).and_then(|text| text.as_str().parse().ok());
    let phase = found.name("phase").map_or(Phase::Decode, |text| phase_of_word(text.as_str()));
    let (size, tokens) = (number("bs"), number("tok"));
    let batch = Batch { size, graph_size: number("graph"), tokens: tokens.filter(|_| tokens != size) };
    Some(StepLabel { phase, batch, sequence: number("seq"), strength: Strength::Engine, id: "custom" })
}

/// The phase that a word means; decode if it is none we know.
fn phase_of_word(word: &str) -> Phase {
    const WORDS: [(&str, Phase); 8] = [
        ("prefill", Phase::Prefill),
        ("extend", Phase::Prefill),
        ("context", Phase::Prefill),
        ("mixed", Phase::Mixed),
        ("draft", Phase::Draft),
        ("dummy", Phase::Dummy),
        ("idle", Phase::Dummy),
        ("decode", Phase::Decode),
    ];
    let same = |a: &str, b: &str| {
        a.len() >= 3 && b.len() >= a.len() && b.as_bytes()[..a.len()].eq_ignore_ascii_case(a.as_bytes())
    };
    WORDS.iter().find(|(known, _)| same(word, known) || same(known, word)).map_or(Phase::Decode, |&(_, phase)| phase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_label_reads_its_own_example_and_no_label_before_it_does() {
        for (place, known) in KNOWN.iter().enumerate() {
            let first = KNOWN.iter().position(|other| pattern::read(other.pattern, known.example).is_some());
            assert_eq!(first, Some(place), "{}: {}", known.id, known.example);
            assert_eq!(KNOWN.iter().filter(|other| other.id == known.id).count(), 1, "{} twice", known.id);
        }
    }

    fn read(message: &str) -> (Phase, Option<u32>, Option<u32>, Option<u32>) {
        let label = Labels::known().parse(message).unwrap_or_else(|| panic!("{message} is no step"));
        (label.phase, label.batch.size, label.batch.graph_size, label.batch.tokens)
    }

    #[test]
    fn vllm_labels_of_all_generations_tell_phase_and_size() {
        assert_eq!(read("execute_new_0_cached_12"), (Phase::Decode, Some(12), None, None));
        assert_eq!(read("execute_new_2_cached_12"), (Phase::Mixed, Some(14), None, None));
        assert_eq!(read("execute_new_2_cached_0"), (Phase::Prefill, Some(2), None, None));
        assert_eq!(read("execute_context_0(0)_generation_32(32)"), (Phase::Decode, Some(32), None, None));
        assert_eq!(read("execute_context_0(0)_generation_32(128)"), (Phase::Decode, Some(32), None, Some(128)));
        assert_eq!(read("execute_context_1(888_788544)_generation_0(0)"), (Phase::Prefill, Some(1), None, Some(888)));
        assert_eq!(read("execute_context_2(4096)_generation_30(30)"), (Phase::Mixed, Some(32), None, Some(4126)));
        assert_eq!(read("execute_context_0(0)_generation_0(0)").0, Phase::Dummy);
        let detailed = "execute_32_context_0(sq0sk0sqsq0sqsk0)_generation_32(sq32sk55086sqsq32sqsk55086)";
        assert_eq!(read(detailed), (Phase::Decode, Some(32), None, None));
        assert_eq!(context_of_requests(detailed), Some(1721));
        assert_eq!(context_of_requests("execute_context_0(0)_generation_32(32)"), None);
        assert_eq!(context_of_requests("execute_0_context_0(sq0sk0sqsq0sqsk0)_generation_0(sq0sk0sqsq0sqsk0)"), None);
        let padded = "execute_40_context_0(sq0sk0sqsq0sqsk0)_generation_33(sq33sk9sqsq33sqsk9)";
        assert_eq!(read(padded), (Phase::Decode, Some(33), Some(40), None));
    }

    #[test]
    fn sglang_labels_tell_the_forward_mode() {
        assert_eq!(read("step[DECODE bs=64]"), (Phase::Decode, Some(64), None, None));
        assert_eq!(read("step[TARGET_VERIFY bs=8]").0, Phase::Decode);
        assert_eq!(read("step[EXTEND bs=15 toks=15360]"), (Phase::Prefill, Some(15), None, Some(15360)));
        assert_eq!(read("step[MIXED bs=9 toks=700]").0, Phase::Mixed);
        assert_eq!(read("step[IDLE bs=0]").0, Phase::Dummy);
        assert_eq!(read("step[DRAFT_EXTEND bs=8]").0, Phase::Draft);
        assert_eq!(read("draft_extend").0, Phase::Draft);
        assert_eq!(read("step[SOMETHING_NEW bs=8]"), (Phase::Mixed, Some(8), None, None));
    }

    #[test]
    fn atom_dummies_and_drafts_are_not_decode() {
        assert_eq!(read("decode[bs=32 tok=32 p=0 d=32]"), (Phase::Decode, Some(32), None, None));
        let padded = read("decode[bs=117/128 tok=117 p=0 d=117 spec=0 tbo=1]");
        assert_eq!(padded, (Phase::Decode, Some(117), Some(128), None));
        assert_eq!(read("decode[bs=4 tok=68 p=64 d=4]"), (Phase::Mixed, Some(4), None, Some(68)));
        assert_eq!(read("eager_decode[bs=2 tok=2]").0, Phase::Decode);
        assert_eq!(read("prefill[bs=2 tok=900 ctx=0]"), (Phase::Prefill, Some(2), None, Some(900)));
        assert_eq!(read("draft[1/3 bs=16]"), (Phase::Draft, Some(16), None, None));
        for dummy in ["dummy_decode[bs=1]", "dummy_eager_decode[bs=1 tok=1]", "dummy_prefill[bs=1 tok=8]"] {
            assert_eq!(read(dummy).0, Phase::Dummy, "{dummy}");
        }
    }

    #[test]
    fn other_messages_are_no_steps() {
        for message in [
            "",
            "aten::mm",
            "decode",
            "prefill",
            "step",
            "execute_model",
            "nccl:all_reduce",
            "ProfilerStep",
            "capture_32_FULL",
            "capture_graph_bs_8",
            "## Call CompiledFxGraph fjs75 ##",
            "ProfilerStep#",
            "execute_new_x_cached_1",
            "gpu_model_runner: sample",
        ] {
            assert_eq!(Labels::known().parse(message), None, "{message}");
        }
    }

    #[test]
    fn numbers_beyond_32_bits_do_not_hide_the_step() {
        let label = "execute_8_context_0(sq0sk0sqsq0sqsk0)_generation_8(sq8sk99999999999sqsq8sqsk99999999999999999999)";
        assert_eq!(read(label), (Phase::Decode, Some(8), None, None));
    }

    #[test]
    fn captures_are_told_from_steps() {
        for message in ["capture_32_FULL", "capture_8_PIECEWISE", "capture_16_DECODE", "capture_graph_bs_8"] {
            assert!(Labels::known().is_capture(message), "{message}");
        }
        assert!(!Labels::known().is_capture("step[DECODE bs=1]"));
    }

    #[test]
    fn an_own_pattern_replaces_the_known_labels_and_may_name_the_parts() {
        let labels = Labels::custom(r"^my_(?<phase>\w+?)_bs(?<bs>\d+)").unwrap();
        let label = labels.parse("my_prefill_bs12").unwrap();
        assert_eq!((label.phase, label.batch.size), (Phase::Prefill, Some(12)));
        assert_eq!(labels.parse("my_dec_bs12").unwrap().phase, Phase::Decode);
        assert_eq!(labels.parse("step[DECODE bs=1]"), None);
        assert!(Labels::custom("(").unwrap_err().to_string().contains("no regular expression"));
    }
}
