//! Rules as data: the text of a table, read and checked.
//!
//! One line a rule, columns parted by a tab or by two or more spaces:
//!
//! ```text
//! id            when                     is                        by    sure    example            source
//! moe.sort.ck   ns:ck_tile moe sorting   moe/sort                  ck    high    ck_tile::kentry…   CK Tile fused_moe
//! ```
//!
//! * `when`: terms that must all hold, parted by one space. See [`Term`].
//! * `is`: `category/sub`, or `category/sub+secondary` for fused kernels; the sub `=` is the name of the backend. `-`
//!   makes a rule that only tells a backend, for kernels whose purpose another rule told.
//! * `by`: the backend; `-` leaves it to the rules that only tell a backend.
//! * `sure`: `high`, `medium` or `low`.
//! * `example`: a name that this very rule decides (a test holds every rule to it); `source`: where the naming is from.
//!
//! The first rule that holds decides. `@class = word word …` names a set of words for use in terms; `#` begins a
//! comment. The table that comes with the program and the user's own are the same language; the user's rules are asked
//! first.

use std::collections::HashMap;
use std::fmt;

use super::{Category, Confidence};

/// One rule as written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// What reports call it.
    pub id: String,
    /// The terms, as written.
    pub when: String,
    /// What the kernel does; `None` for a rule that only tells the backend.
    pub purpose: Option<Purpose>,
    /// Who made it; `None` leaves that to other rules.
    pub backend: Option<String>,
    /// How sure it is.
    pub confidence: Confidence,
    /// A name that it decides.
    pub example: String,
    /// Where the naming is from.
    pub source: String,
    /// Its line in the table.
    pub line: usize,
    pub(super) terms: Vec<Term>,
}

/// What a rule says of a kernel's work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Purpose {
    /// The category.
    pub category: Category,
    /// The kind within the category; `=` stands for the backend's name.
    pub sub: String,
    /// What a fused kernel does besides.
    pub secondary: Option<String>,
}

/// One condition: any of the alternatives, or none of them where negated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Term {
    pub(super) negated: bool,
    pub(super) any: Vec<Pattern>,
}

/// What a name is asked for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Pattern {
    pub(super) place: Place,
    pub(super) glob: String,
}

/// Where in a name a pattern is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) enum Place {
    /// `word`: among the words of the base identifier.
    Word,
    /// `in:word`: among the words of template arguments and parameters.
    In,
    /// `ns:word`: among namespaces.
    Namespace,
    /// `tail:word`: among the constants that a generator appended.
    Tail,
    /// `^text`: at the start of the base identifier, case counts.
    Start,
    /// `=text`: the whole base identifier, case counts.
    Exact,
    /// `#N=text`: the base's Nth template argument, from 0.
    Argument(u8),
    /// `form:bare`, `form:variable`, `form:function`.
    Form,
    /// `file:word`: among the words of the code object's file name.
    File,
}

/// A mistake in a table of rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleError {
    /// Line of the table, from 1.
    pub line: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for RuleError {}

/// Reads a table. All mistakes are reported, not just the first.
pub(super) fn parse(text: &str) -> Result<Vec<Rule>, Vec<RuleError>> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut errors = Vec::new();
    let mut classes: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut ids: HashMap<String, usize> = HashMap::new();
    for (index, raw) in text.lines().enumerate() {
        let line = index + 1;
        let content = raw.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let parsed = if let Some(class) = content.strip_prefix('@') {
            class_of(class, &classes).map(|(name, words)| {
                classes.insert(name, words);
                None
            })
        } else {
            rule_of(content, line, &classes).map(Some)
        };
        match parsed {
            Ok(None) => {}
            Ok(Some(rule)) => {
                if let Some(first) = ids.insert(rule.id.clone(), line) {
                    errors.push(RuleError { line, message: format!("id `{}` was used on line {first}", rule.id) });
                }
                rules.push(rule);
            }
            Err(message) => errors.push(RuleError { line, message }),
        }
    }
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
}

type Classes<'a> = HashMap<&'a str, Vec<&'a str>>;

fn class_of<'a>(text: &'a str, classes: &Classes<'a>) -> Result<(&'a str, Vec<&'a str>), String> {
    let (name, members) = text.split_once('=').ok_or("a class is written `@name = word word …`")?;
    let mut words = Vec::new();
    for member in members.split_whitespace() {
        match member.strip_prefix('@') {
            Some(other) => words.extend(classes.get(other).ok_or(format!("class `@{other}` is not defined above"))?),
            None => words.push(member),
        }
    }
    if words.is_empty() {
        return Err(format!("class `@{}` has no words", name.trim()));
    }
    Ok((name.trim(), words))
}

