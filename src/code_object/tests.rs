//! Objects as compilers write them, and what becomes of damaged ones.

use proptest::prelude::*;

use super::*;

#[path = "../../rocprofiler-sys/simulator/src/elf.rs"]
#[allow(unreachable_pub)]
pub(super) mod elf;

use elf::Object;

/// The most that is copied of an object here.
const MOST: u64 = 1 << 20;

fn image(bytes: &[u8], most: u64) -> Result<Image, Left> {
    Image::take(bytes.len() as u64, most, &mut |offset, buffer| {
        let Some(held) = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)?.get(..buffer.len())) else {
            return false;
        };
        buffer.copy_from_slice(held);
        true
    })
}

fn told(object: &Object<'_>) -> Vec<(String, Origin)> {
    kernels(&image(&object.bytes(), MOST).unwrap())
}

const ROUTER: &str = "/usr/lib/python3/site-packages/vllm/layers/fused_moe/router/x.py";
const MLA: &str = "/usr/lib/python3/site-packages/vllm/attention/mla.py";

#[test]
fn an_object_tells_of_each_kernel_what_it_takes_and_where_it_was_written() {
    for dwarf in [4, 5] {
        let kernels = [("_kv_kernel", Some(MLA)), ("_step", None), ("_remap_kernel", Some(ROUTER))];
        let told = told(&Object { kernels: &kernels, dwarf, ..Object::default() });
        let source = |origin: &Origin| origin.source.clone();
        assert_eq!(told.len(), 3);
        assert_eq!(told[0].0, "_kv_kernel");
        assert_eq!(source(&told[0].1).as_deref(), Some(MLA), "DWARF {dwarf}");
        assert_eq!(source(&told[1].1), None, "DWARF {dwarf}");
        assert_eq!(source(&told[2].1).as_deref(), Some(ROUTER), "DWARF {dwarf}");
        let expected = Origin {
            source: Some(MLA.to_owned()),
            compiler: Some("triton".to_owned()),
            language: None,
            arch: Some("gfx950".to_owned()),
            arguments: Some(1),
            lds_bytes: Some(4096),
            scratch_bytes: Some(0),
            vgprs: Some(24),
            agprs: Some(0),
            sgprs: Some(16),
            vgpr_spills: None,
            workgroup: Some(256),
        };
        assert_eq!(told[0].1, expected);
    }
}

#[test]
fn an_object_without_lines_or_with_compressed_ones_tells_the_rest() {
    for object in [
        Object { kernels: &[("k", None)], ..Object::default() },
        Object { kernels: &[("k", Some(MLA))], compressed: true, ..Object::default() },
    ] {
        let told = told(&object);
        assert_eq!((told[0].0.as_str(), told[0].1.source.as_deref()), ("k", None));
        assert_eq!(told[0].1.arch.as_deref(), Some("gfx950"));
    }
}

#[test]
fn code_is_not_copied_and_what_there_is_no_room_for_is_left_out() {
    let object = Object { kernels: &[("k", Some(MLA))], code: 1 << 20, rows: 4096, ..Object::default() };
    let bytes = object.bytes();
    let whole = image(&bytes, MOST).unwrap();
    assert!(whole.bytes() < 32_000, "{} bytes", whole.bytes());
    let notes = image(&bytes, 3000).unwrap();
    assert!(notes.bytes() <= 3000);
    let told = kernels(&notes);
    assert_eq!((told[0].1.source.as_deref(), told[0].1.vgprs), (None, Some(24)));
    assert_eq!(image(&bytes, 100).unwrap_err(), Left::TooLarge);
}

#[test]
fn what_is_no_code_object_is_left() {
    let mut bytes = Object { kernels: &[("k", Some(MLA))], ..Object::default() }.bytes();
    assert_eq!(image(b"", MOST).unwrap_err(), Left::Foreign);
    assert_eq!(image(&[0; 4096], MOST).unwrap_err(), Left::Foreign);
    // 32 bit, another machine, a table of sections beyond the end, sections without end.
    for (at, value) in [(4, 1), (18, 62), (0x2f, 0x7f), (0x3d, 0x7f)] {
        let before = std::mem::replace(&mut bytes[at], value);
        assert_eq!(image(&bytes, MOST).unwrap_err(), Left::Foreign, "byte {at:#x}");
        bytes[at] = before;
    }
    assert!(image(&bytes, MOST).is_ok());
    let unreadable = Image::take(bytes.len() as u64, MOST, &mut |_, _| false);
    assert_eq!(unreadable.unwrap_err(), Left::Unreadable);
}

#[test]
fn any_prefix_is_read_or_refused() {
    let bytes = Object { kernels: &[("a", Some(MLA)), ("b", Some(ROUTER))], ..Object::default() }.bytes();
    for end in 0..bytes.len() {
        if let Ok(image) = image(&bytes[..end], MOST) {
            let _ = kernels(&image);
        }
    }
}

proptest! {
    #[test]
    fn damage_is_read_or_refused(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24),
        dwarf in 4..=5_u16,
    ) {
        let object = Object { kernels: &[("a", Some(MLA)), ("b", Some(ROUTER))], dwarf, ..Object::default() };
        let mut bytes = object.bytes();
        let length = bytes.len();
        for (at, value) in damage {
            bytes[at.index(length)] = value;
        }
        if let Ok(image) = image(&bytes, MOST) {
            prop_assert!(image.bytes() <= MOST);
            let _ = kernels(&image);
        }
    }
}
