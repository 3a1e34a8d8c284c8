//! What was asked of the steps and is not so.

/// Something that was asked and is not so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unmet {
    /// The marker pattern names no step.
    Marker {
        /// The pattern.
        pattern: String,
        /// Why it names none: one clause.
        why: String,
        /// Name of the detector that found steps instead; `None` if none did.
        instead: Option<&'static str>,
    },
    /// All decode steps are left out as warm-up.
    Warmup {
        /// Decode steps to leave out.
        asked: u32,
        /// Decode steps that there are.
        of: usize,
    },
    /// There are fewer decode steps than asked for.
    Steps {
        /// Decode steps to keep.
        asked: u32,
        /// Decode steps kept.
        counted: usize,
    },
}

impl Unmet {
    /// Stable identifier.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Marker { .. } => "marker-matches-nothing",
            Self::Warmup { .. } => "warmup-leaves-nothing",
            Self::Steps { .. } => "fewer-steps-than-asked",
        }
    }

    /// One sentence, without its full stop.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Marker { pattern, why, instead: None } => {
                format!("The marker \"{pattern}\" that was asked for finds no steps ({why}), and nothing else does")
            }
            Self::Marker { pattern, why, instead: Some(instead) } => format!(
                "The marker \"{pattern}\" that was asked for finds no steps ({why}): these are steps by {instead}"
            ),
            Self::Warmup { asked, of } => {
                format!("A warm-up of {asked} was asked for and there are {of} decode steps: none is left")
            }
            Self::Steps { asked, counted } => format!("{counted} of {asked} decode steps asked for are counted"),
        }
    }
}
