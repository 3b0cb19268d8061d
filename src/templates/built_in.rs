//! The table of all templates: purpose, variables and text of each. The commands `templates list`, `eject` and `preview`,
//! the validation at startup and docs/templates.md are made from it.

/// A template that is part of the binary.
#[derive(Debug)]
pub struct BuiltIn {
    /// Name, which is the path below the folder of templates. Values are escaped in templates that end in `.html`.
    pub name: &'static str,
    /// Purpose, in a few words.
    pub purpose: &'static str,
    /// Names of its variables; see [`VARIABLES`]. It is given no other values.
    pub variables: &'static [&'static str],
    /// Built-in text.
    pub source: &'static str,
}

impl BuiltIn {
    /// Returns whether it is part of a mail, whose lines have a maximum length.
    pub fn is_mail(&self) -> bool {
        self.name.starts_with("email/")
    }

    /// Returns whether values in it are escaped for HTML.
    pub fn is_html(&self) -> bool {
        self.name.ends_with(".html")
    }

    /// Returns whether it is sent unchanged: it is not a Tera template.
    pub fn is_raw(&self) -> bool {
        [".css", ".js", ".svg"]
            .iter()
            .any(|ending| self.name.ends_with(ending))
    }

    /// Returns the value of a variable in a preview.
    pub(super) fn sample(&self, variable: &Variable) -> &'static str {
        SAMPLES
            .iter()
            .find(|(mail, name, _)| self.name.starts_with(mail) && *name == variable.name)
            .map_or(variable.sample, |(_, _, sample)| sample)
    }
}

/// A variable of templates.
#[derive(Debug)]
pub struct Variable {
    /// Name in a template.
    pub name: &'static str,
    /// Meaning, in one line.
    pub meaning: &'static str,
    /// Value in a preview.
    pub sample: &'static str,
    /// Value that tries to break the template, for the validation at startup.
    pub(super) hostile: &'static str,
}

macro_rules! template {
    ($name:literal, $purpose:literal, $variables:expr) => {
        BuiltIn {
            name: $name,
            purpose: $purpose,
            variables: &$variables,
            source: include_str!(concat!("../../templates/", $name)),
        }
    };
}

/// All templates, in the order in which they are listed.
pub const TEMPLATES: &[BuiltIn] = &[
    template!(
        "email/reset_password.html",
        "mail with the link to choose a new password",
        [
            "url",
            "email",
            "lifetime",
            "expires_at",
            "requested_at",
            "origin"
        ]
    ),
    template!(
        "email/reset_password.txt",
        "its plain text",
        [
            "url",
            "email",
            "lifetime",
            "expires_at",
            "requested_at",
            "origin"
        ]
    ),
    template!(
        "email/reset_successful.html",
        "mail after a change of the password",
        ["email", "at", "origin", "forgot_url"]
    ),
    template!(
        "email/reset_successful.txt",
        "its plain text",
        ["email", "at", "origin", "forgot_url"]
    ),
    template!(
        "email/invitation.html",
        "mail with the link to choose the first password",
        ["url", "email", "lifetime", "expires_at", "site"]
    ),
    template!(
        "email/invitation.txt",
        "its plain text",
        ["url", "email", "lifetime", "expires_at", "site"]
    ),
    template!(
        "email/address_changed.html",
        "mail to both addresses after a change of the address",
        ["email", "at", "origin"]
    ),
    template!(
        "email/address_changed.txt",
        "its plain text",
        ["email", "at", "origin"]
    ),
    template!(
        "email/access_revoked.html",
        "mail after all sessions were ended",
        ["email", "at", "origin", "forgot_url"]
    ),
    template!(
        "email/access_revoked.txt",
        "its plain text",
        ["email", "at", "origin", "forgot_url"]
    ),
    template!("email/frame.html", "frame of all HTML mails", ["email"]),
    template!("web/home.html", "start page", ["root", "inbox"]),
    template!(
        "web/forgot.html",
        "form that requests a link",
        ["root", "email", "error"]
    ),
    template!(
        "web/sent.html",
        "page after a link was requested",
        ["root", "email", "inbox"]
    ),
    template!(
        "web/reset.html",
        "form that sets the new password",
        ["root", "error", "field", "minimum"]
    ),
    template!(
        "web/done.html",
        "page after the password was changed",
        ["root", "inbox"]
    ),
    template!(
        "web/refused.html",
        "page of an invalid, expired or incomplete link",
        ["root", "heading", "message"]
    ),
    template!(
        "web/problem.html",
        "page of any other error",
        ["root", "heading", "message"]
    ),
    template!("web/base.html", "frame of all pages", ["root"]),
    template!("web/style.css", "style sheet of the pages", []),
    template!(
        "web/password.js",
        "script of the form that sets the password",
        []
    ),
    template!("web/icon.svg", "icon of the pages", []),
];

