//! All that the crate binds, read from the text of the committed bindings.
//!
//! The numbers in it are assertions that the compiler has checked, so reading them is as good as measuring, and nothing
//! that is added to the header can be left out of a comparison.

use std::collections::BTreeMap;

/// A structure or union.
#[derive(Default)]
pub(crate) struct Layout {
    /// Bytes.
    pub(crate) size: usize,
    /// Name, offset and Rust type of each member.
    pub(crate) members: Vec<(String, usize, String)>,
}

/// A function or callback type.
pub(crate) struct Signature {
    /// Rust types of the parameters.
    pub(crate) parameters: Vec<String>,
    /// Rust type of the result, empty for none.
    pub(crate) result: String,
}

/// What `bindings.rs` declares, by C names.
#[derive(Default)]
pub(crate) struct Bound {
    /// Structures and unions.
    pub(crate) layouts: BTreeMap<String, Layout>,
    /// Functions (under the name without `_fn`) and callbacks.
    pub(crate) signatures: BTreeMap<String, Signature>,
    /// Enumerators.
    pub(crate) constants: BTreeMap<String, i64>,
    /// Other names for types.
    pub(crate) aliases: BTreeMap<String, String>,
}

impl Bound {
    /// Reads the committed bindings.
    pub(crate) fn read() -> Self {
        let source = include_str!("../../src/bindings.rs");
        let code: Vec<&str> = source.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect();
        let code = code.join(" ");
        let mut bound = Self::default();
        bound.read_layouts(&code);
        bound.read_offsets(&code);
        bound.read_aliases(&code);
        for declaration in pieces(&code, "pub const ") {
            let (name, rest) = declaration.split_once(": ").expect("a constant has a type");
            let (_, value) = rest.split_once(" = ").expect("a constant has a value");
            let value = value.split(';').next().unwrap_or_default().trim();
            bound.constants.insert(name.to_owned(), value.parse().expect("enumerators are integers"));
        }
        bound
    }

    /// `pub struct NAME { pub MEMBER: TYPE, ... }`, and the asserted size.
    fn read_layouts(&mut self, code: &str) {
        let declarations = pieces(code, "pub struct ").chain(pieces(code, "pub union "));
        for declaration in declarations {
            let (name, rest) = declaration.split_once(" {").expect("a structure has a body");
            let body = rest.split('}').next().unwrap_or_default();
            let members = pieces(body, "pub ").map(|member| {
                let (name, rust_type) = member.split_once(": ").expect("a member has a type");
                (plain(name), usize::MAX, rust_type.trim().trim_end_matches(',').to_owned())
            });
            self.layouts.insert(name.to_owned(), Layout { size: usize::MAX, members: members.collect() });
        }
        for assertion in pieces(code, "\"Size of ") {
            let (name, rest) = assertion.split_once('"').expect("a string ends");
            self.layouts.get_mut(name).expect("its type is declared").size = asserted(rest);
        }
    }

    /// The asserted offset of each member.
    fn read_offsets(&mut self, code: &str) {
        for assertion in pieces(code, "\"Offset of field: ") {
            let (path, rest) = assertion.split_once('"').expect("a string ends");
            let (name, member) = path.split_once("::").expect("a member has a type");
            let members = &mut self.layouts.get_mut(name).expect("its type is declared").members;
            let found = members.iter_mut().find(|(name, ..)| *name == plain(member));
            found.expect("the member is declared").1 = asserted(rest);
        }
    }

    /// `pub type NAME = TYPE;`, be it a function or another name.
    fn read_aliases(&mut self, code: &str) {
        for declaration in pieces(code, "pub type ") {
            let (name, rest) = declaration.split_once(" = ").expect("an alias stands for something");
            let target = rest.split(';').next().unwrap_or_default();
            if let Some((_, function)) = target.split_once("fn(") {
                let (parameters, result) = function.split_once(')').expect("a parameter list ends");
                let parameters = parameters.split(',').map(str::trim).filter(|parameter| !parameter.is_empty());
                let parameters = parameters.map(|parameter| match parameter.split_once(": ") {
                    Some((_, rust_type)) => rust_type.to_owned(),
                    None => parameter.to_owned(),
                });
                let result = result.trim().trim_start_matches("->").trim().trim_end_matches([',', '>', ' ']);
                let signature = Signature { parameters: parameters.collect(), result: result.to_owned() };
                self.signatures.insert(name.strip_suffix("_fn").unwrap_or(name).to_owned(), signature);
            } else {
                self.aliases.insert(name.to_owned(), target.trim().to_owned());
            }
        }
    }

    /// Bytes of a Rust type that occurs in the bindings.
    pub(crate) fn size_of(&self, rust_type: &str) -> usize {
        let name = rust_type.trim().trim_start_matches("::core::ffi::");
        if name.starts_with('*') || self.signatures.contains_key(name.strip_suffix("_fn").unwrap_or(name)) {
            return 8;
        }
        if let Some((element, length)) = name.strip_prefix('[').and_then(|array| array.split_once(';')) {
            let length = length.trim().trim_end_matches("usize]");
            return self.size_of(element) * length.parse::<usize>().expect("an array has a length");
        }
        if let Some(target) = self.aliases.get(name) {
            return self.size_of(target);
        }
        match name {
            "" => 0,
            "u8" | "i8" | "c_char" => 1,
            "u16" | "i16" => 2,
            "u32" | "i32" | "c_int" | "c_uint" => 4,
            "u64" | "i64" | "usize" | "c_ulonglong" => 8,
            _ => self.layouts.get(name).unwrap_or_else(|| panic!("no type {name} in the bindings")).size,
        }
    }
}

/// What follows each occurrence of `start`.
fn pieces<'a>(code: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    code.split(start).skip(1)
}

/// The number in `... - 16usize];`.
fn asserted(assertion: &str) -> usize {
    let number = assertion.split("usize]").next().and_then(|text| text.rsplit(' ').next());
    number.and_then(|number| number.parse().ok()).expect("a layout assertion has a number")
}

/// A C name that is a keyword of Rust, without what bindgen appends to it.
fn plain(name: &str) -> String {
    name.strip_suffix('_').unwrap_or(name).to_owned()
}
