//! A document as one HTML file that needs nothing else: no network, no script, light and dark as the reader has it.
//!
//! A report is mailed, attached to a build and opened years later, so everything is in the file, and a content security
//! policy in it forbids the browser to fetch anything at all: should a kernel's name ever get past the escaping, it
//! could still load and run nothing. `maud` escapes every text; what acts on its surroundings without being markup
//! (controls, bidirectional overrides) is spelled out by [`visible`], as in the other syntaxes.
//!
//! For those who do not see the page: one heading a section, a caption for every table, the name of its row before every
//! figure, a sentence for every chart. A test holds the contrast of all colours.

mod svg;

use std::io::{self, Write};

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::document::{Align, Block, Cell, Document, Piece, Table, Text, Tone};
use super::text::percent;
use super::visible;

const STYLE: &str = include_str!("style.css");
/// Nothing may be loaded, run or sent; the style is in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Writes `document`.
pub(super) fn write(document: &Document, out: &mut impl Write) -> io::Result<()> {
    out.write_all(page(document).into_string().as_bytes())?;
    writeln!(out)
}

/// What stands under one heading.
struct Section<'d> {
    /// None before the first heading.
    heading: Option<&'d str>,
    blocks: Vec<&'d Block>,
}

fn sections(document: &Document) -> Vec<Section<'_>> {
    let mut sections = vec![Section { heading: None, blocks: Vec::new() }];
    for block in &document.blocks {
        match (block, sections.last_mut()) {
            (Block::Heading(heading), _) => sections.push(Section { heading: Some(heading), blocks: Vec::new() }),
            (block, Some(section)) => section.blocks.push(block),
            (_, None) => {}
        }
    }
    sections
}

fn page(document: &Document) -> Markup {
    let title = visible(&document.title);
    let sections = sections(document);
    let id = |at: usize| format!("s{at}");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { h1 { (title) } }
                nav aria-label="Contents" {
                    ul {
                        @for (at, section) in sections.iter().enumerate() {
                            @if let Some(heading) = section.heading {
                                li { a href=(format!("#{}", id(at))) { (visible(heading)) } }
                            }
                        }
                    }
                }
                main {
                    @for (at, section) in sections.iter().enumerate() {
                        @match section.heading {
                            Some(heading) => section aria-labelledby=(id(at)) {
                                h2 id=(id(at)) { (visible(heading)) }
                                (blocks(heading, &section.blocks, at))
                            },
                            None => div class="lead" { (blocks(&document.title, &section.blocks, at)) },
                        }
                    }
                }
            }
        }
    }
}

fn blocks(heading: &str, blocks: &[&Block], section: usize) -> Markup {
    let mut last = heading;
    let mut charts = 0;
    html! {
        @for block in blocks {
            @match block {
                Block::Heading(_) => {},
                Block::Subheading(heading) => h3 { ({ last = heading; visible(heading) }) },
                Block::Paragraph(paragraph) => p { (text(paragraph)) },
                Block::List(items) => ul { @for item in items { li { (text(item)) } } },
                Block::Table(rows) => (table(rows, last)),
                Block::Chart(chart) => (svg::figure(chart, &{ charts += 1; format!("c{section}-{charts}") })),
            }
        }
    }
}

fn table(table: &Table, caption: &str) -> Markup {
    let class = |align: Align| (align == Align::Right).then_some("n");
    html! {
        div class="table" role="region" tabindex="0" aria-label=(visible(caption)) {
            table {
                caption { (visible(caption)) }
                thead {
                    tr {
                        @for (title, align) in &table.columns {
                            th scope="col" class=[class(*align)] {
                                // A column of bars has no title: it draws the one before it.
                                @if title.is_empty() { span class="unseen" { "drawn" } } @else { (visible(title)) }
                            }
                        }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        tr class=[row_tone(row)] {
                            @for (nth, (content, (_, align))) in row.iter().zip(&table.columns).enumerate() {
                                @if nth == 0 {
                                    th scope="row" class=[class(*align)] { (cell(content)) }
                                } @else {
                                    td class=[class(*align)] { (cell(content)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A row is coloured as the verdict in it.
fn row_tone(row: &[Cell]) -> Option<&'static str> {
    let mut tones = row.iter().filter_map(|cell| match cell {
        Cell::Text(Text(pieces)) => pieces.iter().find_map(|piece| match piece {
            Piece::Verdict(tone, _) => Some(tone_class(*tone)),
            _ => None,
        }),
        Cell::Bar(_) => None,
    });
    tones.next_back()
}

fn tone_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Worse => "worse",
        Tone::Better => "better",
    }
}

fn cell(cell: &Cell) -> Markup {
    match cell {
        Cell::Text(content) => text(content),
        Cell::Bar(share) => svg::bar(*share, &percent(*share)),
    }
}

fn text(text: &Text) -> Markup {
    html! {
        @for piece in &text.0 {
            @match piece {
                Piece::Plain(text) => (visible(text)),
                Piece::Strong(text) => strong { (visible(text)) },
                Piece::Verdict(tone, text) => strong class=(tone_class(*tone)) { (visible(text)) },
                Piece::Code(text) if text.is_empty() => "(no name)",
                Piece::Code(text) => code { (visible(text)) },
            }
        }
    }
}

#[cfg(test)]
mod tests;
