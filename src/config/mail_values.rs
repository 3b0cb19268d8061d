//! Parsers of mail settings. Their errors name the form to write.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Parses the host name or IP address of a mail server, without a port. IPv6 addresses may be in brackets.
///
/// # Errors
/// The line to write instead.
pub(super) fn mail_server(text: &str) -> Result<String, String> {
    const WANTED: &str = "write a host name such as smtp.example.com or an IP address";
    let unbracketed = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Some(address) = unbracketed {
        let is_address = address.parse::<Ipv6Addr>().is_ok();
        return is_address
            .then(|| address.to_owned())
            .ok_or(WANTED.to_owned());
    }
    if text.parse::<IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    // The text after "smtp://" is checked first, so that one message names everything that has to change. `url` is not used: it
    // takes the host of `mail.test:25` for a scheme.
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest = rest.trim_end_matches('/');
    if let Some((host, port)) = rest.rsplit_once(':')
        && let Ok(host) = mail_server(host)
        && port.parse::<u16>().is_ok()
    {
        return Err(format!(
            "the port belongs in MAIL_PORT: write MAIL_SERVER = {host} and MAIL_PORT = {port}"
        ));
    }
    if !scheme.is_empty() && mail_server(rest).is_ok() {
        return Err(format!(
            "a mail server is not named by a URL: write MAIL_SERVER = {rest}"
        ));
    }
    let is_name = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    if is_name && !text.is_empty() {
        Ok(text.to_owned())
    } else {
        Err(WANTED.to_owned())
    }
}

/// Parses the sender of all mails: `support@movie-bag.com` or `Movie-bag <support@movie-bag.com>`. The mail library parses it again;
/// this check names the common mistakes with their place in the env file.
///
/// # Errors
/// The line to write instead.
pub(super) fn mail_sender(text: &str) -> Result<String, String> {
    let wanted =
        || "write an address such as support@movie-bag.com or Movie-bag <support@movie-bag.com>";
    if text.chars().any(char::is_control) {
        return Err(wanted().to_owned());
    }
    let in_brackets = text.trim_end().strip_suffix('>');
    let (name, address) = match in_brackets.and_then(|text| text.rsplit_once('<')) {
        Some((name, address)) => (name.trim(), address.trim()),
        None => ("", text.trim()),
    };
    let is_list = address.contains(',') && address.matches('@').count() > 1;
    if is_list || !name.starts_with('"') && name.contains('<') {
        return Err(format!("mails have only one sender: {}", wanted()));
    }
    if address.matches('@').count() != 1
        || address.starts_with('@')
        || address.ends_with('@')
        || address.contains([',', ';', '<', '>'])
    {
        return Err(wanted().to_owned());
    }
    // An address after its name, without brackets.
    if let Some((name, address)) = address.rsplit_once(' ')
        && !name.contains('@')
    {
        return Err(format!(
            "put the address in angle brackets: write MAIL_DEFAULT_SENDER = '{name} <{address}>'"
        ));
    }
    let is_quoted = name.len() >= 2 && name.starts_with('"') && name.ends_with('"');
    // The specials of RFC 5322 section 3.2.3, except the dot, which the obsolete syntax allows.
    if !is_quoted && name.contains(['(', ')', '<', '>', '[', ']', ':', ';', '@', '\\', ',', '"']) {
        let name: String = name.chars().filter(|c| !"\"\\".contains(*c)).collect();
        return Err(format!(
            "put the name in quotes: write MAIL_DEFAULT_SENDER = '\"{name}\" <{address}>'"
        ));
    }
    Ok(text.to_owned())
}

