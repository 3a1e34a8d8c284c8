//! Code objects as compilers write them: an ELF file for an AMD GPU with metadata, and lines where it has any.
//!
//! ```text
//!   header │ .note │ .text │ .debug_* │ .symtab │ .strtab │ .shstrtab │ section headers
//! ```
//!
//! What Triton 3.9 writes for gfx950 is the model: DWARF 4, producer `triton`, the file relative to the folder of the unit, the
//! first row at the kernel's first instruction, and rows of inlined functions from elsewhere after it.
//!
//! Source: LLVM's AMDGPU guide (ELF header, note records, code object metadata); the MessagePack specification.

use gimli::write::{Address, AttributeValue, DwarfUnit, EndianVec, LineProgram, LineString, Sections};
use gimli::{Encoding, Format, LittleEndian};

/// What an object is made of.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    /// The processor, e.g. `gfx950`.
    pub arch: &'a str,
    /// Names of kernels, without `.kd`, and the files that they were written in, absolute; none: no lines.
    pub kernels: &'a [(&'a str, Option<&'a str>)],
    /// DWARF version, 4 or 5.
    pub dwarf: u16,
    /// Who compiled it.
    pub producer: &'a str,
    /// Whether the sections of lines are marked as compressed.
    pub compressed: bool,
    /// Bytes of code of each kernel, which nobody should copy.
    pub code: usize,
    /// Rows of lines of each kernel.
    pub rows: usize,
}

impl Default for Object<'_> {
    fn default() -> Self {
        Self { arch: "gfx950", kernels: &[], dwarf: 4, producer: "triton", compressed: false, code: 0x200, rows: 8 }
    }
}

/// Where the code begins, as the loader would map it.
const CODE: u64 = 0x1600;
/// `EF_AMDGPU_MACH_AMDGCN_GFX950`; readers go by the note.
const GFX950: u32 = 0x4f;

struct Section {
    name: &'static str,
    kind: u32,
    flags: u64,
    address: u64,
    link: u32,
    entry: u64,
    bytes: Vec<u8>,
}

impl Section {
    fn new(name: &'static str, kind: u32, bytes: Vec<u8>) -> Self {
        Self { name, kind, flags: 0, address: 0, link: 0, entry: 0, bytes }
    }
}

impl Object<'_> {
    /// The bytes of the object.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let code = vec![0xbf; self.code * self.kernels.len()];
        let mut sections = vec![
            Section::new("", 0, Vec::new()),
            Section::new(".note", 7, self.note()),
            Section { address: CODE, flags: 6, ..Section::new(".text", 1, code) },
        ];
        if self.kernels.iter().any(|(_, source)| source.is_some()) {
            let flags = if self.compressed { 1 << 11 } else { 0 };
            let lines = self.lines().into_iter().map(|(name, bytes)| Section { flags, ..Section::new(name, 1, bytes) });
            sections.extend(lines);
        }
        let (symbols, strings) = self.symbols();
        let link = sections.len() as u32 + 1;
        sections.push(Section { link, entry: 24, ..Section::new(".symtab", 2, symbols) });
        sections.push(Section::new(".strtab", 3, strings));
        file(sections)
    }

    fn address(&self, kernel: usize) -> u64 {
        CODE + (kernel * self.code) as u64
    }

    /// A function and a descriptor for each kernel.
    fn symbols(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut symbols, mut strings) = (vec![0; 24], vec![0]);
        for (at, (name, _)) in self.kernels.iter().enumerate() {
            for (suffix, kind, section, value) in [("", 0x12_u8, 2_u16, self.address(at)), (".kd", 0x11, 1, 0x580)] {
                symbols.extend((strings.len() as u32).to_le_bytes());
                symbols.extend([kind, 3]);
                symbols.extend(section.to_le_bytes());
                symbols.extend(value.to_le_bytes());
                symbols.extend(64_u64.to_le_bytes());
                strings.extend(name.as_bytes());
                strings.extend(suffix.as_bytes());
                strings.push(0);
            }
        }
        (symbols, strings)
    }

    fn note(&self) -> Vec<u8> {
        let mut packed = Packed::default();
        packed.map(3);
        packed.text("amdhsa.kernels").list(self.kernels.len());
        for (name, _) in self.kernels {
            packed.map(9);
            packed.text(".args").list(2);
            packed.map(2).text(".value_kind").text("global_buffer").text(".size").number(8);
            packed.map(1).text(".value_kind").text("hidden_none");
            packed.text(".name").text(name).text(".symbol").text(&format!("{name}.kd"));
            packed.text(".group_segment_fixed_size").number(4096);
            packed.text(".vgpr_count").number(24).text(".agpr_count").number(0).text(".sgpr_count").number(16);
            packed.text(".private_segment_fixed_size").number(0).text(".max_flat_workgroup_size").number(256);
        }
        packed.text("amdhsa.target").text(&format!("amdgcn-amd-amdhsa--{}", self.arch));
        packed.text("amdhsa.version").list(2).number(1).number(2);
        let mut note = Vec::new();
        for number in [7, packed.0.len() as u32, 32] {
            note.extend(number.to_le_bytes());
        }
        note.extend(b"AMDGPU\0\0");
        note.extend(&packed.0);
        note.resize(note.len().next_multiple_of(4), 0);
        note
    }

    /// The sections that tell where the kernels stand: a unit a kernel would be as good, compilers write one.
    fn lines(&self) -> Vec<(&'static str, Vec<u8>)> {
        let encoding = Encoding { format: Format::Dwarf32, version: self.dwarf, address_size: 8 };
        let split = |path: &str| path.rsplit_once('/').map(|(folder, file)| (folder.to_owned(), file.to_owned()));
        let text = |text: &str| LineString::String(text.as_bytes().to_vec());
        let sources = self.kernels.iter().filter_map(|(_, source)| split((*source)?));
        let (folder, file) = sources.clone().next().unwrap_or_default();
        let mut program =
            LineProgram::new(encoding, gimli::LineEncoding::default(), text(&folder), None, text(&file), None);
        let inlined = program.add_directory(text("/usr/lib/python3/site-packages/triton/language"));
        let inlined = program.add_file(text("standard.py"), inlined, None);
        for (at, (_, source)) in self.kernels.iter().enumerate() {
            let Some((own, file)) = source.and_then(split) else { continue };
            let directory = if own == folder { program.default_directory() } else { program.add_directory(text(&own)) };
            let file = program.add_file(text(&file), directory, None);
            program.begin_sequence(Some(Address::Constant(self.address(at))));
            for row in 0..self.rows.max(1) {
                program.row().address_offset = 4 * (row / 2) as u64;
                program.row().file = if row % 2 == 0 { file } else { inlined };
                program.row().line = 10 + row as u64;
                program.generate_row();
            }
            program.end_sequence(self.code as u64);
        }
        let mut dwarf = DwarfUnit::new(encoding);
        dwarf.unit.line_program = program;
        let root = dwarf.unit.root();
        let strings =
            [(gimli::DW_AT_producer, self.producer), (gimli::DW_AT_name, &file), (gimli::DW_AT_comp_dir, &folder)];
        for (attribute, value) in strings {
            let value = AttributeValue::StringRef(dwarf.strings.add(value));
            dwarf.unit.get_mut(root).set(attribute, value);
        }
        let mut sections = Sections::new(EndianVec::new(LittleEndian));
        let written = dwarf.write(&mut sections);
        let mut out = Vec::new();
        let each: Result<(), gimli::write::Error> = sections.for_each(|id, data| {
            if !data.slice().is_empty() {
                out.push((id.name(), data.slice().to_vec()));
            }
            Ok(())
        });
        if written.and(each).is_err() {
            out.clear();
        }
        out
    }
}

