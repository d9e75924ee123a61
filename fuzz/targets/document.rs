//! A workflow document, and a parameter file: text.
#![no_main]

use bowstring_fuzz::{check_document, input, install_hook};

libfuzzer_sys::fuzz_target!(init: install_hook(), |data: &[u8]| input(|| check_document(data)));
