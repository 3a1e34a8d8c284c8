//! What was compared: both sides, and what speaks against comparing them.

use crate::model::ConditionKind;
use crate::output::Comparison;
use crate::output::comparison::{Comparability, Reason, SideRow};
use crate::render::document::{Align, Document, Table, Text};
use crate::render::text::{integer, percent};

use super::words::sentence;

pub(super) fn sides(comparison: &Comparison, document: &mut Document) {
    document.heading("What was compared");
    let reason = |reason: &Reason| {
        let weight = match reason.verdict {
            Comparability::No => "no",
            Comparability::WithCare => "with care",
            Comparability::Yes => "yes",
        };
        Text::code(reason.code).and(format!(" ({weight}): {}.", reason.text))
    };
    document.list(comparison.comparable.reasons.iter().map(reason).collect());
    let (base, new) = (&comparison.base, &comparison.new);
    let mut table = Table::new([("", Align::Left), ("Base", Align::Left), ("New", Align::Left)]);
    let list = |list: &[String]| if list.is_empty() { "–".to_owned() } else { list.join(", ") };
    let mut row = |what: &str, of: &dyn Fn(&SideRow) -> String| {
        table.row([what.into(), of(base).into(), of(new).into()]);
    };
    row("Decode steps", &|side| integer(side.steps));
    row("Runs", &|side| side.runs.to_string());
    row("Ranks", &|side| side.ranks.to_string());
    row("GPU", &|side| list(&side.gpus));
    row("Architecture", &|side| list(&side.archs));
    row("Framework", &|side| list(&side.frameworks));
    for kind in kinds(comparison) {
        row(&sentence(kind.title()), &|side| {
            let of_kind = side.conditions.iter().filter(|condition| condition.kind == kind);
            list(&of_kind.map(|condition| condition.value.clone()).collect::<Vec<_>>())
        });
    }
    row("Layers", &|side| side.layers.map_or_else(|| "–".to_owned(), |layers| layers.to_string()));
    row("Kernels a step", &|side| format!("{:.1}", side.dispatches_per_step));
    row("Launched by graphs", &|side| side.graph_share.map_or_else(|| "–".to_owned(), percent));
    document.table(table);
    let inputs = |name: &str, side: &SideRow| {
        let text = Text::plain(format!("{name}: "));
        let mut inputs = side.inputs.iter().filter(|path| !path.is_empty());
        let first = inputs.next().cloned().unwrap_or_default();
        inputs.fold(text.and_code(first), |text, path| text.and(", ").and_code(path.clone()))
    };
    document.list(vec![inputs("Base", base), inputs("New", new)]);
}

/// The conditions that either side tells.
fn kinds(comparison: &Comparison) -> Vec<ConditionKind> {
    let conditions = comparison.base.conditions.iter().chain(&comparison.new.conditions);
    let mut kinds: Vec<ConditionKind> = conditions.map(|condition| condition.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}
