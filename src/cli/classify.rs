//! `profile-decode classify`: what a kernel is, by its name, and why.

use std::collections::HashSet;
use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::classify::{self, Category, Classifier, Confidence, Context, Evidence, Explanation, Rule, Traits, Verdict};
use crate::render;

use super::args::{ClassifyArgs, ClassifyFormat};
use super::failure::{Failure, Kind};
use super::{files, rules};

pub(super) fn run(args: &ClassifyArgs) -> Result<ExitCode, Failure> {
    let classifier = rules::classifier(&args.rules)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if args.list_rules {
        let listed = list(&classifier, args.format == Some(ClassifyFormat::Json), &mut out).and_then(|()| out.flush());
        return match listed {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(files::stdout_failed(&error)),
            _ => Ok(ExitCode::SUCCESS),
        };
    }
    let table = io::stdout().is_terminal();
    let format = args.format.unwrap_or(if table { ClassifyFormat::Table } else { ClassifyFormat::Json });
    let style = match (args.explain, args.suggest) {
        (true, _) => Style::Explain,
        (_, true) => Style::Suggest,
        _ => Style::Format(format),
    };
    let written = if args.names.is_empty() {
        let stdin = io::stdin().lock();
        let names = stdin.split(b'\n').map(|line| line.map(|line| String::from_utf8_lossy(&line).into_owned()));
        classify(&classifier, args, names, style, &mut out)
    } else {
        classify(&classifier, args, args.names.iter().cloned().map(Ok), style, &mut out)
    };
    match written.and_then(|()| out.flush().map_err(Failed::Writing)) {
        Err(Failed::Writing(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(Failed::Writing(error)) => Err(files::stdout_failed(&error)),
        Err(Failed::NotJson { line, error }) => Err(Failure::new(
            Kind::Malformed,
            format!(
                "name {line} begins with `{{` and is not what it should be: {error}; \
                 expected {{\"name\": …}} with source, code_object, arch, language where they are known"
            ),
        )),
        Err(Failed::Reading(error)) => Err(Failure::new(Kind::Io, format!("stdin cannot be read: {error}"))),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

/// How verdicts are written.
#[derive(Clone, Copy)]
enum Style {
    Format(ClassifyFormat),
    Explain,
    /// Rules to be filled in, for the names that none knows.
    Suggest,
}

/// What failed.
enum Failed {
    Reading(io::Error),
    NotJson { line: usize, error: serde_json::Error },
    Writing(io::Error),
}

/// A kernel as a line of JSON describes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    name: String,
    source: Option<String>,
    code_object: Option<String>,
    arch: Option<String>,
    language: Option<String>,
}

impl Described {
    /// Reads a line: a name, or an object with one.
    fn read(line: &str) -> serde_json::Result<Self> {
        if line.trim_start().starts_with('{') {
            return serde_json::from_str(line);
        }
        Ok(Self { name: line.to_owned(), source: None, code_object: None, arch: None, language: None })
    }

    fn context<'a>(&'a self, arch: Option<&'a str>) -> Context<'a> {
        Context {
            arch: self.arch.as_deref().or(arch),
            code_object: self.code_object.as_deref(),
            source: self.source.as_deref(),
            language: self.language.as_deref(),
            ..Context::default()
        }
    }
}

/// One line of JSON.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    demangled: Option<String>,
    category: Category,
    sub: Option<&'a str>,
    backend: &'a str,
    dtype: Option<&'a str>,
    arch: Option<&'a str>,
    secondary: Option<&'a str>,
    rule: &'a str,
    confidence: Confidence,
    purpose_by: Evidence,
    backend_by: Evidence,
    traits: &'a Traits,
}

impl<'a> Row<'a> {
    fn new(name: &'a str, verdict: &'a Verdict) -> Self {
        Self {
            name,
            demangled: classify::demangled(name),
            category: verdict.category,
            sub: verdict.sub.as_deref(),
            backend: &verdict.backend,
            dtype: verdict.dtype.as_deref(),
            arch: verdict.arch.as_deref(),
            secondary: verdict.secondary.as_deref(),
            rule: &verdict.rule,
            confidence: verdict.confidence,
            purpose_by: verdict.purpose_from,
            backend_by: verdict.backend_from,
            traits: &verdict.traits,
        }
    }
}

fn classify(
    classifier: &Classifier,
    args: &ClassifyArgs,
    names: impl Iterator<Item = io::Result<String>>,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failed> {
    let mut suggested = HashSet::new();
    let mut is_headed = false;
    for (index, name) in names.enumerate() {
        let line = name.map_err(Failed::Reading)?;
        let line = line.strip_suffix('\r').unwrap_or(&line);
        if line.is_empty() {
            continue;
        }
        let kernel = Described::read(line).map_err(|error| Failed::NotJson { line: index + 1, error })?;
        let (name, context) = (kernel.name.as_str(), kernel.context(args.arch.as_deref()));
        match style {
            Style::Format(ClassifyFormat::Json) => write_json(name, &classifier.classify(name, &context), out),
            Style::Format(ClassifyFormat::Table) => {
                let head = (!std::mem::replace(&mut is_headed, true))
                    .then(|| columns(["category", "kind", "backend", "data type", "name"]));
                let row = row(name, &classifier.classify(name, &context));
                head.into_iter().chain([row]).try_for_each(|line| writeln!(out, "{line}"))
            }
            Style::Explain => explain(name, &classifier.explain(name, &context), out),
            Style::Suggest => suggest(name, &classifier.explain(name, &context), &mut suggested, out),
        }
        .map_err(Failed::Writing)?;
    }
    Ok(())
}

/// Writes a verdict as a line of JSON.
pub(super) fn write_json(name: &str, verdict: &Verdict, out: &mut impl Write) -> io::Result<()> {
    render::json::write_line(&Row::new(name, verdict), out)
}

/// A line of columns of a fixed width, so that a stream of names can be followed; the name is last and as long as it is.
fn columns([category, sub, backend, dtype, name]: [&str; 5]) -> String {
    format!("{category:<13} {sub:<24} {backend:<16} {dtype:<14} {name}")
}

fn row(name: &str, verdict: &Verdict) -> String {
    let sub = verdict.sub.as_deref().unwrap_or("-");
    let dtype = verdict.dtype.as_deref().unwrap_or("-");
    let [sub, backend, dtype, name] = [sub, &verdict.backend, dtype, name].map(render::visible);
    columns([verdict.category.title(), &sub, &backend, &dtype, &name])
}

/// The files of an index that an explanation names.
const FILES_SHOWN: usize = 8;

/// Says in words what a kernel is, and why.
pub(super) fn explain(name: &str, explanation: &Explanation, out: &mut impl Write) -> io::Result<()> {
    let verdict = &explanation.verdict;
    writeln!(out, "{}", render::visible(name))?;
    let kind = verdict.sub.as_deref().map_or_else(String::new, |sub| format!(" / {sub}"));
    let list = |texts: &[String]| (!texts.is_empty()).then(|| texts.join(" "));
    let facts = [
        ("readable", classify::demangled(name)),
        ("category", Some(format!("{}{kind}", verdict.category.title()))),
        ("fused with", verdict.secondary.as_deref().map(str::to_owned)),
        ("backend", Some(verdict.backend.clone().into_owned())),
        ("data type", verdict.dtype.clone()),
        ("arch", verdict.arch.as_deref().map(str::to_owned)),
        ("MFMA", verdict.traits.mfma.map(shape)),
        ("tile", verdict.traits.tile.map(shape)),
        ("K", how_k(&verdict.traits).map(str::to_owned)),
        ("collective", verdict.traits.collective.map(str::to_owned)),
        ("decided by", Some(decided_by(explanation))),
        ("because", Some(format!("rule {} (confidence {})", verdict.rule, confidence(verdict.confidence)))),
        ("read as", Some(format!("{} name {}", explanation.form, explanation.base))),
        ("namespaces", list(&explanation.namespaces)),
        ("words", list(&explanation.words)),
    ];
    for (label, text) in facts {
        if let Some(text) = text {
            writeln!(out, "  {label:<11} {}", render::visible(&text))?;
        }
    }
    for tried in &explanation.tried {
        let how = match &tried.failed {
            Some(term) => format!("no, for {term}"),
            None => "yes".to_owned(),
        };
        let (asked, rule) = (tried.asked.to_string(), render::visible(&tried.rule));
        writeln!(out, "  asked       {} {rule}: {}", render::visible(&asked), render::visible(&how))?;
    }
    if let Some((rule, said)) = &explanation.next {
        writeln!(out, "  next        purpose {rule}: {}", render::visible(said))?;
    }
    for found in explanation.found.iter().take(FILES_SHOWN) {
        writeln!(out, "  found in    {} ({})", render::visible(&found.file), render::visible(&found.package))?;
    }
    if let Some(more) = explanation.found.len().checked_sub(FILES_SHOWN).filter(|more| *more > 0) {
        writeln!(out, "  found in    {more} more files")?;
    }
    Ok(())
}

/// A rule to be filled in for a name that no rule knows, once for each base identifier. The table that comes of it can be
/// used as it is: it says what is known already, nothing.
fn suggest(name: &str, told: &Explanation, done: &mut HashSet<String>, out: &mut impl Write) -> io::Result<()> {
    let readable = told.base.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !told.verdict.is_unknown() || !readable || told.base.is_empty() || !done.insert(told.base.clone()) {
        return Ok(());
    }
    if done.len() == 1 {
        let categories: Vec<&str> = Category::ALL.iter().map(|category| category.name()).collect();
        writeln!(out, "# What are these? `is` takes category/kind, the category one of {}.", categories.join(", "))?;
    }
    writeln!(out, "\n[own.{}]", told.base)?;
    writeln!(out, "is    other/unknown")?;
    if told.verdict.backend != "unknown" {
        writeln!(out, "by    {}", told.verdict.backend)?;
    }
    writeln!(out, "when  ={}", told.base)?;
    writeln!(out, "like  {}", render::visible(name))
}

/// Which evidence told purpose and backend, and what the name alone would say where something else decided.
fn decided_by(explanation: &Explanation) -> String {
    let told = match (explanation.verdict.purpose_from, explanation.verdict.backend_from) {
        (purpose, backend) if purpose == backend => purpose.title().to_owned(),
        (purpose, backend) => format!("{} (backend by {})", purpose.title(), backend.title()),
    };
    match &explanation.name_alone {
        Some((rule, said)) => format!("{told}; the name alone says {said} by {rule}"),
        None if explanation.verdict.purpose_from != Evidence::Name => format!("{told}; the name alone says nothing"),
        None => told,
    }
}

/// How the K dimension is worked through, where the name tells.
fn how_k(traits: &Traits) -> Option<&'static str> {
    match (traits.split_k, traits.stream_k) {
        (false, false) => None,
        (true, false) => Some("split among workgroups"),
        (false, true) => Some("dealt out by Stream-K"),
        (true, true) => Some("split among workgroups, dealt out by Stream-K"),
    }
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

/// `16x16x32`; a part that the name does not tell is left out.
fn shape(parts: [u32; 3]) -> String {
    let parts: Vec<String> = parts.iter().filter(|part| **part > 0).map(u32::to_string).collect();
    parts.join("x")
}

/// One rule of the list.
#[derive(Serialize)]
struct RuleRow<'a> {
    id: &'a str,
    when: &'a str,
    category: Option<Category>,
    sub: Option<&'a str>,
    secondary: Option<&'a str>,
    backend: Option<&'a str>,
    confidence: Confidence,
    near: Vec<String>,
    example: &'a str,
    source: &'a str,
}

impl<'a> RuleRow<'a> {
    fn new(rule: &'a Rule) -> Self {
        Self {
            id: &rule.id,
            when: &rule.when,
            category: rule.purpose.as_ref().map(|purpose| purpose.category),
            sub: rule.purpose.as_ref().map(|purpose| purpose.sub.as_str()),
            secondary: rule.purpose.as_ref().and_then(|purpose| purpose.secondary.as_deref()),
            backend: rule.backend.as_deref(),
            confidence: rule.confidence,
            near: near(rule),
            example: &rule.example,
            source: &rule.source,
        }
    }
}

/// What else a rule may say, as its table writes it: `moe/sort moe/expert_gemm`.
fn near(rule: &Rule) -> Vec<String> {
    let near = rule.near.iter().map(|near| {
        let sub = near.sub.as_ref().map_or_else(String::new, |sub| format!("/{sub}"));
        format!("{}{sub} {}/{}", near.category.name(), near.purpose.category.name(), near.purpose.sub)
    });
    near.collect()
}

/// The rules in the order in which they are asked: a line each, then what they look like and where they are from.
fn list(classifier: &Classifier, as_json: bool, out: &mut impl Write) -> io::Result<()> {
    if !as_json {
        writeln!(out, "{}", rule_columns(["rule", "category", "kind", "backend", "sure", "when"]))?;
    }
    for rule in classifier.rules() {
        if as_json {
            render::json::write_line(&RuleRow::new(rule), out)?;
            continue;
        }
        let category = rule.purpose.as_ref().map_or("-", |purpose| purpose.category.title());
        let sub = rule.purpose.as_ref().map_or("-", |purpose| purpose.sub.as_str());
        let backend = rule.backend.as_deref().unwrap_or("-");
        let sure = confidence(rule.confidence);
        let when = render::visible(&rule.when);
        let [id, sub, backend] = [&rule.id, sub, backend].map(render::visible);
        writeln!(out, "{}", rule_columns([&id, category, &sub, &backend, sure, &when]))?;
        let secondary = rule.purpose.as_ref().and_then(|purpose| purpose.secondary.clone());
        let more = secondary.map(|secondary| ("fused with", secondary)).into_iter();
        let more = more.chain(near(rule).into_iter().map(|near| ("after", near)));
        let more = more.chain([("like", rule.example.clone()), ("from", rule.source.clone())]);
        for (label, text) in more.filter(|(_, text)| !text.is_empty()) {
            writeln!(out, "    {label:<10} {}", render::visible(&text))?;
        }
    }
    Ok(())
}

fn rule_columns([id, category, sub, backend, sure, when]: [&str; 6]) -> String {
    format!("{id:<32} {category:<13} {sub:<24} {backend:<16} {sure:<7} {when}")
}
