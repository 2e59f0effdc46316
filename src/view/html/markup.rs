//! The one way HTML is made here: markup stands in the source, and everything else is escaped.
//!
//! [`put!`] takes the markup as a literal with `{}` for each value. A value becomes text unless it is [`Html`], which only
//! `put!` makes. So no string of a manifest or a server can get into a page as markup, neither by mistake nor in haste.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter, Write};

use crate::escape;
use crate::view::html::sections::Section;

/// Finished markup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::view::html) struct Html(String);

impl Html {
    /// Adds what [`put!`] has made of its values; nobody else calls it.
    pub(in crate::view::html) fn add(&mut self, arguments: fmt::Arguments<'_>) {
        self.0.write_fmt(arguments).expect("writing to a string cannot fail");
    }

    /// Adds a text that stands in our sources.
    pub(in crate::view::html) fn add_own(&mut self, text: &'static str) {
        self.0.push_str(text);
    }

    /// Adds a section, which was made by [`put!`], too.
    pub(in crate::view::html) fn add_section(&mut self, section: &Section) {
        self.0.push_str(&section.html);
    }

    pub(in crate::view::html) fn into_string(self) -> String {
        self.0
    }
}

/// Adds markup to an [`Html`], with an escaped value for each `{}`. An attribute's `{}` needs quotes around it.
macro_rules! put {
    ($html:expr, $markup:literal $(, $value:expr)* $(,)?) => {
        // By way of `concat!` the compiler refuses `{name}`, which would not be escaped.
        $html.add(format_args!(concat!($markup) $(, $crate::view::html::markup::Shown(&$value))*))
    };
}

/// [`put!`] into a new [`Html`].
macro_rules! html {
    ($($markup_and_values:tt)*) => {{
        let mut html = $crate::view::html::markup::Html::default();
        $crate::view::html::markup::put!(html, $($markup_and_values)*);
        html
    }};
}

pub(in crate::view::html) use {html, put};

/// A value in a page, escaped by what it is.
pub(in crate::view::html) struct Shown<'a, T: ?Sized>(pub(in crate::view::html) &'a T);

impl<T: Value + ?Sized> Display for Shown<'_, T> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.0.show(formatter)
    }
}

/// What may stand in a page.
pub(in crate::view::html) trait Value {
    fn show(&self, formatter: &mut Formatter<'_>) -> fmt::Result;
}

impl Value for Html {
    fn show(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Value for str {
    fn show(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&escape::for_html(self))
    }
}

impl Value for String {
    fn show(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.as_str().show(formatter)
    }
}

impl Value for Cow<'_, str> {
    fn show(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.as_ref().show(formatter)
    }
}

impl<T: Value + ?Sized> Value for &T {
    fn show(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        (**self).show(formatter)
    }
}

/// Numbers are digits, with the width and precision that the markup asks for.
macro_rules! numbers {
    ($($number:ty)*) => {
        $(impl Value for $number {
            fn show(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
                Display::fmt(self, formatter)
            }
        })*
    };
}

numbers!(i32 i64 u16 u32 u64 usize f64);

/// One of our own sentences, in which commands, options and names stand between backticks.
pub(in crate::view::html) fn sentence(text: &str) -> Html {
    let mut html = Html::default();
    for (index, part) in text.split('`').enumerate() {
        match index % 2 {
            0 => put!(html, "{}", part),
            _ => put!(html, "<code>{}</code>", part),
        }
    }
    html
}

/// The first letter of one of our own sentences as a capital, where it stands alone in a page.
pub(in crate::view::html) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_text_and_markup_is_markup() {
        let inner = html!("<b>{}</b>", "<i>");
        let outer = html!(
            r#"<p title="{}">{} {:.1} {}</p>"#,
            "\"a\"",
            inner,
            1.25,
            String::from("&")
        );
        assert_eq!(
            outer.into_string(),
            r#"<p title="&quot;a&quot;"><b>&lt;i&gt;</b> 1.2 &amp;</p>"#
        );
    }

    #[test]
    fn commands_in_a_sentence_are_set_as_such() {
        assert_eq!(
            sentence("run `a <b>` again").into_string(),
            "run <code>a &lt;b&gt;</code> again"
        );
        assert_eq!(capital("élan"), "Élan");
    }
}
