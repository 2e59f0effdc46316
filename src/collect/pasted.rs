//! Task ids out of whatever was copied from the provider's log page: a list, a table, an export.

use std::collections::HashSet;

use crate::row::TaskId;

/// Most task ids taken from one text: a look at each takes three hours at 10 a second.
pub const MOST_IDS: usize = 100_000;

/// Lines without a task id that are kept to be shown; the others are counted.
const MOST_SHOWN: usize = 20;

/// Characters of such a line that are kept.
const SHOWN_CHARACTERS: usize = 80;

/// The task ids of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pasted {
    /// Each once, in the text's order.
    pub ids: Vec<PastedId>,
    /// How many lines hold words, but no task id.
    pub lines_without: u64,
    /// The first of them: number from 1, and the line's beginning as it stands.
    pub shown_without: Vec<(u32, String)>,
}

/// A task id and where it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastedId {
    /// The id.
    pub task: TaskId,
    /// The line it was first met on, from 1.
    pub line: u32,
}

/// A text with more task ids than [`MOST_IDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MOST_IDS} task ids")]
pub struct TooMany;

/// The task ids in `text`.
///
/// In a line of several words (between white space, commas, quotes and the like) those of a known shape are task ids: 32
/// hexadecimal digits, or `task_…`. A line of one word *is* a task id, whatever its shape, since the API calls them
/// opaque; only the usual headings of a column are none. Of a URL its query counts alone, as its path may be that of a
/// file.
pub fn task_ids_in(text: &str) -> Result<Pasted, TooMany> {
    let mut pasted = Pasted::default();
    let mut seen = HashSet::new();
    for (line, number) in text.lines().zip(1..) {
        let words: Vec<&str> = line.split(is_between_words).filter(|word| !word.is_empty()).collect();
        let mut ids: Vec<&str> = words.iter().flat_map(|word| ids_of_known_shape(word)).collect();
        match words[..] {
            [] => continue,
            [only] if ids.is_empty() => {
                if is_heading(only) {
                    continue;
                }
                ids.extend(Some(only).filter(|word| !word.contains("://")));
            }
            _ => {}
        }
        let mut any = false;
        for task in ids.into_iter().filter_map(TaskId::new) {
            any = true;
            if seen.insert(task.clone()) {
                pasted.ids.push(PastedId { task, line: number });
            }
        }
        if pasted.ids.len() > MOST_IDS {
            return Err(TooMany);
        }
        if !any {
            pasted.lines_without += 1;
            if pasted.shown_without.len() < MOST_SHOWN {
                let beginning = line.trim().chars().take(SHOWN_CHARACTERS).collect();
                pasted.shown_without.push((number, beginning));
            }
        }
    }
    Ok(pasted)
}

fn is_between_words(character: char) -> bool {
    character.is_whitespace() || character == '\u{feff}' || ",;|\"'`“”‘’\\()[]{}<>".contains(character)
}

fn ids_of_known_shape(word: &str) -> impl Iterator<Item = &str> {
    let searched = match word.split_once("://") {
        Some((_, rest)) => rest.split_once('?').map_or("", |(_, query)| query),
        None => word,
    };
    // A hyphen stays inside: a callback token, `12-<32 digits>`, is a secret and no task id.
    let parts = searched.split(|character: char| !(character.is_ascii_alphanumeric() || "_-".contains(character)));
    parts.filter(|part| is_of_known_shape(part))
}

/// The two shapes that were met (`kie-api` reference, createTask).
fn is_of_known_shape(word: &str) -> bool {
    let is_hexadecimal = word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let behind = word.strip_prefix("task_").unwrap_or_default();
    is_hexadecimal || (behind.len() >= 8 && behind.bytes().any(|byte| byte.is_ascii_digit()))
}

