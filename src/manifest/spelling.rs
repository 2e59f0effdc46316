//! When two spellings are the same name, and when one is a slip of the pen for the other.
//!
//! A name is folded before it is compared: letters in one form whatever their width and case, without accents, spaces
//! and marks. People also write several things into one header cell: `Duration (s)`, `提示词 Prompt`, `*图片链接（必填）`.
//! So a name is taken apart where such things are joined, and each of its parts must speak of the same field.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use strsim::damerau_levenshtein;
use unicode_normalization::UnicodeNormalization;

use crate::manifest::Field;
use crate::manifest::names::{HINTS, LOOKALIKES, Language, MARKS, NAMES};

/// Longest name that is looked at, in characters: the longest of ours has some twenty.
const MOST_CHARACTERS: usize = 60;

/// Most words of a name that is taken apart.
const MOST_WORDS: usize = 12;

/// A name of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    field: Field,
    language: Language,
    /// As the table writes it.
    name: &'static str,
}

/// The table's names by their folded form. The first language that has a name keeps it.
static KNOWN: LazyLock<HashMap<String, Known>> = LazyLock::new(|| {
    let mut known = HashMap::new();
    for (field, languages) in NAMES {
        for (language, names) in languages {
            for name in *names {
                let entry = Known {
                    field,
                    language: *language,
                    name,
                };
                known.entry(folded(name)).or_insert(entry);
            }
        }
    }
    known
});

/// The words that say nothing beside a name, folded: for the one field they belong to, or for all.
static ASIDES: LazyLock<HashMap<String, Vec<Option<Field>>>> = LazyLock::new(|| {
    let hints = HINTS
        .iter()
        .flat_map(|(field, words)| words.iter().map(move |word| (word, Some(*field))));
    let marks = MARKS.iter().map(|word| (word, None));
    let mut asides: HashMap<String, Vec<Option<Field>>> = HashMap::new();
    for (word, field) in hints.chain(marks) {
        asides.entry(folded(word)).or_default().push(field);
    }
    asides
});

/// The field that the table knows `name` for.
pub(super) fn field_named(name: &str) -> Option<Field> {
    if name.chars().nth(MOST_CHARACTERS).is_some() {
        return None;
    }
    let parts = parts(name);
    let whole: String = parts.iter().flatten().map(String::as_str).collect();
    if let Some(known) = KNOWN.get(&whole) {
        return Some(known.field);
    }
    Field::ALL.into_iter().find(|field| all_speak_of(*field, &parts))
}

/// `name` as it is compared with others.
pub(super) fn folded(name: &str) -> String {
    parts(name).into_iter().flatten().collect()
}

/// Whether one part at least names the field, and no part is anything but its names, its hints or a mark.
fn all_speak_of(field: Field, parts: &[Vec<String>]) -> bool {
    let mut is_named = false;
    for part in parts {
        match reading_of(field, part) {
            Some(names) => is_named |= names,
            None if ASIDES.get(&part.concat()).is_some_and(|of| of.contains(&None)) => {}
            None => return false,
        }
    }
    is_named
}

/// Whether words can be read as a row of the field's names and hints, and then whether a name is among them.
fn reading_of(field: Field, words: &[String]) -> Option<bool> {
    if words.len() > MOST_WORDS {
        return None;
    }
    // For each number of words from the beginning: how they can be read.
    let mut readings: Vec<Option<bool>> = vec![None; words.len() + 1];
    readings[0] = Some(false);
    for end in 1..=words.len() {
        for begin in 0..end {
            let Some(before) = readings[begin] else { continue };
            let run = words[begin..end].concat();
            if KNOWN.get(&run).is_some_and(|known| known.field == field) {
                readings[end] = Some(true);
            } else if ASIDES.get(&run).is_some_and(|of| of.contains(&Some(field))) {
                readings[end] = readings[end].max(Some(before));
            }
        }
    }
    readings[words.len()]
}

