use std::path::{Component, Path};

use proptest::prelude::*;

use super::*;

fn row<'a>(row: u64, id: Option<&'a str>) -> NameParts<'a> {
    NameParts {
        row,
        id,
        task: "7d3f5a90c1b84e6fa2d4078b9e61c35f",
        prompt: "A paper boat, drifting — slowly! — down a rain gutter",
    }
}

fn name(template: &str, parts: &NameParts<'_>) -> String {
    template.parse::<NameTemplate>().unwrap().render(parts)
}

#[test]
fn templates_are_filled() {
    let boat = row(7, Some("boat"));
    for (template, expected) in [
        (DEFAULT_TEMPLATE, "00007-boat.mp4"),
        ("{row}", "7.mp4"),
        ("{id}.MP4", "boat.mp4"),
        ("{id}.mov", "boat.mov.mp4"),
        ("{task}.mp4", "7d3f5a90c1b84e6fa2d4078b9e61c35f.mp4"),
        (
            "{row:03} {prompt}.mp4",
            "007 a-paper-boat-drifting-slowly-down-a-rain.mp4",
        ),
        ("{{{row}}}.mp4", "{7}.mp4"),
        ("片 {row:01}.mp4", "片 7.mp4"),
    ] {
        assert_eq!(name(template, &boat), expected, "{template}");
    }
    assert_eq!(NameTemplate::default().to_string(), DEFAULT_TEMPLATE);
    assert_eq!(name("{row:03}.mp4", &row(12_345, None)), "12345.mp4");
}

#[test]
fn a_row_without_an_id_has_a_name_without_gaps() {
    let none = row(7, None);
    for (template, expected) in [
        (DEFAULT_TEMPLATE, "00007.mp4"),
        ("{id}-{row}.mp4", "7.mp4"),
        ("clip_{id}_{row}.mp4", "clip_7.mp4"),
        ("{id}.mp4", "7.mp4"),
        ("{id}", "7.mp4"),
        ("{row}-{prompt}.mp4", "7.mp4"),
    ] {
        let parts = NameParts { prompt: "…!", ..none };
        assert_eq!(name(template, &parts), expected, "{template}");
    }
}

#[test]
fn mistakes_in_a_template_are_named_with_their_place() {
    for (template, expected) in [
        (
            "{row}-{name}.mp4",
            "there is no field `{name}` (character 7): use `{row}`, `{row:05}`, `{id}`, `{task}` or `{prompt}`",
        ),
        (
            "{row:5}",
            "there is no field `{row:5}` (character 1): use `{row}`, `{row:05}`, `{id}`, `{task}` or `{prompt}`",
        ),
        (
            "{id:05}",
            "there is no field `{id:05}` (character 1): use `{row}`, `{row:05}`, `{id}`, `{task}` or `{prompt}`",
        ),
        (
            "片{row}-{id.mp4",
            "the `{` at character 8 has no partner: write `{{` for the brace itself",
        ),
        (
            "{row}}.mp4",
            "the `}` at character 6 has no partner: write `}}` for the brace itself",
        ),
        (
            "clip.mp4",
            "every video would have the same name: put `{row}`, `{id}` or `{task}` into it",
        ),
        (
            "{prompt}.mp4",
            "every video would have the same name: put `{row}`, `{id}` or `{task}` into it",
        ),
        (
            "{row}/x.mp4",
            "'/' at character 6 cannot be in the name of a file: the folder is another setting",
        ),
        (
            "{row}\u{202e}4pm.mp4",
            "'\\u{202e}' at character 6 cannot be in the name of a file",
        ),
        (
            "",
            "every video would have the same name: put `{row}`, `{id}` or `{task}` into it",
        ),
    ] {
        let error = template.parse::<NameTemplate>().unwrap_err();
        assert_eq!(error.to_string(), expected, "{template:?}");
    }
    for width in [
        "{row:0}",
        "{row:00}",
        "{row:020}",
        "{row:099999999999999999999}",
        "{row:+5}",
        "{row:}",
    ] {
        assert!(width.parse::<NameTemplate>().is_err(), "{width}");
    }
}

