//! Rules as data: the text of a table, read and checked.
//!
//! A rule is a block; the table that comes with the program (`rules/*.rules`) and the user's own are the same language:
//!
//! ```text
//! # A comment.
//! @act = silu gelu swiglu                      a class: a set of words for use in terms
//!
//! [moe.sort.ck]                                the rule's id, which reports cite
//! is    moe/sort                               category/sub, or category/sub+secondary for a fused kernel
//! by    ck                                     backend
//! sure  high                                   high (if left out), medium or low
//! when  ns:ck|ns:ck_tile moe sort*|*sorting    terms that must all hold, parted by a space; may be repeated
//! like  void ck_tile::kentry<2, ck_tile::MoeSortingKernel<        a name that it decides
//! from  CK Tile ops/fused_moe                  where the naming is known from
//! ```
//!
//! Without `is`, a rule tells only the backend; without `by`, the backend is left to such rules. The sub `=` stands for
//! the backend's name. `like` and `from` may be left out of a user's rules; a test holds every rule of the program to
//! its example. The first rule that holds decides; the user's rules are asked first.
//!
//! A term is one or more alternatives parted by `|`, or `!` and alternatives none of which may hold:
//!
//! | alternative | holds if |
//! |---|---|
//! | `word` | it is among the words of the base identifier ([`super::words`]); `*` stands for any run of letters |
//! | `in:word` | … of the template arguments and the parameters |
//! | `ns:word` | … of the namespaces |
//! | `tail:word` | … of the constants that a generator appended in capitals |
//! | `any:word` | … of the base identifier or of the namespaces |
//! | `^text` | the base identifier, or the whole name, begins with it; case counts |
//! | `=text` | the base identifier is it; case counts |
//! | `#N=text` | the base's template argument N, counted from 0, is it (`true` is 1) |
//! | `form:x` | the name is `bare` (`snake` if it begins small and has a `_`, `camel` if a capital stands between small letters), a `variable` (`ns::x`) or a `function` |
//! | `@class` | any word of the class, also after `in:`, `ns:`, … |
//!
//! A rule may add `near  CATEGORY what` or `near  CATEGORY/SUB what`, for names that several libraries use: where the
//! kernel that usually runs just before is of that category (and kind), `what` takes the place of `is`.

use std::collections::HashMap;

use super::mistake::{Mistake, RuleError};
use super::verdict::{Category, Confidence};

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
    /// What it is instead where the kernel just before is of a kind.
    pub near: Vec<Near>,
    pub(super) terms: Vec<Term>,
}

/// What a kernel is instead, after one of a kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Near {
    /// The category of the kernel just before.
    pub category: Category,
    /// Its kind within the category, where that matters.
    pub sub: Option<String>,
    /// What the kernel after it does.
    pub purpose: Purpose,
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
    /// As written.
    pub(super) text: String,
    pub(super) negated: bool,
    pub(super) any: Vec<Pattern>,
}

/// What a name is asked for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Pattern {
    pub(super) place: Place,
    pub(super) glob: String,
}

/// Where in a name a pattern is looked for; the module's table says what each means.
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
}

/// What `form:` may ask for.
pub(super) const FORMS: [&str; 5] = ["bare", "snake", "camel", "variable", "function"];

/// Sets of words by name.
pub(super) type WordClasses = HashMap<String, Vec<String>>;

/// Reads a table; the classes that it defines are added to `classes`. All mistakes are reported, not just the first.
pub(super) fn parse(text: &str, classes: &mut WordClasses) -> Result<Vec<Rule>, Vec<RuleError>> {
    let mut reader = Reader { classes, rules: Vec::new(), draft: None, errors: Vec::new() };
    for (index, raw) in text.lines().enumerate() {
        let line = index + 1;
        let content = raw.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if let Err(mistake) = reader.line(content, line) {
            reader.errors.push(RuleError { line, mistake });
        }
    }
    reader.end_rule();
    let mut ids = HashMap::new();
    for rule in &reader.rules {
        if let Some(first) = ids.insert(&rule.id, rule.line) {
            let mistake = Mistake::SameId { id: rule.id.clone(), first };
            reader.errors.push(RuleError { line: rule.line, mistake });
        }
    }
    if reader.errors.is_empty() { Ok(reader.rules) } else { Err(reader.errors) }
}

