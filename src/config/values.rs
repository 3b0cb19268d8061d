//! The forms that values have: spans of time, switches, addresses of networks, the public URL, secrets. Each says in
//! its error what it wants.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use zeroize::Zeroizing;

pub use crate::domain::span::span;

/// The secret that the tutorial printed, so that everybody knows it.
pub const PUBLISHED_SECRET: &str = "t1NP63m4wnBg6nyHYKfmc2TpCOGI4nss";

/// A value that is never shown, and wiped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The plaintext value.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A span of time of at most so many days.
pub fn span_within(days: u64) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| {
        let span = span(text)?;
        if span.as_secs() > days * 86_400 {
            Err(format!("at most {days}d is allowed"))
        } else {
            Ok(span)
        }
    }
}

/// A switch.
pub fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// One of a few words.
pub fn one_of<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let found = words
            .iter()
            .find(|(word, _)| text.eq_ignore_ascii_case(word));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            format!("write {}", words.join(" or "))
        })
    }
}

/// A whole number within bounds.
pub fn number(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, String> {
    move |text| {
        let number = text
            .parse()
            .ok()
            .filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("write a whole number from {least} to {most}"))
    }
}

/// A network: its address and how many leading bits count.
pub type Network = (IpAddr, u8);

/// Networks with commas between, `10.0.0.0/8, ::1`.
pub fn networks(text: &str) -> Result<Vec<Network>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|network| !network.is_empty())
        .map(network)
        .collect()
}

fn network(text: &str) -> Result<Network, String> {
    let wanted = || {
        format!(
            "\"{text}\" is not a network: write networks such as 10.0.0.0/8, separated by commas"
        )
    };
    let (address, bits) = text
        .split_once('/')
        .map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().map_err(|_| wanted())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Ok(most), str::parse).map_err(|_| wanted())?;
    if bits > most {
        Err(wanted())
    } else {
        Ok((address, bits))
    }
}

/// Origins with commas between, as browsers write them: `https://app.example, http://localhost:5173`.
pub fn origins(text: &str) -> Result<Vec<String>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|origin| !origin.is_empty())
        .map(origin)
        .collect()
}

fn origin(text: &str) -> Result<String, String> {
    if text == "*" {
        return Err("\"*\" is not allowed: name each origin".to_owned());
    }
    let wanted = || {
        format!(
            "\"{text}\" is not an origin: write scheme, host and port such as https://app.example or http://localhost:5173, without a slash at the end, separated by commas"
        )
    };
    let text = text.to_ascii_lowercase();
    let (scheme, rest) = text.split_once("://").ok_or_else(wanted)?;
    // A page in an application of its own may have another scheme than http.
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let is_address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    let is_name = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    let port = port
        .map(|port| {
            let digits = port.bytes().all(|c| c.is_ascii_digit());
            let number = port.parse::<u16>().ok().filter(|_| digits);
            number.ok_or_else(wanted)
        })
        .transpose()?;
    if !is_scheme || !(is_name || is_address) {
        return Err(wanted());
    }
    // Browsers leave the port out where it is the scheme's own.
    Ok(match (scheme, port) {
        (_, None) | ("http", Some(80)) | ("https", Some(443)) => format!("{scheme}://{host}"),
        (_, Some(port)) => format!("{scheme}://{host}:{port}"),
    })
}

