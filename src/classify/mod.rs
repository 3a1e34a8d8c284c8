//! What a kernel is for, told from its name and what is known of how it was launched.
//!
//! The report is worth what its labels are worth, and AMD's kernel names come from a dozen generators with habits of
//! their own. Three decisions carry the module:
//!
//! * **Words, not substrings.** A name, in whatever spelling, is taken apart once ([`name`]) and rules ask for its
//!   words ([`words`]): `conv` never matches `convert_element_type`, `roll` never matches `manual_unroll`.
//! * **Purpose and maker are two questions.** `fused_moe_kernel` is an expert GEMM whoever wrote it, and `_ZN2ck…` is
//!   Composable Kernel whatever it does. Rules of a family answer both; the others answer one, so that a kernel nobody
//!   has seen yet keeps the half that its name gives away.
//! * **Rules are data** (`rules/*.rules`, language in [`table`]) with an id, an example and a source each, compiled once
//!   ([`matcher`]). The first that holds decides and is cited in the verdict; users put theirs in front.
//!
//! What a name leaves open, the [`Context`] may settle ([`context`]): the file of the source, the code object, the launching
//! call, the operator, the kernel that ran before. The rule cited says so. Nothing else goes in, so a live capture and a report made from
//! its file agree. What no rule knows is `other/unknown`: a guess would not be honest.
//!
//! Rejected: regular expressions over the whole name (a list ordered by hand is wrong on a quarter of the names seen in
//! traces, and nobody can tell why), and a table of known names (names carry tile sizes: there are millions).

mod catalogue;
mod context;
mod demangle;
mod dtype;
mod explain;
mod facts;
mod index;
mod mangled;
mod matcher;
mod mistake;
mod name;
mod ruleset;
mod source;
mod spelling;
mod table;
mod verdict;
pub mod vocabulary;
mod words;

use std::borrow::Cow;
use std::sync::Arc;

pub use explain::{Explanation, Found, Tried};
pub use index::{Index, IndexError, IndexedFile};
pub use mistake::{Mistake, RuleError};
pub use table::{Near, Purpose, Rule};
pub use verdict::{Category, Classes, Confidence, Context, Evidence, Traits, Verdict};

use crate::model::Trace;
use name::Name;
use ruleset::{Draft, Ruleset};

/// The identifiers that `given` is made of, the outermost namespace first: its path, its base, and what stands inside its
/// template arguments and parameters. The same for every spelling of a name (mangled, demangled, with a suffix), so that
/// kernels of two builds can be compared.
#[must_use]
pub fn identifiers(given: &str) -> Vec<String> {
    let name = Name::parse(given);
    name.path.iter().chain([&name.base]).chain(&name.inner).map(|&word| word.to_owned()).collect()
}

/// The readable form of a mangled name; `None` for a name that is readable already. No verdict needs it, and it costs more
/// than one, so it is made for the names that are shown.
#[must_use]
pub fn demangled(given: &str) -> Option<String> {
    demangle::readable(&Name::parse(given))
}

/// Tells what kernels are.
#[derive(Debug)]
pub struct Classifier {
    rules: Ruleset,
    /// Where kernels stand whose source nothing else tells; the first that knows a name counts.
    indexes: Vec<(Evidence, Arc<Index>)>,
}

impl Classifier {
    /// The rules that come with the program.
    #[must_use]
    pub fn builtin() -> Self {
        Self { rules: Ruleset::builtin(), indexes: Vec::new() }
    }

    /// The user's rules, which are asked first, and then those that come with the program. `text` is a table in the
    /// language that [`table`](self) describes; the built-in classes of words (`@norm`, `@gemm`, …) may be used.
    ///
    /// # Errors
    /// Every mistake in `text`, with its line.
    pub fn with_rules(text: &str) -> Result<Self, Vec<RuleError>> {
        Ok(Self { rules: Ruleset::with_rules(text)?, indexes: Vec::new() })
    }

    /// The same, told where the kernels of the user's installation stand.
    #[must_use]
    pub fn with_index(mut self, index: Index) -> Self {
        self.indexes.insert(0, (Evidence::Index, Arc::new(index)));
        self
    }

    /// The same, told where the kernels of known packages stand: the catalogue that comes with the program, which is asked last.
    #[must_use]
    pub fn with_catalogue(self) -> Self {
        self.knowing_shared(catalogue::builtin())
    }

    /// The same, with a catalogue of one's own.
    #[must_use]
    pub fn knowing(self, catalogue: Index) -> Self {
        self.knowing_shared(Arc::new(catalogue))
    }

    fn knowing_shared(mut self, catalogue: Arc<Index>) -> Self {
        self.indexes.push((Evidence::Catalogue, catalogue));
        self
    }