struct Reader<'a> {
    classes: &'a mut WordClasses,
    rules: Vec<Rule>,
    draft: Option<Rule>,
    errors: Vec<RuleError>,
}

impl Reader<'_> {
    fn line(&mut self, content: &str, line: usize) -> Result<(), Mistake> {
        if let Some(class) = content.strip_prefix('@') {
            return self.class(class);
        }
        if let Some(id) = content.strip_prefix('[') {
            self.end_rule();
            let id = id.strip_suffix(']').ok_or(Mistake::NoBracket)?.trim();
            self.draft = Some(Rule {
                id: id.to_owned(),
                purpose: None,
                backend: None,
                confidence: Confidence::High,
                when: String::new(),
                example: String::new(),
                source: String::new(),
                line,
                near: Vec::new(),
                terms: Vec::new(),
            });
            return if id.is_empty() { Err(Mistake::NoId) } else { Ok(()) };
        }
        let (key, value) = content.split_once(char::is_whitespace).unwrap_or((content, ""));
        let value = value.trim();
        let Some(rule) = &mut self.draft else {
            return Err(Mistake::NoRule(key.to_owned()));
        };
        if value.is_empty() {
            return Err(Mistake::NoValue(key.to_owned()));
        }
        match key {
            "is" => rule.purpose = Some(purpose_of(value)?),
            "by" => rule.backend = Some(value.to_owned()),
            "near" => {
                let (before, what) = value.split_once(char::is_whitespace).ok_or(Mistake::Near)?;
                let (category, sub) = match before.split_once('/') {
                    Some((category, sub)) => (category, Some(sub.to_owned())),
                    None => (before, None),
                };
                rule.near.push(Near { category: category_of(category)?, sub, purpose: purpose_of(what.trim())? });
            }
            "sure" => rule.confidence = confidence_of(value)?,
            "like" => value.clone_into(&mut rule.example),
            "from" => value.clone_into(&mut rule.source),
            "when" => {
                for term in value.split_whitespace() {
                    rule.terms.push(term_of(term, self.classes)?);
                }
                if !rule.when.is_empty() {
                    rule.when.push(' ');
                }
                rule.when.push_str(value);
            }
            _ => {
                return Err(Mistake::UnknownKey { key: key.to_owned(), known: "is, by, sure, when, near, like, from" });
            }
        }
        Ok(())
    }

    fn end_rule(&mut self) {
        let Some(rule) = self.draft.take() else { return };
        if rule.terms.iter().all(|term| term.negated) {
            self.errors.push(RuleError { line: rule.line, mistake: Mistake::MatchesAll(rule.id.clone()) });
        } else if rule.purpose.is_none() && rule.backend.is_none() {
            self.errors.push(RuleError { line: rule.line, mistake: Mistake::TellsNothing(rule.id.clone()) });
        }
        self.rules.push(rule);
    }

    fn class(&mut self, text: &str) -> Result<(), Mistake> {
        let (name, members) = text.split_once('=').ok_or(Mistake::Class)?;
        let mut words = Vec::new();
        for member in members.split_whitespace() {
            match member.strip_prefix('@') {
                Some(other) => words.extend_from_slice(class_of(other, self.classes)?),
                None => words.push(member.to_owned()),
            }
        }
        if words.len() > MOST_WORDS {
            return Err(Mistake::LongClass { name: name.trim().to_owned(), most: MOST_WORDS });
        }
        if words.is_empty() {
            return Err(Mistake::EmptyClass(name.trim().to_owned()));
        }
        self.classes.insert(name.trim().to_owned(), words);
        Ok(())
    }
}

/// The most words of a class: classes of classes could double with each line.
const MOST_WORDS: usize = 4096;

