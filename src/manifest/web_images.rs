//! What looks at the images on the web have found, as problems of the rows that name them.

use std::path::Path;

use crate::finding::Finding;
use crate::image::{Fault, MOST_BYTES};
use crate::manifest::images::{problem, problem_of_fault};
use crate::manifest::problem::grouped;
use crate::manifest::{
    Field, Images, Manifest, ManifestError, Problem, Reading, Repeat, Row, Rule, Severity, Survey, web_url,
};

impl Survey {
    /// Reads the manifest again, and takes in what `finding` knows of each row's image on the web (see
    /// [`Row::web_image`]): problems, and rows that are invalid because of them. To be called once.
    pub fn take_in_findings<'f>(
        &mut self,
        path: &Path,
        reading: &Reading,
        images: &mut Images,
        finding: impl Fn(&str) -> Option<&'f Finding>,
    ) -> Result<(), ManifestError> {
        let mut manifest = Manifest::open(path, reading, images)?;
        let mut row = Row::default();
        while manifest.read(&mut row)? {
            let found = row.web_image().and_then(|address| Some((address, finding(address)?)));
            let Some((address, finding)) = found else { continue };
            let is_told = |problem: &Problem| problem.rule == Rule::UnreachableHost && problem.is_of(Field::ImageUrl);
            if matches!(finding, Finding::Private(_)) && row.problems().iter().any(is_told) {
                // That it is private was said already, and what to do about it.
                continue;
            }
            let problems = problems_of(address, finding);
            for problem in &problems {
                self.report.add(Some(row.number()), row.line(), problem);
            }
            let is_error = |problem: &Problem| problem.severity() == Severity::Error;
            let repeats_id = matches!(self.repeats.of(row.number()), Repeat::SameId { .. });
            if let Some(choice) = row.choice.filter(|_| !repeats_id && problems.iter().any(is_error)) {
                self.invalid += 1;
                self.valid_by_kind.remove(choice.length, choice.resolution);
            }
        }
        self.report.sort();
        manifest.expect_same(self.fingerprint)
    }
}

