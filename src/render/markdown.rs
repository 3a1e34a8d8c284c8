//! A document as GitHub-flavoured markdown that reads as well raw in a terminal: tables are padded, bars are text, and
//! nothing wraps that GitHub would then break.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::document::{Align, Block, Cell, Document, Piece, Table, Text};
use super::text::push_visible;

/// How many characters a full bar has.
const BAR_WIDTH: usize = 20;

/// Writes `document`.
pub(super) fn write(document: &Document, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# {}", plain(&document.title))?;
    // What cannot be drawn here is said by the text around it.
    for block in document.blocks.iter().filter(|block| !matches!(block, Block::Chart(_))) {
        writeln!(out)?;
        match block {
            Block::Heading(text) => writeln!(out, "## {}", plain(text))?,
            Block::Subheading(text) => writeln!(out, "### {}", plain(text))?,
            Block::Paragraph(paragraph) => writeln!(out, "{}", text(paragraph))?,
            Block::List(items) => {
                for item in items {
                    writeln!(out, "- {}", text(item))?;
                }
            }
            Block::Table(table) => write_table(table, out)?,
            Block::Chart(_) => {}
        }
    }
    Ok(())
}

fn write_table(table: &Table, out: &mut impl Write) -> io::Result<()> {
    let titles: Vec<String> = table.columns.iter().map(|(title, _)| in_cell(&plain(title))).collect();
    let rows: Vec<Vec<String>> = table.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let widths: Vec<usize> = (0..titles.len())
        .map(|column| rows.iter().map(|row| row[column].width()).chain([titles[column].width(), 3]).max().unwrap_or(3))
        .collect();
    let write_row = |cells: &[String], out: &mut dyn Write| {
        for ((cell, width), (_, align)) in cells.iter().zip(&widths).zip(&table.columns) {
            let padding = " ".repeat(width - cell.width().min(*width));
            match align {
                Align::Left => write!(out, "| {cell}{padding} ")?,
                Align::Right => write!(out, "| {padding}{cell} ")?,
            }
        }
        writeln!(out, "|")
    };
    write_row(&titles, out)?;
    for (width, (_, align)) in widths.iter().zip(&table.columns) {
        let dashes = "-".repeat(width - 1);
        match align {
            Align::Left => write!(out, "|:{dashes}- ")?,
            Align::Right => write!(out, "| {dashes}-:")?,
        }
    }
    writeln!(out, "|")?;
    rows.iter().try_for_each(|row| write_row(row, out))
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(content) => in_cell(&text(content)),
        Cell::Bar(share) => bar(*share),
    }
}

/// Text as it stands in a cell. A table is cut at every `|` that no backslash stands before, even in a code span; before a
/// backslash of the text's own that would be none, so one that a `|` follows is doubled.
fn in_cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut own = 0;
    for c in text.chars() {
        if c == '|' {
            out.extend(std::iter::repeat_n('\\', own + 1));
        }
        own = if c == '\\' { own + 1 } else { 0 };
        out.push(c);
    }
    out
}

/// A bar of block characters, to an eighth of a character.
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * (BAR_WIDTH * 8) as f64).round() as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

fn text(text: &Text) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Plain(text) => plain(text),
        Piece::Strong(text) | Piece::Verdict(_, text) => format!("**{}**", plain(text)),
        Piece::Code(text) => code(text),
    };
    text.0.iter().map(piece).collect()
}

/// Text in which nothing is markup: what would start a link, a tag, a code span, emphasis or a mention is escaped.
///
/// GitHub looks for addresses and mentions in the text that is left when escapes are resolved, so behind an `@` an empty
/// comment parts it; a web address is none any more with its `:` or `.` escaped.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let after = text[at + c.len_utf8()..].chars().next().unwrap_or(' ');
        let is_markup = match c {
            '\\' | '`' | '*' | '[' | ']' | '~' => true,
            // A `<` before a digit or a space is a comparison: no tag begins so.
            '<' => !after.is_ascii_digit() && after != ' ',
            // Within a word it is a letter like others.
            '_' => !before.is_alphanumeric() || !after.is_alphanumeric(),
            ':' => text[at..].starts_with("://"),
            '.' => text[..at].to_ascii_lowercase().ends_with("www"),
            _ => false,
        };
        if is_markup {
            out.push('\\');
        }
        push_visible(&mut out, c);
        if c == '@' && after.is_alphanumeric() {
            out.push_str("<!-- -->");
        }
        before = c;
    }
    out
}

