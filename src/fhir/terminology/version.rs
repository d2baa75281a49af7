//! Versions of definitions: which is the latest, and patterns such as `1.0.x`.

use std::cmp::Ordering;

/// The order of two versions: numbers as numbers, letters as letters, part by part; a release after its own previews.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a_main, a_preview) = a.split_once('-').map_or((a, None), |(main, rest)| (main, Some(rest)));
    let (b_main, b_preview) = b.split_once('-').map_or((b, None), |(main, rest)| (main, Some(rest)));
    let is_date = |text: &str| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_date(a_main) || is_date(b_main) {
        return parts(a, b);
    }
    parts(a_main, b_main).then_with(|| match (a_preview, b_preview) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => parts(a, b),
    })
}

fn parts(a: &str, b: &str) -> Ordering {
    let split = |c: char| !c.is_alphanumeric();
    let (mut a, mut b) = (a.split(split), b.split(split));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                _ => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Whether a version is a pattern: it has a part that is `x` or `*`.
pub fn is_pattern(version: &str) -> bool {
    version.split('.').any(is_wild)
}

fn is_wild(part: &str) -> bool {
    matches!(part, "x" | "X" | "*")
}

/// Whether a version is what is wanted: the same, or as a pattern says. A pattern that ends in a wild part takes all that follows.
pub fn matches(wanted: &str, version: &str) -> bool {
    if !is_pattern(wanted) {
        return wanted == version;
    }
    let (mut wanted, mut given) = (wanted.split('.'), version.split(['.', '-']));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(part), None) => return is_wild(part) && wanted.all(is_wild),
            (Some(part), Some(_)) if is_wild(part) => {
                if wanted.clone().next().is_none() {
                    return true;
                }
            }
            (Some(part), Some(other)) if part == other => {}
            _ => return false,
        }
    }
}

/// `url|version` in its parts. In an expression constraint bars stand around terms.
pub fn split(canonical: &str) -> (&str, Option<&str>) {
    if canonical.contains("?fhir_vs=ecl/") {
        return (canonical, None);
    }
    match canonical.split_once('|') {
        Some((url, version)) => (url, Some(version).filter(|version| !version.is_empty())),
        None => (canonical, None),
    }
}

/// Versions as people read them: `1.0.0 or 1.2.0`.
pub fn choices(versions: &[Box<str>]) -> String {
    let shown: Vec<&str> = versions.iter().map(|version| &**version).filter(|version| !version.is_empty()).collect();
    match shown.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_is_found() {
        for (less, more) in [
            ("1.2", "1.10"),
            ("1.0.0", "1.0.1"),
            ("1", "1.0"),
            ("2024-01-31", "2024-02-01"),
            ("20230901", "20240301"),
            ("2.0.0-ballot", "2.0.0"),
            ("2.0.0-ballot", "2.0.0-cibuild"),
        ] {
            assert_eq!(
                (compare(less, more), compare(more, less)),
                (Ordering::Less, Ordering::Greater),
                "{less} {more}"
            );
        }
    }

    #[test]
    fn patterns() {
        for (wanted, version) in
            [("1.0.x", "1.0.0"), ("1.x.x", "1.2.0"), ("1.x", "1.2.0"), ("*", "7"), ("1.*", "1.2-a"), ("2", "2")]
        {
            assert!(matches(wanted, version), "{wanted} {version}");
        }
        for (wanted, version) in [("1.0.x", "1.1.0"), ("1", "1.0.0"), ("1.0.x", "1"), ("2.x", "1.2")] {
            assert!(!matches(wanted, version), "{wanted} {version}");
        }
    }
}
