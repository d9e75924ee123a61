//! Does every relative link in a Markdown file lead to a file, and every anchor to a heading?
//! Addresses on the network are not followed.

use std::collections::{BTreeMap, BTreeSet};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Links of all Markdown files that lead nowhere.
pub(super) fn check(files: &BTreeMap<String, Option<String>>) -> Vec<String> {
    let pages: BTreeMap<&str, Page> = files
        .iter()
        .filter(|(path, _)| path.ends_with(".md"))
        .filter_map(|(path, text)| Some((path.as_str(), Page::parse(text.as_deref()?))))
        .collect();
    let mut problems = Vec::new();
    for (path, page) in &pages {
        for (line, link) in &page.links {
            let (target, anchor) = link.split_once('#').map_or((link.as_str(), None), |(t, a)| (t, Some(a)));
            let Some(target) = resolve(path, target) else {
                problems.push(format!("{path}:{line}: link leaves the repository: {link}"));
                continue;
            };
            if !exists(files, &target) {
                problems.push(format!("{path}:{line}: dead link: {link}"));
            } else if let (Some(anchor), Some(page)) = (anchor, pages.get(target.as_str()))
                && !page.anchors.contains(anchor)
            {
                problems.push(format!("{path}:{line}: no such heading: {link}"));
            }
        }
    }
    problems
}

#[derive(Default)]
struct Page {
    links: Vec<(usize, String)>,
    anchors: BTreeSet<String>,
}

impl Page {
    fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut heading: Option<String> = None;
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. })
                    if !dest_url.contains("://") && !dest_url.starts_with("mailto:") =>
                {
                    let line = text.get(..range.start).unwrap_or("").matches('\n').count() + 1;
                    page.links.push((line, dest_url.into_string()));
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    if let Some(title) = heading.take() {
                        let anchor = slug(&title);
                        page.anchors.insert(anchor);
                    }
                }
                Event::Text(piece) | Event::Code(piece) => {
                    if let Some(title) = &mut heading {
                        title.push_str(&piece);
                    }
                }
                _ => {}
            }
        }
        page
    }
}

/// A heading's anchor, as the code hosts and mkdocs make it.
fn slug(title: &str) -> String {
    title
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' | '-' => Some('-'),
            c if c.is_alphanumeric() || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

/// The path from the root that a link in `page` means; `None` when it lies outside.
fn resolve(page: &str, target: &str) -> Option<String> {
    if target.is_empty() {
        return Some(page.to_owned());
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn exists(files: &BTreeMap<String, Option<String>>, target: &str) -> bool {
    let folder = if target.is_empty() { String::new() } else { format!("{target}/") };
    files.contains_key(target)
        || files.range(folder.clone()..).next().is_some_and(|(path, _)| path.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use expect_test::{Expect, expect};

    fn check(text: &str, expected: &Expect) {
        let files: BTreeMap<String, Option<String>> = [
            ("docs/page.md", Some(text)),
            ("docs/other.md", Some("# Other\n\n## A `code` title, with more\n")),
            ("docs/data/table.parquet", None),
            ("README.md", Some("# Read me\n")),
        ]
        .map(|(path, text)| (path.to_owned(), text.map(str::to_owned)))
        .into();
        expected.assert_eq(&super::check(&files).join("\n"));
    }

    #[test]
    fn live_links_pass() {
        check(
            "[a](other.md) [b](../README.md#read-me) [c](data) [d](data/table.parquet)\n\
             [e](other.md#a-code-title-with-more) [f](https://example.org/gone) [g](#here)\n\n# Here\n",
            &expect![""],
        );
    }

    #[test]
    fn a_missing_file_is_named_with_its_line() {
        check("text\n\n[a](gone.md)\n", &expect!["docs/page.md:3: dead link: gone.md"]);
    }

    #[test]
    fn a_missing_heading_is_named() {
        check("[a](other.md#gone)\n", &expect!["docs/page.md:1: no such heading: other.md#gone"]);
    }

    #[test]
    fn a_link_may_not_leave_the_repository() {
        check(
            "![a](../../secret.png)\n",
            &expect!["docs/page.md:1: link leaves the repository: ../../secret.png"],
        );
    }

    #[test]
    fn links_in_code_are_not_links() {
        check("`[a](gone.md)`\n\n```\n[b](gone.md)\n```\n", &expect![""]);
    }
}
