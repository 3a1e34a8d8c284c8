//! A report as headings, paragraphs and tables, before any syntax.
//!
//! What is said and in which order is decided once, in [`sections`](super::sections); markdown and HTML only spell
//! these few kinds of block. Texts here are raw: whoever spells them escapes them.

use super::chart::Chart;
use super::visible;

/// A whole document.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
}

/// A piece of a document, from top to bottom.
#[derive(Debug)]
pub(super) enum Block {
    Heading(String),
    /// A heading one level down.
    Subheading(String),
    Paragraph(Text),
    List(Vec<Text>),
    Table(Table),
    Chart(Chart),
}

/// A run of text with the little emphasis that a report needs.
#[derive(Debug, Default, Clone)]
pub(super) struct Text(pub(super) Vec<Piece>);

/// A part of a [`Text`].
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Plain(String),
    Strong(String),
    /// A name or a pattern, to be shown letter by letter.
    Code(String),
    /// A verdict on what stands beside it. The words say it; colour may repeat it.
    Verdict(Tone, String),
}

/// Which way a verdict points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Worse,
    Better,
}

impl Text {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::default().and(text)
    }

    /// Prose in which names stand between backticks.
    pub(super) fn prose(text: &str) -> Self {
        let parts: Vec<&str> = text.split('`').collect();
        // A backtick without a partner is one of a name's own.
        if parts.len().is_multiple_of(2) {
            return Self::plain(text);
        }
        parts.iter().enumerate().fold(Self::default(), |so_far, (at, part)| match (at % 2, part.is_empty()) {
            (0, true) => so_far,
            (0, false) => so_far.and(*part),
            _ => so_far.and_code(*part),
        })
    }

    pub(super) fn code(text: impl Into<String>) -> Self {
        Self::default().and_code(text)
    }

    pub(super) fn and(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece::Plain(text.into()));
        self
    }

    pub(super) fn and_strong(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece::Strong(text.into()));
        self
    }

    pub(super) fn and_code(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece::Code(text.into()));
        self
    }

    pub(super) fn and_verdict(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.0.push(Piece::Verdict(tone, text.into()));
        self
    }

    /// Adds the pieces of `other`.
    pub(super) fn and_text(mut self, other: Text) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words alone.
    pub(super) fn raw(&self) -> String {
        let words = |piece: &Piece| match piece {
            Piece::Plain(text) | Piece::Strong(text) | Piece::Code(text) | Piece::Verdict(_, text) => visible(text),
        };
        self.0.iter().map(words).collect()
    }
}

/// How a column is aligned: text to the left, figures to the right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Align {
    Left,
    Right,
}

/// What stands in a table at one place.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Text(Text),
    /// A share of 1, drawn.
    Bar(f64),
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(Text::plain(text))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(Text::plain(text))
    }
}

impl From<Text> for Cell {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

/// A table. Every row has as many cells as there are columns.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<(String, Align)>,
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new<S: Into<String>>(columns: impl IntoIterator<Item = (S, Align)>) -> Self {
        Self { columns: columns.into_iter().map(|(title, align)| (title.into(), align)).collect(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let cells: Vec<Cell> = cells.into_iter().collect();
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }
}

impl Document {
    pub(super) fn heading(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Heading(text.into()));
    }

    pub(super) fn subheading(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Subheading(text.into()));
    }

    pub(super) fn paragraph(&mut self, text: Text) {
        if !text.is_empty() {
            self.blocks.push(Block::Paragraph(text));
        }
    }

    pub(super) fn list(&mut self, items: Vec<Text>) {
        if !items.is_empty() {
            self.blocks.push(Block::List(items));
        }
    }

    pub(super) fn table(&mut self, table: Table) {
        if !table.rows.is_empty() {
            self.blocks.push(Block::Table(table));
        }
    }

    pub(super) fn chart(&mut self, chart: Chart) {
        self.blocks.push(Block::Chart(chart));
    }
}
