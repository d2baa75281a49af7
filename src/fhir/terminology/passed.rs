//! Which codes pass the filters of a value set, where many are asked for in one request: an exclude of filters is asked for every
//! code of the includes. After some questions the codes are listed once, and looked up from then on.

use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::HashSet;

use super::composed::is_composed;
use super::face::{CodeSystem, Query};
use super::filter::Filter;
use crate::base::fault::{Category, Result};

/// Questions after which a list is made.
const QUESTIONS: usize = 64;
/// Most codes of the lists of one request together.
const CODES: usize = 500_000;
/// Most lists of one request.
const LISTS: usize = 16;

/// What was asked in one request.
#[derive(Debug, Default)]
pub struct Passed {
    lists: Vec<List>,
    /// Codes of all lists.
    codes: usize,
}

#[derive(Debug)]
struct List {
    system: Arc<dyn CodeSystem>,
    filters: Box<[Filter]>,
    questions: usize,
    codes: Option<HashSet<Box<str>>>,
}

impl Passed {
    /// Whether a code, as its system writes it, passes all filters.
    ///
    /// # Errors
    /// 422 for a filter that the system does not understand; when the content cannot be read.
    pub fn passes(&mut self, system: &Arc<dyn CodeSystem>, filters: &[Filter], code: &str) -> Result<bool> {
        let is_it = |list: &List| Arc::ptr_eq(&list.system, system) && *list.filters == *filters;
        let at = self.lists.iter().position(is_it);
        let Some(list) = at.and_then(|at| self.lists.get_mut(at)) else {
            filters.iter().try_for_each(|filter| system.check(filter))?;
            if self.lists.len() < LISTS {
                let list = List { system: system.clone(), filters: filters.into(), questions: 1, codes: None };
                self.lists.push(list);
            }
            return system.passes(code, filters);
        };
        // expressions are in no list
        if is_composed(&system.about().url, code) {
            return system.passes(code, filters);
        }
        if let Some(codes) = &list.codes {
            return Ok(codes.contains(code));
        }
        list.questions += 1;
        if list.questions == QUESTIONS && system.about().enumerable {
            list.codes = listed(&**system, filters, CODES - self.codes)?;
            self.codes += list.codes.as_ref().map_or(0, HashSet::len);
        }
        match &list.codes {
            Some(codes) => Ok(codes.contains(code)),
            None => system.passes(code, filters),
        }
    }
}

/// All codes that pass; none where they are more than so many, or cannot be listed.
fn listed(system: &dyn CodeSystem, filters: &[Filter], most: usize) -> Result<Option<HashSet<Box<str>>>> {
    let mut codes = HashSet::new();
    let mut is_whole = true;
    let query = Query { filters, ..Query::default() };
    let done = system.select(&query, &mut |concept| {
        is_whole = codes.len() < most;
        if !is_whole {
            return ControlFlow::Break(());
        }
        codes.insert(concept.code.clone());
        ControlFlow::Continue(())
    });
    match done {
        Ok(()) => Ok(is_whole.then_some(codes)),
        Err(fault) if fault.category() == Category::Unprocessable => Ok(None),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::super::filter::Op;
    use super::super::memory::Memory;
    use super::*;
    use crate::fhir::json::{Json, parse};

    #[test]
    fn a_list_says_what_the_system_says() {
        let codes: Vec<String> = (0..300).map(|n| format!(r#"{{"code":"c{n}"}}"#)).collect();
        let json = format!(
            r#"{{"resourceType":"CodeSystem","url":"http://x","status":"active","content":"complete","concept":[{}]}}"#,
            codes.join(",")
        );
        let json: Json = parse(json.as_bytes()).expect("JSON");
        let system: Arc<dyn CodeSystem> = Arc::new(Memory::new(&json));
        let filter = |value: &str| Filter { property: "code".into(), op: Op::Regex, value: value.into() };
        let mut passed = Passed::default();
        for filters in [vec![filter("c.*1")], vec![filter("c.*1"), filter("c2.*")], vec![filter("d")]] {
            for n in 0..310 {
                let code = format!("c{n}");
                let found = passed.passes(&system, &filters, &code).expect("an answer");
                assert_eq!(found, system.passes(&code, &filters).expect("an answer"), "{code} {filters:?}");
            }
        }
        let sizes = passed.lists.iter().map(|list| list.codes.as_ref().map(HashSet::len));
        assert_eq!(sizes.collect::<Vec<_>>(), [Some(30), Some(11), Some(0)]);
        // as much as there may be is known already
        let mut full = Passed { codes: CODES - 10, ..Passed::default() };
        let filters = [filter("c.*1")];
        for n in 0..100 {
            let code = format!("c{n}");
            assert_eq!(full.passes(&system, &filters, &code).expect("an answer"), code.ends_with('1'), "{code}");
        }
        assert!(full.lists[0].codes.is_none() && full.codes == CODES - 10);
    }
}
