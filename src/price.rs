//! What a clip costs, in the API's credits.

use std::str::FromStr;

use crate::row::{ClipLength, Resolution};

/// Dollars for one credit: 1,000 credits are sold for 5 USD; large top-ups add 10 % and are not counted.
pub const USD_PER_CREDIT: f64 = 0.005;

/// Where the published prices come from. Prices move monthly, so the date belongs to every estimate.
pub const PUBLISHED_SOURCE: &str = "kie.ai/pricing, six independent copies, mid-2026";

/// Every clip the standard model offers, with its published price in credits. 10 s at 1080P is not offered.
const PUBLISHED: [(ClipLength, Resolution, f64); 3] = [
    (ClipLength::Six, Resolution::P768, 30.0),
    (ClipLength::Ten, Resolution::P768, 50.0),
    (ClipLength::Six, Resolution::P1080, 50.0),
];

/// `credits` in US dollars.
pub fn usd(credits: f64) -> f64 {
    credits * USD_PER_CREDIT
}

/// `credits` without what adding binary fractions leaves behind: 29.999999999999996 is 30. Keeps four decimals; the API's
/// own figures have at most two.
pub fn tidy(credits: f64) -> f64 {
    let tidied = (credits * 1e4).round() / 1e4;
    // Not -0, which would be written so.
    if tidied == 0.0 { 0.0 } else { tidied }
}

/// The price of every clip we can order.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceTable {
    prices: Vec<(ClipLength, Resolution, f64)>,
    overridden: bool,
}

impl PriceTable {
    /// The prices of [`PUBLISHED_SOURCE`].
    pub fn published() -> PriceTable {
        PriceTable {
            prices: PUBLISHED.to_vec(),
            overridden: false,
        }
    }

    /// This table with the user's own prices; what `prices` does not name stays as it is.
    pub fn with(mut self, prices: &PriceOverride) -> PriceTable {
        for (length, resolution, price) in &mut self.prices {
            if let Some(own) = prices.price_of(*length, *resolution) {
                *price = own;
                self.overridden = true;
            }
        }
        self
    }

    /// Credits for one clip; `None` where the price is not known, which is never the same as free.
    pub fn price_of(&self, length: ClipLength, resolution: Resolution) -> Option<f64> {
        find(&self.prices, length, resolution)
    }

    /// Where the prices come from, in words for the user.
    pub fn source(&self) -> &'static str {
        if self.overridden {
            "your own prices"
        } else {
            PUBLISHED_SOURCE
        }
    }
}

impl Default for PriceTable {
    fn default() -> Self {
        PriceTable::published()
    }
}

/// Prices the user gives, in credits: `30` for every clip, or `6s-768P=30,10s-768P=50` for the named ones.
#[derive(Debug, Clone, PartialEq)]
pub enum PriceOverride {
    /// Every clip costs the same.
    Every(f64),
    /// Only these clips; each stands here once.
    Some(Vec<(ClipLength, Resolution, f64)>),
}

impl PriceOverride {
    fn price_of(&self, length: ClipLength, resolution: Resolution) -> Option<f64> {
        match self {
            PriceOverride::Every(price) => Some(*price),
            PriceOverride::Some(prices) => find(prices, length, resolution),
        }
    }
}

/// Why a text is not a price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not a number of credits.
    #[error("`{0}` is not a price: write credits, like `30`, or `6s-768P=30,10s-768P=50`")]
    NotCredits(String),
    /// Not a clip the model offers.
    #[error("`{0}` is not a clip of this model: it offers `6s-768P`, `10s-768P` and `6s-1080P`")]
    NoSuchClip(String),
    /// One clip, two prices.
    #[error("`{0}` has two prices")]
    Twice(String),
}

