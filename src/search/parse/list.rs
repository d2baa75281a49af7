//! `_list`: the entries of a List (FHIR R4 `search.html`, 3.1.1.4.22), by its id or by its function (`lifecycle.html`,
//! 2.2.6).

use std::sync::Arc;

use super::context::{Trouble, Work, bad, known_type, shown, tests, unsupported};
use crate::base::fault::Fault;
use crate::fhir::definitions::params::{SearchParam, search_param};
use crate::fhir::types::{ResourceId, ResourceKey, ResourceType};
use crate::search::query::{Clause, ReferenceTest, SystemTest, Test, TokenTest};

/// The codes of the lists with a function: those that `lifecycle.html` names, LOINC's problem list, and those of the
/// example codes that `List.code` is bound to.
const FUNCTIONS: [(&str, &[&str], &str); 4] = [
    ("$current-problems", &["46105-3", "11450-4"], "problems"),
    ("$current-medications", &["57828-6", "10160-0"], "medications"),
    ("$current-allergies", &["18716-1", "52472-8", "48765-2"], "allergies"),
    ("$current-drug-allergies", &["18716-1", "52472-8", "48765-2"], "allergies"),
];
const LOINC: &str = "http://loinc.org";
const USES: &str = "http://terminology.hl7.org/CodeSystem/list-example-use-codes";

/// The codes that Lists of a function have (`$current-problems`), as the values of a search.
///
/// # Errors
/// The reason, for what is no function.
pub fn codes_of_list(function: &str) -> Result<String, &'static str> {
    let found = FUNCTIONS.iter().find(|(name, ..)| *name == function || name.strip_prefix('$') == Some(function));
    let (_, codes, used) = found.ok_or(
        "the lists with a function are $current-problems, $current-medications, $current-allergies, $current-drug-allergies",
    )?;
    let of_loinc = codes.iter().map(|code| format!("{LOINC}|{code}"));
    Ok(of_loinc.chain([format!("{USES}|{used}")]).collect::<Vec<_>>().join(","))
}

/// The condition of a `_list`.
///
/// # Errors
/// 400 for a modifier, for what is no id, and for a function that is not known.
pub(super) fn list(work: &Work<'_>, modifier: Option<&str>, name: &str, text: &str) -> Result<Clause, Trouble> {
    if let Some(modifier) = modifier {
        return Err(unsupported(name, &format!("modifier \":{}\"", shown(modifier))).into());
    }
    if text.starts_with('$') {
        return Ok(current(name, text)?);
    }
    let lists = tests(work, name, text, |value| {
        ResourceId::parse(value).map_err(|_| "it is the id of a List: 1 to 64 letters, digits, `-` and `.`")
    })?;
    Ok(entries(name, Clause::Id(lists))?)
}

/// The entries of the Lists for which a condition holds.
fn entries(name: &str, lists: Clause) -> Result<Clause, Fault> {
    let source = known_type("List", name)?;
    Ok(Clause::Has { source, param: param(source, "item")?, clause: Box::new(lists) })
}

/// A parameter that the definitions have.
fn param(kind: ResourceType, code: &str) -> Result<Arc<SearchParam>, Fault> {
    search_param(kind, code).cloned().ok_or_else(|| Fault::internal(format!("{kind} has no search parameter {code}")))
}

fn token(system: Option<&str>, code: &str) -> Test {
    let system = system.map_or(SystemTest::Any, |system| SystemTest::Is(system.into()));
    Test::Token(TokenTest { system, code: Some(code.into()) })
}

/// The entries of the Lists of a function that are kept up to date (`List.mode` is `working`, its status `current`).
fn current(name: &str, text: &str) -> Result<Clause, Fault> {
    let Some((function, codes, used)) = FUNCTIONS.iter().find(|(function, ..)| *function == text) else {
        let known = FUNCTIONS.map(|(function, ..)| function).join(", ");
        return Err(bad(name, text, &format!("the lists with a function are {known}")));
    };
    let lists = known_type("List", name)?;
    let mut coded: Vec<Test> = codes.iter().map(|code| token(Some(LOINC), code)).collect();
    coded.push(token(Some(USES), used));
    let found = entries(
        name,
        Clause::All(vec![
            Clause::Param { param: param(lists, "code")?, tests: coded },
            Clause::Param { param: param(lists, "status")?, tests: vec![token(None, "current")] },
            Clause::Working,
        ]),
    )?;
    if *function != "$current-drug-allergies" {
        return Ok(found);
    }
    let allergies = known_type("AllergyIntolerance", name)?;
    let of_drugs = Clause::Param { param: param(allergies, "category")?, tests: vec![token(None, "medication")] };
    Ok(Clause::All(vec![found, of_drugs]))
}

/// Lists by their function are those of the patient that the search asks for: what it asks of `patient` or `subject`, or
/// its compartment, is asked of `List.subject` too.
pub(super) fn of_subject(clauses: &mut [Clause]) {
    let Some(subject) = ResourceType::find("List").and_then(|kind| param(kind, "subject").ok()) else { return };
    let asked: Vec<Clause> = clauses.iter().filter_map(|clause| of_lists(&subject, clause)).collect();
    if asked.is_empty() {
        return;
    }
    for clause in clauses {
        let found = match clause {
            Clause::All(parts) => parts.first_mut(),
            other => Some(other),
        };
        if let Some(Clause::Has { clause, .. }) = found
            && let Clause::All(lists) = clause.as_mut()
            && lists.contains(&Clause::Working)
        {
            lists.extend(asked.iter().cloned());
        }
    }
}

/// What a condition on a patient asks of the subject of a List.
fn of_lists(subject: &Arc<SearchParam>, clause: &Clause) -> Option<Clause> {
    let is_patient = |param: &SearchParam| matches!(&*param.code, "patient" | "subject");
    match clause {
        Clause::Param { param, tests } if is_patient(param) => {
            Some(Clause::Param { param: subject.clone(), tests: tests.clone() })
        }
        Clause::Chain { param, targets } if is_patient(param) => {
            let targets = targets.iter().filter(|(kind, _)| subject.targets.contains(kind)).cloned().collect();
            Some(Clause::Chain { param: subject.clone(), targets })
        }
        Clause::Compartment(ResourceKey { kind, id }) if kind.name() == "Patient" => {
            let test = ReferenceTest::Local { types: vec![*kind], id: id.clone() };
            Some(Clause::Param { param: subject.clone(), tests: vec![Test::Reference(test)] })
        }
        _ => None,
    }
}
