//! What does a search keep for each node, where several threads lower it at once?
//!
//! The distance alone, in as few bytes as it needs, for most of the time goes by waiting for these; or,
//! where parents are wanted and 64 bits have room for both, the distance with the parent behind it, so
//! that of several parents the least is kept.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use super::length::Length;
use crate::NodeId;

/// The parent of a node that has none.
pub(super) const NONE: NodeId = NodeId::MAX;

/// A number in memory that threads share.
pub(super) trait Bits: Copy + Send + Sync {
    type Cell: Send + Sync;

    fn cell(self) -> Self::Cell;
    fn out_of(cell: Self::Cell) -> Self;
    fn load(cell: &Self::Cell) -> Self;
    fn store(self, cell: &Self::Cell);
    /// Leaves the lesser of both in the cell, and gives back what was there.
    fn lower(self, cell: &Self::Cell) -> Self;
}

macro_rules! bits {
    ($($bits:ty, $cell:ty;)*) => {
        $(impl Bits for $bits {
            type Cell = $cell;

            #[inline]
            fn cell(self) -> $cell {
                <$cell>::new(self)
            }
            #[inline]
            fn out_of(cell: $cell) -> Self {
                cell.into_inner()
            }
            #[inline]
            fn load(cell: &$cell) -> Self {
                cell.load(Relaxed)
            }
            #[inline]
            fn store(self, cell: &$cell) {
                cell.store(self, Relaxed);
            }
            #[inline]
            fn lower(self, cell: &$cell) -> Self {
                cell.fetch_min(self, Relaxed)
            }
        })*
    };
}
bits! { u32, AtomicU32; u64, AtomicU64; }

/// What is kept for a node: its distance, and perhaps a parent. Nearer ones are less, and so are their
/// bits.
pub(super) trait Key: Copy + Ord + Send + Sync {
    type Length: Length;
    type Bits: Bits;
    /// Whether it keeps parents.
    const WITH_PARENT: bool;

    fn new(distance: Self::Length, parent: NodeId) -> Self;
    fn distance(self) -> Self::Length;
    /// The parent; −1 where there is none, or none is kept.
    fn parent(self) -> i32;
    fn bits(self) -> Self::Bits;
    fn of(bits: Self::Bits) -> Self;
}

impl<L: Length> Key for L {
    type Length = L;
    type Bits = L::Bits;
    const WITH_PARENT: bool = false;

    #[inline]
    fn new(distance: L, _: NodeId) -> Self {
        distance
    }
    #[inline]
    fn distance(self) -> L {
        self
    }
    fn parent(self) -> i32 {
        -1
    }
    #[inline]
    fn bits(self) -> L::Bits {
        self.into_bits()
    }
    #[inline]
    fn of(bits: L::Bits) -> Self {
        L::from_bits(bits)
    }
}

/// A distance of 32 bits, and behind it the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Traced(u64);

impl Key for Traced {
    type Length = u32;
    type Bits = u64;
    const WITH_PARENT: bool = true;

    #[inline]
    fn new(distance: u32, parent: NodeId) -> Self {
        Self(u64::from(distance) << 32 | u64::from(parent))
    }
    #[inline]
    fn distance(self) -> u32 {
        (self.0 >> 32) as u32
    }
    fn parent(self) -> i32 {
        self.0 as i32
    }
    #[inline]
    fn bits(self) -> u64 {
        self.0
    }
    #[inline]
    fn of(bits: u64) -> Self {
        Self(bits)
    }
}
