//! From the text of a row's cells to a submission, or to what is wrong with them.

use std::borrow::Cow;

use crate::escape;
use crate::manifest::images::LocalImage;
use crate::manifest::problem::grouped;
use crate::manifest::{Field, Images, Problem, Rule, Severity, web_url};
use crate::row::{ClipLength, Resolution, Submission};

/// Most characters of a prompt (the API's schema, `maxLength`).
pub const MOST_PROMPT_CHARACTERS: usize = 5_000;

/// Most characters the model's maker documents; what the API does with longer prompts is not known.
const MOST_MODEL_CHARACTERS: usize = 2_000;

/// Longest value in a message, in characters.
const MOST_SHOWN: usize = 60;

/// What a row says in the columns that mean something, as text. A cell that is not there is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cells {
    texts: [String; 6],
    /// Only JSONL rows in the API's own form can say it.
    pub(super) nsfw_checker: Option<bool>,
}

impl Cells {
    /// Forgets everything but keeps the memory.
    pub(super) fn clear(&mut self) {
        self.texts.iter_mut().for_each(String::clear);
        self.nsfw_checker = None;
    }

    /// Sets a cell, without surrounding white space unless it is the prompt.
    pub(super) fn set(&mut self, field: Field, text: &str) {
        let cell = &mut self.texts[field as usize];
        cell.clear();
        // The prompt is sent exactly as the manifest has it.
        cell.push_str(if field == Field::Prompt { text } else { trimmed(text) });
    }

    pub(super) fn get(&self, field: Field) -> &str {
        &self.texts[field as usize]
    }

    /// The submission these cells make, given what [`validate`] found.
    pub(super) fn submission(&self, choice: &Choice) -> Submission<'_> {
        let callback_url = self.get(Field::CallbackUrl);
        Submission {
            prompt: Cow::Borrowed(self.get(Field::Prompt)),
            image_url: Cow::Borrowed(self.get(Field::ImageUrl)),
            image_sha256: choice.image.map(|image| image.sha256),
            length: choice.length,
            resolution: choice.resolution,
            nsfw_checker: self.nsfw_checker,
            callback_url: (!callback_url.is_empty()).then_some(Cow::Borrowed(callback_url)),
        }
    }
}

/// What the cells of a valid row choose, where their text does not say it by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) length: ClipLength,
    pub(super) resolution: Resolution,
    /// `None` if the image is on the web.
    pub(super) image: Option<LocalImage>,
}

/// What `cells` choose, or `None` if one of the problems, which are added, is an error. Without `images` nobody looks
/// at local ones.
pub(super) fn validate(cells: &Cells, images: Option<&mut Images>, problems: &mut Vec<Problem>) -> Option<Choice> {
    let before = problems.len();
    check_prompt(cells.get(Field::Prompt), problems);
    let image = check_image(cells.get(Field::ImageUrl), images, problems);
    match cells.get(Field::CallbackUrl) {
        "" => {}
        address => check_url(Field::CallbackUrl, address, problems),
    }
    let length = read(Field::Duration, cells, clip_length_of, Rule::Duration, problems);
    let resolution = read(Field::Resolution, cells, resolution_of, Rule::Resolution, problems);
    if (length, resolution) == (Some(ClipLength::Ten), Some(Resolution::P1080)) {
        problems.push(Problem::of_row(Rule::LongAndSharp, ""));
    }
    if problems[before..]
        .iter()
        .any(|problem| problem.severity() == Severity::Error)
    {
        return None;
    }
    Some(Choice {
        length: length?,
        resolution: resolution?,
        image,
    })
}

/// The local image, if it is one that can be sent.
fn check_image(address: &str, images: Option<&mut Images>, problems: &mut Vec<Problem>) -> Option<LocalImage> {
    if address.is_empty() {
        problems.push(Problem::of_column(Rule::Missing, Field::ImageUrl.as_str(), ""));
        return None;
    }
    match web_url::broken_rule(address)? {
        // No scheme of the web, nor another: a path, or an address without its beginning.
        rule @ (Rule::LocalFile | Rule::NotAbsolute) => images?.judge(address, rule, problems),
        rule => {
            problems.push(Problem::of_column(
                rule,
                Field::ImageUrl.as_str(),
                web_url::shown(address),
            ));
            None
        }
    }
}