/// The parts of a name that brackets, line breaks and the like set apart, none empty; each is its words, folded.
fn parts(name: &str) -> Vec<Vec<String>> {
    let mut parts = vec![vec![]];
    let mut word = String::new();
    let mut before = None;
    // Compatible forms first: `ＰＲＯＭＰＴ` is `PROMPT`, `：` is `:`, and letters stand apart from their accents.
    for character in name.nfkd() {
        let ends_part = separates(character);
        let ends_word = ends_part || joins(character) || before.is_some_and(|before| is_border(before, character));
        if ends_word && !word.is_empty() {
            let words = parts.last_mut().expect("there is a part from the beginning");
            words.push(std::mem::take(&mut word));
        }
        if ends_part && parts.last().is_some_and(|words| !words.is_empty()) {
            parts.push(vec![]);
        }
        if is_invisible(character) || is_accent(character) {
            continue;
        }
        before = Some(character);
        if !ends_part && !joins(character) {
            word.extend(character.to_lowercase().filter(|character| !is_accent(*character)));
        }
    }
    if !word.is_empty() {
        let words = parts.last_mut().expect("there is a part from the beginning");
        words.push(word);
    }
    parts.retain(|words| !words.is_empty());
    parts
}

/// Sets what stands before it apart from what stands behind it.
fn separates(character: char) -> bool {
    matches!(
        character,
        '(' | ')'
            | '['
            | ']'
            | '{'
            | '}'
            | '<'
            | '>'
            | '【'
            | '】'
            | '〔'
            | '〕'
            | '「'
            | '」'
            | '『'
            | '』'
            | '〈'
            | '〉'
            | '《'
            | '》'
            | '/'
            | '\\'
            | '|'
            | ','
            | '、'
            | '，'
            | ';'
            | ':'
            | '*'
            | '※'
            | '\n'
            | '\r'
            | '\u{b}'
            | '\u{c}'
            | '\u{85}'
            | '\u{2028}'
            | '\u{2029}'
    )
}

/// Stands between the words of one name and says nothing: `image_url`, `Bild-URL`, `URL de l’image`, `Sek.`.
fn joins(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '_' | '-' | '.' | '\'' | '’' | '·' | '・' | '\u{2010}'..='\u{2015}' | '−'
        )
}

/// Between two characters that belong to different words although nothing joins them: `提示词Prompt`, `imageUrl`.
fn is_border(before: char, character: char) -> bool {
    let is_letter = |character: char| character.is_alphabetic();
    let other_script =
        is_letter(before) && is_letter(character) && before.is_ascii_alphabetic() != character.is_ascii_alphabetic();
    other_script || before.is_lowercase() && character.is_uppercase()
}

/// Shows nothing, or is decoration: zero-width and control characters, variation selectors, pictographs.
fn is_invisible(character: char) -> bool {
    character.is_control() && !character.is_whitespace()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2600}'..='\u{27bf}' | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}' | '\u{1f000}'..='\u{1faff}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// An accent of the Latin script. The marks of kana (`か`, `が`) stay: they make another letter.
fn is_accent(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}')
}

/// What a name was perhaps meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suggestion(Known);

impl Suggestion {
    /// The one of the `wanted` fields' names that `name` is a slip of the pen for.
    pub(super) fn near(name: &str, wanted: impl Fn(Field) -> bool) -> Option<Suggestion> {
        if name.chars().nth(MOST_CHARACTERS).is_some() || field_named(name).is_some() {
            return None;
        }
        // What stands beside the name is spelt right more often than not: 提示司（必填）.
        let parts = parts(name);
        let is_aside = |part: &&Vec<String>| ASIDES.contains_key(&part.concat());
        let name: String = parts
            .iter()
            .filter(|part| !is_aside(part))
            .flatten()
            .map(String::as_str)
            .collect();
        if LOOKALIKES.iter().any(|other| folded(other) == name) {
            return None;
        }
        let near = KNOWN
            .iter()
            .filter(|(known, entry)| wanted(entry.field) && is_slip(&name, known, entry.language));
        // The order of the table decides between several, and the field's own name stands first.
        near.map(|(_, entry)| Suggestion(*entry))
            .min_by_key(|suggestion| (suggestion.0.field, suggestion.0.language as u8, suggestion.0.name))
    }
}

/// The name in the user's own language, and always the field's own: `提示词` (`prompt`).
impl fmt::Display for Suggestion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Known { field, language, name } = self.0;
        match language {
            Language::English => write!(formatter, "`{field}`"),
            _ => write!(formatter, "`{name}` (`{field}`)"),
        }
    }
}

