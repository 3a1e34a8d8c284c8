//! Untrusted text made harmless, long text made short, numbers made readable.

use std::fmt::Write as _;

/// Adds `c` to `out`; what a terminal or a bidirectional layout would act on is spelled as an escape instead.
///
/// Kernel names and marker texts come from files: a newline would break a table, an escape sequence would drive the
/// reader's terminal, a right-to-left override would show another name than the one that is there.
pub(super) fn push_visible(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_hostile(c) => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        c => out.push(c),
    }
}

/// Whether `c` acts on its surroundings rather than showing itself: controls, line and paragraph separators,
/// bidirectional and invisible formatting.
pub(super) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` in at most `limit` characters, the middle left out: what tells kernels apart stands at both ends.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    let length = text.chars().count();
    if length <= limit {
        return text.to_owned();
    }
    let head = limit.saturating_sub(1) * 3 / 4;
    let tail = limit.saturating_sub(1) - head;
    let begin: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{begin}…{end}")
}

/// A unit in which the figures of one column are shown, so that they can be compared at a glance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unit {
    pub(super) name: &'static str,
    ns: u64,
}

impl Unit {
    /// The unit in which `ns`, the largest figure, has one to three digits before the point.
    pub(super) fn for_largest(ns: u64) -> Self {
        match ns {
            0..1_000 => Self { name: "ns", ns: 1 },
            1_000..1_000_000 => Self { name: "µs", ns: 1_000 },
            1_000_000..1_000_000_000 => Self { name: "ms", ns: 1_000_000 },
            _ => Self { name: "s", ns: 1_000_000_000 },
        }
    }

    /// The figure alone.
    pub(super) fn figure(self, ns: u64) -> String {
        if self.ns == 1 { ns.to_string() } else { format!("{:.3}", ns as f64 / self.ns as f64) }
    }
}

/// A duration in prose, e.g. `3.142 ms`.
pub(super) fn duration(ns: u64) -> String {
    let unit = Unit::for_largest(ns);
    format!("{} {}", unit.figure(ns), unit.name)
}

/// A share of 1 in per cent. Something is never shown as nothing, nor nearly all as all.
pub(super) fn percent(share: f64) -> String {
    match share {
        share if share > 0.0 && share < 0.0005 => "<0.1 %".to_owned(),
        share if (0.9995..1.0).contains(&share) => ">99.9 %".to_owned(),
        share => format!("{:.1} %", share * 100.0),
    }
}

/// An integer with its thousands set apart, e.g. `1,234,567`.
pub(super) fn integer(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `count` of `what`, e.g. `1 step`, `2 steps`.
pub(super) fn several(count: u64, what: &str) -> String {
    format!("{} {what}{}", integer(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shorten("abcdefghij", 10), "abcdefghij");
        assert_eq!(shorten("abcdefghijk", 10), "abcdef…ijk");
        assert_eq!(shorten("日本語日本語", 4), "日本…語");
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(duration(999), "999 ns");
        assert_eq!(duration(1_234_567), "1.235 ms");
        assert_eq!(integer(1_234_567), "1,234,567");
        assert_eq!(percent(0.00001), "<0.1 %");
        assert_eq!(percent(0.99999), ">99.9 %");
        assert_eq!(percent(0.0), "0.0 %");
        assert_eq!(several(1, "step"), "1 step");
    }
}
