//! A hash that is good enough to tell rows of one file apart, at a tenth of the cost of SHA-256.
//!
//! For use inside one run only: the ledger's keys are SHA-256. Each step multiplies two words that hold text and state
//! into 128 bits and folds them (as wyhash and foldhash do); two lanes with keys of their own make 128 bits of hash.

/// The keys of a hash. Random ones keep a manifest made for the purpose from containing collisions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys([u64; 4]);

impl Keys {
    pub(super) fn random() -> Keys {
        Keys(std::array::from_fn(|_| fastrand::u64(..)))
    }

    /// The hash of a list of texts. No two lists share a byte string: each text is preceded by its length.
    pub(super) fn hash<'a>(&self, texts: impl IntoIterator<Item = &'a [u8]>) -> u128 {
        let Keys([key, other_key, end_key, other_end_key]) = *self;
        let (mut lane, mut other) = (end_key, other_end_key);
        for text in texts {
            let length = (text.len() as u64).wrapping_mul(LENGTH_KEY);
            lane = lane.wrapping_add(length);
            other = other.wrapping_add(length);
            each_pair(text, |first, second| {
                lane = fold(first ^ key, second ^ lane);
                other = fold(second ^ other_key, first ^ other);
            });
        }
        let high = fold(lane ^ end_key, key);
        let low = fold(other ^ other_end_key, other_key);
        u128::from(high) << 64 | u128::from(low)
    }
}

/// Spreads a length over the word.
const LENGTH_KEY: u64 = 0x9e37_79b9_7f4a_7c15;

/// Cuts the text into pairs of words, at least one. The last words may overlap with those before them, so the length
/// has to be taken in as well.
pub(super) fn each_pair(text: &[u8], mut take: impl FnMut(u64, u64)) {
    let (pairs, rest) = text.as_chunks::<16>();
    for pair in pairs {
        let (first, second) = words(*pair);
        take(first, second);
    }
    if rest.is_empty() && !pairs.is_empty() {
        return;
    }
    let (first, second) = match (text.last_chunk::<16>(), rest.first_chunk(), rest.last_chunk()) {
        (Some(last), ..) => words(*last),
        (None, Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        // Shorter than a word.
        _ => (rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0),
    };
    take(first, second);
}

fn words(pair: [u8; 16]) -> (u64, u64) {
    halves(u128::from_le_bytes(pair))
}

/// The two halves of the product, laid over each other.
pub(super) fn fold(one: u64, other: u64) -> u64 {
    let (low, high) = halves(u128::from(one) * u128::from(other));
    low ^ high
}

#[expect(clippy::cast_possible_truncation, reason = "the high half is the other value")]
fn halves(bits: u128) -> (u64, u64) {
    (bits as u64, (bits >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const KEYS: Keys = Keys([
        0x243f_6a88_85a3_08d3,
        0x1319_8a2e_0370_7344,
        0xa409_3822_299f_31d0,
        0x082e_fa98_ec4e_6c89,
    ]);

    #[test]
    fn texts_that_differ_little_have_different_hashes() {
        let mut seen = [HashSet::new(), HashSet::new()];
        let mut count = 0;
        let mut add = |texts: [&str; 2]| {
            let hash = KEYS.hash(texts.map(str::as_bytes));
            count += 1;
            // Each lane alone has 64 bits, which is plenty for so few.
            let (low, high) = halves(hash);
            assert!(seen[0].insert(low) && seen[1].insert(high), "{texts:?}");
        };
        for number in 0..100_000 {
            add(["a boat", &format!("https://img.example.org/series/{number}.jpg")]);
            add([&format!("{number}"), ""]);
        }
        for length in 1..200 {
            add(["", &"\0".repeat(length)]);
            add([&"\0".repeat(length), ""]);
        }
        add(["ab", "c"]);
        add(["a", "bc"]);
        assert_eq!(count, seen[0].len());
    }
}