pub(super) fn problems_of(address: &str, finding: &Finding) -> Vec<Problem> {
    let shown = web_url::shown(address);
    let with = |words: &str| match words {
        "" => shown.clone(),
        words => format!("{shown}: {words}"),
    };
    match finding {
        Finding::Faulty(faults) => faults
            .iter()
            .map(|fault| match fault {
                // Where the length is not announced nobody counts further than this.
                Fault::TooLarge { bytes } if *bytes == MOST_BYTES + 1 => problem(
                    Rule::ImageTooLarge,
                    format!("{shown} has {} bytes or more", grouped(*bytes)),
                ),
                fault => problem_of_fault(&shown, fault),
            })
            .collect(),
        Finding::NotThere(words) => vec![problem(Rule::ImageNotThere, with(words))],
        Finding::Page(words) => vec![problem(Rule::ImageIsAPage, with(words))],
        Finding::Unreached(words) => vec![problem(Rule::ImageUnreachable, with(words))],
        Finding::Private(words) => vec![problem(Rule::ImagePrivate, with(words))],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs;

    use super::*;
    use crate::image::Dimensions;
    use crate::manifest::survey;

    const TINY: Dimensions = Dimensions { width: 16, height: 900 };

    /// A survey of this manifest, with these findings taken in.
    fn checked(text: &str, findings: &[(&str, Finding)]) -> Survey {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clips.csv");
        fs::write(&path, text).unwrap();
        let mut images = Images::beside(&path, false);
        let mut survey = survey(&path, &Reading::default(), &mut images, |_| {}).unwrap();
        let findings: HashMap<&str, Finding> = findings.iter().cloned().collect();
        survey
            .take_in_findings(&path, &Reading::default(), &mut images, |address| findings.get(address))
            .unwrap();
        survey
    }

    #[test]
    fn an_error_makes_each_of_its_rows_invalid_once_and_a_warning_none() {
        let text = "id,prompt,image_url,duration\n\
                    a,x,https://img.example.org/gone.png,6\n\
                    b,x,https://img.example.org/good.png,6\n\
                    c,x,https://img.example.org/tiny.png,10\n\
                    d,x,https://img.example.org/gone.png,7\n\
                    a,y,https://img.example.org/gone.png,6\n\
                    e,x,https://img.example.org/closed.png,10\n\
                    f,x,local.png,6\n";
        let address = |name: &str| format!("https://img.example.org/{name}.png");
        let survey = checked(
            text,
            &[
                (&address("gone"), Finding::NotThere("HTTP 404".into())),
                (
                    &address("tiny"),
                    Finding::Faulty(vec![Fault::TooSmall(TINY), Fault::TooNarrow(TINY)]),
                ),
                (&address("closed"), Finding::Unreached("HTTP 403".into())),
                // Nobody looks at this one on the web.
                ("local.png", Finding::NotThere("HTTP 404".into())),
            ],
        );
        assert_eq!((survey.rows, survey.invalid, survey.valid_by_kind.total()), (7, 5, 2));
        let found: Vec<(Rule, Vec<u32>)> = survey
            .report
            .groups
            .iter()
            .map(|group| (group.rule, group.places.iter().map(|place| place.line).collect()))
            .collect();
        assert_eq!(
            found,
            [
                (Rule::ImageNotThere, vec![2, 5, 6]),
                (Rule::ImageTooSmall, vec![4]),
                (Rule::ImageTooNarrow, vec![4]),
                (Rule::Duration, vec![5]),
                (Rule::RepeatedId, vec![6]),
                (Rule::ImageUnreachable, vec![7]),
                (Rule::ImageMissing, vec![8]),
            ]
        );
        assert_eq!(
            survey.report.groups[0].places[0].found,
            "https://img.example.org/gone.png: HTTP 404"
        );
    }

    #[test]
    fn problems_of_local_images_and_of_those_on_the_web_stand_in_the_order_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clips.csv");
        let text = "prompt,image_url\na,https://img.example.org/1.gif\nb,2.gif\nc,https://img.example.org/3.gif\n";
        fs::write(&path, text).unwrap();
        fs::write(folder.path().join("2.gif"), b"GIF89a\x01\0\x01\0").unwrap();
        let mut images = Images::beside(&path, false);
        let mut survey = survey(&path, &Reading::default(), &mut images, |_| {}).unwrap();
        let finding = Finding::Faulty(vec![Fault::NotAnImage("a GIF image")]);
        survey
            .take_in_findings(&path, &Reading::default(), &mut images, |_| Some(&finding))
            .unwrap();
        let [group] = survey.report.groups.as_slice() else {
            panic!("{:?}", survey.report)
        };
        let places: Vec<(u32, &str)> = group.places.iter().map(|place| (place.line, &*place.found)).collect();
        assert_eq!(
            places,
            [
                (2, "https://img.example.org/1.gif is a GIF image"),
                (3, "2.gif is a GIF image"),
                (4, "https://img.example.org/3.gif is a GIF image"),
            ]
        );
    }

    #[test]
    fn a_manifest_that_changed_in_between_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clips.csv");
        fs::write(&path, "prompt,image_url\na,https://img.example.org/1.png\n").unwrap();
        let mut images = Images::beside(&path, false);
        let mut survey = survey(&path, &Reading::default(), &mut images, |_| {}).unwrap();
        fs::write(&path, "prompt,image_url\na,https://img.example.org/2.png\n").unwrap();
        let outcome = survey.take_in_findings(&path, &Reading::default(), &mut images, |_| None);
        assert!(matches!(outcome, Err(ManifestError::Changed { .. })), "{outcome:?}");
    }

    /// What counts as bad is said in two places: of a finding, and of the rules it breaks.
    #[test]
    fn a_finding_is_bad_where_its_problems_are_errors() {
        let words = || "words".to_owned();
        let faults = [
            Fault::Empty,
            Fault::NotAnImage("text"),
            Fault::TooLarge { bytes: MOST_BYTES + 1 },
            Fault::TooSmall(TINY),
            Fault::TooNarrow(TINY),
            Fault::Unmeasured,
        ];
        let mut findings: Vec<Finding> = faults.map(|fault| Finding::Faulty(vec![fault])).into();
        findings.extend([
            Finding::NotThere(words()),
            Finding::Page(words()),
            Finding::Unreached(words()),
            Finding::Private(words()),
        ]);
        for finding in findings {
            let problems = problems_of("https://img.example.org/1.png", &finding);
            assert!(!problems.is_empty());
            let is_error = problems.iter().any(|problem| problem.severity() == Severity::Error);
            assert_eq!(finding.is_bad(), is_error, "{finding:?}");
        }
    }

    #[test]
    fn only_addresses_that_lead_somewhere_are_images_on_the_web() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clips.csv");
        let addresses = [
            ("https://img.example.org/1.png", true),
            ("http://10.0.0.1/1.png", true),
            ("  https://img.example.org/2.png ", true),
            ("https://ann:secret@img.example.org/1.png", false),
            ("https://img.example.org/1.png https://img.example.org/2.png", false),
            ("ftp://img.example.org/1.png", false),
            ("1.png", false),
            ("", false),
        ];
        let rows: String = addresses.iter().map(|(address, _)| format!("x,{address}\n")).collect();
        fs::write(&path, format!("prompt,image_url\n{rows}")).unwrap();
        let mut seen = Vec::new();
        survey(&path, &Reading::default(), &mut Images::beside(&path, false), |row| {
            seen.push(row.web_image().map(str::to_owned));
        })
        .unwrap();
        let expected = addresses.map(|(address, is_one)| is_one.then(|| address.trim().to_owned()));
        assert_eq!(seen, expected);
    }
}