fn is_heading(word: &str) -> bool {
    let letters: String = word.chars().filter(|character| character.is_alphanumeric()).collect();
    matches!(
        letters.to_ascii_lowercase().as_str(),
        "taskid" | "taskids" | "task" | "tasks" | "id" | "ids"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "7d3f5a90c1b84e6fa2d4078b9e61c35f";
    const NAMED: &str = "task_hailuo_1790000004242";

    fn ids(text: &str) -> Vec<(String, u32)> {
        let pasted = task_ids_in(text).unwrap();
        pasted.ids.iter().map(|id| (id.task.to_string(), id.line)).collect()
    }

    #[test]
    fn ids_are_found_in_whatever_surrounds_them() {
        let one = |text: String| assert_eq!(ids(&text), [(HEX.to_owned(), 1)], "{text}");
        one(HEX.to_owned());
        one(format!("\u{feff}{HEX}\r\n"));
        one(format!(
            "2026-11-22 14:03:11\thailuo/2-3-image-to-video-standard\t{HEX}\t30\tsuccess"
        ));
        one(format!("\"{HEX}\",\"hailuo\",\"a boat, at sea\",30"));
        one(format!("{{\"taskId\":\"{HEX}\",\"state\":\"success\"}}"));
        one(format!("taskId={HEX}"));
        one(format!("taskId: {HEX}."));
        one(format!("https://kie.ai/logs?taskId={HEX}&page=2"));
        one(format!("({HEX}) {HEX}"));
        assert_eq!(
            ids(&format!("{NAMED}, {HEX}\n")),
            [(NAMED.to_owned(), 1), (HEX.to_owned(), 1)]
        );
    }

    #[test]
    fn a_line_of_one_word_is_an_id_whatever_its_shape() {
        let text = "Task ID\ntask_id\nodd-shape.1\n\n  'other'  \n";
        let pasted = task_ids_in(text).unwrap();
        let found: Vec<_> = pasted.ids.iter().map(|id| (id.task.as_str(), id.line)).collect();
        assert_eq!(found, [("odd-shape.1", 3), ("other", 5)]);
        assert_eq!(pasted.shown_without, [(1, "Task ID".to_owned())]);
    }

    #[test]
    fn lines_without_an_id_are_told_and_what_only_looks_like_one_is_left_out() {
        let token = format!("https://hooks.example.org/kie?row=7&token=12-{HEX}");
        let file = format!("https://tempfile.example.org/f/{HEX}.mp4");
        for text in [
            "no id here",
            token.as_str(),
            file.as_str(),
            &format!("sent {}", &HEX[1..]),
            &format!("sent {HEX}0"),
            "sent task_id task_abcdefgh",
            "任务",
        ] {
            let pasted = task_ids_in(&format!("\n{text}\n")).unwrap();
            assert_eq!((pasted.ids.len(), pasted.lines_without), (0, 1), "{text}");
            assert_eq!(pasted.shown_without[0].0, 2);
        }
    }

    #[test]
    fn an_id_counts_once_and_there_are_bounds() {
        assert_eq!(
            ids(&format!("{HEX}\n{NAMED}\n{HEX}")),
            [(HEX.to_owned(), 1), (NAMED.to_owned(), 2)]
        );
        let text = |count: usize| (0..count).fold(String::new(), |text, n| format!("{text}{n:032x}\n"));
        let some = text(50);
        assert_eq!(task_ids_in(&some).unwrap().ids.len(), 50);
        let many: String = (0..=MOST_IDS).map(|n| format!("{n:032x}\n")).collect();
        assert_eq!(task_ids_in(&many), Err(TooMany));
        let odd = task_ids_in(&"two words\n".repeat(50)).unwrap();
        assert_eq!((odd.lines_without, odd.shown_without.len()), (50, MOST_SHOWN));
    }

    proptest! {
        #[test]
        fn every_id_of_a_known_shape_is_found_among_other_columns(
            ids in prop::collection::vec("[0-9a-f]{32}|task_[a-z]{1,9}_[0-9]{13}", 1..8),
            between in "[ \t,;|\"]{1,3}",
            other in "[a-z]{1,9} [0-9]{1,4}",
        ) {
            let text: String = ids.iter().map(|id| format!("{other}{between}{id}{between}{other}\n")).collect();
            let found = task_ids_in(&text).unwrap();
            let found: HashSet<String> = found.ids.iter().map(|id| id.task.to_string()).collect();
            prop_assert_eq!(found, ids.into_iter().collect());
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,200}|[\\x00-\\x7f]{0,200}") {
            prop_assert!(task_ids_in(&text).is_ok());
        }
    }
}
