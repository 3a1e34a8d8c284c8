//! What is known of a kernel besides its name, where the name leaves something open.
//!
//! Each refinement is a fact about how AMD's stacks launch work, and each names itself in the verdict's `rule`:
//!
//! * The **launch call** tells makers apart outside graphs: `hipLaunchKernel` takes host functions, so it never launches
//!   Triton, Gluon, FlyDSL or prebuilt assembly; `hipModuleLaunchKernel` launches those; `hipExtModuleLaunchKernel`
//!   launches Tensile and MIOpen.
//! * The **code object** tells where the code came from: aiter's `hsa/gfx…/x.co` files hold assembly and are named for
//!   what they do, as are the `module_x.so` that it builds; a HIP library is a shared object, Triton's come from memory
//!   or a `.hsaco`.
//! * Its **compiler** tells the language, but for Gluon, which Triton's compiles.
//! * The **source file** tells the domain ([`super::source`]), and with its extension and folder who writes such files; the
//!   **language**, where it is known, tells that at once.
//! * The **operator** that launched a kernel tells the purpose of one that no rule knows (`aten::addmm`).
//! * The **kernel before** tells what a split or merge belongs to (`near` in the rules).
//!
//! A name that is unmistakable is never overruled.

use std::collections::HashMap;

use super::index::IndexedFile;
use super::name::{Form, Name};
use super::ruleset::{Draft, Ruleset};
use super::source::{self, Judged};
use super::table::{Near, Purpose};
use super::verdict::{Confidence, Context, Evidence};
use crate::model::{LaunchCall, NameId, Origin, StreamIdx, Trace};

/// Improves `draft` by what `context` tells.
pub(super) fn refine<'a>(rules: &'a Ruleset, name: &Name<'_>, context: &Context<'_>, draft: &mut Draft<'a>) {
    if let Some(uri) = context.code_object {
        by_code_object(rules, name, uri, draft);
    }
    if let Some(path) = context.source {
        by_source(rules, name, path, Evidence::Source, draft);
    }
    if let Some(compiler) = context.compiler {
        by_compiler(compiler, draft);
    }
    if let Some(language) = context.language {
        by_language(language, Evidence::Language, draft);
    }
    if let Some(call) = context.launch {
        by_launch(name, call, draft);
    }
    if let Some(op) = context.op {
        by_operator(rules, op, draft);
    }
    if let Some(previous) = context.previous {
        by_neighbour(rules, previous, draft);
    }
    // NVIDIA's architectures are called `sm_90` and the like; what a name shares with HIP is CUDA there.
    if draft.backend == "hip" && context.arch.is_some_and(|arch| arch.starts_with("sm")) {
        draft.backend("cuda", Evidence::Architecture);
    }
}

impl<'a> Draft<'a> {
    fn backend(&mut self, backend: &'a str, why: Evidence) {
        if self.backend != backend {
            self.backend = backend;
            self.because(why, None);
        }
        self.backend_from = why;
        self.backend_confidence = Confidence::High;
        self.confidence = self.purpose_confidence;
    }

    /// What the rules said of the name gives way to `purpose`.
    fn purpose(&mut self, purpose: &'a Purpose, why: Evidence, domain: Option<&str>) {
        self.rule = None;
        self.purpose_from = why;
        self.purpose = Some(purpose);
        self.purpose_confidence = Confidence::Medium;
        self.confidence = self.backend_confidence.min(Confidence::Medium);
        self.because(why, domain);
    }

    fn because(&mut self, why: Evidence, domain: Option<&str>) {
        self.reason.push_str("; by ");
        self.reason.push_str(why.title());
        if let Some(domain) = domain {
            self.reason.push_str(&format!(" ({domain})"));
        }
    }
}

fn by_code_object<'a>(rules: &'a Ruleset, name: &Name<'_>, uri: &str, draft: &mut Draft<'a>) {
    let path = uri.split(['#', '?']).next().unwrap_or(uri);
    let file = path.rsplit('/').next().unwrap_or(path);
    let assembly = file.strip_suffix(".co");
    if let Some(stem) = assembly.filter(|_| draft.purpose.is_none_or(|_| draft.confidence == Confidence::Low)) {
        adopt(rules, stem, Evidence::CodeObject, draft);
    }
    if let Some(module) = jit_module(file).filter(|_| draft.purpose.is_none()) {
        adopt(rules, module, Evidence::CodeObject, draft);
    }
    // A rule that names its backend from the name is not overruled.
    if draft.backend_confidence == Confidence::High && name.form != Form::Bare {
        return;
    }
    let open = matches!(draft.backend, "unknown" | "triton" | "hip") && draft.backend_confidence < Confidence::High;
    let holder = [
        ("hipblaslt", "hipblaslt"),
        ("rocblas", "rocblas"),
        ("librccl", "rccl"),
        ("libtorch", "pytorch"),
        ("libMIOpen", "hip"),
        ("flydsl", "flydsl"),
        ("triton", "triton"),
    ]
    .into_iter()
    .find(|(needle, _)| path.contains(needle))
    .map(|(_, backend)| backend);
    let told = match holder {
        _ if assembly.is_some() && path.contains("/hsa/") => Some("asm"),
        Some(backend) => Some(backend),
        None if file.ends_with(".hsaco") => Some("triton"),
        // A shared object holds host functions: no JIT writes one.
        None if file.contains(".so") && name.form == Form::Bare => Some("hip"),
        None if path.starts_with("memory:") && name.form == Form::Bare => Some("triton"),
        None => None,
    };
    if let Some(backend) = told.filter(|_| open) {
        draft.backend(backend, Evidence::CodeObject);
    }
}

