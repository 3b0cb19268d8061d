//! Form of the links in mails that contain a token.

use super::token::Token;

const TOKEN: &str = "{token}";
const PUBLIC_URL: &str = "{public_url}";

/// Maximum length, in bytes: a line of a mail has at most 998, of which a token needs fewer than half.
const LONGEST: usize = 400;

/// Form of a link with a token, such as `{public_url}/reset/{token}` or `https://app.example/reset?token={token}`.
///
/// The token is a whole segment of the path, or a whole value in the query or the fragment. Programs that read mails
/// therefore find it without knowing the form, as [`Token::from_pasted`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTemplate(String);

/// Rule that the form of a link breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLinkTemplate {
    #[error(
        "it has no {TOKEN}: write the place of the token, as in https://app.example/reset?token={TOKEN}"
    )]
    NoToken,
    #[error("it has {TOKEN} more than once: a link contains its token in one place")]
    SeveralTokens,
    #[error("it has braces other than {TOKEN} and {PUBLIC_URL}: remove them")]
    UnknownPlaceholder,
    #[error(
        "{PUBLIC_URL} begins the link, followed by /, ? or #: write {PUBLIC_URL}/reset/{TOKEN}"
    )]
    MisplacedPublicUrl,
    #[error("it is no http or https URL: write {PUBLIC_URL}/… or https://…")]
    NotHttp,
    #[error(
        "the host is missing, or has {TOKEN} or a user name in it: write a host such as https://app.example/reset?token={TOKEN}"
    )]
    Host,
    #[error(
        "{TOKEN} is not separated: it is a whole segment of the path, or a whole value, as in /reset/{TOKEN}, ?token={TOKEN} or #token={TOKEN}"
    )]
    NotSeparated,
    #[error(
        "it has a character that ends a link in a mail, or has a meaning in HTML: write such characters and letters beyond ASCII percent-encoded"
    )]
    UnsafeCharacter,
    #[error("it is longer than {LONGEST} characters, and a link must fit in a line of a mail")]
    TooLong,
}

