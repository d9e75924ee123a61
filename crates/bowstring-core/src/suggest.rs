//! Which valid name was probably meant?

/// The candidate nearest to `name`, when one is near enough to be what was meant: by
/// Damerau-Levenshtein distance, at most a third of the longer name, case ignored. Names that share no
/// letter are never near.
pub fn nearest<'a, I>(name: &str, candidates: I) -> Option<&'a str>
where
    I: IntoIterator<Item = &'a str>,
{
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
            let longer = name.chars().count().max(candidate.chars().count());
            (distance == 0 || distance < longer && distance <= (longer / 3).max(1))
                .then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Names for a message: "`a`, `b` and `c`"; beyond ten, the first ten and how many more there are.
pub fn quoted_list<'a, I>(names: I) -> String
where
    I: IntoIterator<Item = &'a str>,
{
    const SHOWN: usize = 10;
    let mut quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    let last = match quoted.len() {
        0 => return String::new(),
        1 => return quoted.remove(0),
        count if count > SHOWN => {
            quoted.truncate(SHOWN);
            format!("{} more", count - SHOWN)
        }
        _ => quoted.pop().unwrap_or_default(),
    };
    format!("{} and {last}", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let names = ["filter", "select", "sort"];
        assert_eq!(nearest("fliter", names), Some("filter"));
        assert_eq!(nearest("SELECT", names), Some("select"));
        assert_eq!(nearest("aggregate", names), None);
        assert_eq!(nearest("x", []), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("x", ["X"]), Some("X"));
        assert_eq!(nearest("xy", ["xz"]), Some("xz"));
    }

    #[test]
    fn lists_read_as_prose() {
        assert_eq!(quoted_list([]), "");
        assert_eq!(quoted_list(["a"]), "`a`");
        assert_eq!(quoted_list(["a", "b"]), "`a` and `b`");
        assert_eq!(quoted_list(["a", "b", "c"]), "`a`, `b` and `c`");
        let many: Vec<String> = (0..12).map(|i| format!("c{i}")).collect();
        let list = quoted_list(many.iter().map(String::as_str));
        assert!(list.ends_with("`c9` and 2 more"), "{list}");
    }
}
