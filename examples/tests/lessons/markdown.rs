//! What the tests need of a page, read by the parser that mdBook uses.

use std::path::Path;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A page, taken to pieces.
pub(crate) struct Page {
    pub(crate) blocks: Vec<Block>,
    pub(crate) links: Vec<String>,
    pub(crate) pictures: Vec<String>,
    /// The ids that mdBook gives headings.
    pub(crate) headings: Vec<String>,
}

/// A block of code, or a heading of the second level, which begins a section.
pub(crate) enum Block {
    Code { language: String, text: String },
    Section(String),
}

impl Page {
    pub(crate) fn read(path: &Path) -> Self {
        let text = crate::read(path);
        let mut page = Self {
            blocks: Vec::new(),
            links: Vec::new(),
            pictures: Vec::new(),
            headings: Vec::new(),
        };
        let mut language = None;
        let mut content = String::new();
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    language = Some(info.into_string());
                    content.clear();
                }
                Event::Start(Tag::Heading { .. }) => content.clear(),
                Event::Start(Tag::Link { dest_url, .. }) => page.links.push(dest_url.into_string()),
                Event::Start(Tag::Image { dest_url, .. }) => {
                    page.pictures.push(dest_url.into_string());
                }
                Event::Text(text) | Event::Code(text) => content.push_str(&text),
                Event::End(TagEnd::CodeBlock) => {
                    if let Some(language) = language.take() {
                        let text = std::mem::take(&mut content);
                        page.blocks.push(Block::Code { language, text });
                    }
                }
                Event::End(TagEnd::Heading(level)) => {
                    page.headings.push(id(&content));
                    if level == HeadingLevel::H2 {
                        page.blocks.push(Block::Section(content.clone()));
                    }
                }
                _ => {}
            }
        }
        page
    }
}

fn id(heading: &str) -> String {
    let heading = heading.trim().to_lowercase();
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
