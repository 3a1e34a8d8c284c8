//! What is copied of code objects, and how much of it in all.
//!
//! An object in memory may be freed as soon as its load was told, so what it tells of its kernels is copied in the callback
//! ([`Image::take`]), by the system: an address that is not there, whatever the object or the SDK claims, is an error and no
//! fault. An object in a file is copied by our own thread. Neither is read where it was copied.

use std::sync::atomic::{AtomicU64, Ordering};

use super::counter::Counter;
use crate::code_object::{Image, Left};

/// The most bytes of one object.
const MOST_OF_AN_OBJECT: u64 = 4 << 20;

/// How much may still be copied, and what was not.
#[derive(Debug)]
pub(super) struct Evidence {
    is_on: bool,
    left: AtomicU64,
    /// Objects that there was no room for.
    pub(super) refused: Counter,
    /// Objects that could not be read.
    pub(super) unreadable: Counter,
}

impl Evidence {
    /// `bytes` may be copied in all; 0: nothing is.
    pub(super) fn new(bytes: u64) -> Self {
        let (refused, unreadable) = (Counter::default(), Counter::default());
        Self { is_on: bytes > 0, left: AtomicU64::new(bytes), refused, unreadable }
    }

    /// Copies what is worth it of an object of `size` bytes, which `read` reads.
    pub(super) fn take(&self, size: u64, read: &mut dyn FnMut(u64, &mut [u8]) -> bool) -> Option<Image> {
        if !self.is_on {
            return None;
        }
        // What one thread may take, no other may take at the same time; what it did not is given back.
        let reserve = |left: u64| Some(left - left.min(MOST_OF_AN_OBJECT));
        let most = match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve) {
            Ok(left) | Err(left) => left.min(MOST_OF_AN_OBJECT),
        };
        let taken = Image::take(size, most, read);
        let used = taken.as_ref().map_or(0, Image::bytes);
        self.left.fetch_add(most - used.min(most), Ordering::Relaxed);
        match taken {
            Ok(image) => return Some(image),
            Err(Left::TooLarge) => self.refused.add_one(),
            Err(Left::Unreadable) => self.unreadable.add_one(),
            Err(Left::Foreign) => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_used_is_given_back_and_what_is_used_up_is_counted() {
        let evidence = Evidence::new(80);
        let mut none = |_: u64, _: &mut [u8]| true;
        assert!(evidence.take(4096, &mut none).is_none(), "zeros are no object");
        assert_eq!(evidence.left.load(Ordering::Relaxed), 80);
        assert!(evidence.take(4096, &mut |_, _| false).is_none());
        assert_eq!((evidence.unreadable.get(), evidence.refused.get()), (1, 0));
        let small = Evidence::new(63);
        assert!(small.take(4096, &mut none).is_none());
        assert_eq!(small.refused.get(), 1, "a header has 64 bytes");
        let off = Evidence::new(0);
        assert!(off.take(4096, &mut |_, _| panic!("nothing is read")).is_none());
    }
}
