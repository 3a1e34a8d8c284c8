//! Tables for spreadsheets and data frames, as RFC 4180 has them: a row a kernel name, or a row a kernel execution.
//!
//! Names come from traces, and a spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula: such a
//! name gets an apostrophe before it. What acts on a terminal is spelled out, as everywhere.

use std::io::{self, Write};

use super::visible;
use super::window::Window;
use crate::classify::Classes;
use crate::model::{Geometry, Trace};
use crate::output::Report;
use crate::steps::StepTable;

/// Writes the report's kernels, one a row.
pub(super) fn kernels(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "name,demangled,category,sub,backend,dtype,arch,count,total_ns,min_ns,p50_ns,max_ns,share")?;
    for row in &report.kernels {
        let optional = |text: &Option<String>| text.as_deref().map_or_else(String::new, cell);
        writeln!(
            out,
            "{},{},{},{},{},{},{},{},{},{},{},{},{:.6}",
            cell(&row.name),
            optional(&row.demangled),
            row.category.name(),
            optional(&row.sub),
            cell(&row.backend),
            optional(&row.dtype),
            optional(&row.arch),
            row.count,
            row.total_ns,
            row.min_ns,
            row.p50_ns,
            row.max_ns,
            row.share
        )?;
    }
    Ok(())
}

/// Writes the kernel executions of the window, or of the whole trace, one a row.
pub(super) fn dispatches(
    trace: &Trace,
    classes: &Classes,
    table: &StepTable,
    whole: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let is_captured = trace.captured.fit.is_some();
    let is_launched = is_captured && trace.captured.works.all().iter().any(|work| work.launched.is_some());
    write!(out, "rank,stream,step,phase,batch,graph_size,start_ns,end_ns,duration_ns,category,sub,backend,name")?;
    write!(out, "{}", if is_captured { ",op,arguments,module,layer" } else { "" })?;
    writeln!(out, "{}", if is_launched { ",grid,block,lds" } else { "" })?;
    for at in Window::of(trace, table, whole).dispatches(trace) {
        let dispatch = &trace.dispatches[at];
        let rank = trace.rank_of(dispatch.stream);
        let verdict = classes.get(dispatch.name);
        let step = table.step_of(at);
        let number = |number: Option<u32>| number.map_or_else(String::new, |number| number.to_string());
        write!(
            out,
            "{},{},{},{},{},{},{},{},{},{},{},{},{}",
            trace.ranks[rank.index()].number.unwrap_or(rank.index() as u32),
            trace.streams[dispatch.stream.index()].id,
            number(step.map(|step| step.number)),
            step.map_or("", |step| step.phase.name()),
            number(step.and_then(|step| step.batch.size)),
            number(step.and_then(|step| step.batch.graph_size)),
            dispatch.span.start_ns,
            dispatch.span.end_ns,
            dispatch.span.duration_ns(),
            verdict.category.name(),
            verdict.sub.as_deref().map_or_else(String::new, cell),
            cell(&verdict.backend),
            cell(trace.kernel(dispatch))
        )?;
        if is_captured {
            let work = trace.captured.work(at);
            let op = work.and_then(|work| work.op).map_or_else(String::new, |op| cell(trace.names.get(op)));
            let arguments = work.and_then(|work| work.tensors_shown(&trace.names)).unwrap_or_default();
            let module = work.and_then(|work| work.module).map_or("", |module| trace.names.get(module));
            let layer = number(work.filter(|work| work.layer_told).and_then(|work| work.layer));
            write!(out, ",{op},{},{},{layer}", cell(&arguments), cell(module))?;
        }
        if is_launched {
            let launched = trace.captured.work(at).and_then(|work| work.launched);
            let text = launched.map(|Geometry { grid: [x, y, z], block: [bx, by, bz], lds }| {
                format!("{x}x{y}x{z},{bx}x{by}x{bz},{lds}")
            });
            write!(out, ",{}", text.as_deref().unwrap_or(",,"))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Text as one cell.
fn cell(text: &str) -> String {
    let mut text = visible(text);
    if text.starts_with(['=', '+', '-', '@']) {
        text.insert(0, '\'');
    }
    if text.contains(['"', ',']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_cell_and_no_formula() {
        assert_eq!(cell("void f<4, 8>(int*)"), "\"void f<4, 8>(int*)\"");
        assert_eq!(cell("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(cell("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(cell("a\nb\u{1b}"), "a\\nb\\u{1b}");
        assert_eq!(cell(""), "");
    }
}
