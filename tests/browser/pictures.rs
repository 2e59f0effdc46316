//! Every state of the page, in every window and light, for the eye: `target/screenshots`.

use crate::browser::{Look, Window, browse};
use crate::site::Site;
use crate::support::scenes::{self, Scene};

#[test]
fn the_page_is_shown_in_every_state() {
    type Make = fn() -> Scene;
    let scenes: [(&str, Make, &str); 6] = [
        ("empty", scenes::empty, "60 rows"),
        ("mid-run", scenes::mid_run, "1,200 rows"),
        ("done", scenes::done, "12 rows"),
        ("halted", scenes::halted, "400 rows"),
        ("five-thousand", scenes::five_thousand, "5,000 rows"),
        ("several-days", scenes::several_days, "1,000 rows"),
    ];
    browse("pictures", |browser| {
        for (name, make, rows) in scenes {
            let scene = make();
            let site = Site::showing(&scene);
            browser.open(&site.url);
            browser.wait_to_read(".rows-total", rows);
            browser.shoot(&format!("page-{name}"));
            browser.window(Window::Phone);
            browser.shoot(&format!("page-{name}-phone"));
            browser.look(Look::Dark);
            browser.shoot(&format!("page-{name}-phone-dark"));
            browser.window(Window::Desktop);
            browser.shoot(&format!("page-{name}-dark"));
            browser.look(Look::Light);
            browser.open("about:blank");
        }
    });
}
