//! Parser of command lines: one line in, one [`Command`] or [`SyntaxError`] out.
//!
//! The parser has no access to the session, so it does not check whether a command is allowed in the current state. It accepts
//! harmless deviations of people who type and of old clients (recorded in [`Path`]), and is strict where a real server could
//! not determine the recipient. A new verb or parameter starts here.

use super::auth::Mechanism;
use super::envelope::Warning;

/// Command of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// EHLO with the client's host name.
    Ehlo(String),
    /// HELO with the client's host name.
    Helo(String),
    /// MAIL FROM.
    Mail(Path, MailParams),
    /// RCPT TO, with its parameters as the client sent them.
    Rcpt(Path, Vec<String>),
    /// DATA.
    Data,
    /// BDAT: size of the chunk that follows, and whether it is the last of its message (RFC 3030).
    Bdat(u64, bool),
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH, with the initial response if the client sends one (RFC 4954).
    Auth(Mechanism, Option<String>),
    /// LHLO with the client's host name; the session uses LMTP from here on (RFC 2033).
    Lhlo(String),
    /// RSET.
    Rset,
    /// NOOP; its argument is ignored.
    Noop,
    /// VRFY with the address to verify.
    Vrfy(String),
    /// HELP; its argument is ignored.
    Help,
    /// QUIT.
    Quit,
}

/// Address of MAIL or RCPT, with the deviations that were accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path {
    /// Address without angle brackets and source route; empty for `<>`.
    pub address: String,
    /// Deviations that a stricter server refuses.
    pub warnings: Vec<Warning>,
}

/// Parameters of MAIL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailParams {
    /// SIZE: size of the message as the client announces it.
    pub size: Option<u64>,
    /// SMTPUTF8: addresses and headers may hold UTF-8.
    pub smtputf8: bool,
    /// All parameters as the client sent them.
    pub typed: Vec<String>,
}

/// Address that a [`SyntaxError`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Address of MAIL.
    Sender,
    /// Address of RCPT.
    Recipient,
}

