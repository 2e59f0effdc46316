//! The encoding of text that is neither Unicode nor ASCII: several readings, and which of them makes sense.
//!
//! Two witnesses that know nothing of each other are heard: [`weigh`], which knows the languages that most manifests are
//! in, and the detector of a browser, which knows many more and is better at telling apart what is written in Latin
//! letters. Sure is what both agree on, with enough evidence, and what a header says that is recognised in one reading
//! only. Everything else is a guess, and said to be one.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::DecoderResult;
use memchr::memchr_iter;

use crate::escape;
use crate::manifest::text::Encoding;
use crate::manifest::text::detect::Detected;
use crate::manifest::text::detect::evidence::{Language, Weight, weigh};
use crate::manifest::text::detect::sample::Sample;

/// An encoding, the languages that are usually written in it, and how rare it is, in bits.
#[derive(Debug, Clone, Copy)]
struct Candidate(Encoding, &'static [Language], u32);

/// What our own evidence can tell.
const CANDIDATES: [Candidate; 7] = [
    Candidate(Encoding::GB18030, &[Language::Simplified, Language::Traditional], 4),
    Candidate(Encoding::WINDOWS_1252, &[Language::Western], 4),
    Candidate(Encoding::BIG5, &[Language::Traditional], 4),
    Candidate(Encoding::SHIFT_JIS, &[Language::Japanese], 4),
    Candidate(Encoding::EUC_KR, &[Language::Korean], 4),
    Candidate(Encoding::EUC_JP, &[Language::Japanese], 12),
    Candidate(Encoding::MAC_ROMAN, &[Language::Western], 12),
];

/// Where too little is written in it to be sure.
const UTF_8: Candidate = Candidate(Encoding::UTF_8, &Language::ALL, 0);

/// How rare a language is in an encoding that others are written in.
const AWAY_FROM_HOME_BITS: u32 = 20;

/// By how many bits the best reading has to beat the next one to be sure. Twice as many as exact figures would need.
const SURE_BITS: u32 = 40;

/// The same for UTF-8, which bytes in other encodings seldom are by chance, if all letters are typical of a language.
const SURE_UTF8_BITS: u32 = 14;

/// How many letters beyond ASCII make sure. In fewer the languages of Europe have nothing that tells them apart, and a
/// Russian word can be good Chinese.
const SURE_LETTERS: u32 = 8;

/// Of so many lines one may be broken, cut within a character perhaps, without speaking against a reading.
const LINES_FOR_A_BROKEN_ONE: usize = 20;

/// Longest sample of a guess, in characters.
const MOST_SHOWN: usize = 60;

/// How many characters of ASCII stand before the first others in it.
const SHOWN_BEFORE: usize = 12;

/// How much of a sample is looked at first. Nearly always that is enough, at a tenth of the cost.
const FIRST_LOOK_BYTES: usize = 4 << 10;

/// The encoding that makes most sense of `sample`, which is not UTF-8 for sure.
pub(super) fn judge(sample: &Sample, head: &[u8], header_score: &dyn Fn(&str) -> u32) -> Detected {
    let first_look = sample
        .thinned(FIRST_LOOK_BYTES)
        .map(|some| judge_all(&some, head, header_score));
    match first_look {
        Some(detected) if detected.is_sure => detected,
        _ => judge_all(sample, head, header_score),
    }
}

fn judge_all(sample: &Sample, head: &[u8], header_score: &dyn Fn(&str) -> u32) -> Detected {
    let readings = Readings::of(sample, head, header_score);
    match sample.without_broken_lines(readings.best().encoding) {
        Some(rest) => Readings::of(&rest, head, header_score).verdict(&rest),
        None => readings.verdict(sample),
    }
}

/// What the sample says in each encoding.
struct Readings {
    /// The likeliest first. In all of them the header says the same.
    all: Vec<Reading>,
    /// Others were left out because in them the header says nothing.
    from_header: bool,
}

impl Readings {
    fn of(sample: &Sample, head: &[u8], header_score: &dyn Fn(&str) -> u32) -> Readings {
        let utf8 = (sample.utf8.invalid_lines == 0).then_some(UTF_8);
        let candidates = utf8.into_iter().chain(CANDIDATES);
        let all = candidates.filter_map(|candidate| Reading::of(sample, candidate));
        let mut readings = Readings {
            all: all.collect(),
            from_header: false,
        };
        readings.ask_header(head, header_score);
        readings.all.sort_by_key(|reading| reading.cost);
        readings
    }

    /// Leaves the readings in which the header names most columns, if it names more of them than its ASCII alone does.
    fn ask_header(&mut self, head: &[u8], header_score: &dyn Fn(&str) -> u32) {
        if head.is_ascii() {
            return;
        }
        let character = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '\u{fffd}' };
        let ascii: String = head.iter().map(character).collect();
        let score = |reading: &Reading| header_score(&decode(head, reading.encoding, false).0);
        let scores: Vec<u32> = self.all.iter().map(score).collect();
        let most = scores.iter().copied().max().unwrap_or(0);
        if most > header_score(&ascii) {
            let mut scores = scores.into_iter();
            self.all.retain(|_| scores.next() == Some(most));
            self.from_header = true;
        }
    }

    /// UTF-8 where the bytes are that and the header does not speak against it: what is not UTF-8 seldom is by chance, and a
    /// manifest that was read well yesterday is read well today. Else the likeliest; there is one, as Windows-1252 makes
    /// something of all bytes.
    fn best(&self) -> &Reading {
        let utf8 = self.all.iter().find(|reading| reading.encoding.is_utf8());
        utf8.unwrap_or(&self.all[0])
    }

    fn verdict(self, sample: &Sample) -> Detected {
        let best = self.best();
        // What reads the same is no rival: it does not matter which of them it is.
        let rival = self.all.iter().find(|reading| reading.text != best.text);
        let margin = rival.map_or(u32::MAX, |rival| rival.cost.saturating_sub(best.cost));
        let guess = browsers_guess(sample);
        let browser = Reading::of(sample, Candidate(guess, &[], 0));
        let is_clear = if best.encoding.is_utf8() {
            // A dash or an emoji will do.
            let is_ordinary = best.weight.typical == best.weight.letters;
            best.weight.odd == 0
                && margin
                    >= if is_ordinary {
                        SURE_UTF8_BITS
                    } else {
                        2 * SURE_UTF8_BITS
                    }
        } else {
            margin >= SURE_BITS
                && best.weight.letters >= SURE_LETTERS
                && best.is_plausible()
                && browser.as_ref().is_some_and(|browser| browser.text == best.text)
                && !sample.utf8.is_mixed()
                // A line that is UTF-8 by chance occurs in Chinese, and hardly where each letter is a byte.
                && !(best.encoding.is_single_byte() && sample.utf8.has_valid_lines())
        };
        let is_sure = is_clear || (self.from_header && rival.is_none());
        let is_ours = self.from_header || best.encoding.is_utf8() || best.is_plausible();
        let chosen = match &browser {
            Some(browser) if !is_ours && browser.malformed == 0 => browser,
            _ => best,
        };
        Detected {
            is_sure,
            sample: (!is_sure).then(|| excerpt(&chosen.text)),
            ..Detected::sure(chosen.encoding)
        }
    }
}

