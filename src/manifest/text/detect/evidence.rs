//! How likely a text is, if it is one of the languages that most manifests are in.
//!
//! Each language is a model that says what a character costs, in bits: the fewer, the more a text looks like it. Since
//! every reading of a file has to explain all its bytes, the costs of readings can be compared, and their difference is
//! the evidence for the cheaper one. The figures are rough (a character of the 750 most frequent ones that make up three
//! quarters of Chinese texts has 10 bits, any other of 6,000 has 15), which is why a decision wants many times the
//! evidence that exact ones would need.

use crate::manifest::text::detect::typical::{
    Characters, TYPICAL_JAPANESE, TYPICAL_KOREAN, TYPICAL_SIMPLIFIED, TYPICAL_TRADITIONAL,
};
use crate::manifest::text::detect::western::Alphabets;

/// A language, or several that look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Simplified,
    Traditional,
    Japanese,
    Korean,
    /// English, German, French, Spanish, Portuguese and their neighbours.
    Western,
}

impl Language {
    pub(super) const ALL: [Language; 5] = [
        Language::Simplified,
        Language::Traditional,
        Language::Japanese,
        Language::Korean,
        Language::Western,
    ];
}

/// A text as one language.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    pub(super) language: Language,
    /// Bits of the whole text.
    pub(super) cost: u32,
    /// Characters of the language's own scripts beyond ASCII, marks left out.
    pub(super) letters: u32,
    /// Those of them that are typical of it, where they stand.
    pub(super) typical: u32,
    /// Characters that no such text contains.
    pub(super) odd: u32,
}

impl Weight {
    /// Whether this may well be a text in the language.
    pub(super) fn is_plausible(&self) -> bool {
        let is_typical = match self.language {
            // Letters without their place are of another language in a similar encoding.
            Language::Western => (self.letters - self.typical) * 20 <= self.letters,
            _ => self.typical * 10 >= self.letters * 6,
        };
        self.odd * 200 <= self.letters && self.letters > 0 && is_typical
    }
}

/// Weighs `text` as each language, in the order of [`Language::ALL`].
pub(super) fn weigh(text: &str) -> [Weight; 5] {
    let mut weights = Language::ALL.map(|language| Weight {
        language,
        cost: 0,
        letters: 0,
        typical: 0,
        odd: 0,
    });
    let mut alphabets = Alphabets::default();
    let mut before = '\n';
    for (at, character) in text.char_indices() {
        if character.is_ascii() {
            let bits = ascii_bits(character);
            weights.iter_mut().for_each(|weight| weight.cost += bits);
        } else {
            let rest = &text[at + character.len_utf8()..];
            let place = Place {
                before,
                character,
                after: rest.chars().next().unwrap_or('\n'),
                rest,
            };
            for (weight, verdict) in weights.iter_mut().zip(place.verdicts()) {
                weight.cost = weight.cost.saturating_add(verdict.bits);
                weight.letters += u32::from(verdict.is_letter);
                weight.typical += u32::from(verdict.is_typical);
                weight.odd += u32::from(verdict.bits >= ODD_BITS);
            }
            alphabets.add(character);
        }
        before = character;
    }
    let western = &mut weights[Language::Western as usize];
    western.typical = western.typical.saturating_sub(alphabets.foreign());
    weights
}

/// As costly as a character that has no place in a text.
pub(super) const ODD_BITS: u32 = 30;

/// ASCII has to be paid for as well: half the bytes of a double-byte character are ASCII in another reading.
fn ascii_bits(character: char) -> u32 {
    match character {
        'a'..='z' | ' ' | '\t' | '\n' | '\r' => 4,
        '\0'..='\x1f' | '\x7f' => ODD_BITS,
        _ => 6,
    }
}

/// What a model says of one character.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    bits: u32,
    is_letter: bool,
    is_typical: bool,
}

pub(super) const fn typical(bits: u32) -> Verdict {
    Verdict {
        bits,
        is_letter: true,
        is_typical: true,
    }
}

pub(super) const fn letter(bits: u32) -> Verdict {
    Verdict {
        bits,
        is_letter: true,
        is_typical: false,
    }
}

pub(super) const fn mark(bits: u32) -> Verdict {
    Verdict {
        bits,
        is_letter: false,
        is_typical: false,
    }
}

/// A character beyond ASCII between its neighbours.
pub(super) struct Place<'a> {
    pub(super) before: char,
    pub(super) character: char,
    pub(super) after: char,
    /// All that follows.
    pub(super) rest: &'a str,
}

impl Place<'_> {
    /// In the order of [`Language::ALL`].
    #[rustfmt::skip]
    fn verdicts(&self) -> [Verdict; 5] {
        let stray = self.stray_bits();
        let among = |set: &Characters, usual: u32, other: u32| {
            if set.contains(self.character) {
                typical(usual + stray)
            } else {
                letter(other + stray)
            }
        };
        match self.character {
            '\u{4e00}'..='\u{9fa5}' => [
                among(&TYPICAL_SIMPLIFIED, 10, 15),
                among(&TYPICAL_TRADITIONAL, 10, 15),
                among(&TYPICAL_JAPANESE, 10, 15),
                letter(17 + stray),
                letter(22),
            ],
            'ぁ'..='ゖ' | 'ァ'..='ヺ' | 'ー' => {
                [letter(15), letter(15), typical(7 + stray), letter(18), letter(22)]
            }
            // Katakana of half width, which other encodings are full of when they are read as Shift-JIS.
            '\u{ff61}'..='\u{ff9f}' => [letter(22), letter(22), letter(14), letter(22), letter(22)],
            '가'..='힣' => [letter(20), letter(20), letter(20), among(&TYPICAL_KOREAN, 9, 14), letter(22)],
            '、' | '。' | '「' | '」' | '『' | '』' | '，' | '！' | '？' | '：' | '；' | '（' | '）' | '《' | '》' | '〈' | '〉'
            | '【' | '】' | '〜' | '～' | '・' | '\u{3000}' => [mark(7), mark(7), mark(7), mark(11), mark(18)],
            '\u{3001}'..='\u{303f}' | '\u{ff01}'..='\u{ff5e}' => [mark(11), mark(11), mark(11), mark(13), mark(20)],
            '“' | '”' | '‘' | '’' | '–' | '—' | '…' | '·' | '«' | '»' | '‹' | '›' | '„' | '‚' | '\u{a0}' | '•' => {
                [mark(8), mark(8), mark(9), mark(9), self.western_mark()]
            }
            '°' | '×' | '©' | '®' | '™' | '€' | '£' | '½' | '²' | '³' | '′' | '″' | '±' | '→' | '★' | '☆' | '●' | '■'
            | '○' | '※' | '√' | '①'..='⑳' => [mark(13), mark(13), mark(12), mark(12), self.western_symbol()],
            '\u{a1}'..='\u{17f}' | 'ẞ' => [letter(17), letter(17), letter(17), letter(17), self.western_letter()],
            // Unused, private, or what stands for bytes that are no text.
            '\u{80}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}' => [mark(40); 5],
            // Emoji are at home everywhere.
            '\u{1f000}'..='\u{1faff}' => [mark(16); 5],
            _ => [letter(20 + stray); 5],
        }
    }

    /// One character of East Asia within or beside a Latin word is two Latin letters misread.
    fn stray_bits(&self) -> u32 {
        match (self.before.is_ascii_alphabetic(), self.after.is_ascii_alphabetic()) {
            (true, true) => 10,
            (true, false) if self.after.is_ascii() => 4,
            (false, true) if self.before.is_ascii() => 4,
            _ => 0,
        }
    }
}
