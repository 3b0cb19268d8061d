//! Types and parsers of values: durations, switches, addresses, networks, URLs and secrets. The errors of the parsers name
//! the form to write.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use movie_bag_core::domain::link_template::LinkTemplate;
use movie_bag_core::domain::token::Token;
use url::Url;
use zeroize::Zeroizing;

pub(crate) use movie_bag_core::domain::span::span;

// Forms that several settings share, for the documentation.
pub(super) const TIME: &str = "a time: `90s`, `30m`, `24h`, `7d`";
pub(super) const SWITCH: &str = "`true` or `false`";
pub(super) const ADDRESS: &str = "address and port: `127.0.0.1:3000`, `[::]:3000`";

/// Secret that the tutorial printed. It is public.
pub(crate) const PUBLISHED_SECRET: &str = "t1NP63m4wnBg6nyHYKfmc2TpCOGI4nss";

/// Value that is never shown. It is erased from memory when it is dropped.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the reason why a secret of sufficient length is weak, if there is one.
    pub(crate) fn weakness(&self) -> Option<&'static str> {
        if self.is_published() {
            Some("is the one published in the tutorial")
        } else if self.is_repetitive() {
            Some("repeats a few characters")
        } else {
            None
        }
    }

    pub(super) fn is_published(&self) -> bool {
        self.expose() == PUBLISHED_SECRET
    }

    /// Returns whether the secret has fewer than 8 different bytes. Of 32 random hexadecimal digits, one in a million has
    /// so few.
    pub(super) fn is_repetitive(&self) -> bool {
        let different: HashSet<u8> = self.expose().bytes().collect();
        different.len() < 8
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Parses a secret that signs tokens.
///
/// # Errors
/// Its length, if it is too short.
pub(super) fn secret(text: &str) -> Result<Secret, String> {
    if text.len() < 32 {
        return Err(format!(
            "it has {} bytes, but at least 32 are needed: generate one with \"openssl rand -base64 48\"",
            text.len()
        ));
    }
    Ok(Secret::new(text))
}

/// Parses a duration with an upper limit in days.
pub(super) fn span_within(days: u64, text: &str) -> Result<Duration, String> {
    let span = span(text)?;
    if span.as_secs() > days * 86_400 {
        Err(format!("at most {days}d is allowed"))
    } else {
        Ok(span)
    }
}

/// Parses a boolean.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// Parses one of several words.
pub(super) fn one_of<T: Copy>(words: &[(&str, T)], text: &str) -> Result<T, String> {
    let found = words
        .iter()
        .find(|(word, _)| text.eq_ignore_ascii_case(word));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("write {}", words.join(" or "))
    })
}

/// Parses a whole number within inclusive bounds.
pub(super) fn number<T>(least: T, most: T, text: &str) -> Result<T, String>
where
    T: PartialOrd + fmt::Display + FromStr,
{
    let number = text.parse().ok();
    number
        .filter(|number| (&least..=&most).contains(&number))
        .ok_or_else(|| format!("write a whole number from {least} to {most}"))
}

/// Accepts any text.
pub(super) fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// Accepts any path.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

/// Accepts any text as a password.
pub(super) fn password(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

/// Parses networks separated by commas: `10.0.0.0/8, ::1`.
pub(crate) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|network| !network.is_empty())
        .map(network)
        .collect()
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>();
    network
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            format!(
                "\"{text}\" is not a network: write networks such as 10.0.0.0/8, separated by commas"
            )
        })
}

/// Parses an address with its port. `localhost` means the IPv4 address.
///
/// # Errors
/// The form to write instead.
pub(crate) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    let local = text.replace("localhost:", "127.0.0.1:");
    local
        .parse()
        .map_err(|_| "write ADDRESS:PORT, such as 127.0.0.1:3000 or [::]:3000".to_owned())
}