/// Error for a line that is not a valid command. Its reply is in [`reply`](super::reply).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyntaxError {
    /// Unknown command.
    Unknown(String),
    /// Command of SMTP that this server does not support.
    NotImplemented(&'static str),
    /// Wrong syntax; the value is the right one.
    Form(&'static str),
    /// Control characters, or bytes that are not UTF-8.
    NotText,
    /// The text between the angle brackets is not an address.
    Address(Role),
    /// Known parameter with an invalid value.
    ParameterValue(String),
    /// Parameter that occurs more than once.
    RepeatedParameter(&'static str),
    /// Mechanism that the reply to EHLO does not list.
    UnknownMechanism(String),
    /// Parameter of an extension that the reply to EHLO does not list.
    UnknownParameter(String),
}

impl Command {
    /// Parses one line, given without its line end.
    pub fn parse(line: &[u8]) -> Result<Command, SyntaxError> {
        let text = std::str::from_utf8(line).map_err(|_| SyntaxError::NotText)?;
        if text.chars().any(|char| char.is_control() && char != '\t') {
            return Err(SyntaxError::NotText);
        }
        let text = text.trim_end();
        let (verb, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        let verb = verb.to_ascii_uppercase();
        let rest = rest.trim();
        match verb.as_str() {
            "EHLO" if !rest.is_empty() => Ok(Command::Ehlo(rest.to_owned())),
            "EHLO" => Err(SyntaxError::Form("EHLO hostname")),
            "HELO" if !rest.is_empty() => Ok(Command::Helo(rest.to_owned())),
            "HELO" => Err(SyntaxError::Form("HELO hostname")),
            "LHLO" if !rest.is_empty() => Ok(Command::Lhlo(rest.to_owned())),
            "LHLO" => Err(SyntaxError::Form("LHLO hostname")),
            "MAIL" => parse_mail(rest),
            "RCPT" => parse_rcpt(rest),
            "DATA" => without_argument(rest, Command::Data, "DATA"),
            "RSET" => without_argument(rest, Command::Rset, "RSET"),
            "QUIT" => without_argument(rest, Command::Quit, "QUIT"),
            "NOOP" => Ok(Command::Noop),
            "HELP" => Ok(Command::Help),
            "VRFY" if !rest.is_empty() => Ok(Command::Vrfy(rest.to_owned())),
            "VRFY" => Err(SyntaxError::Form("VRFY address")),
            "STARTTLS" => without_argument(rest, Command::StartTls, "STARTTLS"),
            "AUTH" => parse_auth(rest),
            "BDAT" => parse_bdat(rest).ok_or(SyntaxError::Form("BDAT size [LAST]")),
            "EXPN" => Err(SyntaxError::NotImplemented("EXPN")),
            _ => Err(SyntaxError::Unknown(verb)),
        }
    }
}

fn without_argument(
    rest: &str,
    command: Command,
    form: &'static str,
) -> Result<Command, SyntaxError> {
    if rest.is_empty() {
        Ok(command)
    } else {
        Err(SyntaxError::Form(form))
    }
}

fn parse_mail(rest: &str) -> Result<Command, SyntaxError> {
    const FORM: SyntaxError = SyntaxError::Form("MAIL FROM:<address> [parameters]");
    let after = strip_keyword(rest, "FROM:").ok_or(FORM)?;
    let (path, rest) = parse_path(after, Role::Sender).ok_or(FORM)??;
    let mut params = MailParams {
        typed: parse_parameters(rest, MAIL_PARAMETERS)?,
        ..MailParams::default()
    };
    for typed in &params.typed {
        match typed.split_once('=') {
            // A number that overflows is above every limit; the session refuses it.
            Some((keyword, size)) if keyword.eq_ignore_ascii_case("SIZE") => {
                params.size = Some(size.parse().unwrap_or(u64::MAX));
            }
            None => params.smtputf8 = true,
            _ => {}
        }
    }
    Ok(Command::Mail(path, params))
}

/// Keyword of a parameter, and the check of its value; `None` if the parameter has no value.
type Parameter = (&'static str, Option<fn(&str) -> bool>);

const MAIL_PARAMETERS: &[Parameter] = &[
    ("SIZE", Some(is_number)),
    (
        "BODY",
        Some(|value| is_one_of(value, &["7BIT", "8BITMIME"])),
    ),
    ("SMTPUTF8", None),
    // RFC 3461 4.3, 4.4.
    ("RET", Some(|value| is_one_of(value, &["FULL", "HDRS"]))),
    ("ENVID", Some(|value| value.len() <= 100 && is_xtext(value))),
    // RFC 4954 5.
    ("AUTH", Some(|value| value == "<>" || is_xtext(value))),
];

const RCPT_PARAMETERS: &[Parameter] = &[
    // RFC 3461 4.1, 4.2.
    ("NOTIFY", Some(is_notify)),
    ("ORCPT", Some(is_original_recipient)),
];

fn is_number(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_one_of(value: &str, values: &[&str]) -> bool {
    values.iter().any(|one| one.eq_ignore_ascii_case(value))
}

fn is_notify(value: &str) -> bool {
    value.eq_ignore_ascii_case("NEVER")
        || value
            .split(',')
            .all(|event| is_one_of(event, &["SUCCESS", "FAILURE", "DELAY"]))
}

fn is_original_recipient(value: &str) -> bool {
    value.split_once(';').is_some_and(|(kind, address)| {
        // RFC 6533 3 allows addresses beyond ASCII, in several encodings.
        let is_utf8 = kind.eq_ignore_ascii_case("utf-8") && !address.is_empty();
        !kind.is_empty() && (is_utf8 || is_xtext(address))
    })
}

/// Returns whether a value is xtext: printable ASCII, with `+` and two hexadecimal digits for other bytes (RFC 3461 4).
fn is_xtext(value: &str) -> bool {
    let mut parts = value.split('+');
    let is_plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'=')
    };
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte);
    !value.is_empty()
        && parts.next().is_some_and(is_plain)
        && parts.all(|part| {
            let (hex, rest) = part.split_at_checked(2).unwrap_or_default();
            hex.len() == 2 && hex.as_bytes().iter().all(is_hex) && is_plain(rest)
        })
}

/// Splits parameters, and checks that each is known, well formed and unique.
fn parse_parameters(text: &str, known: &[Parameter]) -> Result<Vec<String>, SyntaxError> {
    let mut seen = Vec::new();
    let mut all = Vec::new();
    for typed in text.split_whitespace() {
        let (keyword, value) = match typed.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (typed, None),
        };
        let has_keyword = |parameter: &&Parameter| parameter.0.eq_ignore_ascii_case(keyword);
        let Some((keyword, form)) = known.iter().find(has_keyword) else {
            return Err(SyntaxError::UnknownParameter(keyword.to_ascii_uppercase()));
        };
        let is_well_formed = match (form, value) {
            (Some(form), Some(value)) => form(value),
            (form, value) => form.is_none() && value.is_none(),
        };
        if !is_well_formed {
            return Err(SyntaxError::ParameterValue(typed.to_owned()));
        }
        if seen.contains(keyword) {
            return Err(SyntaxError::RepeatedParameter(keyword));
        }
        seen.push(*keyword);
        all.push(typed.to_owned());
    }
    Ok(all)
}

fn parse_rcpt(rest: &str) -> Result<Command, SyntaxError> {
    const FORM: SyntaxError = SyntaxError::Form("RCPT TO:<address> [parameters]");
    let after = strip_keyword(rest, "TO:").ok_or(FORM)?;
    let (path, rest) = parse_path(after, Role::Recipient).ok_or(FORM)??;
    if path.address.is_empty() {
        return Err(SyntaxError::Address(Role::Recipient));
    }
    Ok(Command::Rcpt(
        path,
        parse_parameters(rest, RCPT_PARAMETERS)?,
    ))
}

fn parse_bdat(rest: &str) -> Option<Command> {
    let mut words = rest.split_whitespace();
    let size = words.next().filter(|size| is_number(size))?.parse().ok()?;
    let is_last = match words.next() {
        None => false,
        Some(last) if last.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return None,
    };
    words
        .next()
        .is_none()
        .then_some(Command::Bdat(size, is_last))
}

fn parse_auth(rest: &str) -> Result<Command, SyntaxError> {
    let mut words = rest.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(name), initial, None) => {
            let mechanism = Mechanism::from_name(name)
                .ok_or_else(|| SyntaxError::UnknownMechanism(name.to_owned()))?;
            Ok(Command::Auth(mechanism, initial.map(ToOwned::to_owned)))
        }
        _ => Err(SyntaxError::Form("AUTH mechanism [first answer]")),
    }
}

