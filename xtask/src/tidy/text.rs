//! What must not stand in any committed text: unfinished work, tests that do not run, lints that are
//! switched off without a reason, paths and package indexes of somebody's machine.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;

struct Rule {
    what: &'static str,
    files: fn(&str) -> bool,
    pattern: LazyLock<Regex>,
}

// The patterns are spelled so that none of them matches itself.
static RULES: [Rule; 5] = [
    Rule {
        what: "a path of one machine",
        files: |_| true,
        pattern: LazyLock::new(|| pattern(r"(^|[^\w./~-])/(work|root|home/\w+|Users/\w+)/\w")),
    },
    Rule {
        what: "unfinished work",
        files: is_source,
        pattern: LazyLock::new(|| pattern(r"\b(TOD[O]|FIXM[E]|XX[X])\b")),
    },
    Rule {
        what: "a test that does not run",
        files: is_source,
        pattern: LazyLock::new(|| pattern(r"#\[ignor[e]|pytest\.mark\.(xfai[l]|ski[p]\b)")),
    },
    Rule {
        what: "a lint switched off without a reason (use `expect` with one)",
        files: |path| path.ends_with(".rs"),
        pattern: LazyLock::new(|| pattern(r"#!?\[allo[w]\(")),
    },
    Rule {
        what: "a package index of one machine",
        files: |path| !is_source(path) && !path.ends_with(".md"),
        pattern: LazyLock::new(|| pattern(r"index-ur[l]|find-link[s]|trusted-hos[t]|replace-wit[h]")),
    },
];

#[expect(clippy::expect_used, reason = "the patterns are constants, and a test compiles each")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

fn is_source(path: &str) -> bool {
    [".rs", ".py", ".pyi"].iter().any(|extension| path.ends_with(extension))
}

/// The lines that break a rule.
pub(super) fn check(files: &BTreeMap<String, Option<String>>) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in files {
        let Some(text) = text else { continue };
        for rule in RULES.iter().filter(|rule| (rule.files)(path)) {
            for (number, line) in text.lines().enumerate() {
                if rule.pattern.is_match(line) {
                    problems.push(format!("{path}:{}: {}: {}", number + 1, rule.what, line.trim()));
                }
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::RULES;

    fn is_refused(path: &str, line: &str) -> bool {
        let files = [(path.to_owned(), Some(format!("first\n{line}\n")))].into();
        let problems = super::check(&files);
        assert!(problems.iter().all(|problem| problem.starts_with(&format!("{path}:2: "))), "{problems:?}");
        !problems.is_empty()
    }

    #[test]
    fn each_rule_sees_its_fault() {
        let faults = [
            ("notes.md", ["see /wo", "rk/shared/x"].concat()),
            ("a.py", ["# TO", "DO: later"].concat()),
            ("a.rs", ["#[ign", "ore]"].concat()),
            ("a.rs", ["#![al", "low(dead_code)]"].concat()),
            ("pip.conf", ["index-", "url = http://example.org"].concat()),
        ];
        assert_eq!(faults.len(), RULES.len());
        for ((path, line), rule) in faults.iter().zip(&RULES) {
            assert!(is_refused(path, line), "{}: {line}", rule.what);
        }
    }

    #[test]
    fn other_text_passes() {
        for (path, line) in [
            ("notes.md", "files go to out/work/x, the root is /, see https://example.org/work/x"),
            ("a.py", "# todos are kept elsewhere"),
            ("a.rs", "#[expect(dead_code, reason = \"read by the debugger\")]"),
            ("notes.md", "`xtask` looks at each line"),
        ] {
            assert!(!is_refused(path, line), "{line}");
        }
    }
}
