//! Positions in the vectors of a [`Trace`](super::Trace), each a type of its own.

use std::num::NonZeroU32;

/// Declares an index type into one of [`Trace`](super::Trace)'s vectors. Stored off by one so that an `Option` of it is 4 bytes.
macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(NonZeroU32);

        impl $name {
            /// The index of the element at `position`.
            ///
            /// # Panics
            /// If `position` does not fit in 32 bits less one.
            #[must_use]
            pub fn new(position: usize) -> Self {
                let stored = u32::try_from(position + 1).ok().and_then(NonZeroU32::new);
                Self(stored.expect("fewer than 2^32 elements"))
            }

            /// Position in the vector.
            #[must_use]
            pub fn index(self) -> usize {
                self.0.get() as usize - 1
            }
        }
    };
}

index!(
    /// A position in [`Trace::sources`](super::Trace::sources).
    SourceIdx
);
index!(
    /// A position in [`Trace::processes`](super::Trace::processes).
    ProcessIdx
);
index!(
    /// A position in [`Trace::ranks`](super::Trace::ranks).
    RankIdx
);
index!(
    /// A position in [`Trace::streams`](super::Trace::streams).
    StreamIdx
);
index!(
    /// A position in [`Trace::ranges`](super::Trace::ranges).
    RangeIdx
);
index!(
    /// A position in [`Trace::launches`](super::Trace::launches).
    LaunchIdx
);
index!(
    /// A position in [`Trace::products`](super::Trace::products).
    ProductIdx
);
index!(
    /// A position in [`Works`](super::Works).
    WorkIdx
);
