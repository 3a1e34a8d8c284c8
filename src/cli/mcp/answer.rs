//! What a tool says: the part that was asked for, and never more than [`SIZE`] bytes.
//!
//! A report has tens of kilobytes, of which a question needs a line. So a part can be asked for, a section of the text by
//! its heading or a value of the JSON by its key; what is too long even so is cut at a line, or refused with the names of
//! its parts, and the answer says how to ask for less.

use serde::Serialize;
use serde_json::{Value, json};

use super::rpc::shortened;

/// The most that an answer holds: some 16,000 tokens.
pub(super) const SIZE: usize = 64 << 10;

/// The result of a call that went well.
pub(super) fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": false})
}

/// The result of one that did not.
pub(super) fn failed(why: &str) -> Value {
    json!({"content": [{"type": "text", "text": bounded(why, "")}], "isError": true})
}

/// Which part of a document is asked for.
#[derive(Default)]
pub(super) struct Part {
    pub(super) section: Option<String>,
    pub(super) key: Option<String>,
}

impl Part {
    /// That part: of `markdown`, or of `json` where a key was named.
    ///
    /// # Errors
    /// If there is no such part: says which there are.
    pub(super) fn of(&self, markdown: &str, json: impl Serialize) -> Result<String, String> {
        match (&self.key, &self.section) {
            (Some(key), _) => {
                let json = serde_json::to_value(json).map_err(|error| error.to_string())?;
                value(&json, key)
            }
            (None, Some(name)) => {
                let section = section(markdown, name)?;
                Ok(bounded(&section, "Ask for a value with `key`."))
            }
            (None, None) => {
                let main = markdown.split("\n## Appendix").next().unwrap_or_default();
                let hint = format!("Ask for a `section`: {}.", headings(markdown).join("; "));
                Ok(bounded(main, &hint))
            }
        }
    }
}

/// `text`, cut at a line if it is too long, with a word of that and a hint.
pub(super) fn bounded(text: &str, hint: &str) -> String {
    if text.len() <= SIZE {
        return text.to_owned();
    }
    let note = format!("\n[Cut here: {} bytes are more than {SIZE}. {hint}]\n", text.len());
    let mut end = SIZE.saturating_sub(note.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let end = text[..end].rfind('\n').unwrap_or(end);
    format!("{}{note}", &text[..end])
}

/// The headings of a document.
fn headings(markdown: &str) -> Vec<&str> {
    markdown.lines().filter_map(heading).filter(|(level, _)| *level >= 2).map(|(_, title)| title).collect()
}

/// Level and title of a line, if it is a heading.
fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line[level..].strip_prefix(' ')?;
    (level > 0).then_some((level, title))
}

/// The section whose heading begins with `name`, with those below it; `summary` is what stands before the first.
fn section(markdown: &str, name: &str) -> Result<String, String> {
    if name.eq_ignore_ascii_case("summary") {
        return Ok(markdown.split("\n## ").next().unwrap_or_default().to_owned());
    }
    let wanted = name.to_lowercase();
    let is_wanted = |line: &&str| heading(line).is_some_and(|(_, title)| title.to_lowercase().starts_with(&wanted));
    let mut lines = markdown.lines().skip_while(|line| !is_wanted(line));
    let first = lines.next().filter(|_| !wanted.is_empty());
    let Some((first, (level, _))) = first.and_then(|line| Some((line, heading(line)?))) else {
        let names = headings(markdown).join("; ");
        return Err(bounded(&format!("there is no section {:?}; there are: summary; {names}", shortened(name)), ""));
    };
    let rest = lines.take_while(|line| heading(line).is_none_or(|(other, _)| other > level));
    Ok(std::iter::once(first).chain(rest).fold(String::new(), |text, line| text + line + "\n"))
}

/// What names an element of a list, where it has such a key.
const NAMES: [&str; 6] = ["name", "id", "code", "role", "phase", "size"];

