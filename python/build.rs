//! Lets the linker leave the interpreter's symbols open where it has to be told, as on macOS.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
