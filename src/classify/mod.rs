//! What a kernel is for, told from its name and what is known of how it was launched.

mod verdict;

pub use verdict::{Category, Classes, Confidence, Context, Verdict};

use crate::model::Trace;

/// The rules, compiled.
#[derive(Debug)]
pub struct Classifier;

impl Classifier {
    /// The rules that come with the program.
    #[must_use]
    pub fn builtin() -> Self {
        Self
    }

    /// What `name` is.
    #[must_use]
    pub fn classify(&self, _name: &str, _context: &Context<'_>) -> Verdict {
        Verdict::unknown()
    }

    /// Classifies every kernel name of `trace` once, with the context that the trace gives (launch call, operator,
    /// code object, architecture).
    #[must_use]
    pub fn classify_trace(&self, trace: &Trace) -> Classes {
        Classes::new(trace.names.iter().map(|(_, name)| self.classify(name, &Context::default())).collect())
    }
}