/// The value under `key`, such as `steps/itl_ns/p50`, `categories/gemm/critical_share` or `source/0/arch`.
fn value(json: &Value, key: &str) -> Result<String, String> {
    let mut at = json;
    for part in key.split('/').filter(|part| !part.is_empty()) {
        at = step(at, part).ok_or_else(|| {
            format!("there is no {:?} in {:?}; there are: {}", shortened(part), shortened(key), parts(at))
        })?;
    }
    let text = serde_json::to_string_pretty(at).map_err(|error| error.to_string())?;
    if text.len() > SIZE {
        return Err(format!(
            "{:?} has {} bytes, more than {SIZE}; ask for a part: {}",
            shortened(key),
            text.len(),
            parts(at)
        ));
    }
    Ok(text)
}

fn step<'a>(at: &'a Value, part: &str) -> Option<&'a Value> {
    match at {
        Value::Object(object) => object.get(part),
        Value::Array(list) => {
            let named = |element: &&Value| name_of(element).is_some_and(|name| name == part);
            list.iter().find(named).or_else(|| list.get(part.parse::<usize>().ok()?))
        }
        _ => None,
    }
}

/// By what an element of a list is called.
fn name_of(element: &Value) -> Option<String> {
    NAMES.iter().find_map(|name| match element.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// The parts of a value, for people.
fn parts(at: &Value) -> String {
    let names: Vec<String> = match at {
        Value::Object(object) => object.keys().cloned().collect(),
        Value::Array(list) => {
            let name = |(index, element): (usize, &Value)| name_of(element).unwrap_or_else(|| index.to_string());
            list.iter().enumerate().take(100).map(name).collect()
        }
        _ => return "nothing below it".to_owned(),
    };
    bounded(&names.join(", "), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str =
        "# Title\n\nhead\n\n## One\n\na\n\n### Deep\n\nb\n\n## Two\n\nc\n\n## Appendix: all\n\nlong\n";

    fn part(section: &str) -> Result<String, String> {
        Part { section: Some(section.to_owned()), key: None }.of(DOCUMENT, ())
    }

    #[test]
    fn sections_are_found_by_the_beginning_of_their_headings() {
        assert_eq!(part("summary").unwrap(), "# Title\n\nhead\n");
        assert_eq!(part("one").unwrap(), "## One\n\na\n\n### Deep\n\nb\n\n");
        assert_eq!(part("deep").unwrap(), "### Deep\n\nb\n\n");
        assert_eq!(part("appendix").unwrap(), "## Appendix: all\n\nlong\n");
        assert!(part("three").unwrap_err().contains("One; Deep; Two"));
        assert!(part("").is_err());
        let whole = Part::default().of(DOCUMENT, ()).unwrap();
        assert!(whole.contains("## Two") && !whole.contains("Appendix"));
    }

    #[test]
    fn values_are_found_by_their_keys_and_elements_by_their_names() {
        let json =
            json!({"steps": {"p50": 7}, "rows": [{"name": "gemm", "ns": 1}, {"name": "moe", "ns": 2}], "x": [[5]]});
        for (key, found) in
            [("steps/p50", "7"), ("/steps/p50", "7"), ("rows/moe/ns", "2"), ("rows/0/ns", "1"), ("x/0/0", "5")]
        {
            assert_eq!(value(&json, key).unwrap(), found, "{key}");
        }
        assert!(value(&json, "steps/p51").unwrap_err().contains("there are: p50"));
        assert!(value(&json, "rows/attention").unwrap_err().contains("gemm, moe"));
        assert!(value(&json, "steps/p50/x").unwrap_err().contains("nothing below"));
    }

    #[test]
    fn an_answer_is_cut_at_a_line_or_refused() {
        let long = "ä line\n".repeat(SIZE);
        let cut = bounded(&long, "Ask for less.");
        assert!(cut.len() <= SIZE && cut.ends_with("Ask for less.]\n"), "{}", cut.len());
        assert!(cut.lines().rev().nth(1).unwrap() == "ä line");
        assert!(bounded(&"x".repeat(SIZE + 1), "").len() <= SIZE);
        let refused = value(&json!({"rows": vec!["a row"; SIZE]}), "rows").unwrap_err();
        assert!(refused.contains("ask for a part: 0, 1, 2") && refused.len() < 2000, "{}", refused.len());
    }
}
