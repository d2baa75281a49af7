//! Floors and import directions: no import from the same foreign or a higher floor, no circle between files,
//! never the `mod.rs` above, and `serve` never reaches into `store`.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, Violation, closing, is_name, words};

/// The floors of `docs/ARCHITECTURE.md`, lowest first.
const FLOORS: [(&str, u8); 11] = [
    ("base", 1),
    ("fhir", 2),
    ("store", 3),
    ("hl7", 3),
    ("search", 4),
    ("access", 5),
    ("repo", 6),
    ("work", 7),
    ("serve", 8),
    ("cli", 9),
    ("main", 10),
];

/// A module's path from the root of the crate.
type Module = Vec<String>;

/// A path that a file names, with its position.
#[derive(Debug, PartialEq, Eq)]
struct Import {
    at: usize,
    path: Module,
}

/// All laws of imports.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    let modules: BTreeMap<Module, usize> = sources.iter().enumerate().map(|(n, s)| (module_of(&s.path), n)).collect();
    let mut violations = Vec::new();
    let mut edges: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
    for (n, source) in sources.iter().enumerate() {
        let own = module_of(&source.path);
        for import in imports(source, &modules) {
            violations.extend(direction(source, &own, &import));
            let Some((target, to)) = resolve(&modules, &import.path) else { continue };
            if to != n && own.starts_with(target) && own != ["main"] {
                let what = format!("imports from the module above it ({})", sources[to].path);
                violations.push(source.violation(import.at, what));
            } else if to != n {
                edges.entry(n).or_default().entry(to).or_insert(import.at);
            }
        }
    }
    violations.extend(circles(sources, &edges));
    violations
}

/// `src/a/b.rs` is `a::b`, `src/a/mod.rs` is `a`, `src/lib.rs` is the root, `src/main.rs` is `main`.
fn module_of(path: &str) -> Module {
    let inner = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let mut parts: Module = inner.split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
        parts.pop();
    }
    parts
}

