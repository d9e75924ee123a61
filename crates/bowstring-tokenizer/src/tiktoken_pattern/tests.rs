use regex::Regex;
use tokenizers::utils::SysRegex;

use super::*;

#[test]
fn what_both_read_alike_is_kept_and_the_rest_rewritten() {
    let check = |pattern: &str, written: &str| {
        assert_eq!(translate(pattern).as_deref(), Ok(written));
        SysRegex::new(written).expect("a pattern");
    };
    for same in [
        r"[^\r\n\p{L}\p{N}]?\p{L}+|\s+(?!\S)|a*?|.{2,}?|(?<=x)y",
        r"(?i:'s|[a-t]\s)|[\p{Lu}\p{M}&&[^\p{Han}]]*|[!\-~#]|[a-z-]|[^&x]",
    ] {
        let written = same.replace(r"\r\n", "\r\n").replace("z-]", r"z\-]").replace("[^&x]", r"[^\&x]");
        check(same, &written);
    }
    check(r"\p{N}{1,3}+| ?[a\-z]++$", r"(?>\p{N}{1,3})| ?(?>[a\-z]+)\z");
}

#[test]
fn both_engines_know_the_same_classes() {
    // Planes without any character are left out.
    let text: String = (0..0x4_0000).chain(0xE_0000..0xE_0400).filter_map(char::from_u32).collect();
    let names = CLASSES.iter().map(|name| format!(r"\p{{{name}}}"));
    let others = [r"\s", r"\d", ".", "(?i:[a-z])"].map(str::to_owned);
    for class in names.chain(others) {
        let pattern = format!("(?:{class})+");
        let ours = Regex::new(&pattern).expect("a pattern");
        let theirs = SysRegex::new(&translate(&pattern).expect("a pattern")).expect("a pattern");
        let ours: Vec<_> = ours.find_iter(&text).map(|found| (found.start(), found.end())).collect();
        let theirs: Vec<_> = theirs.find_iter(&text).collect();
        assert!(ours == theirs, "{class}");
    }
}

#[test]
fn what_would_be_read_otherwise_is_refused_with_its_place() {
    let check = |pattern: &str, at: usize, reason: &'static str| {
        assert_eq!(translate(pattern), Err(Problem { at, reason }), "{pattern}");
    };
    check(r"é\w+", 2, "this escape is not known");
    check(r"a\b", 2, "this escape is not known");
    check(r"(a)\1", 4, "this escape is not known");
    check(r"a\", 2, "nothing follows it");
    check(r"\p{L}\p{Letters}", 6, "this class of Unicode is not known");
    check(r"\x{110000}", 1, "no character has this number");
    check("a(?P<n>b)", 3, "this kind of group is not known");
    check("(?i)a", 2, "this kind of group is not known");
    check("a(b", 2, "the group is not closed");
    check("ab)", 3, "no group is open here");
    check(&"(".repeat(101), 101, "groups stand too deep in each other");
    check(&"[".repeat(101), 101, "classes stand too deep in each other");
    check("*a", 1, "there is nothing to repeat");
    check("a**", 3, "a repetition cannot be repeated");
    check("(?:a*|b)+", 9, "what may match nothing cannot be repeated");
    check("(?=a)?", 6, "what may match nothing cannot be repeated");
    check("a{,2}", 2, "a count is `{2}`, `{2,}` or `{2,3}`");
    check("a{3,2}", 2, "a count is `{2}`, `{2,}` or `{2,3}`");
    check("[[:alpha:]]", 2, "classes of POSIX have other characters");
    check("[a", 1, "the class is not closed");
    check("[]a]", 2, "it needs a backslash here");
    check("[a--b]", 4, "it needs a backslash here");
    check("[a-c-e]", 5, "it needs a backslash here");
    check("[b-a]", 4, "a range goes from one character up to another");
    check("[a~~b]", 3, "it needs a backslash here");
    check("[&&a]", 2, "it needs a backslash here");
    check("[a&&]", 5, "nothing follows `&&`");
    check(r"[\A]", 3, "it is no character");
    check("(?i:ß)", 5, "only characters of ASCII can be within `(?i:…)`");
    check("(?i:fS|St)", 8, "in either case these two letters would match one character, like ß");
    check("(?i:a+)", 6, "nothing can be repeated within `(?i:…)`");
    check("(?i:(a))", 5, "no group can be within `(?i:…)`");
    check("(?i:[^a])", 6, "no class can say what it lacks within `(?i:…)`");
    check(r"(?i:\p{Lu})", 5, "classes of Unicode cannot be within `(?i:…)`");
}