/// Parses the name for EHLO (RFC 5321 4.1.1.1): a domain, which is converted to its ASCII form, or an address in brackets.
///
/// # Errors
/// The form to write instead.
pub(super) fn helo_name(text: &str) -> Result<String, String> {
    let wanted = || "write a host name such as app.example.com, or an address such as [192.0.2.1]";
    if let Some(literal) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let is_address = match literal.strip_prefix("IPv6:") {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => literal.parse::<Ipv4Addr>().is_ok(),
        };
        return is_address
            .then(|| text.to_owned())
            .ok_or_else(|| wanted().to_owned());
    }
    let name = idna::domain_to_ascii_strict(text).map_err(|_| wanted().to_owned())?;
    let is_name = !name.is_empty() && name.parse::<IpAddr>().is_err();
    is_name.then_some(name).ok_or_else(|| wanted().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_a_host_name_or_an_address_without_a_port() {
        for (text, host) in [
            ("localhost", "localhost"),
            ("smtp.example.com", "smtp.example.com"),
            ("mail_1.internal.", "mail_1.internal."),
            ("192.0.2.1", "192.0.2.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("2001:db8::25", "2001:db8::25"),
        ] {
            assert_eq!(mail_server(text), Ok(host.to_owned()), "{text}");
        }
        for (text, line) in [
            ("mail.test:25", "MAIL_SERVER = mail.test and MAIL_PORT = 25"),
            (
                "192.0.2.1:587",
                "MAIL_SERVER = 192.0.2.1 and MAIL_PORT = 587",
            ),
            ("[::1]:465", "MAIL_SERVER = ::1 and MAIL_PORT = 465"),
            (
                "smtp://mail.test:25/",
                "MAIL_SERVER = mail.test and MAIL_PORT = 25",
            ),
            ("smtps://mail.test", "MAIL_SERVER = mail.test"),
        ] {
            let error = mail_server(text).unwrap_err();
            assert!(error.ends_with(&format!("write {line}")), "{text}: {error}");
        }
        let parsed = url::Url::parse("mail.test:25").unwrap();
        assert_eq!((parsed.scheme(), parsed.host_str()), ("mail.test", None));
        for text in [
            "mail.test:",
            "mail test",
            "a@mail.test",
            "[mail.test]",
            "münchen.example",
        ] {
            let error = mail_server(text).unwrap_err();
            assert!(error.contains("write a host name"), "{text}: {error}");
        }
    }

    #[test]
    fn a_sender_with_a_comma_in_its_name_needs_quotes() {
        for text in [
            "support@movie-bag.com",
            "Movie-bag <support@movie-bag.com>",
            "Movie-bag Ltd. <support@movie-bag.com>",
            "\"Movie-bag, Inc.\" <support@movie-bag.com>",
            "\"Ann @ Movie-bag\" <support@movie-bag.com>",
            "<support@movie-bag.com>",
            "Mövie <support@mövie.example>",
        ] {
            assert_eq!(mail_sender(text), Ok(text.to_owned()));
        }
        for (text, line) in [
            (
                "Movie-bag, Inc. <support@movie-bag.com>",
                "'\"Movie-bag, Inc.\" <support@movie-bag.com>'",
            ),
            (
                "Movie-bag (support) <support@movie-bag.com>",
                "'\"Movie-bag (support)\" <support@movie-bag.com>'",
            ),
            (
                "Ann @ Movie-bag <support@movie-bag.com>",
                "'\"Ann @ Movie-bag\" <support@movie-bag.com>'",
            ),
            (
                "Movie-bag support@movie-bag.com",
                "'Movie-bag <support@movie-bag.com>'",
            ),
        ] {
            let error = mail_sender(text).unwrap_err();
            assert!(
                error.ends_with(&format!("write MAIL_DEFAULT_SENDER = {line}")),
                "{text}: {error}"
            );
        }
        for text in [
            "",
            "foo",
            "foo@",
            "@bar",
            "a@x, b@y",
            "A <a@x>, B <b@y>",
            "a@x\r\nBcc: b@y",
        ] {
            let error = mail_sender(text).unwrap_err();
            assert!(error.contains("write an address"), "{text}: {error}");
        }
    }
}