/// The sample as text in one encoding.
struct Reading {
    encoding: Encoding,
    text: String,
    /// Sequences of bytes that are no text.
    malformed: usize,
    /// Bits, with those for the rarity of the language in this encoding.
    cost: u32,
    weight: Weight,
}

impl Reading {
    /// Nothing if there is more nonsense in it than broken lines can explain: weighing it would be a waste of time.
    fn of(sample: &Sample, Candidate(encoding, home, rarity): Candidate) -> Option<Reading> {
        let (text, malformed) = decode(&sample.text, encoding, !sample.is_cut);
        if malformed > 8 + memchr_iter(b'\n', &sample.text).count() / 8 {
            return None;
        }
        let cost = |weight: &Weight| {
            let is_home = home.contains(&weight.language);
            weight.cost + rarity + if is_home { 0 } else { AWAY_FROM_HOME_BITS }
        };
        let weight = weigh(&text).into_iter().min_by_key(cost).expect("there are languages");
        Some(Reading {
            encoding,
            text,
            malformed,
            cost: cost(&weight),
            weight,
        })
    }

    /// Whether it looks like text in a language we know.
    fn is_plausible(&self) -> bool {
        self.malformed == 0 && self.weight.is_plausible()
    }
}

impl Sample {
    /// Lines from all over the sample, of about so many bytes together; nothing if there are not many more.
    fn thinned(&self, bytes: usize) -> Option<Sample> {
        let every = self.text.len() / bytes;
        if every < 2 || self.is_cut {
            return None;
        }
        let lines = self.text.split_inclusive(|byte| *byte == b'\n');
        Some(Sample {
            text: lines.step_by(every).flatten().copied().collect(),
            ..*self
        })
    }

    /// The same without the lines that are no text in `encoding`, if these are a few.
    fn without_broken_lines(&self, encoding: Encoding) -> Option<Sample> {
        let lines = || self.text.split_inclusive(|byte| *byte == b'\n');
        let is_whole = |line: &&[u8]| decode(line, encoding, true).1 == 0;
        let text: Vec<u8> = lines().filter(is_whole).flatten().copied().collect();
        let count = lines().count();
        let broken = count - lines().filter(is_whole).count();
        if broken == 0 || broken * LINES_FOR_A_BROKEN_ONE > count {
            return None;
        }
        Some(Sample {
            text,
            is_cut: false,
            ..*self
        })
    }
}

fn browsers_guess(sample: &Sample) -> Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    // Told that a cut text is complete, it would find every encoding broken.
    detector.feed(&sample.text, !sample.is_cut);
    Encoding::of(detector.guess(None, Utf8Detection::Allow))
}

/// The text, with `U+FFFD` for each sequence that is none, and how many of those there are.
fn decode(bytes: &[u8], encoding: Encoding, is_complete: bool) -> (String, usize) {
    let mut decoder = encoding.inner().new_decoder_without_bom_handling();
    let most = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len());
    let mut text = String::with_capacity(most);
    let (mut at, mut malformed) = (0, 0);
    loop {
        let (result, read) = decoder.decode_to_string_without_replacement(&bytes[at..], &mut text, is_complete);
        at += read;
        match result {
            DecoderResult::InputEmpty => return (text, malformed),
            DecoderResult::OutputFull => text.reserve(most),
            DecoderResult::Malformed(..) => {
                malformed += 1;
                text.push('\u{fffd}');
            }
        }
    }
}

/// The first stretch with text beyond ASCII, for people to see whether it makes sense.
fn excerpt(text: &str) -> String {
    let line = text.lines().find(|line| !line.is_ascii()).unwrap_or_default();
    let ascii = line.find(|character: char| !character.is_ascii()).unwrap_or(0);
    let begin = ascii.saturating_sub(SHOWN_BEFORE);
    let shown = escape::excerpt(&line[begin..], MOST_SHOWN);
    if begin == 0 { shown } else { format!("…{shown}") }
}
