//! Where do the pieces of the next 64 bytes end?
pub(super) fn ends(_: super::Rules, _: &[u8], _: usize) -> u64 {
    0
}
