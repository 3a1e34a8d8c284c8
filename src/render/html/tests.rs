//! What holds for every page: it is well-formed, nothing in it is a text's doing, and everybody can read it.

use proptest::prelude::*;

use super::*;
use crate::classify::Category;
use crate::output::steps::{Histogram, Point};
use crate::render::chart::{Chart, Kind, Lengths, Part, Whole};

/// Tags that have no end.
const VOID: [&str; 4] = ["meta", "br", "hr", "link"];

/// Element names in the order in which they open; panics where the page is not well-formed.
fn elements(page: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let mut seen = Vec::new();
    let body = page.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let mut rest = body;
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        assert!(!text.contains('>') || open.last().is_some_and(|last| last == "style"), "a bare > in {text:?}");
        let end = tag.find('>').expect("a tag ends");
        assert_eq!(tag[..end].matches('"').count() % 2, 0, "{:?}", &tag[..end]);
        let name = tag[1..end].trim_start_matches('/').split([' ', '\n']).next().unwrap_or_default().to_owned();
        if tag.starts_with("</") {
            assert_eq!(open.pop().as_ref(), Some(&name), "in {page}");
        } else {
            seen.push(name.clone());
            if !VOID.contains(&name.as_str()) {
                open.push(name);
            }
        }
        rest = &tag[end + 1..];
    }
    assert_eq!(open, Vec::<String>::new());
    seen
}

