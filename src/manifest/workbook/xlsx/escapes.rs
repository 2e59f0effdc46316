//! Characters that XML cannot hold, as Office writes them: `_x000D_`.

/// Resolves such escapes, and makes all line breaks `\n`.
pub(super) fn resolve(text: &mut String) {
    if text.contains("_x") {
        *text = resolved(text);
    }
    if text.contains('\r') {
        *text = text.replace("\r\n", "\n").replace('\r', "\n");
    }
}

fn resolved(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        whole.push_str(&rest[..at]);
        rest = &rest[at..];
        match escaped(rest) {
            Some(character) => {
                whole.push(character);
                rest = &rest[ESCAPE_BYTES..];
            }
            None => {
                whole.push('_');
                rest = &rest[1..];
            }
        }
    }
    whole.push_str(rest);
    whole
}

const ESCAPE_BYTES: usize = "_x000D_".len();

/// The character that an escape at the beginning stands for. Not NUL, which no text may have; nor half a character.
fn escaped(text: &str) -> Option<char> {
    let digits = text.get(..ESCAPE_BYTES)?.strip_prefix("_x")?.strip_suffix('_')?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let code = u32::from_str_radix(digits, 16).ok()?;
    char::from_u32(code).filter(|character| *character != '\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved_and_line_breaks_made_one() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a_x000D_\nb", "a\nb"),
            ("a_x000d_b", "a\nb"),
            ("a\r\nb\rc", "a\nb\nc"),
            ("_x005F_x000D_", "_x000D_"),
            ("_x4E2D_文", "中文"),
            ("file_x2.png", "file_x2.png"),
            ("_x00zz_", "_x00zz_"),
            ("_x+123_", "_x+123_"),
            ("_x0000_", "_x0000_"),
            ("_xD83D_", "_xD83D_"),
            ("_x00é_", "_x00é_"),
            ("_x", "_x"),
            ("__x0041__", "_A_"),
        ] {
            let mut resolving = text.to_owned();
            resolve(&mut resolving);
            assert_eq!(resolving, expected, "{text}");
        }
    }
}
