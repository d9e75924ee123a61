//! Sparse rows and edge tables: three bytes of options, then numbers.
#![no_main]

use bowstring_fuzz::{check_graph, input, install_hook};

libfuzzer_sys::fuzz_target!(init: install_hook(), |data: &[u8]| input(|| check_graph(data)));
