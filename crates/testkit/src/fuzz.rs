//! What the tests that throw anything at a parser share: the inputs, the corpus, and how long they go on.
//!
//! A target is a function over bytes that panics where a promise is broken; it stands beside the code that it breaks,
//! in a module called `fuzz`. [`Target::run`] first replays every file of `tests/corpus/TARGET/`, then makes inputs:
//! noise, words of the format in any order, mutations of the corpus, and one piece over and over, which finds what costs
//! more than its length. `PROPTEST_CASES` says how many. An input that breaks something is shrunk and written to
//! `target/fuzz/`; once it is mended, the file belongs into the corpus, under a name that says what it broke.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use super::markdown::repository;

/// The folders of the corpus: each is a target, and each target has one.
const TARGETS: [&str; 8] = [
    "accounts", "address", "env_file", "mail", "query", "smtp", "text", "token",
];

/// Bytes of an input that repeats itself. At this size, work that grows with the square of it takes minutes.
const LONG: usize = 256 * 1024;

/// What an input may take. Honest work on a long one takes a tenth, also without optimisation and on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Stands in a corpus file whose name ends in `.repeated`: what is behind it is repeated until the input is long.
const REPEAT: &[u8] = b"<<<REPEAT>>>";

/// One parser under test.
pub struct Target {
    /// The name of its folder in the corpus.
    pub name: &'static str,
    /// What its format is made of.
    pub words: &'static [&'static str],
    /// Inputs to mutate beside the corpus, such as what must be made anew each time.
    pub seeds: Vec<Vec<u8>>,
    /// How many inputs an ordinary run makes.
    pub cases: u32,
}

impl Target {
    /// Replays the corpus, then goes on with inputs of its own.
    #[track_caller]
    pub fn run(self, check: impl Fn(&[u8])) {
        assert!(TARGETS.contains(&self.name), "{} has no folder", self.name);
        let corpus = corpus(self.name);
        for (path, input) in &corpus {
            let kept = catch_unwind(AssertUnwindSafe(|| timed(&check, input)));
            assert!(kept.is_ok(), "{} breaks it", path.display());
        }
        let mut seeds: Vec<_> = corpus.into_iter().map(|(_, input)| input).collect();
        seeds.retain(|seed| seed.len() < LONG / 4);
        seeds.extend(self.seeds);
        let mut config = Config {
            failure_persistence: None,
            max_shrink_time: 60_000,
            ..Config::default()
        };
        if std::env::var_os("PROPTEST_CASES").is_none() {
            config.cases = self.cases;
        }
        let found = TestRunner::new(config).run(&inputs(seeds, self.words), |input| {
            catch_unwind(AssertUnwindSafe(|| timed(&check, &input)))
                .map_err(|_| TestCaseError::fail("see the panic above"))
        });
        match found {
            Ok(()) => {}
            Err(TestError::Fail(why, input)) => panic!(
                "{why}: once it is mended, move {} to tests/corpus/{}/ under a name that says what it broke",
                written(self.name, &input).display(),
                self.name
            ),
            Err(error) => panic!("{error}"),
        }
    }
}

fn timed(check: &impl Fn(&[u8]), input: &[u8]) {
    let begun = Instant::now();
    check(input);
    let taken = begun.elapsed();
    assert!(
        taken < PATIENCE,
        "{} bytes took {taken:?}: {:?}…",
        input.len(),
        String::from_utf8_lossy(&input[..input.len().min(200)])
    );
}

/// The files of a target, those that repeat themselves at full length.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = repository().join("tests/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        let repeats = path.extension().is_some_and(|ending| ending == "repeated");
        let input = if repeats { repeated(&bytes) } else { bytes };
        (path, input)
    };
    files.into_iter().map(read).collect()
}

fn repeated(file: &[u8]) -> Vec<u8> {
    let at = file
        .windows(REPEAT.len())
        .position(|bytes| bytes == REPEAT)
        .unwrap();
    let piece = &file[at + REPEAT.len()..];
    long(&file[..at], piece.strip_suffix(b"\n").unwrap_or(piece))
}

fn long(start: &[u8], piece: &[u8]) -> Vec<u8> {
    let times = LONG.saturating_sub(start.len()) / piece.len().max(1);
    [start, &piece.repeat(times)].concat()
}

fn written(target: &str, input: &[u8]) -> PathBuf {
    let folder = repository().join("target/fuzz");
    fs::create_dir_all(&folder).unwrap();
    let sum = input.iter().fold(0_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    });
    let path = folder.join(format!("{target}-{sum:016x}"));
    fs::write(&path, input).unwrap();
    path
}

