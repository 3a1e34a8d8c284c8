//! The kernels that changed.

use crate::output::Comparison;
use crate::output::comparison::{Fate, KernelChange, Switch};
use crate::render::document::{Align, Cell, Document, Text};
use crate::render::text::{integer, percent};

use super::changes::changes;
use super::choose;
use super::words::names;

/// The table of kernels, and how much of the change it explains.
pub(super) fn kernels(comparison: &Comparison, document: &mut Document) {
    if comparison.kernels.is_empty() {
        return;
    }
    document.heading("Kernels");
    let shown = choose::kernels(&comparison.kernels);
    let what = [
        ("Role", Align::Left),
        ("Kernel", Align::Left),
        ("Backend", Align::Left),
        ("Match", Align::Left),
        ("Per step", Align::Right),
    ];
    changes(document, comparison, &what, shown.iter().map(|row| (cells(comparison, row), &row.change)));
    let rest = comparison.kernels.len() - shown.len();
    if rest > 0 {
        let whole = choose::moved(&comparison.kernels);
        let of_shown = choose::moved(shown);
        document.paragraph(Text::plain(format!(
            "These are {} of what kernels changed by; {} more changed less and are in the JSON.",
            percent(of_shown as f64 / whole.max(1) as f64),
            integer(rest as u64)
        )));
    }
}

/// What a row says before its change.
fn cells(comparison: &Comparison, row: &KernelChange) -> Vec<Cell> {
    let role = row.role.clone().unwrap_or_else(|| comparison.title(row.category).to_owned());
    let name = match row.fate {
        Fate::Replaced => names(names(Text::default(), &row.base).and(" → "), &row.new),
        Fate::Removed => names(Text::default(), &row.base),
        Fate::Same | Fate::Added => names(Text::default(), &row.new),
    };
    let backends = match (&row.base_backend, &row.new_backend) {
        (Some(was), Some(is)) if was != is => format!("{was} → {is}"),
        (_, Some(one)) | (Some(one), None) => one.clone(),
        (None, None) => "–".to_owned(),
    };
    let count = |count: f64| if count.fract() < 0.05 { format!("{count:.0}") } else { format!("{count:.1}") };
    let counts = format!("{} / {}", count(row.base_count), count(row.new_count));
    vec![role.into(), name.into(), backends.into(), matched(row).into(), counts.into()]
}

/// How the two sides were matched, and what is another now.
fn matched(row: &KernelChange) -> String {
    let fate = match row.fate {
        Fate::Same => "same",
        Fate::Replaced => "replaced",
        Fate::Added => "added",
        Fate::Removed => "removed",
    };
    let arch = if row.per_arch { ", per arch" } else { "" };
    let dtype = match (&row.base_dtype, &row.new_dtype) {
        (Some(was), Some(is)) if was != is => format!(", {was} → {is}"),
        _ => String::new(),
    };
    let switch = match row.switch {
        Some(Switch::Backend) => ", same shape, other backend",
        Some(Switch::Shape) => ", same backend, other shape",
        Some(Switch::BackendAndShape) => ", other backend and shape",
        None => "",
    };
    let package = row.package.as_ref().map_or_else(String::new, |package| {
        let versions = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(" ") };
        format!(", {} {} → {}", package.name, versions(&package.base), versions(&package.new))
    });
    format!("{fate}{arch}{dtype}{switch}{package}")
}
