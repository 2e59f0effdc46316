//! The live page, and the door before it.

use crate::view::Overview;

use super::assets::address;
use super::markup::{Html, html, put};
use super::sections::{Section, sections};

/// The live page, complete: a script only keeps it up to date and lists the rows.
pub fn page(overview: &Overview) -> String {
    let mut html = html!(
        r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{} · hailuo-batch</title>
<link rel="icon" href="{}" type="image/svg+xml">
<link rel="stylesheet" href="{}">
<script type="module" src="{}"></script>
</head>
<body>
<a class="skip" href="#rows-heading">Skip to the rows</a>
{}
<header class="top">
"##,
        overview.name,
        address("icon.svg"),
        address("page.css"),
        address("page.js"),
        patterns(),
    );
    let sections = sections(overview);
    put!(html, "{}", placed(&sections, "head"));
    put!(
        html,
        r#"<p id="connection" class="connection" role="status" aria-live="polite"></p>
</header>
<main id="main">
{}<div class="columns">
{}</div>
{}
</main>
<footer class="bottom"><p><a href="report.html" download>Download this as a report</a> · hailuo-batch {}</p></footer>
</body>
</html>
"#,
        all_placed(&sections, &["now", "counts", "timeline"]),
        all_placed(&sections, &["money", "outcomes"]),
        html!("{}{}", all_placed(&sections, &["times", "problems"]), rows()),
        env!("CARGO_PKG_VERSION"),
    );
    html.into_string()
}

/// The door before the page: it asks for the token that the command was given (`--token-file`). `wrong`: the last one was
/// not it.
pub fn login(name: &str, wrong: bool) -> String {
    let mut html = html!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{} · hailuo-batch</title>
<link rel="icon" href="{}" type="image/svg+xml">
<link rel="stylesheet" href="{}">
<script type="module" src="{}"></script>
</head>
<body class="door">
<main>
<h1><bdi>{}</bdi></h1>
<form method="post" action="login">
<label for="token">Token</label>
"#,
        name,
        address("icon.svg"),
        address("page.css"),
        address("login.js"),
        name,
    );
    let described = if wrong { "wrong" } else { "help" };
    put!(
        html,
        r#"<input id="token" name="token" type="password" required autofocus autocomplete="current-password" spellcheck="false" aria-describedby="{}"{}>
"#,
        described,
        if wrong {
            html!(r#" aria-invalid="true""#)
        } else {
            Html::default()
        },
    );
    if wrong {
        put!(
            html,
            "<p id=\"wrong\" class=\"wrong\" role=\"alert\">That is not the token.</p>\n"
        );
    }
    put!(
        html,
        r#"<p id="help" class="note">It is what <code>--token</code> or <code>--token-file</code> of the command says.</p>
<button type="submit">Look at the batch</button>
</form>
</main>
</body>
</html>
"#
    );
    html.into_string()
}

/// The element of one section.
pub(super) fn placed(sections: &[Section], id: &'static str) -> Html {
    let mut html = Html::default();
    if let Some(section) = sections.iter().find(|section| section.id == id) {
        put!(html, "<section id=\"{}\">", section.id);
        html.add_section(section);
        put!(html, "</section>\n");
    }
    html
}

/// The elements of several sections.
pub(super) fn all_placed(sections: &[Section], ids: &[&'static str]) -> Html {
    let mut html = Html::default();
    for id in ids {
        put!(html, "{}", placed(sections, id));
    }
    html
}

/// Where the script lists the rows.
pub(super) fn rows() -> Html {
    html!(
        r#"<section id="rows" aria-labelledby="rows-heading"><h2 id="rows-heading" tabindex="-1">All rows</h2>
<noscript><p class="nothing">The list of the rows needs JavaScript; everything above does without.</p></noscript>
</section>
"#
    )
}

/// The patterns that shapes of all charts are filled with, so that they are not told apart by colour alone.
pub(super) fn patterns() -> Html {
    html!(
        r#"<svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false"><defs>
<pattern id="p-lines" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="ink" width="1.6" height="5"/></pattern>
<pattern id="p-cross" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="ink" width="1.4" height="6"/><rect class="ink" width="6" height="1.4"/></pattern>
<pattern id="p-dots" width="5" height="5" patternUnits="userSpaceOnUse"><circle class="ink" cx="2.5" cy="2.5" r="1.1"/></pattern>
<pattern id="p-bars" width="4" height="4" patternUnits="userSpaceOnUse"><rect class="ink" width="4" height="1.4"/></pattern>
</defs></svg>"#
    )
}
