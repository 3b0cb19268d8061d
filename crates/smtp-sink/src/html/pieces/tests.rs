//! Comparison with html5ever, the parser of Servo.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use html5ever::buffer_queue::BufferQueue;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{TagKind, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use proptest::prelude::*;

use super::super::entities::{decode_attribute, decode_text};
use super::*;

/// Token of either tokenizer. Comments and declarations are left out.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    Tag {
        name: String,
        is_end: bool,
        is_self_closing: bool,
        attributes: BTreeMap<String, String>,
    },
}

fn push_text(tokens: &mut Vec<Token>, text: &str) {
    match tokens.last_mut() {
        Some(Token::Text(last)) => last.push_str(text),
        _ => tokens.push(Token::Text(text.to_owned())),
    }
}

/// Replaces what the standard replaces in names, values and content without tags.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn our_tokens(html: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for piece in pieces(html) {
        match piece {
            Piece::Text(text) => push_text(&mut tokens, &decode_text(text)),
            Piece::Raw {
                element: "textarea" | "title",
                text,
            } => push_text(&mut tokens, &decode_text(&without_nul(text))),
            Piece::Raw { text, .. } => push_text(&mut tokens, &without_nul(text)),
            Piece::Tag(tag) => {
                let mut attributes = BTreeMap::new();
                for (name, value) in Attributes::new(tag.attributes).filter(|_| !tag.is_end) {
                    let name = without_nul(name).to_ascii_lowercase();
                    let value = decode_attribute(&without_nul(value)).into_owned();
                    attributes.entry(name).or_insert(value);
                }
                tokens.push(Token::Tag {
                    name: without_nul(tag.name).to_ascii_lowercase(),
                    is_end: tag.is_end,
                    is_self_closing: tag.is_self_closing,
                    attributes,
                });
            }
            Piece::Comment(_) => {}
        }
    }
    tokens
}

#[derive(Default)]
struct Oracle {
    tokens: RefCell<Vec<Token>>,
    foreign: Cell<usize>,
}

impl Oracle {
    /// Chooses the state of the tokenizer as a tree builder does, with our simplification for SVG.
    fn state_after(&self, tag: &html5ever::tokenizer::Tag) -> TokenSinkResult<()> {
        let is_start = tag.kind == TagKind::StartTag;
        let foreign = self.foreign.get();
        if matches!(&*tag.name, "svg" | "math") {
            self.foreign.set(match (is_start, tag.self_closing) {
                (true, false) => foreign + 1,
                (true, true) => foreign,
                (false, _) => foreign.saturating_sub(1),
            });
        }
        if !is_start || tag.self_closing && self.foreign.get() > 0 {
            return TokenSinkResult::Continue;
        }
        match &*tag.name {
            "iframe" | "noembed" | "noframes" | "style" | "xmp" => {
                TokenSinkResult::RawData(RawKind::Rawtext)
            }
            "textarea" | "title" => TokenSinkResult::RawData(RawKind::Rcdata),
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            "plaintext" => TokenSinkResult::Plaintext,
            _ => TokenSinkResult::Continue,
        }
    }
}

impl TokenSink for Oracle {
    type Handle = ();

    fn process_token(&self, token: html5ever::tokenizer::Token, _line: u64) -> TokenSinkResult<()> {
        use html5ever::tokenizer::Token::{CharacterTokens, NullCharacterToken, TagToken};
        let mut tokens = self.tokens.borrow_mut();
        match token {
            CharacterTokens(text) => push_text(&mut tokens, &text),
            NullCharacterToken => push_text(&mut tokens, "\0"),
            TagToken(tag) => {
                let attributes = tag.attrs.iter().filter(|_| tag.kind == TagKind::StartTag);
                tokens.push(Token::Tag {
                    name: tag.name.to_string(),
                    is_end: tag.kind == TagKind::EndTag,
                    is_self_closing: tag.self_closing,
                    attributes: attributes
                        .map(|one| (one.name.local.to_string(), one.value.to_string()))
                        .collect(),
                });
                return self.state_after(&tag);
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn their_tokens(html: &str) -> Vec<Token> {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(html));
    let tokenizer = Tokenizer::new(Oracle::default(), TokenizerOpts::default());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.tokens.into_inner()
}

/// Syntax of HTML, also in the wrong places.
const WORDS: &[&str] = &[
    "<",
    ">",
    "a",
    "b",
    " ",
    "\n",
    "\t",
    "\u{c}",
    "\u{b}",
    "\u{a0}",
    "é",
    "\0",
    "=",
    "\"",
    "'",
    "/",
    "!",
    "-",
    "--",
    "?",
    "]]>",
    "href",
    "http://x/",
    "<a ",
    "<a href=",
    "</a>",
    "<A HREF='",
    "</",
    "<!--",
    "-->",
    "--!>",
    "<!",
    "<?",
    "<![CDATA[",
    "<!doctype html>",
    "&",
    "&#",
    "&#x",
    "8",
    "41",
    "128",
    "&amp",
    "&copy",
    "&notin",
    "&NotEqualTilde",
    "&lt;",
    ";",
    "<style>",
    "<style/>",
    "</style>",
    "</STYLE ",
    "<script>",
    "<script",
    "</script>",
    "<title>",
    "<title/>",
    "</title",
    "<textarea>",
    "</textarea>",
    "<xmp>",
    "</xmp>",
    "<plaintext>",
    "<template>",
    "</template>",
    "<svg>",
    "<svg/>",
    "</svg>",
    "<math>",
    "<p>",
    "<br/>",
    "<td>",
    "<iframe>",
    "</iframe>",
    "<noscript>",
    "<noembed>",
    "<head>",
    "</head>",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_document_has_the_tokens_that_html5ever_finds(
        words in proptest::collection::vec(prop::sample::select(WORDS), 0..25),
    ) {
        let html = words.concat();
        prop_assert_eq!(our_tokens(&html), their_tokens(&html));
        let again: String = pieces(&html).map(|piece| piece.source()).collect();
        prop_assert_eq!(again, html);
    }
}

#[test]
fn every_named_reference_is_known() {
    let named = html5ever::data::NAMED_ENTITIES.entries();
    // The table of html5ever also contains the beginnings of names, with no character.
    let named: Vec<_> = named.filter(|(_, (first, _))| *first != 0).collect();
    assert_eq!(named.len(), 2231);
    for (name, (first, second)) in named {
        let codes = [*first, *second].into_iter().filter(|code| *code != 0);
        let text: String = codes.filter_map(char::from_u32).collect();
        assert_eq!(decode_text(&format!("&{name}")), text, "{name}");
    }
}