impl FromStr for PriceOverride {
    type Err = PriceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.contains('=') {
            return credits(text).map(PriceOverride::Every);
        }
        let mut prices = Vec::new();
        for part in text.split(',') {
            let (clip, price) = part
                .split_once('=')
                .ok_or_else(|| PriceError::NotCredits(part.trim().to_owned()))?;
            let (length, resolution) =
                clip_named(clip.trim()).ok_or_else(|| PriceError::NoSuchClip(clip.trim().to_owned()))?;
            if find(&prices, length, resolution).is_some() {
                return Err(PriceError::Twice(clip.trim().to_owned()));
            }
            prices.push((length, resolution, credits(price)?));
        }
        Ok(PriceOverride::Some(prices))
    }
}

fn find(prices: &[(ClipLength, Resolution, f64)], length: ClipLength, resolution: Resolution) -> Option<f64> {
    prices
        .iter()
        .find(|entry| (entry.0, entry.1) == (length, resolution))
        .map(|entry| entry.2)
}

fn clip_named(name: &str) -> Option<(ClipLength, Resolution)> {
    PUBLISHED
        .iter()
        .find(|(length, resolution, _)| {
            name.eq_ignore_ascii_case(&format!("{}s-{}", length.as_str(), resolution.as_str()))
        })
        .map(|&(length, resolution, _)| (length, resolution))
}

fn credits(text: &str) -> Result<f64, PriceError> {
    text.trim()
        .parse::<f64>()
        .ok()
        .filter(|price| price.is_finite() && *price >= 0.0)
        .ok_or_else(|| PriceError::NotCredits(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ClipLength::{Six, Ten};
    use Resolution::{P768, P1080};

    fn prices(text: &str) -> [Option<f64>; 4] {
        let table = PriceTable::published().with(&text.parse().unwrap());
        [(Six, P768), (Ten, P768), (Six, P1080), (Ten, P1080)].map(|(length, lines)| table.price_of(length, lines))
    }

    #[test]
    fn the_published_prices_are_known_and_what_is_not_offered_has_none() {
        let table = PriceTable::published();
        assert_eq!(table.price_of(Six, P768), Some(30.0));
        assert_eq!(table.price_of(Ten, P768), Some(50.0));
        assert_eq!(table.price_of(Six, P1080), Some(50.0));
        assert_eq!(table.price_of(Ten, P1080), None);
        assert_eq!(table.source(), PUBLISHED_SOURCE);
        assert_eq!(usd(30.0), 0.15);
    }

    #[test]
    fn sums_are_tidied_and_fractions_stay() {
        let sum: f64 = [0.1; 3].iter().sum();
        let cases = [
            (sum, 0.3),
            (29.999_999_999_999_996, 30.0),
            (5_916.25, 5_916.25),
            (1e15, 1e15),
        ];
        for (credits, tidied) in cases {
            assert_eq!(tidy(credits), tidied, "{credits}");
        }
        assert_eq!(tidy(-1e-12).to_string(), "0");
    }

    #[test]
    fn own_prices_replace_what_they_name_and_nothing_else() {
        for (text, expected) in [
            ("27.5", [Some(27.5), Some(27.5), Some(27.5), None]),
            ("0", [Some(0.0), Some(0.0), Some(0.0), None]),
            ("10s-768P=45", [Some(30.0), Some(45.0), Some(50.0), None]),
            ("6s-768p = 28 , 6s-1080P=44", [Some(28.0), Some(50.0), Some(44.0), None]),
        ] {
            assert_eq!(prices(text), expected, "{text}");
        }
        let own = PriceTable::published().with(&PriceOverride::Every(1.0));
        assert_eq!(own.source(), "your own prices");
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for text in [
            "",
            "free",
            "-1",
            "nan",
            "inf",
            "30,50",
            "6s-768P",
            "6s-768P=",
            "6s-768P=30,",
            "6s-768P=30,50",
        ] {
            assert!(
                matches!(text.parse::<PriceOverride>(), Err(PriceError::NotCredits(_))),
                "{text}"
            );
        }
        for text in ["10s-1080P=80", "8s-768P=1", "=1"] {
            assert!(
                matches!(text.parse::<PriceOverride>(), Err(PriceError::NoSuchClip(_))),
                "{text}"
            );
        }
        assert!(matches!(
            "6s-768P=1,6S-768p=2".parse::<PriceOverride>(),
            Err(PriceError::Twice(_))
        ));
    }
}
