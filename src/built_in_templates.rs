//! Table of the built-in templates of mails and pages, which are embedded in the binary.
//!
//! The commands `templates list`, `eject` and `preview`, the validation at startup and docs/templates.md are made from it.

#[cfg(test)]
mod tests;

use movie_bag_core::domain::outbox::MailKind;
use movie_bag_mail::templates::{BuiltIn, Sample, TemplateTable, Variable};

/// Built-in templates and their variables.
pub static BUILT_IN_TEMPLATES: TemplateTable = TemplateTable {
    templates: TEMPLATES,
    variables: VARIABLES,
    samples: SAMPLES,
};

macro_rules! template {
    ($name:literal, $purpose:literal, $variables:expr) => {
        BuiltIn {
            name: $name,
            purpose: $purpose,
            variables: $variables,
            source: include_str!(concat!("../templates/", $name)),
        }
    };
}

const TEMPLATES: &[BuiltIn] = &[
    template!(
        "email/reset_password.html",
        "mail with the link to choose a new password",
        MailKind::ResetPassword.variables()
    ),
    template!(
        "email/reset_password.txt",
        "its plain text",
        MailKind::ResetPassword.variables()
    ),
    template!(
        "email/reset_successful.html",
        "mail after a change of the password",
        MailKind::ResetSuccessful.variables()
    ),
    template!(
        "email/reset_successful.txt",
        "its plain text",
        MailKind::ResetSuccessful.variables()
    ),
    template!(
        "email/invitation.html",
        "mail with the link to choose the first password",
        MailKind::Invitation.variables()
    ),
    template!(
        "email/invitation.txt",
        "its plain text",
        MailKind::Invitation.variables()
    ),
    template!(
        "email/address_changed.html",
        "mail to both addresses after a change of the address",
        MailKind::AddressChanged.variables()
    ),
    template!(
        "email/address_changed.txt",
        "its plain text",
        MailKind::AddressChanged.variables()
    ),
    template!(
        "email/access_revoked.html",
        "mail after all sessions were ended",
        MailKind::AccessRevoked.variables()
    ),
    template!(
        "email/access_revoked.txt",
        "its plain text",
        MailKind::AccessRevoked.variables()
    ),
    template!("email/frame.html", "frame of all HTML mails", &["email"]),
    template!("web/home.html", "start page", &["root", "inbox"]),
    template!(
        "web/forgot.html",
        "form that requests a link",
        &["root", "email", "error"]
    ),
    template!(
        "web/sent.html",
        "page after a link was requested",
        &["root", "email", "inbox"]
    ),
    template!(
        "web/reset.html",
        "form that sets the new password",
        &["root", "error", "field", "minimum"]
    ),
    template!(
        "web/done.html",
        "page after the password was changed",
        &["root", "inbox"]
    ),
    template!(
        "web/refused.html",
        "page of an invalid, expired or incomplete link",
        &["root", "heading", "message"]
    ),
    template!(
        "web/problem.html",
        "page of any other error",
        &["root", "heading", "message"]
    ),
    template!("web/base.html", "frame of all pages", &["root"]),
    template!("web/style.css", "style sheet of the pages", &[]),
    template!(
        "web/password.js",
        "script of the form that sets the password",
        &[]
    ),
    template!("web/icon.svg", "icon of the pages", &[]),
];

/// Link of the length of a real one, since the lines of a mail have a maximum length. It opens nothing.
const LINK: &str = concat!(
    "https://movies.example/reset/",
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.",
    "eyJzYW1wbGUiOiJUaGlzIGxpbmsgaXMgaW4gYSBwcmV2aWV3IGFuZCBvcGVucyBub3RoaW5nLiBBIHJlYWwgb25lIG5hbWVzIGFu",
    "IGFjY291bnQsIGEgcHVycG9zZSwgYSB0aW1lLCBhIGZpbmdlcnByaW50IG9mIHRoZSBwcmVzZW50IHBhc3N3b3JkIGFuZCBhIG51",
    "bWJlciBvZiBpdHMgb3duLCBhbmQgaXMgYWJvdXQgYXMgbG9uZyBhcyB0aGlzIG9uZS4ifQ.",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
);

const VARIABLES: &[Variable] = &[
    Variable::internal(
        "url",
        "link with the token; must be whole on one line",
        LINK,
    ),
    Variable::user_input(
        "email",
        "address that the mail is for; on a page, the address that was entered",
        "ann@example.com",
    ),
    Variable::internal(
        "lifetime",
        "period in which the link is valid, from the request",
        "24 hours",
    ),
    Variable::internal(
        "expires_at",
        "time when the link expires",
        "15 March 2027, 09:26 UTC",
    ),
    Variable::internal(
        "requested_at",
        "time of the request for the link",
        "14 March 2027, 09:26 UTC",
    ),
    Variable::user_input(
        "origin",
        "source of the request or change: a device, or an administrator",
        "a device with the IP address 192.0.2.1",
    ),
    Variable::internal(
        "at",
        "time of the change that the mail reports",
        "14 March 2027, 09:31 UTC",
    ),
    Variable::internal(
        "forgot_url",
        "address of the page that requests a link",
        "https://movies.example/forgot",
    ),
    Variable::internal(
        "site",
        "host, port and path of the public URL",
        "movies.example",
    ),
    Variable::internal(
        "root",
        "path from the page to the start page, for the beginning of every link: empty, or ../",
        "",
    ),
    Variable::internal(
        "minimum",
        "minimum length of a new password, in characters",
        "8",
    ),
    Variable::internal("inbox", "URL of the inbox of a test server, or empty", ""),
    Variable::user_input("error", "error in the submitted form, or empty", ""),
    Variable::internal(
        "field",
        "field that the error is about: password, password_again, or empty",
        "",
    ),
    Variable::user_input("heading", "error, in a few words", "This link has expired"),
    Variable::user_input(
        "message",
        "error, in a sentence or two",
        "A link is valid for a limited time only. Request a new one:",
    ),
];

const SAMPLES: &[Sample] = &[
    Sample {
        template_prefix: "email/invitation.",
        variable: "lifetime",
        value: "7 days",
    },
    Sample {
        template_prefix: "email/invitation.",
        variable: "expires_at",
        value: "21 March 2027, 09:26 UTC",
    },
];
