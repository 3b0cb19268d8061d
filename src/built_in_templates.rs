//! Table of the built-in templates of mails and pages, which are embedded in the binary.
//!
//! The commands `templates list`, `eject` and `preview`, the validation at startup and docs/templates.md are made from it. The
//! templates of mails, with their variables, follow from [`MailKind`].

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use movie_bag_core::domain::mail::{Content, MailKind, Variable};
use movie_bag_mail::templates::{BuiltIn, Part, TemplateTable};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// Built-in templates.
pub static BUILT_IN_TEMPLATES: LazyLock<TemplateTable> = LazyLock::new(|| {
    let mails = MailKind::ALL.iter().flat_map(|kind| {
        Part::ALL.map(|part| BuiltIn::of_mail(*kind, part, source(&part.template_name(*kind))))
    });
    TemplateTable::new(mails.chain(frames_and_pages()).collect())
});

/// Returns the text of a built-in template.
///
/// # Panics
/// The file does not exist, which every use of the templates finds.
fn source(name: &str) -> &'static str {
    let file = FILES.get_file(name).and_then(|file| file.contents_utf8());
    file.unwrap_or_else(|| panic!("templates/{name} does not exist"))
}

/// Returns the other templates. A variable has the same meaning in all pages.
fn frames_and_pages() -> Vec<BuiltIn> {
    let root = internal(
        "root",
        "path from the page to the start page, for the beginning of every link: empty, or ../",
        "",
    );
    let minimum = internal(
        "minimum",
        "minimum length of a new password, in characters",
        "8",
    );
    let inbox = internal("inbox", "URL of the inbox of a test server, or empty", "");
    let email = user_input(
        "email",
        "on a page: address that was entered",
        "ann@example.com",
    );
    let error = user_input("error", "error in the submitted form, or empty", "");
    let field = internal(
        "field",
        "field that the error is about: password, password_again, or empty",
        "",
    );
    let heading = user_input(
        "heading",
        "question, result or error, in a few words",
        "This link has expired",
    );
    let message = user_input(
        "message",
        "its explanation, in a sentence or two",
        "A link is valid for a limited time only. Request a new one:",
    );
    let button = internal("button", "label of the button", "Change the password");
    let form = internal(
        "form",
        "form that the page is about: forgot, signup, or empty",
        "forgot",
    );
    let recipient = MailKind::ResetPassword.variables();
    let recipient = recipient.iter().find(|variable| variable.name == "email");
    let templates: [(&str, &str, &[&Variable]); 15] = [
        (
            "email/frame.html",
            "frame of all HTML mails",
            recipient.as_slice(),
        ),
        ("web/home.html", "start page", &[&root, &inbox]),
        (
            "web/forgot.html",
            "form that requests a link",
            &[&root, &email, &error],
        ),
        (
            "web/sent.html",
            "page after a link was requested",
            &[&root, &email, &inbox, &form],
        ),
        (
            "web/signup.html",
            "form that requests an account",
            &[&root, &email, &error],
        ),
        (
            "web/reset.html",
            "form that sets a password",
            &[&root, &heading, &error, &field, &minimum, &button],
        ),
        (
            "web/done.html",
            "page after the password was changed",
            &[&root, &inbox],
        ),
        (
            "web/refused.html",
            "page of an invalid, expired or incomplete link",
            &[&root, &heading, &message, &form],
        ),
        (
            "web/confirm.html",
            "page of a link, which asks for confirmation",
            &[&root, &heading, &message, &button],
        ),
        (
            "web/confirmed.html",
            "page after the confirmation",
            &[&root, &heading, &message, &form],
        ),
        (
            "web/problem.html",
            "page of any other error",
            &[&root, &heading, &message],
        ),
        ("web/base.html", "frame of all pages", &[&root]),
        ("web/style.css", "style sheet of the pages", &[]),
        (
            "web/password.js",
            "script of the form that sets the password",
            &[],
        ),
        ("web/icon.svg", "icon of the pages", &[]),
    ];
    templates
        .into_iter()
        .map(|(name, purpose, variables)| BuiltIn {
            name: name.to_owned(),
            purpose: purpose.to_owned(),
            variables: variables.iter().copied().cloned().collect(),
            source: source(name),
        })
        .collect()
}

fn internal(name: &'static str, meaning: &str, sample: &str) -> Variable {
    variable(name, meaning, Content::Internal, sample)
}

fn user_input(name: &'static str, meaning: &str, sample: &str) -> Variable {
    variable(name, meaning, Content::UserInput, sample)
}

fn variable(name: &'static str, meaning: &str, content: Content, sample: &str) -> Variable {
    Variable {
        name,
        meaning: meaning.to_owned(),
        content,
        sample: sample.to_owned(),
    }
}
