//! The video itself: one small clip, and a mark that makes each task's file its own.

use bytes::Bytes;

use crate::sandbox::task::TaskId;

/// Two seconds of a paper boat, made by `clip/make.sh`.
const CLIP: &[u8] = include_bytes!("../clip/clip.mp4");

/// The file of a task: the clip, and the task's id in a box of the type `free`, which players skip.
pub(super) fn file_of(id: TaskId) -> Bytes {
    let id = id.to_string();
    // A box is its length in four bytes, which count too, its type in four, and its content.
    let length = u32::try_from(8 + id.len()).unwrap_or(8);
    [CLIP, &length.to_be_bytes(), b"free", id.as_bytes()].concat().into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::clock::UnixMillis;
    use crate::sandbox::task::Task;
    use crate::sandbox::trouble::{Ending, FileTrouble};

    use super::*;

    /// The types of a file's outermost boxes.
    fn boxes(mut file: &[u8]) -> Vec<String> {
        let mut types = Vec::new();
        while !file.is_empty() {
            let length = u32::from_be_bytes(file[..4].try_into().unwrap());
            types.push(String::from_utf8(file[4..8].to_vec()).unwrap());
            file = &file[usize::try_from(length).unwrap()..];
        }
        types
    }

    #[test]
    fn a_file_is_an_mp4_of_its_own() {
        let file = || {
            let task = Task::new(UnixMillis(1), Duration::ZERO, 30, Ending::Video, FileTrouble::None);
            (task.id.to_string(), file_of(task.id))
        };
        let ((id, one), (_, other)) = (file(), file());
        assert_ne!(one, other);
        assert!(one.ends_with(id.as_bytes()));
        let types = boxes(&one);
        assert_eq!(
            (types[0].as_str(), types[1].as_str()),
            ("ftyp", "moov"),
            "the index comes before the pictures"
        );
        assert_eq!(types.last().unwrap(), "free");
        assert!(one.len() < 60_000, "{}", one.len());
    }
}