/// What aiter's build calls the module in a shared object of its own: `moe_sorting` of `module_moe_sorting.so`.
fn jit_module(file: &str) -> Option<&str> {
    file.strip_prefix("module_")?.split_once(".so").map(|(module, _)| module)
}

fn by_source<'a>(rules: &'a Ruleset, name: &Name<'_>, path: &str, why: Evidence, draft: &mut Draft<'a>) {
    // What a library signs is its own, wherever it was built.
    if draft.rule.is_some_and(|rule| rule.backend.is_some() && rule.confidence == Confidence::High) {
        return;
    }
    match (source::domain(path), draft.purpose) {
        (None, None) => {
            if let Some(purpose) = own_purpose(rules, path, |_| true) {
                draft.purpose(purpose, why, None);
            }
        }
        (None, Some(_)) => {}
        (Some(domain), said) => match said.map(|said| domain.judge(said)) {
            Some(Judged::Kept) => {}
            Some(Judged::Means(meant)) => draft.purpose(meant, why, Some(&domain.name)),
            Some(Judged::Foreign) | None => {
                let own = own_purpose(rules, path, |own| domain.judge(own) == Judged::Kept);
                draft.purpose(own.unwrap_or(&domain.purpose), why, Some(&domain.name));
            }
        },
    }
    // The shape of a bare name tells Triton from nothing but what is written the same way.
    let guessed = matches!(draft.backend, "triton" | "unknown") || draft.backend_confidence < Confidence::High;
    let open = guessed && name.form == Form::Bare;
    if let Some(backend) = source::backend(path).filter(|_| open && may_be(draft.backend)) {
        draft.backend(backend, why);
    }
}

/// Backends that the shape of a name guesses, and a file knows better.
fn may_be(backend: &str) -> bool {
    matches!(backend, "triton" | "gluon" | "hip" | "unknown" | "flydsl" | "tilelang")
}

/// What the file would be if it were named for one kernel, by itself or with its folder.
fn own_purpose<'a>(rules: &'a Ruleset, path: &str, allowed: impl Fn(&Purpose) -> bool) -> Option<&'a Purpose> {
    let mut parts = source::parts(path);
    let file = parts.next()?;
    let whole = parts.next().map(|folder| format!("{folder}_{file}"));
    let read = |text: &str| rules.purpose(&Name::parse(text)).filter(|rule| rule.confidence > Confidence::Low);
    [Some(file), whole.as_deref()]
        .into_iter()
        .flatten()
        .find_map(|text| read(text).and_then(|rule| rule.purpose.as_ref()).filter(|purpose| allowed(purpose)))
}

/// Takes what the files that may hold `name` agree on: what it is for, and what it is written in. What a live capture or a
/// neighbour told of this very kernel stays.
pub(super) fn by_index<'a>(
    rules: &'a Ruleset,
    name: &Name<'_>,
    files: &[&IndexedFile],
    why: Evidence,
    draft: &mut Draft<'a>,
) {
    let told = |file: &&IndexedFile| {
        let mut told = draft.clone();
        by_source(rules, name, &file.file, why, &mut told);
        if let Some(language) = file.language.as_ref().filter(|_| may_be(told.backend)) {
            by_language(language, why, &mut told);
        }
        told
    };
    let mut all = files.iter().map(told);
    let Some(first) = all.next() else { return };
    let (mut purpose, mut kind, mut backend) = (true, true, true);
    for other in all {
        let category = |draft: &Draft<'_>| draft.purpose.map(|purpose| purpose.category);
        purpose &= category(&first) == category(&other);
        kind &= first.purpose == other.purpose;
        backend &= first.backend == other.backend;
    }
    if !purpose {
        draft.reason.push_str("; ");
        draft.reason.push_str(why.title());
        draft.reason.push_str(" is ambiguous");
        return;
    }
    let own = (draft.backend, draft.backend_confidence, draft.backend_from);
    // What it was written in, if that was told, is not overruled; that it was loaded or launched as such kernels are is refined.
    let is_guess = draft.backend_from != Evidence::Language && is_jit(draft.backend) && is_jit(first.backend);
    let may_refine = draft.backend_from == Evidence::Name || is_guess;
    if draft.purpose_from != Evidence::Name {
        if backend && may_refine && first.backend != draft.backend {
            draft.backend(first.backend, why);
        }
        return;
    }
    *draft = first;
    if !kind {
        draft.confidence = draft.confidence.min(Confidence::Medium);
    }
    if !(backend && may_refine) {
        (draft.backend, draft.backend_confidence, draft.backend_from) = own;
        draft.confidence = draft.confidence.min(draft.backend_confidence);
    }
}

