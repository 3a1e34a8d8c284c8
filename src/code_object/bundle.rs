//! Code objects in a host file: the bundles that a compiler puts into the section `.hip_fatbin`, one a translation unit.
//!
//! ```text
//!   __CLANG_OFFLOAD_BUNDLE__ │ entries: u64 │ offset, size, length of id: u64 each, id │ … │ objects
//!   CCOB │ version, method: u16 each │ sizes, hash │ a bundle, compressed by zlib (0) or zstd (1)
//! ```
//!
//! An entry's id says what it is for (`hipv4-amdgcn-amd-amdhsa--gfx950`, `host-x86_64-unknown-linux-gnu-`), and offsets count from
//! the bundle's begin. Bundles begin at pages. Of the compressed ones those of zlib are read; zstd, which nothing else here needs,
//! is not, and is counted.
//!
//! Source: LLVM's "Clang Offload Bundler", binary and compressed bundle formats (versions 1 to 3).

use std::io::Read as _;

use super::Image;

/// What fills a buffer from an offset, and says whether it could.
pub type ReadAt<'a> = &'a mut dyn FnMut(u64, &mut [u8]) -> bool;

const MAGIC: &[u8; 24] = b"__CLANG_OFFLOAD_BUNDLE__";
const COMPRESSED: &[u8; 4] = b"CCOB";
const PAGE: u64 = 4096;
/// The most bundles of a file, entries of a bundle, and bytes of an entry's id.
const MOST_BUNDLES: usize = 1 << 14;
const MOST_ENTRIES: u64 = 256;
const LONGEST_ID: u64 = 256;
/// Pages after a bundle in which the next one is looked for.
const PAGES_AHEAD: u64 = 16;
/// The most bytes that a bundle unpacks to, and that are copied of an object.
const MOST_UNPACKED: u64 = 256 << 20;
const MOST_OF_AN_OBJECT: u64 = 64 << 20;

/// How looking through bundles went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Looked {
    /// Code objects of GPUs that were read.
    pub objects: usize,
    /// Bundles that are compressed in a way that is not read, or broken.
    pub unread: usize,
}

/// Looks through bundles of `size` bytes in all and gives each code object of a GPU to `visit`.
pub fn each_object(size: u64, read: ReadAt<'_>, visit: &mut dyn FnMut(&Image)) -> Looked {
    let (mut looked, mut at, mut misses) = (Looked::default(), 0, 0);
    for _ in 0..MOST_BUNDLES {
        let mut magic = [0; MAGIC.len()];
        while misses <= PAGES_AHEAD && at + PAGE.min(64) <= size {
            let is_one = read(at, &mut magic) && (&magic == MAGIC || magic.starts_with(COMPRESSED));
            if is_one {
                break;
            }
            (at, misses) = (at + PAGE, misses + 1);
        }
        if misses > PAGES_AHEAD || at + PAGE.min(64) > size {
            break;
        }
        misses = 0;
        let length = if &magic == MAGIC {
            plain(size - at, &mut |offset, buffer| read(at + offset, buffer), visit, &mut looked)
        } else {
            compressed(size - at, &mut |offset, buffer| read(at + offset, buffer), visit, &mut looked)
        };
        at = at.saturating_add(length.unwrap_or(1).max(1)).next_multiple_of(PAGE);
        looked.unread += usize::from(length.is_none());
    }
    looked
}

