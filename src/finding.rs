//! What a look at an image on the web has found, if that is not simply a good image.
//!
//! Told by whoever looks, and turned into a problem of its rows by whoever knows the manifest. Texts in it are harmless:
//! cut, and escaped where they come from a server.

use crate::image::Fault;

/// See the variants. Only what is surely so for everybody who asks is called bad; whatever may be passing, or so only for
/// this machine, is not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Finding {
    /// Something is there, and this is wrong with it; never empty.
    Faulty(Vec<Fault>),
    /// There is nothing, in the host's own words: `HTTP 404`.
    NotThere(String),
    /// A page for people is there instead: `a web page: Sign in`.
    Page(String),
    /// It could not be looked at from here, for this reason: `HTTP 403`, `connection refused`.
    Unreached(String),
    /// It is in a private network, and nobody has allowed to look there; how the address leads there, where it does not
    /// say so itself.
    Private(String),
}

impl Finding {
    /// Whether no video can come of it.
    pub fn is_bad(&self) -> bool {
        match self {
            Finding::Faulty(faults) => faults.iter().any(|fault| *fault != Fault::Unmeasured),
            Finding::NotThere(_) | Finding::Page(_) => true,
            Finding::Unreached(_) | Finding::Private(_) => false,
        }
    }

    /// Whether the host had its say: what was found holds for everybody.
    pub fn was_reached(&self) -> bool {
        match self {
            Finding::Faulty(_) | Finding::NotThere(_) | Finding::Page(_) => true,
            Finding::Unreached(_) | Finding::Private(_) => false,
        }
    }
}