/// Returns whether a host name or address is that of this machine.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Parses origins separated by commas, in the form that browsers send: `https://app.example, http://localhost:5173`.
pub(crate) fn origins(text: &str) -> Result<Vec<String>, String> {
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
    // A page inside a mobile application may have a scheme other than http. `url` gives it no origin, and keeps the case of its host.
    let url = strict_url(&text.to_ascii_lowercase()).ok_or_else(wanted)?;
    let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
    // The library permits most punctuation in hosts, so a list with semicolons or quotes would become an origin that no browser sends.
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    // The text is examined, since a path such as `/.` is missing from the parsed URL.
    let has_more = text.matches('/').count() > 2 || text.contains(['?', '#', '@']);
    if has_more || text.ends_with(':') || !host.chars().all(is_host) {
        return Err(wanted());
    }
    Ok(match url.port() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

/// Parses a URL that names a host. The library accepts what browsers repair: missing, surplus and backward slashes, white space and
/// line ends. These are refused.
fn strict_url(text: &str) -> Option<Url> {
    let (_, rest) = text.split_once("://")?;
    let is_repaired = |c: char| c == '\\' || c.is_control() || c.is_whitespace();
    if rest.starts_with('/') || text.contains(is_repaired) {
        return None;
    }
    Url::parse(text).ok().filter(Url::has_host)
}

/// Base URL of links: scheme, host and optional path, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    /// Parses a base URL.
    ///
    /// # Errors
    /// Anything other than `http://` or `https://`, a host and a path: further parts would end up inside links.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wanted = || "write a URL such as https://movies.example, without ? and #".to_owned();
        // Everything that is not part of a scheme, a host or a plain path.
        let is_link_safe = |c: char| c.is_alphanumeric() || "-._~:/[]%+".contains(c);
        let url = strict_url(text)
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .filter(|_| text.chars().all(is_link_safe))
            .ok_or_else(wanted)?;
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// Returns the base URL of a server on this machine.
    pub(crate) fn localhost(port: u16) -> Self {
        Self(format!("http://localhost:{port}"))
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Parses the form of a link with a token.
///
/// # Errors
/// Those of [`LinkTemplate::parse`], and a URL that browsers refuse or whose token they would remove.
pub(super) fn link_template(text: &str) -> Result<LinkTemplate, String> {
    let template = LinkTemplate::parse(text).map_err(|error| error.to_string())?;
    let token = Token::from_exact("a.b.c");
    let link = template.link("https://movies.example", &token);
    let is_kept = |url: &Url| url.as_str().contains(token.as_str());
    strict_url(&link)
        .filter(is_kept)
        .map(|_| template)
        .ok_or_else(|| {
            "it is not a valid URL: write one such as https://app.example/reset?token={token}"
                .to_owned()
        })
}

/// Address of a web page, which may have a query and a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageUrl(String);

impl PageUrl {
    /// Parses the address of a page.
    ///
    /// # Errors
    /// Anything other than an `http` or `https` URL, a user name in it, and characters that end a link in a mail.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        /// Maximum length, in bytes, so that the address fits in a line of a mail.
        const LONGEST: usize = 400;
        let wanted = || {
            format!(
                "write a URL such as https://app.example/login, of at most {LONGEST} characters"
            )
        };
        let url = strict_url(text)
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .filter(|url| url.username().is_empty() && url.password().is_none())
            .ok_or_else(wanted)?;
        // The library would percent-encode further characters, such as the braces of a placeholder.
        let is_link_safe = |c: char| c.is_alphanumeric() || "-._~:/?#[]@!$&*+,;=%".contains(c);
        let is_usable = url.as_str().len() <= LONGEST && text.chars().all(is_link_safe);
        is_usable.then(|| Self(url.into())).ok_or_else(wanted)
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Address of an inbox, with its user name and password.
#[derive(Debug, Clone)]
pub(crate) struct InboxUrl {
    /// URL without user name and password.
    pub(crate) base: BaseUrl,
    /// User name and password from before the `@`.
    pub(crate) credentials: Option<(String, Secret)>,
}

impl InboxUrl {
    /// Parses `http://127.0.0.1:8025`, or `http://ann:secret@127.0.0.1:8025`. Name and password are taken as they are written,
    /// while `url` requires their special characters in percent-encoding.
    ///
    /// # Errors
    /// Errors of [`BaseUrl::parse`].
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
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
    fn an_inbox_url_may_contain_a_name_and_a_password() {
        let plain = InboxUrl::parse("http://127.0.0.1:8025/").unwrap();
        assert_eq!(plain.base.as_str(), "http://127.0.0.1:8025");
        assert!(plain.credentials.is_none());
        let with_login = InboxUrl::parse("https://ann:p@s:s@mail.test/box").unwrap();
        let (name, password) = with_login.credentials.unwrap();
        assert_eq!(
            (with_login.base.as_str(), name.as_str(), password.expose()),
            ("https://mail.test/box", "ann", "p@s:s")
        );
        let special = "http://ann:a/b?c#d%41@mail.test";
        assert!(Url::parse(special).is_err());
        let (_, password) = InboxUrl::parse(special).unwrap().credentials.unwrap();
        assert_eq!(password.expose(), "a/b?c#d%41");
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
    fn a_duration_above_the_limit_is_refused() {
        assert!(span_within(7, "8d").is_err() && span_within(7, "7d").is_ok());
    }

    #[test]
    fn networks_are_separated_by_commas() {
        assert_eq!(
            networks("10.0.0.0/8, ::1"),
            Ok(vec![
                "10.0.0.0/8".parse().unwrap(),
                "::1/128".parse().unwrap()
            ])
        );
        assert_eq!(networks(""), Ok(vec![]));
        for text in ["10.0.0.0/33", "example.com", "10.0.0.0/x", "10.0.0.0/8;::1"] {
            assert!(networks(text).is_err(), "{text}");
        }
    }

    #[test]
    fn origins_are_normalized_to_the_form_that_browsers_send() {
        for (text, origin) in [
            ("https://app.example", "https://app.example"),
            (" HTTPS://App.Example:443 ", "https://app.example"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:80", "http://[::1]"),
            ("http://[::1]", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("Capacitor://LocalHost", "capacitor://localhost"),
            ("https://münchen.example", "https://xn--mnchen-3ya.example"),
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
            "https:app.example",
            "https:\\\\app.example",
            "https:///app.example",
            "https://app.ex\nample",
            "https://app.example;",
            "\"https://app.example\"",
            "https://\"app.example\"",
            "https://app.example/.",
            "https://app.example/%2e",
            "https://@app.example",
            "capacitor://local!host",
            "://x",
            "https://[::1",
        ] {
            assert!(origins(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_public_url_has_no_parts_after_its_path() {
        for (text, base) in [
            (
                "https://movies.example/base/",
                "https://movies.example/base",
            ),
            ("http://LOCALHOST:3000", "http://localhost:3000"),
            ("https://movies.example:443", "https://movies.example"),
            ("http://[::1]:3000/", "http://[::1]:3000"),
            (
                "https://münchen.example/ä",
                "https://xn--mnchen-3ya.example/%C3%A4",
            ),
        ] {
            assert_eq!(BaseUrl::parse(text).map(|url| url.0), Ok(base.to_owned()));
        }
        for text in [
            "movies.example",
            "ftp://x",
            "https://",
            "https://:80",
            "https://a b",
            "https://x?y",
            "https://x#y",
            "https://u@x",
            "https://@x",
            "https://x:99999",
            "https://[::1",
            "https:x",
            "https:///x",
            "https:\\\\x",
            "https://x/\\y",
            "https://x\r\n",
            "javascript:alert(1)",
        ] {
            assert!(BaseUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_link_to_a_page_of_the_application_is_a_valid_url_that_keeps_its_token() {
        for text in [
            "{public_url}/reset/{token}",
            "https://app.example/reset?token={token}",
            "http://localhost:5173/#/reset/{token}",
        ] {
            assert!(link_template(text).is_ok(), "{text}");
        }
        for text in [
            "https://app.example:99999/{token}",
            "https://[::1/{token}",
            "https://:80/{token}",
            "https://app.example/{token}/../x",
            "https://app.example/reset",
        ] {
            let error = link_template(text).unwrap_err();
            assert!(error.contains("{token}"), "{text}: {error}");
        }
    }

    #[test]
    fn the_address_of_a_page_may_have_a_query_and_a_fragment() {
        for (text, url) in [
            ("https://app.example/login", "https://app.example/login"),
            ("https://App.example", "https://app.example/"),
            (
                "http://localhost:5173/?from=mail#/login",
                "http://localhost:5173/?from=mail#/login",
            ),
            (
                "https://münchen.example/ä",
                "https://xn--mnchen-3ya.example/%C3%A4",
            ),
        ] {
            assert_eq!(PageUrl::parse(text).unwrap().as_str(), url);
        }
        let long = format!("https://app.example/{}", "a".repeat(400));
        for text in [
            "app.example/login",
            "ftp://app.example",
            "javascript:alert(1)",
            "https://ann@app.example/login",
            "https://ann:secret@app.example/login",
            "https://app.example/{token}",
            "https://app.example/'",
            "https://app.example/a b",
            "https://app.example\r\n",
            &long,
        ] {
            assert!(PageUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn debug_output_does_not_contain_the_secret() {
        assert_eq!(format!("{:?}", Secret::new("hidden")), "Secret(…)");
    }
}