fn rendered(document: &Document) -> String {
    let mut out = Vec::new();
    write(document, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A page with everything that a page may have, all texts the same.
fn everything(name: &str) -> Document {
    let mut document = Document { title: name.to_owned(), blocks: Vec::new() };
    document.paragraph(Text::plain(name).and_strong(name).and_code(name).and_verdict(Tone::Worse, name));
    document.heading(name);
    document.subheading(name);
    document.list(vec![Text::code(name)]);
    let mut table = Table::new([(name, Align::Left), ("", Align::Left), ("n", Align::Right)]);
    table.row([Text::code(name).into(), Cell::Bar(0.5), name.into()]);
    document.table(table);
    let histogram = Histogram { from_ns: 10, width_ns: 5, counts: vec![1, 0, 3], above: 1 };
    let side = |p50_ns| Lengths { name: name.to_owned(), p50_ns, histogram: histogram.clone() };
    let parts = vec![
        (Part::Of(Category::Gemm, Category::Gemm.title()), 0.5),
        (Part::Idle, 0.25),
        (Part::Of(Category::Moe, Category::Moe.title()), 0.25),
    ];
    for kind in [
        Kind::Shares(vec![Whole { name: name.to_owned(), parts }]),
        Kind::Series(vec![Point { p50_ns: 10, max_ns: 12 }, Point { p50_ns: 11, max_ns: 900 }]),
        Kind::Histogram(vec![side(12), side(21)]),
        Kind::Histogram(vec![side(12)]),
        Kind::Waterfall { base_ns: 100, new_ns: 90, changes: vec![(name.to_owned(), -20), ("idle".to_owned(), 10)] },
    ] {
        document.chart(Chart { title: name.to_owned(), note: name.to_owned(), kind });
    }
    document
}

proptest! {
    #[test]
    fn no_text_adds_an_element_or_an_attribute(
        name in "[ -~\\n\\r\\t\\x00-\\x1f<>&\"'`=/\u{80}-\u{9f}\u{202a}-\u{202e}\u{2028}é日]{1,40}",
    ) {
        let page = rendered(&everything(&name));
        prop_assert_eq!(elements(&page), elements(&rendered(&everything("x"))));
        prop_assert!(page.chars().all(|c| c == '\n' || !crate::render::text::is_hostile(c)));
    }

    #[test]
    fn charts_of_any_figures_have_finite_places(
        points in prop::collection::vec((any::<u32>(), any::<u32>()), 0..20),
        counts in prop::collection::vec(0_u64..1_000_000, 0..20),
        changes in prop::collection::vec(-1_000_000_000_i64..1_000_000_000, 0..9),
    ) {
        let histogram = Histogram { from_ns: 3, width_ns: 1, counts, above: 0 };
        let points: Vec<Point> = points
            .into_iter()
            .map(|(a, b)| Point { p50_ns: a.min(b).into(), max_ns: a.max(b).into() })
            .collect();
        let new_ns = changes.iter().sum();
        let changes = changes.into_iter().map(|ns| ("x".to_owned(), ns)).collect();
        let side = Lengths { name: String::new(), p50_ns: 4, histogram };
        for kind in [
            Kind::Series(points),
            Kind::Histogram(vec![side.clone(), side]),
            Kind::Waterfall { base_ns: 0, new_ns, changes },
            Kind::Shares(vec![Whole { name: String::new(), parts: vec![(Part::Idle, f64::MIN_POSITIVE)] }]),
        ] {
            let text = svg::figure(&Chart { title: String::new(), note: String::new(), kind }, "c").into_string();
            prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{}", text);
            prop_assert!(!text.contains("width=\"-") && !text.contains("height=\"-"), "{}", text);
        }
    }
}

#[test]
fn a_page_needs_nothing_but_itself() {
    let page = rendered(&everything("kernel"));
    for loads in
        ["src=", "url(", "@import", "<script", "<link", "<iframe", "<img", "<use", "http:", "https:", "onclick"]
    {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(page.contains("default-src 'none'"));
    let targets = page.match_indices("href=\"").map(|(at, _)| &page[at + 6..]);
    assert!(targets.clone().count() > 0);
    for target in targets {
        let id = target.split('"').next().and_then(|id| id.strip_prefix('#')).expect("a place in the page");
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
}

#[test]
fn what_is_seen_is_said_too() {
    let page = rendered(&everything("kernel"));
    let seen = elements(&page);
    let count = |name: &str| seen.iter().filter(|other| *other == name).count();
    assert_eq!(count("h1"), 1);
    assert_eq!((count("caption"), count("table")), (1, 1));
    assert_eq!(page.matches("scope=\"col\"").count() + page.matches("scope=\"row\"").count(), count("th"));
    assert_eq!(page.matches("role=\"img\" aria-label").count(), count("svg"));
    let mut ids: Vec<&str> =
        page.match_indices(" id=\"").map(|(at, _)| page[at + 5..].split('"').next().unwrap_or_default()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "ids are unique");
}

/// The colours of the light and of the dark theme.
fn themes() -> [Vec<(String, [u8; 3])>; 2] {
    let themes = STYLE.split(":root {").skip(1).map(|rest| {
        let block = rest.split('}').next().unwrap_or_default();
        let colours = block.split(';').filter_map(|line| line.trim().strip_prefix("--")).filter_map(|line| {
            let (name, value) = line.split_once(": #")?;
            let byte = |at: usize| u8::from_str_radix(value.get(at..at + 2)?, 16).ok();
            Some((name.to_owned(), [byte(0)?, byte(2)?, byte(4)?]))
        });
        colours.collect::<Vec<_>>()
    });
    themes.collect::<Vec<_>>().try_into().expect("two themes")
}

/// Contrast as WCAG 2 defines it, from 1 to 21.
fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let luminance = |colour: [u8; 3]| {
        let [r, g, b] = colour.map(|byte| {
            let c = f64::from(byte) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn texts_and_charts_stand_out_from_the_page_in_light_and_in_dark() {
    for theme in themes() {
        let colour =
            |name: &str| theme.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no colour {name}")).1;
        let texts = [
            ("text", "page"),
            ("text", "raised"),
            ("muted", "page"),
            ("link", "page"),
            ("muted", "raised"),
            ("text", "worse-row"),
            ("text", "better-row"),
            ("worse", "worse-row"),
            ("better", "better-row"),
            ("worse", "raised"),
            ("better", "raised"),
            ("worse", "page"),
            ("better", "page"),
        ];
        for (on, under) in texts {
            let found = contrast(colour(on), colour(under));
            assert!(found >= 4.5, "{on} on {under}: {found:.2}");
        }
        let categories = Category::ALL.map(Category::name);
        for drawn in categories.into_iter().chain(["base", "new", "worse", "better", "muted"]) {
            let found = contrast(colour(drawn), colour("page"));
            assert!(found >= 3.0, "{drawn}: {found:.2}");
        }
        assert!(theme.len() >= 18, "{}", theme.len());
    }
}
