//! Format of the pages.

use movie_bag_testkit::markdown::{Page, repository};

/// Words of headings that describe the history of the project instead of its use.
const HISTORY: &[&str] = &["tried", "what was", "what came", "what we"];

/// Fails with all faults.
#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_page_has_one_title_and_opens_with_a_sentence() {
    let mut faults = Vec::new();
    for page in Page::all() {
        let titles = page.headings.iter().filter(|heading| heading.level == 1);
        if titles.count() != 1 || page.headings[0].level != 1 {
            faults.push(format!("{} does not begin with its only title", page.path));
        }
        let opening = page.opening.unwrap_or_default();
        if !opening.contains(['.', ':']) || !opening.starts_with(|c: char| c.is_alphanumeric()) {
            faults.push(format!(
                "{} does not open with a sentence after its title: {opening:?}",
                page.path
            ));
        }
    }
    assert_none(&faults);
}

#[test]
fn no_heading_tells_the_history_of_the_project() {
    let mut faults = Vec::new();
    for page in Page::all()
        .iter()
        .filter(|page| !page.path.starts_with("CHANGELOG"))
    {
        for heading in &page.headings {
            let text = heading.text.to_lowercase();
            if HISTORY.iter().any(|words| text.contains(words)) {
                faults.push(format!("{}: {}", page.path, heading.text));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn the_readme_is_short() {
    let readme = Page::read("README.md").text;
    let (lines, bytes) = (readme.lines().count(), readme.len());
    assert!(
        lines <= 250 && bytes <= 12_288,
        "{lines} lines, {bytes} bytes"
    );
}

/// Returns the paths of the files in a folder of the repository and in its folders.
fn files_in(folder: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(repository().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true => paths.extend(files_in(&path)),
            false => paths.push(path),
        }
    }
    paths
}

#[test]
fn each_page_and_each_picture_is_linked_from_another_page() {
    let pages = Page::all();
    let mut faults = Vec::new();
    let targets = |page: &Page| -> Vec<String> {
        let links = page.links.iter();
        links
            .map(|link| super::references::in_repository(&page.path, &link.target).0)
            .collect()
    };
    for path in files_in("docs") {
        let others = pages.iter().filter(|page| page.path != path);
        if !others.flat_map(targets).any(|target| target == path) {
            faults.push(format!("no page links to {path}"));
        }
    }
    assert_none(&faults);
}
