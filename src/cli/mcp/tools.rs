//! The tools: what each takes, as JSON Schema (`tools.json`) and as a type, and what it does.

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::{self, Part};
use super::roots::Roots;
use super::rpc::{Refusal, shortened};
use crate::analyze::{self, compare};
use crate::classify::{Classifier, Context};
use crate::cli::failure::{Failure, Kind};
use crate::cli::tune_list::{List, TuneKind};
use crate::cli::{classify, diff};
use crate::ingest::{self, Limits};
use crate::model::Trace;
use crate::pipeline::{self, Prepared};
use crate::render;
use crate::steps::{StepOptions, labels::Labels};

/// The most names that one call classifies.
const NAMES: usize = 1000;

/// What all tools work with.
pub(super) struct Tools {
    pub(super) roots: Roots,
    pub(super) limits: Limits,
    pub(super) classifier: Classifier,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    paths: Vec<String>,
    steps: Option<u32>,
    warmup: Option<u32>,
    marker: Option<String>,
    whole_trace: Option<bool>,
    section: Option<String>,
    key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Diff {
    base: Vec<String>,
    new: Vec<String>,
    steps: Option<u32>,
    warmup: Option<u32>,
    marker: Option<String>,
    threshold: Option<f64>,
    whole_trace: Option<bool>,
    section: Option<String>,
    key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToTune {
    paths: Vec<String>,
    kind: Option<TuneKind>,
    steps: Option<u32>,
    warmup: Option<u32>,
    marker: Option<String>,
    whole_trace: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListMarkers {
    paths: Vec<String>,
    marker: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Classify {
    names: Vec<String>,
    arch: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Explain {
    name: String,
    arch: Option<String>,
}

/// The tools, as a client sees them.
pub(super) fn list() -> Value {
    serde_json::from_str(include_str!("tools.json")).unwrap_or_default()
}

impl Tools {
    /// Calls the tool that `params` name.
    ///
    /// # Errors
    /// If there is no such tool, or its arguments make no sense; what goes wrong in it is its result.
    pub(super) fn call(&self, params: &Value) -> Result<Value, Refusal> {
        let name = params.get("name").and_then(Value::as_str).ok_or_else(|| Refusal::arguments("`name` is missing"))?;
        let arguments = params.get("arguments").cloned().unwrap_or_else(|| json!({}));
        let answer = match name {
            "report" => self.report(take(arguments)?),
            "diff" => self.diff(take(arguments)?),
            "tune-list" => self.tune_list(take(arguments)?),
            "list-markers" => self.list_markers(&take(arguments)?),
            "classify" => self.classify(&take(arguments)?),
            "explain" => self.explain(&take(arguments)?),
            _ => return Err(Refusal::arguments(format!("there is no tool {:?}", shortened(name)))),
        };
        Ok(answer.map_or_else(|failure| answer::failed(&failure.sentence()), |text| answer::text(&text)))
    }

    fn report(&self, of: Report) -> Result<String, Failure> {
        let run = Prepared::new(self.read(&of.paths)?, &self.classifier, &steps(of.steps, of.warmup, of.marker)?);
        let options = analyze::Options { whole_trace: of.whole_trace.unwrap_or(false), ..Default::default() };
        let report = run.report(&options);
        let text = written(|out| render::markdown(&report, out))?;
        part(of.section, of.key).of(&text, &report).map_err(Failure::usage)
    }

    fn diff(&self, of: Diff) -> Result<String, Failure> {
        let threshold = of.threshold.unwrap_or(compare::Options::default().threshold);
        if !(0.0..=1.0).contains(&threshold) {
            return Err(Failure::usage("`threshold` is a share between 0 and 1"));
        }
        let options = steps(of.steps, of.warmup, of.marker)?;
        let whole_trace = of.whole_trace.unwrap_or(false);
        let side = |paths: &[String]| {
            let reading = ingest::Options { limits: self.limits, ..Default::default() };
            let runs = diff::prepared(&self.resolved(paths)?, &reading, &options, &self.classifier)?;
            Ok::<_, Failure>(pipeline::side(&runs, whole_trace))
        };
        let (base, new) = (side(&of.base)?, side(&of.new)?);
        let comparison = compare::compare(&base, &new, &compare::Options { threshold, ..Default::default() });
        let text = written(|out| render::comparison_markdown(&comparison, out))?;
        part(of.section, of.key).of(&text, &comparison).map_err(Failure::usage)
    }

    fn tune_list(&self, of: ToTune) -> Result<String, Failure> {
        let run = Prepared::new(self.read(&of.paths)?, &self.classifier, &steps(of.steps, of.warmup, of.marker)?);
        let list = List::of(&run, of.kind.unwrap_or_default(), of.whole_trace.unwrap_or(false))?;
        Ok(answer::bounded(&list.csv, "Take fewer `steps`."))
    }

    fn list_markers(&self, of: &ListMarkers) -> Result<String, Failure> {
        steps(None, None, of.marker.clone())?;
        let markers = analyze::markers(&self.read(&of.paths)?, of.marker.as_deref());
        let text = written(|out| render::markers_markdown(&markers, out))?;
        Ok(answer::bounded(&text, "The longest are first."))
    }

    fn classify(&self, of: &Classify) -> Result<String, Failure> {
        if of.names.len() > NAMES {
            return Err(Failure::usage(format!("{} names, more than {NAMES}", of.names.len())));
        }
        let context = Context { arch: of.arch.as_deref(), ..Context::default() };
        let text = written(|out| {
            of.names
                .iter()
                .try_for_each(|name| classify::write_json(name, &self.classifier.classify(name, &context), out))
        })?;
        Ok(answer::bounded(&text, "Name fewer kernels."))
    }

    fn explain(&self, of: &Explain) -> Result<String, Failure> {
        let context = Context { arch: of.arch.as_deref(), ..Context::default() };
        let text = written(|out| classify::explain(&of.name, &self.classifier.explain(&of.name, &context), out))?;
        Ok(answer::bounded(&text, ""))
    }

    fn read(&self, paths: &[String]) -> Result<Trace, Failure> {
        let reading = ingest::Options { limits: self.limits, ..Default::default() };
        Ok(ingest::read_with(&self.resolved(paths)?, &reading)?)
    }

    fn resolved(&self, paths: &[String]) -> Result<Vec<PathBuf>, Failure> {
        if paths.is_empty() {
            return Err(Failure::usage("no path is given"));
        }
        paths.iter().map(|path| self.roots.resolve(path)).collect()
    }
}

/// The arguments of a tool.
fn take<T: DeserializeOwned>(arguments: Value) -> Result<T, Refusal> {
    serde_json::from_value(arguments).map_err(|error| Refusal::arguments(shortened(&error.to_string())))
}

fn part(section: Option<String>, key: Option<String>) -> Part {
    Part { section, key }
}

fn steps(limit: Option<u32>, warmup: Option<u32>, marker: Option<String>) -> Result<StepOptions, Failure> {
    if let Some(marker) = &marker {
        Labels::custom(marker).map_err(|error| Failure::usage(error.to_string()))?;
    }
    Ok(StepOptions { marker, warmup, limit: limit.filter(|limit| *limit > 0) })
}

/// What `write` writes.
fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(|error| Failure::new(Kind::Internal, error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| Failure::new(Kind::Internal, error.to_string()))
}
