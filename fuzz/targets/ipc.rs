//! Arrow IPC: a file or a stream.
#![no_main]

use bowstring_fuzz::{check_ipc, input, install_hook};

libfuzzer_sys::fuzz_target!(init: install_hook(), |data: &[u8]| input(|| check_ipc(data)));
