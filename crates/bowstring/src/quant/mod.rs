//! Quantisation: model weights with fewer bits, and how commands, steps and calls ask for it.

mod gates;
mod request;
mod validation;

pub use bowstring_quant::*;

pub use self::{
    gates::Gates,
    request::{Profile, Quantization, RoundingMethod},
    validation::{Validated, Validation},
};
