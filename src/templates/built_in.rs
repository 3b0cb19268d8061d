//! The one table of all templates: what each is for and which values it is given. What is listed, ejected, previewed,
//! tried at the start and told in README goes by it.

/// A template that is part of the binary.
#[derive(Debug)]
pub struct BuiltIn {
    /// Its name, which is its path below the folder of templates. Values are escaped where it ends in `.html`.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub purpose: &'static str,
    /// The names of the values that it is given, and no others; see [`VARIABLES`].
    pub variables: &'static [&'static str],
    /// Its text.
    pub source: &'static str,
}

impl BuiltIn {
    /// Whether it is part of a mail, which can't carry every text.
    pub fn is_mail(&self) -> bool {
        self.name.starts_with("email/")
    }

    /// Whether values in it are escaped for HTML.
    pub fn is_html(&self) -> bool {
        self.name.ends_with(".html")
    }

    /// Whether it is sent as it stands, braces and all.
    pub fn is_raw(&self) -> bool {
        [".css", ".js", ".svg"]
            .iter()
            .any(|ending| self.name.ends_with(ending))
    }
}

/// A value that templates are given.
#[derive(Debug)]
pub struct Variable {
    /// Its name in a template.
    pub name: &'static str,
    /// What it is, in one line.
    pub meaning: &'static str,
    /// What it is in a preview.
    pub sample: &'static str,
    /// What it is in a trial, the nastiest that may come.
    pub(super) nasty: &'static str,
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
        "mail with the reset link",
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
        "the same, as plain text",
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
        "mail after a change of password",
        ["email", "at", "origin", "forgot_url"]
    ),
    template!(
        "email/reset_successful.txt",
        "the same, as plain text",
        ["email", "at", "origin", "forgot_url"]
    ),
    template!(
        "email/invitation.html",
        "mail with the link to choose a first password",
        ["url", "email", "lifetime", "expires_at"]
    ),
    template!(
        "email/invitation.txt",
        "the same, as plain text",
        ["url", "email", "lifetime", "expires_at"]
    ),
    template!(
        "email/address_changed.html",
        "mail to both addresses after a change",
        ["email", "at", "origin"]
    ),
    template!(
        "email/address_changed.txt",
        "the same, as plain text",
        ["email", "at", "origin"]
    ),
    template!(
        "email/access_revoked.html",
        "mail after all sessions were ended",
        ["email", "at", "origin", "forgot_url"]
    ),
    template!(
        "email/access_revoked.txt",
        "the same, as plain text",
        ["email", "at", "origin", "forgot_url"]
    ),
    template!("email/frame.html", "frame of every HTML mail", ["email"]),
    template!("web/home.html", "start page", ["root", "inbox"]),
    template!(
        "web/forgot.html",
        "page that asks for the email address",
        ["root", "email", "error"]
    ),
    template!(
        "web/sent.html",
        "page after the request for a link",
        ["root", "email", "inbox"]
    ),
    template!(
        "web/reset.html",
        "page to choose a new password",
        ["root", "error", "minimum"]
    ),
    template!(
        "web/done.html",
        "page after the password was changed",
        ["root"]
    ),
    template!(
        "web/refused.html",
        "page for a link that does not work",
        ["root", "heading", "message"]
    ),
    template!(
        "web/problem.html",
        "page for any other error",
        ["root", "heading", "message"]
    ),
    template!("web/base.html", "frame of every page", ["root"]),
    template!(
        "web/style.css",
        "style sheet of the pages; sent unchanged",
        []
    ),
    template!(
        "web/password.js",
        "script of the page for a new password; sent unchanged",
        []
    ),
    template!("web/icon.svg", "icon of the pages; sent unchanged", []),
];

/// What must never stand in a page or a mail as it was typed.
pub(super) const MARKUP: &str = "<script>movie-bag</script>";
/// What people type, or have others type: markup, quotes, and what a template would run.
const TYPED: &str = "<script>movie-bag</script>'\"&{{ 7 * 7 }}";
/// As long as a real one, since the lines of a mail have an end. It opens nothing.
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
        nasty: sample,
    }
}

const fn typed(name: &'static str, meaning: &'static str, sample: &'static str) -> Variable {
    Variable {
        name,
        meaning,
        sample,
        nasty: TYPED,
    }
}

/// All values, each of which means the same in every template.
pub const VARIABLES: &[Variable] = &[
    ours(
        "url",
        "the whole link, token and all; it must stand on one line",
        LINK,
    ),
    typed(
        "email",
        "the address that the mail is for; on a page, what was typed",
        "ann@example.com",
    ),
    ours(
        "lifetime",
        "how long the link works, from the request",
        "24 hours",
    ),
    ours("expires_at", "until when it works", "2027-03-15 09:26 UTC"),
    ours(
        "requested_at",
        "when the link was asked for",
        "2027-03-14 09:26 UTC",
    ),
    typed("origin", "from where, in words", "the address 192.0.2.1"),
    ours(
        "at",
        "when what the mail tells of happened",
        "2027-03-14 09:31 UTC",
    ),
    ours(
        "forgot_url",
        "the page where a new link is asked for",
        "https://movies.example/forgot",
    ),
    ours(
        "root",
        "from the page to the root, before every link: nothing, or ../",
        "",
    ),
    ours(
        "minimum",
        "how many characters a new password has at least",
        "8",
    ),
    ours(
        "inbox",
        "where the mails of a test server are shown, or nothing",
        "",
    ),
    typed(
        "error",
        "what was wrong with what was typed, or nothing",
        "",
    ),
    typed(
        "heading",
        "what happened, in a few words",
        "This link has expired",
    ),
    typed(
        "message",
        "what happened, in a sentence",
        "For your safety a link works only for a limited time.",
    ),
];

/// The template with this name.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    TEMPLATES.iter().find(|template| template.name == name)
}

/// The value with this name.
pub fn variable(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}
