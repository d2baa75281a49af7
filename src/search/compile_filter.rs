//! What only `_filter` asks (FHIR R4 `search_filter.html`), as scans over the terms of one parameter.

use std::sync::Arc;

use super::index::codec::{EXACT_MAX, Form, Scope, hash64, write_exact};
use super::index::schema::terms_field;
use super::index::terms::{Rest, Select, Terms};
use super::kind::string::relates;
use super::kind::token::{ANY_CASE_MAX, same_code};
use super::query::{AnyCase, Relation, SystemTest};

// What is compared wholly in memory is what the index has as text.
const _: () = assert!(ANY_CASE_MAX == EXACT_MAX);

/// How many letters at the beginning of a code narrow the scan; each has two forms.
const NARROWED: usize = 3;

/// The folded texts that stand to a text as asked.
pub fn relation(scope: &Scope, relation: Relation, text: &str) -> Terms {
    let mut head = scope.head(Form::Folded);
    if matches!(relation, Relation::Same | Relation::Starts) {
        head.extend_from_slice(text.as_bytes());
        let (field, terms) = (terms_field(), vec![head]);
        return if relation == Relation::Same { Terms::list(field, terms) } else { Terms::prefixes(field, terms) };
    }
    if relation == Relation::Contains {
        let parts = [text.as_bytes().into()];
        return Terms { field: terms_field(), select: Select::Contains(head.into(), parts.into()) };
    }
    let text = text.to_owned();
    scan(head, move |rest| std::str::from_utf8(rest).is_ok_and(|folded| relates(relation, folded, &text)))
}

/// The URIs that are one without regard to case, or the others.
pub fn any_case_url(scope: &Scope, uri: &str, others: bool) -> Terms {
    let uri = uri.as_bytes().to_owned();
    scan(scope.head(Form::UrlText), move |rest| rest.eq_ignore_ascii_case(&uri) != others)
}

/// The codes that are a code without regard to case, or those that are not.
pub fn any_case(scope: &Scope, test: &AnyCase) -> Vec<Terms> {
    let code = test.token.code.as_deref();
    if test.other { others(scope, &test.token.system, code) } else { same(scope, &test.token.system, code) }
}

fn same(scope: &Scope, system: &SystemTest, code: Option<&str>) -> Vec<Terms> {
    let head = match (system, code) {
        (SystemTest::Is(system), None) => return vec![Terms::list(terms_field(), vec![scope.system(system)])],
        (SystemTest::Any, _) => scope.head(Form::Code),
        (SystemTest::Absent, _) => scope.head(Form::Bare),
        (SystemTest::Is(system), _) => with_system(scope, system),
    };
    let Some(code) = code else { return vec![Terms::prefixes(terms_field(), vec![head])] };
    if code.len() > EXACT_MAX {
        let terms = payloads(code).into_iter().map(|payload| [head.as_slice(), &payload].concat());
        return vec![Terms::list(terms_field(), terms.collect())];
    }
    // the byte that says that the text follows, then the forms of the first letters
    let mut heads = vec![[head.as_slice(), &[0]].concat()];
    let first: Vec<u8> = code.bytes().take(NARROWED).collect();
    for byte in &first {
        let forms = |head: &Vec<u8>| {
            let mut forms = vec![byte.to_ascii_lowercase(), byte.to_ascii_uppercase()];
            forms.dedup();
            let head = head.clone();
            forms.into_iter().map(move |form| [head.as_slice(), &[form]].concat())
        };
        heads = heads.iter().flat_map(forms).collect();
    }
    let rest = &code.as_bytes()[first.len()..];
    let one = |head: Vec<u8>| {
        let rest = rest.to_owned();
        scan(head, move |found| found.eq_ignore_ascii_case(&rest))
    };
    heads.into_iter().map(one).collect()
}

/// A value with a code has one term with its system, or one that says that there is none.
fn others(scope: &Scope, system: &SystemTest, code: Option<&str>) -> Vec<Terms> {
    let (both, bare) = (scope.head(Form::Both), scope.head(Form::Bare));
    let all = |head: &Vec<u8>| Terms::prefixes(terms_field(), vec![head.clone()]);
    let differs = code.map(other_payload);
    match (system, differs) {
        (SystemTest::Any, None) => Vec::new(),
        (SystemTest::Any, Some(differs)) => vec![scan(scope.head(Form::Code), differs)],
        (SystemTest::Absent, None) => vec![all(&both)],
        (SystemTest::Absent, Some(differs)) => vec![scan(bare, differs), all(&both)],
        (SystemTest::Is(system), differs) => {
            let hash = hash64(system).to_be_bytes();
            let passes = move |rest: &[u8]| match rest.split_at_checked(8) {
                Some((system, code)) => system != hash || differs.as_ref().is_some_and(|differs| differs(code)),
                None => false,
            };
            vec![scan(both, passes), all(&bare)]
        }
    }
}

/// The beginning of terms with a system and a code.
fn with_system(scope: &Scope, system: &str) -> Vec<u8> {
    let mut head = scope.head(Form::Both);
    head.extend_from_slice(&hash64(system).to_be_bytes());
    head
}

/// The payloads of a long code: as written, in lowercase, in uppercase.
fn payloads(code: &str) -> Vec<Vec<u8>> {
    let forms = [code.to_owned(), code.to_ascii_lowercase(), code.to_ascii_uppercase()];
    let payload = |form: &String| {
        let mut out = Vec::new();
        write_exact(form, &mut out);
        out
    };
    forms.iter().map(payload).collect()
}

/// Whether an exact payload is that of another code.
fn other_payload(code: &str) -> impl Fn(&[u8]) -> bool + Send + Sync + 'static {
    let (code, hashed) = (code.to_owned(), if code.len() > EXACT_MAX { payloads(code) } else { Vec::new() });
    move |payload| match payload.split_first() {
        Some((0, text)) => !std::str::from_utf8(text).is_ok_and(|text| same_code(text, &code)),
        _ => !hashed.iter().any(|hashed| hashed == payload),
    }
}

fn scan(head: Vec<u8>, passes: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Terms {
    Terms { field: terms_field(), select: Select::Rest(head.into(), Rest(Arc::new(passes))) }
}
