//! Proof that two passes over a manifest read the same bytes.

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
        let mut hash = self.hash;
        let mut words = stretch.chunks_exact(8);
        for word in &mut words {
            hash = mix(hash, u64::from_le_bytes(word.try_into().expect("a chunk of eight")));
        }
        let rest = words.remainder();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = mix(hash, u64::from_le_bytes(last));
        self.hash = mix(hash, stretch.len() as u64);
        self.bytes += stretch.len() as u64;
    }
}

/// The multiplier is the one of rustc's FxHash; the rotation brings the high bits, which a product mixes best, down.
fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(26) ^ word).wrapping_mul(0xf135_7aea_2e62_a9c5)
}

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
