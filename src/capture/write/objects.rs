//! Looking into code objects: what they tell of their kernels, for the file of each window.
//!
//! A server loads thousands, and the thread that looks into them takes dispatches too, so it does one at a time between two
//! batches. Each window's file gets what is known so far, likewise one at a time; what is left when the window is closed goes
//! there at once.

use std::collections::VecDeque;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::capture::evidence::Evidence;
use crate::code_object::{self, Image, Uri};
use crate::door;
use crate::model::Origin;
use crate::wire::Encoder;

/// Kernels of all objects that something is kept of.
const MOST_KERNELS: usize = 1 << 16;

/// An object that was not looked into yet.
#[derive(Debug)]
enum Pending {
    Image(Image),
    File(Uri),
}

/// What code objects tell.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pending: VecDeque<(u64, Pending)>,
    told: Vec<(u64, Vec<(String, Origin)>)>,
    /// Of these, how many the open window's file has.
    written: usize,
    kernels: usize,
}

impl Objects {
    /// An object was loaded: a copy was made of it, or it is in a file.
    pub(super) fn add(&mut self, id: u64, uri: &str, image: Option<Image>) {
        let file = || Uri::read(uri).filter(|uri| *uri != Uri::Memory).map(Pending::File);
        let pending = image.map(Pending::Image).or_else(file);
        self.pending.extend(pending.map(|pending| (id, pending)));
    }

    /// A window's file begins, with nothing of this in it.
    pub(super) fn begin(&mut self) {
        self.written = 0;
    }

    /// Objects that were not looked into, or are not in the open window's file.
    pub(super) fn left(&self) -> usize {
        self.pending.len() + self.told.len() - self.written
    }

    /// Does a piece of work: looks into an object, or writes what one tells. False if there is none.
    pub(super) fn work(&mut self, evidence: &Evidence, encoder: Option<&mut Encoder>) -> bool {
        if let Some((id, pending)) = self.pending.pop_front() {
            // What damage makes of a reader must not end the tracer.
            let look = AssertUnwindSafe(|| look_into(&pending, evidence));
            let mut kernels = catch_unwind(look).unwrap_or_default();
            kernels.truncate(MOST_KERNELS - self.kernels);
            self.kernels += kernels.len();
            if !kernels.is_empty() {
                self.told.push((id, kernels));
            }
            return true;
        }
        match (self.told.get(self.written), encoder) {
            (Some((id, kernels)), Some(encoder)) => {
                encoder.origins(*id, kernels);
                self.written += 1;
                true
            }
            _ => false,
        }
    }
}

fn look_into(pending: &Pending, evidence: &Evidence) -> Vec<(String, Origin)> {
    match pending {
        Pending::Image(image) => code_object::kernels(image),
        Pending::File(Uri::File { path, offset, size }) => {
            let mut kernels =
                copy(path, *offset, *size, evidence).map(|image| code_object::kernels(&image)).unwrap_or_default();
            if let Some(language) = language_beside(path) {
                kernels.iter_mut().for_each(|(_, origin)| origin.language = Some(language.to_owned()));
            }
            kernels
        }
        Pending::File(Uri::Memory) => Vec::new(),
    }
}

/// The object in a part of a file.
fn copy(path: &Path, offset: u64, size: Option<u64>, evidence: &Evidence) -> Option<Image> {
    let file = door::open(path).ok()?;
    let there = file.metadata().ok()?.len().checked_sub(offset)?;
    let size = size.unwrap_or(there).min(there);
    evidence.take(size, &mut |at, buffer| file.read_exact_at(buffer, offset + at).is_ok())
}

/// What a kernel in Triton's cache was written in: its compiler leaves the first form of it beside the code object, `.ttir` of
/// Triton, `.glir` of Gluon.
fn language_beside(path: &Path) -> Option<&'static str> {
    if path.extension()? != "hsaco" {
        return None;
    }
    let beside = [("glir", "gluon"), ("ttir", "triton")];
    beside.into_iter().find(|(extension, _)| path.with_extension(extension).is_file()).map(|(_, language)| language)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code_object::bundle::tests::object;

    #[test]
    fn each_windows_file_gets_what_each_object_tells_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.hsaco");
        std::fs::write(&path, [vec![0; 64], object("gfx950", "k")].concat()).unwrap();
        std::fs::write(directory.path().join("x.ttir"), "").unwrap();
        let (evidence, mut objects) = (Evidence::new(1 << 20), Objects::default());
        objects.add(1, &format!("file://{}#offset=64", path.display()), None);
        objects.add(2, "file:///nowhere/x.co", None);
        objects.add(3, "memory://1#offset=0x10&size=20", None);
        assert_eq!(objects.left(), 2, "what is in memory was copied or is gone");
        while objects.work(&evidence, None) {}
        assert_eq!(objects.left(), 1, "the file that is there is in no window's file yet");
        assert_eq!(objects.told[0].1[0].1.language.as_deref(), Some("triton"));
        for _ in 0..2 {
            let mut encoder = Encoder::default();
            objects.begin();
            assert!(objects.work(&evidence, Some(&mut encoder)) && !objects.work(&evidence, Some(&mut encoder)));
            assert_eq!(objects.left(), 0);
            assert!(encoder.buffer.windows(8).any(|part| part == b"\"triton\""));
        }
    }
}
