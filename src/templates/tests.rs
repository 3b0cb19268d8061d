//! The built-in templates, and errors in overrides.

use std::fs;
use std::path::MAIN_SEPARATOR;

use tempfile::TempDir;

use super::*;

/// Returns a folder of overrides with these files.
fn own(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn refused(files: &[(&str, &str)]) -> String {
    let folder = own(files);
    let error = Templates::load(Some(folder.path())).unwrap_err();
    let its_path = format!("{}{MAIN_SEPARATOR}", folder.path().display());
    with_slashes(&error.to_string().replace(&its_path, ""))
}

/// Returns a text with the separators of Unix in its paths.
fn with_slashes(text: &str) -> String {
    text.replace(MAIN_SEPARATOR, "/")
}

fn templates() -> Templates {
    Templates::load(None).unwrap()
}

fn previews() -> impl Iterator<Item = (&'static BuiltIn, String)> {
    let templates = templates();
    TEMPLATES
        .iter()
        .map(move |template| (template, templates.preview(template).unwrap()))
}

#[test]
fn the_table_has_every_file_and_knows_every_value() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut files: Vec<String> = ["email", "web"]
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
        .map(|file| {
            let path = file.unwrap().path();
            with_slashes(path.strip_prefix(&root).unwrap().to_str().unwrap())
        })
        .collect();
    let mut names: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
    files.sort();
    names.sort_unstable();
    assert_eq!(files, names);
    for name in TEMPLATES.iter().flat_map(|template| template.variables) {
        assert!(variable(name).is_some(), "{name}");
    }
}

#[test]
fn the_built_in_templates_pass_the_trial_that_those_of_ones_own_must_pass() {
    assert_eq!(trial::run(&templates()), Ok(Vec::new()));
}

#[test]
fn the_built_in_templates_are_ascii_so_that_any_mail_server_takes_them() {
    assert!(TEMPLATES.iter().all(|template| template.source.is_ascii()));
}

#[test]
fn a_mail_loads_nothing_and_says_its_language_and_title() {
    for (template, mail) in previews().filter(|(template, _)| template.is_mail()) {
        let name = template.name;
        for loads in ["src=", "url(", "@import", "<link", "<img", "<script"] {
            assert!(!mail.contains(loads), "{name} has {loads}");
        }
        if template.is_html() {
            for part in ["<html lang=\"en\">", "<title>", "name=\"color-scheme\""] {
                assert!(mail.contains(part), "{name} has no {part}");
            }
            let has_link = |name: &&str| matches!(*name, "url" | "forgot_url");
            let buttons = usize::from(template.variables.iter().any(has_link));
            assert_eq!(mail.matches("class=\"button\"").count(), buttons, "{name}");
        }
    }
}

#[test]
fn a_mail_looks_right_where_its_style_sheet_is_dropped() {
    for (template, mail) in
        previews().filter(|(template, _)| template.is_html() && template.is_mail())
    {
        let (_, body) = mail.split_once("</style>").unwrap();
        for element in [
            "<h1>",
            "<p>",
            "<a>",
            "<p class=\"quiet\">",
            "<td class=\"button\">",
        ] {
            assert!(!body.contains(element), "{}: {element}", template.name);
        }
    }
}

#[test]
fn text_parts_wrap_at_72_characters_whatever_the_values_are() {
    let templates = templates();
    let long = "a.name.that.is.as.long.as.names.of.mailboxes.may.be@example.com";
    for template in TEMPLATES.iter().filter(|one| one.name.ends_with(".txt")) {
        let values = trial::values(template, |variable| match variable.name {
            "email" => long,
            "origin" => "a device with the IP address 2001:db8:1234:5678:9abc:def0:1234:5678",
            "lifetime" => "1234567 seconds",
            "expires_at" | "at" | "requested_at" => "30 September 2027, 09:26 UTC",
            _ => template.sample(variable),
        });
        let mail = templates.render(template.name, values).unwrap();
        for line in mail.lines() {
            let is_one_word = !line.contains(' ');
            assert!(
                line.chars().count() <= 72 || is_one_word,
                "{}: {line}",
                template.name
            );
            assert_eq!(line.trim(), line, "{}", template.name);
        }
        assert!(mail.ends_with(|c: char| c.is_ascii_alphanumeric() || ".\n".contains(c)));
        assert!(mail.ends_with('\n') && !mail.ends_with("\n\n"), "{mail:?}");
        assert!(!mail.starts_with('\n'));
    }
}

