//! Markdown pages of the repository: headings with their anchors, links, and code blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

/// A page of the documentation.
pub struct Page {
    /// Path in the repository, with `/`.
    pub path: String,
    pub text: String,
    pub headings: Vec<Heading>,
    pub links: Vec<Link>,
    pub blocks: Vec<Block>,
    /// Text in backticks within a line, with the number of that line.
    pub spans: Vec<(usize, String)>,
    /// Text of the paragraph that follows the title; `None` where something else follows it.
    pub opening: Option<String>,
    /// References such as `[text][name]` whose name is not defined.
    pub undefined: Vec<String>,
    anchors: BTreeSet<String>,
}

/// A heading.
pub struct Heading {
    pub level: u8,
    pub text: String,
}

/// The target of a link, an image or an HTML attribute.
pub struct Link {
    pub line: usize,
    pub target: String,
    pub is_image: bool,
}

/// A code block.
#[derive(Clone)]
pub struct Block {
    pub line: usize,
    /// First word after the fence; `None` for an indented block.
    pub language: Option<String>,
    pub text: String,
    /// The paragraph before it.
    pub introduction: String,
    /// Number of the section of second level that it belongs to.
    pub section: usize,
}

/// Root folder of the repository.
pub fn repository() -> &'static Path {
    // crates/testkit
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
}

impl Page {
    /// Reads all pages: the Markdown files at the root and in `docs`.
    pub fn all() -> Vec<Self> {
        let mut paths = Vec::new();
        for folder in ["", "docs"] {
            for entry in fs::read_dir(repository().join(folder)).unwrap() {
                let path = PathBuf::from(folder).join(entry.unwrap().file_name());
                if path.extension().is_some_and(|ending| ending == "md") {
                    paths.push(path);
                }
            }
        }
        paths.sort();
        paths
            .iter()
            .map(|path| Self::read(path.to_str().unwrap()))
            .collect()
    }

    /// Reads one page by its path in the repository.
    #[track_caller]
    pub fn read(path: &str) -> Self {
        let text = fs::read_to_string(repository().join(path));
        Self::parse(path, text.unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    pub fn parse(path: &str, text: String) -> Self {
        let mut page = Self {
            path: path.to_owned(),
            text: String::new(),
            headings: Vec::new(),
            links: Vec::new(),
            blocks: Vec::new(),
            spans: Vec::new(),
            opening: None,
            undefined: Vec::new(),
            anchors: BTreeSet::new(),
        };
        Reading::new(&mut page, &text).read();
        page.text = text;
        page
    }

    /// Returns whether the page has the target of a link to `#anchor`.
    pub fn has_anchor(&self, anchor: &str) -> bool {
        self.anchors.contains(anchor)
    }

    pub fn anchors(&self) -> impl Iterator<Item = &str> {
        self.anchors.iter().map(String::as_str)
    }

    /// Returns the code blocks in one language.
    pub fn blocks_in(&self, language: &str) -> impl Iterator<Item = &Block> {
        self.blocks
            .iter()
            .filter(move |block| block.language.as_deref() == Some(language))
    }
}

/// State while a page is read.
struct Reading<'a> {
    page: &'a mut Page,
    source: &'a str,
    /// Number of uses of each slug.
    slugs: BTreeMap<String, usize>,
    /// Text of the innermost heading or paragraph.
    text: String,
    block: Option<Block>,
    blocks_seen: usize,
    sections: usize,
}

impl<'a> Reading<'a> {
    fn new(page: &'a mut Page, source: &'a str) -> Self {
        Self {
            page,
            source,
            slugs: BTreeMap::new(),
            text: String::new(),
            block: None,
            blocks_seen: 0,
            sections: 0,
        }
    }