/// Whether `written` differs from `known` by one slip: a letter too many, too few, another, or two in the wrong order.
/// Both are folded.
///
/// The beginning has to be right: there people rarely err, and other words differ, like `fallback` from `callback`.
fn is_slip(written: &str, known: &str, language: Language) -> bool {
    let is_one = |written: &str, known: &str| damerau_levenshtein(written, known) == 1;
    let alike = written
        .chars()
        .zip(known.chars())
        .take_while(|(one, other)| one == other)
        .count();
    let (letters, known_letters) = (written.chars().count(), known.chars().count());
    if known.chars().any(is_ideograph) {
        // Most words have two characters: 影片連結 is no slip for 圖片連結. And one more or less makes another word.
        return alike >= 2 && letters == known_letters && is_one(written, known);
    }
    // Shorter names have everyday words beside them: `lang` is near `Länge`, `build` near `Bild`.
    let shortest = if language == Language::English { 5 } else { 6 };
    if alike == 0 || known_letters < shortest || letters.abs_diff(known_letters) > 4 {
        return false;
    }
    // A syllable of Hangul is two or three letters here. One that is missing is one slip, too; another one is another
    // word.
    let is_syllable_off = || {
        let (written, known): (String, String) = (written.nfc().collect(), known.nfc().collect());
        let (syllables, known_syllables) = (written.chars().count(), known.chars().count());
        known_syllables >= 4 && syllables != known_syllables && is_one(&written, &known)
    };
    is_one(written, known) || is_syllable_off()
}

