//! What the linker must know of the library: its soname, and that it can never be unloaded, since the SDK keeps
//! pointers into it until the process ends.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for argument in ["-Wl,-soname,libprofile_decode.so", "-Wl,-z,nodelete"] {
        println!("cargo:rustc-cdylib-link-arg={argument}");
    }
}