/// A code span that ends where it should. A run of backticks as long as the fence would end it, so the fence is made
/// longer; nothing else means anything in it, so nothing is escaped.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    text.chars().for_each(|c| push_visible(&mut out, c));
    if out.is_empty() {
        return "(no name)".to_owned();
    }
    let longest = out.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if out.starts_with('`') || out.ends_with('`') || out.trim().is_empty() { " " } else { "" };
    format!("{fence}{space}{out}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The cells of a table line as GitHub cuts it: at each `|` that is not escaped by a backslash.
    fn cells(line: &str) -> usize {
        let mut bars = 0;
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    chars.next();
                }
                '|' => bars += 1,
                _ => {}
            }
        }
        bars - 1
    }

    fn table_of(names: &[&str]) -> String {
        let mut table = Table::new([("Kernel", Align::Left), ("Time", Align::Right)]);
        for name in names {
            table.row([Text::code(*name).into(), "1".into()]);
            table.row([Text::plain(*name).into(), "2".into()]);
        }
        let mut out = Vec::new();
        write_table(&table, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_backtick_in_a_name_gets_a_longer_fence() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("plain"), "`plain`");
        assert_eq!(code("a\\b|c*"), "`a\\b|c*`");
    }

    #[test]
    fn tags_links_and_escape_sequences_are_not_passed_on() {
        assert_eq!(plain("<img src=x> [a](b) *c*"), "\\<img src=x> \\[a\\](b) \\*c\\*");
        assert_eq!(code("a\x1b[31m\u{202e}b\u{9b}\n"), "`a\\u{1b}[31m\\u{202e}b\\u{9b}\\n`");
    }

    #[test]
    fn addresses_mentions_and_emphasis_of_others_are_not_passed_on() {
        assert_eq!(plain("see http://x.y and HTTPS://z"), "see http\\://x.y and HTTPS\\://z");
        assert_eq!(plain("www.x.y, a@b.c, @team"), "www\\.x.y, a@<!-- -->b.c, @<!-- -->team");
        assert_eq!(plain("_a_ snake_case ~~b~~ 3 @ 4"), "\\_a\\_ snake_case \\~\\~b\\~\\~ 3 @ 4");
        assert_eq!(plain("a: b... 1.5 < 2"), "a: b... 1.5 < 2");
    }

    #[test]
    fn bars_are_drawn_to_the_eighth() {
        assert_eq!(bar(1.0), "█".repeat(20));
        assert_eq!(bar(0.5 + 1.0 / 160.0), format!("{}▏", "█".repeat(10)));
        assert_eq!(bar(0.0), "");
    }

    proptest! {
        #[test]
        fn no_name_can_break_a_table(name in "[ -~\\n\\r\\t\\x00-\\x1f|`\\\\<>\u{80}-\u{9f}\u{202a}-\u{202e}\u{2028}é日]{0,40}") {
            let text = table_of(&[&name]);
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert_eq!(lines.len(), 5, "{}", text);
            for line in &lines[..4] {
                prop_assert_eq!(cells(line), 2, "{}", line);
                prop_assert!(!line.chars().any(crate::render::text::is_hostile), "{:?}", line);
            }
        }

        #[test]
        fn the_lines_of_a_table_are_equally_wide(names in prop::collection::vec("[a-z|`<]{0,30}", 1..5)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let text = table_of(&names);
            let widths: Vec<usize> = text.lines().map(UnicodeWidthStr::width).collect();
            prop_assert!(widths.iter().all(|width| *width == widths[0]), "{}", text);
        }
    }
}
