//! The job file: every setting with its help, and all but the manifest switched off.

use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

use crate::escape;
use crate::job::options::{self, OptionText};
use crate::template::TemplateError;

/// Where prose ends, in characters.
const WIDTH: usize = 100;

/// A job file that will stand at `path`, for the manifest at `manifest`; both as the user gives them, and both as seen from
/// the same folder.
pub fn job_file(path: &Path, manifest: &Path) -> Result<String, TemplateError> {
    let not_text = |path: &Path| TemplateError::NotText { path: path.to_owned() };
    let reference = from_folder_of(path, manifest).map_err(|source| TemplateError::Write {
        path: path.to_owned(),
        source,
    })?;
    let reference = reference.to_str().ok_or_else(|| not_text(manifest))?;
    let own_name = path.to_str().ok_or_else(|| not_text(path))?;
    let run = escape::for_shell(&["hailuo-batch", "run", "--job", own_name].map(str::to_owned));

    let mut text = String::new();
    for paragraph in [
        format!("The settings of a batch. `{run}` takes them."),
        "Every setting is here with its help, switched off: take the `#` in front of a key away to switch it on. What \
         stands behind the `=` is an example, not the default. A flag `--max-attempts` in these texts is the key \
         `max_attempts`."
            .to_owned(),
        "A flag on the command line wins over the environment (HAILUO_BATCH_RATE for --rate), and the environment over this \
         file. Paths are relative to this file's folder. The API key does not belong in here: set KIE_API_KEY, or name a file \
         that holds it with `api_key_file`."
            .to_owned(),
    ] {
        comment(&mut text, &paragraph);
        text.push_str("#\n");
    }
    text.truncate(text.len() - "#\n".len());
    let mut heading = String::new();
    for option in options::all() {
        if option.heading != heading {
            heading.clone_from(&option.heading);
            write!(text, "\n\n# ---- {heading} ----\n").expect("a string takes text");
        }
        push_option(&mut text, &option, reference);
    }
    Ok(text)
}

fn push_option(text: &mut String, option: &OptionText, manifest: &str) {
    text.push('\n');
    comment(text, &format!("{}.", option.summary.trim_end_matches('.')));
    if option.key == "manifest" {
        writeln!(text, "manifest = {}", quoted(manifest)).expect("a string takes text");
        return;
    }
    let mut details = option.details.clone();
    if !option.words.is_empty() {
        let words: Vec<String> = option.words.iter().map(|word| format!("\"{word}\"")).collect();
        write!(details, " One of {}.", words.join(", ")).expect("a string takes text");
    }
    comment(text, details.trim_start());
    writeln!(text, "#{} = {}", option.key, option.example).expect("a string takes text");
}

/// Appends `prose` as comment lines, of which each begins with `# `. A key that is switched off has no space behind its `#`.
fn comment(text: &mut String, prose: &str) {
    let mut length = 0;
    for word in prose.split_whitespace() {
        let longer = length + 1 + word.chars().count();
        if length > 0 && longer <= WIDTH {
            text.push(' ');
            length = longer;
        } else {
            text.push_str(if length > 0 { "\n# " } else { "# " });
            length = 2 + word.chars().count();
        }
        text.push_str(word);
    }
    if length > 0 {
        text.push('\n');
    }
}

/// How to get from the folder of `file` to `target`.
fn from_folder_of(file: &Path, target: &Path) -> std::io::Result<PathBuf> {
    if target.is_absolute() {
        return Ok(target.to_owned());
    }
    let (file, target) = (std::path::absolute(file)?, std::path::absolute(target)?);
    let folder = file.parent().unwrap_or(Path::new("/"));
    if [folder, &target]
        .iter()
        .any(|path| path.components().any(|part| part == Component::ParentDir))
    {
        // What `..` leads to may be a link: only the system knows.
        return Ok(target);
    }
    let shared = folder.components().zip(target.components());
    let shared = shared.take_while(|(one, other)| one == other).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    Ok(up.chain(target.components().skip(shared)).collect())
}

