//! Input from stdin instead of prompts: one line for each value, so that no secret is a command-line argument.

use std::io::{BufRead, Read as _};

use zeroize::Zeroizing;

use crate::failure::Failure;

/// Maximum length of a line in bytes: far more than any password or link.
const MAX_LINE: u64 = 64 * 1024;

/// Reads one line for each of the named values, on a thread that may block.
pub(super) async fn lines<const N: usize>(
    names: [&'static str; N],
) -> anyhow::Result<[Zeroizing<String>; N]> {
    let read = tokio::task::spawn_blocking(move || {
        let mut stdin = std::io::stdin().lock();
        names.map(|name| line(&mut stdin, name))
    });
    let mut lines = [(); N].map(|()| Zeroizing::new(String::new()));
    for (place, line) in lines.iter_mut().zip(read.await?) {
        *place = line?;
    }
    Ok(lines)
}

fn line(stdin: &mut impl BufRead, name: &str) -> Result<Zeroizing<String>, Failure> {
    let hint = format!("write the {name} to stdin, on a line of its own");
    let mut line = Zeroizing::new(String::new());
    let read = stdin.take(MAX_LINE).read_line(&mut line).map_err(|error| {
        Failure::usage(format!("cannot read the {name} from stdin: {error}"), &hint)
    })?;
    let end = line.trim_end_matches('\n').trim_end_matches('\r').len();
    line.truncate(end);
    if read == 0 {
        return Err(Failure::usage(
            format!("cannot read the {name} from stdin: end of input"),
            hint,
        ));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code::ExitCode;

    #[test]
    fn only_the_line_ending_is_removed() {
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
        // An empty line is a value; the consumer decides whether it is valid.
        for input in ["\n", "\r\n"] {
            assert_eq!(
                line(&mut input.as_bytes(), "password").unwrap().as_str(),
                ""
            );
        }
        assert_eq!(
            line(&mut "".as_bytes(), "password").unwrap_err().exit,
            ExitCode::Usage
        );
    }
}
