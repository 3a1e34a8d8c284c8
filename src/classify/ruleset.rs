//! A table of rules, compiled, and what it says of a name alone.

use std::sync::LazyLock;

use super::matcher::{Facts, Matcher};
use super::mistake::RuleError;
use super::name::Name;
use super::table::{self, Purpose, Rule};
use super::verdict::{Confidence, Evidence};

/// The rules that come with the program.
const BUILTIN: &str = concat!(
    include_str!("rules/words.rules"),
    include_str!("rules/inductor.rules"),
    include_str!("rules/libraries.rules"),
    include_str!("rules/torch.rules"),
    include_str!("rules/attention.rules"),
    include_str!("rules/moe.rules"),
    include_str!("rules/quantization.rules"),
    include_str!("rules/gemm.rules"),
    include_str!("rules/families.rules"),
    include_str!("rules/other.rules"),
    include_str!("rules/backends.rules"),
);

/// The built-in table, read once a process: the rules, and the classes of words that a user's table may use too.
static TABLE: LazyLock<(Vec<Rule>, table::WordClasses)> = LazyLock::new(|| {
    let mut classes = table::WordClasses::new();
    match table::parse(BUILTIN, &mut classes) {
        Ok(rules) => (rules, classes),
        // A test holds the table to its own language; a library that lives in other people's processes does not panic.
        Err(_) => (Vec::new(), classes),
    }
});

/// Rules in the order in which they are asked.
#[derive(Clone, Debug)]
pub(super) struct Ruleset {
    /// Rules that tell what a kernel is for, then rules that tell only who made it.
    rules: Vec<Rule>,
    /// How many are of the first kind.
    purposes: usize,
    matcher: Matcher,
}

/// What rules are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Purpose,
    Backend,
}

impl Asked {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Purpose => "purpose",
            Self::Backend => "backend",
        }
    }
}

/// A verdict in the making.
#[derive(Clone, Debug)]
pub(super) struct Draft<'a> {
    /// The rule that told the purpose.
    pub(super) rule: Option<&'a Rule>,
    pub(super) purpose: Option<&'a Purpose>,
    pub(super) purpose_confidence: Confidence,
    pub(super) purpose_from: Evidence,
    pub(super) backend: &'a str,
    pub(super) backend_confidence: Confidence,
    pub(super) backend_from: Evidence,
    /// The lesser of what purpose and backend deserve.
    pub(super) confidence: Confidence,
    pub(super) reason: String,
}

/// One rule that was asked.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) rule: &'a Rule,
    /// The first of its terms that did not hold; `None` for the rule that decided.
    pub(super) failed: Option<&'a str>,
}

impl Ruleset {
    /// The rules that come with the program.
    pub(super) fn builtin() -> Self {
        Self::of(TABLE.0.clone())
    }

    /// The rules of `text`, then those that come with the program.
    pub(super) fn with_rules(text: &str) -> Result<Self, Vec<RuleError>> {
        let mut rules = table::parse(text, &mut TABLE.1.clone())?;
        rules.extend(TABLE.0.iter().cloned());
        Ok(Self::of(rules))
    }

    /// The rules that `keep` says yes to.
    pub(super) fn retaining(&self, keep: impl Fn(&Rule) -> bool) -> Self {
        Self::of(self.rules.iter().filter(|rule| keep(rule)).cloned().collect())
    }

