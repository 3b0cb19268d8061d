//! Commands in sentences and tables of pages.

use clap::Command;
use clap::error::ErrorKind;
use movie_bag::cli::definition;

use movie_bag_testkit::markdown::Page;

/// Returns the fault of a command line: a command or an option that does not exist. Missing arguments and placeholders are no
/// faults.
fn fault(definition: &mut Command, line: &str) -> Option<String> {
    // The rest belongs to another program.
    let line = line.split(" -- ").next().unwrap_or_default();
    let line = line.split(['|', '>', '…', '[']).next().unwrap_or_default();
    let words: Vec<_> = line
        .split_whitespace()
        .skip_while(|word| *word != "movie-bag")
        .map(|word| word.trim_matches(['"', '\'']))
        .collect();
    let is_placeholder = |word: &&str| word.starts_with(|c: char| c.is_ascii_uppercase());
    if words.len() < 2 || is_placeholder(&words[1]) {
        return None;
    }
    let error = definition.try_get_matches_from_mut(words).err()?;
    let is_fault = matches!(
        error.kind(),
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand
    );
    is_fault.then(|| error.to_string().lines().next().unwrap().to_owned())
}

#[test]
fn each_command_that_a_page_names_exists_with_its_options() {
    let mut definition = definition();
    let mut faults = Vec::new();
    let mut count = 0;
    for page in Page::all()
        .iter()
        .filter(|page| !page.path.starts_with("CHANGELOG"))
    {
        let spans = page.spans.iter();
        for (line, span) in spans.filter(|(_, span)| span.starts_with("movie-bag ")) {
            count += 1;
            if let Some(fault) = fault(&mut definition, span) {
                faults.push(format!("{}:{line}: `{span}`: {fault}", page.path));
            }
        }
    }
    assert!(count > 20, "{count}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_command_that_does_not_exist_is_found() {
    let mut definition = definition();
    for right in [
        "movie-bag user show --email ADDR",
        "movie-bag smtp-debug -- pytest --no-such-option",
        "movie-bag outbox retry ID",
        "movie-bag --env-file /etc/movie-bag/env user list",
        "movie-bag COMMAND --help",
    ] {
        assert_eq!(fault(&mut definition, right), None, "{right}");
    }
    for wrong in ["movie-bag user shw", "movie-bag user list --serach TEXT"] {
        assert!(fault(&mut definition, wrong).is_some(), "{wrong}");
    }
}
