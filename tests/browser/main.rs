//! What people see: the live page and the report in a real browser, clicked, typed into, looked at.
//!
//! The browser is Debian's Chromium without a window, driven by WebDriver; `.ci/run` installs it. Screenshots are kept in
//! `target/screenshots`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod browser;
mod deeds;
mod driver;
mod harness;
mod hostile;
mod live;
mod pictures;
mod report;
mod rows;
mod scenes;
mod site;
