//! The RPD reader, on a valid database whose rows, tables and bytes are changed.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use profile_decode_fuzz::rows::{Edits, Template};

static TEMPLATE: LazyLock<Template> = LazyLock::new(Template::rpd);

fuzz_target!(|edits: Edits| TEMPLATE.read(&edits));