/// Visits the objects of a bundle of at most `size` bytes; its length, or `None` if it makes no sense.
fn plain(size: u64, read: ReadAt<'_>, visit: &mut dyn FnMut(&Image), looked: &mut Looked) -> Option<u64> {
    let mut at = MAGIC.len() as u64;
    let [entries] = integers(&mut at, read)?;
    let mut end = at;
    for _ in 0..(entries <= MOST_ENTRIES).then_some(entries)? {
        let [offset, length, id] = integers(&mut at, read)?;
        let mut name = vec![0; usize::try_from((id <= LONGEST_ID).then_some(id)?).ok()?];
        read(at, &mut name).then_some(())?;
        at += id;
        let beyond = offset.checked_add(length).filter(|&beyond| beyond <= size)?;
        end = end.max(beyond).max(at);
        if !name.windows(6).any(|part| part == b"amdgcn") {
            continue;
        }
        let mut of_object = |from: u64, buffer: &mut [u8]| read(offset.saturating_add(from), buffer);
        if let Ok(image) = Image::take(length, MOST_OF_AN_OBJECT, &mut of_object) {
            visit(&image);
            looked.objects += 1;
        }
    }
    Some(end)
}

/// The same of a compressed bundle.
fn compressed(size: u64, read: ReadAt<'_>, visit: &mut dyn FnMut(&Image), looked: &mut Looked) -> Option<u64> {
    let mut header = [0; 32];
    let there = usize::try_from(size.min(32)).ok()?;
    read(0, header.get_mut(..there)?).then_some(())?;
    let number = |at: usize, bytes: usize| {
        let bytes = header.get(at..at + bytes)?;
        Some(bytes.iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte)))
    };
    let (version, method) = (number(4, 2)?, number(6, 2)?);
    // Version 1 does not say how long it is: nothing is found after it.
    let (length, unpacked, begin) = match version {
        1 => (size, number(8, 4)?, 20),
        2 => (number(8, 4)?, number(12, 4)?, 24),
        3 => (number(8, 8)?, number(16, 8)?, 32),
        _ => return None,
    };
    if method != 0 || length > size || length < begin || unpacked > MOST_UNPACKED {
        looked.unread += 1;
        return Some(length.clamp(1, size));
    }
    let mut packed = vec![0; usize::try_from(length - begin).ok().filter(|&bytes| bytes as u64 <= MOST_UNPACKED)?];
    read(begin, &mut packed).then_some(())?;
    let mut bytes = Vec::new();
    // What was unpacked before damage counts.
    let _ = flate2::read::ZlibDecoder::new(&*packed).take(unpacked).read_to_end(&mut bytes);
    let mut in_memory = |at: u64, buffer: &mut [u8]| {
        let held = usize::try_from(at).ok().and_then(|at| bytes.get(at..)?.get(..buffer.len()));
        held.map(|held| buffer.copy_from_slice(held)).is_some()
    };
    let mut magic = [0; MAGIC.len()];
    let is_one = in_memory(0, &mut magic) && &magic == MAGIC;
    if !is_one || plain(bytes.len() as u64, &mut in_memory, visit, looked).is_none() {
        looked.unread += 1;
    }
    Some(length)
}

