//! The rules of every file system at once: a folder of videos is copied to disks and machines we know nothing of.

use crate::escape;

/// Longest name in bytes. File systems allow 255; the rest is for the temporary names derived from it.
pub const MOST_BYTES: usize = 200;

/// Names that Windows gives to devices, with and without an extension, in any case.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// A field's value with `_` for each character that no name may have, and not longer than `most` bytes.
pub(super) fn part(text: &str, most: usize) -> String {
    let safe = |character| if may_be_in_a_name(character) { character } else { '_' };
    // A cell may have a megabyte; no character gets shorter, so what lies behind `most` never counts.
    let text: String = text.trim().chars().take(most).map(safe).collect();
    cut(&text, most).to_owned()
}

/// The first words of a text, in lower case and joined by `-`: letters and digits of any script. The word that would
/// pass `most` bytes is left out, unless it is the first.
pub(super) fn words(text: &str, most: usize) -> String {
    let mut joined = String::new();
    let is_break = |character: char| !character.is_alphanumeric();
    for word in text.split(is_break).filter(|word| !word.is_empty()) {
        let word: String = word.chars().take(most).flat_map(char::to_lowercase).collect();
        if joined.is_empty() {
            joined.push_str(cut(&word, most));
        } else if joined.len() + 1 + word.len() <= most {
            joined.push('-');
            joined.push_str(&word);
        } else {
            break;
        }
    }
    joined
}

/// A name without its extension, from parts that are safe by themselves; `None` when nothing is left of it.
///
/// What is dangerous about a whole name goes: dots in front (hidden files, `..`), `-` in front (taken for an option),
/// dots and spaces at the end (Windows drops them), names of devices.
pub(super) fn stem(text: &str, most: usize) -> Option<String> {
    let text = text.trim_start_matches(['.', '-', ' ']);
    // A device gets one more byte.
    let text = cut(text, most - 1).trim_end_matches(['.', ' ']);
    if text.is_empty() {
        return None;
    }
    Some(if is_device(text) {
        format!("_{text}")
    } else {
        text.to_owned()
    })
}

/// The longest head of at most `most` bytes that ends between characters.
pub(super) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Whether every file system takes the character, and every terminal shows it as what it is.
pub(super) fn may_be_in_a_name(character: char) -> bool {
    !matches!(character, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|') && !escape::drives_terminal(character)
}

/// Windows looks at what stands before the first dot, without spaces at its end.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let is_port = |kind: &str| {
        let number = stem.strip_prefix(kind).unwrap_or_default();
        let mut digits = number.chars();
        matches!(
            (digits.next(), digits.next()),
            (Some('0'..='9' | '¹' | '²' | '³'), None)
        )
    };
    DEVICES.contains(&stem.as_str()) || is_port("com") || is_port("lpt")
}