fn is_ideograph(character: char) -> bool {
    matches!(character, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_however_they_are_written() {
        for (name, field) in [
            // Case, spaces and marks.
            ("prompt", Field::Prompt),
            (" Prompt ", Field::Prompt),
            ("Image URL", Field::ImageUrl),
            ("image-url", Field::ImageUrl),
            ("image.url", Field::ImageUrl),
            ("IMAGE", Field::ImageUrl),
            ("callBackUrl", Field::CallbackUrl),
            ("ID", Field::Id),
            ("Duration_Seconds", Field::Duration),
            ("durations", Field::Duration),
            ("durationSec", Field::Duration),
            ("Bild–URL", Field::ImageUrl),
            ("URL de l’image", Field::ImageUrl),
            ("URL DE L'IMAGE", Field::ImageUrl),
            // Width and composition.
            ("ＰＲＯＭＰＴ", Field::Prompt),
            ("ｉｍａｇｅ＿ｕｒｌ", Field::ImageUrl),
            ("画像ＵＲＬ", Field::ImageUrl),
            ("ﾌﾟﾛﾝﾌﾟﾄ", Field::Prompt),
            ("フ\u{309a}ロンフ\u{309a}ト", Field::Prompt),
            ("프롬프트", Field::Prompt),
            (
                "\u{1111}\u{1173}\u{1105}\u{1169}\u{11b7}\u{1111}\u{1173}\u{1110}\u{1173}",
                Field::Prompt,
            ),
            // Accents: composed, taken apart, left out.
            ("durée", Field::Duration),
            ("dure\u{301}e", Field::Duration),
            ("duree", Field::Duration),
            ("DURÉE", Field::Duration),
            ("Duração", Field::Duration),
            ("resolucion", Field::Resolution),
            ("Auflösung", Field::Resolution),
            ("aufloesung", Field::Resolution),
            // What shows nothing.
            ("\u{feff}prompt", Field::Prompt),
            ("pro\u{200b}mpt\u{200d}", Field::Prompt),
            ("提示\u{2060}词", Field::Prompt),
            ("dura\u{ad}tion", Field::Duration),
            ("🎬 Prompt", Field::Prompt),
            ("image\u{a0}url", Field::ImageUrl),
            ("图片\u{3000}URL", Field::ImageUrl),
            // What forms add.
            ("Prompt:", Field::Prompt),
            ("提示词：", Field::Prompt),
            ("*图片链接", Field::ImageUrl),
            ("Image URL *", Field::ImageUrl),
            ("画像URL ※", Field::ImageUrl),
            ("提示词（必填）", Field::Prompt),
            ("【必填】提示词", Field::Prompt),
            ("Prompt (required)", Field::Prompt),
            ("Prompt\n(required)", Field::Prompt),
            ("callback_url [optional]", Field::CallbackUrl),
            // Units and values.
            ("Duration (s)", Field::Duration),
            ("Duration [sec.]", Field::Duration),
            ("duration, s", Field::Duration),
            ("Length in seconds", Field::Duration),
            ("时长（秒）", Field::Duration),
            ("时长/秒", Field::Duration),
            ("时长s", Field::Duration),
            ("Dauer (Sek.)", Field::Duration),
            ("durée en secondes", Field::Duration),
            ("재생 시간 (초)", Field::Duration),
            ("長さ（秒）", Field::Duration),
            ("Duration (6 or 10)", Field::Duration),
            ("Resolution (768P/1080P)", Field::Resolution),
            // Two languages in one cell.
            ("提示词 Prompt", Field::Prompt),
            ("提示词(prompt)", Field::Prompt),
            ("图片链接\nimage_url", Field::ImageUrl),
            ("Dauer / Duration (s)", Field::Duration),
            ("Sekunden / Seconds", Field::Duration),
            ("画像URL|Image URL", Field::ImageUrl),
        ] {
            assert_eq!(Field::of_name(name), Some(field), "{name}");
        }
    }

    #[test]
    fn a_name_that_says_something_else_as_well_is_another_name() {
        for name in [
            "",
            "_",
            "()",
            "s",
            "(s)",
            "required",
            "秒",
            "prompt 2",
            "prompt_zh",
            "prompt (English)",
            "prompt / notes",
            "prompt, image",
            "prompt;image_url",
            "prompt image_url",
            "image (1)",
            "image/video",
            "image (backup)",
            "required prompt",
            "notes (prompt)",
            "描述（prompt）",
            "图片提示词",
            "提示词图片",
            "图片 id",
            "か",
            "duration (ms)",
            "duration (min)",
            "duration 6 or 12",
            "resolution (s)",
        ] {
            assert_eq!(Field::of_name(name), None, "{name}");
        }
        let long = "prompt ".repeat(1_000);
        assert_eq!(Field::of_name(&long), None);
        assert_eq!(Suggestion::near(&long, |_| true), None);
    }

    #[test]
    fn slips_of_the_pen_are_seen_and_shown_in_the_users_language() {
        for (name, shown) in [
            ("imge_url", "`image_url`"),
            ("imge", "`image_url`"),
            ("promt", "`prompt`"),
            ("propmt", "`prompt`"),
            ("duraton", "`duration`"),
            ("Resoluton", "`resolution`"),
            ("calback url", "`callback_url`"),
            ("提示司", "`提示词` (`prompt`)"),
            ("图片连接", "`图片链接` (`image_url`)"),
            ("分辨律", "`分辨率` (`resolution`)"),
            ("圖片連接", "`圖片連結` (`image_url`)"),
            ("ブロンプト", "`プロンプト` (`prompt`)"),
            ("プロンプ", "`プロンプト` (`prompt`)"),
            ("프롬트", "`프롬프트` (`prompt`)"),
            ("콜벡", "`콜백` (`callback_url`)"),
            ("durción", "`duración` (`duration`)"),
            ("enlace de la imagn", "`enlace de la imagen` (`image_url`)"),
            ("Aulfösung", "`Auflösung` (`resolution`)"),
            ("duraton (s)", "`duration`"),
            ("*提示司（必填）", "`提示词` (`prompt`)"),
            ("URL da imgem", "`URL da imagem` (`image_url`)"),
        ] {
            let near = Suggestion::near(name, |_| true).map(|near| near.to_string());
            assert_eq!(near.as_deref(), Some(shown), "{name}");
        }
    }

    #[test]
    fn only_wanted_fields_are_suggested_and_no_name_that_is_known() {
        assert_eq!(Suggestion::near("duraton", |field| field != Field::Duration), None);
        assert_eq!(Suggestion::near("durations", |_| true), None);
        assert!(Suggestion::near("duraton", |field| field == Field::Duration).is_some());
    }
}
