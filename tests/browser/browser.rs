//! A browser as a test uses it: what a person does (open, click, type), what a person sees, and what the page did behind
//! that (errors, requests).
//!
//! Every call blocks until it is done, or fails the test with what it waited for.

use std::fmt::Display;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};
use thirtyfour::common::capabilities::desiredcapabilities::CapabilitiesHelper;
use thirtyfour::error::{WebDriverErrorInner, WebDriverResult};
use thirtyfour::{By, ChromiumLikeCapabilities, DesiredCapabilities, Key, LoggingPrefsLogLevel, WebDriver};
use tokio::runtime::Runtime;

use crate::deeds::Deeds;
use crate::driver;

/// How long a page may take to show what is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at it.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// The tallest screenshot: a table of thousands of rows shows nothing new below.
const TALLEST_PX: f64 = 8_000.0;

/// A new browser without a past does what `visit` says; then nothing may have gone wrong in its pages, and they may have
/// asked nobody but this machine. When the test fails, the screen is kept in `target/screenshots/failures/NAME.png`.
pub(crate) fn browse<T>(name: &str, visit: impl FnOnce(&Browser) -> T) -> T {
    let browser = Browser::start(name);
    // Of an earlier time.
    fs::remove_file(failure_of(name)).ok();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let visited = visit(&browser);
        browser.expect_nothing_wrong();
        visited
    }));
    if outcome.is_err() {
        browser.keep_failure();
    }
    browser.quit();
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// A browser with one window, as wide as a desktop's.
pub(crate) struct Browser {
    name: String,
    runtime: Runtime,
    session: WebDriver,
    deeds: Mutex<Deeds>,
}

/// What the page is looked at through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// 1280 × 900.
    Desktop,
    /// 390 × 844 at two pixels a point, with a finger for a mouse.
    Phone,
}

/// What the page is asked to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Light,
    Dark,
    /// As on paper.
    Print,
}

impl Browser {
    fn start(name: &str) -> Browser {
        let url = driver::url();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        // A client for HTTPS is not made without it, and this one never speaks anything but HTTP.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        let session = runtime.block_on(async { WebDriver::builder(url, capabilities()?).client(client).await });
        let session = session.unwrap_or_else(|error| panic!("no browser: {error}\n{}", driver::REMEDY));
        let browser = Browser {
            name: name.to_owned(),
            runtime,
            session,
            deeds: Mutex::default(),
        };
        browser.window(Window::Desktop);
        browser.look(Look::Light);
        browser
    }

    // What a person does.

    /// Opens an address and waits until everything in it is loaded.
    #[track_caller]
    pub(crate) fn open(&self, url: &str) {
        self.done(&format!("open {url}"), self.session.goto(url));
    }

    #[track_caller]
    pub(crate) fn reload(&self) {
        self.done("reload", self.session.refresh());
    }

    /// Clicks the first element that `css` finds, as soon as it can be clicked.
    #[track_caller]
    pub(crate) fn click(&self, css: &str) {
        self.until(&format!("`{css}` can be clicked"), || {
            self.runtime.block_on(async {
                let element = self.session.find(By::Css(css)).await?;
                element.click().await
            })
        });
    }

    /// The same with the button of the mouse down for so long.
    #[track_caller]
    pub(crate) fn click_slowly(&self, css: &str, time: Duration) {
        let down = async {
            let element = self.session.find(By::Css(css)).await?;
            let chain = self.session.action_chain();
            chain.click_and_hold_element(&element).perform().await
        };
        self.done(&format!("press {css}"), down);
        std::thread::sleep(time);
        let chain = self.session.action_chain().release();
        self.done(&format!("let go of {css}"), chain.perform());
    }

    /// Types on the keyboard, wherever the cursor is. `\u{e004}` and the like are keys: see [`Key`].
    #[track_caller]
    pub(crate) fn type_text(&self, text: &str) {
        let keys = self.session.action_chain().send_keys(text);
        self.done(&format!("type {text:?}"), keys.perform());
    }

    /// Presses a key, wherever the cursor is.
    #[track_caller]
    pub(crate) fn press(&self, key: Key) {
        let what = format!("press {key:?}");
        let keys = self.session.action_chain().key_down(key.clone()).key_up(key);
        self.done(&what, keys.perform());
    }

    /// Presses `key` while `with` is held down.
    #[track_caller]
    pub(crate) fn press_with(&self, with: Key, key: Key) {
        let what = format!("press {with:?} and {key:?}");
        let keys = self.session.action_chain().key_down(with.clone());
        let keys = keys.key_down(key.clone()).key_up(key).key_up(with);
        self.done(&what, keys.perform());
    }

    // What a person sees.

