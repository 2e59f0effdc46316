//! Manifests as people write them: shots of a film, each with an image and a prompt.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use fastrand::Rng;

/// The images of `samples/`, which rows with local images take turns with.
const IMAGES: [(&str, &[u8]); 3] = [
    ("harbour.jpg", include_bytes!("../../../samples/images/harbour.jpg")),
    (
        "lighthouse.png",
        include_bytes!("../../../samples/images/lighthouse.png"),
    ),
    ("kite.webp", include_bytes!("../../../samples/images/kite.webp")),
];

/// What an image is called in a manifest, and what is to be seen in it and to happen.
const SUBJECTS: [&str; 12] = [
    "a paper boat on a slow swell",
    "the lighthouse above the breakers",
    "a red kite over the dunes",
    "the old harbour with its cranes",
    "a tram in the rain",
    "the baker's shop before dawn",
    "a fox at the edge of the wood",
    "the market under its awnings",
    "a girl with a lantern",
    "the observatory on the hill",
    "two herons in the reeds",
    "the night train at the crossing",
];
const ACTIONS: [&str; 10] = [
    "the light changes from blue to gold",
    "fog drifts in from the left",
    "the wind takes hold of everything that is loose",
    "rain begins, and the ground starts to shine",
    "birds rise all at once",
    "the lamps come on one after the other",
    "snow falls in large, slow flakes",
    "a shadow passes and is gone",
    "smoke rises straight up, then bends",
    "leaves whirl across the picture",
];
const CAMERAS: [&str; 6] = [
    "the camera holds still",
    "slow push in",
    "the camera follows from behind",
    "a long pan to the right",
    "tilt up to the sky, then down again",
    "handheld, close",
];

/// Where the images of a manifest are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImagesAt {
    /// In `images/` beside it.
    Home,
    /// On the web, where nobody looks.
    Web,
}

/// A CSV manifest of `rows` shots. Every `invalid_every`-th asks for a length that is not offered.
pub(crate) fn manifest(rows: usize, images: ImagesAt, invalid_every: usize, seed: u64) -> String {
    let mut random = Rng::with_seed(seed);
    let mut text = String::from("id,prompt,image_url,duration,resolution,notes\n");
    for number in 1..=rows {
        let mut pick = |from: &[&'static str]| from[random.usize(0..from.len())];
        let (subject, action, camera) = (pick(&SUBJECTS), pick(&ACTIONS), pick(&CAMERAS));
        let (length, resolution) = match random.u8(0..10) {
            _ if number % invalid_every == 0 => ("7", "768P"),
            0 => ("10", "768P"),
            1 | 2 => ("6", "1080P"),
            _ => ("6", "768P"),
        };
        let image = match images {
            ImagesAt::Home => format!("images/{}", IMAGES[number % IMAGES.len()].0),
            ImagesAt::Web => format!("https://img.example.org/shots/{number:05}.jpg"),
        };
        let note = if number % 40 == 1 { "opening of a scene" } else { "" };
        writeln!(
            text,
            "shot-{number:04},\"{}{}: {action}; {camera} (take {number})\",{image},{length},{resolution},{note}",
            subject[..1].to_uppercase(),
            &subject[1..],
        )
        .unwrap();
    }
    text
}

/// Puts the images beside a manifest.
pub(crate) fn put_images(folder: &Path) {
    fs::create_dir_all(folder.join("images")).unwrap();
    for (name, bytes) in IMAGES {
        fs::write(folder.join("images").join(name), bytes).unwrap();
    }
}
