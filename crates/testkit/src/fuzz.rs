//! Random input for parsers.
//!
//! A target is a function over bytes that panics if the parser breaks a promise. It stands in a test module `fuzz` beside the
//! parser. [`Target::run`] first replays every file of `tests/corpus/TARGET/`. Then it generates inputs: noise, words of the format
//! in any order, mutations of the corpus, and one piece repeated, which finds work that is not linear in the length of the input.
//! `PROPTEST_CASES` sets their number. An input that fails is shrunk and written to `target/fuzz/`. After the fix, it is moved to the
//! corpus, under a name that describes the failure.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use crate::markdown::repository;

/// Targets, and folders of the corpus.
const TARGETS: [&str; 8] = [
    "accounts", "address", "env_file", "mail", "query", "smtp", "text", "token",
];

/// Size of a repeating input, in bytes. At this size, quadratic work takes minutes.
const LONG: usize = 256 * 1024;

/// Maximum time for one input. Linear work on a repeating input takes a tenth of it, without optimization and on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Mark in a corpus file whose name ends in `.repeated`: the bytes after it are repeated up to [`LONG`].
const REPEAT: &[u8] = b"<<<REPEAT>>>";

/// One parser under test.
pub struct Target {
    /// Name of the folder in the corpus.
    pub name: &'static str,
    /// Words of the format.
    pub words: &'static [&'static str],
    /// More inputs to mutate, such as those that must be generated in each run.
    pub seeds: Vec<Vec<u8>>,
    /// Number of generated inputs, unless `PROPTEST_CASES` is set.
    pub cases: u32,
}

impl Target {
    /// Replays the corpus, then runs `check` on generated inputs.
    #[track_caller]
    pub fn run(self, check: impl Fn(&[u8])) {
        assert!(TARGETS.contains(&self.name), "{} has no folder", self.name);
        let corpus = corpus(self.name);
        for (path, input) in &corpus {
            let result = catch_unwind(AssertUnwindSafe(|| timed(&check, input)));
            assert!(result.is_ok(), "{} fails", path.display());
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
                "{why}: after the fix, move {} to tests/corpus/{}/, under a name that describes the failure",
                write(self.name, &input).display(),
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

/// Returns the files of a target, repeating ones at full length.
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

fn write(target: &str, input: &[u8]) -> PathBuf {
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

/// Generates a word of the format, or text that is unusual in it.
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
    let sentence = vec(word(words), 0..60).prop_map(|words| words.concat());
    // The repeated piece is a part of a seed, or words. It follows nothing, or the start of a seed.
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
    let repeating = (start, piece).prop_map(|(start, piece)| long(&start, &piece));
    prop_oneof![
        12 => mutated,
        12 => sentence,
        2 => vec(any::<u8>(), 0..400),
        2 => vec(any::<char>(), 0..100).prop_map(|text| String::from_iter(text).into_bytes()),
        1 => repeating,
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
