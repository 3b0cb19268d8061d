//! What is given on stdin instead of typed: a line for each thing, so that nothing secret is an argument.

use std::io::{BufRead, Read as _};

use zeroize::Zeroizing;

use super::report::Failure;

/// The longest line that is taken, in bytes: far more than any password or link.
const LONGEST: u64 = 64 * 1024;

/// Reads one line each for what is named, off the runtime.
pub(super) async fn lines<const N: usize>(
    what: [&'static str; N],
) -> anyhow::Result<[Zeroizing<String>; N]> {
    let read = tokio::task::spawn_blocking(move || {
        let mut stdin = std::io::stdin().lock();
        what.map(|what| line(&mut stdin, what))
    });
    let mut lines = [(); N].map(|()| Zeroizing::new(String::new()));
    for (place, line) in lines.iter_mut().zip(read.await?) {
        *place = line?;
    }
    Ok(lines)
}

fn line(stdin: &mut impl BufRead, what: &str) -> Result<Zeroizing<String>, Failure> {
    let hint = format!("write the {what} to stdin, on a line of its own");
    let mut line = Zeroizing::new(String::new());
    let read = stdin.take(LONGEST).read_line(&mut line).map_err(|error| {
        Failure::usage(format!("cannot read the {what} from stdin: {error}"), &hint)
    })?;
    let end = line.trim_end_matches('\n').trim_end_matches('\r').len();
    line.truncate(end);
    if read == 0 {
        return Err(Failure::usage(
            format!("cannot read the {what} from stdin: end of input"),
            hint,
        ));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_without_its_end_and_nothing_else() {
        for (input, expected) in [
            ("secret\n", "secret"),
            ("secret\r\nmore\n", "secret"),
            ("secret", "secret"),
            (" se cret \n", " se cret "),
        ] {
            assert_eq!(
                line(&mut input.as_bytes(), "password").unwrap().as_str(),
                expected,
                "{input:?}"
            );
        }
        // An empty line is there, and whether it will do is not for here to say.
        for input in ["\n", "\r\n"] {
            assert_eq!(
                line(&mut input.as_bytes(), "password").unwrap().as_str(),
                ""
            );
        }
        assert_eq!(line(&mut "".as_bytes(), "password").unwrap_err().exit, 2);
    }
}
