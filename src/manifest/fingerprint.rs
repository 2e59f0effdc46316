//! Proof that two passes over a manifest read the same bytes.

use crate::manifest::quick_hash::{each_pair, fold};

/// What was read, in sixteen bytes. Two passes that read the same bytes have the same one.
///
/// It is there for edits between the passes, not for adversaries: whoever can edit the manifest can as well do so
/// before the first pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fingerprint {
    bytes: u64,
    hash: u64,
}

impl Fingerprint {
    /// Takes in the next stretch of the file. Where the stretches begin and end is part of the fingerprint.
    pub(super) fn add(&mut self, stretch: &[u8]) {
        // Two products at a time: each has to wait for the one before it.
        let (mut even, mut odd) = (self.hash, SECOND_KEY);
        each_pair(stretch, |first, second| {
            let hash = fold(first ^ FIRST_KEY, second ^ even ^ SECOND_KEY);
            (even, odd) = (odd, hash);
        });
        self.hash = fold(even ^ FIRST_KEY, odd ^ stretch.len() as u64 ^ SECOND_KEY);
        self.bytes += stretch.len() as u64;
    }

    /// What was read, and what it led to.
    pub(super) fn with(mut self, other: Fingerprint) -> Fingerprint {
        self.add(&other.bytes.to_le_bytes());
        self.add(&other.hash.to_le_bytes());
        self
    }
}

/// Digits of pi: any odd-looking words do.
const FIRST_KEY: u64 = 0x4528_21e6_38d0_1377;
const SECOND_KEY: u64 = 0xbe54_66cf_34e9_0c6c;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(stretches: &[Vec<u8>]) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        stretches.iter().for_each(|stretch| fingerprint.add(stretch));
        fingerprint
    }

    proptest! {
        #[test]
        fn changing_any_byte_changes_it(
            before in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 1..8),
            stretch in any::<proptest::sample::Index>(),
            byte in any::<proptest::sample::Index>(),
            flip in 1u8..,
        ) {
            let mut after = before.clone();
            let stretch = stretch.index(before.len());
            let byte = byte.index(before[stretch].len());
            after[stretch][byte] ^= flip;
            prop_assert_ne!(of(&before), of(&after));
            prop_assert_eq!(of(&before), of(&before.clone()));
        }
    }
}