    /// Of `index`, what is worth a place in the catalogue: names that tell less by themselves than with their file, that say
    /// nothing else, and that no other package's kernel is likely to have.
    #[must_use]
    pub fn catalogue_of(&self, index: &Index) -> Index {
        let with_all = Self { rules: self.rules.clone(), indexes: vec![(Evidence::Index, Arc::new(index.clone()))] };
        Index::new(catalogue::keeping(index.files(), |_, name| {
            let alone = self.classify(name, &Context::default());
            let told = with_all.classify(name, &Context::default());
            let same = told.category == alone.category && told.sub == alone.sub && told.backend == alone.backend;
            let fits = alone.is_unknown() || alone.category == told.category;
            !same && fits && catalogue::is_telling(name)
        }))
    }

    /// The rules that `keep` says yes to, and no index: what names become without the others tells how these do on names that nobody has
    /// written a rule for.
    #[must_use]
    pub fn retaining(&self, keep: impl Fn(&Rule) -> bool) -> Self {
        Self { rules: self.rules.retaining(keep), indexes: Vec::new() }
    }

    /// All rules in the order in which they are asked: those that tell a purpose, then those that tell only a backend.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// What `name` is. Never fails and never panics, whatever the name; time is bounded by the length of what is read
    /// of it (1.5 KiB).
    #[must_use]
    pub fn classify(&self, name: &str, context: &Context<'_>) -> Verdict {
        let name = Name::parse(name);
        verdict(&name, context, self.draft(&name, context))
    }

    /// Classifies `name` and tells why.
    #[must_use]
    pub fn explain(&self, name: &str, context: &Context<'_>) -> Explanation {
        let name = Name::parse(name);
        let draft = self.draft(&name, context);
        let mut told = Explanation::new(&self.rules, &name, verdict(&name, context, draft));
        told.found = self.files(&name).map_or_else(Vec::new, |(_, files)| files.into_iter().map(Found::new).collect());
        told
    }

    /// What the rules say of a name, improved by what else is known.
    fn draft<'a>(&'a self, name: &Name<'_>, context: &Context<'_>) -> Draft<'a> {
        let mut draft = self.rules.draft(name);
        context::refine(&self.rules, name, context, &mut draft);
        // What is known of this very kernel is never overruled by where its name is found.
        if context.source.is_none()
            && !context.is_contested
            && let Some((evidence, files)) = self.files(name)
        {
            context::by_index(&self.rules, name, &files, evidence, &mut draft);
        }
        draft
    }

    /// The files that may hold `name`, of the first index that has any.
    fn files(&self, name: &Name<'_>) -> Option<(Evidence, Vec<&IndexedFile>)> {
        let mut found = self.indexes.iter().map(|(evidence, index)| (*evidence, index.of(name)));
        found.find(|(_, files)| !files.is_empty())
    }

    /// Classifies every kernel name of `trace` once, with the context that the trace gives (launch call, operator,
    /// code object, architecture, and for names that need it the kernel that usually runs just before).
    #[must_use]
    pub fn classify_trace(&self, trace: &Trace) -> Classes {
        let contexts = context::of_trace(&self.rules, trace);
        let verdicts = trace.names.iter().zip(&contexts).map(|((_, name), context)| self.classify(name, context));
        Classes::new(verdicts.collect())
    }
}

/// The verdict that a draft amounts to.
fn verdict(name: &Name<'_>, context: &Context<'_>, draft: Draft<'_>) -> Verdict {
    let category = draft.purpose.map_or(Category::Other, |purpose| purpose.category);
    let sub = draft.purpose.map_or("unknown", |purpose| purpose.sub.as_str());
    let sub = if sub == "=" { backend_sub(draft.backend) } else { sub };
    Verdict {
        category,
        sub: Some(Cow::Owned(sub.to_owned())),
        dtype: dtype::dtype(name, category),
        arch: facts::arch(name).or_else(|| context.arch.map(|arch| Cow::Owned(arch.to_owned()))),
        secondary: draft.purpose.and_then(|purpose| purpose.secondary.clone()).map(Cow::Owned),
        traits: facts::traits(name, category),
        purpose_from: draft.purpose_from,
        backend_from: draft.backend_from,
        rule: Cow::Owned(draft.reason),
        confidence: if name.truncated { draft.confidence.min(Confidence::Medium) } else { draft.confidence },
        backend: Cow::Owned(draft.backend.to_owned()),
        backend_confidence: draft.backend_confidence,
    }
}

