//! Quantisation: model weights with fewer bits, and how commands, steps and calls ask for it.

mod request;

pub use bowstring_quant::*;

pub use self::request::{Profile, Quantization};
