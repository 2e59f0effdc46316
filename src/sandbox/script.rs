//! Faults by appointment: a tag in the prompt scripts what becomes of that content.
//!
//! `[sandbox:500,lost,ok]` answers the first arrival with a 500, loses the reply to the second and takes the third.
//! What the script leaves open is answered properly: chance never strikes a scripted row. Words about the task that
//! comes of it, like `task-fail` or `file-cut`, are no turn of their own and hold for every task of the content.

use super::faults::{Fault, FaultError};
use super::trouble::{TaskTroubles, Trouble};

const OPENING: &str = "[sandbox:";

/// What a prompt asks for: an answer for each arrival of its content, and what becomes of its tasks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Script {
    /// `None` is `ok`: the proper answer.
    steps: Vec<Option<Fault>>,
    last_repeats: bool,
    pub(super) troubles: TaskTroubles,
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
        let mut script = Script {
            steps: Vec::new(),
            last_repeats,
            troubles: TaskTroubles::default(),
        };
        let mut last_is_turn = false;
        for word in words.split(',').map(str::trim) {
            let turn = script.turn(word)?;
            last_is_turn = turn.is_some();
            script.steps.extend(turn);
        }
        if last_repeats && !last_is_turn {
            return Err(FaultError::Modifier {
                word: words.rsplit(',').next().unwrap_or(words).trim().to_owned(),
                modifier: "*".to_owned(),
            });
        }
        Ok(script)
    }

    /// What a word says about an arrival; `None` if it is about the task.
    fn turn(&mut self, word: &str) -> Result<Option<Option<Fault>>, FaultError> {
        if word == "ok" {
            return Ok(Some(None));
        }
        match self.troubles.add(word.parse()?) {
            None => Ok(None),
            Some(Trouble::Request(fault)) => Ok(Some(Some(fault))),
            Some(other) => Err(FaultError::NotInTag(other.to_string())),
        }
    }

    /// What strikes the arrival number `index`, counted from 0.
    pub(super) fn step(&self, index: usize) -> Option<&Fault> {
        let past_the_end = if self.last_repeats { self.steps.last() } else { None };
        self.steps.get(index).or(past_the_end)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::super::trouble::{CallbackTrouble, Ending, FileTrouble};
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
    fn words_about_the_task_are_no_turn_of_an_arrival() {
        for prompt in [
            "[sandbox:task-never,500,file-cut,lost,callback-twice]",
            "[sandbox:500,lost,file-cut,task-never,callback-twice]",
        ] {
            assert_eq!(played(prompt), ["500", "lost", "ok", "ok"], "{prompt}");
            let script = Script::of_prompt(prompt).unwrap().unwrap();
            let expected = TaskTroubles {
                ending: Some(Ending::Never),
                generation: None,
                file: Some(FileTrouble::Cut),
                callback: Some(CallbackTrouble::Twice),
            };
            assert_eq!(script.troubles, expected);
        }
        assert_eq!(played("[sandbox:task-fail]"), ["ok"; 4]);
        assert_eq!(played("[sandbox:task-fail,500*]"), ["500"; 4]);
        for prompt in [
            "[sandbox:500,task-fail*]",
            "[sandbox:task-fail*]",
            "[sandbox:poll-500]",
            "[sandbox:upload-500]",
        ] {
            assert!(Script::of_prompt(prompt).unwrap().is_err(), "{prompt}");
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
