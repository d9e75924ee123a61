//! Does ARCHITECTURE.md's code map have one entry for each crate, and none for another?
//! An entry is a heading of the third level that holds the crate's name as code.

/// What the code map misses, repeats or makes up.
pub(super) fn check(architecture: &str, members: &[&str]) -> Vec<String> {
    let Some((_, map)) = architecture.split_once("\n## Code map\n") else {
        return vec!["ARCHITECTURE.md has no section `## Code map`".into()];
    };
    let map = map.split("\n## ").next().unwrap_or(map);
    let entries: Vec<&str> = map
        .lines()
        .filter(|line| line.starts_with("### "))
        .filter_map(|line| line.split('`').nth(1))
        .collect();
    let mut problems = Vec::new();
    for member in members {
        match entries.iter().filter(|entry| entry == &member).count() {
            1 => {}
            0 => problems.push(format!("ARCHITECTURE.md: the code map has no entry for {member}")),
            times => problems.push(format!("ARCHITECTURE.md: the code map names {member} {times} times")),
        }
    }
    for entry in entries {
        if !members.contains(&entry) {
            problems.push(format!("ARCHITECTURE.md: the code map names {entry}, which is no crate"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    fn check(map: &str, expected: &Expect) {
        let text = format!("# Architecture\n\n## Code map\n\n{map}\n## Invariants\n\n### `elsewhere`\n");
        expected.assert_eq(&super::check(&text, &["a", "b"]).join("\n"));
    }

    #[test]
    fn each_crate_once_passes() {
        check("### `a`: first\n\ntext\n\n### `b`\n", &expect![""]);
    }

    #[test]
    fn a_missing_crate_is_named() {
        check("### `a`\n", &expect!["ARCHITECTURE.md: the code map has no entry for b"]);
    }

    #[test]
    fn a_repeated_crate_is_named() {
        check("### `a`\n\n### `b`\n\n### `a`\n", &expect!["ARCHITECTURE.md: the code map names a 2 times"]);
    }

    #[test]
    fn a_crate_that_is_gone_is_named() {
        check(
            "### `a`\n\n### `b`\n\n### `c`\n",
            &expect!["ARCHITECTURE.md: the code map names c, which is no crate"],
        );
    }

    #[test]
    fn a_missing_map_is_said() {
        expect!["ARCHITECTURE.md has no section `## Code map`"]
            .assert_eq(&super::check("# Architecture\n", &["a"]).join("\n"));
    }
}
