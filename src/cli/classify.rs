//! `profile-decode classify`: what a kernel is, by its name, and why.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::classify::{Category, Classifier, Confidence, Context, Verdict};
use crate::render;

use super::args::{ClassifyArgs, ClassifyFormat};
use super::failure::{Failure, Kind};
use super::{files, input};

pub(super) fn run(args: &ClassifyArgs) -> Result<ExitCode, Failure> {
    let classifier = input::classifier(&args.rules)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let table = io::stdout().is_terminal();
    let format = args.format.unwrap_or(if table { ClassifyFormat::Table } else { ClassifyFormat::Json });
    let style = if args.explain { Style::Explain } else { Style::Format(format) };
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
        Err(Failed::Reading(error)) => Err(Failure::new(Kind::Io, format!("stdin cannot be read: {error}"))),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

/// How verdicts are written.
#[derive(Clone, Copy)]
enum Style {
    Format(ClassifyFormat),
    Explain,
}

/// Which side failed.
enum Failed {
    Reading(io::Error),
    Writing(io::Error),
}

/// One line of JSON.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    demangled: Option<&'a str>,
    category: Category,
    sub: Option<&'a str>,
    backend: &'a str,
    dtype: Option<&'a str>,
    arch: Option<&'a str>,
    secondary: Option<&'a str>,
    rule: &'a str,
    confidence: Confidence,
}

impl<'a> Row<'a> {
    fn new(name: &'a str, verdict: &'a Verdict) -> Self {
        Self {
            name,
            demangled: verdict.demangled.as_deref(),
            category: verdict.category,
            sub: verdict.sub.as_deref(),
            backend: &verdict.backend,
            dtype: verdict.dtype.as_deref(),
            arch: verdict.arch.as_deref(),
            secondary: verdict.secondary.as_deref(),
            rule: &verdict.rule,
            confidence: verdict.confidence,
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
    let context = Context { arch: args.arch.as_deref(), ..Context::default() };
    for name in names {
        let name = name.map_err(Failed::Reading)?;
        let name = name.strip_suffix('\r').unwrap_or(&name);
        if name.is_empty() {
            continue;
        }
        let verdict = classifier.classify(name, &context);
        match style {
            Style::Format(ClassifyFormat::Json) => render::json::write_line(&Row::new(name, &verdict), out),
            Style::Format(ClassifyFormat::Table) => write_columns(name, &verdict, out),
            Style::Explain => explain(name, &verdict, out),
        }
        .map_err(Failed::Writing)?;
    }
    Ok(())
}

/// Columns of a fixed width, so that a stream of names can be followed; the name is last and as long as it is.
fn write_columns(name: &str, verdict: &Verdict, out: &mut impl Write) -> io::Result<()> {
    let sub = verdict.sub.as_deref().unwrap_or("-");
    let dtype = verdict.dtype.as_deref().unwrap_or("-");
    let name = render::visible(name);
    writeln!(out, "{:<13} {sub:<24} {:<16} {dtype:<14} {name}", verdict.category.title(), verdict.backend)
}

fn explain(name: &str, verdict: &Verdict, out: &mut impl Write) -> io::Result<()> {
    let confidence = match verdict.confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    };
    writeln!(out, "{}", render::visible(name))?;
    if let Some(demangled) = &verdict.demangled {
        writeln!(out, "  readable    {}", render::visible(demangled))?;
    }
    let kind = verdict.sub.as_deref().map_or_else(String::new, |sub| format!(" / {sub}"));
    writeln!(out, "  category    {}{kind}", verdict.category.title())?;
    if let Some(secondary) = &verdict.secondary {
        writeln!(out, "  fused with  {secondary}")?;
    }
    writeln!(out, "  backend     {}", verdict.backend)?;
    for (label, text) in [("data type", verdict.dtype.as_deref()), ("arch", verdict.arch.as_deref())] {
        if let Some(text) = text {
            writeln!(out, "  {label:<11} {}", render::visible(text))?;
        }
    }
    writeln!(out, "  because     rule {} (confidence {confidence})", verdict.rule)
}