/// The sub `=`: products are told apart by who made them.
fn backend_sub(backend: &str) -> &str {
    match backend {
        "hip" | "pytorch" | "unknown" => "skinny/hip",
        "gluon" | "triton-inductor" => "triton",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_source_and_an_example_that_it_decides() {
        let classifier = Classifier::builtin();
        let mut wrong = String::new();
        for rule in classifier.rules() {
            assert!(!rule.source.is_empty(), "{} has no source", rule.id);
            let verdict = classifier.classify(&rule.example, &Context::default());
            if !verdict.rule.split(", ").any(|id| id == rule.id) {
                wrong += &format!("{}: `{}` is decided by {}\n", rule.id, rule.example, verdict.rule);
            }
        }
        // A rule that tells only a backend needs no purpose: its example may be of any.
        assert!(wrong.is_empty(), "{wrong}");
    }

    #[test]
    fn the_spellings_of_one_kernel_get_one_verdict() {
        let classifier = Classifier::builtin();
        let of = |name: &str| {
            let verdict = classifier.classify(name, &Context::default());
            (verdict.category, verdict.sub, verdict.backend, verdict.dtype, verdict.arch)
        };
        let families: [&[&str]; 4] = [
            &[
                "_ZN5aiter39mla_a16w16_qh16_m16x4_n16x1_coex0_mask1E",
                "_ZN5aiter39mla_a16w16_qh16_m16x4_n16x1_coex0_mask1E.kd",
                "aiter::mla_a16w16_qh16_m16x4_n16x1_coex0_mask1",
                "aiter::mla_a16w16_qh16_m16x4_n16x1_coex0_mask1 [clone .kd]",
            ],
            &["_gemma_rmsnorm_kernel", "_gemma_rmsnorm_kernel.kd", " _gemma_rmsnorm_kernel "],
            &[
                "_ZN4vllm15rms_norm_kernelIN3c104HalfELi0EEEvPT_PKS3_lS6_fimm",
                "void vllm::rms_norm_kernel<c10::Half, 0>(c10::Half*, c10::Half const*, long, c10::Half const*, float)",
                "vllm::rms_norm_kernel<c10::Half, 0>(c10::Half*, c10::Half const*, long, c10::Half const*, float)",
            ],
            &[
                "_ZN5aiter19scaled_quant_kernelIDF16_DB8_EEvPT0_PKT_PKfi",
                "void aiter::scaled_quant_kernel<_Float16, _BitInt(8)>(_BitInt(8)*, _Float16 const*, float const*, int)",
            ],
        ];
        for family in families {
            for spelling in family {
                assert_eq!(of(spelling), of(family[0]), "{spelling}");
            }
        }
    }

    #[test]
    fn a_reduction_within_one_device_is_no_communication() {
        let verdict = |name: &str| Classifier::builtin().classify(name, &Context::default());
        let across = verdict("void vllm::cross_device_reduce_2stage<__half, 8>(vllm::RankData*)");
        assert_eq!(across.category, Category::Allreduce);
        for name in [
            "void at_cuda_detail::cub::DeviceReduceSingleTileKern...",
            "void hipcub::detail::DeviceReduceKernel<float, int>(float*, int)",
            "device_reduce_kernel",
        ] {
            assert_eq!(verdict(name).category, Category::Other, "{name}: {}", verdict(name).rule);
        }
    }

    #[test]
    fn a_nameless_kernel_stays_unknown() {
        for name in ["", "kernel", "foo", "void f<int>(int)", "_ZN3foo3barEv", "\u{1F600}", "___", "::", "<>", "()"] {
            let verdict = Classifier::builtin().classify(name, &Context::default());
            assert!(verdict.is_unknown(), "{name}: {}", verdict.rule);
            assert_eq!(verdict.confidence, Confidence::Low, "{name}");
        }
    }

    #[test]
    fn a_users_rule_is_asked_first_and_may_use_the_builtin_words() {
        let text = "# ours\n@ours = blorp zork\n\n[ours.act]\nis    other/activation+norm\nby    acme\nwhen  @ours @act\n\n\
                    [ours.gemm]\nis gemm/=\nwhen =fused_moe_kernel\n";
        let classifier = Classifier::with_rules(text).unwrap();
        let verdict = classifier.classify("blorp_silu_kernel", &Context::default());
        assert_eq!(
            (verdict.sub.as_deref(), &*verdict.backend, &*verdict.rule),
            (Some("activation"), "acme", "ours.act")
        );
        assert_eq!(verdict.secondary.as_deref(), Some("norm"));
        let moe = classifier.classify("fused_moe_kernel", &Context::default());
        assert_eq!((moe.category, moe.sub.as_deref()), (Category::Gemm, Some("triton")));
        let other = classifier.classify("_gemma_rmsnorm_kernel", &Context::default());
        assert_eq!(other.sub.as_deref(), Some("norm"));
    }

    #[test]
    fn mistakes_in_a_users_rules_are_told_with_their_lines() {
        let text = "is gemm/x\n[a]\nis gemm\nwhen Foo\n[b]\nis blorp/x\nwhen x\n[c]\nwhen !x\nby y\n[d]\nis other/x\n\
                    when in:@none zz:q #x=1 form:odd a_b\nsure maybe\nwhat 1\n[a]\nis other/x\nwhen y\nby\n[e\n@f =\n";
        let errors = Classifier::with_rules(text).unwrap_err();
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let about = |line: usize, what: &str| {
            assert!(
                told.iter().any(|error| error.starts_with(&format!("line {line}: ")) && error.contains(what)),
                "line {line} should complain of {what}: {told:#?}"
            );
        };
        about(1, "belongs to no rule");
        about(3, "category/sub");
        about(4, "lower case");
        about(6, "no category");
        about(8, "not negated");
        about(13, "not defined");
        about(14, "high, medium, low");
        about(15, "not one of");
        about(16, "already");
        about(19, "says nothing");
        about(20, "brackets");
        about(21, "no words");
    }
}
