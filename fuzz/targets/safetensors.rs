//! Safetensors: a file.
#![no_main]

use bowstring_fuzz::{check_safetensors, input, install_hook};

libfuzzer_sys::fuzz_target!(init: install_hook(), |data: &[u8]| input(|| check_safetensors(data)));