/// Host name or IP address of a mail server, without a port. IPv6 addresses may be in brackets.
///
/// # Errors
/// The line to write instead.
pub fn mail_server(text: &str) -> Result<String, String> {
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
    // What follows "smtp://" is looked at first, so that one message names all that has to change.
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

/// Sender of all mails: `support@movie-bag.com` or `Movie-bag <support@movie-bag.com>`. The mail library parses it again;
/// this check names the common mistakes with their place in the env file.
///
/// # Errors
/// The line to write instead.
pub fn mail_sender(text: &str) -> Result<String, String> {
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

/// Base of links: a scheme, a host, and perhaps a path; without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Takes what was written.
    ///
    /// # Errors
    /// Anything but `http://` or `https://`, a host and a path: whatever stood behind these would end up inside links.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wanted = || "write a URL such as https://movies.example, without ? and #".to_owned();
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or_else(wanted)?;
        let host = rest.split('/').next().unwrap_or_default();
        let is_link_safe = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]%+".contains(c);
        if host.is_empty() || host.starts_with(':') || !rest.chars().all(is_link_safe) {
            return Err(wanted());
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// The one for a laptop.
    pub fn localhost(port: u16) -> Self {
        Self(format!("http://localhost:{port}"))
    }

    /// Whether it is https.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// The text, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Address of an inbox, with its user name and password.
#[derive(Debug, Clone)]
pub struct InboxUrl {
    /// URL without user name and password.
    pub base: BaseUrl,
    /// User name and password from before the `@`.
    pub credentials: Option<(String, Secret)>,
}

impl InboxUrl {
    /// Default address of a sink.
    pub fn usual() -> Self {
        Self {
            base: BaseUrl("http://127.0.0.1:8025".to_owned()),
            credentials: None,
        }
    }

    /// Takes what was written: `http://127.0.0.1:8025`, or `http://ann:secret@127.0.0.1:8025`.
    ///
    /// # Errors
    /// Those of [`BaseUrl::parse`].
    pub fn parse(text: &str) -> Result<Self, String> {
        let wanted = || {
            "write a URL such as http://127.0.0.1:8025 or http://name:password@127.0.0.1:8025"
                .to_owned()
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wanted)?;
        let Some((credentials, rest)) = rest.rsplit_once('@') else {
            let base = BaseUrl::parse(text).map_err(|_| wanted())?;
            return Ok(Self {
                base,
                credentials: None,
            });
        };
        let (name, password) = credentials.split_once(':').ok_or_else(wanted)?;
        let base = BaseUrl::parse(&format!("{scheme}://{rest}")).map_err(|_| wanted())?;
        Ok(Self {
            base,
            credentials: Some((name.to_owned(), Secret::new(password))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_may_want_a_name_and_a_password() {
        let plain = InboxUrl::parse("http://127.0.0.1:8025/").unwrap();
        assert_eq!(plain.base.as_str(), "http://127.0.0.1:8025");
        assert!(plain.credentials.is_none());
        let guarded = InboxUrl::parse("https://ann:p@s:s@mail.test/box").unwrap();
        let (name, password) = guarded.credentials.unwrap();
        assert_eq!(
            (guarded.base.as_str(), name.as_str(), password.expose()),
            ("https://mail.test/box", "ann", "p@s:s")
        );
        for wrong in [
            "127.0.0.1:8025",
            "http://ann@x",
            "ftp://x",
            "http://",
            "http://a:b@",
        ] {
            assert!(InboxUrl::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_span_may_have_a_limit() {
        assert!(span_within(7)("8d").is_err() && span_within(7)("7d").is_ok());
    }

    #[test]
    fn networks_are_read_one_by_one() {
        assert_eq!(
            networks("10.0.0.0/8, ::1"),
            Ok(vec![
                ("10.0.0.0".parse().unwrap(), 8),
                ("::1".parse().unwrap(), 128)
            ])
        );
        assert_eq!(networks(""), Ok(vec![]));
        for text in ["10.0.0.0/33", "example.com", "10.0.0.0/x", "10.0.0.0/8;::1"] {
            assert!(networks(text).is_err(), "{text}");
        }
    }

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        for (text, origin) in [
            ("https://app.example", "https://app.example"),
            (" HTTPS://App.Example:443 ", "https://app.example"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:80", "http://[::1]"),
            ("http://[::1]", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(origins(text), Ok(vec![origin.to_owned()]), "{text}");
        }
        assert_eq!(
            origins("https://a.example, https://b.example")
                .unwrap()
                .len(),
            2
        );
        assert_eq!(origins(" , "), Ok(vec![]));
        for text in [
            "*",
            "null",
            "app.example",
            "https://",
            "https://app.example/",
            "https://app.example/path",
            "https://*.example",
            "https://u@app.example",
            "https://app.example:",
            "https://app.example:99999",
            "https://app.example:+1",
            "https://app.example; https://b.example",
            "https://münchen.example",
            "://x",
            "https://[::1",
        ] {
            assert!(origins(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mail_server_has_no_port_and_may_be_an_ipv6_address() {
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

    #[test]
    fn a_public_url_is_a_base_and_nothing_more() {
        assert_eq!(
            BaseUrl::parse("https://movies.example/base/").map(|url| url.0),
            Ok("https://movies.example/base".to_owned())
        );
        for text in [
            "movies.example",
            "ftp://x",
            "https://",
            "https://:80",
            "https://a b",
            "https://x?y",
            "https://x#y",
            "https://u@x",
            "https://x\r\n",
            "javascript:alert(1)",
        ] {
            assert!(BaseUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret::new("hidden")), "Secret(…)");
    }
}