fn rule_of(content: &str, line: usize, classes: &Classes<'_>) -> Result<Rule, String> {
    let columns = columns(content);
    let [id, when, is, by, sure, example, source] = columns[..] else {
        return Err(format!(
            "{} columns where 7 are wanted (id, when, is, by, sure, example, source), parted by a tab or two spaces",
            columns.len()
        ));
    };
    let terms = when.split(' ').map(|term| term_of(term, classes)).collect::<Result<Vec<_>, _>>()?;
    if terms.iter().all(|term| term.negated) {
        return Err("a rule needs a term without `!`".to_owned());
    }
    let purpose = if is == "-" { None } else { Some(purpose_of(is)?) };
    let backend = if by == "-" { None } else { Some(by.to_owned()) };
    if purpose.is_none() && backend.is_none() {
        return Err("a rule must tell a category or a backend: both columns are `-`".to_owned());
    }
    let confidence = match sure {
        "high" => Confidence::High,
        "medium" => Confidence::Medium,
        "low" => Confidence::Low,
        _ => return Err(format!("`{sure}` is not one of high, medium, low")),
    };
    Ok(Rule {
        id: id.to_owned(),
        when: when.to_owned(),
        purpose,
        backend,
        confidence,
        example: example.to_owned(),
        source: source.to_owned(),
        line,
        terms,
    })
}

/// Splits at tabs and at runs of two or more spaces.
fn columns(content: &str) -> Vec<&str> {
    content.split('\t').flat_map(|part| part.split("  ")).map(str::trim).filter(|column| !column.is_empty()).collect()
}

fn purpose_of(text: &str) -> Result<Purpose, String> {
    let (what, secondary) = match text.split_once('+') {
        Some((what, secondary)) => (what, Some(secondary.to_owned())),
        None => (text, None),
    };
    let (category, sub) = what.split_once('/').ok_or(format!("`{text}` is not `category/sub`"))?;
    let known = Category::ALL.into_iter().find(|c| c.name() == category);
    let category = known.ok_or_else(|| {
        let names: Vec<_> = Category::ALL.iter().map(|c| c.name()).collect();
        format!("`{category}` is no category; there are {}", names.join(", "))
    })?;
    Ok(Purpose { category, sub: sub.to_owned(), secondary })
}

fn term_of(text: &str, classes: &Classes<'_>) -> Result<Term, String> {
    let (negated, rest) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut any = Vec::new();
    for alternative in rest.split('|') {
        let (place, word) = place_of(alternative)?;
        match word.strip_prefix('@') {
            Some(class) => {
                let words = classes.get(class).ok_or(format!("class `@{class}` is not defined above"))?;
                any.extend(words.iter().map(|word| Pattern { place, glob: (*word).to_owned() }));
            }
            None if word.is_empty() => return Err(format!("`{text}` asks for nothing")),
            None => any.push(Pattern { place, glob: word.to_owned() }),
        }
    }
    for pattern in &any {
        let lower = matches!(pattern.place, Place::Word | Place::In | Place::Namespace | Place::Tail | Place::File);
        if lower && pattern.glob.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(format!("`{}`: words are matched in lower case", pattern.glob));
        }
        if pattern.place == Place::Form && !["bare", "variable", "function"].contains(&pattern.glob.as_str()) {
            return Err(format!("`form:{}` is not one of bare, variable, function", pattern.glob));
        }
    }
    Ok(Term { negated, any })
}

fn place_of(text: &str) -> Result<(Place, &str), String> {
    if let Some(rest) = text.strip_prefix('^') {
        return Ok((Place::Start, rest));
    }
    if let Some(rest) = text.strip_prefix('=') {
        return Ok((Place::Exact, rest));
    }
    if let Some(rest) = text.strip_prefix('#') {
        let (number, value) = rest.split_once('=').ok_or(format!("`{text}` is not `#N=value`"))?;
        let number = number.parse().map_err(|_| format!("`{number}` is no position of a template argument"))?;
        return Ok((Place::Argument(number), value));
    }
    Ok(match text.split_once(':') {
        None => (Place::Word, text),
        Some(("in", rest)) => (Place::In, rest),
        Some(("ns", rest)) => (Place::Namespace, rest),
        Some(("tail", rest)) => (Place::Tail, rest),
        Some(("form", rest)) => (Place::Form, rest),
        Some(("file", rest)) => (Place::File, rest),
        Some((other, _)) => {
            return Err(format!("`{other}:` is no place in a name; there are in, ns, tail, form, file"));
        }
    })
}