/// The file that holds a path: the longest prefix that is a module.
fn resolve<'a>(modules: &'a BTreeMap<Module, usize>, path: &[String]) -> Option<(&'a Module, usize)> {
    (0..=path.len()).rev().find_map(|n| modules.get_key_value(&path[..n]).map(|(module, at)| (module, *at)))
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

fn direction(source: &Source, own: &[String], import: &Import) -> Option<Violation> {
    let from = own.first()?;
    let to = import.path.first()?;
    let (Some(here), Some(there)) = (floor(from), floor(to)) else {
        let unknown = floor(from).map_or(from, |_| to);
        let lower = unknown.chars().next().is_some_and(char::is_lowercase);
        return lower.then(|| source.violation(import.at, format!("{unknown} has no floor")));
    };
    if from == "serve" && to == "store" {
        return Some(source.violation(import.at, "serve imports store; go through repo"));
    }
    let upwards = from != to && there >= here;
    upwards.then(|| source.violation(import.at, format!("{from} (floor {here}) imports {to} (floor {there})")))
}

/// Every path into the crate: `use` trees with their groups, and inline `crate::`, `super::` and `self::` paths.
fn imports(source: &Source, modules: &BTreeMap<Module, usize>) -> Vec<Import> {
    let code = &source.product;
    let own = module_of(&source.path);
    let mut found = Vec::new();
    let mut uses = Vec::new();
    for at in words(code, "use") {
        let end = code[at..].find(';').map_or(code.len(), |n| at + n);
        uses.push(at..end);
        let mut paths = Vec::new();
        expand(&code[at + 3..end], &mut Vec::new(), &mut paths);
        let known = |p: Vec<String>| absolute(&own, &p).or_else(|| child(&own, &p, modules));
        found.extend(paths.into_iter().filter_map(known).map(|path| Import { at, path }));
    }
    for root in ["crate", "super", "self", "cresset"] {
        for at in words(code, root).filter(|at| code[at + root.len()..].starts_with("::")) {
            let inside = uses.iter().any(|range| range.contains(&at)) || code[..at].ends_with("::");
            let visibility = code[..at].ends_with("in ");
            if !inside && !visibility {
                found.extend(absolute(&own, &inline(&code[at..])).map(|path| Import { at, path }));
            }
        }
    }
    found
}

/// The segments of a path in an expression or type.
fn inline(code: &str) -> Vec<String> {
    let end = code.bytes().position(|b| !is_name(b) && b != b':').unwrap_or(code.len());
    code[..end].split("::").filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

/// All leaf paths of a use tree.
fn expand(tree: &str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    for branch in split_top(tree) {
        let branch = branch.split(" as ").next().unwrap_or_default().trim();
        let (head, group) = match branch.find('{') {
            Some(open) => (&branch[..open], Some(&branch[open + 1..closing(branch, open) - 1])),
            None => (branch, None),
        };
        let before = prefix.len();
        for segment in head.split("::").map(str::trim).filter(|s| !s.is_empty()) {
            // `self` inside a group stands for the prefix; at the start it is a path of its own.
            if segment != "self" || prefix.is_empty() {
                prefix.push(segment.to_owned());
            }
        }
        match group {
            Some(group) => expand(group, prefix, found),
            None if prefix.is_empty() => {}
            None => found.push(prefix.clone()),
        }
        prefix.truncate(before);
    }
}

/// Splits at commas outside of braces.
fn split_top(tree: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let mut start = 0;
    let mut parts = Vec::new();
    for (at, byte) in tree.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    parts.into_iter().filter(|p| !p.trim().is_empty()).collect()
}

/// The path from the root of the crate; `None` for other crates and for the root itself.
fn absolute(own: &[String], path: &[String]) -> Option<Module> {
    let mut base: Vec<String> = Vec::new();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" | "cresset" => rest = &path[1..],
        "super" => {
            base = own.to_vec();
            while rest.first().is_some_and(|s| s == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        "self" => {
            base = own.to_vec();
            rest = &path[1..];
        }
        _ => return None,
    }
    base.extend(rest.iter().filter(|s| *s != "*").cloned());
    (!base.is_empty()).then_some(base)
}

/// `use child::Item` in the file that declares `mod child`.
fn child(own: &[String], path: &[String], modules: &BTreeMap<Module, usize>) -> Option<Module> {
    let module: Module = own.iter().chain(path.first()).cloned().collect();
    modules.contains_key(&module).then(|| own.iter().chain(path).cloned().collect())
}

/// Circles between files, each reported once at its first file.
fn circles(sources: &[Source], edges: &BTreeMap<usize, BTreeMap<usize, usize>>) -> Vec<Violation> {
    let mut seen = BTreeSet::new();
    let mut violations = Vec::new();
    for start in edges.keys() {
        let Some(path) = way_back(*start, edges) else { continue };
        let members: BTreeSet<usize> = path.iter().copied().collect();
        if path.iter().min() != Some(start) || !seen.insert(members) {
            continue;
        }
        let names: Vec<&str> = path.iter().map(|n| sources[*n].path.as_str()).collect();
        let next = *path.get(1).unwrap_or(start);
        let what = format!("import circle: {} -> {}", names.join(" -> "), names[0]);
        violations.push(sources[*start].violation(edges[start][&next], what));
    }
    violations
}

/// The shortest way from a file back to itself (breadth first).
fn way_back(start: usize, edges: &BTreeMap<usize, BTreeMap<usize, usize>>) -> Option<Vec<usize>> {
    let mut queue = std::collections::VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(path) = queue.pop_front() {
        for next in edges.get(path.last()?).into_iter().flat_map(BTreeMap::keys) {
            if *next == start {
                return Some(path);
            }
            if seen.insert(*next) {
                queue.push_back(path.iter().copied().chain([*next]).collect());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        check(&sources).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_higher_floor_is_found_in_groups_and_inline() {
        let store = (
            "src/store/db.rs",
            "use crate::{base::id::{self, Seq}, search::query::Query};\nfn f() { crate::repo::x(); }",
        );
        let others = [store, ("src/base/id.rs", ""), ("src/search/query.rs", ""), ("src/repo/mod.rs", "")];
        let lines = found(&others);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("src/store/db.rs:1: store (floor 3) imports search (floor 4)"));
        assert!(lines[1].starts_with("src/store/db.rs:2: store (floor 3) imports repo (floor 6)"));
    }

    #[test]
    fn serve_and_store_and_equal_floors_are_found() {
        let files = [
            ("src/serve/a.rs", "use crate::store::Store;"),
            ("src/hl7/a.rs", "use super::super::store::Store;"),
            ("src/odd/a.rs", "use crate::base::x;"),
            ("src/store/mod.rs", ""),
        ];
        assert_eq!(found(&files).len(), 3, "{:?}", found(&files));
    }

    #[test]
    fn circles_and_the_module_above_are_found() {
        let circle = [
            ("src/fhir/a.rs", "use super::b::B;"),
            ("src/fhir/b.rs", "use crate::fhir::c::C;"),
            ("src/fhir/c.rs", "use super::a::A;"),
        ];
        assert_eq!(
            found(&circle),
            ["src/fhir/a.rs:1: import circle: src/fhir/a.rs -> src/fhir/b.rs -> src/fhir/c.rs -> src/fhir/a.rs"]
        );
        let above = [("src/fhir/mod.rs", "pub use a::A;"), ("src/fhir/a.rs", "use super::B;")];
        assert_eq!(found(&above), ["src/fhir/a.rs:1: imports from the module above it (src/fhir/mod.rs)"]);
        let through = [
            ("src/fhir/json/mod.rs", "pub use read::Json;"),
            ("src/fhir/json/read.rs", "use crate::fhir::name::Name;"),
            ("src/fhir/name.rs", "use super::json::Json;"),
        ];
        assert_eq!(found(&through).len(), 1, "{:?}", found(&through));
        let own = [("src/fhir/mod.rs", ""), ("src/fhir/a.rs", "use crate::fhir::{b::X, Y};"), ("src/fhir/b.rs", "")];
        assert_eq!(found(&own).len(), 1);
    }

    #[test]
    fn what_is_right_passes() {
        let files = [
            ("src/lib.rs", "pub mod base;"),
            ("src/fhir/json/mod.rs", "mod read;\npub use read::Json;"),
            (
                "src/fhir/json/read.rs",
                "use crate::base::fault::Fault;\nuse std::{fmt, env as e};\n#[cfg(test)]\nmod tests { use super::*; use crate::cli::x; }",
            ),
            ("src/fhir/name.rs", "use super::json::Json; pub(in crate::fhir) fn f() {}"),
            ("src/base/fault.rs", "use self::inner::A;"),
            ("src/main.rs", "fn main() { cresset::cli::run() }"),
            ("src/cli/mod.rs", ""),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
    }
}