    fn read(mut self) {
        let source = self.source;
        let mut undefined = Vec::new();
        let callback = |link: pulldown_cmark::BrokenLink<'_>| {
            // `[text]` alone is text in brackets.
            if link.link_type != LinkType::Shortcut {
                undefined.push(source[link.span].to_owned());
            }
            None
        };
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_GFM;
        let parser = Parser::new_with_broken_link_callback(source, options, Some(callback));
        for (event, range) in parser.into_offset_iter() {
            self.take(event, range.start);
        }
        self.page.undefined = undefined;
    }

    fn line(&self, at: usize) -> usize {
        self.source[..at].matches('\n').count() + 1
    }

    fn take(&mut self, event: Event<'_>, at: usize) {
        if let Event::Code(text) = &event {
            self.page.spans.push((self.line(at), text.to_string()));
        }
        match event {
            Event::Start(Tag::Heading { .. } | Tag::Paragraph) => self.text.clear(),
            Event::End(TagEnd::Heading(level)) => {
                self.blocks_seen += 1;
                let text = std::mem::take(&mut self.text);
                self.add_anchor(&text);
                let level = level as u8;
                self.sections += usize::from(level <= 2);
                self.page.headings.push(Heading { level, text });
            }
            Event::End(TagEnd::Paragraph) => {
                self.blocks_seen += 1;
                if self.blocks_seen == 2 {
                    self.page.opening = Some(self.text.clone());
                }
            }
            Event::Start(Tag::List(_) | Tag::Table(_) | Tag::BlockQuote(_)) => {
                self.blocks_seen += 1;
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                self.blocks_seen += 1;
                self.block = Some(Block {
                    line: self.line(at),
                    language: match kind {
                        CodeBlockKind::Indented => None,
                        CodeBlockKind::Fenced(info) => {
                            Some(info.split_whitespace().next().unwrap_or("").to_owned())
                        }
                    },
                    text: String::new(),
                    introduction: self.text.clone(),
                    section: self.sections,
                });
            }
            Event::End(TagEnd::CodeBlock) => self.page.blocks.extend(self.block.take()),
            Event::Start(Tag::Link { dest_url, .. }) => self.add_link(&dest_url, at, false),
            Event::Start(Tag::Image { dest_url, .. }) => self.add_link(&dest_url, at, true),
            Event::Text(text) | Event::Code(text) => match &mut self.block {
                Some(block) => block.text.push_str(&text),
                None => self.text.push_str(&text),
            },
            Event::SoftBreak | Event::HardBreak => self.text.push(' '),
            Event::Html(html) | Event::InlineHtml(html) => self.take_html(&html, at),
            _ => {}
        }
    }

    fn add_link(&mut self, target: &str, at: usize, is_image: bool) {
        self.page.links.push(Link {
            line: self.line(at),
            target: target.to_owned(),
            is_image,
        });
    }

    /// Adds the links and anchors of HTML tags.
    fn take_html(&mut self, html: &str, at: usize) {
        for (name, is_image) in [("href", false), ("src", true), ("srcset", true)] {
            for target in attributes(html, name) {
                self.add_link(target, at, is_image);
            }
        }
        for name in ["id", "name"] {
            let anchors = attributes(html, name).map(str::to_owned);
            self.page.anchors.extend(anchors);
        }
    }

    /// Adds the anchor that GitHub gives a heading.
    fn add_anchor(&mut self, heading: &str) {
        let slug = slug(heading);
        let taken = self.slugs.entry(slug.clone()).or_default();
        let anchor = match *taken {
            0 => slug,
            number => format!("{slug}-{number}"),
        };
        *taken += 1;
        self.page.anchors.insert(anchor);
    }
}

/// Returns the values of one attribute in a piece of HTML.
fn attributes<'a>(html: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let start = format!(" {name}=\"");
    html.match_indices(&start)
        .filter_map(|(at, found)| html[at + found.len()..].split('"').next())
        .collect::<Vec<_>>()
        .into_iter()
}

/// Returns the anchor of a heading by the rules of GitHub: lower case, spaces become hyphens, and all but letters,
/// digits, `-` and `_` is dropped.
pub fn slug(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    lower
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
