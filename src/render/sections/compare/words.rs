//! How differences, kernels and parts of a step are put in words.

use crate::classify::Category;
use crate::output::Comparison;
use crate::render::document::Text;
use crate::render::text::{Unit, duration, percent, shorten};

/// Characters of a kernel name in a table.
const NAME_WIDTH: usize = 56;

pub(super) fn names(text: Text, names: &[String]) -> Text {
    let text = match names.first() {
        Some(first) => text.and_code(shorten(first, NAME_WIDTH)),
        None => text.and("nothing"),
    };
    if names.len() > 1 { text.and(format!(" and {} more", names.len() - 1)) } else { text }
}

pub(super) fn title(comparison: &Comparison, name: &str) -> String {
    let category = Category::ALL.into_iter().find(|category| category.name() == name);
    match (category, name) {
        (Some(category), _) => comparison.title(category).to_owned(),
        (None, "idle") => "Idle".to_owned(),
        (None, name) => name.replace('_', " "),
    }
}

/// A difference with its sign.
pub(super) fn signed(ns: i64) -> String {
    let sign = match ns {
        0 => "",
        ..0 => "−",
        _ => "+",
    };
    format!("{sign}{}", duration(ns.unsigned_abs()))
}

/// A difference that there may be none of, with its sign.
pub(super) fn signed_or_none(ns: Option<i64>) -> String {
    ns.map_or_else(|| "–".to_owned(), signed)
}

/// The figure of a difference with its sign; none for what rounds to nothing.
pub(super) fn figure(unit: Unit, ns: i64) -> String {
    let figure = unit.figure(ns.unsigned_abs());
    let is_nothing = !figure.contains(|c: char| c.is_ascii_digit() && c != '0');
    match ns {
        _ if is_nothing => figure,
        ..0 => format!("−{figure}"),
        _ => format!("+{figure}"),
    }
}

/// A relative difference with its sign, in brackets.
pub(super) fn relative(share: Option<f64>) -> String {
    share.map_or_else(String::new, |share| format!(" ({})", signed_percent(share)))
}

pub(super) fn signed_percent(share: f64) -> String {
    let sign = match share {
        0.0 => "",
        ..0.0 => "−",
        _ => "+",
    };
    format!("{sign}{}", percent(share.abs()).replace(">99.9", "100.0"))
}

pub(super) fn range([low, high]: [i64; 2]) -> String {
    format!("{} to {}", signed(low), signed(high))
}

pub(super) fn noise(floor: Option<u64>) -> String {
    floor.map_or_else(|| "not known".to_owned(), |ns| format!("up to ±{} without any change", duration(ns)))
}

/// `text` with a capital.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
