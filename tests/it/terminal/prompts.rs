//! Prompts on a pseudo-terminal: passwords, missing values, and confirmations.

use std::sync::Arc;

use movie_bag_testkit::{Home, NEW_PASSWORD, PASSWORD, Person};

use super::ANN;

movie_bag_testkit::on_every_database! {
    deleting_an_account_shows_its_contents_and_needs_confirmation,
}

#[test]
fn without_a_terminal_there_are_no_prompts() {
    let home = Home::fresh();
    home.create_account(ANN, PASSWORD);
    for (arguments, option) in [
        (
            vec!["user", "create", "--email", "bob@example.com"],
            "--password-stdin",
        ),
        (
            vec!["user", "set-password", "--email", ANN],
            "--password-stdin",
        ),
        (vec!["user", "delete", "--email", ANN], "--yes"),
        (vec!["forgot"], "--email"),
        (vec!["reset"], "--token"),
    ] {
        let output = home.run(&arguments).exits(2);
        assert!(
            output.stderr.contains(option),
            "{arguments:?}: {}",
            output.stderr
        );
    }
}

pub fn a_password_is_prompted_for_twice_and_never_echoed(home: Home) {
    let mut person = Person::runs(&home, &["user", "create", "--email", ANN]);
    for (prompt, typed) in [
        ("New password", "short\r"),
        // Too short, so that it is prompted for again.
        ("New password", "correct horse battery\r"),
        ("Confirm new password", "something different\r"),
        // They differ, so that both are prompted for again.
        ("New password", "correct horse battery\r"),
        ("Confirm new password", "correct horse battery\r"),
    ] {
        person.sees(&format!("{prompt}: "));
        person.types_hidden(typed);
        person.sees("[hidden]");
    }
    let screen = person.ends(0);
    assert!(
        !screen.contains("horse")
            && !screen.contains("different")
            && screen.contains("Strength: ["),
        "{screen}"
    );
    let link = home
        .run(&["forgot", "--email", ANN, "--print-link"])
        .ok()
        .stdout;
    home.run_with_input(
        &["reset", "--token", link.trim(), "--password-stdin"],
        &format!("{NEW_PASSWORD}\n"),
    )
    .ok();
}

#[test]
fn control_c_at_a_prompt_exits_with_130_and_restores_the_terminal() {
    let home = Home::fresh();
    let mut person = Person::runs(&home, &["user", "create", "--email", ANN]);
    let master = Arc::clone(&person.master);
    let modes = || master.lock().unwrap().get_termios().unwrap();
    let before = modes();
    person.sees("New password: ");
    person.types_hidden("begun\u{3}");
    let screen = person.ends(130);
    assert_eq!(modes(), before, "the shell would not echo input");
    let (hidden, shown) = (screen.rfind("\u{1b}[?25l"), screen.rfind("\u{1b}[?25h"));
    assert!(hidden.is_none() || shown > hidden, "{screen:?}");
    home.run(&["user", "show", "--email", ANN]).exits(3);
}

#[test]
fn output_after_an_interrupted_prompt_is_on_a_new_line() {
    let home = Home::fresh().with("NO_COLOR", "1");
    home.create_account(ANN, PASSWORD);
    let questions: &[(&[&str], &str)] = &[
        (&["user", "delete", "--email", ANN], "[y/N]"),
        (&["forgot"], "Email address of the account"),
        (&["reset"], "Reset link from the mail"),
        (&["user", "set-password", "--email", ANN], "New password: "),
    ];
    for (arguments, question) in questions {
        let mut person = Person::runs(&home, arguments);
        person.sees(question);
        if question.ends_with(": ") {
            person.types_hidden("\u{3}");
        } else {
            person.types("\u{3}");
        }
        let screen = person.ends(130);
        // Without the codes that hide and show the cursor.
        let screen = screen.replace("\u{1b}[?25l", "").replace("\u{1b}[?25h", "");
        let before = screen
            .split_once("error: interrupted")
            .map(|(before, _)| before);
        assert!(
            before.is_some_and(|before| before.trim_end_matches('\r').ends_with('\n')),
            "{screen:?}"
        );
    }
    home.run(&["user", "show", "--email", ANN]).ok();
}

