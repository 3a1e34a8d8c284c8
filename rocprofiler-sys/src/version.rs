//! Which rocprofiler-sdk this is, and which of the two layouts it speaks.
//!
//! The version number that the SDK passes to `rocprofiler_configure` is the only switch. Between 0.x and 1.x the
//! correlation id grew by a word, and with it every record that is passed by value:
//!
//! ```text
//!             context  thread   correlation                    kind op    phase      payload
//!     V0 (56) 0        8        16 internal, external          32   36    40         48
//!     V1 (64) 0        8        16 internal, external,         40   44    48         56
//!                                  ancestor
//! ```
//!
//! A tool that reads the wrong one does not crash at once: it takes an id for a kind and follows it to a wild pointer.
//! So an unknown major version is refused, never guessed at.

use std::fmt;

/// The version of a rocprofiler-sdk library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// 0 for ROCm 6.2 to 6.4, 1 from ROCm 7.0 on.
    pub major: u32,
    /// Features.
    pub minor: u32,
    /// Repairs.
    pub patch: u32,
}

impl Version {
    /// From the number that the SDK passes to `rocprofiler_configure`: 10000 * major + 100 * minor + patch.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        Self { major: number / 10_000, minor: number / 100 % 100, patch: number % 100 }
    }

    /// The layout of this version, or `None` for a major version that nobody has checked.
    #[must_use]
    pub const fn layout(self) -> Option<Layout> {
        match self.major {
            0 => Some(Layout::V0),
            1 => Some(Layout::V1),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// How records and client ids are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// SDK 0.4 to 0.6 (ROCm 6.2 to 6.4).
    V0,
    /// SDK 1.x (ROCm 7).
    V1,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_numbers_come_apart_as_the_sdk_puts_them_together() {
        for (number, text) in
            [(400, "0.4.0"), (500, "0.5.0"), (600, "0.6.0"), (10_000, "1.0.0"), (10_100, "1.1.0"), (10_305, "1.3.5")]
        {
            assert_eq!(Version::from_number(number).to_string(), text);
        }
    }

    #[test]
    fn every_known_major_version_has_its_layout_and_no_other_has_one() {
        assert_eq!(Version::from_number(400).layout(), Some(Layout::V0));
        assert_eq!(Version::from_number(9_999).layout(), Some(Layout::V0));
        assert_eq!(Version::from_number(10_000).layout(), Some(Layout::V1));
        assert_eq!(Version::from_number(19_999).layout(), Some(Layout::V1));
        assert_eq!(Version::from_number(20_000).layout(), None);
        assert_eq!(Version::from_number(u32::MAX).layout(), None);
    }
}
