//! Quantisation: model weights with fewer bits, and how commands, steps and calls ask for it.

mod budget;
mod request;
mod validation;

pub use bowstring_quant::*;

pub use self::{
    budget::{Allocated, AllocationMethod, Allotment, Budget},
    request::{Packed, Profile, Progress, Quantization, RoundingMethod, ShardSize},
    validation::{Validated, Validation},
};