/// A TOML string.
fn quoted(value: &str) -> String {
    let mut text = String::from('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            odd if odd.is_control() => write!(text, "\\u{:04X}", u32::from(odd)).expect("a string takes text"),
            plain => text.push(plain),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Settings;
    use crate::job::file;

    fn template() -> String {
        job_file(Path::new("shots.toml"), Path::new("shots.xlsx")).unwrap()
    }

    fn parsed(text: &str) -> Settings {
        file::parse(Path::new("shots.toml"), text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// The settings that are switched off, as they stand there.
    fn switched_off(text: &str) -> impl Iterator<Item = &str> {
        text.lines()
            .filter_map(|line| line.strip_prefix('#'))
            .filter(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
    }

    #[test]
    fn it_sets_the_manifest_and_nothing_else() {
        let settings = parsed(&template());
        assert_eq!(settings, parsed("manifest = \"shots.xlsx\""));
        assert_eq!(settings.files.manifest.as_deref(), Some(Path::new("shots.xlsx")));
    }

    #[test]
    fn every_setting_is_there_and_can_be_switched_on() {
        let text = template();
        let lines: Vec<&str> = switched_off(&text).collect();
        let options = options::all();
        let keys: Vec<&str> = options.iter().map(|option| option.key.as_str()).collect();
        let told: Vec<&str> = lines.iter().map(|line| line.split(" = ").next().unwrap()).collect();
        assert_eq!(told, keys[1..], "all but the manifest");
        let nothing = parsed(&text);
        for line in &lines {
            let one_on = text.replacen(&format!("\n#{line}\n"), &format!("\n{line}\n"), 1);
            assert_ne!(parsed(&one_on), nothing, "{line}");
        }
        let mut all_on = text.clone();
        for line in &lines {
            all_on = all_on.replacen(&format!("\n#{line}\n"), &format!("\n{line}\n"), 1);
        }
        assert_eq!(switched_off(&all_on).count(), 0);
        parsed(&all_on);
    }

    #[test]
    fn it_reads_well() {
        let text = template();
        let (preamble, _) = text.split_once("\n\n").unwrap();
        insta::assert_snapshot!(preamble, @"
        # The settings of a batch. `hailuo-batch run --job shots.toml` takes them.
        #
        # Every setting is here with its help, switched off: take the `#` in front of a key away to switch
        # it on. What stands behind the `=` is an example, not the default. A flag `--max-attempts` in these
        # texts is the key `max_attempts`.
        #
        # A flag on the command line wins over the environment (HAILUO_BATCH_RATE for --rate), and the
        # environment over this file. Paths are relative to this file's folder. The API key does not belong
        # in here: set KIE_API_KEY, or name a file that holds it with `api_key_file`.
        ");
        let block = text.split("\n\n").find(|block| block.contains("#on_unknown")).unwrap();
        insta::assert_snapshot!(block, @r#"
        # Hold rows whose request got no answer, or send them again.
        # Sent again, a row may be paid for twice. Default: hold. One of "hold", "resubmit".
        #on_unknown = "hold"
        "#);
        assert!(text.contains("\n\n\n# ---- Money ----\n\n# "), "{text}");
        for line in text.lines() {
            let is_setting = !line.starts_with("# ");
            assert!(line.chars().count() <= WIDTH || is_setting, "{line}");
        }
    }

    #[test]
    fn the_manifest_is_found_from_the_job_files_folder() {
        for (job, manifest, expected) in [
            ("shots.toml", "shots.xlsx", "shots.xlsx"),
            ("jobs/night.toml", "shots.xlsx", "../shots.xlsx"),
            ("night.toml", "in/shots.xlsx", "in/shots.xlsx"),
            ("a/b/night.toml", "a/c/shots.xlsx", "../c/shots.xlsx"),
            ("night.toml", "/srv/shots.xlsx", "/srv/shots.xlsx"),
        ] {
            let found = from_folder_of(Path::new(job), Path::new(manifest)).unwrap();
            assert_eq!(found, Path::new(expected), "{job}, {manifest}");
        }
        let found = from_folder_of(Path::new("../night.toml"), Path::new("shots.xlsx")).unwrap();
        assert_eq!(found, std::path::absolute("shots.xlsx").unwrap());
    }

    #[test]
    fn any_name_of_a_manifest_is_read_back() {
        for name in ["Ölhafen 港.xlsx", "a\"b\\c.xlsx", "tab\tand\u{7f}.xlsx", "it's.xlsx"] {
            let text = job_file(Path::new("shots.toml"), Path::new(name)).unwrap();
            assert_eq!(parsed(&text).files.manifest.as_deref(), Some(Path::new(name)), "{text}");
        }
    }
}
