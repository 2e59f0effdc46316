//! How likely a text is, if it is one of the languages that most manifests are in.
//!
//! Each language is a model that says what a character costs, in bits: the fewer, the more a text looks like it. Since
//! every reading of a file has to explain all its bytes, the costs of readings can be compared, and their difference is
//! the evidence for the cheaper one. The figures are rough (a character of the 750 most frequent ones that make up three
//! quarters of Chinese texts has 10 bits, any other of 6,000 has 15), which is why a decision wants many times the
//! evidence that exact ones would need.

use crate::manifest::text::detect::typical::{
    Characters, TYPICAL_JAPANESE, TYPICAL_KOREAN, TYPICAL_SIMPLIFIED, TYPICAL_TRADITIONAL, TYPICAL_WESTERN, WESTERN,
};

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
            // All letters have their place; those that do not are of another language in a similar encoding.
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
    let mut foreign = [0_u32; WESTERN.len()];
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
            if TYPICAL_WESTERN.contains(character) {
                for (count, alphabet) in foreign.iter_mut().zip(WESTERN) {
                    *count += u32::from(!alphabet.contains(character));
                }
            }
        }
        before = character;
    }
    // It is one language, not the best of several for each letter.
    let western = &mut weights[Language::Western as usize];
    western.typical = western.typical.saturating_sub(foreign.into_iter().min().unwrap_or(0));
    weights
}

/// As costly as a character that has no place in a text.
const ODD_BITS: u32 = 30;

/// ASCII has to be paid for as well: half the bytes of a double-byte character are ASCII in another reading.
fn ascii_bits(character: char) -> u32 {
    match character {
        'a'..='z' | ' ' => 4,
        '\t' | '\n' | '\r' => 4,
        '\0'..='\x1f' | '\x7f' => ODD_BITS,
        _ => 6,
    }
}

/// What a model says of one character.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    bits: u32,
    is_letter: bool,
    is_typical: bool,
}

const fn typical(bits: u32) -> Verdict {
    Verdict {
        bits,
        is_letter: true,
        is_typical: true,
    }
}

const fn letter(bits: u32) -> Verdict {
    Verdict {
        bits,
        is_letter: true,
        is_typical: false,
    }
}

const fn mark(bits: u32) -> Verdict {
    Verdict {
        bits,
        is_letter: false,
        is_typical: false,
    }
}

/// A character beyond ASCII between its neighbours.
struct Place<'a> {
    before: char,
    character: char,
    after: char,
    /// All that follows.
    rest: &'a str,
}