fn check_prompt(prompt: &str, problems: &mut Vec<Problem>) {
    let name = Field::Prompt.as_str();
    if trimmed(prompt).is_empty() {
        problems.push(Problem::of_column(Rule::Missing, name, ""));
    }
    // No text has more characters than bytes, so that most prompts need not be counted.
    if prompt.len() <= MOST_MODEL_CHARACTERS {
        return;
    }
    let characters = prompt.chars().count();
    let found = |count| format!("{} characters", grouped(count));
    if characters > MOST_PROMPT_CHARACTERS {
        problems.push(Problem::of_column(Rule::PromptTooLong, name, found(characters)));
        return;
    }
    if characters > MOST_MODEL_CHARACTERS {
        problems.push(Problem::of_column(Rule::PromptLongForModel, name, found(characters)));
    }
    let units = prompt.encode_utf16().count();
    if units > MOST_PROMPT_CHARACTERS {
        let found = format!("{} characters, {} UTF-16 units", grouped(characters), grouped(units));
        problems.push(Problem::of_column(Rule::PromptLongInUtf16, name, found));
    }
}

fn check_url(field: Field, address: &str, problems: &mut Vec<Problem>) {
    if let Some(rule) = web_url::broken_rule(address) {
        problems.push(Problem::of_column(rule, field.as_str(), web_url::shown(address)));
    }
}

/// What a cell chooses; empty cells choose the API's default.
fn read<T: Default>(
    field: Field,
    cells: &Cells,
    parse: fn(&str) -> Option<T>,
    rule: Rule,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let text = cells.get(field);
    if text.is_empty() {
        return Some(T::default());
    }
    let choice = parse(text);
    if choice.is_none() {
        problems.push(Problem::of_column(
            rule,
            field.as_str(),
            escape::excerpt(text, MOST_SHOWN),
        ));
    }
    choice
}

fn clip_length_of(text: &str) -> Option<ClipLength> {
    const UNITS: [&str; 8] = ["seconds", "second", "secs", "sec", "s", "秒钟", "秒鐘", "秒"];
    match number_before(text, &UNITS)? {
        "6" => Some(ClipLength::Six),
        "10" => Some(ClipLength::Ten),
        _ => None,
    }
}

fn resolution_of(text: &str) -> Option<Resolution> {
    let number = match text {
        "768P" => "768",
        "1080P" => "1080",
        other => number_before(other, &["p"])?,
    };
    match number {
        "768" => Some(Resolution::P768),
        "1080" => Some(Resolution::P1080),
        _ => None,
    }
}