#[test]
fn a_text_part_of_ones_own_keeps_its_lines_unless_it_uses_the_filter() {
    let words = "word ".repeat(30);
    let (plain, wrapped) = (
        format!("{words}{{{{ url }}}}"),
        format!("{{% filter wrap %}}{words}{{{{ url }}}}{{% endfilter %}}"),
    );
    for (source, lines) in [(plain, 1), (wrapped, 4)] {
        let folder = own(&[("email/invitation.txt", &source)]);
        let templates = Templates::load(Some(folder.path())).unwrap();
        let text = templates
            .preview(find("email/invitation.txt").unwrap())
            .unwrap();
        assert_eq!(text.lines().count(), lines, "{text}");
        assert!(text.lines().last().unwrap().contains("https://"), "{text}");
    }
}

#[test]
fn mails_have_the_colors_of_the_pages() {
    let style = find("web/style.css").unwrap().source;
    let pairs: Vec<[&str; 2]> = style
        .split("light-dark(")
        .skip(1)
        .map(|pair| {
            let (light, rest) = pair.split_once(", ").unwrap();
            [light, rest.split_once(')').unwrap().0]
        })
        .collect();
    let colors = |text: &str| -> Vec<String> {
        let starts = text.match_indices('#').map(|(at, _)| &text[at..]);
        let colors = starts.filter_map(|text| text.get(..7));
        let is_color = |text: &&str| text[1..].bytes().all(|c| c.is_ascii_hexdigit());
        colors.filter(is_color).map(str::to_owned).collect()
    };
    for (template, mail) in previews().filter(|(one, _)| one.is_mail() && one.is_html()) {
        let (head, body) = mail.split_once("</style>").unwrap();
        for (part, text, side) in [("dark", head, 1), ("light", body, 0)] {
            let used = colors(text);
            assert!(used.len() > 2, "{}: {used:?}", template.name);
            for color in used {
                let is_of_pages = pairs.iter().any(|pair| pair[side] == color);
                assert!(is_of_pages, "{}: {color} is no {part} color", template.name);
            }
        }
    }
}

#[test]
fn a_file_of_ones_own_wins_and_the_others_stay() {
    let folder = own(&[
        (
            "email/reset_password.txt",
            "Ours: {{ url }} until {{ expires_at }}",
        ),
        ("web/style.css", "body { color: {{ red }} }"),
    ]);
    let templates = Templates::load(Some(folder.path())).unwrap();
    let preview = |name: &str| templates.preview(find(name).unwrap()).unwrap();
    assert!(preview("email/reset_password.txt").starts_with("Ours: https://"));
    assert_eq!(preview("web/style.css"), "body { color: {{ red }} }");
    assert!(preview("email/reset_password.html").contains("<h1"));
    let path = |name: &str| templates.path(find(name).unwrap());
    assert_eq!(
        path("web/style.css"),
        Some(&*folder.path().join("web/style.css"))
    );
    assert_eq!(path("web/base.html"), None);
    assert_eq!(templates.warnings(), [""; 0]);
}

#[test]
fn a_broken_one_is_named_with_line_and_column_and_what_is_wrong() {
    const RESET: &str = "email/reset_password.html";
    for (source, said) in [
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
        // Hidden by a condition, where rendering would not find it before a mail is due.
        (
            "{{ url }}\n{% if lifetime == \"1 day\" %}\n{{ expires }}{% endif %}",
            ":3:4: ",
        ),
        ("{% if emial %}x{% endif %}", "did you mean email?"),
        // Also within the section of a filter, which all built-in text parts have.
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
            error.starts_with("template ") && error.contains(RESET) && error.contains(said),
            "{source:?}: {error}"
        );
        assert!(!error.contains('\n'), "{source:?}: {error}");
    }
}

#[test]
fn pages_are_tried_as_mails_are_and_so_is_what_stands_round_them() {
    for (name, source, said) in [
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
        // A block that the mails fill is gone.
        (
            "email/frame.html",
            "{% block title %}{% endblock %}",
            "Block `body` is not defined in any parent template; its parent template is email/frame.html",
        ),
    ] {
        let error = refused(&[(name, source)]);
        assert!(error.contains(said), "{name} {source:?}: {error}");
    }
}

