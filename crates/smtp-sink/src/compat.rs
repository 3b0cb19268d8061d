//! Support of HTML and CSS in mail clients: a table of features, and a search for those that an HTML mail uses.
//!
//! The table lists the support in the newest version of each client that caniemail.com had tested by September 2025. Features
//! that all of these clients support are not in the table.

use std::collections::BTreeMap;

use super::html::{self, Piece, Tag};

/// Mail client: its family and its platform, each as an id and as a name.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// Id such as `gmail`.
    pub family: &'static str,
    /// Name such as `Gmail`.
    pub family_name: &'static str,
    /// Id such as `ios`.
    pub platform: &'static str,
    /// Name such as `iOS`.
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

/// Mail clients, in the order of the letters in the table.
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

/// Support of a feature in a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    Yes,
    /// Supported under conditions, or in part.
    Partial,
    No,
    /// Not tested.
    Unknown,
}

/// Pattern that finds the uses of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    /// CSS property with this name.
    Property(&'static str),
    /// CSS property with this name and value.
    Value(&'static str, &'static str),
    /// At-rule with this name.
    AtRule(&'static str),
    /// Text in a CSS selector.
    Selector(&'static str),
    /// Text in a CSS value.
    InCss(&'static str),
    /// Number with this unit.
    Unit(&'static str),
    /// Element with this name.
    Tag(&'static str),
    /// Attribute with this name.
    Attribute(&'static str),
    /// Picture with this extension, or with this start of its URL.
    Image(&'static str),
}

use Pattern::{AtRule, Attribute, Image, InCss, Property, Selector, Tag as Element, Unit, Value};

/// Feature of HTML or CSS.
#[derive(Debug, Clone, Copy)]
pub struct Feature {
    /// Name at caniemail.com.
    pub slug: &'static str,
    /// Name for people.
    pub title: &'static str,
    pattern: Pattern,
    /// One letter for each of [`CLIENTS`]: yes, almost, no, unknown.
    support: &'static str,
}

const fn feature(
    slug: &'static str,
    title: &'static str,
    pattern: Pattern,
    support: &'static str,
) -> Feature {
    Feature {
        slug,
        title,
        pattern,
        support,
    }
}

impl Feature {
    /// Returns `css`, `html` or `image`.
    pub fn category(&self) -> &'static str {
        self.slug.split('-').next().unwrap_or_default()
    }

    /// Returns the support in each client.
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

/// Features used by an HTML mail.
#[derive(Debug, Default)]
pub struct Report {
    /// Number of elements.
    pub elements: usize,
    /// Features that some clients do not support, with the number of uses of each.
    pub found: Vec<(Feature, usize)>,
}

/// Finds the features of an HTML mail that some mail clients do not support.
pub fn check(html: &str) -> Report {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    let mut elements = 0;
    for piece in html::pieces(html) {
        match piece {
            Piece::Tag(tag) if !tag.is_end => {
                elements += 1;
                add_uses(&mut counts, |pattern| {
                    usize::from(matches_tag(pattern, &tag))
                });
                if let Some(style) = tag.attribute("style") {
                    let style = html::decode_attribute(style);
                    add_uses(&mut counts, |pattern| {
                        count_in_declarations(pattern, &style)
                    });
                }
            }
            Piece::Raw {
                element: "style",
                text,
            } => {
                let css = without_comments(text);
                add_uses(&mut counts, |pattern| count_in_sheet(pattern, &css));
            }
            Piece::Tag(_) | Piece::Raw { .. } | Piece::Text(_) | Piece::Comment(_) => {}
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

/// Returns the number of features in the table.
pub fn feature_count() -> usize {
    FEATURES.len()
}

fn add_uses(counts: &mut BTreeMap<usize, usize>, found: impl Fn(Pattern) -> usize) {
    for (at, feature) in FEATURES.iter().enumerate() {
        let found = found(feature.pattern);
        if found > 0 {
            *counts.entry(at).or_default() += found;
        }
    }
}

fn matches_tag(pattern: Pattern, tag: &Tag<'_>) -> bool {
    match pattern {
        Pattern::Tag(wanted) => tag.is(wanted) && !is_hidden_input(tag),
        Pattern::Attribute(wanted) => tag.attribute(wanted).is_some(),
        Pattern::Image(wanted) if tag.is("img") => tag.attribute("src").is_some_and(|src| {
            let src = src.to_ascii_lowercase();
            if wanted.starts_with('.') {
                let path = src.split(['?', '#']).next();
                path.is_some_and(|path| path.ends_with(wanted))
            } else {
                src.starts_with(wanted)
            }
        }),
        _ => false,
    }
}

fn is_hidden_input(tag: &Tag<'_>) -> bool {
    tag.is("input")
        && tag
            .attribute("type")
            .is_some_and(|kind| kind.eq_ignore_ascii_case("hidden"))
}

/// Counts uses in declarations such as `color: red; width: 1px`.
fn count_in_declarations(pattern: Pattern, css: &str) -> usize {
    css.split(';')
        .filter_map(|declaration| declaration.split_once(':'))
        .filter(|(name, value)| {
            let name = name.trim().to_ascii_lowercase();
            let value = value.trim().to_ascii_lowercase();
            match pattern {
                Pattern::Property(wanted) => {
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
                Pattern::Value(wanted, of) => {
                    name == wanted
                        && value
                            .split([' ', '!'])
                            .next()
                            .is_some_and(|word| word.ends_with(of))
                }
                Pattern::InCss(wanted) => has_function(&value, wanted),
                Pattern::Unit(unit) => has_unit(&value, unit),
                Pattern::Image(wanted) => value.contains("url(") && value.contains(wanted),
                _ => false,
            }
        })
        .count()
}

/// Counts uses in a style sheet.
fn count_in_sheet(pattern: Pattern, css: &str) -> usize {
    let mut found = 0;
    for block in css.split('}') {
        // The text before the last `{` is a selector, after the at-rules that enclose it.
        let (heads, body) = block.rsplit_once('{').unwrap_or((block, ""));
        found += match pattern {
            Pattern::AtRule(name) => heads
                .split('@')
                .skip(1)
                .filter(|rule| {
                    let rule = rule.to_ascii_lowercase();
                    rule.strip_prefix(name).is_some_and(|rest| {
                        !rest.starts_with(|char: char| char.is_alphanumeric() || char == '-')
                    })
                })
                .count(),
            Pattern::Selector(wanted) => {
                // `:before` is the old form of `::before`.
                let old = wanted.strip_prefix(':').filter(|old| old.starts_with(':'));
                let heads = heads.to_ascii_lowercase();
                usize::from(heads.contains(wanted) || old.is_some_and(|old| heads.contains(old)))
            }
            _ => count_in_declarations(pattern, body),
        };
    }
    found
}

/// Returns whether a value calls a function. `minmax(` does not call `max(`.
fn has_function(value: &str, name: &str) -> bool {
    value.match_indices(name).any(|(at, _)| {
        let before = value[..at].chars().next_back();
        before.is_none_or(|char| !char.is_ascii_alphanumeric() && char != '-')
            || name.ends_with("gradient(")
    })
}

/// Returns whether a value contains a number with this unit, such as `50vh`.
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
    fn each_feature_of_the_table_is_unique_and_lists_all_clients() {
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
                "all clients support {}",
                feature.slug
            );
            assert!(["css", "html", "image"].contains(&feature.category()));
        }
    }

    #[test]
    fn features_are_found_in_elements_attributes_and_style_sheets() {
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
    fn any_text_can_be_checked() {
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
        // Deep nesting does not make the check endless.
        check(&"<head>".repeat(5000));
        check(&"<title></title>".repeat(5000));
    }
}