fn class_of<'a>(name: &str, classes: &'a WordClasses) -> Result<&'a [String], Mistake> {
    classes.get(name).map(Vec::as_slice).ok_or_else(|| Mistake::UnknownClass(name.to_owned()))
}

fn confidence_of(text: &str) -> Result<Confidence, Mistake> {
    match text {
        "high" => Ok(Confidence::High),
        "medium" => Ok(Confidence::Medium),
        "low" => Ok(Confidence::Low),
        _ => Err(Mistake::Confidence(text.to_owned())),
    }
}

pub(super) fn category_of(text: &str) -> Result<Category, Mistake> {
    Category::ALL.into_iter().find(|known| known.name() == text).ok_or_else(|| Mistake::Category(text.to_owned()))
}

pub(super) fn purpose_of(text: &str) -> Result<Purpose, Mistake> {
    let (what, secondary) = match text.split_once('+') {
        Some((what, secondary)) => (what, Some(secondary.to_owned())),
        None => (text, None),
    };
    let (category, sub) = what.split_once('/').ok_or_else(|| Mistake::Purpose(text.to_owned()))?;
    let category = category_of(category)?;
    if sub.is_empty() {
        return Err(Mistake::NoSub(text.to_owned()));
    }
    Ok(Purpose { category, sub: sub.to_owned(), secondary })
}

fn term_of(text: &str, classes: &WordClasses) -> Result<Term, Mistake> {
    let (negated, alternatives) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut any = Vec::new();
    for alternative in alternatives.split('|') {
        let (places, word) = places_of(alternative)?;
        let words = match word.strip_prefix('@') {
            Some(class) => class_of(class, classes)?.iter().map(String::as_str).collect(),
            None if word.is_empty() => return Err(Mistake::EmptyTerm(text.to_owned())),
            None => vec![word],
        };
        for &place in places.as_slice() {
            for word in &words {
                check(place, word)?;
                any.push(Pattern { place, glob: (*word).to_owned() });
            }
        }
    }
    Ok(Term { text: text.to_owned(), negated, any })
}

/// Refuses patterns that could never hold.
fn check(place: Place, word: &str) -> Result<(), Mistake> {
    match place {
        Place::Form if !FORMS.contains(&word) => Err(Mistake::Form { word: word.to_owned(), known: FORMS.join(", ") }),
        Place::Form | Place::Start | Place::Exact | Place::Argument(_) => Ok(()),
        Place::Word | Place::In | Place::Namespace | Place::Tail => {
            if word.bytes().any(|b| b.is_ascii_uppercase()) {
                return Err(Mistake::UpperCase(word.to_owned()));
            }
            if word.contains('_') {
                return Err(Mistake::Underscore(word.to_owned()));
            }
            Ok(())
        }
    }
}

fn places_of(text: &str) -> Result<(Vec<Place>, &str), Mistake> {
    if let Some(rest) = text.strip_prefix('^') {
        return Ok((vec![Place::Start], rest));
    }
    if let Some(rest) = text.strip_prefix('=') {
        return Ok((vec![Place::Exact], rest));
    }
    if let Some(rest) = text.strip_prefix('#') {
        let (number, value) = rest.split_once('=').ok_or_else(|| Mistake::Argument(text.to_owned()))?;
        let number = number.parse().map_err(|_| Mistake::Position(number.to_owned()))?;
        return Ok((vec![Place::Argument(number)], value));
    }
    Ok(match text.split_once(':') {
        None => (vec![Place::Word], text),
        Some(("in", rest)) => (vec![Place::In], rest),
        Some(("ns", rest)) => (vec![Place::Namespace], rest),
        Some(("tail", rest)) => (vec![Place::Tail], rest),
        Some(("form", rest)) => (vec![Place::Form], rest),
        Some(("any", rest)) => (vec![Place::Word, Place::Namespace], rest),
        Some((other, _)) => {
            return Err(Mistake::Place(other.to_owned()));
        }
    })
}
