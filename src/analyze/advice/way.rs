//! Ways to act on a finding, and for whom each is one.
//!
//! A rule lists its ways in order of effort. A way is given where it can help: to users of its engine, on a GPU that has
//! it, for the kernels that were found. A finding that leaves no way is no advice.

use crate::analyze::advice::evidence::{Evidence, Framework};
use crate::analyze::advice::finding::Finding;
use crate::analyze::advice::switches::{Project, find, names};

/// When a way is one, beyond engine and GPU.
type When = fn(&Evidence<'_>, &Finding) -> bool;

/// One way to do something about it.
#[derive(Clone, Copy)]
pub(super) struct Way {
    /// The engine whose switches it names; `None` for what holds whatever serves.
    pub(super) engine: Option<Framework>,
    /// The only architectures that it is for; empty for all.
    pub(super) archs: &'static [&'static str],
    when: Option<When>,
    /// What to do: whole sentences.
    pub(super) text: &'static str,
}

const fn way(engine: Option<Framework>, text: &'static str) -> Way {
    Way { engine, archs: &[], when: None, text }
}

/// Whatever serves.
pub(super) const fn everywhere(text: &'static str) -> Way {
    way(None, text)
}

/// In vLLM.
pub(super) const fn vllm(text: &'static str) -> Way {
    way(Some(Framework::Vllm), text)
}

/// In SGLang.
pub(super) const fn sglang(text: &'static str) -> Way {
    way(Some(Framework::Sglang), text)
}

/// In ATOM.
pub(super) const fn atom(text: &'static str) -> Way {
    way(Some(Framework::Atom), text)
}

impl Way {
    /// On one of these architectures alone.
    pub(super) const fn on(self, archs: &'static [&'static str]) -> Self {
        Self { archs, ..self }
    }

    /// Where this holds.
    pub(super) const fn when(self, when: When) -> Self {
        Self { when: Some(when), ..self }
    }

    /// Whether it can help with what was found. What a trace does not tell rules nothing out.
    fn helps(&self, evidence: &Evidence<'_>, finding: &Finding) -> bool {
        self.engine.is_none_or(|engine| evidence.frameworks.is_empty() || evidence.frameworks.contains(&engine))
            && (self.archs.is_empty() || evidence.archs.is_empty() || evidence.is_arch_of(self.archs))
            && self.when.is_none_or(|when| when(evidence, finding))
    }

    /// In words: for which engine and, where the trace does not tell the GPU, on which.
    fn told(&self, evidence: &Evidence<'_>) -> String {
        let engine = self.engine.map_or("", Framework::title);
        let arch = if evidence.archs.is_empty() { self.archs.join(", ") } else { String::new() };
        match (engine, arch.as_str()) {
            ("", "") => self.text.to_owned(),
            (engine, "") => format!("{engine}: {}", self.text),
            ("", arch) => format!("On {arch}: {}", self.text),
            (engine, arch) => format!("{engine} on {arch}: {}", self.text),
        }
    }
}

/// What to do about a finding.
#[derive(Clone, Default, Debug)]
pub(super) struct Told {
    /// In words.
    pub(super) text: String,
    /// What the switches in it were looked up in, each once.
    pub(super) checked: Vec<&'static str>,
}

/// What to do about a finding; `None` where no way can help.
pub(super) fn action(ways: &[Way], evidence: &Evidence<'_>, finding: &Finding) -> Option<Told> {
    let helping: Vec<&Way> = ways.iter().filter(|way| way.helps(evidence, finding)).collect();
    let texts: Vec<String> = helping.iter().map(|way| way.told(evidence)).collect();
    let switches = helping.iter().flat_map(|way| names(way.text).filter_map(|name| find(name, way.engine)));
    let mut projects: Vec<_> = switches.map(|switch| switch.project).collect();
    projects.sort_unstable();
    projects.dedup();
    let checked = projects.into_iter().map(Project::checked).collect();
    (!texts.is_empty()).then(|| Told { text: texts.join(" "), checked })
}
