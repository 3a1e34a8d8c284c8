//! Charts before any syntax: what is drawn, in the figures that it is drawn from.
//!
//! A chart never says anything that no table or sentence says: syntaxes that cannot draw leave it out.

use crate::classify::Category;
use crate::output::steps::{Histogram, Point};

/// A picture of some figures.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) title: String,
    /// How to read it; also what is told to those who cannot see it.
    pub(super) note: String,
    pub(super) kind: Kind,
}

/// What is drawn.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Wholes cut into parts, one below the other.
    Shares(Vec<Whole>),
    /// Step times in the order of the steps.
    Series(Vec<Point>),
    /// How often each length occurs, of one run or of two over the same bins.
    Histogram(Vec<Lengths>),
    /// The way from one duration to another, change by change.
    Waterfall { base_ns: i64, new_ns: i64, changes: Vec<(String, i64)> },
}

/// A bar that is cut into parts.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    pub(super) name: String,
    /// Shares of 1.
    pub(super) parts: Vec<(Part, f64)>,
}

/// What a part stands for, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A category and what it is called.
    Of(Category, &'static str),
    Idle,
}

impl Part {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Of(_, title) => title,
            Self::Idle => "Idle",
        }
    }

    /// A word of lower-case letters.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Of(category, _) => category.name(),
            Self::Idle => "idle",
        }
    }
}

/// One run's lengths.
#[derive(Debug, Clone)]
pub(super) struct Lengths {
    /// Empty if there is only one run.
    pub(super) name: String,
    pub(super) p50_ns: u64,
    pub(super) histogram: Histogram,
}
