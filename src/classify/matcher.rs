//! Asking a table of rules about a name.
//!
//! Every distinct pattern of the table is an *atom*. A name's words are looked up once, which gives the set of atoms
//! that hold for it; each atom knows the rules that hinge on it; the candidates are then checked in the order of the
//! table. So the cost depends on the number of words in the name, not on the number of rules.

use std::collections::HashMap;

use rustc_hash::FxHashMap;

use super::name::{Form, Name};
use super::table::{Pattern, Place, Rule};
use super::words;

/// Rules, compiled.
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    rules: Vec<Compiled>,
    /// Literal words by place.
    words: [FxHashMap<Box<str>, u32>; PLACES],
    /// Words with a `*`, by place and first byte (0 for a leading `*`).
    globs: [Vec<(Glob, u32)>; PLACES],
    /// `^text` and `=text`.
    starts: Vec<(Box<str>, u32)>,
    exact: FxHashMap<Box<str>, u32>,
    arguments: Vec<(u8, Box<str>, u32)>,
    forms: [Option<u32>; FORMS.len()],
    /// For each atom, the rules that hinge on it.
    hinges: Vec<Vec<u32>>,
    atoms: usize,
}

/// Places whose patterns are words.
const PLACES: usize = 4;

/// What `form:` may ask for.
pub(super) const FORMS: [&str; 4] = ["bare", "snake", "variable", "function"];

fn has_form(name: &Name<'_>, form: &str) -> bool {
    match form {
        "bare" => name.form == Form::Bare,
        "snake" => {
            name.form == Form::Bare && name.base.contains('_') && !name.base.starts_with(|c: char| c.is_uppercase())
        }
        "variable" => name.form == Form::Variable,
        _ => name.form == Form::Function,
    }
}

#[derive(Clone, Debug)]
struct Compiled {
    clauses: Vec<(bool, Vec<u32>)>,
}

/// A word pattern with one or more `*`.
#[derive(Clone, Debug)]
struct Glob {
    text: Box<str>,
}

impl Glob {
    fn matches(&self, word: &str) -> bool {
        let mut rest = word;
        let mut parts = self.text.split('*');
        let first = parts.next().unwrap_or("");
        let Some(after) = rest.strip_prefix(first) else { return false };
        rest = after;
        let mut last = "";
        for part in parts {
            if !last.is_empty() {
                match rest.find(last) {
                    Some(at) => rest = &rest[at + last.len()..],
                    None => return false,
                }
            }
            last = part;
        }
        last.is_empty() || rest.ends_with(last)
    }
}

fn slot(place: Place) -> Option<usize> {
    Some(match place {
        Place::Word => 0,
        Place::In => 1,
        Place::Namespace => 2,
        Place::Tail => 3,
        Place::Start | Place::Exact | Place::Argument(_) | Place::Form => return None,
    })
}

/// How well a pattern narrows the candidates down: rules hinge on their best positive term.
fn selectivity(place: Place) -> u32 {
    match place {
        Place::Exact | Place::Start => 0,
        Place::Word => 2,
        Place::In => 3,
        Place::Tail => 4,
        Place::Namespace => 5,
        Place::Argument(_) => 6,
        Place::Form => 7,
    }
}

