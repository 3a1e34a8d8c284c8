//! Asking a table of rules about a name.
//!
//! Every distinct pattern of the table is an *atom*. A name's words are looked up once, which gives the set of atoms
//! that hold for it; each atom knows the rules that hinge on it; the candidates are then checked in the order of the
//! table. So the cost depends on the number of words in the name, not on the number of rules. The words of template
//! arguments and parameters, of which there can be hundreds, are looked up only when a candidate asks for one.

use std::collections::HashMap;
use std::ops::Range;

use rustc_hash::FxHashMap;

use super::name::{Form, Name};
use super::table::{FORMS, Pattern, Place, Rule};
use super::words;

/// Rules, compiled.
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    rules: Vec<Vec<Clause>>,
    /// Patterns that ask for words, by place.
    words: [Words; PLACES],
    /// `^text` by the first bytes of the text; texts shorter than that.
    starts: FxHashMap<[u8; START_KEY], Texts>,
    short_starts: Texts,
    /// `=text`.
    exact: FxHashMap<Box<str>, u32>,
    arguments: Vec<(u8, Box<str>, u32)>,
    forms: [Option<u32>; FORMS.len()],
    /// For each atom, the rules that hinge on it: `stride` words of bits an atom.
    hinges: Vec<u64>,
    stride: usize,
    /// For each atom, the sets that it is in. Terms share sets: a class of forty words is one.
    sets_of: Vec<Vec<u32>>,
    sets: usize,
    /// Whether some rule hinges on nothing but a word of the arguments, so that these must be looked up at once.
    pub(super) inner_hinge: bool,
}

/// Places whose patterns are words, and where among them the template arguments are.
const PLACES: usize = 4;
const INNER: usize = 1;

/// How much of the constants in capitals is read: Tensile's go on for hundreds of bytes.
const TAIL_BYTES: usize = 80;

/// Texts and their atoms.
type Texts = Vec<(Box<[u8]>, u32)>;

/// How many bytes of a `^text` it is found by.
const START_KEY: usize = 4;

/// How much of a name is looked at for a capital after small letters.
const CAMEL_BYTES: usize = 48;

fn has_form(name: &Name<'_>, form: &str) -> bool {
    match form {
        "bare" => name.form == Form::Bare,
        "snake" => {
            name.form == Form::Bare && name.base.contains('_') && !name.base.starts_with(|c: char| c.is_uppercase())
        }
        "camel" => {
            let joint =
                |of: &[u8]| of[0].is_ascii_lowercase() && of[1].is_ascii_uppercase() && of[2].is_ascii_lowercase();
            let head = &name.base.as_bytes()[..name.base.len().min(CAMEL_BYTES)];
            name.form == Form::Bare && head.windows(3).any(joint)
        }
        "variable" => name.form == Form::Variable,
        _ => name.form == Form::Function,
    }
}

/// One term, compiled.
#[derive(Clone, Debug)]
struct Clause {
    negated: bool,
    /// The set of atoms of which one must hold.
    set: u32,
    /// Whether it asks for a word of the arguments.
    inner: bool,
}

/// The word patterns of one place.
#[derive(Clone, Default, Debug)]
struct Words {
    literal: FxHashMap<Box<[u8]>, u32>,
    /// `text*` by first byte, `*text` by last byte.
    prefixes: ByByte<Box<[u8]>>,
    suffixes: ByByte<Box<[u8]>>,
    /// Patterns with a `*` inside or several, by first byte; those that begin with a star are in each.
    others: ByByte<Glob>,
}

/// Patterns and their atoms, by a byte that a word must have for any of them to match.
#[derive(Clone, Debug)]
struct ByByte<T>(Vec<Vec<(T, u32)>>);

impl<T> Default for ByByte<T> {
    fn default() -> Self {
        Self((0..=u8::MAX).map(|_| Vec::new()).collect())
    }
}

impl<T> ByByte<T> {
    fn insert(&mut self, byte: u8, pattern: T, atom: u32) {
        self.0[usize::from(byte)].push((pattern, atom));
    }

    fn get(&self, byte: u8) -> &[(T, u32)] {
        &self.0[usize::from(byte)]
    }
}

impl Words {
    fn insert(&mut self, text: &str, id: u32) {
        let bytes = text.as_bytes();
        match (text.matches('*').count(), bytes) {
            (0, _) => {
                self.literal.insert(bytes.into(), id);
            }
            (1, [first, .., b'*']) => self.prefixes.insert(*first, bytes[..bytes.len() - 1].into(), id),
            (1, [b'*', .., last]) => self.suffixes.insert(*last, bytes[1..].into(), id),
            (_, [b'*', ..]) => (0..=u8::MAX).for_each(|byte| self.others.insert(byte, Glob::new(text), id)),
            (_, [first, ..]) => self.others.insert(*first, Glob::new(text), id),
            _ => {}
        }
    }