/// The next little-endian integers.
fn integers<const N: usize>(at: &mut u64, read: ReadAt<'_>) -> Option<[u64; N]> {
    let mut values = [0; N];
    for value in &mut values {
        let mut bytes = [0; 8];
        read(*at, &mut bytes).then_some(())?;
        *at += 8;
        *value = u64::from_le_bytes(bytes);
    }
    Some(values)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::code_object::kernels;
    use crate::code_object::tests::elf::Object;

    /// An object with one kernel.
    pub(crate) fn object(arch: &str, kernel: &str) -> Vec<u8> {
        Object { arch, kernels: &[(kernel, None)], ..Object::default() }.bytes()
    }

    /// A bundle of a host's entry and these objects, each at a page.
    pub(crate) fn bundle(objects: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((objects.len() as u64 + 1).to_le_bytes());
        let mut offset = PAGE;
        let host = ("host-x86_64-unknown-linux-gnu-", 0);
        let device = objects.iter().map(|object| ("hipv4-amdgcn-amd-amdhsa--gfx950", object.len() as u64));
        for (id, size) in std::iter::once(host).chain(device) {
            for number in [offset, size, id.len() as u64] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.extend(id.as_bytes());
            offset = (offset + size).next_multiple_of(PAGE);
        }
        for object in objects {
            bytes.resize(bytes.len().next_multiple_of(PAGE as usize), 0);
            bytes.extend(object);
        }
        bytes
    }

    fn packed(bundle: &[u8], version: u16, method: u16) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bundle).unwrap();
        let data = encoder.finish().unwrap();
        let mut bytes = COMPRESSED.to_vec();
        bytes.extend(version.to_le_bytes());
        bytes.extend(method.to_le_bytes());
        let header = match version {
            1 => 20,
            2 => 24,
            _ => 32,
        };
        match version {
            1 => bytes.extend((bundle.len() as u32).to_le_bytes()),
            2 => [header + data.len(), bundle.len()].iter().for_each(|&it| bytes.extend((it as u32).to_le_bytes())),
            _ => [header + data.len(), bundle.len()].iter().for_each(|&it| bytes.extend((it as u64).to_le_bytes())),
        }
        bytes.extend(0x0123_4567_89ab_cdef_u64.to_le_bytes());
        bytes.extend(data);
        bytes
    }

    fn look(bytes: &[u8]) -> (Vec<String>, Looked) {
        let mut names = Vec::new();
        let mut read = |at: u64, buffer: &mut [u8]| {
            let held = usize::try_from(at).ok().and_then(|at| bytes.get(at..)?.get(..buffer.len()));
            held.map(|held| buffer.copy_from_slice(held)).is_some()
        };
        let mut visit = |image: &Image| names.extend(kernels(image).into_iter().map(|(name, _)| name));
        let looked = each_object(bytes.len() as u64, &mut read, &mut visit);
        (names, looked)
    }

    fn paged(parts: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in parts {
            bytes.resize(bytes.len().next_multiple_of(PAGE as usize), 0);
            bytes.extend(part);
        }
        bytes
    }

    #[test]
    fn every_object_of_every_bundle_is_found_packed_or_not() {
        let first = bundle(&[object("gfx942", "a"), object("gfx950", "a")]);
        let parts = [
            first.clone(),
            packed(&bundle(&[object("gfx950", "b")]), 2, 0),
            packed(&bundle(&[object("gfx950", "c")]), 3, 0),
            packed(&first, 3, 1),
            bundle(&[object("gfx950", "d")]),
            packed(&bundle(&[object("gfx950", "e")]), 1, 0),
        ];
        let (names, looked) = look(&paged(&parts));
        assert_eq!(names, ["a", "a", "b", "c", "d", "e"]);
        assert_eq!(looked, Looked { objects: 6, unread: 1 }, "zstd is not read");
    }

    #[test]
    fn damage_and_prefixes_end_the_search_and_no_more() {
        let bytes = paged(&[bundle(&[object("gfx950", "a")]), packed(&bundle(&[object("gfx950", "b")]), 3, 0)]);
        for end in (0..bytes.len()).step_by(13) {
            assert!(look(&bytes[..end]).0.len() <= 2);
        }
        for at in (0..200).chain(8192 + 4096..8192 + 4096 + 40) {
            let mut damaged = bytes.clone();
            damaged[at % bytes.len()] ^= 0xff;
            assert!(look(&damaged).0.len() <= 2);
        }
        assert_eq!(look(b"").1, Looked::default());
        assert_eq!(look(&[0; 1 << 17]).1, Looked::default());
    }

    #[test]
    fn a_packed_bundle_that_unpacks_without_end_is_cut_where_it_says_it_ends() {
        let mut long = bundle(&[object("gfx950", "a")]);
        let honest = long.len();
        long.resize(64 << 20, 0);
        let mut bytes = packed(&long, 3, 0);
        bytes[16..24].copy_from_slice(&(honest as u64).to_le_bytes());
        assert_eq!(look(&bytes).0, ["a"]);
        bytes[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(look(&bytes).1.unread, 1);
    }
}
