//! Where kernels were written: the file of the row that stands at a kernel's first instruction.
//!
//! The first row counts, for those after it may be of functions that were inlined from elsewhere (`triton/language/standard.py`).
//! A path is put together from the unit's folder, the table's folder and the file, as far as each is relative to the one before.

use gimli::{AttributeValue, Dwarf, EndianSlice, LittleEndian, Reader as _, SectionId, Unit};

type Bytes<'a> = EndianSlice<'a, LittleEndian>;
type Program<'a> = gimli::IncompleteLineProgram<Bytes<'a>>;

/// The most units of an object, and the most rows of all of them, that are read.
const MOST_UNITS: usize = 64;
const MOST_ROWS: usize = 1 << 16;
/// The longest path, and the longest name of a compiler.
const LONGEST: usize = 4096;
const LONGEST_COMPILER: usize = 128;

/// What lines tell of a kernel.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) source: Option<String>,
    /// Who compiled it, as it calls itself.
    pub(super) compiler: Option<String>,
}

/// What the sections tell of `count` kernels at `addresses`, which are in order. Without addresses a single kernel is at the
/// first row.
pub(super) fn read<'a>(
    section: impl Fn(&str) -> Option<&'a [u8]>,
    addresses: &[(u64, usize)],
    count: usize,
) -> Vec<Told> {
    let load = |id: SectionId| -> Result<Bytes<'a>, gimli::Error> {
        Ok(EndianSlice::new(section(id.name()).unwrap_or_default(), LittleEndian))
    };
    let mut search = Search { told: vec![Told::default(); count], addresses, rows: MOST_ROWS, left: count };
    if let Ok(dwarf) = Dwarf::load(load) {
        let mut units = dwarf.units();
        let mut seen = 0;
        while let (true, Ok(Some(header))) = (seen < MOST_UNITS && search.left > 0, units.next()) {
            seen += 1;
            if let Ok(unit) = dwarf.unit(header) {
                let program = unit.line_program.clone();
                program.into_iter().for_each(|program| search.program(&dwarf, Some(&unit), program));
            }
        }
        if seen == 0
            && let Ok(program) = dwarf.debug_line.program(gimli::DebugLineOffset(0), 8, None, None)
        {
            search.program(&dwarf, None, program);
        }
    }
    search.told
}

struct Search<'s> {
    told: Vec<Told>,
    addresses: &'s [(u64, usize)],
    /// Rows that may still be read, and kernels that nothing was told of.
    rows: usize,
    left: usize,
}

impl Search<'_> {
    /// Runs a line program as far as it is needed.
    fn program<'a>(&mut self, dwarf: &Dwarf<Bytes<'a>>, unit: Option<&Unit<Bytes<'a>>>, program: Program<'a>) {
        let addresses = match self.addresses {
            [] if self.told.len() == 1 => &[(0, 0)],
            addresses => addresses,
        };
        let anywhere = self.addresses.is_empty();
        let mut rows = program.rows();
        // Of the row before: its address and file, and the first kernel that is not before it.
        let mut before: Option<(u64, u64)> = None;
        let mut next = 0;
        let mut compiler = None;
        // Kernels of one file often come one after the other.
        let mut last: Option<(u64, Option<String>)> = None;
        while self.rows > 0 && self.left > 0 {
            let Ok(Some((header, row))) = rows.next_row() else { return };
            self.rows -= 1;
            let address = if anywhere { 0 } else { row.address() };
            let (begin, file) = before.unwrap_or((address, row.file_index()));
            if before.is_none() {
                next = addresses.partition_point(|&(kernel, _)| kernel < address);
            }
            let is_in = |(kernel, _): &&(u64, usize)| *kernel == begin || *kernel < address;
            while let Some(&(_, at)) = addresses.get(next).filter(is_in) {
                next += 1;
                if last.as_ref().is_none_or(|(of, _)| *of != file) {
                    last = Some((file, header.file(file).and_then(|file| path(dwarf, unit, header, file))));
                }
                if self.told[at].source.is_none()
                    && let Some((_, Some(source))) = &last
                {
                    let by = compiler.get_or_insert_with(|| unit.and_then(|unit| producer(dwarf, unit)));
                    self.told[at] = Told { source: Some(source.clone()), compiler: by.clone() };
                    self.left -= 1;
                }
            }
            // The first row of an address counts.
            before = match before {
                _ if row.end_sequence() => None,
                Some((same, file)) if same == address => Some((same, file)),
                _ => Some((address, row.file_index())),
            };
        }
    }
}

/// The path of a file: absolute where anything is.
fn path<'a>(
    dwarf: &Dwarf<Bytes<'a>>,
    unit: Option<&Unit<Bytes<'a>>>,
    header: &gimli::LineProgramHeader<Bytes<'a>>,
    file: &gimli::FileEntry<Bytes<'a>>,
) -> Option<String> {
    let name = text(dwarf, unit, file.path_name())?;
    let directory = file.directory(header).and_then(|directory| text(dwarf, unit, directory)).unwrap_or_default();
    let root = unit.and_then(|unit| unit.comp_dir).and_then(|root| root.to_string().ok()).unwrap_or_default();
    joined(&[root, &directory, &name])
}

/// Parts put together, each relative to the one before it, without `.` and `..`.
fn joined(parts: &[&str]) -> Option<String> {
    let from = parts.iter().rposition(|part| part.starts_with('/'));
    let mut names: Vec<&str> = Vec::new();
    for name in parts[from.unwrap_or(0)..].iter().flat_map(|part| part.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    let path = format!("{}{}", if from.is_some() { "/" } else { "" }, names.join("/"));
    (!names.is_empty() && path.len() <= LONGEST && !path.contains(char::is_control)).then_some(path)
}

fn producer<'a>(dwarf: &Dwarf<Bytes<'a>>, unit: &Unit<Bytes<'a>>) -> Option<String> {
    let mut entries = unit.entries();
    let root = entries.next_dfs().ok()??;
    let value = root.attr_value(gimli::DW_AT_producer)?;
    text(dwarf, Some(unit), value).filter(|name| name.len() <= LONGEST_COMPILER && !name.contains(char::is_control))
}

fn text<'a>(
    dwarf: &Dwarf<Bytes<'a>>,
    unit: Option<&Unit<Bytes<'a>>>,
    value: AttributeValue<Bytes<'a>>,
) -> Option<String> {
    let text = match unit {
        Some(unit) => dwarf.attr_string(unit, value).ok()?,
        None => value.string_value(&dwarf.debug_str)?,
    };
    (text.len() <= LONGEST).then(|| text.to_string().ok().map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_at_its_last_absolute_part() {
        for (parts, expected) in [
            (&["/a/b", "", "x.py"][..], Some("/a/b/x.py")),
            (&["/a/b", "c/./d", "../x.py"], Some("/a/b/c/x.py")),
            (&["/a/b", "/c", "x.py"], Some("/c/x.py")),
            (&["", "c", "x.py"], Some("c/x.py")),
            (&["", "../../c", "x.py"], Some("c/x.py")),
            (&["/", "..", ".."], None),
            (&["", "", "a\nb"], None),
        ] {
            assert_eq!(joined(parts).as_deref(), expected, "{parts:?}");
        }
    }
}