/// What is compiled while the server runs, and launched alike.
fn is_jit(backend: &str) -> bool {
    matches!(backend, "triton" | "gluon" | "flydsl" | "tilelang")
}

fn by_language<'a>(language: &str, why: Evidence, draft: &mut Draft<'a>) {
    let known = ["triton", "gluon", "flydsl", "tilelang", "hip", "asm", "ck", "opus"];
    let told = known.into_iter().find(|known| language.eq_ignore_ascii_case(known));
    if let Some(backend) = told.filter(|_| may_be(draft.backend) || draft.backend_confidence < Confidence::High) {
        draft.backend(backend, why);
    }
}

/// Compilers of kernels call themselves after their language. Triton's compiles Gluon too, which a name or a file may tell.
fn by_compiler(compiler: &str, draft: &mut Draft<'_>) {
    let known = ["triton", "gluon", "flydsl", "tilelang"];
    let told = known.into_iter().find(|known| compiler.to_ascii_lowercase().contains(known));
    let is_of = |backend: &str| backend == draft.backend || (backend == "triton" && draft.backend == "gluon");
    let is_open = may_be(draft.backend) || draft.backend_confidence < Confidence::High;
    if let Some(backend) = told.filter(|backend| is_open && !is_of(backend)) {
        draft.backend(backend, Evidence::CodeObject);
    }
}

fn by_launch(name: &Name<'_>, call: LaunchCall, draft: &mut Draft<'_>) {
    if name.form != Form::Bare {
        return;
    }
    let compiled = matches!(draft.backend, "triton" | "gluon" | "flydsl" | "tilelang" | "asm" | "unknown");
    let unsure = draft.backend_confidence < Confidence::High;
    match call {
        LaunchCall::Kernel | LaunchCall::Ext if compiled && unsure => draft.backend("hip", Evidence::LaunchCall),
        LaunchCall::ExtModule if matches!(draft.backend, "triton" | "unknown") && unsure => {
            draft.backend("hip", Evidence::LaunchCall);
        }
        LaunchCall::Module if matches!(draft.backend, "hip" | "pytorch" | "unknown") && unsure => {
            draft.backend("triton", Evidence::LaunchCall);
        }
        LaunchCall::Module if draft.backend == "triton" && unsure => draft.backend("triton", Evidence::LaunchCall),
        _ => {}
    }
}

fn by_operator<'a>(rules: &'a Ruleset, op: &str, draft: &mut Draft<'a>) {
    if draft.purpose.is_some() {
        return;
    }
    let operator = op.rsplit("::").next().unwrap_or(op);
    adopt(rules, operator, Evidence::Operator, draft);
}

/// Takes the purpose that `text` would have, were it a kernel's name.
fn adopt<'a>(rules: &'a Ruleset, text: &str, why: Evidence, draft: &mut Draft<'a>) {
    let Some(rule) = rules.purpose(&Name::parse(text)) else { return };
    draft.rule = Some(rule);
    draft.purpose = rule.purpose.as_ref();
    draft.purpose_confidence = Confidence::Medium.min(rule.confidence);
    draft.confidence = draft.backend_confidence.min(Confidence::Medium);
    draft.purpose_from = why;
    rule.id.clone_into(&mut draft.reason);
    draft.because(why, None);
}

fn by_neighbour<'a>(rules: &Ruleset, previous: &str, draft: &mut Draft<'a>) {
    let Some(rule) = draft.rule.filter(|rule| !rule.near.is_empty()) else { return };
    let before = rules.draft(&Name::parse(previous));
    let Some(before) = before.purpose else { return };
    let holds =
        |near: &&Near| near.category == before.category && near.sub.as_ref().is_none_or(|sub| *sub == before.sub);
    if let Some(near) = rule.near.iter().find(holds) {
        draft.purpose = Some(&near.purpose);
        draft.purpose_from = Evidence::KernelBefore;
        draft.because(Evidence::KernelBefore, None);
    }
}

