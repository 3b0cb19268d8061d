//! A real browser, and a person who reads, clicks and types in it.
//!
//! ```text
//! let Some(browser) = Browser::open() else { return };  // a missing browser has been reported; in CI it is a failure
//! browser.visit("http://localhost:8080/forgot");
//! browser.types("#email", "ann@example.com");           // key by key
//! browser.click("button");
//! browser.shows("Check your mailbox");              // waits for that heading
//! ```
//!
//! Elements are selected by CSS selectors and found anew by each call: no handle is kept while the page is replaced.

use std::cell::RefCell;
use std::fs;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::npm;
use crate::web_driver::Session;
use crate::{wait_for, wait_until};

/// A browser with one window. It ends with the test.
pub struct Browser {
    session: Session,
    /// Log entries so far. The browser returns each of them once.
    requested: RefCell<Vec<String>>,
    console: RefCell<Vec<String>>,
}

/// Color scheme of the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

/// Screen that shows a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// 1280 x 800.
    Desktop,
    /// 390 x 844, held upright.
    Phone,
    /// 320 x 844: a small phone, or a page at 400 % on a desktop.
    Narrow,
}

impl Device {
    /// Returns the width in CSS pixels.
    pub fn width(self) -> u64 {
        match self {
            Self::Desktop => 1280,
            Self::Phone => 390,
            Self::Narrow => 320,
        }
    }
}

/// A key that is pressed and released.
#[derive(Debug, Clone, Copy)]
pub enum Key {
    /// A key that writes a character.
    Letter(&'static str),
    Escape,
    Tab,
    Enter,
    Space,
    /// Shift and Tab.
    BackTab,
}

impl Key {
    /// Returns the keys in the order in which they are pressed, as WebDriver code points.
    fn codes(self) -> Vec<&'static str> {
        match self {
            Self::Letter(letter) => vec![letter],
            Self::Escape => vec!["\u{e00c}"],
            Self::Tab => vec!["\u{e004}"],
            Self::Enter => vec!["\u{e007}"],
            Self::Space => vec![" "],
            Self::BackTab => vec!["\u{e008}", "\u{e004}"],
        }
    }
}

impl Browser {
    /// Starts a browser. Returns `None` if there is none; that has been reported then.
    pub fn open() -> Option<Self> {
        match Session::open() {
            Ok(session) => Some(Self::on_an_empty_page(session)),
            Err(why) => {
                crate::report_skipped(
                    "the tests of the pages in a browser",
                    &why,
                    "Put chromium and chromedriver on the PATH.",
                );
                None
            }
        }
    }

    /// Leaves the start page of the browser, and discards its log entries.
    fn on_an_empty_page(session: Session) -> Self {
        let browser = Self {
            session,
            requested: RefCell::default(),
            console: RefCell::default(),
        };
        browser.visit("about:blank");
        browser.log("performance");
        browser.log("browser");
        browser
    }

    /// Turns off scripts in all pages; [`Browser::run`] still runs scripts.
    #[track_caller]
    pub fn without_scripts(self) -> Self {
        self.chromium(
            "Emulation.setScriptExecutionDisabled",
            json!({"value": true}),
        );
        self
    }

    /// Opens a page, and waits until it is loaded.
    #[track_caller]
    pub fn visit(&self, url: &str) {
        self.post("/url", json!({"url": url}));
    }

    pub fn url(&self) -> String {
        string(&self.get("/url"))
    }

    pub fn title(&self) -> String {
        string(&self.get("/title"))
    }

    /// Returns the HTML of the page in its current state.
    pub fn source(&self) -> String {
        string(&self.get("/source"))
    }

