//! Why a name was classified as it was: what was read of it, which rules were asked, and where each gave up.

use serde::Serialize;

use super::index::IndexedFile;
use super::name::{Form, Name};
use super::ruleset::{Asked, Ruleset};
use super::table::Rule;
use super::verdict::{Evidence, Verdict};
use super::words;

/// The whole reasoning on one name.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The verdict, as [`Classifier::classify`](super::Classifier::classify) gives it.
    pub verdict: Verdict,
    /// How the name is written: `bare`, `variable` or `function`.
    pub form: &'static str,
    /// Namespaces, outermost first.
    pub namespaces: Vec<String>,
    /// The identifier that rules look at first.
    pub base: String,
    /// The words of the base identifier.
    pub words: Vec<String>,
    /// The constants appended to it in capitals.
    pub constants: Option<String>,
    /// Its template arguments: literals, and types by their last name.
    pub arguments: Vec<String>,
    /// Identifiers inside template arguments and parameters.
    pub inner: Vec<String>,
    /// The rules that hinge on something in the name, in the order in which they were asked, up to those that decided.
    pub tried: Vec<Tried>,
    /// What the name alone says the kernel is for, where something else decided: rule and `category/sub`.
    pub name_alone: Option<(String, String)>,
    /// The rule that would have told the purpose next, and what it says: `category/sub`.
    pub next: Option<(String, String)>,
    /// Where the name stands, by the index of the installation or by the catalogue.
    pub found: Vec<Found>,
}

/// A file that has a kernel of a name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Found {
    /// Its path.
    pub file: String,
    /// The package that it is of, with its version where that is known.
    pub package: String,
}

impl Found {
    pub(super) fn new(file: &IndexedFile) -> Self {
        let package = match &file.version {
            Some(version) => format!("{} {version}", file.package),
            None => file.package.clone(),
        };
        Self { file: file.file.clone(), package }
    }
}

/// One rule that was asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Tried {
    /// Its id.
    pub rule: String,
    /// What was asked: `purpose` or `backend`.
    pub asked: &'static str,
    /// The term that did not hold; `None` for the rule that decided.
    pub failed: Option<String>,
}

impl Explanation {
    /// The reasoning that led to `verdict`.
    pub(super) fn new(rules: &Ruleset, name: &Name<'_>, verdict: Verdict) -> Self {
        let (stem, tail) = match name.form {
            Form::Bare => words::stem_and_tail(name.base),
            _ => (name.base, ""),
        };
        let mut found = Vec::new();
        words::each(stem, |word| {
            let word = String::from_utf8_lossy(word);
            if !found.iter().any(|known| *known == word) {
                found.push(word.into_owned());
            }
        });
        let mut tried = asked(rules, name, Asked::Purpose);
        if rules.purpose(name).is_none_or(|rule| rule.backend.is_none()) {
            tried.extend(asked(rules, name, Asked::Backend));
        }
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        let purpose_from = verdict.purpose_from;
        Self {
            verdict,
            form: match name.form {
                Form::Bare => "bare",
                Form::Variable => "variable",
                Form::Function => "function",
            },
            namespaces: owned(&name.path),
            base: name.base.to_owned(),
            words: found,
            constants: (!tail.is_empty()).then(|| tail.to_owned()),
            arguments: owned(&name.args),
            inner: owned(&name.inner),
            tried,
            name_alone: rules.purpose(name).filter(|_| purpose_from != Evidence::Name).map(said),
            next: rules.next_purpose(name).map(said),
            found: Vec::new(),
        }
    }
}

/// What a rule is called and what it says.
fn said(rule: &Rule) -> (String, String) {
    let purpose = rule.purpose.as_ref().map(|purpose| format!("{}/{}", purpose.category.name(), purpose.sub));
    (rule.id.clone(), purpose.unwrap_or_default())
}

fn asked(rules: &Ruleset, name: &Name<'_>, asked: Asked) -> Vec<Tried> {
    let tried = rules.asked(name, asked).into_iter().map(|answer| Tried {
        rule: answer.rule.id.clone(),
        asked: asked.name(),
        failed: answer.failed.map(str::to_owned),
    });
    tried.collect()
}

#[cfg(test)]
mod tests {
    use crate::classify::{Classifier, Context, Evidence};

    #[test]
    fn an_explanation_names_each_rule_asked_and_the_term_that_failed() {
        let explanation = Classifier::builtin().explain("_mla_softmax_reducev_kernel", &Context::default());
        assert_eq!(explanation.form, "bare");
        assert!(explanation.words.contains(&"reducev".to_owned()), "{:?}", explanation.words);
        let (deciders, failed): (Vec<_>, Vec<_>) = explanation.tried.iter().partition(|tried| tried.failed.is_none());
        assert_eq!(
            deciders.iter().map(|tried| (tried.asked, tried.rule.as_str())).collect::<Vec<_>>(),
            [("purpose", "attn.merge.mla"), ("backend", "by.triton.leading")]
        );
        assert!(failed.iter().all(|tried| tried.failed.as_deref().is_some_and(|term| !term.is_empty())));
        assert_eq!(explanation.verdict.rule, "attn.merge.mla, by.triton.leading");
        // The merge's words are those of the next rule too.
        assert_eq!(explanation.next, Some(("attn.merge".to_owned(), "attention/reduce/merge".to_owned())));
        assert_eq!((explanation.verdict.purpose_from, explanation.name_alone), (Evidence::Name, None));
    }

    #[test]
    fn an_explanation_names_what_decided_and_what_the_name_alone_would_say() {
        let context = Context { source: Some("vllm/v1/sample/ops/x.py"), ..Context::default() };
        let explanation = Classifier::builtin().explain("_write_cache_kernel", &context);
        assert_eq!(explanation.verdict.purpose_from, Evidence::Source);
        assert_eq!(explanation.verdict.sub.as_deref(), Some("sampling"));
        assert_eq!(explanation.name_alone.map(|(_, said)| said).as_deref(), Some("attention/kv_cache_write/rope"));
    }
}