impl Place<'_> {
    /// In the order of [`Language::ALL`].
    fn verdicts(&self) -> [Verdict; 5] {
        // One character of East Asia in the middle of a Latin word is two Latin letters misread.
        let stray = match (self.before.is_ascii_alphabetic(), self.after.is_ascii_alphabetic()) {
            (true, true) => 10,
            (true, false) if self.after.is_ascii() => 4,
            (false, true) if self.before.is_ascii() => 4,
            _ => 0,
        };
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
            // Half-width forms come last in a block of wide ones.
            '\u{ff61}'..='\u{ff9f}' => [letter(22), letter(22), letter(14), letter(22), letter(22)],
            'ぁ'..='ゖ' | 'ァ'..='ヺ' | 'ー' => {
                [letter(15), letter(15), typical(7 + stray), letter(18), letter(22)]
            }
            '가'..='힣' => [
                letter(20),
                letter(20),
                letter(20),
                among(&TYPICAL_KOREAN, 9, 14),
                letter(22),
            ],
            '、' | '。' | '「' | '」' | '，' | '！' | '？' | '：' | '；' | '（' | '）' | '《' | '》' | '『' | '』'
            | '【' | '】' | '〈' | '〉' | '〜' | '～' | '・' | '\u{3000}' => {
                [mark(7), mark(7), mark(7), mark(11), mark(18)]
            }
            '\u{3000}'..='\u{303f}' | '\u{ff01}'..='\u{ff5e}' => [mark(11), mark(11), mark(11), mark(13), mark(20)],
            '“' | '”' | '‘' | '’' | '–' | '—' | '…' | '·' | '«' | '»' | '‹' | '›' | '„' | '‚' | '\u{a0}' | '•' =>
            {
                let western = if self.is_contraction() {
                    typical(3)
                } else {
                    mark(self.mark_bits())
                };
                [mark(8), mark(8), mark(9), mark(9), western]
            }
            '°'
            | '×'
            | '©'
            | '®'
            | '™'
            | '€'
            | '£'
            | '½'
            | '²'
            | '³'
            | '′'
            | '″'
            | '±'
            | '→'
            | '★'
            | '☆'
            | '●'
            | '■'
            | '○'
            | '※'
            | '√'
            | '①'..='⑳' => [mark(13), mark(13), mark(12), mark(12), mark(self.symbol_bits())],
            '\u{a1}'..='\u{17f}' | 'ẞ' => {
                let western = if TYPICAL_WESTERN.contains(self.character) {
                    self.western()
                } else if matches!(self.character, '¿' | '¡' | 'º' | 'ª') {
                    mark(self.sign_bits())
                } else if self.character.is_alphabetic() {
                    letter(15)
                } else {
                    mark(self.symbol_bits().max(18))
                };
                [letter(17), letter(17), letter(17), letter(17), western]
            }
            '\u{80}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}' => [mark(40); 5],
            '\u{1f000}'..='\u{1faff}' => [mark(16); 5],
            _ => [letter(20 + stray); 5],
        }
    }

    /// A Western letter.
    fn western(&self) -> Verdict {
        let in_word = |side: char| side.is_alphabetic();
        let mut bits = 8;
        // Two such letters in a row are rare but for the Portuguese `ção` and `ções` and the French `créée`.
        let neighbours = [self.before, self.after]
            .into_iter()
            .filter(|side| !side.is_ascii() && in_word(*side));
        for neighbour in neighbours {
            bits += match (self.character, neighbour) {
                ('ç', 'ã' | 'õ') | ('ã' | 'õ', 'ç') | ('Ç', 'Ã' | 'Õ') | ('Ã' | 'Õ', 'Ç') => 0,
                ('ß', 'ä' | 'ö' | 'ü') | ('ä' | 'ö' | 'ü', 'ß') => 0,
                ('é', 'é') => 2,
                _ => 4,
            };
        }
        if self.character.is_uppercase() && self.before.is_lowercase() {
            bits += 10;
        }
        let is_alone = !in_word(self.before) && !in_word(self.after);
        let is_word = matches!(
            self.character,
            'à' | 'À' | 'é' | 'É' | 'è' | 'È' | 'ó' | 'å' | 'ö' | 'ø'
        );
        if is_alone && !(is_word && (self.before == ' ' || self.after == ' ')) {
            bits += 6;
        }
        // Letters that other languages write elsewhere, in encodings that look like this one: the Hungarian ő and the
        // Romanian ă.
        let is_elsewhere = match self.character {
            'õ' | 'Õ' => !"eE".contains(self.after),
            'ã' | 'Ã' => in_word(self.after) && !"oesOES".contains(self.after),
            'û' | 'Û' => !"trlcmnTRLCMN".contains(self.after) && !(self.before == 'd' && !in_word(self.after)),
            _ => false,
        };
        if is_elsewhere {
            bits = ODD_BITS;
        }
        if bits < 13 { typical(bits) } else { letter(bits) }
    }

    /// The marks that Spanish questions and exclamations begin with, and ordinal numbers end with.
    fn sign_bits(&self) -> u32 {
        let (before, after) = (self.before.is_alphabetic(), self.after.is_alphabetic());
        let has_its_place = match self.character {
            '¿' | '¡' => after && !before,
            _ => (self.before.is_ascii_digit() || "no.".contains(self.before)) && !after,
        };
        if has_its_place { 8 } else { 18 }
    }

    /// The apostrophe of `it’s` and `don’t`: most of what English texts have beyond ASCII.
    fn is_contraction(&self) -> bool {
        let mut rest = self.rest.chars();
        self.character == '’'
            && self.before.is_ascii_lowercase()
            && rest.next().is_some_and(|next| "std".contains(next))
            && !rest.next().is_some_and(char::is_alphanumeric)
    }

    /// A quote or a dash, which has its place beside words, not in them.
    fn mark_bits(&self) -> u32 {
        let (before, after) = (self.before.is_alphanumeric(), self.after.is_alphanumeric());
        match self.character {
            '’' if before => 8,
            '“' | '‘' | '„' | '‚' | '«' | '‹' if !before => 8,
            '”' | '’' | '“' | '‘' | '»' | '›' if !after => 8,
            '…' if !after || !before => 8,
            '–' | '—' if !before && !after => 8,
            '–' | '—' if self.before.is_ascii_digit() || before == after => 10,
            '·' | '•' | '\u{a0}' if !before || !after => 9,
            '“' | '”' | '„' | '«' | '»' if before && after => ODD_BITS,
            _ => 20,
        }
    }

    /// A symbol, which stands at a number or alone.
    fn symbol_bits(&self) -> u32 {
        // Nobody writes these on purpose; they are letters of other encodings.
        let is_no_text = matches!(self.character, '¤' | '¦' | '¨' | '¸' | '¬' | '¯');
        if is_no_text || self.before.is_alphabetic() && self.after.is_alphabetic() {
            ODD_BITS
        } else {
            11
        }
    }
}