/// Markup that must never be in a page or a mail unescaped.
pub(super) const MARKUP: &str = "<script>movie-bag</script>";
/// Hostile input: markup, quotes, and an expression that a template would evaluate.
const TYPED: &str = "<script>movie-bag</script>'\"&{{ 7 * 7 }}";
/// Link of the length of a real one, since the lines of a mail have a maximum length. It opens nothing.
const LINK: &str = concat!(
    "https://movies.example/reset/",
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.",
    "eyJzYW1wbGUiOiJUaGlzIGxpbmsgaXMgaW4gYSBwcmV2aWV3IGFuZCBvcGVucyBub3RoaW5nLiBBIHJlYWwgb25lIG5hbWVzIGFu",
    "IGFjY291bnQsIGEgcHVycG9zZSwgYSB0aW1lLCBhIGZpbmdlcnByaW50IG9mIHRoZSBwcmVzZW50IHBhc3N3b3JkIGFuZCBhIG51",
    "bWJlciBvZiBpdHMgb3duLCBhbmQgaXMgYWJvdXQgYXMgbG9uZyBhcyB0aGlzIG9uZS4ifQ.",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
);

const fn ours(name: &'static str, meaning: &'static str, sample: &'static str) -> Variable {
    Variable {
        name,
        meaning,
        sample,
        hostile: sample,
    }
}

const fn typed(name: &'static str, meaning: &'static str, sample: &'static str) -> Variable {
    Variable {
        name,
        meaning,
        sample,
        hostile: TYPED,
    }
}

/// All variables. Each has the same meaning in every template.
pub const VARIABLES: &[Variable] = &[
    ours(
        "url",
        "link with the token; must be whole on one line",
        LINK,
    ),
    typed(
        "email",
        "address that the mail is for; on a page, the address that was entered",
        "ann@example.com",
    ),
    ours(
        "lifetime",
        "period in which the link is valid, from the request",
        "24 hours",
    ),
    ours(
        "expires_at",
        "time when the link expires",
        "15 March 2027, 09:26 UTC",
    ),
    ours(
        "requested_at",
        "time of the request for the link",
        "14 March 2027, 09:26 UTC",
    ),
    typed(
        "origin",
        "source of the request or change: a device, or an administrator",
        "a device with the IP address 192.0.2.1",
    ),
    ours(
        "at",
        "time of the change that the mail reports",
        "14 March 2027, 09:31 UTC",
    ),
    ours(
        "forgot_url",
        "address of the page that requests a link",
        "https://movies.example/forgot",
    ),
    ours(
        "site",
        "host, port and path of the public URL",
        "movies.example",
    ),
    ours(
        "root",
        "path from the page to the start page, for the beginning of every link: empty, or ../",
        "",
    ),
    ours(
        "minimum",
        "minimum length of a new password, in characters",
        "8",
    ),
    ours("inbox", "URL of the inbox of a test server, or empty", ""),
    typed("error", "error in the submitted form, or empty", ""),
    ours(
        "field",
        "field that the error is about: password, password_again, or empty",
        "",
    ),
    typed("heading", "error, in a few words", "This link has expired"),
    typed(
        "message",
        "error, in a sentence or two",
        "A link is valid for a limited time only. Request a new one:",
    ),
];

/// Values in a preview that differ from those of [`VARIABLES`]: start of the template's name, variable, value.
const SAMPLES: &[(&str, &str, &str)] = &[
    ("email/invitation.", "lifetime", "7 days"),
    (
        "email/invitation.",
        "expires_at",
        "21 March 2027, 09:26 UTC",
    ),
];

/// Returns the template of this name.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    TEMPLATES.iter().find(|template| template.name == name)
}

/// Returns the variable of this name.
pub fn variable(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}
