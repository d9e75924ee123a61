//! A `tokenizer.json`: text.
#![no_main]

use bowstring_fuzz::{check_tokenizer, input, install_hook};

libfuzzer_sys::fuzz_target!(init: install_hook(), |data: &[u8]| input(|| check_tokenizer(data)));
