//! Faults by appointment: a tag in the prompt scripts what becomes of that content.
//!
//! `[sandbox:500,lost,ok]` answers the first arrival with a 500, loses the reply to the second and takes the third.
//! What the script leaves open is answered properly: chance never strikes a scripted row.

use super::faults::{Fault, FaultError};

const OPENING: &str = "[sandbox:";

/// The answers a prompt asks for, one for each arrival of its content.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Script {
    /// `None` is `ok`: the proper answer.
    steps: Vec<Option<Fault>>,
    last_repeats: bool,
}

impl Script {
    /// The script in a prompt's first tag; `None` without a tag.
    pub(super) fn of_prompt(prompt: &str) -> Option<Result<Script, FaultError>> {
        let (_, behind) = prompt.split_once(OPENING)?;
        let (words, _) = behind.split_once(']')?;
        Some(Script::of_words(words))
    }

    fn of_words(words: &str) -> Result<Script, FaultError> {
        let (words, last_repeats) = match words.trim().strip_suffix('*') {
            Some(words) => (words, true),
            None => (words, false),
        };
        let step = |word: &str| match word.trim() {
            "ok" => Ok(None),
            word => word.parse().map(Some),
        };
        let steps = words.split(',').map(step).collect::<Result<_, _>>()?;
        Ok(Script { steps, last_repeats })
    }

    /// What strikes the arrival number `index`, counted from 0.
    pub(super) fn step(&self, index: usize) -> Option<&Fault> {
        let past_the_end = if self.last_repeats { self.steps.last() } else { None };
        self.steps.get(index).or(past_the_end)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(prompt: &str) -> Vec<String> {
        let script = Script::of_prompt(prompt).unwrap().unwrap();
        let word = |index| script.step(index).map_or("ok".to_owned(), Fault::to_string);
        (0..4).map(word).collect()
    }

    #[test]
    fn a_tag_is_played_arrival_by_arrival() {
        for (prompt, answers) in [
            ("a boat [sandbox:429]", ["429", "ok", "ok", "ok"]),
            ("[sandbox:500, lost ,ok] a boat", ["500", "lost", "ok", "ok"]),
            ("[sandbox:500*]", ["500", "500", "500", "500"]),
            ("[sandbox:ok,429:ra=3*]", ["ok", "429:ra=3", "429:ra=3", "429:ra=3"]),
            ("[sandbox:hang][sandbox:500*]", ["hang", "ok", "ok", "ok"]),
        ] {
            assert_eq!(played(prompt), answers, "{prompt}");
        }
    }

    #[test]
    fn prompts_without_a_whole_tag_have_no_script() {
        for prompt in ["", "a boat", "[sandbox]", "[sandbox:500"] {
            assert_eq!(Script::of_prompt(prompt), None, "{prompt}");
        }
    }

    #[test]
    fn a_misspelt_tag_is_an_error_and_not_a_silent_success() {
        for prompt in ["[sandbox:5OO]", "[sandbox:]", "[sandbox:500,,ok]"] {
            assert!(Script::of_prompt(prompt).unwrap().is_err(), "{prompt}");
        }
    }
}
