//! Every setting as the help tells it, for whoever writes about settings elsewhere: one source, so that nothing goes stale.

use clap::{Args, Command};

use crate::job::file;
use crate::job::settings::{Checking, Presenting, Settings};

/// One key of a job file, in the words of the help of its flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionText {
    /// The key as it stands in a job file, like `max_attempts` or `notify.ping`.
    pub key: String,
    /// A value for it, as it stands in a job file behind the `=`.
    pub example: &'static str,
    /// What it belongs to, like `Money`; empty for the manifest, which is no flag.
    pub heading: String,
    /// What it does, in one sentence.
    pub summary: String,
    /// Units, range and default; without the help's own example, which is written like a flag. May be empty.
    pub details: String,
    /// The words it takes, if it takes no others.
    pub words: Vec<String>,
}

/// Every key of a job file in the order of the help: all of one heading together.
pub fn all() -> Vec<OptionText> {
    // Building sorts nothing and asks nothing of the environment.
    let command = Settings::augment_args(Command::new("run").disable_help_flag(true));
    let mut command = Presenting::augment_args(Checking::augment_args(command));
    command.build();
    let mut options: Vec<OptionText> = command.get_arguments().filter_map(told).collect();
    let mut headings: Vec<String> = Vec::new();
    for option in &options {
        if !headings.contains(&option.heading) {
            headings.push(option.heading.clone());
        }
    }
    options.sort_by_key(|option| headings.iter().position(|heading| *heading == option.heading));
    options
}

/// `None` for what no job file holds: the name of another one.
fn told(arg: &clap::Arg) -> Option<OptionText> {
    let (key, example) = file::key_with_example(arg.get_id().as_str())?;
    let summary = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let long = arg.get_long_help().map(ToString::to_string).unwrap_or_default();
    let details = long.strip_prefix(&summary).unwrap_or(&long).trim_start_matches('.');
    let details = details.split("Example: ").next().unwrap_or_default();
    let takes_a_word = arg.get_value_parser().possible_values().is_some();
    let words = arg.get_possible_values().into_iter().filter(|_| takes_a_word);
    Some(OptionText {
        key,
        example,
        heading: arg.get_help_heading().unwrap_or_default().to_owned(),
        summary,
        details: details.split_whitespace().collect::<Vec<_>>().join(" "),
        words: words.map(|word| word.get_name().to_owned()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_told_once_and_headings_stay_together() {
        let options = all();
        let keys: BTreeSet<String> = options.iter().map(|option| option.key.clone()).collect();
        assert_eq!(keys, file::key_names().map(file::written).collect());
        assert_eq!(keys.len(), options.len());
        let mut headings: Vec<&str> = options.iter().map(|option| option.heading.as_str()).collect();
        headings.dedup();
        let once: BTreeSet<&&str> = headings.iter().collect();
        assert_eq!(once.len(), headings.len(), "{headings:?}");
    }

    #[test]
    fn what_is_told_is_the_help_without_its_flag() {
        let options = all();
        let of = |key: &str| options.iter().find(|option| option.key == key).unwrap();
        insta::assert_debug_snapshot!(of("on_unknown"), @r#"
        OptionText {
            key: "on_unknown",
            example: "\"hold\"",
            heading: "Retries and unknown rows",
            summary: "Hold rows whose request got no answer, or send them again",
            details: "Sent again, a row may be paid for twice. Default: hold.",
            words: [
                "hold",
                "resubmit",
            ],
        }
        "#);
        assert_eq!(of("manifest").heading, "");
        for option in &options {
            assert!(!option.details.contains("xample"), "{}: {}", option.key, option.details);
            let has_default = option.details.contains("Default: ");
            assert!(
                has_default || ["manifest", "verbose"].contains(&option.key.as_str()),
                "{}",
                option.key
            );
        }
    }
}