fn strip_keyword<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then_some(rest)
}

/// Parses a path, and returns it with the rest of the line. `None` if the line does not have the form of a path.
fn parse_path(text: &str, role: Role) -> Option<Result<(Path, &str), SyntaxError>> {
    let mut path = Path::default();
    let trimmed = text.trim_start();
    if trimmed.len() < text.len() {
        path.warnings.push(Warning::SpaceBeforeAddress);
    }
    let (inner, rest) = match trimmed.strip_prefix('<') {
        Some(inside) => {
            let end = closing_bracket(inside)?;
            (&inside[..end], &inside[end + 1..])
        }
        None => {
            path.warnings.push(Warning::NoAngleBrackets);
            trimmed.split_at(trimmed.find([' ', '\t']).unwrap_or(trimmed.len()))
        }
    };
    if (inner.is_empty() && trimmed.is_empty())
        || !(rest.is_empty() || rest.starts_with([' ', '\t']))
    {
        return None;
    }
    // Source routes `@a,@b:` are obsolete since 2001; servers should ignore them (RFC 5321 appendix C).
    let address = if inner.starts_with('@') {
        inner.split_once(':').map_or(inner, |(_, address)| address)
    } else {
        inner
    };
    if !address.is_empty() && !is_address(address) {
        return Some(Err(SyntaxError::Address(role)));
    }
    path.address = address.to_owned();
    Some(Ok((path, rest)))
}

