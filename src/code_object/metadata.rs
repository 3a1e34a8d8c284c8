//! The metadata of a code object: what its kernels are called, and what a launch of each takes.
//!
//! Source: LLVM's AMDGPU guide, "Code Object V5 Metadata" (`amdhsa.target`, `amdhsa.kernels` and their keys). `.language` is not
//! read: HIP, hand-written assembly, Tensile and whatever links the device libraries all say `OpenCL C` there.

use super::msgpack::{Reader, Value};
use crate::model::Origin;

/// The most kernels of one object that are told of.
const MOST_KERNELS: usize = 1 << 14;
/// The longest name of a kernel.
const LONGEST: usize = 4096;

/// What a note says.
#[derive(Debug)]
pub(super) struct Metadata {
    /// By name.
    pub(super) kernels: Vec<(String, Origin)>,
}

/// Reads a note; `None` if it makes no sense.
pub(super) fn read(bytes: &[u8]) -> Option<Metadata> {
    let mut reader = Reader::new(bytes);
    let Value::Map(pairs) = reader.next()? else { return None };
    let (mut kernels, mut target) = (Vec::new(), None);
    for _ in 0..pairs {
        let key = reader.next()?;
        let value = reader.next()?;
        match (key, value) {
            (Value::Text("amdhsa.kernels"), Value::List(count)) => {
                for _ in 0..count {
                    let one = kernel(&mut reader)?;
                    kernels.extend(one.filter(|_| kernels.len() < MOST_KERNELS));
                }
            }
            (Value::Text("amdhsa.target"), Value::Text(text)) => target = arch(text),
            (_, value) => reader.pass(value)?,
        }
    }
    for (_, origin) in &mut kernels {
        origin.arch.clone_from(&target);
    }
    Some(Metadata { kernels })
}

/// The processor of a target such as `amdgcn-amd-amdhsa--gfx950:sramecc+:xnack-`.
fn arch(target: &str) -> Option<String> {
    let processor = target.rsplit('-').find(|part| part.starts_with("gfx"))?;
    let processor = processor.split(':').next()?;
    (processor.len() <= 32 && processor.bytes().all(|byte| byte.is_ascii_alphanumeric())).then(|| processor.to_owned())
}

/// One kernel, `Some(None)` if it has no name.
fn kernel(reader: &mut Reader<'_>) -> Option<Option<(String, Origin)>> {
    let Value::Map(pairs) = reader.next()? else { return None };
    let (mut name, mut origin) = (None, Origin::default());
    for _ in 0..pairs {
        let key = reader.next()?;
        let value = reader.next()?;
        match (key, value) {
            (Value::Text(".args"), Value::List(count)) => origin.arguments = Some(arguments(reader, count)?),
            (Value::Text(".symbol"), Value::Text(symbol)) => name = symbol.strip_suffix(".kd").or(name),
            (Value::Text(".name"), Value::Text(text)) => name = name.or(Some(text)),
            (Value::Text(key), Value::Integer(number)) => set(&mut origin, key, number),
            (_, value) => reader.pass(value)?,
        }
    }
    Some(name.filter(|name| name.len() <= LONGEST).map(|name| (name.to_owned(), origin)))
}

fn set(origin: &mut Origin, key: &str, number: u64) {
    let field = match key {
        ".group_segment_fixed_size" => &mut origin.lds_bytes,
        ".private_segment_fixed_size" => &mut origin.scratch_bytes,
        ".vgpr_count" => &mut origin.vgprs,
        ".agpr_count" => &mut origin.agprs,
        ".sgpr_count" => &mut origin.sgprs,
        ".vgpr_spill_count" => &mut origin.vgpr_spills,
        ".max_flat_workgroup_size" => &mut origin.workgroup,
        _ => return,
    };
    *field = u32::try_from(number).ok();
}

/// How many of `count` arguments are not the compiler's own.
fn arguments(reader: &mut Reader<'_>, count: u32) -> Option<u32> {
    let mut own = 0;
    for _ in 0..count {
        let Value::Map(pairs) = reader.next()? else { return None };
        let mut is_hidden = false;
        for _ in 0..pairs {
            let key = reader.next()?;
            let value = reader.next()?;
            match (key, value) {
                (Value::Text(".value_kind"), Value::Text(kind)) => is_hidden = kind.starts_with("hidden_"),
                (_, value) => reader.pass(value)?,
            }
        }
        own += u32::from(!is_hidden);
    }
    Some(own)
}
