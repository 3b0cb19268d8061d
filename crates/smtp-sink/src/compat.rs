//! Which mail clients show what an HTML mail uses: a small table of the features that matter, and a search for them.
//!
//! The support is that of the newest version of each client which caniemail.com had tested by September 2025. Features that all
//! of these clients show are not in the table.

use std::collections::BTreeMap;

use super::html::{self, Piece, Tag};

/// One mail client: its family and its platform, each as an id and as a name.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// Such as `gmail`.
    pub family: &'static str,
    /// Such as `Gmail`.
    pub family_name: &'static str,
    /// Such as `ios`.
    pub platform: &'static str,
    /// Such as `iOS`.
    pub platform_name: &'static str,
}

const fn client(
    family: &'static str,
    family_name: &'static str,
    platform: &'static str,
    platform_name: &'static str,
) -> Client {
    Client {
        family,
        family_name,
        platform,
        platform_name,
    }
}

/// The clients, in the order of the letters in the table.
pub const CLIENTS: [Client; 16] = [
    client("apple-mail", "Apple Mail", "macos", "macOS"),
    client("apple-mail", "Apple Mail", "ios", "iOS"),
    client("gmail", "Gmail", "desktop-webmail", "Desktop Webmail"),
    client("gmail", "Gmail", "ios", "iOS"),
    client("gmail", "Gmail", "android", "Android"),
    client("outlook", "Outlook", "windows", "Windows"),
    client("outlook", "Outlook", "macos", "macOS"),
    client("outlook", "Outlook", "outlook-com", "Outlook.com"),
    client("outlook", "Outlook", "ios", "iOS"),
    client("outlook", "Outlook", "android", "Android"),
    client("yahoo", "Yahoo! Mail", "desktop-webmail", "Desktop Webmail"),
    client("yahoo", "Yahoo! Mail", "ios", "iOS"),
    client("samsung-email", "Samsung Email", "android", "Android"),
    client("thunderbird", "Mozilla Thunderbird", "macos", "macOS"),
    client(
        "protonmail",
        "ProtonMail",
        "desktop-webmail",
        "Desktop Webmail",
    ),
    client("gmx", "GMX", "desktop-webmail", "Desktop Webmail"),
];

/// How a client shows a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// As it is meant.
    Yes,
    /// Under conditions, or not all of it.
    Partial,
    /// Not at all.
    No,
    /// Nobody tried.
    Unknown,
}

