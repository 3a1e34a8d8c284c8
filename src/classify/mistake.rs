//! What can be wrong with a line of a table: of rules, or of the words in source paths.

use thiserror::Error;

use super::verdict::Category;

/// What is wrong with a line of a table.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum Mistake {
    /// A section's header does not end with a bracket.
    #[error("a rule begins with its id in brackets: `[some.id]`")]
    NoBracket,
    /// A header is empty.
    #[error("the rule has no id")]
    NoId,
    /// Two rules have one id.
    #[error("the id `{id}` was used on line {first} already")]
    SameId {
        /// The id.
        id: String,
        /// Line of the rule that had it first.
        first: usize,
    },
    /// A key stands before the first header.
    #[error("`{0}` belongs to no rule: a rule begins with its id in brackets, `[some.id]`")]
    NoRule(String),
    /// A key without a value.
    #[error("`{0}` says nothing")]
    NoValue(String),
    /// A key that is not known.
    #[error("`{key}` is not one of {known}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Those that there are.
        known: &'static str,
    },
    /// A rule could match every name.
    #[error("the rule `{0}` needs a `when` with a term that is not negated")]
    MatchesAll(String),
    /// A rule says nothing of what it matches.
    #[error("the rule `{0}` tells nothing: it has neither `is` nor `by`")]
    TellsNothing(String),
    /// `near` lacks one of its two words.
    #[error("`near` is written `near  category category/sub`")]
    Near,
    /// `as` lacks one of its two words.
    #[error("`as` takes two words: what a rule says, and what that is here")]
    As,
    /// A class lacks its `=`.
    #[error("a class is written `@name = word word …`")]
    Class,
    /// A class is longer than any that a person would write.
    #[error("the class `@{name}` has more than {most} words")]
    LongClass {
        /// Its name.
        name: String,
        /// How many words a class may have.
        most: usize,
    },
    /// A class has no words.
    #[error("the class `@{0}` has no words")]
    EmptyClass(String),
    /// A class is used before it is defined.
    #[error("the class `@{0}` is not defined above")]
    UnknownClass(String),
    /// `sure` with another word.
    #[error("`{0}` is not one of high, medium, low")]
    Confidence(String),
    /// A category that there is not.
    #[error("`{0}` is no category; there are {list}", list = Category::ALL.map(Category::name).join(", "))]
    Category(String),
    /// A purpose without a slash.
    #[error("`{0}` is not `category/sub`")]
    Purpose(String),
    /// A purpose that ends with its slash.
    #[error("`{0}` has no sub after the `/`")]
    NoSub(String),
    /// A term without a word.
    #[error("`{0}` asks for nothing")]
    EmptyTerm(String),
    /// `form:` with another word.
    #[error("`form:{word}` is not one of {known}")]
    Form {
        /// The word.
        word: String,
        /// Those that there are.
        known: String,
    },
    /// A word that no name has, since names are read in lower case.
    #[error("`{0}`: words are matched in lower case")]
    UpperCase(String),
    /// A word that no name has, since names are split.
    #[error("`{0}` would match nothing: names are split at `_`, and neighbours joined")]
    Underscore(String),
    /// `#` without a value.
    #[error("`{0}` is not `#N=value`")]
    Argument(String),
    /// `#` with something that is no number.
    #[error("`{0}` is no position of a template argument")]
    Position(String),
    /// A place that names do not have.
    #[error("`{0}:` is no place in a name; there are in, ns, tail, any, form")]
    Place(String),
}

/// A mistake in a table, and where.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("line {line}: {mistake}")]
pub struct RuleError {
    /// Line of the table, from 1.
    pub line: usize,
    /// What is wrong and what was expected.
    pub mistake: Mistake,
}