impl Matcher {
    /// Compiles `rules`; their positions are what [`first`](Self::first) returns.
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut ids: HashMap<&Pattern, u32> = HashMap::new();
        let mut matcher = Self {
            rules: Vec::with_capacity(rules.len()),
            words: Default::default(),
            globs: Default::default(),
            starts: Vec::new(),
            exact: FxHashMap::default(),
            arguments: Vec::new(),
            forms: [None; FORMS.len()],
            hinges: Vec::new(),
            atoms: 0,
        };
        for (position, rule) in rules.iter().enumerate() {
            let mut clauses = Vec::with_capacity(rule.terms.len());
            for term in &rule.terms {
                let atoms = term.any.iter().map(|pattern| match ids.get(pattern) {
                    Some(&id) => id,
                    None => {
                        let id = matcher.atom(pattern);
                        ids.insert(pattern, id);
                        id
                    }
                });
                clauses.push((term.negated, atoms.collect::<Vec<u32>>()));
            }
            let hinge = rule.terms.iter().zip(&clauses).filter(|(term, _)| !term.negated).min_by_key(|(term, _)| {
                let worst = term.any.iter().map(|p| selectivity(p.place)).max().unwrap_or(0);
                (worst, term.any.len())
            });
            if let Some((_, (_, atoms))) = hinge {
                for &atom in atoms {
                    let hinged = &mut matcher.hinges[atom as usize];
                    if hinged.last() != Some(&(position as u32)) {
                        hinged.push(position as u32);
                    }
                }
            }
            matcher.rules.push(Compiled { clauses });
        }
        matcher
    }

    fn atom(&mut self, pattern: &Pattern) -> u32 {
        let id = self.atoms as u32;
        self.atoms += 1;
        self.hinges.push(Vec::new());
        let text: Box<str> = pattern.glob.as_str().into();
        match (slot(pattern.place), pattern.place) {
            (Some(slot), _) if text.contains('*') => self.globs[slot].push((Glob { text }, id)),
            (Some(slot), _) => {
                self.words[slot].insert(text, id);
            }
            (None, Place::Start) => self.starts.push((text, id)),
            (None, Place::Exact) => {
                self.exact.insert(text, id);
            }
            (None, Place::Argument(number)) => self.arguments.push((number, text, id)),
            (None, _) => {
                let form = FORMS.iter().position(|known| *known == &*text);
                self.forms[form.unwrap_or(FORMS.len() - 1)] = Some(id);
            }
        }
        id
    }

    /// The atoms that hold for a name.
    pub(super) fn facts(&self, name: &Name<'_>) -> Facts {
        let mut facts = Facts { held: vec![0; self.atoms.div_ceil(64)], list: Vec::with_capacity(24) };
        let (stem, tail) = match name.form {
            Form::Bare => words::stem_and_tail(name.base),
            _ => (name.base, ""),
        };
        words::each(stem, |word| self.look(0, word, &mut facts));
        for identifier in &name.inner {
            words::each(identifier, |word| self.look(1, word, &mut facts));
        }
        for segment in &name.path {
            words::each(segment, |word| self.look(2, word, &mut facts));
        }
        if !tail.is_empty() {
            words::each(tail, |word| self.look(3, word, &mut facts));
        }
        for (text, id) in &self.starts {
            if name.base.starts_with(&**text) || name.text.starts_with(&**text) {
                facts.add(*id);
            }
        }
        for whole in [name.base, stem] {
            if let Some(&id) = self.exact.get(whole) {
                facts.add(id);
            }
        }
        for (number, value, id) in &self.arguments {
            if name.args.get(usize::from(*number)).is_some_and(|argument| *argument == &**value) {
                facts.add(*id);
            }
        }
        for (known, id) in FORMS.iter().zip(self.forms) {
            if let Some(id) = id.filter(|_| has_form(name, known)) {
                facts.add(id);
            }
        }
        facts
    }

    fn look(&self, slot: usize, word: &str, facts: &mut Facts) {
        if let Some(&id) = self.words[slot].get(word) {
            facts.add(id);
        }
        for (glob, id) in &self.globs[slot] {
            if glob.matches(word) {
                facts.add(*id);
            }
        }
    }

    /// The first rule that holds.
    pub(super) fn first(&self, facts: &Facts) -> Option<usize> {
        self.candidates(facts).into_iter().find(|&rule| self.failing(rule, facts).is_none())
    }

    /// The rules that hinge on something in the name, in the order of the table.
    pub(super) fn candidates(&self, facts: &Facts) -> Vec<usize> {
        let mut candidates: Vec<usize> = Vec::with_capacity(32);
        for &atom in &facts.list {
            candidates.extend(self.hinges[atom as usize].iter().map(|&rule| rule as usize));
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }

    /// The first term of a rule that does not hold, if any.
    pub(super) fn failing(&self, rule: usize, facts: &Facts) -> Option<usize> {
        let clauses = &self.rules[rule].clauses;
        clauses.iter().position(|(negated, atoms)| atoms.iter().any(|&atom| facts.has(atom)) == *negated)
    }
}

/// The atoms that hold for one name.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    held: Vec<u64>,
    list: Vec<u32>,
}

impl Facts {
    fn add(&mut self, atom: u32) {
        if !self.has(atom) {
            self.held[atom as usize / 64] |= 1 << (atom % 64);
            self.list.push(atom);
        }
    }

    fn has(&self, atom: u32) -> bool {
        self.held[atom as usize / 64] & (1 << (atom % 64)) != 0
    }
}