/// One change to a seed.
#[derive(Debug, Clone)]
enum Edit {
    Put(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Copy(Index, usize, Index),
    Truncate(Index),
}

impl Edit {
    fn apply(&self, input: &mut Vec<u8>) {
        let place = |index: &Index, input: &Vec<u8>| index.index(input.len() + 1);
        match self {
            Self::Put(at, byte) => {
                let at = place(at, input);
                if let Some(old) = input.get_mut(at) {
                    *old = *byte;
                }
            }
            Self::Insert(at, bytes) => {
                let at = place(at, input);
                input.splice(at..at, bytes.iter().copied());
            }
            Self::Remove(at, length) => {
                let at = place(at, input);
                let end = input.len().min(at + length);
                input.drain(at..end);
            }
            Self::Copy(from, length, to) => {
                let from = place(from, input);
                let end = input.len().min(from + length);
                let piece = input[from..end].to_vec();
                let to = place(to, input);
                input.splice(to..to, piece);
            }
            Self::Truncate(at) => {
                let at = place(at, input);
                input.truncate(at);
            }
        }
    }
}

/// A word of the format, or what nobody expects there.
fn word(words: &'static [&'static str]) -> BoxedStrategy<Vec<u8>> {
    let odd = [
        "\0",
        "\r",
        "\n",
        "\r\n",
        "\t",
        " ",
        "\u{7f}",
        "\u{85}",
        "\u{9b}",
        "\x1b[2J",
        "\u{200b}",
        "\u{202e}",
        "\u{2028}",
        "\u{feff}",
        "\u{301}",
        "é",
        "İ",
        "Σ",
        "ﬁ",
        "😀",
        "\u{1160}",
        "'",
        "\"",
        "\\",
        "%",
        "&",
        "=",
        "<",
        ">",
        "/",
        "..",
        "9999999999999999999999",
    ];
    let owned = |text: &str| text.as_bytes().to_vec();
    prop_oneof![
        12 => select(words).prop_map(owned),
        2 => select(odd.to_vec()).prop_map(owned),
        1 => any::<char>().prop_map(move |char| owned(&char.to_string())),
        1 => vec(any::<u8>(), 1..4),
    ]
    .boxed()
}

fn edit(words: &'static [&'static str]) -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Put(at, byte)),
        4 => (at(), word(words)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        2 => (at(), 1_usize..40).prop_map(|(at, length)| Edit::Remove(at, length)),
        2 => (at(), 1_usize..80, at()).prop_map(|(from, length, to)| Edit::Copy(from, length, to)),
        1 => at().prop_map(Edit::Truncate),
    ]
}

fn inputs(seeds: Vec<Vec<u8>>, words: &'static [&'static str]) -> BoxedStrategy<Vec<u8>> {
    let seed = if seeds.is_empty() {
        Just(Vec::new()).boxed()
    } else {
        select(seeds).boxed()
    };
    let mutated = (seed.clone(), vec(edit(words), 1..12)).prop_map(|(mut input, edits)| {
        for edit in &edits {
            edit.apply(&mut input);
        }
        input
    });
    let said = vec(word(words), 0..60).prop_map(|words| words.concat());
    // A piece of a seed, or words; after nothing, or after the start of a seed.
    let piece = prop_oneof![
        3 => vec(word(words), 1..6).prop_map(|words| words.concat()),
        1 => (seed.clone(), any::<Index>(), 1_usize..60).prop_map(|(seed, from, length)| {
            let from = from.index(seed.len() + 1);
            seed[from..seed.len().min(from + length)].to_vec()
        }),
    ];
    let start = prop_oneof![
        Just(Vec::new()),
        (seed, any::<Index>()).prop_map(|(mut seed, at)| {
            seed.truncate(at.index(seed.len() + 1));
            seed
        }),
    ];
    let again = (start, piece).prop_map(|(start, piece)| long(&start, &piece));
    prop_oneof![
        12 => mutated,
        12 => said,
        2 => vec(any::<u8>(), 0..400),
        2 => vec(any::<char>(), 0..100).prop_map(|text| String::from_iter(text).into_bytes()),
        1 => again,
    ]
    .boxed()
}

#[test]
fn every_folder_of_the_corpus_is_a_target() {
    let folders = fs::read_dir(repository().join("tests/corpus")).unwrap();
    let mut names: Vec<_> = folders
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, TARGETS);
}