/// [`str::trim`], which most texts do not need.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// The digits of a whole number that one of the units may follow; spreadsheets write `6` also as `6.0`.
fn number_before<'a>(text: &'a str, units: &[&str]) -> Option<&'a str> {
    let without_unit = |unit: &&str| {
        let at = text.len().checked_sub(unit.len())?;
        let (number, end) = text.split_at_checked(at)?;
        end.eq_ignore_ascii_case(unit).then_some(number)
    };
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text);
    }
    let number = units.iter().find_map(without_unit).unwrap_or(text).trim_end();
    match number.split_once('.') {
        None => Some(number),
        Some((whole, fraction)) => fraction.bytes().all(|digit| digit == b'0').then_some(whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(pairs: &[(Field, &str)]) -> Cells {
        let mut cells = Cells::default();
        cells.set(Field::Prompt, "a boat");
        cells.set(Field::ImageUrl, "https://img.example.org/1.png");
        pairs.iter().for_each(|(field, text)| cells.set(*field, text));
        cells
    }

    fn rules(pairs: &[(Field, &str)]) -> Vec<Rule> {
        let mut problems = Vec::new();
        let cells = cells(pairs);
        let choice = validate(&cells, None, &mut problems);
        let errors = problems.iter().any(|problem| problem.severity() == Severity::Error);
        assert_eq!(choice.is_none(), errors, "{problems:?}");
        problems.iter().map(|problem| problem.rule).collect()
    }

    #[test]
    fn lengths_are_read() {
        for text in [
            "",
            " ",
            "6",
            " 6 ",
            "6s",
            "6S",
            "6 s",
            "6.0",
            "6.",
            "6.00 sec",
            "6 seconds",
            "6秒",
            "6 秒钟",
        ] {
            let cells = cells(&[(Field::Duration, text)]);
            assert_eq!(
                validate(&cells, None, &mut Vec::new()).unwrap().length,
                ClipLength::Six,
                "{text}"
            );
        }
        for text in ["10", "10s", "10.0", "10秒"] {
            let cells = cells(&[(Field::Duration, text)]);
            assert_eq!(
                validate(&cells, None, &mut Vec::new()).unwrap().length,
                ClipLength::Ten,
                "{text}"
            );
        }
        for text in [
            "7", "0", "-6", "6.5", "60", "6m", "six", "s", "秒", "6,0", "0:06", "6p", ".6",
        ] {
            assert_eq!(rules(&[(Field::Duration, text)]), [Rule::Duration], "{text}");
        }
    }

    #[test]
    fn resolutions_are_read() {
        for text in ["", "768", "768p", "768P", " 768 P ", "768.0"] {
            let cells = cells(&[(Field::Resolution, text)]);
            let read = validate(&cells, None, &mut Vec::new()).unwrap().resolution;
            assert_eq!(read, Resolution::P768, "{text}");
        }
        for text in ["1080", "1080p", "1080P"] {
            let cells = cells(&[(Field::Resolution, text)]);
            let read = validate(&cells, None, &mut Vec::new()).unwrap().resolution;
            assert_eq!(read, Resolution::P1080, "{text}");
        }
        for text in ["720p", "1080i", "hd", "4k", "1024x768", "p"] {
            assert_eq!(rules(&[(Field::Resolution, text)]), [Rule::Resolution], "{text}");
        }
        let both = [(Field::Duration, "10"), (Field::Resolution, "1080P")];
        assert_eq!(rules(&both), [Rule::LongAndSharp]);
    }

    #[test]
    fn prompts_are_counted_in_characters() {
        let case = |text: &str| rules(&[(Field::Prompt, text)]);
        assert_eq!(case(" \u{3000}\n"), [Rule::Missing]);
        assert_eq!(case(&"船".repeat(2_000)), []);
        assert_eq!(case(&"x".repeat(2_001)), [Rule::PromptLongForModel]);
        assert_eq!(case(&"船".repeat(5_000)), [Rule::PromptLongForModel]);
        assert_eq!(case(&"🛶".repeat(2_500)), [Rule::PromptLongForModel]);
        assert_eq!(
            case(&"🛶".repeat(2_501)),
            [Rule::PromptLongForModel, Rule::PromptLongInUtf16]
        );
        assert_eq!(case(&"x".repeat(5_001)), [Rule::PromptTooLong]);
    }

    #[test]
    fn the_prompt_is_sent_as_it_is_and_addresses_without_white_space_around() {
        let cells = cells(&[
            (Field::Prompt, "  a boat\n"),
            (Field::ImageUrl, " https://img.example.org/1.png\t"),
            (Field::CallbackUrl, " "),
        ]);
        let mut problems = Vec::new();
        let submission = cells.submission(&validate(&cells, None, &mut problems).unwrap());
        assert_eq!(submission.prompt, "  a boat\n");
        assert_eq!(submission.image_url, "https://img.example.org/1.png");
        assert_eq!((submission.callback_url, problems), (None, Vec::new()));
    }

    #[test]
    fn every_problem_of_a_row_is_found() {
        assert_eq!(
            rules(&[
                (Field::Prompt, ""),
                (Field::ImageUrl, ""),
                (Field::CallbackUrl, "http://localhost/"),
                (Field::Duration, "7"),
                (Field::Resolution, "720p"),
            ]),
            [
                Rule::Missing,
                Rule::Missing,
                Rule::UnreachableHost,
                Rule::Duration,
                Rule::Resolution
            ]
        );
    }

    #[test]
    fn a_warning_leaves_the_row_valid() {
        assert_eq!(
            rules(&[(Field::ImageUrl, "http://10.0.0.1/1.png")]),
            [Rule::UnreachableHost]
        );
    }
}
