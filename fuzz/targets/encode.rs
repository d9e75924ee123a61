//! A text to encode: one byte for the tokenizer and its options, then UTF-8.
#![no_main]

use bowstring_fuzz::{check_encode, input, install_hook, load_shipped};

libfuzzer_sys::fuzz_target!(
    init: {
        install_hook();
        load_shipped();
    },
    |data: &[u8]| input(|| check_encode(data))
);