#[test]
fn tricks_in_an_id_stay_in_the_folder() {
    for (id, expected) in [
        ("../../etc/passwd", "_.._etc_passwd.mp4"),
        ("..", "1.mp4"),
        (".hidden", "hidden.mp4"),
        ("-rf", "rf.mp4"),
        ("a\0b\n", "a_b.mp4"),
        ("C:\\x", "C__x.mp4"),
        ("CON", "_CON.mp4"),
        ("com1.backup", "_com1.backup.mp4"),
        ("lpt² .x", "_lpt² .x.mp4"),
        ("console", "console.mp4"),
        ("com10", "com10.mp4"),
        ("end. . ", "end.mp4"),
        ("safe\u{202e}4pm.exe", "safe_4pm.exe.mp4"),
        ("一只小船 🛶", "一只小船 🛶.mp4"),
    ] {
        assert_eq!(name("{id}.mp4", &row(1, Some(id))), expected, "{id:?}");
    }
}

#[test]
fn a_long_id_is_cut_between_characters_and_leaves_the_rest_of_the_name() {
    let id = "船".repeat(1_000);
    let long = name("{id}-{row}.mp4", &row(42, Some(&id)));
    assert_eq!(long, format!("{}-42.mp4", "船".repeat(33)));
}

#[test]
fn a_taken_name_has_a_next_best() {
    assert_eq!(numbered("00001-a.mp4", 2), "00001-a-2.mp4");
    let long = format!("{}.mp4", "船".repeat(65));
    let next = numbered(&long, 4_294_967_295);
    assert!(
        next.len() <= MOST_BYTES && next.ends_with("船-4294967295.mp4"),
        "{next}"
    );
}

/// What no id may bring about, checked without the code that prevents it.
fn is_safe(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let one = matches!((components.next(), components.next()), (Some(Component::Normal(own)), None) if own == name);
    let device = Path::new(name).with_extension("").to_string_lossy().to_uppercase();
    let device = device.split('.').next().unwrap_or_default().trim_end();
    one && name.len() <= MOST_BYTES
        && name.ends_with(".mp4")
        && !name.starts_with(['.', '-', ' '])
        && !name.trim_end_matches(".mp4").ends_with([' ', '.'])
        && !name.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|', '\u{202e}', '\u{2028}'])
        && !name.chars().any(char::is_control)
        && !["CON", "PRN", "AUX", "NUL", "COM1", "COM9", "LPT1"].contains(&device)
}

proptest! {
    #[test]
    fn any_row_has_a_safe_name(
        id in prop_oneof![
            any::<String>(),
            "[./\\\\ -]{0,8}(con|PRN|aux|Nul|com1|LPT1)?[. ]{0,3}[a-z.]{0,4}",
            "[船🛶a]{0,300}",
        ],
        prompt in any::<String>(),
        task in "[!-~]{1,64}",
        number in any::<u64>(),
        template in prop::sample::select(vec![
            DEFAULT_TEMPLATE, "{id}", "{id}.mp4", "{prompt}{id}", "{task}", ".{id}", "{id}{id}{prompt}{task}{id}-{row:019}",
            "co{id}", "{id}. .mp4", "- {prompt}-{row}",
        ]),
    ) {
        let parts = NameParts { row: number, id: Some(&id), task: &task, prompt: &prompt };
        let name = name(template, &parts);
        prop_assert!(is_safe(&name), "{name:?}");
        prop_assert!(is_safe(&numbered(&name, 2)), "{name:?}");
    }

    #[test]
    fn any_text_is_a_template_or_a_mistake(text in any::<String>(), id in any::<String>()) {
        if let Ok(template) = text.parse::<NameTemplate>() {
            let name = template.render(&row(1, Some(&id)));
            prop_assert!(is_safe(&name), "{name:?}");
        }
    }
}
