//! What a kernel is for, told from its name and what is known of how it was launched.

mod mangled;
mod matcher;
mod name;
mod table;
mod verdict;
mod words;

use std::borrow::Cow;

pub use table::{Purpose, Rule, RuleError};
pub use verdict::{Category, Classes, Confidence, Context, Traits, Verdict};

use crate::model::Trace;
use matcher::Matcher;
use name::Name;

/// The rules that come with the program.
const BUILTIN: &str = include_str!("builtin.rules");

/// The rules, compiled.
#[derive(Debug)]
pub struct Classifier {
    purposes: Table,
    backends: Table,
}

#[derive(Debug)]
struct Table {
    rules: Vec<Rule>,
    matcher: Matcher,
}

impl Table {
    fn new(rules: Vec<Rule>) -> Self {
        let matcher = Matcher::new(&rules);
        Self { rules, matcher }
    }
}

impl Classifier {
    /// The rules that come with the program.
    ///
    /// # Panics
    /// Never: a test holds the table that comes with the program to its own language.
    #[must_use]
    pub fn builtin() -> Self {
        let rules = table::parse(BUILTIN).unwrap_or_else(|errors| panic!("the built-in table of rules: {errors:?}"));
        let (purposes, backends) = rules.into_iter().partition(|rule| rule.purpose.is_some());
        Self { purposes: Table::new(purposes), backends: Table::new(backends) }
    }

    /// What `name` is.
    #[must_use]
    pub fn classify(&self, given: &str, _context: &Context<'_>) -> Verdict {
        let name = Name::parse(given);
        let mut verdict = Verdict::unknown();
        let facts = self.purposes.matcher.facts(&name, None);
        let purpose = self.purposes.matcher.first(&facts, 0).map(|at| &self.purposes.rules[at]);
        let told = purpose.and_then(|rule| rule.backend.clone());
        let (backend, by) = match told {
            Some(backend) => (Some(backend), None),
            None => {
                let facts = self.backends.matcher.facts(&name, None);
                let rule = self.backends.matcher.first(&facts, 0).map(|at| &self.backends.rules[at]);
                (rule.and_then(|rule| rule.backend.clone()), rule.map(|rule| rule.id.as_str()))
            }
        };
        verdict.backend = Cow::Owned(backend.unwrap_or_else(|| "unknown".to_owned()));
        if let Some(rule) = purpose {
            let what = rule.purpose.as_ref().expect("purposes have one");
            verdict.category = what.category;
            verdict.sub = Some(Cow::Owned(match what.sub.as_str() {
                "=" => match &*verdict.backend {
                    "hip" | "pytorch" => "skinny/hip".to_owned(),
                    "gluon" | "triton-inductor" => "triton".to_owned(),
                    other => other.to_owned(),
                },
                sub => sub.to_owned(),
            }));
            verdict.secondary = what.secondary.clone().map(Cow::Owned);
            verdict.confidence = if name.truncated { rule.confidence.min(Confidence::Medium) } else { rule.confidence };
            verdict.rule = Cow::Owned(match by {
                Some(by) => format!("{}, {by}", rule.id),
                None => rule.id.clone(),
            });
        }
        verdict
    }

    /// Classifies every kernel name of `trace` once, with the context that the trace gives (launch call, operator,
    /// code object, architecture).
    #[must_use]
    pub fn classify_trace(&self, trace: &Trace) -> Classes {
        Classes::new(trace.names.iter().map(|(_, name)| self.classify(name, &Context::default())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_of_a_vllm_decode_step_are_known() {
        let classifier = Classifier::builtin();
        for (name, category, backend) in [
            ("_matmul_ogs_NNT_bf16xbf16xmxfp4_16x128x256x1_swiglu", Category::Moe, "triton"),
            ("Cijk_Alik_Bljk_BBS_BH_UserArgs_MT32x32x256_MI16x16x1_SN_LDSB1", Category::Gemm, "hipblaslt"),
            ("_gemma_rmsnorm_kernel.kd", Category::Other, "triton"),
            ("_ZN5aiter26cross_device_reduce_2stageIDF16_Li2ELb1EEEvPNS_8RankDataE", Category::Allreduce, "hip"),
            ("_ZN5aiter39mla_a16w16_qh16_m16x4_n16x1_coex0_mask1E", Category::Attention, "asm"),
        ] {
            let verdict = classifier.classify(name, &Context::default());
            assert_eq!((verdict.category, &*verdict.backend), (category, backend), "{name}: {}", verdict.rule);
        }
    }
}