/// Where a feature is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// A CSS property of this name.
    Property(&'static str),
    /// A CSS property with this value.
    Value(&'static str, &'static str),
    /// An at-rule of this name.
    AtRule(&'static str),
    /// This in a CSS selector.
    Selector(&'static str),
    /// This in a CSS value.
    InCss(&'static str),
    /// A number in this unit.
    Unit(&'static str),
    /// An element of this name.
    Tag(&'static str),
    /// An attribute of this name.
    Attribute(&'static str),
    /// A picture whose address has this in it.
    Image(&'static str),
}

use Mark::{AtRule, Attribute, Image, InCss, Property, Selector, Tag as Element, Unit, Value};

/// One thing that an HTML mail may use.
#[derive(Debug, Clone, Copy)]
pub struct Feature {
    /// Its name at caniemail.com.
    pub slug: &'static str,
    /// Its name for people.
    pub title: &'static str,
    mark: Mark,
    support: &'static str,
}

const fn feature(
    slug: &'static str,
    title: &'static str,
    mark: Mark,
    support: &'static str,
) -> Feature {
    Feature {
        slug,
        title,
        mark,
        support,
    }
}

impl Feature {
    /// `css`, `html` or `image`.
    pub fn category(&self) -> &'static str {
        self.slug.split('-').next().unwrap_or_default()
    }

    /// How each client shows it.
    pub fn support(&self) -> impl Iterator<Item = (Client, Support)> {
        CLIENTS
            .into_iter()
            .zip(self.support.bytes().map(|letter| match letter {
                b'y' => Support::Yes,
                b'a' => Support::Partial,
                b'n' => Support::No,
                _ => Support::Unknown,
            }))
    }
}

/// What was found in an HTML mail.
#[derive(Debug, Default)]
pub struct Report {
    /// How many elements it has.
    pub elements: usize,
    /// The features that not every client shows, and how often each is used.
    pub found: Vec<(Feature, usize)>,
}

/// Looks for what not every mail client shows.
pub fn check(html: &str) -> Report {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    let mut elements = 0;
    let mut is_style = false;
    for piece in html::pieces(html) {
        match piece {
            Piece::Tag(tag) => {
                let name = tag.name();
                is_style = name == "style";
                if name.starts_with(|char: char| char.is_ascii_alphabetic()) {
                    elements += 1;
                    count(&mut counts, |mark| {
                        usize::from(is_of_tag(mark, &name, &tag))
                    });
                    if let Some(style) = tag.attribute("style") {
                        let style = html::decode_entities(style);
                        count(&mut counts, |mark| in_declarations(mark, &style));
                    }
                }
            }
            Piece::Invisible(content) if is_style => {
                let css = without_comments(content);
                count(&mut counts, |mark| in_sheet(mark, &css));
            }
            // The head of a document is not seen, and has its style sheets in it.
            Piece::Invisible(content) => {
                if let Some(end) = content.rfind("</")
                    && end > 0
                {
                    let inner = check(&content[..end]);
                    elements += inner.elements;
                    for (feature, found) in inner.found {
                        let at = FEATURES.iter().position(|one| one.slug == feature.slug);
                        *counts.entry(at.unwrap_or_default()).or_default() += found;
                    }
                }
            }
            Piece::Text(_) | Piece::Comment(_) => {}
        }
    }
    Report {
        elements,
        found: counts
            .into_iter()
            .map(|(at, found)| (FEATURES[at], found))
            .collect(),
    }
}

/// How many features are looked for.
pub fn features() -> usize {
    FEATURES.len()
}

fn count(counts: &mut BTreeMap<usize, usize>, found: impl Fn(Mark) -> usize) {
    for (at, feature) in FEATURES.iter().enumerate() {
        let found = found(feature.mark);
        if found > 0 {
            *counts.entry(at).or_default() += found;
        }
    }
}

fn is_of_tag(mark: Mark, name: &str, tag: &Tag<'_>) -> bool {
    match mark {
        Mark::Tag(wanted) => name == wanted && !is_hidden_input(name, tag),
        Mark::Attribute(wanted) => tag.attribute(wanted).is_some(),
        Mark::Image(wanted) if name == "img" => tag.attribute("src").is_some_and(|src| {
            let src = src.to_ascii_lowercase();
            match wanted.starts_with('.') {
                true => src
                    .split(['?', '#'])
                    .next()
                    .is_some_and(|path| path.ends_with(wanted)),
                false => src.starts_with(wanted),
            }
        }),
        _ => false,
    }
}

fn is_hidden_input(name: &str, tag: &Tag<'_>) -> bool {
    name == "input"
        && tag
            .attribute("type")
            .is_some_and(|kind| kind.eq_ignore_ascii_case("hidden"))
}

/// How often in `property: value; …`.
fn in_declarations(mark: Mark, css: &str) -> usize {
    css.split(';')
        .filter_map(|declaration| declaration.split_once(':'))
        .filter(|(name, value)| {
            let name = name.trim().to_ascii_lowercase();
            let value = value.trim().to_ascii_lowercase();
            match mark {
                Mark::Property(wanted) => {
                    name == wanted
                        || name.strip_prefix(wanted).is_some_and(|rest| {
                            matches!(
                                wanted,
                                "animation" | "transition" | "outline" | "border-image"
                            ) && rest.starts_with('-')
                        })
                        || (wanted == "border-radius" && name.ends_with("-radius"))
                        || (matches!(wanted, "margin" | "padding" | "overflow")
                            && name.starts_with(&format!("{wanted}-")))
                }
                Mark::Value(wanted, of) => {
                    name == wanted
                        && value
                            .split([' ', '!'])
                            .next()
                            .is_some_and(|word| word.ends_with(of))
                }
                Mark::InCss(wanted) => has_function(&value, wanted),
                Mark::Unit(unit) => has_unit(&value, unit),
                Mark::Image(wanted) => value.contains("url(") && value.contains(wanted),
                _ => false,
            }
        })
        .count()
}

/// How often in a style sheet.
fn in_sheet(mark: Mark, css: &str) -> usize {
    let mut found = 0;
    for block in css.split('}') {
        // What stands before the last `{` is a selector, and at-rules round it.
        let (heads, body) = block.rsplit_once('{').unwrap_or((block, ""));
        found += match mark {
            Mark::AtRule(name) => heads
                .split('@')
                .skip(1)
                .filter(|rule| {
                    let rule = rule.to_ascii_lowercase();
                    rule.strip_prefix(name).is_some_and(|rest| {
                        !rest.starts_with(|char: char| char.is_alphanumeric() || char == '-')
                    })
                })
                .count(),
            Mark::Selector(wanted) => {
                // `:before` is how `::before` was written.
                let old = wanted.strip_prefix(':').filter(|old| old.starts_with(':'));
                let heads = heads.to_ascii_lowercase();
                usize::from(heads.contains(wanted) || old.is_some_and(|old| heads.contains(old)))
            }
            _ => in_declarations(mark, body),
        };
    }
    found
}

/// `max(` is not in `minmax(`.
fn has_function(value: &str, name: &str) -> bool {
    value.match_indices(name).any(|(at, _)| {
        let before = value[..at].chars().next_back();
        before.is_none_or(|char| !char.is_ascii_alphanumeric() && char != '-')
            || name.ends_with("gradient(")
    })
}

/// `vh` is one in `50vh`, not in a word.
fn has_unit(value: &str, unit: &str) -> bool {
    value.match_indices(unit).any(|(at, _)| {
        let is_number = value[..at].ends_with(|char: char| char.is_ascii_digit() || char == '.');
        let ends = value[at + unit.len()..].chars().next();
        is_number && ends.is_none_or(|char| !char.is_ascii_alphanumeric())
    })
}

fn without_comments(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, comment)) = rest.split_once("/*") {
        out.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

#[rustfmt::skip]
const FEATURES: &[Feature] = &[
    feature("css-animation", "animation", Property("animation"), "yynnnnnnnnnnyynn"),
    feature("css-at-font-face", "@font-face", AtRule("font-face"), "yynnnannnnnnyynn"),
    feature("css-at-import", "@import", AtRule("import"), "yynnnynnnnnnnnnn"),
    feature("css-at-keyframes", "@keyframes", AtRule("keyframes"), "yynnnnnnnnynyynn"),
    feature("css-at-media", "@media", AtRule("media"), "yyaaanaaaaaaanay"),
    feature("css-at-supports", "@supports", AtRule("supports"), "yynnnnnnnnyyynnn"),
    feature("css-aspect-ratio", "aspect-ratio", Property("aspect-ratio"), "yynnnnnnnnnnnnyn"),
    feature("css-background-image", "background-image", Property("background-image"), "yyyyynyyyyaayyya"),
    feature("css-background-size", "background-size", Property("background-size"), "yyyaanyyyyyyyyyn"),
    feature("css-border-image", "border-image", Property("border-image"), "yynnnnnnnnnnyyyn"),
    feature("css-border-radius", "border-radius", Property("border-radius"), "yyyyynyyyyaayyyn"),
    feature("css-box-shadow", "box-shadow", Property("box-shadow"), "yynaanyyyynnyyyn"),
    feature("css-box-sizing", "box-sizing", Property("box-sizing"), "yyyyynyyyynnyyyy"),
    feature("css-clip-path", "clip-path", Property("clip-path"), "yynnnnnnnnnnyyyn"),
    feature("css-display-flex", "display:flex", Value("display", "flex"), "yyyaanyyyyyyyyyn"),
    feature("css-display-grid", "display:grid", Value("display", "grid"), "yynnnnyynnnnyyyn"),
    feature("css-display-none", "display:none", Value("display", "none"), "yyyyyayyyyyyyyyy"),
    feature("css-filter", "filter", Property("filter"), "yynnnnnnnnnnyyyn"),
    feature("css-float", "float", Property("float"), "yyyaanyyyyaayyya"),
    feature("css-gap", "gap, column-gap, row-gap", Property("gap"), "yyaaanaaaannyyyn"),
    feature("css-linear-gradient", "linear-gradient()", InCss("linear-gradient("), "yyyyannnnnnnayyn"),
    feature("css-radial-gradient", "radial-gradient()", InCss("radial-gradient("), "yyyyannnnnnnyyyn"),
    feature("css-conic-gradient", "conic-gradient()", InCss("conic-gradient("), "yynnnnnnnnnnayyu"),
    feature("css-margin", "margin", Property("margin"), "yyaaaaaaaaaayyyy"),
    feature("css-max-width", "max-width", Property("max-width"), "yyyyyayyyyyayyyy"),
    feature("css-min-width", "min-width property", Property("min-width"), "yyyyynyyyyyyyyyy"),
    feature("css-max-height", "max-height property", Property("max-height"), "yyyyynyyyyyyyyyy"),
    feature("css-min-height", "min-height property", Property("min-height"), "yyyyynyyyyyyyyyy"),
    feature("css-mix-blend-mode", "mix-blend-mode", Property("mix-blend-mode"), "yyyaanyyyynnyyyn"),
    feature("css-object-fit", "object-fit", Property("object-fit"), "yyyaanyyyynnyyyn"),
    feature("css-opacity", "opacity", Property("opacity"), "yyyyynyyyyyyyyyn"),
    feature("css-overflow", "overflow", Property("overflow"), "aaaaanaaaaaaayaa"),
    feature("css-padding", "padding", Property("padding"), "yyyyyayyyyyyyyyy"),
    feature("css-position", "position", Property("position"), "aannnnaanaaaayyy"),
    feature("css-pseudo-class-hover", ":hover", Selector(":hover"), "yyynanaanyyyyyyn"),
    feature("css-pseudo-element-before", "::before", Selector("::before"), "yynnnnaaannnyynn"),
    feature("css-pseudo-element-after", "::after", Selector("::after"), "yynnnnaaannnyynn"),
    feature("css-text-shadow", "text-shadow", Property("text-shadow"), "yynnnnnnnnyyyyyy"),
    feature("css-text-overflow", "text-overflow", Property("text-overflow"), "yyyaanyyyynnnyyn"),
    feature("css-transform", "transform", Property("transform"), "yynnnnnnnnnnyyyn"),
    feature("css-transition", "transition", Property("transition"), "yynnnnnnnnaaayyu"),
    feature("css-unit-calc", "CSS calc() function", InCss("calc("), "yyyaannnnnnnyyyn"),
    feature("css-function-clamp", "clamp()", InCss("clamp("), "yyyaannnnnnnnyyn"),
    feature("css-function-max", "max()", InCss("max("), "yyyaannnnnnnnyyn"),
    feature("css-function-min", "min()", InCss("min("), "yyyaannnnnnnnyyn"),
    feature("css-unit-rem", "rem unit", Unit("rem"), "yyyyynyyyynnyyyn"),
    feature("css-unit-vh", "vh unit", Unit("vh"), "yayyynyyyyyyyyyn"),
    feature("css-unit-vw", "vw unit", Unit("vw"), "yyyyynyyyyyyyyyn"),
    feature("css-variables", "CSS Variables (Custom Properties)", InCss("var("), "yynnnnnnnnnnyyyn"),
    feature("css-visibility", "visibility", Property("visibility"), "yynnnnyyyyyyyyyy"),
    feature("css-z-index", "z-index", Property("z-index"), "yynnnnyyyyyyyyyy"),
    feature("css-outline", "outline", Property("outline"), "yyyyynyyyyyyyyyy"),
    feature("css-user-select", "user-select", Property("user-select"), "yannnnnnnnnnyuun"),
    feature("css-writing-mode", "writing-mode", Property("writing-mode"), "yyyaanyyyynnyyyn"),
    feature("html-audio", "<audio> element", Element("audio"), "yynnnnnnnnnnyynn"),
    feature("html-base", "<base>", Element("base"), "yyaaayaaanaayyan"),
    feature("html-button-submit", "<button type=\"submit\"> element", Element("button"), "yyyaynnnnyynyyyn"),
    feature("html-form", "<form> element", Element("form"), "yyyaynaayyynyynn"),
    feature("html-input-text", "<input type=\"text\"> element", Element("input"), "yyyyynyyynyynann"),
    feature("html-link", "<link> element", Element("link"), "yynnnynnnnnnnnnn"),
    feature("html-marquee", "<marquee> element", Element("marquee"), "yynnnnaayyayyyan"),
    feature("html-object", "<object> element", Element("object"), "aynnnnnnnnnnaann"),
    feature("html-picture", "<picture> element", Element("picture"), "aynnnnnnnnnnyynn"),
    feature("html-progress", "<progress> element", Element("progress"), "yynnannnnnnnyyyn"),
    feature("html-select", "<select> element", Element("select"), "yayaynyyyyynyayn"),
    feature("html-srcset", "srcset and sizes attributes", Attribute("srcset"), "yynnnnnnnnnnyynn"),
    feature("html-style", "<style> element", Element("style"), "yyaaaayyyyyyyyyn"),
    feature("html-svg", "Embedded <svg> image", Element("svg"), "aynnnnnnnnnnyyyn"),
    feature("html-textarea", "<textarea> element", Element("textarea"), "yyyyynyyynyynayn"),
    feature("html-video", "<video> element", Element("video"), "yannnnynnnnnaynn"),
    feature("html-dialog", "<dialog> element", Element("dialog"), "yynnynnnnnnnyynn"),
    feature("html-background", "background attribute", Attribute("background"), "yyyaaayyyyyyyyyy"),
    feature("html-aria-label", "aria-label attribute", Attribute("aria-label"), "yyyyyyyyyynnynyn"),
    feature("html-loading-attribute", "loading attribute", Attribute("loading"), "yynnnnnnnnnnyyyn"),
    feature("image-svg", "SVG image format", Image(".svg"), "yynaayyyyyyyyyyy"),
    feature("image-webp", "webP image format", Image(".webp"), "yyaaanyyyyyyyyyy"),
    feature("image-avif", "AVIF image format", Image(".avif"), "yyaaanyyyyyyyyyn"),
    feature("image-apng", "Animated PNG image format", Image(".apng"), "yynynnyyynyyyyyy"),
    feature("image-bmp", "BMP image format", Image(".bmp"), "yyayayyyyyyyyyyy"),
    feature("image-tiff", "TIFF image format", Image(".tiff"), "yyayanynynnynnyn"),
    feature("image-ico", "ICO image format", Image(".ico"), "yyyyynyyyyyyyyyy"),
    feature("image-base64", "Base 64 image format", Image("data:image/"), "yynnnayyyyyyyyya"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(html: &str) -> Vec<(&'static str, usize)> {
        check(html)
            .found
            .into_iter()
            .map(|(feature, found)| (feature.slug, found))
            .collect()
    }

    #[test]
    fn the_table_is_sound() {
        let mut slugs: Vec<_> = FEATURES.iter().map(|feature| feature.slug).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), FEATURES.len());
        for feature in FEATURES {
            assert_eq!(feature.support.len(), CLIENTS.len(), "{}", feature.slug);
            assert!(
                feature
                    .support
                    .bytes()
                    .all(|letter| b"yanu".contains(&letter))
            );
            assert!(
                feature.support.contains(['a', 'n']),
                "all show {}",
                feature.slug
            );
            assert!(["css", "html", "image"].contains(&feature.category()));
        }
    }

    #[test]
    fn what_a_mail_uses_is_found_where_it_stands() {
        for (html, slugs) in [
            ("<p>plain</p>", &[][..]),
            (
                "<p style=\"display:flex;opacity:.5\">x</p>",
                &["css-display-flex", "css-opacity"],
            ),
            (
                "<p style='DISPLAY: inline-flex !important'>x</p>",
                &["css-display-flex"],
            ),
            ("<p style='display: block'>x</p>", &[]),
            ("<p style='height: 50vh'>x</p>", &["css-unit-vh"]),
            (
                "<p style='width: min(1px, 2px); grid: minmax(1px, 1fr)'>x</p>",
                &["css-function-min"],
            ),
            (
                "<head><style>@media (max-width: 3px) { a:hover { color: red } }</style></head>x",
                &["css-at-media", "css-pseudo-class-hover", "html-style"],
            ),
            (
                "<style>/* @media */ p { float: left }</style>",
                &["css-float", "html-style"],
            ),
            (
                "<img src='https://x/a.webp?b'><video></video>",
                &["html-video", "image-webp"],
            ),
            ("<input type=hidden>", &[]),
            ("<!-- <video> -->", &[]),
            ("a display:flex in a text", &[]),
        ] {
            let mut expected = slugs.to_vec();
            let mut got: Vec<_> = found(html).into_iter().map(|(slug, _)| slug).collect();
            expected.sort_unstable();
            got.sort_unstable();
            assert_eq!(got, expected, "{html}");
        }
        assert_eq!(found("<video></video><video>"), [("html-video", 2)]);
        assert_eq!(check("<p><b>x</b></p>").elements, 2);
    }

    #[test]
    fn anything_can_be_checked() {
        for html in [
            "<",
            "<style",
            "<style>{",
            "<style>}}@",
            "<p style='",
            "<head><head></head>",
            "<p style=':;:'>",
        ] {
            check(html);
        }
        // Nested heads are no way to make it work for ever.
        check(&"<head>".repeat(5000));
        check(&"<title></title>".repeat(5000));
    }
}