    /// Waits until `condition` is true: an expression in JavaScript.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, condition: &str) {
        self.wait_for(PATIENCE, what, condition);
    }

    /// The same with a time of its own.
    #[track_caller]
    pub(crate) fn wait_for(&self, patience: Duration, what: &str, condition: &str) {
        let begin = Instant::now();
        while self.value(condition) != Value::Bool(true) {
            if begin.elapsed() > patience {
                panic!(
                    "waited {patience:?} until {what}, in vain: {condition}\n{}",
                    self.scene()
                );
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Waits until something that `css` finds can be seen.
    #[track_caller]
    pub(crate) fn wait_to_see(&self, css: &str) {
        let css = quoted(css);
        self.wait_until(
            &format!("{css} is seen"),
            &format!("[...document.querySelectorAll({css})].some(found => found.checkVisibility())"),
        );
    }

    /// Waits until nothing that `css` finds can be seen.
    #[track_caller]
    pub(crate) fn wait_to_miss(&self, css: &str) {
        let css = quoted(css);
        self.wait_until(
            &format!("{css} is seen no more"),
            &format!("![...document.querySelectorAll({css})].some(found => found.checkVisibility())"),
        );
    }

    /// Waits until the text of the first element that `css` finds has `text` in it.
    #[track_caller]
    pub(crate) fn wait_to_read(&self, css: &str, text: &str) {
        let (css, text) = (quoted(css), quoted(text));
        self.wait_until(
            &format!("{css} reads {text}"),
            &format!("(document.querySelector({css})?.innerText ?? '').includes({text})"),
        );
    }

    /// The text of the first element that `css` finds, as it is seen.
    #[track_caller]
    pub(crate) fn text(&self, css: &str) -> String {
        let css = quoted(css);
        match self.value(&format!("document.querySelector({css})?.innerText")) {
            Value::String(text) => text,
            _ => panic!("nothing is at {css}\n{}", self.scene()),
        }
    }

    /// The texts of everything that `css` finds.
    #[track_caller]
    pub(crate) fn texts(&self, css: &str) -> Vec<String> {
        let texts = self.value(&format!(
            "[...document.querySelectorAll({})].map(found => found.innerText)",
            quoted(css)
        ));
        serde_json::from_value(texts).unwrap()
    }

    /// How many elements `css` finds.
    #[track_caller]
    pub(crate) fn count(&self, css: &str) -> u64 {
        let count = self.value(&format!("document.querySelectorAll({}).length", quoted(css)));
        count.as_u64().unwrap()
    }

    /// What an expression in JavaScript comes to in the page; promises are waited for. Works also where the page's own
    /// scripts may not run.
    #[track_caller]
    pub(crate) fn value(&self, expression: &str) -> Value {
        let answer = self.devtools(
            "Runtime.evaluate",
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }),
        );
        if let Some(exception) = answer.get("exceptionDetails") {
            panic!("{expression}: {exception}\n{}", self.scene());
        }
        answer["result"].get("value").cloned().unwrap_or(Value::Null)
    }

    // How it is looked at.

    #[track_caller]
    pub(crate) fn window(&self, window: Window) {
        let (width, height, scale, mobile) = match window {
            Window::Desktop => (1280, 900, 1, false),
            Window::Phone => (390, 844, 2, true),
        };
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile }),
        );
        self.devtools("Emulation.setTouchEmulationEnabled", json!({ "enabled": mobile }));
    }

    #[track_caller]
    pub(crate) fn look(&self, look: Look) {
        let scheme = if look == Look::Dark { "dark" } else { "light" };
        let media = if look == Look::Print { "print" } else { "" };
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "media": media, "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
    }

    /// Whether scripts of pages opened from now on may run.
    #[track_caller]
    pub(crate) fn allow_scripts(&self, allow: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": !allow }));
    }

    /// The whole page, as `target/screenshots/NAME.png`.
    #[track_caller]
    pub(crate) fn shoot(&self, name: &str) {
        let size = self.devtools("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        let height = size["height"].as_f64().unwrap().min(TALLEST_PX);
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1 });
        self.capture(
            name,
            json!({ "format": "png", "captureBeyondViewport": true, "clip": clip }),
        );
    }

    /// What is in the window, as `target/screenshots/NAME.png`.
    #[track_caller]
    pub(crate) fn shoot_window(&self, name: &str) {
        self.capture(name, json!({ "format": "png" }));
    }

    /// The list of rows as it is in the window: a picture of the whole page would lay the videos out anew, and show them
    /// while they load.
    #[track_caller]
    pub(crate) fn shoot_gallery(&self, name: &str) {
        self.value("document.querySelector('#rows').scrollIntoView()");
        // The players fade out that they were loading.
        std::thread::sleep(Duration::from_secs(1));
        self.shoot_window(name);
    }

    #[track_caller]
    fn capture(&self, name: &str, parameters: Value) {
        let answer = self.devtools("Page.captureScreenshot", parameters);
        let picture = base64::prelude::BASE64_STANDARD
            .decode(answer["data"].as_str().unwrap())
            .unwrap();
        let path = screenshots().join(format!("{name}.png"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, picture).unwrap();
    }

    // What the page did.

    /// Errors on the console since they were last taken: exceptions, violated policies, what could not be loaded. A test
    /// that takes them has looked at them.
    #[track_caller]
    pub(crate) fn take_errors(&self) -> Vec<String> {
        self.watched(Deeds::take_errors)
    }

    /// Every address that a page asked for something since they were last taken, beside its own.
    #[track_caller]
    pub(crate) fn take_requests(&self) -> Vec<String> {
        self.watched(Deeds::take_requests)
    }

    /// Addresses outside this machine that a page asked for something since they were last taken.
    #[track_caller]
    pub(crate) fn take_outside_requests(&self) -> Vec<String> {
        self.watched(Deeds::take_outside_requests)
    }

    #[track_caller]
    fn watched<T>(&self, take: impl FnOnce(&mut Deeds) -> T) -> T {
        let mut deeds = self.deeds.lock().unwrap();
        for entry in self.done("read the console", self.session.get_log("browser")) {
            deeds.add_console(&entry);
        }
        for entry in self.done("read the network's log", self.session.get_log("performance")) {
            deeds.add_network(&entry);
        }
        take(&mut deeds)
    }

    #[track_caller]
    fn expect_nothing_wrong(&self) {
        let errors = self.take_errors();
        assert!(errors.is_empty(), "errors in the page:\n{}", errors.join("\n"));
        let outside = self.take_outside_requests();
        assert!(outside.is_empty(), "the page asked others:\n{}", outside.join("\n"));
    }

    /// A command of the browser's own protocol: <https://chromedevtools.github.io/devtools-protocol/>.
    #[track_caller]
    pub(crate) fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.done(command, self.session.cdp().send_raw(command, parameters))
    }

    #[track_caller]
    fn done<T>(&self, what: &str, step: impl Future<Output = WebDriverResult<T>>) -> T {
        self.runtime
            .block_on(step)
            .unwrap_or_else(|error| panic!("cannot {what}: {error}"))
    }

    /// Tries `step` again as long as the page is in its way: the element is not there yet, was exchanged at this moment,
    /// or something lies over it.
    #[track_caller]
    fn until(&self, what: &str, step: impl Fn() -> WebDriverResult<()>) {
        let begin = Instant::now();
        while let Err(error) = step() {
            let is_in_the_way = matches!(
                error.as_inner(),
                WebDriverErrorInner::NoSuchElement(_)
                    | WebDriverErrorInner::StaleElementReference(_)
                    | WebDriverErrorInner::ElementClickIntercepted(_)
                    | WebDriverErrorInner::ElementNotInteractable(_)
            );
            if !is_in_the_way || begin.elapsed() > PATIENCE {
                panic!(
                    "waited {:?} until {what}, in vain: {error}\n{}",
                    begin.elapsed(),
                    self.scene()
                );
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// What is to be seen, for those who read why a test failed.
    fn scene(&self) -> String {
        let scene = self.runtime.block_on(async {
            let script = "return `at ${location.href}, which shows:\n${document.body?.innerText.slice(0, 1500)}`";
            self.session.execute(script, Vec::new()).await?.convert::<String>()
        });
        scene.unwrap_or_else(|error| format!("(and the page cannot be looked at: {error})"))
    }

    fn keep_failure(&self) {
        let kept = catch_unwind(AssertUnwindSafe(|| {
            self.shoot_window(&format!("failures/{}", self.name));
        }));
        if kept.is_ok() {
            complain(format_args!(
                "the screen at this moment: {}",
                failure_of(&self.name).display()
            ));
        }
        if let Ok(errors) = catch_unwind(AssertUnwindSafe(|| self.take_errors()))
            && !errors.is_empty()
        {
            complain(format_args!("on the console:\n{}", errors.join("\n")));
        }
    }

    fn quit(self) {
        let Browser { runtime, session, .. } = self;
        if let Err(error) = runtime.block_on(session.quit()) {
            complain(format_args!("the browser did not close: {error}"));
        }
    }
}

fn capabilities() -> WebDriverResult<thirtyfour::ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    for argument in [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        // Memory in /dev/shm is scarce in containers.
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--window-size=1400,1000",
        "--autoplay-policy=no-user-gesture-required",
        // The browser itself asks nobody.
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        // Nor can a page that would: what it tries shows in its log all the same.
        "--no-proxy-server",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        // Ends when chromedriver does.
        "--remote-debugging-pipe",
    ] {
        capabilities.add_arg(argument)?;
    }
    capabilities.set_logging_prefs("browser", LoggingPrefsLogLevel::All)?;
    capabilities.set_logging_prefs("performance", LoggingPrefsLogLevel::All)?;
    capabilities.add_experimental_option(
        "perfLoggingPrefs",
        json!({ "enableNetwork": true, "enablePage": false }),
    )?;
    // An `alert` fails the step after it.
    capabilities.set("unhandledPromptBehavior", "dismiss and notify")?;
    Ok(capabilities)
}

/// Where pictures go.
pub(crate) fn screenshots() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    target.parent().unwrap().join("screenshots")
}

/// The picture of a test that failed.
pub(crate) fn failure_of(name: &str) -> PathBuf {
    screenshots().join(format!("failures/{name}.png"))
}

/// A text as JavaScript writes it.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[expect(clippy::print_stderr, reason = "beside the panic, which says the rest")]
fn complain(what: impl Display) {
    eprintln!("{what}");
}
