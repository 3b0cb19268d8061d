//! Tests of resolution: precedence, accepted forms, defaults and messages about mistakes.

use super::super::env_file;
use super::super::values::PUBLISHED_SECRET;
use super::*;

const TUTORIAL: &str = "JWT_SECRET_KEY = 't1NP63m4wnBg6nyHYKfmc2TpCOGI4nss'
MAIL_SERVER = \"localhost\"
MAIL_PORT = \"1025\"
MAIL_USERNAME = \"support@movie-bag.com\"
MAIL_PASSWORD = \"\"";

fn sources(environment: &[(&str, &str)], file: &str) -> Sources {
    let mut all: std::collections::BTreeMap<_, _> =
        [("MOVIE_BAG_DATA_DIR".to_owned(), "/data".to_owned())].into();
    all.extend(
        environment
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    Sources {
        environment: all,
        env_file: Some((".env".into(), env_file::parse(file).unwrap())),
        ..Sources::default()
    }
}

fn problems(environment: &[(&str, &str)]) -> Vec<String> {
    resolve(&sources(environment, ""))
        .err()
        .map(|error| error.problems)
        .unwrap_or_default()
}

#[test]
fn the_env_file_of_the_tutorial_is_complete_and_warns_of_its_secret() {
    let settings = resolve(&sources(&[], TUTORIAL)).unwrap();
    assert_eq!(
        (settings.mail.server.as_str(), settings.mail.port),
        ("localhost", 1025)
    );
    assert!(
        settings.mail.credentials.is_none(),
        "an empty password is none"
    );
    assert_eq!(settings.tokens.secret.unwrap().expose(), PUBLISHED_SECRET);
    assert!(
        settings.warnings[0].contains("published"),
        "{:?}",
        settings.warnings
    );
}

#[test]
fn production_has_stricter_defaults() {
    let settings = resolve(&sources(&[], "")).unwrap();
    assert_eq!(settings.http.bind.to_string(), "127.0.0.1:3000");
    assert_eq!(
        settings.database,
        DatabaseSettings::Sqlite("/data/movie-bag.sqlite3".into())
    );
    assert_eq!(settings.public_url(8080).as_str(), "http://localhost:8080");
    assert_eq!(
        (
            settings.tokens.reset_lifetime.as_secs(),
            settings.accounts.conceal
        ),
        (86_400, false)
    );
    let production = [
        ("MOVIE_BAG_PROFILE", "production"),
        ("MOVIE_BAG_PUBLIC_URL", "https://x.example"),
        ("JWT_SECRET_KEY", "0123456789abcdef0123456789abcdef"),
    ];
    let settings = resolve(&sources(&production, "")).unwrap();
    assert_eq!(
        (
            settings.tokens.reset_lifetime.as_secs(),
            settings.accounts.conceal
        ),
        (3_600, true)
    );
}

#[test]
fn every_setting_that_is_read_is_listed() {
    let settings = resolve(&sources(&[], "")).unwrap();
    let mut read: Vec<_> = settings.report.iter().map(|setting| setting.key).collect();
    let mut listed: Vec<_> = definitions::all().map(|setting| setting.name).collect();
    read.sort_unstable();
    listed.sort_unstable();
    assert_eq!(read, listed);
}

#[test]
fn reported_defaults_are_the_effective_values_in_both_profiles() {
    let effective = |settings: &Settings| {
        let settings = Settings {
            report: Vec::new(),
            ..settings.clone()
        };
        format!("{settings:?}")
    };
    for profile in ["development", "production"] {
        let required = [
            ("MOVIE_BAG_PROFILE", profile),
            ("MOVIE_BAG_PUBLIC_URL", "https://movies.example"),
            ("JWT_SECRET_KEY", "0123456789abcdefghijklmnopqrstuvwxyz"),
        ];
        let by_default = resolve(&sources(&required, "")).unwrap();
        let reported: Vec<_> = by_default
            .report
            .iter()
            .filter(|setting| definitions::find(setting.key).unwrap().has_default)
            .map(|setting| (setting.key, setting.value.as_str()))
            .collect();
        let all: Vec<_> = required.into_iter().chain(reported).collect();
        let set = resolve(&sources(&all, "")).unwrap();
        assert_eq!(effective(&set), effective(&by_default), "{profile}");
    }
}

#[test]
fn the_name_and_the_links_of_the_application_are_checked_and_named_in_the_error() {
    for (key, value, fix) in [
        ("MOVIE_BAG_NAME", "--", "at least one letter"),
        (
            "MOVIE_BAG_NAME",
            "Films\nBcc: eve@example.com",
            "on one line",
        ),
        (
            "MOVIE_BAG_RESET_URL",
            "https://app.example/reset",
            "{token}",
        ),
        (
            "MOVIE_BAG_RESET_URL",
            "https://{token}.example/",
            "write a host",
        ),
        (
            "MOVIE_BAG_RESET_URL",
            "https://app.example:x/{token}",
            "not a valid URL",
        ),
        (
            "MOVIE_BAG_LOGIN_URL",
            "app.example/login",
            "https://app.example/login",
        ),
    ] {
        let problems = problems(&[(key, value)]);
        let [problem] = &problems[..] else {
            panic!("{key} = {value}: {problems:?}");
        };
        let is_named = problem.starts_with(&format!("invalid {key} ")) && problem.contains(fix);
        assert!(is_named, "{problem}");
    }
    let production = |key: &str, url: &str| {
        problems(&[
            ("MOVIE_BAG_PROFILE", "production"),
            ("MOVIE_BAG_PUBLIC_URL", "https://x.example"),
            ("JWT_SECRET_KEY", "0123456789abcdef0123456789abcdef"),
            (key, url),
        ])
    };
    for (key, path) in [
        ("MOVIE_BAG_RESET_URL", "app.example/#/reset/{token}"),
        ("MOVIE_BAG_LOGIN_URL", "app.example/#/login"),
    ] {
        let [secure, plaintext] = ["https", "http"].map(|scheme| format!("{scheme}://{path}"));
        assert_eq!(production(key, secure.as_str()), [""; 0]);
        let plaintext = production(key, plaintext.as_str());
        assert!(
            plaintext.len() == 1 && plaintext[0].contains(&format!("set {key} = https://")),
            "{plaintext:?}"
        );
    }
}

#[test]
fn another_name_needs_another_sender() {
    let warnings = |environment: &[(&str, &str)]| {
        let settings = resolve(&sources(environment, "")).unwrap();
        settings.warnings
    };
    let named = ("MOVIE_BAG_NAME", "Filmotheque");
    let warned = warnings(&[named]);
    assert!(
        warned.len() == 1 && warned[0].contains("set MAIL_DEFAULT_SENDER"),
        "{warned:?}"
    );
    let sender = ("MAIL_DEFAULT_SENDER", "support@filmotheque.example");
    assert_eq!(warnings(&[named, sender]), [""; 0]);
    assert_eq!(warnings(&[]), [""; 0]);
}

#[test]
fn a_drive_is_part_of_a_path_and_not_a_database_scheme() {
    let in_a_url = if cfg!(windows) {
        "C:/movies.sqlite3"
    } else {
        "/C:/movies.sqlite3"
    };
    for (written, path) in [
        (r"sqlite:C:\ann\movies.sqlite3", r"C:\ann\movies.sqlite3"),
        (r"sqlite://C:\ann\movies.sqlite3", r"C:\ann\movies.sqlite3"),
        ("sqlite:C:/movies.sqlite3", "C:/movies.sqlite3"),
        ("sqlite:///C:/movies.sqlite3", in_a_url),
    ] {
        assert_eq!(
            DatabaseSettings::parse(written),
            Ok(DatabaseSettings::Sqlite(path.into())),
            "{written}"
        );
    }
    let bare = DatabaseSettings::parse(r"C:\ann\movies.sqlite3").unwrap_err();
    assert!(bare.contains("sqlite:PATH"), "{bare}");
}

#[test]
fn production_reports_every_missing_or_weak_setting() {
    assert_eq!(problems(&[("MOVIE_BAG_PROFILE", "production")]).len(), 2);
    let weak = [
        ("MOVIE_BAG_PROFILE", "production"),
        ("MOVIE_BAG_PUBLIC_URL", "http://x.example"),
        ("JWT_SECRET_KEY", PUBLISHED_SECRET),
        ("MOVIE_BAG_BCRYPT_COST", "4"),
    ];
    assert_eq!(problems(&weak).len(), 3);
}

#[test]
fn every_invalid_value_is_reported_with_the_form_to_write_and_without_secrets() {
    for (key, value, wanted) in [
        (
            "MAIL_PORT",
            "port",
            "invalid MAIL_PORT \"port\" (environment): write a whole number from 1 to 65535",
        ),
        (
            "MAIL_PORT",
            "70000",
            "invalid MAIL_PORT \"70000\" (environment): write a whole number from 1 to 65535",
        ),
        (
            "MAIL_USE_TLS",
            "maybe",
            "invalid MAIL_USE_TLS \"maybe\" (environment): write true or false",
        ),
        (
            "MOVIE_BAG_PROFILE",
            "prod",
            "invalid MOVIE_BAG_PROFILE \"prod\" (environment): write development or production",
        ),
        (
            "MOVIE_BAG_BIND",
            "3000",
            "invalid MOVIE_BAG_BIND \"3000\" (environment): write ADDRESS:PORT, such as 127.0.0.1:3000 or [::]:3000",
        ),
        (
            "MOVIE_BAG_DATABASE",
            "oracle:x",
            "invalid MOVIE_BAG_DATABASE \"oracle:x\" (environment): write sqlite:PATH or mongodb://…",
        ),
        (
            "MOVIE_BAG_RESET_TOKEN_LIFETIME",
            "8d",
            "invalid MOVIE_BAG_RESET_TOKEN_LIFETIME \"8d\" (environment): at most 7d is allowed",
        ),
        (
            "JWT_SECRET_KEY",
            "tooshort",
            "invalid JWT_SECRET_KEY (environment): it has 8 bytes, but at least 32 are needed: generate one with \"openssl rand -base64 48\"",
        ),
        (
            "MAIL_DEFAULT_SENDER",
            "no-address",
            "invalid MAIL_DEFAULT_SENDER \"no-address\" (environment): write an address such as support@movie-bag.com or Movie-bag <support@movie-bag.com>",
        ),
    ] {
        assert_eq!(problems(&[(key, value)]), [wanted]);
    }
    assert_eq!(
        problems(&[("MAIL_USE_TLS", "true"), ("MAIL_USE_SSL", "true")]).len(),
        1
    );
}

#[test]
fn the_password_of_a_uri_is_never_shown() {
    for (uri, shown) in [
        (
            "mongodb://user:hunter2@one.example,two.example:27018/movies?replicaSet=rs0",
            "mongodb://one.example,two.example:27018/movies",
        ),
        (
            "mongodb://user:hunter2@[::1]:27017",
            "mongodb://[::1]:27017",
        ),
        (
            "mongodb+srv://user:hunter2@cluster.example/?tls=true",
            "mongodb+srv://cluster.example/",
        ),
        // Their parts cannot be identified.
        ("mongodb://user:hunter2%40one.example/movies", "mongodb://…"),
        ("mongodb://user:hunter2/one.example:27017/x", "mongodb://…"),
        ("mongodb://user:hunter2", "mongodb://…"),
        ("mongodb://user:12?hunter2@one.example/x", "mongodb://…"),
        ("mongodb://one.example/x?appName=a@b", "mongodb://…"),
        ("mongodb://user:x@hunter2%40one.example", "mongodb://…"),
    ] {
        let settings = resolve(&sources(&[("MOVIE_BAG_DATABASE", uri)], "")).unwrap();
        assert_eq!(settings.database.to_string(), shown);
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}

#[test]
fn the_name_in_ehlo_is_a_host_name_or_an_address_in_brackets() {
    let name = |text: &str| {
        let settings = resolve(&sources(&[("MAIL_HELO_NAME", text)], ""));
        settings.ok().and_then(|settings| settings.mail.helo_name)
    };
    for (text, wanted) in [
        ("app.example.com", Some("app.example.com")),
        ("mövie.example", Some("xn--mvie-5qa.example")),
        ("[192.0.2.1]", Some("[192.0.2.1]")),
        ("[IPv6:2001:db8::1]", Some("[IPv6:2001:db8::1]")),
        ("192.0.2.1", None),
        ("[2001:db8::1]", None),
        ("two words", None),
        ("a\rb", None),
        ("ann@example.com", None),
    ] {
        assert_eq!(name(text).as_deref(), wanted, "{text}");
    }
    let unset = resolve(&sources(&[], "")).unwrap();
    assert_eq!((unset.mail.helo_name, unset.mail.connections), (None, 16));
}

#[test]
fn at_least_one_connection_to_the_mail_server_is_allowed() {
    let key = "MOVIE_BAG_MAIL_CONNECTIONS";
    assert!(problems(&[(key, "0")])[0].contains(key));
    assert!(problems(&[(key, "many")])[0].contains(key));
    let one = resolve(&sources(&[(key, "1")], "")).unwrap();
    assert_eq!(one.mail.connections, 1);
}
