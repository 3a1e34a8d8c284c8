//! Code objects of AMD GPUs: what they tell of their kernels.
//!
//! A code object is an ELF file for the GPU, and what loads it keeps no word of where a kernel came from but a URI, which for
//! everything that is compiled while the server runs says `memory://`. The object itself says more:
//!
//! | where | what |
//! |---|---|
//! | `.debug_line` | the file that a kernel's first instruction was written in ([`lines`]) |
//! | `.debug_info` | the folder that this file is relative to, and who compiled it |
//! | `.note`, `NT_AMDGPU_METADATA` | names of the kernels, arguments, registers, LDS ([`metadata`]) |
//! | `e_flags` | nothing that the note does not say in words |
//!
//! Triton and Gluon write `.debug_line` unless they are told not to (Triton 3.9 for gfx950 and gfx942: DWARF 4, producer
//! `triton`, the file relative to the unit's folder); HIP's compiler does with `-g` only.
//!
//! An object may be of any size and is gone when the host wants it to be, so it is read in two moves: [`Image::take`] copies the
//! few sections that are worth it, by whatever can read bytes at an offset, and [`kernels`] looks into the copy. The first may
//! stand in a callback, the second takes its time elsewhere. Both are bounded, and neither trusts a byte. What stands in the
//! libraries of an installation is found by [`each_object`].
//!
//! Sources: LLVM's "User Guide for AMDGPU Backend" (code object metadata, ELF header, note records) and the DWARF standards
//! 4 and 5.

pub(crate) mod bundle;
mod image;
mod lines;
mod metadata;
mod msgpack;
mod uri;

pub use bundle::{Looked, ReadAt, each_object};
pub use image::{Image, Left};
pub use uri::Uri;

use object::LittleEndian;
use object::elf::{FileHeader64, NoteType, SHF_COMPRESSED, SHT_DYNSYM, SHT_NOTE, SHT_SYMTAB};
use object::read::elf::{FileHeader as _, SectionHeader as _, SectionTable, Sym as _};
use rustc_hash::FxHashMap;

use crate::model::Origin;
use metadata::Metadata;

type Header = FileHeader64<LittleEndian>;

/// The most symbols of one object that are looked at.
const MOST_SYMBOLS: usize = 1 << 16;
/// The type of the note with the metadata, and its owner.
const METADATA_NOTE: NoteType = NoteType(32);
const METADATA_OWNER: &[u8] = b"AMDGPU";

/// The kernels of an object by name, and what it tells of each. Empty where it tells nothing.
#[must_use]
pub fn kernels(image: &Image) -> Vec<(String, Origin)> {
    read(image).unwrap_or_default()
}

fn read(image: &Image) -> Option<Vec<(String, Origin)>> {
    let header = Header::parse(image).ok()?;
    let sections = header.sections(LittleEndian, image).ok()?;
    let metadata = metadata_of(&sections, image)?;
    let section = |name: &str| {
        let (_, section) = sections.section_by_name(LittleEndian, name.as_bytes())?;
        let is_plain = !section.sh_flags(LittleEndian).contains(SHF_COMPRESSED);
        section.data(LittleEndian, image).ok().filter(|_| is_plain)
    };
    let mut kernels: Vec<(String, Origin)> = metadata.kernels;
    if section(".debug_line").is_some_and(|lines| !lines.is_empty()) {
        let addresses = addresses(&sections, image, &kernels);
        let told = lines::read(section, &addresses, kernels.len());
        for ((_, origin), told) in kernels.iter_mut().zip(told) {
            origin.source = told.source;
            origin.compiler = told.compiler;
        }
    }
    Some(kernels)
}

/// What the first note of metadata says.
fn metadata_of<'a>(sections: &SectionTable<'a, Header, &'a Image>, image: &'a Image) -> Option<Metadata> {
    let notes = sections.iter().filter(|section| section.sh_type(LittleEndian) == SHT_NOTE);
    notes.into_iter().find_map(|section| {
        let mut notes = section.notes(LittleEndian, image).ok()??;
        // Each note takes bytes of the section, so this ends.
        while let Ok(Some(note)) = notes.next() {
            if note.name() == METADATA_OWNER && note.n_type(LittleEndian) == METADATA_NOTE {
                return metadata::read(note.desc());
            }
        }
        None
    })
}

/// Addresses of kernels, in order, each with the kernel's place in `kernels`.
fn addresses<'a>(
    sections: &SectionTable<'a, Header, &'a Image>,
    image: &'a Image,
    kernels: &[(String, Origin)],
) -> Vec<(u64, usize)> {
    let places: FxHashMap<&[u8], usize> =
        kernels.iter().enumerate().map(|(at, (name, _))| (name.as_bytes(), at)).collect();
    let mut found = Vec::new();
    for kind in [SHT_SYMTAB, SHT_DYNSYM] {
        let Ok(symbols) = sections.symbols(LittleEndian, image, kind) else { continue };
        for symbol in symbols.iter().take(MOST_SYMBOLS) {
            let name = symbol.name(LittleEndian, symbols.strings()).unwrap_or_default();
            if let Some(&at) = places.get(name) {
                found.push((symbol.st_value(LittleEndian), at));
            }
        }
        if !found.is_empty() {
            break;
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests;
