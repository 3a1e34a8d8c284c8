//! Interned names: each distinct kernel name or marker text is stored, demangled and classified once.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

/// The first `most` characters of `text`, and a sign if there are more.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A name in a [`Names`] table. Only meaningful together with the table that gave it out. Stored off by one so that an
/// `Option` of it is 4 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NameId(NonZeroU32);

impl NameId {
    /// The id of the name at `position`; `None` where that does not fit in 32 bits less one.
    fn at(position: usize) -> Option<Self> {
        u32::try_from(position + 1).ok().and_then(NonZeroU32::new).map(Self)
    }

    /// Position in the table, dense from 0: an index for side tables that hold one entry a name.
    #[must_use]
    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The table of distinct names of a trace, in order of first appearance.
///
/// Names are kept exactly as the producer wrote them (mangled or not, with any `.kd`), because counts and sums per
/// name must agree with other tools that read the same file. Normalising is [`classify`](crate::classify)'s job.
#[derive(Clone, Default, Debug)]
pub struct Names {
    /// Kernel names are long and looked up for every record, so they are hashed fast rather than safe from flooding: a
    /// trace is its reader's own.
    ids: HashMap<Arc<str>, NameId, FxBuildHasher>,
    names: Vec<Arc<str>>,
}

impl Names {
    /// The id of `name`, which is added to the table if it is new.
    ///
    /// # Panics
    /// If more than `u32::MAX` distinct names are added, which at one byte a name would take more than the memory
    /// bound of any reader.
    pub fn intern(&mut self, name: &str) -> NameId {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = NameId::at(self.names.len()).expect("fewer than 2^32 distinct names");
        let name: Arc<str> = Arc::from(name);
        self.names.push(Arc::clone(&name));
        self.ids.insert(name, id);
        id
    }

    /// The id of `name`, if it was added before.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<NameId> {
        self.ids.get(name).copied()
    }

    /// The text of `id`.
    #[must_use]
    pub fn get(&self, id: NameId) -> &str {
        &self.names[id.index()]
    }

    /// How many distinct names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no name was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// All names with their ids, in order of first appearance.
    pub fn iter(&self) -> impl Iterator<Item = (NameId, &str)> {
        self.names.iter().enumerate().filter_map(|(index, name)| Some((NameId::at(index)?, &**name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_stored_once_and_found_again() {
        let mut names = Names::default();
        let a = names.intern("a");
        let b = names.intern("b");
        assert_eq!(names.intern("a"), a);
        assert_ne!(a, b);
        assert_eq!(names.get(b), "b");
        assert_eq!(names.find("c"), None);
        assert_eq!(names.iter().map(|(_, n)| n).collect::<Vec<_>>(), ["a", "b"]);
    }
}
