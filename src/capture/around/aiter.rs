//! aiter's tuned tables and prebuilt code objects.
//!
//! The tables are `aiter/configs/*.csv` and `aiter/configs/model_configs/*.csv`; where several are merged, aiter writes them to
//! `/tmp/aiter_configs`, and variables `AITER_CONFIG_*` name others, parted by colons. Prebuilt code objects lie in
//! `hsa/ARCH/…` of the repository, in `aiter_meta/hsa` of a wheel, or in `AITER_META_DIR` (`aiter/jit/core.py`, August 2026).

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::Known;
use super::looker::{Looker, hash};
use crate::model::{FactKind, TunedTable};

/// Longest table, and bytes of all of them.
const TABLE: u64 = 8 << 20;
const TABLES: u64 = 48 << 20;
/// Most rows that are kept, of all tables, and the largest M that decode may ask for.
const ROWS: usize = 8_192;
const DECODES: u32 = 512;
/// Most characters of a kernel's name.
const KERNEL: usize = 2_000;
/// Rows after which the time is looked at.
const LOOKED_AT: usize = 128;
/// Folders below that of an architecture.
const DEPTH: usize = 3;
/// Most code objects that are looked at.
const OBJECTS: usize = 8_192;

/// Adds the tables and code objects below `sources`.
pub(super) fn facts(looker: &mut Looker, sources: &[PathBuf], known: &Known) {
    let variable = |name: &str| known.variables.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str());
    let meta = variable("AITER_META_DIR").map(|meta| PathBuf::from(meta).join("hsa"));
    let below = sources.iter().flat_map(|source| [source.join("hsa"), source.join("aiter_meta/hsa")]);
    if let Some(objects) = meta.into_iter().chain(below).find(|directory| looker.is_directory(directory)) {
        code_objects(looker, &objects, known);
    }
    // What is merged, or named, is what is looked up.
    let mut directories = vec![PathBuf::from("/tmp/aiter_configs")];
    for source in sources {
        directories.extend(["aiter/configs", "aiter/configs/model_configs"].map(|configs| source.join(configs)));
    }
    let mut files: Vec<PathBuf> = Vec::new();
    for directory in directories {
        let names = looker.names(&directory).into_iter();
        let tuned = names.filter(|name| name.ends_with(".csv") && name.contains("tuned") && !name.contains("untuned"));
        files.extend(tuned.map(|name| directory.join(name)));
    }
    let named = known.variables.iter().filter(|(name, _)| name.starts_with("AITER_CONFIG_"));
    for file in named.flat_map(|(_, value)| value.split(':')).filter(|file| file.ends_with(".csv")) {
        if !files.iter().any(|known| known == Path::new(file)) {
            files.push(PathBuf::from(file));
        }
    }
    let (mut bytes_left, mut rows_left) = (TABLES, ROWS);
    for file in files {
        let Some(bytes) = looker.bytes(&file, TABLE.min(bytes_left)) else { continue };
        bytes_left -= bytes.len() as u64;
        let table = table(looker, &file, &bytes, known, rows_left);
        rows_left -= table.shapes.len();
        looker.fact(FactKind::TunedTable, &table.name, format!("{} rows, {}", table.rows, table.hash));
        looker.table(table);
    }
}

/// From the directory of tables on.
fn name_of(file: &Path) -> String {
    let parts: Vec<String> = file.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let from = parts
        .iter()
        .rposition(|part| part == "configs" || part == "aiter_configs")
        .unwrap_or(parts.len().saturating_sub(2));
    parts[(from + 1).min(parts.len().saturating_sub(1))..].join("/")
}

/// What a table holds.
fn table(looker: &Looker, file: &Path, bytes: &[u8], known: &Known, rows_left: usize) -> TunedTable {
    let mut table =
        TunedTable { name: name_of(file), hash: format!("{:016x}", hash(bytes, 0)), ..TunedTable::default() };
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').map(str::trim).collect();
    let column = |names: &[&str]| names.iter().find_map(|name| header.iter().position(|known| known == name));
    let (arch, units) = (column(&["gfx"]), column(&["cu_num"]));
    let (m, n, k) = (column(&["M", "token"]), column(&["N"]), column(&["K"]));
    let kernel = column(&["kernelName", "kernelName1"]);
    let mut kernels: HashMap<&str, u32> = HashMap::new();
    for (at, line) in lines.filter(|line| !line.is_empty()).enumerate() {
        table.rows += 1;
        // What is not looked at for want of time is counted all the same.
        table.cut |= at % LOOKED_AT == 0 && !looker.has_time();
        if table.cut {
            continue;
        }
        // Most rows are of other GPUs, which their first columns tell.
        let field = |at: Option<usize>| at.and_then(|at| line.split(',').nth(at)).map_or("", str::trim);
        let number = |at: Option<usize>| field(at).parse::<u32>().ok();
        let (of_arch, of_units) = (arch.map(|at| field(Some(at))), number(units));
        let is_here = known.agents.iter().any(|agent| {
            of_arch.is_none_or(|of_arch| agent.arch.split(':').next() == Some(of_arch))
                && (agent.compute_units == 0 || of_units.is_none_or(|units| units == agent.compute_units))
        });
        let Some(rows) = is_here.then(|| number(m)).flatten().filter(|rows| *rows <= DECODES) else { continue };
        if table.shapes.len() == rows_left {
            table.cut = true;
            continue;
        }
        let name = field(kernel);
        let next = table.kernels.len() as u32;
        let at = *kernels.entry(name).or_insert_with(|| {
            table.kernels.push(name.chars().take(KERNEL).filter(|c| !c.is_control()).collect());
            next
        });
        table.shapes.push(([rows, number(n).unwrap_or(0), number(k).unwrap_or(0)], at));
    }
    table.shapes.sort_unstable();
    table
}

/// How many code objects each directory of this machine's architectures holds, and a hash of their names and sizes.
fn code_objects(looker: &mut Looker, objects: &Path, known: &Known) {
    let mut archs: Vec<&str> = known.agents.iter().filter_map(|agent| agent.arch.split(':').next()).collect();
    archs.sort_unstable();
    archs.dedup();
    let mut left = OBJECTS;
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for arch in archs {
        let mut folders = vec![(objects.join(arch), arch.to_owned(), 0)];
        while let Some((folder, name, depth)) = folders.pop() {
            for entry in looker.names(&folder) {
                let path = folder.join(&entry);
                if entry.ends_with(".co") && left > 0 && looker.has_time() {
                    left -= 1;
                    let (count, so_far) = found.entry(name.clone()).or_default();
                    *count += 1;
                    let size = looker.size(&path).unwrap_or(0);
                    *so_far = hash(&size.to_le_bytes(), hash(entry.as_bytes(), *so_far));
                } else if depth < DEPTH && !entry.contains('.') {
                    folders.push((path, format!("{name}/{entry}"), depth + 1));
                }
            }
        }
    }
    for (name, (count, hash)) in found {
        looker.fact(FactKind::CodeObjects, &name, format!("{count} files, {hash:016x}"));
    }
}
