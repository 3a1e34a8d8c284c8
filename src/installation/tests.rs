//! A package tree of our own, and hostile ones.

use std::fs;
use std::path::Path;

use object::write::{Object, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope};
use proptest::prelude::*;

use super::*;
use crate::classify::{Category, Classifier, Context};

/// Writes `text` to `path` below `root`.
fn put(root: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// An installation of one package:
///
/// ```text
///   acme-1.2.dist-info/RECORD
///   acme/layers/fused_moe/router/x.py     _zork (launched), _helper (part of it)
///   acme/v1/sample/y.py                   _step
///   acme/attention/mla/z.py               _step, kernel_of_many (launched under another name)
///   acme/csrc/all_reduce.cuh              acme::put_rows
///   acme/hsa/gfx950/fmoe/f.co             _ZN4acme4blobE
/// ```
fn site() -> tempfile::TempDir {
    let site = tempfile::tempdir().unwrap();
    let root = site.path();
    put(root, "acme-1.2.dist-info/RECORD", "acme/__init__.py,,\nacme-1.2.dist-info/RECORD,,\n");
    put(
        root,
        "acme/layers/fused_moe/router/x.py",
        "@triton.jit\ndef _helper(): 0\n@triton.jit\ndef _zork(): 0\n_zork[grid](1)\n",
    );
    put(root, "acme/v1/sample/y.py", "@gluon.jit\ndef _step(): 0\n_step[(1,)](1)\n");
    put(root, "acme/attention/mla/z.py", "@triton.jit\ndef _step(): 0\n");
    put(
        root,
        "acme/csrc/all_reduce.cuh",
        "namespace acme {\n__global__ void __launch_bounds__(64) put_rows(int);\n}\n",
    );
    put(root, "acme/hsa/gfx950/fmoe/f.co", code_object(&["_ZN4acme4blobE.kd", "_ZN4acme4blobE"]));
    put(root, "acme/tests/t.py", "@triton.jit\ndef _zork(): 0\n");
    site
}

/// An ELF file with these symbols.
fn code_object(symbols: &[&str]) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    for name in symbols {
        object.add_symbol(Symbol {
            name: name.as_bytes().to_vec(),
            value: 0,
            size: 64,
            kind: SymbolKind::Data,
            scope: SymbolScope::Linkage,
            weak: false,
            section: SymbolSection::Absolute,
            flags: SymbolFlags::None,
        });
    }
    object.write().unwrap()
}

fn found(root: &Path, limits: &Limits) -> Vec<String> {
    let scan = scan(&[root.to_owned()], limits).unwrap();
    let told = scan.files.iter().map(|file| {
        let version = file.version.as_deref().unwrap_or("-");
        let language = file.language.as_deref().unwrap_or("-");
        format!("{} {version} {} {language}: {}", file.package, file.file, file.kernels.join(" "))
    });
    told.collect()
}

#[test]
fn a_package_tells_its_kernels_files_and_version() {
    let site = site();
    assert_eq!(
        found(site.path(), &Limits::default()),
        [
            "acme 1.2 acme/attention/mla/z.py triton: _step",
            "acme 1.2 acme/csrc/all_reduce.cuh hip: put_rows",
            "acme 1.2 acme/hsa/gfx950/fmoe/f.co -: _ZN4acme4blobE",
            "acme 1.2 acme/layers/fused_moe/router/x.py triton: _zork",
            "acme 1.2 acme/v1/sample/y.py gluon: _step",
        ]
    );
}

#[test]
fn an_index_tells_of_names_that_tell_nothing_and_says_where_it_cannot() {
    let site = site();
    let index = scan(&[site.path().to_owned()], &Limits::default()).unwrap().into_index();
    let classifier = Classifier::builtin().with_index(Index::parse(&index.text()).unwrap());
    let told = |name: &str| {
        let verdict = classifier.classify(name, &Context::default());
        (
            verdict.category,
            verdict.sub.unwrap_or_default().into_owned(),
            verdict.backend.into_owned(),
            verdict.rule.into_owned(),
        )
    };
    let (category, sub, backend, rule) = told("_zork.kd");
    assert_eq!((category, &*sub, &*backend), (Category::Moe, "gate/topk", "triton"), "{rule}");
    assert!(rule.contains("by index (router)"), "{rule}");
    let (category, _, backend, rule) = told("void acme::put_rows<int>(int*)");
    assert_eq!((category, &*backend), (Category::Allreduce, "hip"), "{rule}");
    assert_eq!(told("acme::blob").0, Category::Moe);
    let (category, sub, _, rule) = told("_step");
    assert_eq!((category, &*sub), (Category::Other, "unknown"), "attention and a sampler: {rule}");
    assert!(rule.contains("index is ambiguous"), "{rule}");
    assert_eq!(told("void other::put_rows<int>(int*)").1, "unknown", "of another namespace");
}

