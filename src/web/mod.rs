//! What everybody who asks a server for something has in common: how a client is set up, which links are followed, and
//! what failures are called.
//!
//! The API's client ([`crate::kie`]), the fetcher of videos ([`crate::collect::fetch`]) and whoever looks at images on the
//! web ([`crate::preflight`]) build on it. There is no key in here, and nothing sends a request by itself. Imports leaf
//! types only.
//!
//! | file | decides |
//! | --- | --- |
//! | `client.rs` | what every HTTP client of ours does and does not do |
//! | `connect.rs` | hosts of others: no private address, a proxy where one is set up |
//! | `link.rs` | which links, and which redirects, are followed |
//! | `reason.rs` | why a request failed, in words |
//! | `page.rs` | what a host sent in place of what was asked for |
//! | `header.rs`, `retry_after.rs` | how headers are read |

pub mod client;
pub mod connect;
pub mod header;
pub mod link;
pub mod page;
pub mod reason;
pub mod retry_after;
