//! What a kernel name says, taken apart.
//!
//! The same kernel is spelt in several ways: mangled (`_ZN5aiter…`), demangled with or without `void ` and
//! ` [clone .kd]`, with a `.kd` suffix, cut at 64 characters, or reduced to its base identifier. Rules must not care, so
//! every spelling is read into one [`Name`]: the namespaces, the base identifier, its own template arguments, and the
//! identifiers that stand inside those and inside the parameter list.
//!
//! [`super::spelling`] does the reading. Mangled names are read directly ([`super::mangled`]) rather than demangled first:
//! it is ten times faster, and demanglers give up on AMD's vendor types. All of it is one pass over at most
//! [`HEAD_BYTES`] bytes with an explicit depth counter: no recursion, whatever the nesting.

/// How far into a name we look. What tells a kernel's purpose stands well before this; the longest head in use (a
/// CK Tile class behind two levels of namespaces) ends before 300 bytes.
pub(super) const HEAD_BYTES: usize = 1536;
/// How many identifiers inside template arguments and parameters are kept.
pub(super) const INNER_LIMIT: usize = 40;
/// How many of the base's own template arguments are kept.
const ARGS_LIMIT: usize = 16;

/// How a name is written, which tells a C++ template from a Triton kernel where nothing else does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// A plain C identifier: Triton, Gluon, FlyDSL, TileLang, `extern "C"` HIP, old assembly; or a C++ name that a tool
    /// truncated.
    Bare,
    /// A qualified name that is no function: `aiter::fmoe_…`, as aiter declares its assembly kernels.
    Variable,
    /// A C++ function: it has template arguments, parameters, or a return type.
    Function,
}

/// A kernel name taken apart. Borrows from the name as given.
#[derive(Debug)]
pub(super) struct Name<'a> {
    /// The name without `.kd`, `[clone …]`, and surrounding space.
    pub(super) text: &'a str,
    /// How it is written.
    pub(super) form: Form,
    /// Namespaces and enclosing classes, outermost first; anonymous ones left out.
    pub(super) path: Vec<&'a str>,
    /// The function's own identifier.
    pub(super) base: &'a str,
    /// The base's template arguments: literals as digits (`true` is `1`), types by their first identifier.
    pub(super) args: Vec<&'a str>,
    /// Identifiers inside the template arguments and the parameter list, in order, builtin types included.
    pub(super) inner: Vec<&'a str>,
    /// How many of `inner` stand before the parameter list.
    pub(super) parameters: usize,
    /// Whether a tool cut the name short.
    pub(super) truncated: bool,
}

impl<'a> Name<'a> {
    pub(super) fn push_inner(&mut self, identifier: &'a str) {
        if self.inner.len() < INNER_LIMIT {
            self.inner.push(identifier);
        }
    }

    pub(super) fn push_arg(&mut self, argument: &'a str) {
        if self.args.len() < ARGS_LIMIT {
            self.args.push(argument);
        }
    }
}

/// The first [`HEAD_BYTES`] of `text`, on a character boundary.
pub(super) fn head(text: &str) -> &str {
    &text[..text.floor_char_boundary(HEAD_BYTES)]
}

/// How many bytes of the base identifier are read; Tensile's names go on for hundreds after all is said.
const BASE_BYTES: usize = 384;

/// The part of an identifier that is read for facts.
pub(super) fn readable(base: &str) -> &str {
    &base[..base.floor_char_boundary(BASE_BYTES)]
}

/// Whether Tensile generated a kernel: a product, a post-reduction of one, or a bias gradient.
pub(super) fn is_tensile(base: &str) -> bool {
    let tail = base.strip_prefix("CustomGSUs_").or_else(|| base.strip_prefix("Custom_")).unwrap_or(base);
    tail.starts_with("Cijk_") || tail.starts_with("Dijk_")
}
