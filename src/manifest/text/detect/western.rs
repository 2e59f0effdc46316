//! What is written in Latin letters: which of them stand where, and beside which others.
//!
//! A dozen encodings agree on most letters of Western Europe and differ in others: what is `õ` in one is `ő` in the next.
//! So it is the rare letters, and the company they keep, that tell them apart.

use crate::manifest::text::detect::evidence::{ODD_BITS, Place, Verdict, letter, mark, typical};
use crate::manifest::text::detect::typical::{TYPICAL_WESTERN, WESTERN};

/// How many letters of a text each language lacks.
#[derive(Debug, Default)]
pub(super) struct Alphabets([u32; WESTERN.len()]);

impl Alphabets {
    pub(super) fn add(&mut self, character: char) {
        if TYPICAL_WESTERN.contains(character) {
            for (count, alphabet) in self.0.iter_mut().zip(WESTERN) {
                *count += u32::from(!alphabet.contains(character));
            }
        }
    }

    /// How many letters are foreign to the language that fits best: a text is in one, not in the best for each letter.
    pub(super) fn foreign(&self) -> u32 {
        self.0.into_iter().min().unwrap_or(0)
    }
}

/// From so many bits on a letter is not where such letters are.
const OUT_OF_PLACE_BITS: u32 = 13;

impl Place<'_> {
    pub(super) fn western_letter(&self) -> Verdict {
        if !TYPICAL_WESTERN.contains(self.character) {
            return self.other_western();
        }
        if !self.is_at_home() {
            return letter(ODD_BITS);
        }
        let mut bits = 8 + self.neighbour_bits(self.before) + self.neighbour_bits(self.after);
        if self.character.is_uppercase() && self.before.is_lowercase() {
            bits += 10;
        }
        let is_alone = !self.before.is_alphabetic() && !self.after.is_alphabetic();
        if is_alone && !self.is_word() {
            bits += 6;
        }
        if bits < OUT_OF_PLACE_BITS {
            typical(bits)
        } else {
            letter(bits)
        }
    }

    /// Two letters beyond ASCII in a row are rare but for `ção`, `größer` and `créée`.
    fn neighbour_bits(&self, neighbour: char) -> u32 {
        if neighbour.is_ascii() || !neighbour.is_alphabetic() {
            return 0;
        }
        match (self.character, neighbour) {
            ('ç', 'ã' | 'õ') | ('ã' | 'õ', 'ç') | ('Ç', 'Ã' | 'Õ') | ('Ã' | 'Õ', 'Ç') => 0,
            ('ß', 'ä' | 'ö' | 'ü') | ('ä' | 'ö' | 'ü', 'ß') => 0,
            ('é', 'é') => 2,
            _ => 4,
        }
    }

    /// Whether the letter is a word of some language, and stands as one.
    fn is_word(&self) -> bool {
        let is_word = matches!(
            self.character,
            'à' | 'À' | 'é' | 'É' | 'è' | 'È' | 'ó' | 'å' | 'ö' | 'ø'
        );
        is_word && (self.before == ' ' || self.after == ' ')
    }

    /// Letters that other languages have elsewhere, in encodings that look like these: the Hungarian `ő` and `ű` are read as
    /// `õ` and `û`, the Romanian `ă` as `ã`.
    fn is_at_home(&self) -> bool {
        let ends = !self.after.is_alphabetic();
        let (before, after) = (self.before.to_ascii_lowercase(), self.after.to_ascii_lowercase());
        match self.character {
            'õ' | 'Õ' => after == 'e',
            'ã' | 'Ã' => ends || "oes".contains(after),
            // As in août, coûter, flûte, affût, sûr, mûre, piqûre, brûler, embûche, jeûne, fûmes and dû.
            'û' | 'Û' => match after {
                't' => "olfre".contains(before),
                'r' => "smq".contains(before),
                'l' => before == 'r',
                'c' => before == 'b',
                'n' | 'm' => "ef".contains(before),
                _ => ends && "dr".contains(before),
            },
            _ => true,
        }
    }

    /// What Western encodings have beside the letters of Western languages.
    fn other_western(&self) -> Verdict {
        let begins = self.after.is_alphabetic() && !self.before.is_alphabetic();
        let counts = self.before.is_ascii_digit() || "no.".contains(self.before);
        match self.character {
            '¿' | '¡' if begins => mark(8),
            'º' | 'ª' if counts && !self.after.is_alphabetic() => mark(8),
            '¿' | '¡' | 'º' | 'ª' => mark(18),
            // Nobody writes these on purpose; they are letters of other encodings.
            '¤' | '¦' | '¨' | '¸' | '¬' | '¯' => mark(ODD_BITS),
            other if other.is_alphabetic() => letter(15),
            _ if self.is_within_word() => mark(ODD_BITS),
            _ => mark(18),
        }
    }

    /// A quote or a dash, which has its place beside words, not in them.
    pub(super) fn western_mark(&self) -> Verdict {
        if self.is_contraction() {
            return typical(3);
        }
        let (before, after) = (self.before.is_alphanumeric(), self.after.is_alphanumeric());
        mark(match self.character {
            '’' if before => 8,
            // German has « and » the other way round.
            '“' | '‘' | '„' | '‚' | '«' | '‹' | '»' | '›' if !before => 8,
            '”' | '’' | '“' | '‘' | '»' | '›' | '«' | '‹' if !after => 8,
            '…' if !after || !before => 8,
            '–' | '—' if !before && !after => 8,
            '–' | '—' if self.before.is_ascii_digit() || before == after => 10,
            '·' | '•' | '\u{a0}' if !before || !after => 9,
            '“' | '”' | '„' | '«' | '»' => ODD_BITS,
            _ => 20,
        })
    }

    /// The apostrophe of `it’s` and `don’t`: most of what English texts have beyond ASCII.
    fn is_contraction(&self) -> bool {
        let mut rest = self.rest.chars();
        self.character == '’'
            && self.before.is_ascii_lowercase()
            && rest.next().is_some_and(|next| "std".contains(next))
            && !rest.next().is_some_and(char::is_alphanumeric)
    }

    /// A symbol, which stands at a number or alone.
    pub(super) fn western_symbol(&self) -> Verdict {
        mark(if self.is_within_word() { ODD_BITS } else { 11 })
    }

    fn is_within_word(&self) -> bool {
        self.before.is_alphabetic() && self.after.is_alphabetic()
    }
}