#[test]
fn clearing_an_inbox_needs_confirmation_only_on_a_terminal() {
    let home = Home::fresh();
    let sink = home.sink(&[]);
    let home = home
        .with("MAIL_PORT", sink.port())
        .with("MOVIE_BAG_INBOX_URL", format!("http://{}", sink.web()));
    home.create_account(ANN, PASSWORD);
    home.run(&["forgot", "--email", ANN]).ok();
    let count = || sink.inbox().messages().len();
    for (answer, code) in [("n\r", 1), ("\r", 1), ("\u{3}", 130)] {
        let mut person = Person::runs(&home, &["inbox", "clear"]);
        person.sees(&format!("The inbox at http://{} has 1 message", sink.web()));
        person.sees("Delete 1 message? [y/N]");
        person.types(answer);
        person.ends(code);
        assert_eq!(count(), 1);
    }
    let mut person = Person::runs(&home, &["inbox", "clear"]);
    person.sees("[y/N]");
    person.types("y\r");
    assert!(person.ends(0).contains("Deleted 1 message."));
    assert_eq!(count(), 0);
    // An empty inbox needs no confirmation.
    let screen = Person::runs(&home, &["inbox", "clear"]).ends(0);
    assert!(!screen.contains("[y/N]"), "{screen}");
    home.run(&["forgot", "--email", ANN]).ok();
    let screen = Person::runs(&home, &["inbox", "clear", "--yes"]).ends(0);
    assert!(!screen.contains("[y/N]"), "{screen}");
    // A program is not prompted.
    home.run(&["forgot", "--email", ANN]).ok();
    let cleared = home.run(&["inbox", "clear", "--json"]).ok();
    assert_eq!((cleared.json()["deleted"].as_u64(), count()), (Some(1), 0));
}

fn deleting_an_account_shows_its_contents_and_needs_confirmation(home: Home) {
    // No mail server is running, so that the mail stays queued.
    let home = home.with("MAIL_PORT", "1");
    let server = home.serve_alone(&[]);
    server.sign_up(ANN, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    for name in ["Faust", "Metropolis"] {
        let movie = serde_json::json!({"name": name, "casts": ["a"], "genres": ["b"]}).to_string();
        let added = server.send("POST", "/api/movies", Some(&access), &movie);
        added.is(200);
    }
    assert!(server.stop().success());
    home.run(&["forgot", "--email", ANN]).exits(7);
    let contents = "with 2 movies, 1 waiting mail and 4 history entries.";
    for (options, answer) in [(&[][..], "n\r"), (&["--quiet"], "\r")] {
        let arguments = [&["user", "delete", "--email", ANN], options].concat();
        let mut person = Person::runs(&home, &arguments);
        person.sees(&format!("This deletes account {ANN} {contents}"));
        person.sees(&format!("Delete {ANN}?"));
        person.types(answer);
        let screen = person.ends(1);
        assert!(screen.contains("nothing was deleted"), "{screen}");
    }
    let shown = home.run(&["user", "show", "--email", ANN, "--json"]).ok();
    let count = |list: &str| shown.json()[list].as_array().unwrap().len();
    assert_eq!((count("mails"), count("history")), (1, 4), "{shown:?}");
    let mut person = Person::runs(&home, &["user", "delete", "--email", ANN]);
    person.sees("?");
    person.types("y\r");
    let screen = person.ends(0);
    assert!(
        screen.contains(&format!("Deleted account {ANN} {contents}")),
        "{screen}"
    );
    home.run(&["user", "show", "--email", ANN]).exits(3);
    home.create_account(ANN, PASSWORD);
    let deleted = home.run(&["user", "delete", "--email", ANN, "--yes"]).ok();
    assert_eq!(
        deleted.stdout,
        format!("Deleted account {ANN} with 0 movies, 0 waiting mails and 1 history entry.\n")
    );
}
