//! The parts of a code object that tell something, copied.
//!
//! ```text
//!   ELF header ─> section headers ─> their names ─> notes, then what lines need: as much as there is room for
//! ```
//!
//! What an object claims is compared with its size before anything is allocated, so a section of gigabytes costs nothing.

use std::ops::Range;

use object::LittleEndian;
use object::elf::{
    EM_AMDGPU, FileHeader64, SHF_COMPRESSED, SHT_DYNSYM, SHT_NOBITS, SHT_NOTE, SHT_SYMTAB, SectionHeader64, SectionType,
};
use object::read::ReadRef;
use object::read::elf::{FileHeader as _, SectionHeader as _};

/// The most sections that an object may have, and the most bytes of their names.
const MOST_SECTIONS: usize = 128;
const MOST_NAMES: u64 = 1 << 14;
/// The most bytes of what names the compiler and the folder: it holds types and variables too, which nobody asks for.
const MOST_INFO: u64 = 1 << 20;
const MOST_ABBREVIATIONS: u64 = 1 << 17;

/// Why nothing was copied of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Left {
    /// It is no code object of an AMD GPU, or its headers make no sense.
    #[error("it is no code object of an AMD GPU")]
    Foreign,
    /// Its bytes could not be read.
    #[error("its bytes could not be read")]
    Unreadable,
    /// Its headers alone are more than there is room for.
    #[error("there is no room for it")]
    TooLarge,
}

/// Parts of a code object, at the offsets that they have in it.
#[derive(Debug)]
pub struct Image {
    size: u64,
    pieces: Vec<(u64, Box<[u8]>)>,
    room: u64,
}

/// A section that may be worth a copy.
#[derive(Clone, Copy)]
struct Section {
    offset: u64,
    size: u64,
    kind: SectionType,
    link: usize,
    name: usize,
    is_plain: bool,
}

impl Image {
    /// Copies what is worth it of an object of `size` bytes, `most` bytes at most. `read` fills a buffer from an offset, and
    /// says whether it could.
    ///
    /// # Errors
    /// If there is nothing to copy.
    pub fn take(size: u64, most: u64, read: &mut dyn FnMut(u64, &mut [u8]) -> bool) -> Result<Self, Left> {
        let mut image = Self { size, pieces: Vec::with_capacity(12), room: most };
        image.copy(0, size_of::<FileHeader64<LittleEndian>>() as u64, read)?;
        let header = FileHeader64::<LittleEndian>::parse(&image).map_err(|_| Left::Foreign)?;
        if header.e_machine(LittleEndian) != EM_AMDGPU {
            return Err(Left::Foreign);
        }
        let (table, names) = (header.e_shoff(LittleEndian), usize::from(header.e_shstrndx(LittleEndian).0));
        let count = usize::from(header.e_shnum(LittleEndian));
        let entry = size_of::<SectionHeader64<LittleEndian>>();
        if usize::from(header.e_shentsize(LittleEndian)) != entry || count == 0 || count > MOST_SECTIONS {
            return Err(Left::Foreign);
        }
        image.copy(table, (count * entry) as u64, read)?;
        let sections = image.sections(table, count)?;
        let names = sections.get(names).filter(|names| names.size <= MOST_NAMES).ok_or(Left::Foreign)?;
        image.copy(names.offset, names.size, read)?;
        for section in image.wanted(&sections, names) {
            // What there is no room for is left out: the rest may tell something without it.
            if let Err(Left::Unreadable) = image.copy(section.offset, section.size, read) {
                return Err(Left::Unreadable);
            }
        }
        Ok(image)
    }

