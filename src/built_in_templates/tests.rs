//! Built-in templates: their table, their appearance, and the mails rendered from them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{MAIN_SEPARATOR, Path};

use movie_bag_core::domain::product_name::ProductName;
use movie_bag_mail::templates::{Branding, Templates};

use super::*;

fn templates() -> Templates {
    let branding = Branding {
        product: ProductName::DEFAULT,
        login_url: None,
    };
    Templates::load(&BUILT_IN_TEMPLATES, None, branding).unwrap()
}

fn previews() -> impl Iterator<Item = (&'static BuiltIn, String)> {
    let templates = templates();
    BUILT_IN_TEMPLATES
        .templates
        .iter()
        .map(move |template| (template, templates.preview(template).unwrap()))
}

/// Returns a text with the separators of Unix in its paths.
fn with_slashes(text: &str) -> String {
    text.replace(MAIN_SEPARATOR, "/")
}

#[test]
fn the_table_lists_every_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut files: Vec<String> = ["email", "web"]
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
        .map(|file| {
            let path = file.unwrap().path();
            with_slashes(path.strip_prefix(&root).unwrap().to_str().unwrap())
        })
        .collect();
    let mut names: Vec<&str> = BUILT_IN_TEMPLATES
        .templates
        .iter()
        .map(|template| template.name.as_str())
        .collect();
    files.sort();
    names.sort_unstable();
    assert_eq!(files, names);
}

#[test]
fn the_built_in_templates_pass_the_validation_of_overrides() {
    assert_eq!(templates().validate(), Ok(Vec::new()));
}

#[test]
fn the_built_in_templates_are_ascii_so_that_every_mail_server_accepts_them() {
    assert!(
        BUILT_IN_TEMPLATES
            .templates
            .iter()
            .all(|template| template.source.is_ascii())
    );
}

#[test]
fn no_template_contains_the_name_of_this_program() {
    for template in &BUILT_IN_TEMPLATES.templates {
        let letters = |text: &str| text.to_lowercase().replace([' ', '-', '_'], "");
        assert!(
            !letters(template.source).contains("moviebag"),
            "{} has a fixed name: write {{{{ product }}}}",
            template.name
        );
    }
}

#[test]
fn the_login_page_is_linked_where_it_is_set() {
    const URL: &str = "https://films.example/?a=1&b=2#/login";
    let load = |login_url: Option<&str>| {
        let branding = Branding {
            product: ProductName::DEFAULT,
            login_url: login_url.map(str::to_owned),
        };
        Templates::load(&BUILT_IN_TEMPLATES, None, branding).unwrap()
    };
    let (without, with) = (load(None), load(Some(URL)));
    let mut linked = Vec::new();
    for template in &BUILT_IN_TEMPLATES.templates {
        let [without, with] = [&without, &with].map(|one| one.preview(template).unwrap());
        assert!(!without.contains("films.example"), "{without}");
        let is_linked = if template.is_html() {
            let href = format!("href=\"{}\"", URL.replace('&', "&amp;"));
            with.contains(&href)
        } else {
            with.lines().any(|line| line == URL)
        };
        if is_linked {
            linked.push(template.name.as_str());
        } else {
            assert_eq!(without, with);
        }
    }
    assert_eq!(
        linked,
        [
            "email/reset_successful.html",
            "email/reset_successful.txt",
            "email/address_changed.html",
            "email/address_changed.txt",
            "email/access_revoked.html",
            "email/access_revoked.txt",
            "email/account_exists.html",
            "email/account_exists.txt",
            "web/done.html",
        ]
    );
}

#[test]
fn a_mail_loads_nothing_and_has_a_language_and_a_title() {
    for (template, mail) in previews().filter(|(template, _)| template.is_mail()) {
        let name = &template.name;
        for loads in ["src=", "url(", "@import", "<link", "<img", "<script"] {
            assert!(!mail.contains(loads), "{name} has {loads}");
        }
        if template.is_html() {
            for part in ["<html lang=\"en\">", "<title>", "name=\"color-scheme\""] {
                assert!(mail.contains(part), "{name} has no {part}");
            }
            let has_link = |one: &Variable| matches!(one.name, "url" | "forgot_url");
            let buttons = usize::from(template.variables.iter().any(has_link));
            assert_eq!(mail.matches("class=\"button\"").count(), buttons, "{name}");
        }
    }
}

#[test]
fn every_element_of_a_mail_is_styled_inline() {
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
fn text_parts_wrap_at_72_characters_for_any_values() {
    let templates = templates();
    let long = "a.name.that.is.as.long.as.names.of.mailboxes.may.be@example.com";
    for template in BUILT_IN_TEMPLATES
        .templates
        .iter()
        .filter(|one| one.name.ends_with(".txt") && !one.is_subject())
    {
        let mut values = samples(template);
        values.extend([
            ("email", long),
            (
                "origin",
                "a device with the IP address 2001:db8:1234:5678:9abc:def0:1234:5678",
            ),
            ("lifetime", "1234567 seconds"),
            ("expires_at", "30 September 2027, 09:26 UTC"),
            ("at", "30 September 2027, 09:26 UTC"),
            ("requested_at", "30 September 2027, 09:26 UTC"),
        ]);
        let mail = templates.render(&template.name, &values).unwrap();
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
fn mails_use_the_colors_of_the_pages() {
    let style = BUILT_IN_TEMPLATES.find("web/style.css").unwrap().source;
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

/// Returns the templates of all mails.
fn mails() -> impl Iterator<Item = &'static BuiltIn> {
    BUILT_IN_TEMPLATES
        .templates
        .iter()
        .filter(|one| one.is_mail())
}

fn samples(template: &BuiltIn) -> BTreeMap<&str, &str> {
    let variables = template.variables.iter();
    variables
        .map(|variable| (variable.name, variable.sample.as_str()))
        .collect()
}

#[test]
fn user_input_is_escaped_in_html_and_never_evaluated() {
    let templates = templates();
    let mut escaped = 0;
    for template in mails() {
        let mut values = samples(template);
        for variable in &template.variables {
            if variable.content == Content::UserInput {
                values.insert(variable.name, "<script>'\"&{{ 7 * 7 }}");
            }
        }
        let mail = templates.render(&template.name, &values).unwrap();
        assert!(!mail.contains("49"), "{mail}");
        if template.is_html() {
            assert!(!mail.contains("<script>"), "{mail}");
            escaped += mail.matches("&lt;script&gt;").count();
        }
    }
    assert!(escaped >= MailKind::ALL.len(), "{escaped}");
}

#[test]
fn a_link_of_any_length_is_whole_on_one_line_of_both_parts() {
    let templates = templates();
    let long = format!("https://movies.example/reset/{}", "a".repeat(900));
    let is_link = |variable: &&Variable| variable.content == Content::TokenLink;
    let mut shown = 0;
    for template in mails() {
        let Some(link) = template.variables.iter().find(is_link) else {
            continue;
        };
        for url in [link.sample.as_str(), &long] {
            let mut values = samples(template);
            values.insert(link.name, url);
            let mail = templates.render(&template.name, &values).unwrap();
            let is_shown = |line: &str| {
                if template.is_html() {
                    line.contains(&format!(">{url}<"))
                } else {
                    line == url
                }
            };
            assert!(mail.lines().any(is_shown), "{mail}");
            shown += 1;
        }
    }
    assert!(shown >= 8, "{shown}");
}