/// The file that these sections make.
fn file(mut sections: Vec<Section>) -> Vec<u8> {
    let mut names = Vec::new();
    sections.push(Section::new(".shstrtab", 3, Vec::new()));
    let places: Vec<usize> = sections
        .iter()
        .map(|section| {
            let at = names.len();
            names.extend(section.name.as_bytes());
            names.push(0);
            at
        })
        .collect();
    if let Some(last) = sections.last_mut() {
        last.bytes = names;
    }
    let mut bytes = vec![0; 64];
    let mut headers = Vec::new();
    for (section, name) in sections.iter().zip(places) {
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        headers.extend((name as u32).to_le_bytes());
        headers.extend(section.kind.to_le_bytes());
        for word in [section.flags, section.address, bytes.len() as u64, section.bytes.len() as u64] {
            headers.extend(word.to_le_bytes());
        }
        headers.extend(section.link.to_le_bytes());
        headers.extend(0_u32.to_le_bytes());
        headers.extend(4_u64.to_le_bytes());
        headers.extend(section.entry.to_le_bytes());
        bytes.extend(&section.bytes);
    }
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let table = bytes.len() as u64;
    bytes.extend(headers);
    // ELF, 64 bit, little-endian, version 1, AMD HSA, ABI of code object V5.
    let mut header = b"\x7fELF\x02\x01\x01\x40\x03\0\0\0\0\0\0\0".to_vec();
    for half in [3_u16, 224] {
        header.extend(half.to_le_bytes());
    }
    header.extend(1_u32.to_le_bytes());
    for word in [0, 0, table] {
        header.extend(word.to_le_bytes());
    }
    header.extend(GFX950.to_le_bytes());
    for half in [64, 56, 0, 64, sections.len() as u16, sections.len() as u16 - 1] {
        header.extend(half.to_le_bytes());
    }
    bytes[..64].copy_from_slice(&header);
    bytes
}

/// Values of MessagePack, one after the other.
#[derive(Default)]
struct Packed(Vec<u8>);

impl Packed {
    fn head(&mut self, code: u8, length: usize) -> &mut Self {
        self.0.push(code);
        self.0.extend((length as u32).to_be_bytes());
        self
    }

    fn map(&mut self, pairs: usize) -> &mut Self {
        self.head(0xdf, pairs)
    }

    fn list(&mut self, values: usize) -> &mut Self {
        self.head(0xdd, values)
    }

    fn number(&mut self, number: u32) -> &mut Self {
        self.head(0xce, number as usize)
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.head(0xdb, text.len());
        self.0.extend(text.as_bytes());
        self
    }
}