/// Returns the position of the first `>` outside of a quoted local part.
fn closing_bracket(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Returns whether a text is an address. A local part alone is one too: cron sends to `root`, bounces go to `postmaster`.
fn is_address(address: &str) -> bool {
    let (local, domain) = if address.starts_with('"') {
        match closing_quote(address) {
            Some(end) => (&address[..=end], &address[end + 1..]),
            None => return false,
        }
    } else {
        address.split_at(address.find('@').unwrap_or(address.len()))
    };
    let is_local_valid =
        local.starts_with('"') || (!local.is_empty() && local.chars().all(is_local_char));
    is_local_valid
        && match domain.strip_prefix('@') {
            None => domain.is_empty(),
            Some(literal) if literal.starts_with('[') => {
                literal.len() > 2
                    && literal.ends_with(']')
                    && literal[1..literal.len() - 1]
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b".:-".contains(&byte))
            }
            Some(name) => {
                // Host names have no underscore, but names of containers do.
                !name.is_empty()
                    && name.chars().all(|char| {
                        char.is_alphanumeric() || !char.is_ascii() || "-._".contains(char)
                    })
            }
        }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at),
            _ => {}
        }
    }
    None
}

fn is_local_char(char: char) -> bool {
    !char.is_ascii() || char.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(char)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, SyntaxError> {
        Command::parse(line.as_bytes())
    }

    fn address(line: &str) -> Result<String, SyntaxError> {
        match parse(line)? {
            Command::Mail(path, _) | Command::Rcpt(path, _) => Ok(path.address),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn verbs_are_recognized_in_any_case() {
        assert_eq!(parse("ehlo there"), Ok(Command::Ehlo("there".into())));
        assert_eq!(parse("NoOp what ever"), Ok(Command::Noop));
        assert_eq!(parse("quit "), Ok(Command::Quit));
        assert_eq!(parse("QUIT now"), Err(SyntaxError::Form("QUIT")));
        assert_eq!(parse("EHLO"), Err(SyntaxError::Form("EHLO hostname")));
        assert_eq!(parse("EXPN x"), Err(SyntaxError::NotImplemented("EXPN")));
        for (line, command) in [
            ("BDAT 5 last", Command::Bdat(5, true)),
            ("bdat 0", Command::Bdat(0, false)),
            ("starttls", Command::StartTls),
            ("AUTH PLAIN", Command::Auth(Mechanism::Plain, None)),
            (
                "auth cram-md5 =",
                Command::Auth(Mechanism::CramMd5, Some("=".into())),
            ),
            ("LHLO x", Command::Lhlo("x".into())),
        ] {
            assert_eq!(parse(line), Ok(command));
        }
        for line in [
            "BDAT",
            "BDAT x",
            "BDAT 5 FIRST",
            "BDAT 5 LAST x",
            "BDAT -1",
            "BDAT 99999999999999999999",
        ] {
            assert_eq!(parse(line), Err(SyntaxError::Form("BDAT size [LAST]")));
        }
        assert_eq!(
            parse("AUTH NTLM"),
            Err(SyntaxError::UnknownMechanism("NTLM".into()))
        );
        assert_eq!(parse("FOO bar"), Err(SyntaxError::Unknown("FOO".into())));
        assert_eq!(parse(""), Err(SyntaxError::Unknown("".into())));
        assert_eq!(Command::parse(b"NOOP \xff"), Err(SyntaxError::NotText));
        assert_eq!(parse("NOOP \x1b[2J"), Err(SyntaxError::NotText));
    }

    #[test]
    fn addresses_are_accepted_in_every_usual_form() {
        for (typed, expected) in [
            ("RCPT TO:<ann@example.com>", "ann@example.com"),
            ("rcpt to:<ann@example.com>  ", "ann@example.com"),
            ("MAIL FROM:<>", ""),
            ("RCPT TO:<root>", "root"),
            (
                "RCPT TO:<@a.example,@b.example:ann@example.com>",
                "ann@example.com",
            ),
            (
                "RCPT TO:<\"a > b\\\"@\"@example.com>",
                "\"a > b\\\"@\"@example.com",
            ),
            ("RCPT TO:<ann@[IPv6:::1]>", "ann@[IPv6:::1]"),
            ("RCPT TO:<jürgen@bücher.example>", "jürgen@bücher.example"),
            ("RCPT TO:<ann@my_container>", "ann@my_container"),
            ("MAIL FROM:ann@example.com SIZE=3", "ann@example.com"),
            ("MAIL FROM: <ann@example.com>", "ann@example.com"),
        ] {
            assert_eq!(address(typed), Ok(expected.to_owned()), "{typed}");
        }
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for typed in [
            "RCPT TO:<>",
            "RCPT TO:<@example.com>",
            "RCPT TO:<ann@>",
            "RCPT TO:<ann@a@b>",
            "RCPT TO:<ann smith@example.com>",
            "RCPT TO:<ann@exam ple.com>",
            "RCPT TO:<a,b@example.com>",
            "RCPT TO:<\"a@example.com>",
            "RCPT TO:<ann@[]>",
        ] {
            assert!(address(typed).is_err(), "{typed}");
        }
        for typed in [
            "RCPT ann@example.com",
            "RCPT TO:",
            "RCPT TO:<ann@b",
            "MAIL FROM",
            "MAIL FROM:<a@b>SIZE=3",
        ] {
            assert!(matches!(parse(typed), Err(SyntaxError::Form(_))), "{typed}");
        }
    }

    #[test]
    fn parameters_are_checked_and_repeats_are_refused() {
        let Ok(Command::Mail(_, params)) = parse("MAIL FROM:<a@b> size=12 BODY=8BITMIME SMTPUTF8")
        else {
            panic!("announced parameters are accepted");
        };
        assert_eq!((params.size, params.smtputf8), (Some(12), true));
        assert_eq!(params.typed, ["size=12", "BODY=8BITMIME", "SMTPUTF8"]);
        let Ok(Command::Mail(_, params)) = parse("MAIL FROM:<a@b> SIZE=99999999999999999999999")
        else {
            panic!("a size that overflows is accepted");
        };
        assert_eq!(params.size, Some(u64::MAX));
        for wrong in [
            "SIZE",
            "SIZE=",
            "SIZE=-1",
            "BODY=BINARYMIME",
            "SMTPUTF8=yes",
        ] {
            let got = parse(&format!("MAIL FROM:<a@b> {wrong}"));
            assert!(
                matches!(got, Err(SyntaxError::ParameterValue(_))),
                "{wrong}"
            );
        }
        for (line, keyword) in [
            ("MAIL FROM:<a@b> SMTPUTF8 SMTPUTF8", "SMTPUTF8"),
            ("MAIL FROM:<a@b> SIZE=1 size=1", "SIZE"),
            ("MAIL FROM:<a@b> BODY=7BIT RET=FULL BODY=8BITMIME", "BODY"),
            ("MAIL FROM:<a@b> RET=FULL RET=FULL", "RET"),
            ("MAIL FROM:<a@b> ENVID=1 ENVID=2", "ENVID"),
            ("MAIL FROM:<a@b> AUTH=<> AUTH=<>", "AUTH"),
            ("RCPT TO:<a@b> NOTIFY=NEVER notify=NEVER", "NOTIFY"),
            ("RCPT TO:<a@b> ORCPT=rfc822;a@b ORCPT=rfc822;a@b", "ORCPT"),
        ] {
            let got = parse(line);
            assert_eq!(got, Err(SyntaxError::RepeatedParameter(keyword)), "{line}");
        }
        for right in [
            "RET=FULL",
            "RET=hdrs ENVID=QQ314159",
            "ENVID=a+2Bb",
            "AUTH=<>",
            "AUTH=ann@example.com",
        ] {
            assert!(
                parse(&format!("MAIL FROM:<a@b> {right}")).is_ok(),
                "{right}"
            );
        }
        for right in [
            "NOTIFY=NEVER",
            "notify=success,FAILURE,delay",
            "ORCPT=rfc822;ann+2B@example.com",
            "ORCPT=utf-8;jörg@example.com",
        ] {
            assert!(parse(&format!("RCPT TO:<a@b> {right}")).is_ok(), "{right}");
        }
        for wrong in [
            "NOTIFY=NEVER,SUCCESS",
            "NOTIFY=",
            "ORCPT=ann",
            "ORCPT=rfc822;+2b",
        ] {
            let got = parse(&format!("RCPT TO:<a@b> {wrong}"));
            assert!(
                matches!(got, Err(SyntaxError::ParameterValue(_))),
                "{wrong}"
            );
        }
        for (line, unknown) in [
            ("MAIL FROM:<a@b> HOLDFOR=5", "HOLDFOR"),
            ("MAIL FROM:<a@b> NOTIFY=NEVER", "NOTIFY"),
            ("RCPT TO:<a@b> RET=FULL", "RET"),
        ] {
            assert_eq!(
                parse(line),
                Err(SyntaxError::UnknownParameter(unknown.into()))
            );
        }
    }
}
