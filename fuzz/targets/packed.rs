//! Packed weights: a file, Parquet or safetensors, as its first bytes say.
#![no_main]

use bowstring_fuzz::{check_packed, input, install_hook};

libfuzzer_sys::fuzz_target!(init: install_hook(), |data: &[u8]| input(|| check_packed(data)));
