//! Images on the web, looked at before money is spent on them: is anything there, is it an image the API takes, is it
//! neither too large nor too small.
//!
//! [`look_at_all`] looks at each address once, through few connections, and reads no more of a file than its beginning.
//! What it finds is what anybody else would find: it has no key, no cookie and no login, and goes to public addresses
//! only unless it is allowed to. Only what is not simply good is kept ([`Findings`]), and of that each different finding
//! once, so that memory does not grow with the images.
//!
//! | file | decides |
//! | --- | --- |
//! | `addresses.rs` | which addresses there are, and what was found at which |
//! | `run.rs` | the loop: who looks where, and when it ends |
//! | `queue.rs` | whose turn it is, and which host is left alone |
//! | `look.rs` | one look: redirects, second tries, how much is read |
//! | `answer.rs` | what a host's answer means |
//! | `judge.rs` | what the first bytes mean |
//!
//! Imports leaf types, and [`crate::web`] for links and connections.

mod addresses;
mod answer;
mod judge;
mod look;
mod queue;
mod run;

use std::time::Duration;

pub use addresses::{Address, Addresses, Findings, Key};
pub use look::Looker;
pub use run::{Standing, look_at_all};

/// Images looked at a time.
pub const AT_A_TIME: usize = 16;

/// Of these at one host: what a browser allows itself is six.
pub const AT_A_TIME_AT_A_HOST: usize = 4;

/// Looks at one host in a row that bring no answer before it is left alone: three rounds. Else the images of a host that
/// is down would take 40 seconds each.
pub const LOOKS_IN_VAIN: u32 = 12;

/// Time to resolve, connect and shake hands; lost SYNs are repeated after 1, 3 and 7 s.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for one try, redirects included. Whoever makes the API wait longer for an image risks its task.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How images are looked at.
#[derive(Debug, Clone)]
pub struct LookConfig {
    /// Also look at hosts in private networks and on this machine, and follow redirects from https to http.
    pub allow_private_hosts: bool,
    /// For name resolution, connecting and the TLS handshake.
    pub connect_timeout: Duration,
    /// For one try. There is a second one where it may help.
    pub patience: Duration,
    /// A PEM file with certificates to trust beside the system's.
    pub extra_roots_pem: Option<Vec<u8>>,
    /// Never use a proxy from the environment.
    pub no_proxy: bool,
}

impl Default for LookConfig {
    fn default() -> LookConfig {
        LookConfig {
            allow_private_hosts: false,
            connect_timeout: CONNECT_TIMEOUT,
            patience: PATIENCE,
            extra_roots_pem: None,
            no_proxy: false,
        }
    }
}
