//! What a sheet may be called.

/// The longest name of a sheet, in UTF-16 units.
const MOST_UNITS: usize = 31;

/// The name of a sheet that would like to be called `wanted`: without what Excel does not take, and, without regard to
/// case, none of `taken`.
pub(super) fn of_sheet(wanted: &str, taken: &[String]) -> String {
    let allowed = |character: char| !character.is_control() && !"[]:*?/\\".contains(character);
    let safe: String = wanted
        .chars()
        .map(|character| if allowed(character) { character } else { '_' })
        .collect();
    let safe = trimmed(&safe, MOST_UNITS);
    // Excel keeps this one for itself.
    let safe = match safe.to_lowercase().as_str() {
        "" => "Sheet1",
        "history" => "History_",
        _ => safe,
    };
    let is_taken = |name: &str| taken.iter().any(|other| other.to_lowercase() == name.to_lowercase());
    if !is_taken(safe) {
        return safe.to_owned();
    }
    (2..)
        .map(|copy: u32| {
            let mark = format!(" ({copy})");
            format!("{}{mark}", trimmed(safe, MOST_UNITS - mark.len()))
        })
        .find(|name| !is_taken(name))
        .expect("there are more numbers than sheets")
}

/// The head of a name that is at most so many units long, without the quotes and blanks that may not stand at its ends.
fn trimmed(name: &str, most: usize) -> &str {
    let name = super::text::head(name.trim_matches(['\'', ' ']), most);
    name.trim_end_matches(['\'', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_what_excel_takes_of_it() {
        let many = "镜头".repeat(20);
        for (wanted, name) in [
            ("Shots", "Shots"),
            ("镜头 1", "镜头 1"),
            ("a/b:c\\d[e]*?", "a_b_c_d_e___"),
            ("'quoted'", "quoted"),
            ("it's", "it's"),
            ("  ", "Sheet1"),
            ("", "Sheet1"),
            ("HISTORY", "History_"),
            (&many, &many[..31 * 3]),
            (&"🛶".repeat(20), &"🛶".repeat(15)),
        ] {
            assert_eq!(of_sheet(wanted, &[]), name, "{wanted}");
        }
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let taken = ["summary".to_owned(), "Summary (2)".to_owned()];
        assert_eq!(of_sheet("Summary", &taken), "Summary (3)");
        let long = "x".repeat(31);
        assert_eq!(
            of_sheet(&long, std::slice::from_ref(&long)),
            format!("{} (2)", "x".repeat(27))
        );
    }
}