    /// Returns the visible text of an element, which is empty if the element is hidden.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        string(&self.at(css, |element| self.session.get(&format!("{element}/text"))))
    }

    /// Returns the number of matching elements.
    #[track_caller]
    pub fn count(&self, css: &str) -> u64 {
        let script = "return document.querySelectorAll(arguments[0]).length";
        self.run(script, json!([css])).as_u64().unwrap()
    }

    #[track_caller]
    pub fn click(&self, css: &str) {
        self.at(css, |element| {
            self.session.post(&format!("{element}/click"), json!({}))
        });
    }

    /// Types into a field, after its present text, key by key.
    #[track_caller]
    pub fn types(&self, css: &str, text: &str) {
        self.at(css, |element| {
            let keys = json!({"text": text});
            self.session.post(&format!("{element}/value"), keys)
        });
    }

    /// Presses a key at the focused element.
    #[track_caller]
    pub fn press(&self, key: Key) {
        let event = |kind, code| json!({"type": kind, "value": code});
        let codes = key.codes();
        let down = codes.iter().map(|code| event("keyDown", code));
        let up = codes.iter().rev().map(|code| event("keyUp", code));
        let keys: Vec<_> = down.chain(up).collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": keys});
        self.post("/actions", json!({"actions": [keyboard]}));
    }

    /// Returns an attribute of an element.
    #[track_caller]
    pub fn attribute(&self, css: &str, name: &str) -> Option<String> {
        let script = "return arguments[0].getAttribute(arguments[1])";
        let value = self.run_at(css, script, name);
        value.as_str().map(str::to_owned)
    }

    /// Returns a property of an element, such as `value`.
    #[track_caller]
    pub fn property(&self, css: &str, name: &str) -> Value {
        self.run_at(css, "return arguments[0][arguments[1]]", name)
    }

    /// Returns the computed value of a CSS property, such as `outline-style`.
    #[track_caller]
    pub fn style(&self, css: &str, name: &str) -> String {
        let script = "return getComputedStyle(arguments[0]).getPropertyValue(arguments[1])";
        string(&self.run_at(css, script, name))
    }

    /// Returns whether an element is visible.
    #[track_caller]
    pub fn is_displayed(&self, css: &str) -> bool {
        let shown = self.at(css, |element| {
            self.session.get(&format!("{element}/displayed"))
        });
        shown.as_bool().unwrap()
    }

    /// Runs a script with `arguments`, and returns its result.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: Value) -> Value {
        self.post(
            "/execute/sync",
            json!({"script": script, "args": arguments}),
        )
    }

    /// Runs a script with `arguments` and a callback as the last one, and returns the value that the callback receives.
    #[track_caller]
    pub fn run_async(&self, script: &str, arguments: Value) -> Value {
        self.post(
            "/execute/async",
            json!({"script": script, "args": arguments}),
        )
    }

    /// Runs `look` within a frame.
    #[track_caller]
    pub fn in_frame<T>(&self, css: &str, look: impl FnOnce(&Self) -> T) -> T {
        let frame = self.post("/element", selector(css));
        self.post("/frame", json!({"id": frame}));
        let result = look(self);
        self.post("/frame/parent", json!({}));
        result
    }

    /// Waits until a condition holds.
    #[track_caller]
    pub fn waits_for(&self, what: &str, mut is_met: impl FnMut(&Self) -> bool) {
        wait_until(what, || is_met(self));
    }

    /// Waits until a page has this heading.
    #[track_caller]
    pub fn shows(&self, heading: &str) {
        let script = "return document.readyState === 'complete' && document.querySelector('h1')?.textContent";
        wait_for(&format!("the heading {heading:?}"), || {
            // While one page replaces another, the script may fail.
            let shown = self
                .session
                .post("/execute/sync", json!({"script": script, "args": []}));
            match shown {
                Ok(shown) if shown == heading => Ok(()),
                shown => Err(format!("{shown:?} at {:?}", self.session.get("/url"))),
            }
        });
    }

    /// Emulates a color scheme and a device from now on.
    #[track_caller]
    pub fn emulate_screen(&self, theme: Theme, device: Device) {
        let scheme = match theme {
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        let (height, is_phone) = match device {
            Device::Desktop => (800, false),
            Device::Phone | Device::Narrow => (844, true),
        };
        let features = [json!({"name": "prefers-color-scheme", "value": scheme})];
        self.chromium(
            "Emulation.setEmulatedMedia",
            json!({"media": "", "features": features}),
        );
        self.chromium(
            "Emulation.setDeviceMetricsOverride",
            json!({
                "width": device.width(),
                "height": height,
                "deviceScaleFactor": 1 + u8::from(is_phone),
                "mobile": is_phone,
            }),
        );
    }

    /// Refuses downloads from now on, which would be left in a folder of the user who runs the tests.
    #[track_caller]
    pub fn without_downloads(&self) {
        let deny = json!({"behavior": "deny"});
        self.chromium("Browser.setDownloadBehavior", deny);
    }

    /// Opens a URL that may be answered with a download.
    #[track_caller]
    pub fn open_or_download(&self, url: &str) {
        match self.session.post("/url", json!({"url": url})) {
            Err(error) if !error.contains("ERR_ABORTED") => panic!("{url}: {error}"),
            _ => {}
        }
    }

    /// Emulates the print style of the page.
    #[track_caller]
    pub fn emulate_print(&self) {
        let paper = json!({"media": "print", "features": []});
        self.chromium("Emulation.setEmulatedMedia", paper);
    }

    /// Writes the visible part of the page to `target/screenshots/NAME.png`.
    #[track_caller]
    pub fn screenshot(&self, name: &str) {
        let folder = crate::target_folder().join("screenshots");
        fs::create_dir_all(&folder).unwrap();
        let image = self.get("/screenshot");
        fs::write(folder.join(format!("{name}.png")), decoded(&image)).unwrap();
    }

    /// Returns a picture of an element as PNG.
    #[track_caller]
    pub fn picture_of(&self, css: &str) -> Vec<u8> {
        decoded(&self.at(css, |element| {
            self.session.get(&format!("{element}/screenshot"))
        }))
    }

    /// Returns the URLs that pages and their frames have requested since the start.
    pub fn requested_urls(&self) -> Vec<String> {
        let mut requested = self.requested.borrow_mut();
        for entry in self.log("performance") {
            let event: Value = serde_json::from_str(&string(&entry["message"])).unwrap();
            let event = &event["message"];
            if event["method"] == "Network.requestWillBeSent" {
                requested.push(string(&event["params"]["request"]["url"]));
            }
        }
        requested.clone()
    }

    /// Returns the errors in the console since the start: failed scripts, violations of the content security policy, missing
    /// files.
    pub fn console_errors(&self) -> Vec<String> {
        let mut console = self.console.borrow_mut();
        let entries = self.log("browser");
        let errors = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        console.extend(errors.map(|entry| string(&entry["message"])));
        console.clone()
    }

    /// Returns the accessibility problems of the page, one line each. Returns none if axe-core is unavailable; that has been
    /// reported then.
    #[track_caller]
    pub fn accessibility_findings(&self) -> Vec<String> {
        const SEARCH: &str = "const done = arguments[0]; \
            axe.run(document, {iframes: false, preload: false, resultTypes: ['violations']}).then( \
              ({violations}) => done(violations.flatMap(({id, help, nodes}) => \
                nodes.map(({target}) => `${id}: ${help}: ${target.join(' ')}`))), \
              (error) => done([`axe-core failed: ${error}`]))";
        let Some(axe) = npm::axe() else {
            return Vec::new();
        };
        if self.run("return typeof axe", json!([])) == "undefined" {
            self.run(axe, json!([]));
        }
        let found = self.post("/execute/async", json!({"script": SEARCH, "args": []}));
        found.as_array().unwrap().iter().map(string).collect()
    }

    /// Returns by how many pixels the page is wider than the device.
    #[track_caller]
    pub fn overflow(&self, device: Device) -> u64 {
        let width = self.run("return document.documentElement.scrollWidth", json!([]));
        width.as_u64().unwrap().saturating_sub(device.width())
    }

    /// Performs an action on an element, and finds the element again if the page was replaced meanwhile.
    #[track_caller]
    fn at(&self, css: &str, act: impl Fn(&str) -> Result<Value, String>) -> Value {
        loop {
            let found = self.session.post("/element", selector(css));
            let element = found.and_then(|found| {
                let id = found.as_object().and_then(|found| found.values().next());
                let id = id.and_then(Value::as_str).ok_or("the element has no id")?;
                Ok(format!("/element/{id}"))
            });
            match element.and_then(|element| act(&element)) {
                Ok(value) => return value,
                Err(error) if error.starts_with("stale element") => {}
                Err(error) => panic!("{css} on {}: {error}", self.url()),
            }
        }
    }

    #[track_caller]
    fn run_at(&self, css: &str, script: &str, argument: &str) -> Value {
        loop {
            let found = self.post("/element", selector(css));
            let arguments = json!({"script": script, "args": [found, argument]});
            match self.session.post("/execute/sync", arguments) {
                Ok(value) => return value,
                Err(error) if error.starts_with("stale element") => {}
                Err(error) => panic!("{css} on {}: {error}", self.url()),
            }
        }
    }

    fn log(&self, name: &str) -> Vec<Value> {
        let entries = self.post("/se/log", json!({"type": name}));
        entries.as_array().unwrap().clone()
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let answer = self.session.get(path);
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    #[track_caller]
    fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.session.post(path, body);
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    #[track_caller]
    fn chromium(&self, name: &str, parameters: Value) {
        let answer = self.session.chromium(name, parameters);
        answer.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// Decodes the bytes of a picture.
fn decoded(image: &Value) -> Vec<u8> {
    let engine = base64::engine::general_purpose::STANDARD;
    engine.decode(string(image)).unwrap()
}

fn selector(css: &str) -> Value {
    json!({"using": "css selector", "value": css})
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