#[test]
fn what_a_template_makes_itself_is_known_to_it_and_to_those_it_frames() {
    let folder = own(&[
        (
            "email/invitation.txt",
            "{% set name = email %}{{ name }} {{ url }}{% for word in [1] %}{{ word }}{% endfor %}",
        ),
        (
            "web/base.html",
            "{% set_global brand = \"Ours\" %}<title>{% block title %}{% endblock %}</title>{% block content %}{% endblock %}",
        ),
        (
            "web/done.html",
            "{% extends \"web/base.html\" %}{% block content %}{{ brand }}{% endblock %}",
        ),
    ]);
    let templates = Templates::load(Some(folder.path())).unwrap();
    let done = templates.preview(find("web/done.html").unwrap()).unwrap();
    assert_eq!(done, "<title></title>Ours");
}

#[test]
fn what_mail_cannot_carry_is_refused_at_the_start_and_in_every_mail() {
    const INVITATION: &str = "email/invitation.txt";
    let long = format!("{{{{ url }}}}\n{}", "x".repeat(999));
    for (source, line) in [(long.as_str(), 2), ("{{ url }}\n\na\rb", 3), ("\0", 1)] {
        let error = refused(&[(INVITATION, source)]);
        assert!(
            error.contains(&format!("{INVITATION}: line {line} of its output")),
            "{error}"
        );
    }
    let values = [
        ("url", "x".repeat(999)),
        ("email", String::new()),
        ("lifetime", String::new()),
        ("expires_at", String::new()),
        ("site", String::new()),
    ];
    assert!(templates().render(INVITATION, values).is_err());
}

#[test]
fn a_mail_without_its_link_is_warned_of() {
    let folder = own(&[("email/invitation.txt", "See the other part, {{ email }}.")]);
    let templates = Templates::load(Some(folder.path())).unwrap();
    let [warning] = templates.warnings() else {
        panic!("{:?}", templates.warnings())
    };
    assert!(
        with_slashes(warning).contains("email/invitation.txt does not show {{ url }}"),
        "{warning}"
    );
}

#[test]
fn a_value_that_is_not_of_the_table_reaches_no_template() {
    let values = [("root", "../"), ("url", "https://secret.example")];
    assert!(templates().render("web/done.html", values).is_ok());
    assert!(templates().render("web/nothing.html", values).is_err());
    // And one of the table that is not given is an error, not nothing.
    let error = templates()
        .render("web/sent.html", [("root", "")])
        .unwrap_err();
    assert_eq!(error.template, "web/sent.html");
    assert_eq!(error.place.map(|place| place.line), Some(5));
}

#[test]
fn a_byte_order_mark_and_line_ends_of_windows_do_not_travel() {
    let folder = own(&[(
        "email/invitation.txt",
        "\u{feff}{{ url }}\r\n{{ email }}\r\n",
    )]);
    let templates = Templates::load(Some(folder.path())).unwrap();
    let text = templates
        .preview(find("email/invitation.txt").unwrap())
        .unwrap();
    assert!(
        text.starts_with("https://") && text.ends_with("\nann@example.com\n"),
        "{text:?}"
    );
    assert!(!text.contains('\r'));
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_a_template_says_why() {
    use std::os::unix::fs::symlink;
    const NAME: &str = "email/invitation.txt";
    let folder = own(&[("email/other.txt", "Ours: {{ url }}")]);
    let path = folder.path().join(NAME);
    let load = || Templates::load(Some(folder.path()));
    let error = || {
        let error = load().unwrap_err().to_string();
        assert!(error.contains(NAME), "{error}");
        fs::remove_file(&path)
            .or_else(|_| fs::remove_dir(&path))
            .unwrap();
        error
    };
    // Configuration that is mounted into a container stands behind links.
    symlink("other.txt", &path).unwrap();
    let templates = load().unwrap();
    assert!(
        templates
            .preview(find(NAME).unwrap())
            .unwrap()
            .starts_with("Ours")
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
fn a_folder_that_is_none_says_so() {
    let folder = own(&[("file", "x")]);
    for (name, said) in [
        ("nowhere", "it does not exist"),
        ("file", "it is not a folder"),
    ] {
        let error = Templates::load(Some(&folder.path().join(name))).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    // Nothing in it is all right: one begins.
    assert!(Templates::load(Some(tempfile::tempdir().unwrap().path())).is_ok());
}
