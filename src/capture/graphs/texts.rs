//! The marker ranges that a thread has open, as far as they may tell where in a model it is.
//!
//! Plain data in a thread-local without a destructor: a push copies its text, cut to [`TEXT`] bytes, a pop counts.

use std::cell::Cell;

/// Bytes that are kept of a text.
const TEXT: usize = 63;
/// Ranges within each other whose texts are kept.
const DEEPEST: usize = 8;

#[derive(Clone, Copy)]
struct Text {
    length: u8,
    bytes: [u8; TEXT],
}

struct Texts {
    depth: Cell<u32>,
    texts: [Cell<Text>; DEEPEST],
}

thread_local! {
    static TEXTS: Texts = const {
        Texts { depth: Cell::new(0), texts: [const { Cell::new(Text { length: 0, bytes: [0; TEXT] }) }; DEEPEST] }
    };
}

/// The calling thread opens a range. `is_first`: it is the first that is seen since some may have been missed.
pub(in crate::capture) fn push_text(message: &[u8], is_first: bool) {
    let _ = TEXTS.try_with(|open| {
        let depth = if is_first { 0 } else { open.depth.get() };
        if let Some(text) = open.texts.get(depth as usize) {
            let mut kept = Text { length: message.len().min(TEXT) as u8, bytes: [0; TEXT] };
            kept.bytes[..kept.length.into()].copy_from_slice(&message[..kept.length.into()]);
            text.set(kept);
        }
        open.depth.set(depth + 1);
    });
}

/// It closes the last one.
pub(in crate::capture) fn pop_text() {
    let _ = TEXTS.try_with(|open| open.depth.set(open.depth.get().saturating_sub(1)));
}

/// The ranges that the calling thread has open.
pub(in crate::capture) struct Open {
    depth: u32,
    texts: [Text; DEEPEST],
}

/// See [`Open`].
pub(in crate::capture) fn open_texts() -> Open {
    let none = Text { length: 0, bytes: [0; TEXT] };
    let read = |open: &Texts| Open { depth: open.depth.get(), texts: open.texts.each_ref().map(Cell::get) };
    TEXTS.try_with(read).unwrap_or(Open { depth: 0, texts: [none; DEEPEST] })
}

impl Open {
    /// How many.
    pub(in crate::capture) fn depth(&self) -> u32 {
        self.depth
    }

    fn kept(&self) -> &[Text] {
        &self.texts[..(self.depth as usize).min(DEEPEST)]
    }

    /// The text of the innermost that is kept.
    pub(in crate::capture) fn innermost(&self) -> Option<String> {
        self.kept().last().map(shown)
    }

    /// The texts from a depth on, outermost first, parted by slashes; `None`: there are none.
    pub(in crate::capture) fn path_from(&self, depth: u32) -> Option<String> {
        let within = self.kept().get(depth as usize..).filter(|within| !within.is_empty())?;
        Some(within.iter().map(shown).collect::<Vec<_>>().join("/"))
    }
}

fn shown(text: &Text) -> String {
    String::from_utf8_lossy(&text.bytes[..text.length.into()]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_nest_and_what_is_too_deep_or_long_is_cut() {
        push_text(b"gone", true);
        push_text(b"capture", true);
        push_text(b"layers.3", false);
        push_text(b"attn", false);
        let open = open_texts();
        assert_eq!((open.depth(), open.innermost().as_deref()), (3, Some("attn")));
        assert_eq!(open.path_from(1).as_deref(), Some("layers.3/attn"));
        assert_eq!(open.path_from(3), None);
        pop_text();
        assert_eq!(open_texts().path_from(1).as_deref(), Some("layers.3"));
        (0..20).for_each(|_| push_text(&[b'x'; 200], false));
        assert_eq!(open_texts().innermost().map(|text| text.len()), Some(TEXT));
        (0..30).for_each(|_| pop_text());
        assert_eq!((open_texts().depth(), open_texts().innermost()), (0, None));
    }
}