impl LinkTemplate {
    /// Parses the form of a link. Whether the host is valid is not checked, which needs a parser of URLs.
    ///
    /// # Errors
    /// The first rule that the form breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidLinkTemplate> {
        use InvalidLinkTemplate as Invalid;
        if text.len() > LONGEST {
            return Err(Invalid::TooLong);
        }
        match text.matches(TOKEN).count() {
            0 => return Err(Invalid::NoToken),
            1 => {}
            _ => return Err(Invalid::SeveralTokens),
        }
        let (base, rest) = match text.strip_prefix(PUBLIC_URL) {
            // Without a delimiter, the rest would become a part of the host.
            Some(rest) if rest.starts_with(['/', '?', '#']) => ("", rest),
            Some(_) => return Err(Invalid::MisplacedPublicUrl),
            None => {
                let mut schemes = ["https://", "http://"].into_iter();
                let rest = schemes.find_map(|scheme| text.strip_prefix(scheme));
                let rest = rest.ok_or(Invalid::NotHttp)?;
                rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
            }
        };
        if rest.contains(PUBLIC_URL) || base.contains(PUBLIC_URL) {
            return Err(Invalid::MisplacedPublicUrl);
        }
        let is_base_missing = base.is_empty() && !text.starts_with(PUBLIC_URL);
        if is_base_missing || base.contains(['@', '{', '}']) {
            return Err(Invalid::Host);
        }
        let (before, after) = rest.split_once(TOKEN).ok_or(Invalid::Host)?;
        let all = || [base, before, after].into_iter().flat_map(str::chars);
        if all().any(|c| c == '{' || c == '}') {
            return Err(Invalid::UnknownPlaceholder);
        }
        if !all().all(|c| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&*+,;=%".contains(c))
            // Programs that find links in text leave out the punctuation at their end.
            || after.ends_with(['.', ',', ';', ':', '!', '?', '*', ']'])
        {
            return Err(Invalid::UnsafeCharacter);
        }
        if !before.ends_with(['/', '?', '#', '&', '=', '!', ':', ';', ','])
            || !(after.is_empty() || after.starts_with(['/', '?', '#', '&']))
        {
            return Err(Invalid::NotSeparated);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the link with a token, for the public URL of the service, which has no trailing slash.
    pub fn link(&self, public_url: &str, token: &Token) -> String {
        self.below(public_url).replacen(TOKEN, token.as_str(), 1)
    }

    /// Returns the form with the public URL in its place.
    pub fn below(&self, public_url: &str) -> String {
        self.0.replacen(PUBLIC_URL, public_url, 1)
    }

    /// Returns whether the links are `http` URLs whatever the public URL is.
    pub fn is_plaintext(&self) -> bool {
        self.0.starts_with("http://")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_a_segment_of_the_path_or_a_value() {
        for (form, link) in [
            (
                "{public_url}/reset/{token}",
                "https://movies.example/base/reset/a.b.c",
            ),
            (
                "{public_url}?token={token}",
                "https://movies.example/base?token=a.b.c",
            ),
            (
                "https://app.example/reset?lang=en&token={token}&step=1",
                "https://app.example/reset?lang=en&token=a.b.c&step=1",
            ),
            (
                "http://localhost:5173/#/reset/{token}",
                "http://localhost:5173/#/reset/a.b.c",
            ),
            (
                "https://app.example#token={token}",
                "https://app.example#token=a.b.c",
            ),
            (
                "https://app.example/{token}/password",
                "https://app.example/a.b.c/password",
            ),
        ] {
            let template = LinkTemplate::parse(form).unwrap();
            let token = Token::from_exact("a.b.c");
            let made = template.link("https://movies.example/base", &token);
            assert_eq!(made, link, "{form}");
        }
    }

    #[test]
    fn a_form_that_mails_or_programs_would_break_is_refused_with_the_reason() {
        use InvalidLinkTemplate as Invalid;
        let long = format!("https://app.example/{}/{{token}}", "a".repeat(400));
        for (form, rule) in [
            ("https://app.example/reset", Invalid::NoToken),
            ("https://app.example/{TOKEN}", Invalid::NoToken),
            (
                "https://app.example/{token}/{token}",
                Invalid::SeveralTokens,
            ),
            (
                "https://app.example/{id}/{token}",
                Invalid::UnknownPlaceholder,
            ),
            ("https://app.example/{{token}}", Invalid::UnknownPlaceholder),
            ("{public_url}{token}", Invalid::MisplacedPublicUrl),
            ("{public_url}.example/{token}", Invalid::MisplacedPublicUrl),
            (
                "https://app.example/{public_url}/{token}",
                Invalid::MisplacedPublicUrl,
            ),
            ("https://{public_url}/{token}", Invalid::MisplacedPublicUrl),
            ("app.example/{token}", Invalid::NotHttp),
            ("javascript:alert({token})", Invalid::NotHttp),
            ("//app.example/{token}", Invalid::NotHttp),
            ("{token}", Invalid::NotHttp),
            ("https://{token}.example/", Invalid::Host),
            ("https://{token}", Invalid::Host),
            ("https:///{token}", Invalid::Host),
            ("https://ann:secret@app.example/{token}", Invalid::Host),
            ("https://app.example@{token}/", Invalid::Host),
            ("https://app.example/reset{token}", Invalid::NotSeparated),
            ("https://app.example/{token}.html", Invalid::NotSeparated),
            ("https://app.example/%2F{token}", Invalid::NotSeparated),
            ("https://app.example/{token}%20", Invalid::NotSeparated),
            ("https://app.example/a b/{token}", Invalid::UnsafeCharacter),
            ("https://app.example/\"/{token}", Invalid::UnsafeCharacter),
            ("https://app.example/ä/{token}", Invalid::UnsafeCharacter),
            ("https://app.example/\\{token}", Invalid::UnsafeCharacter),
            ("https://app.example/{token}\n", Invalid::UnsafeCharacter),
            ("https://app.example/{token}?", Invalid::UnsafeCharacter),
            (&long, Invalid::TooLong),
        ] {
            assert_eq!(LinkTemplate::parse(form), Err(rule), "{form}");
        }
    }
}