    fn look(&self, word: &[u8], mut found: impl FnMut(u32)) {
        let (Some(&first), Some(&last)) = (word.first(), word.last()) else { return };
        if let Some(&id) = self.literal.get(word) {
            found(id);
        }
        let prefixes = self.prefixes.get(first).iter();
        prefixes.filter(|(prefix, _)| word.starts_with(prefix)).for_each(|(_, id)| found(*id));
        let suffixes = self.suffixes.get(last).iter();
        suffixes.filter(|(suffix, _)| word.ends_with(suffix)).for_each(|(_, id)| found(*id));
        self.others.get(first).iter().filter(|(glob, _)| glob.matches(word)).for_each(|(_, id)| found(*id));
    }
}

/// A word pattern with a `*` inside, or with several.
#[derive(Clone, Debug)]
struct Glob {
    /// What stands before, between and after the stars.
    parts: Vec<Box<[u8]>>,
}

impl Glob {
    fn new(text: &str) -> Self {
        Self { parts: text.split('*').map(|part| part.as_bytes().into()).collect() }
    }

    fn matches(&self, word: &[u8]) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else { return false };
        let Some(mut rest) = word.strip_prefix(&**first) else { return false };
        for part in middle {
            match memchr::memmem::find(rest, part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

fn slot(place: Place) -> Option<usize> {
    Some(match place {
        Place::Word => 0,
        Place::In => INNER,
        Place::Namespace => 2,
        Place::Tail => 3,
        Place::Start | Place::Exact | Place::Argument(_) | Place::Form => return None,
    })
}

/// How well a pattern narrows the candidates down: rules hinge on their best positive term.
fn selectivity(place: Place) -> u32 {
    match place {
        Place::Exact | Place::Start => 0,
        Place::Word => 1,
        Place::Tail => 2,
        Place::Namespace => 3,
        Place::Argument(_) => 4,
        Place::Form => 5,
        Place::In => 6,
    }
}

impl Matcher {
    /// Compiles `rules`; their positions are what [`first`](Self::first) returns.
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut ids: HashMap<&Pattern, u32> = HashMap::new();
        let mut sets: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut matcher = Self {
            rules: Vec::with_capacity(rules.len()),
            words: Default::default(),
            starts: FxHashMap::default(),
            short_starts: Vec::new(),
            exact: FxHashMap::default(),
            arguments: Vec::new(),
            forms: [None; FORMS.len()],
            hinges: Vec::new(),
            stride: rules.len().div_ceil(64),
            sets_of: Vec::new(),
            sets: 0,
            inner_hinge: false,
        };
        for (position, rule) in rules.iter().enumerate() {
            let mut clauses = Vec::with_capacity(rule.terms.len());
            let mut alternatives = Vec::with_capacity(rule.terms.len());
            for term in &rule.terms {
                let any = term.any.iter().map(|pattern| match ids.get(pattern) {
                    Some(&id) => id,
                    None => {
                        let id = matcher.atom(pattern);
                        ids.insert(pattern, id);
                        id
                    }
                });
                let any: Vec<u32> = any.collect();
                let inner = term.any.iter().any(|pattern| pattern.place == Place::In);
                let next = sets.len() as u32;
                let set = *sets.entry(any.clone()).or_insert_with(|| {
                    any.iter().for_each(|&atom| matcher.sets_of[atom as usize].push(next));
                    next
                });
                clauses.push(Clause { negated: term.negated, set, inner });
                alternatives.push(any);
            }
            let positive = rule.terms.iter().enumerate().filter(|(_, term)| !term.negated);
            let hinge = positive.min_by_key(|(_, term)| {
                let worst = term.any.iter().map(|pattern| selectivity(pattern.place)).max().unwrap_or(0);
                (worst, term.any.len())
            });
            if let Some((hinge, _)) = hinge {
                matcher.inner_hinge |= clauses[hinge].inner;
                for &atom in &alternatives[hinge] {
                    matcher.hinges[atom as usize * matcher.stride + position / 64] |= 1 << (position % 64);
                }
            }
            matcher.rules.push(clauses);
        }
        matcher.sets = sets.len();
        matcher
    }

    fn atom(&mut self, pattern: &Pattern) -> u32 {
        let id = self.sets_of.len() as u32;
        self.sets_of.push(Vec::new());
        self.hinges.resize(self.sets_of.len() * self.stride, 0);
        let text = pattern.glob.as_str();
        match pattern.place {
            Place::Start => {
                let start = (text.as_bytes().into(), id);
                match text.as_bytes().first_chunk() {
                    Some(key) => self.starts.entry(*key).or_default().push(start),
                    None => self.short_starts.push(start),
                }
            }
            Place::Exact => {
                self.exact.insert(text.into(), id);
            }
            Place::Argument(number) => self.arguments.push((number, text.into(), id)),
            Place::Form => {
                let form = FORMS.iter().position(|known| *known == text);
                self.forms[form.unwrap_or(FORMS.len() - 1)] = Some(id);
            }
            place => {
                if let Some(slot) = slot(place) {
                    self.words[slot].insert(text, id);
                }
            }
        }
        id
    }

    /// The atoms that hold for a name.
    pub(super) fn facts<'n, 't>(&self, name: &'n Name<'t>) -> Facts<'n, 't> {
        let mut facts =
            Facts { name, held: vec![0; self.sets.div_ceil(64)], rules: vec![0; self.stride], inner: false };
        let (stem, tail) = match name.form {
            Form::Bare => words::stem_and_tail(name.base),
            _ => (name.base, ""),
        };
        self.look(0, stem, &mut facts);
        for segment in &name.path {
            self.look(2, segment, &mut facts);
        }
        if !tail.is_empty() {
            self.look(3, &tail[..tail.floor_char_boundary(TAIL_BYTES)], &mut facts);
        }
        for whole in [name.base, name.text] {
            let whole = whole.as_bytes();
            let long = whole.first_chunk().and_then(|key| self.starts.get(key));
            for (start, id) in self.short_starts.iter().chain(long.into_iter().flatten()) {
                if whole.starts_with(start) {
                    self.hold(*id, &mut facts);
                }
            }
            if name.text.len() == name.base.len() {
                break;
            }
        }
        for whole in [name.base, stem] {
            if let Some(&id) = self.exact.get(whole) {
                self.hold(id, &mut facts);
            }
        }
        for (number, value, id) in &self.arguments {
            if name.args.get(usize::from(*number)).is_some_and(|argument| *argument == &**value) {
                self.hold(*id, &mut facts);
            }
        }
        for (known, id) in FORMS.iter().zip(self.forms) {
            if let Some(id) = id.filter(|_| has_form(name, known)) {
                self.hold(id, &mut facts);
            }
        }
        if self.inner_hinge {
            self.look_inside(&mut facts);
        }
        facts
    }

    /// Notes that an atom holds.
    fn hold(&self, atom: u32, facts: &mut Facts<'_, '_>) {
        let hinged = &self.hinges[atom as usize * self.stride..][..self.stride];
        facts.rules.iter_mut().zip(hinged).for_each(|(rules, hinged)| *rules |= hinged);
        for &set in &self.sets_of[atom as usize] {
            facts.held[set as usize / 64] |= 1 << (set % 64);
        }
    }

    fn look(&self, slot: usize, identifier: &str, facts: &mut Facts<'_, '_>) {
        words::each(identifier, |word| self.words[slot].look(word, |id| self.hold(id, facts)));
    }

    /// Looks up the words of template arguments and parameters, once.
    fn look_inside(&self, facts: &mut Facts<'_, '_>) {
        if !std::mem::replace(&mut facts.inner, true) {
            let name = facts.name;
            for (at, identifier) in name.inner.iter().enumerate() {
                // The same few types come again and again.
                if !name.inner[..at].contains(identifier) {
                    self.look(INNER, identifier, facts);
                }
            }
        }
    }

    /// The first rule in `range` that holds.
    pub(super) fn first(&self, facts: &mut Facts<'_, '_>, range: Range<usize>) -> Option<usize> {
        let mut from = range.start;
        while let Some(rule) = facts.next_candidate(from, range.end) {
            if self.failing(rule, facts).is_none() {
                return Some(rule);
            }
            from = rule + 1;
        }
        None
    }

    /// The first term of a rule that does not hold, if any.
    pub(super) fn failing(&self, rule: usize, facts: &mut Facts<'_, '_>) -> Option<usize> {
        self.rules[rule].iter().position(|clause| {
            if clause.inner && !facts.has(clause.set) {
                self.look_inside(facts);
            }
            facts.has(clause.set) == clause.negated
        })
    }
}

/// What holds for one name.
#[derive(Clone, Debug)]
pub(super) struct Facts<'n, 't> {
    name: &'n Name<'t>,
    /// The sets of atoms of which one holds, as bits.
    held: Vec<u64>,
    /// The rules that hinge on an atom that holds, as bits.
    rules: Vec<u64>,
    /// Whether the words of arguments and parameters were looked up.
    inner: bool,
}

impl Facts<'_, '_> {
    /// The first rule from `from` up to `end` that hinges on something in the name.
    pub(super) fn next_candidate(&self, from: usize, end: usize) -> Option<usize> {
        let mut at = from / 64;
        let mut word = self.rules.get(at)? & (u64::MAX << (from % 64));
        while word == 0 {
            at += 1;
            word = *self.rules.get(at)?;
        }
        Some(at * 64 + word.trailing_zeros() as usize).filter(|&rule| rule < end)
    }

    fn has(&self, set: u32) -> bool {
        self.held[set as usize / 64] & (1 << (set % 64)) != 0
    }
}
