//! Overrides and their errors, with a small table of built-in templates.

use std::collections::BTreeMap;
use std::fs;
use std::path::MAIN_SEPARATOR;
use std::sync::LazyLock;

use movie_bag_core::domain::mail::{Content, MailKind, Variable};
use movie_bag_core::domain::product_name::ProductName;
use tempfile::TempDir;

use super::*;

const MAIL: &str = "{% extends \"email/frame.html\" %}\n\
    {% block title %}Mail{% endblock %}\n\
    {% block body %}<h1>Mail</h1><p>{{ url }} for {{ email }}</p>{% endblock %}\n";
const PAGE: &str = "{% extends \"web/base.html\" %}\n\
    {% block title %}Page{% endblock %}\n\
    {% block content %}<h1>Page</h1>{% endblock %}\n";

/// Templates with the names of the real ones, and short texts.
pub(super) static TABLE: LazyLock<TemplateTable> = LazyLock::new(|| {
    let page = |name: &str, variables: &[(&'static str, Content)], source| BuiltIn {
        name: name.to_owned(),
        purpose: "test".to_owned(),
        variables: variables
            .iter()
            .map(|(name, content)| Variable {
                name,
                meaning: "test".to_owned(),
                content: *content,
                sample: String::new(),
            })
            .collect(),
        source,
    };
    let (root, inbox) = (("root", Content::Internal), ("inbox", Content::Internal));
    let (email, error) = (("email", Content::UserInput), ("error", Content::UserInput));
    TemplateTable::new(vec![
        BuiltIn::of_mail(MailKind::ResetPassword, Part::Html, MAIL),
        BuiltIn::of_mail(MailKind::ResetPassword, Part::Text, "{{ url }}\n"),
        BuiltIn::of_mail(MailKind::ResetPassword, Part::Subject, "Reset\n"),
        BuiltIn::of_mail(
            MailKind::ResetSuccessful,
            Part::Html,
            "{% extends \"email/frame.html\" %}\n{% block body %}{{ email }}{% endblock %}\n",
        ),
        BuiltIn::of_mail(MailKind::ResetSuccessful, Part::Text, "{{ email }}\n"),
        BuiltIn::of_mail(MailKind::Invitation, Part::Html, MAIL),
        BuiltIn::of_mail(MailKind::Invitation, Part::Text, "{{ url }}\n"),
        page(
            "email/frame.html",
            &[email],
            "<title>{% block title %}{% endblock %}</title>{% block body %}{% endblock %}\n",
        ),
        page("web/forgot.html", &[root, email, error], PAGE),
        page(
            "web/sent.html",
            &[root, email, inbox],
            "{% extends \"web/base.html\" %}\n{% block content %}\n{{ email }}{% endblock %}\n",
        ),
        page("web/done.html", &[root, inbox], PAGE),
        page(
            "web/base.html",
            &[root],
            "{{ root }}<title>{% block title %}{% endblock %}</title>{% block content %}{% endblock %}\n",
        ),
        page("web/style.css", &[], "body {}\n"),
    ])
});

fn load(folder: Option<&Path>) -> Result<Templates, TemplateError> {
    Templates::load(&TABLE, folder, branding("Movie-bag", None))
}

fn branding(product: &str, login_url: Option<&str>) -> Branding {
    Branding {
        product: ProductName::parse(product).unwrap(),
        login_url: login_url.map(str::to_owned),
    }
}

fn templates() -> Templates {
    load(None).unwrap()
}

/// Returns a folder of overrides with these files.
fn folder_with(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// Returns the error message of a folder with these files, with paths relative to the folder.
fn refused(files: &[(&str, &str)]) -> String {
    let folder = folder_with(files);
    let error = load(Some(folder.path())).unwrap_err();
    let prefix = format!("{}{MAIN_SEPARATOR}", folder.path().display());
    with_slashes(&error.to_string().replace(&prefix, ""))
}

/// Returns a text with the separators of Unix in its paths.
fn with_slashes(text: &str) -> String {
    text.replace(MAIN_SEPARATOR, "/")
}

#[test]
fn the_templates_of_the_test_table_are_valid() {
    assert_eq!(templates().validate(), Ok(Vec::new()));
}

#[test]
fn a_preview_uses_the_sample_of_its_template() {
    let folder = folder_with(&[
        ("email/invitation.txt", "{{ url }} {{ lifetime }}"),
        ("email/reset_password.txt", "{{ url }} {{ lifetime }}"),
    ]);
    let templates = load(Some(folder.path())).unwrap();
    let preview = |name| templates.preview(TABLE.find(name).unwrap()).unwrap();
    assert!(preview("email/invitation.txt").ends_with("7 days"));
    assert!(preview("email/reset_password.txt").ends_with("24 hours"));
}

#[test]
fn every_template_has_the_name_and_the_login_page_of_the_application() {
    const TEXT: &str = "{{ product }}{% if login_url %} at {{ login_url }}{% endif %}\n";
    let names = TABLE.templates.iter().filter(|one| {
        !one.is_raw() && one.name != "email/frame.html" && one.name != "web/base.html"
    });
    let names: Vec<&str> = names.map(|one| one.name.as_str()).collect();
    let files: Vec<_> = names.iter().map(|name| (*name, TEXT)).collect();
    let folder = folder_with(&files);
    let with = |product, login_url| {
        Templates::load(&TABLE, Some(folder.path()), branding(product, login_url)).unwrap()
    };
    let values = BTreeMap::<&str, &str>::new();
    let (without, with) = (
        with("A & <B>", None),
        with("Filmotheque", Some("https://f.example/?a=1&b=2")),
    );
    for name in names {
        let is_html = name.ends_with(".html");
        let expected = if is_html {
            "A &amp; &lt;B&gt;\n"
        } else {
            "A & <B>\n"
        };
        assert_eq!(without.render(name, &values).unwrap(), expected, "{name}");
        let template = TABLE.find(name).unwrap();
        // A preview shows them too, in place of the samples.
        for text in [with.render(name, &values), with.preview(template)] {
            let text = text.unwrap().replace("&amp;", "&");
            assert_eq!(
                text, "Filmotheque at https://f.example/?a=1&b=2\n",
                "{name}"
            );
        }
    }
}

#[test]
fn an_override_keeps_its_lines_unless_it_uses_the_filter_wrap() {
    let words = "word ".repeat(30);
    let (plain, wrapped) = (
        format!("{words}{{{{ url }}}}"),
        format!("{{% filter wrap %}}{words}{{{{ url }}}}{{% endfilter %}}"),
    );
    for (source, lines) in [(plain, 1), (wrapped, 4)] {
        let folder = folder_with(&[("email/invitation.txt", &source)]);
        let templates = load(Some(folder.path())).unwrap();
        let text = templates
            .preview(TABLE.find("email/invitation.txt").unwrap())
            .unwrap();
        assert_eq!(text.lines().count(), lines, "{text}");
        assert!(text.lines().last().unwrap().contains("https://"), "{text}");
    }
}

#[test]
fn an_override_replaces_its_template_and_no_other() {
    let folder = folder_with(&[
        (
            "email/reset_password.txt",
            "Custom: {{ url }} until {{ expires_at }}",
        ),
        ("web/style.css", "body { color: {{ red }} }"),
    ]);
    let templates = load(Some(folder.path())).unwrap();
    let preview = |name: &str| templates.preview(TABLE.find(name).unwrap()).unwrap();
    assert!(preview("email/reset_password.txt").starts_with("Custom: https://"));
    assert_eq!(preview("web/style.css"), "body { color: {{ red }} }");
    assert!(preview("email/reset_password.html").contains("<h1"));
    let path = |name: &str| templates.path(TABLE.find(name).unwrap());
    assert_eq!(
        path("web/style.css"),
        Some(&*folder.path().join("web/style.css"))
    );
    assert_eq!(path("web/base.html"), None);
    assert_eq!(templates.warnings(), [""; 0]);
}

#[test]
fn an_error_names_the_file_line_column_and_problem() {
    const RESET: &str = "email/reset_password.html";
    for (source, message) in [
        ("\n{{ url", ":2:"),
        ("\n\n  {% if %}", ":3:"),
        (
            "\n{{ nope }}",
            ":2:4: email/reset_password.html has no variable nope",
        ),
        (
            "{{ expire_at }}",
            ":1:4: email/reset_password.html has no variable expire_at; did you mean expires_at?",
        ),
        // Inside a condition, where rendering would not find it before a mail is due.
        (
            "{{ url }}\n{% if lifetime == \"1 day\" %}\n{{ expires }}{% endif %}",
            ":3:4: ",
        ),
        ("{% if emial %}x{% endif %}", "did you mean email?"),
        // Inside a filter section, as in all built-in text parts.
        (
            "{% filter wrap %}\n{{ expire_at }}{% endfilter %}",
            ":2:4: ",
        ),
        ("\n{{ url | upcase }}", ":2:"),
        ("{{ url.token }}", ":1:"),
        ("\n{% include \"email/footer.html\" %}", ":2:"),
        (
            "{% extends \"email/farme.html\" %}",
            "it extends email/farme.html",
        ),
        ("{% extends \"email/reset_password.html\" %}", "ircular"),
        ("{{ url }} {{ email | safe }}", ":1:22: the filter safe"),
    ] {
        let error = refused(&[(RESET, source)]);
        assert!(
            error.starts_with("template ") && error.contains(RESET) && error.contains(message),
            "{source:?}: {error}"
        );
        assert!(!error.contains('\n'), "{source:?}: {error}");
    }
}

#[test]
fn pages_and_frames_are_validated_like_mails() {
    for (name, source, message) in [
        (
            "web/forgot.html",
            "\n{{ heading }}",
            "template web/forgot.html:2:4: ",
        ),
        (
            "web/sent.html",
            "{{ email | safe }}",
            "template web/sent.html:1:12: the filter safe",
        ),
        (
            "web/base.html",
            "{{ root }}\n{{ titel }}{% block title %}{% endblock %}{% block content %}{% endblock %}",
            "template web/base.html:2:4: ",
        ),
        (
            "email/frame.html",
            "{{ url }}{% block title %}{% endblock %}{% block body %}{% endblock %}",
            "template email/frame.html:1:4: ",
        ),
        // The block that the mails fill is missing.
        (
            "email/frame.html",
            "{% block title %}{% endblock %}",
            "Block `body` is not defined in any parent template; its parent template is email/frame.html",
        ),
    ] {
        let error = refused(&[(name, source)]);
        assert!(error.contains(message), "{name} {source:?}: {error}");
    }
}

#[test]
fn a_name_set_in_a_template_is_known_there_and_in_its_children() {
    let folder = folder_with(&[
        (
            "email/invitation.txt",
            "{% set name = email %}{{ name }} {{ url }}{% for word in [1] %}{{ word }}{% endfor %}",
        ),
        (
            "web/base.html",
            "{% set_global brand = \"Custom\" %}<title>{% block title %}{% endblock %}</title>{% block content %}{% endblock %}",
        ),
        (
            "web/done.html",
            "{% extends \"web/base.html\" %}{% block content %}{{ brand }}{% endblock %}",
        ),
    ]);
    let templates = load(Some(folder.path())).unwrap();
    let done = templates
        .preview(TABLE.find("web/done.html").unwrap())
        .unwrap();
    assert_eq!(done, "<title></title>Custom");
}

#[test]
fn a_line_that_mail_cannot_carry_is_refused_at_loading_and_at_rendering() {
    const INVITATION: &str = "email/invitation.txt";
    let long = format!("{{{{ url }}}}\n{}", "x".repeat(999));
    for (source, line) in [(long.as_str(), 2), ("{{ url }}\n\na\rb", 3), ("\0", 1)] {
        let error = refused(&[(INVITATION, source)]);
        assert!(
            error.contains(&format!("{INVITATION}: line {line} of its output")),
            "{error}"
        );
    }
    let values = BTreeMap::from([("url", "x".repeat(999))]);
    let error = templates().render(INVITATION, &values).unwrap_err();
    assert!(error.problem.contains("longer than 998 bytes"), "{error}");
}

#[test]
fn a_subject_is_one_line_without_the_link() {
    const SUBJECT: &str = "email/reset_password.subject.txt";
    for (source, problem) in [
        (" \n", "its output is empty"),
        (
            "a\nBcc: x@example.com\n",
            "several lines or control characters",
        ),
        ("a\rb", "several lines or control characters"),
        ("a\u{1b}b", "several lines or control characters"),
        ("{{ url }}", "has no variable url"),
    ] {
        let error = refused(&[(SUBJECT, source)]);
        assert!(
            error.contains(SUBJECT) && error.contains(problem),
            "{error}"
        );
    }
    assert!(refused(&[(SUBJECT, &"x".repeat(999))]).contains("longer than 998 bytes"));
    let folder = folder_with(&[(SUBJECT, "\u{feff}Gr\u{fc}\u{df}e an {{ email }}\r\n")]);
    let templates = load(Some(folder.path())).unwrap();
    assert_eq!(templates.warnings(), [""; 0]);
    let subject = templates.preview(TABLE.find(SUBJECT).unwrap()).unwrap();
    assert_eq!(subject, "Gr\u{fc}\u{df}e an ann@example.com\n");
}

#[test]
fn a_mail_without_its_link_causes_a_warning() {
    let folder = folder_with(&[("email/invitation.txt", "See the other part, {{ email }}.")]);
    let templates = load(Some(folder.path())).unwrap();
    let [warning] = templates.warnings() else {
        panic!("{:?}", templates.warnings())
    };
    assert!(
        with_slashes(warning).contains("email/invitation.txt does not show {{ url }}"),
        "{warning}"
    );
}

#[test]
fn a_template_gets_exactly_the_values_of_its_variables() {
    let values = BTreeMap::from([("root", "../"), ("url", "https://secret.example")]);
    assert!(templates().render("web/done.html", &values).is_ok());
    assert!(templates().render("web/nothing.html", &values).is_err());
    // A missing value is an error, and not an empty text.
    let error = templates()
        .render("web/sent.html", &BTreeMap::from([("root", "")]))
        .unwrap_err();
    assert_eq!(error.template, "web/sent.html");
    assert_eq!(error.place.map(|place| place.line), Some(3));
}

#[test]
fn a_byte_order_mark_and_line_ends_of_windows_are_removed() {
    let folder = folder_with(&[(
        "email/invitation.txt",
        "\u{feff}{{ url }}\r\n{{ email }}\r\n",
    )]);
    let templates = load(Some(folder.path())).unwrap();
    let text = templates
        .preview(TABLE.find("email/invitation.txt").unwrap())
        .unwrap();
    assert!(
        text.starts_with("https://") && text.ends_with("\nann@example.com\n"),
        "{text:?}"
    );
    assert!(!text.contains('\r'));
}

#[cfg(unix)]
#[test]
fn an_unusable_file_is_refused_with_the_reason() {
    use std::os::unix::fs::symlink;
    const NAME: &str = "email/invitation.txt";
    let folder = folder_with(&[("email/other.txt", "Custom: {{ url }}")]);
    let path = folder.path().join(NAME);
    let load = || load(Some(folder.path()));
    let error = || {
        let error = load().unwrap_err().to_string();
        assert!(error.contains(NAME), "{error}");
        fs::remove_file(&path)
            .or_else(|_| fs::remove_dir(&path))
            .unwrap();
        error
    };
    // Configuration that is mounted into a container is behind links.
    symlink("other.txt", &path).unwrap();
    let templates = load().unwrap();
    assert!(
        templates
            .preview(TABLE.find(NAME).unwrap())
            .unwrap()
            .starts_with("Custom")
    );
    fs::remove_file(&path).unwrap();
    symlink("nowhere.txt", &path).unwrap();
    assert!(error().contains("a link to a file that does not exist"));
    symlink("invitation.txt", &path).unwrap();
    assert!(error().contains("cannot read it"));
    symlink("/dev/zero", &path).unwrap();
    assert!(error().contains("it is not a regular file"));
    fs::create_dir(&path).unwrap();
    assert!(error().contains("it is not a regular file"));
    fs::write(&path, b"{{ url }}\nGr\xfc\xdfe").unwrap();
    assert!(error().contains("invitation.txt:2:3: it is not UTF-8"));
    fs::write(&path, vec![b'x'; 2 * 1024 * 1024]).unwrap();
    assert!(error().contains("larger than 1048576 bytes"));
}

#[test]
fn an_unusable_folder_is_refused_with_the_reason() {
    let folder = folder_with(&[("file", "x")]);
    for (name, message) in [
        ("nowhere", "it does not exist"),
        ("file", "it is not a folder"),
    ] {
        let error = load(Some(&folder.path().join(name))).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    // An empty folder is valid.
    assert!(load(Some(tempfile::tempdir().unwrap().path())).is_ok());
}
