//! Style, scripts and the icon, as they stand in `assets/`: plain files without a build step.
//!
//! The scripts are ES modules, so that editors know what belongs to what. What is sent is one file for each document:
//! the modules one behind the other, without their imports and exports. So a report can hold them inside of it, and a
//! browser never mixes the modules of two versions.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// A file that the page asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// Its bytes.
    pub body: &'static [u8],
    /// What they are, for the header of this name.
    pub content_type: &'static str,
}

/// For all documents.
pub(super) const STYLE: &str = include_str!("assets/page.css");

/// For the tab of a browser.
pub(super) const ICON: &str = include_str!("assets/icon.svg");

const TEXT: &str = include_str!("assets/text.js");
const VIRTUAL: &str = include_str!("assets/virtual.js");
const DETAIL: &str = include_str!("assets/detail.js");
const ROWS: &str = include_str!("assets/rows.js");
const LIVE: &str = include_str!("assets/live.js");
const LOGIN: &str = include_str!("assets/login.js");
const REPORT: &str = include_str!("assets/report.js");

/// What the live page runs.
static PAGE_SCRIPT: LazyLock<String> = LazyLock::new(|| joined(&[TEXT, VIRTUAL, DETAIL, ROWS, LIVE]));

/// What the report runs.
pub(super) static REPORT_SCRIPT: LazyLock<String> = LazyLock::new(|| joined(&[TEXT, VIRTUAL, DETAIL, ROWS, REPORT]));

/// The file of this name; `None`: there is none.
pub fn asset(name: &str) -> Option<Asset> {
    let (body, content_type) = match name {
        "page.css" => (STYLE, "text/css; charset=utf-8"),
        "page.js" => (PAGE_SCRIPT.as_str(), "text/javascript; charset=utf-8"),
        "login.js" => (LOGIN, "text/javascript; charset=utf-8"),
        "icon.svg" => (ICON, "image/svg+xml"),
        _ => return None,
    };
    Some(Asset {
        body: body.as_bytes(),
        content_type,
    })
}

/// The address of a file in the page. It changes with what is in the file, so that it can be kept for ever.
pub(super) fn address(name: &'static str) -> String {
    let body = asset(name).map_or(&[][..], |asset| asset.body);
    let digest = Sha256::digest(body);
    let version: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("assets/{name}?v={version}")
}

/// The modules as one, in an order in which each comes behind what it needs.
fn joined(modules: &[&str]) -> String {
    let mut script = String::new();
    for line in modules.iter().flat_map(|module| module.lines()) {
        if line.starts_with("import ") {
            continue;
        }
        script.push_str(line.strip_prefix("export ").unwrap_or(line));
        script.push('\n');
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const MODULES: [(&str, &str); 6] = [
        ("text.js", TEXT),
        ("virtual.js", VIRTUAL),
        ("detail.js", DETAIL),
        ("rows.js", ROWS),
        ("live.js", LIVE),
        ("report.js", REPORT),
    ];

    #[test]
    fn modules_can_be_put_one_behind_the_other() {
        let mut names = BTreeSet::new();
        for (index, (file, module)) in MODULES.iter().enumerate() {
            for line in module.lines().filter(|line| line.starts_with("import ")) {
                let before = MODULES[..index]
                    .iter()
                    .any(|(name, _)| line.ends_with(&format!(" from './{name}';")));
                assert!(before, "{file}: {line}");
            }
            for line in module.lines() {
                assert!(
                    !line.starts_with("export {") && !line.starts_with("export default"),
                    "{file}: {line}"
                );
                let mut words = line.strip_prefix("export ").unwrap_or(line).split([' ', '(', ';']);
                let word = words.next().unwrap();
                if ["const", "let", "class", "function", "async"].contains(&word) {
                    let name = words.find(|word| *word != "function").unwrap();
                    assert!(!names.contains(name), "{file}: a second {name}");
                    // These two never meet.
                    if !["live.js", "report.js"].contains(file) {
                        names.insert(name.to_owned());
                    }
                }
            }
        }
        assert!(!PAGE_SCRIPT.contains("\nimport ") && !PAGE_SCRIPT.contains("\nexport "));
    }

    /// A report holds them inside of its elements.
    #[test]
    fn nothing_in_them_ends_the_element_that_holds_it() {
        for text in [STYLE, PAGE_SCRIPT.as_str(), REPORT_SCRIPT.as_str(), LOGIN] {
            assert!(!text.contains("</") && !text.contains("<!--"));
        }
    }

    #[test]
    fn every_file_has_a_type_and_its_address_a_version() {
        for name in ["page.css", "page.js", "login.js", "icon.svg"] {
            let Asset { body, content_type } = asset(name).unwrap();
            assert!(!body.is_empty() && content_type.contains('/'));
            assert_eq!(address(name).len(), format!("assets/{name}?v=").len() + 12);
        }
        assert_eq!(asset("../page.css"), None);
    }
}