/// What a trace tells of one kernel name.
#[derive(Clone, Copy, Default)]
struct Seen<'a> {
    arch: Option<&'a str>,
    launch: Option<LaunchCall>,
    op: Option<&'a str>,
}

/// What a trace tells of each of its names, in the order of its name table.
pub(super) fn of_trace<'a>(rules: &Ruleset, trace: &'a Trace) -> Vec<Context<'a>> {
    let mut seen = vec![Seen::default(); trace.names.len()];
    for dispatch in &trace.dispatches {
        let seen = &mut seen[dispatch.name.index()];
        if seen.arch.is_none() {
            seen.arch = trace.ranks[trace.rank_of(dispatch.stream).index()].arch.as_deref();
        }
        // A graph launch tells nothing; the eager launch of the same kernel, during capture or warm-up, does.
        if seen.launch.is_none() {
            let launch = dispatch.launch.map(|launch| trace.launches[launch.index()]);
            if let Some(launch) = launch.filter(|launch| !matches!(launch.call, LaunchCall::Graph | LaunchCall::Other))
            {
                seen.launch = Some(launch.call);
                seen.op = launch.op.map(|op| trace.names.get(op));
            }
        }
    }
    let before = usual_predecessors(rules, trace);
    let contexts = trace.names.iter().map(|(id, name)| {
        let seen = seen[id.index()];
        let origins = trace.origins.get(&id).map_or(&[][..], |origins| origins);
        let (source, is_contested) = agreed_source(rules, name, origins);
        Context {
            arch: seen.arch.or_else(|| origins.iter().find_map(|origin| origin.arch.as_deref())),
            launch: seen.launch,
            op: seen.op,
            code_object: trace.code_objects.get(&id).map(|uri| &**uri),
            source,
            is_contested,
            compiler: agreed(origins, |origin| origin.compiler.as_deref()),
            language: agreed(origins, |origin| origin.language.as_deref()),
            previous: before.get(&id).map(|&before| trace.names.get(before)),
        }
    });
    contexts.collect()
}

/// The file that a kernel was written in, by what its code objects tell. Where kernels of one name stand in several files, the
/// first if all make the same of the name, else none, for it cannot be told which of them a dispatch is of.
fn agreed_source<'a>(rules: &Ruleset, name: &str, origins: &'a [Origin]) -> (Option<&'a str>, bool) {
    let mut sources = origins.iter().filter_map(|origin| origin.source.as_deref());
    let Some(first) = sources.next() else { return (None, false) };
    let mut others = sources.filter(|&source| source != first).peekable();
    if others.peek().is_none() {
        return (Some(first), false);
    }
    let name = Name::parse(name);
    let meant = |path: &str| {
        let mut draft = rules.draft(&name);
        by_source(rules, &name, path, Evidence::Source, &mut draft);
        draft.purpose.map(|purpose| (purpose.category, purpose.sub.clone()))
    };
    let wanted = meant(first);
    let agree = others.all(|source| meant(source) == wanted);
    (agree.then_some(first), !agree)
}

/// What all code objects of a kernel agree on.
fn agreed<'a>(origins: &'a [Origin], of: impl Fn(&'a Origin) -> Option<&'a str>) -> Option<&'a str> {
    let first = of(origins.first()?)?;
    origins.iter().all(|origin| of(origin) == Some(first)).then_some(first)
}

/// For each name whose rule asks for it, the kernel that most often ran just before it on its stream.
fn usual_predecessors(rules: &Ruleset, trace: &Trace) -> HashMap<NameId, NameId> {
    let wanted: Vec<bool> = trace
        .names
        .iter()
        .map(|(_, text)| rules.purpose(&Name::parse(text)).is_some_and(|rule| !rule.near.is_empty()))
        .collect();
    if !wanted.contains(&true) {
        return HashMap::new();
    }
    let mut last: HashMap<StreamIdx, NameId> = HashMap::new();
    let mut counts: HashMap<NameId, HashMap<NameId, u64>> = HashMap::new();
    for dispatch in &trace.dispatches {
        let previous = last.insert(dispatch.stream, dispatch.name);
        if let Some(previous) = previous.filter(|&previous| wanted[dispatch.name.index()] && previous != dispatch.name)
        {
            *counts.entry(dispatch.name).or_default().entry(previous).or_default() += 1;
        }
    }
    // Of equals, the first in the name table: the answer must not depend on the order of a hash map.
    let usual = |counts: HashMap<NameId, u64>| {
        counts.into_iter().max_by_key(|&(name, count)| (count, std::cmp::Reverse(name))).map(|(name, _)| name)
    };
    counts.into_iter().filter_map(|(name, counts)| Some((name, usual(counts)?))).collect()
}

#[cfg(test)]
mod tests;