    fn of(rules: Vec<Rule>) -> Self {
        let (mut rules, backends): (Vec<Rule>, _) = rules.into_iter().partition(|rule| rule.purpose.is_some());
        let purposes = rules.len();
        rules.extend(backends);
        let matcher = Matcher::new(&rules);
        Self { rules, purposes, matcher }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    fn range(&self, asked: Asked) -> std::ops::Range<usize> {
        match asked {
            Asked::Purpose => 0..self.purposes,
            Asked::Backend => self.purposes..self.rules.len(),
        }
    }

    /// The rule that decides.
    fn decide(&self, facts: &mut Facts<'_, '_>, asked: Asked) -> Option<&Rule> {
        self.matcher.first(facts, self.range(asked)).map(|at| &self.rules[at])
    }

    /// The rule that tells what `name` is for.
    pub(super) fn purpose(&self, name: &Name<'_>) -> Option<&Rule> {
        self.decide(&mut self.matcher.facts(name), Asked::Purpose)
    }

    /// The rule that would tell what `name` is for if the one that does were not there.
    pub(super) fn next_purpose(&self, name: &Name<'_>) -> Option<&Rule> {
        let mut facts = self.matcher.facts(name);
        let decided = self.matcher.first(&mut facts, self.range(Asked::Purpose))?;
        self.matcher.first(&mut facts, decided + 1..self.purposes).map(|at| &self.rules[at])
    }

    /// The rules that hinge on something in `name`, in the order in which they are asked, up to the one that decides.
    pub(super) fn asked(&self, name: &Name<'_>, asked: Asked) -> Vec<Answer<'_>> {
        let mut facts = self.matcher.facts(name);
        let mut answers = Vec::new();
        let range = self.range(asked);
        let mut from = range.start;
        while let Some(at) = facts.next_candidate(from, range.end) {
            from = at + 1;
            let rule = &self.rules[at];
            let failed = self.matcher.failing(at, &mut facts).map(|term| rule.terms[term].text.as_str());
            answers.push(Answer { rule, failed });
            if failed.is_none() {
                break;
            }
        }
        answers
    }

    /// What the name alone says.
    pub(super) fn draft(&self, name: &Name<'_>) -> Draft<'_> {
        let mut facts = self.matcher.facts(name);
        let decided = self.decide(&mut facts, Asked::Purpose);
        let mut draft = Draft {
            rule: decided,
            purpose: decided.and_then(|rule| rule.purpose.as_ref()),
            purpose_confidence: decided.map_or(Confidence::Low, |rule| rule.confidence),
            purpose_from: Evidence::Name,
            backend: "unknown",
            backend_from: Evidence::Name,
            backend_confidence: Confidence::Low,
            confidence: decided.map_or(Confidence::Low, |rule| rule.confidence),
            reason: String::with_capacity(48),
        };
        draft.reason.push_str(decided.map_or("none", |rule| rule.id.as_str()));
        if let Some((backend, rule)) = decided.and_then(|rule| rule.backend.as_ref().zip(Some(rule))) {
            draft.backend = backend;
            draft.backend_confidence = rule.confidence;
        } else if let Some(rule) = self.decide(&mut facts, Asked::Backend) {
            draft.backend = rule.backend.as_deref().unwrap_or("unknown");
            draft.backend_confidence = rule.confidence;
            draft.confidence = draft.confidence.min(rule.confidence);
            draft.reason.push_str(", ");
            draft.reason.push_str(&rule.id);
        }
        draft
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// That a rule can fire at all, its example shows. What it lists can be dead all the same: an alternative that stands in
    /// the same term twice, or that another term of the rule forbids.
    #[test]
    fn no_rule_lists_what_can_never_make_it_fire() {
        let mut dead = String::new();
        for rule in Ruleset::builtin().iter() {
            let forbidden: HashSet<_> =
                rule.terms.iter().filter(|term| term.negated).flat_map(|term| &term.any).collect();
            for term in &rule.terms {
                let distinct: HashSet<_> = term.any.iter().collect();
                if !term.negated && term.any.iter().all(|pattern| forbidden.contains(pattern)) {
                    dead += &format!("{}: whatever holds of `{}` is forbidden\n", rule.id, term.text);
                }
                for pattern in &distinct {
                    let twice = term.any.iter().filter(|other| other == pattern).count() > 1;
                    let own = term.text.trim_start_matches('!').split('|').any(|written| written == pattern.glob);
                    if own && (twice || (!term.negated && forbidden.contains(pattern))) {
                        dead += &format!("{}: `{}` of `{}` tells nothing\n", rule.id, pattern.glob, term.text);
                    }
                }
            }
        }
        assert!(dead.is_empty(), "\n{dead}");
    }

    #[test]
    fn the_builtin_table_reads_without_a_mistake() {
        if let Err(errors) = table::parse(BUILTIN, &mut table::WordClasses::new()) {
            panic!("{}", errors.iter().map(|error| format!("{error}\n")).collect::<String>());
        }
        assert!(Ruleset::builtin().iter().count() > 200);
        // A rule that hinges on nothing but words of the arguments would have those looked up for every name.
        assert!(!Ruleset::builtin().matcher.inner_hinge);
    }
}