    /// Bytes copied.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    fn copy(&mut self, offset: u64, size: u64, read: &mut dyn FnMut(u64, &mut [u8]) -> bool) -> Result<(), Left> {
        if offset.checked_add(size).is_none_or(|end| end > self.size) {
            return Err(Left::Foreign);
        }
        self.room = self.room.checked_sub(size).ok_or(Left::TooLarge)?;
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| Left::TooLarge)?].into_boxed_slice();
        if !read(offset, &mut bytes) {
            return Err(Left::Unreadable);
        }
        self.pieces.push((offset, bytes));
        Ok(())
    }

    fn sections(&self, table: u64, count: usize) -> Result<Vec<Section>, Left> {
        let of: &Self = self;
        let headers: &[SectionHeader64<LittleEndian>] = of.read_slice_at(table, count).map_err(|()| Left::Foreign)?;
        let section = |header: &SectionHeader64<LittleEndian>| Section {
            offset: header.sh_offset(LittleEndian),
            size: header.sh_size(LittleEndian),
            kind: header.sh_type(LittleEndian),
            link: header.sh_link(LittleEndian) as usize,
            name: header.sh_name(LittleEndian) as usize,
            is_plain: !header.sh_flags(LittleEndian).contains(SHF_COMPRESSED),
        };
        Ok(headers.iter().map(section).collect())
    }

    /// The sections that are worth a copy, the most telling first, each once.
    fn wanted(&self, sections: &[Section], names: &Section) -> Vec<Section> {
        let of: &Self = self;
        let texts = of.read_bytes_at(names.offset, names.size).unwrap_or_default();
        let named = |wanted: &str, most: u64| {
            let is_named = |section: &&Section| {
                let name = texts.get(section.name..).unwrap_or_default();
                name.strip_prefix(wanted.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
            };
            let fits = |section: &&Section| section.is_plain && section.size <= most;
            sections.iter().find(is_named).filter(fits).copied()
        };
        let of_kind = |kind: SectionType| sections.iter().filter(move |section| section.kind == kind).copied();
        let mut wanted: Vec<Section> = of_kind(SHT_NOTE).collect();
        if let Some(lines) = named(".debug_line", u64::MAX) {
            wanted.push(lines);
            wanted.extend(named(".debug_line_str", u64::MAX));
            wanted.extend(named(".debug_abbrev", MOST_ABBREVIATIONS));
            wanted.extend(named(".debug_info", MOST_INFO));
            wanted.extend(named(".debug_str", MOST_INFO));
            let symbols = of_kind(SHT_SYMTAB).next().or_else(|| of_kind(SHT_DYNSYM).next());
            if let Some(symbols) = symbols {
                wanted.push(symbols);
                wanted.extend(sections.get(symbols.link));
            }
        }
        wanted.retain(|section| section.kind != SHT_NOBITS && section.size > 0);
        // A table that names itself for its strings would be copied twice.
        let mut seen = Vec::new();
        wanted.retain(|section| {
            let is_new = !seen.contains(&(section.offset, section.size));
            seen.push((section.offset, section.size));
            is_new
        });
        wanted
    }

    /// The bytes from `offset` on, as far as one copy goes.
    fn from(&self, offset: u64) -> Option<&[u8]> {
        self.pieces.iter().find_map(|(begin, bytes)| {
            let at = usize::try_from(offset.checked_sub(*begin)?).ok()?;
            bytes.get(at..).filter(|rest| !rest.is_empty())
        })
    }
}

impl<'a> ReadRef<'a> for &'a Image {
    fn len(self) -> Result<u64, ()> {
        Ok(self.size)
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        if size == 0 {
            return Ok(&[]);
        }
        let size = usize::try_from(size).map_err(|_| ())?;
        // Pieces may overlap: the one that has all of it counts.
        let holding = self.pieces.iter().find_map(|(begin, bytes)| {
            let at = usize::try_from(offset.checked_sub(*begin)?).ok()?;
            bytes.get(at..at.checked_add(size)?)
        });
        holding.ok_or(())
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        let bytes = self.from(range.start).ok_or(())?;
        let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(|_| ())?;
        let bytes = &bytes[..length.min(bytes.len())];
        memchr::memchr(delimiter, bytes).map(|end| &bytes[..end]).ok_or(())
    }
}