#[test]
fn an_index_overrules_nothing_that_is_known_of_the_very_kernel() {
    let site = site();
    let index = scan(&[site.path().to_owned()], &Limits::default()).unwrap().into_index();
    let classifier = Classifier::builtin().with_index(index);
    let told = |context: Context<'_>| {
        let verdict = classifier.classify("_zork", &context);
        (verdict.category, verdict.backend.into_owned(), verdict.rule.into_owned())
    };
    let source = Context { source: Some("acme/attention/mla/other.py"), ..Context::default() };
    assert_eq!(told(source).0, Category::Attention);
    let object = Context { code_object: Some("file:///x/hsa/gfx950/rms_norm.co"), ..Context::default() };
    let (category, backend, rule) = told(object);
    assert_eq!((category, &*backend), (Category::Other, "asm"), "{rule}");
    assert!(!rule.contains("index"), "{rule}");
    let language = Context { language: Some("gluon"), ..Context::default() };
    let (category, backend, rule) = told(language);
    assert_eq!((category, &*backend), (Category::Moe, "gluon"), "the index tells the purpose alone: {rule}");
    let contested = told(Context { is_contested: true, ..Context::default() });
    assert!(!contested.2.contains("index"), "{}", contested.2);
}

#[test]
fn hostile_trees_cost_what_the_limits_say() {
    let site = site();
    let root = site.path();
    std::os::unix::fs::symlink(root, root.join("acme/loop")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", root.join("acme/zero.py")).unwrap();
    put(root, "acme/bad.so", b"\x7fELF\x02\x01\x01zork");
    put(root, "acme/bad.co", vec![0xff; 4096]);
    put(root, "acme/latin.py", b"@triton.jit\ndef \xe9(): 0\n");
    put(root, "acme/long.py", format!("@triton.jit\ndef _long(): 0\n{}", " ".repeat(1 << 16)));
    let deep = (0..50).map(|_| "d").collect::<Vec<_>>().join("/");
    put(root, &format!("acme/{deep}/x.py"), "@triton.jit\ndef _deep(): 0\n");
    let limits = Limits { text: 1 << 15, ..Limits::default() };
    let scan_with = |limits: Limits| scan(&[root.to_owned()], &limits).unwrap();
    let whole = scan_with(limits);
    assert_eq!((whole.files.len(), whole.unreadable, whole.cut), (5, 4, None));
    assert_eq!(scan_with(Limits { entries: 3, ..limits }).cut, Some("entries"));
    assert_eq!(scan_with(Limits { kernels: 2, ..limits }).cut, Some("kernels"));
    assert_eq!(scan_with(Limits { bytes: 10, ..limits }).cut, Some("bytes"));
    assert!(scan(&[root.join("nowhere")], &limits).is_err());
}

#[test]
fn any_prefix_of_a_code_object_is_read_or_refused() {
    let whole = code_object(&["a.kd", "__device_stub__b"]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.co");
    for end in (0..whole.len()).step_by(7).chain([whole.len()]) {
        fs::write(&path, &whole[..end]).unwrap();
        let read = elf::kernels(&File::open(&path).unwrap(), Some("hip"));
        if end == whole.len() {
            assert_eq!(read.unwrap().by_language["hip"], ["a", "b"]);
        }
    }
}

#[test]
fn the_code_objects_of_a_shared_object_tell_its_kernels_though_it_is_stripped() {
    use crate::code_object::bundle::tests::{bundle, object};
    let site = site();
    let bundles = bundle(&[object("gfx942", "_Z5blorpPf"), object("gfx950", "_Z5blorpPf")]);
    let mut library = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let section = library.add_section(Vec::new(), b".hip_fatbin".to_vec(), SectionKind::ReadOnlyData);
    library.append_section_data(section, &bundles, 4096);
    put(site.path(), "acme/lib/_C.so", library.write().unwrap());
    let told = found(site.path(), &Limits::default());
    assert!(told.contains(&"acme 1.2 acme/lib/_C.so hip: _Z5blorpPf".to_owned()), "{told:#?}");
}

#[test]
fn only_mangled_names_of_a_tuned_table_are_kernels() {
    let table = "M,kernelName1,us,kernelName2\n1,_ZN5aiter1aE,2,moe_ck2stages\n2,_ZN5aiter1aE,2,\"_ZN5aiter1bE\"\n";
    assert_eq!(tuned(table).by_language["asm"], ["_ZN5aiter1aE", "_ZN5aiter1bE"]);
    assert_eq!(tuned("a,b\n1,_ZN1aE\n"), Kernels::default());
}

proptest! {
    /// Pieces that mean something to a scanner, in any order, and bytes between them.
    #[test]
    fn any_text_is_read_to_its_end(pieces in proptest::collection::vec(any_piece(), 0..24)) {
        let text = pieces.concat();
        python::kernels(&text);
        python::launched(&text, &mut FxHashSet::default());
        tuned(&text);
        for kernel in cpp::kernels(&text).by_language.into_values().flatten() {
            prop_assert!(text.contains(&kernel));
        }
    }
}

fn any_piece() -> impl Strategy<Value = String> {
    let known = [
        "@triton.jit",
        "@gluon.jit(",
        "def ",
        "class ",
        "\n",
        "[",
        "__global__",
        " void k(",
        "<",
        ">",
        "(",
        ")",
        "namespace a::",
        "{",
        "__launch_bounds__",
        "kernelName,",
        "_ZN",
        ",",
        "\"",
        "é",
    ];
    prop_oneof![proptest::sample::select(known.to_vec()).prop_map(str::to_owned), any::<String>()]
}
