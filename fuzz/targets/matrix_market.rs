//! A matrix in the Matrix Market format: text.
#![no_main]

use bowstring_fuzz::{check_matrix_market, input, install_hook};

libfuzzer_sys::fuzz_target!(init: install_hook(), |data: &[u8]| input(|| check_matrix_market(data)));
