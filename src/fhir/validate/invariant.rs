//! Invariants (FHIR R4 `conformance-rules.html#constraints`): FHIRPath, compiled at first use.

use std::fmt;
use std::sync::OnceLock;

use super::locations::{self, PLACES};
use crate::fhir::fhirpath::{self, Context, Expression, Node};
use crate::fhir::path::Path;
use crate::fhir::xml::{NarrativeRule, narrative_problem};

/// Those that the walk itself checks, for all resources and without FHIRPath.
const BY_THE_WALK: [&str; 5] = ["dom-2", "dom-3", "dom-4", "dom-5", "ref-1"];

/// One invariant.
pub struct Constraint {
    /// Its key, such as `pat-1`.
    pub key: Box<str>,
    /// Whether breaking it is an error, else a warning.
    pub is_error: bool,
    /// What it means, for people.
    pub human: Box<str>,
    /// The expression, as written.
    pub expression: Box<str>,
    check: OnceLock<Check>,
}

/// How it is checked.
enum Check {
    /// Elsewhere.
    ByTheWalk,
    /// The rules of narratives.
    Narrative,
    /// By its expression.
    Path(Box<Expression>),
    /// Not at all: its expression is not understood.
    Broken(Box<str>),
}

/// What came out of checking an invariant.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not hold.
    Fails,
    /// It could not be told, and why.
    Unknown(String),
}

impl Constraint {
    /// An invariant, not yet compiled.
    pub fn new(key: &str, is_error: bool, human: &str, expression: &str) -> Self {
        let check = OnceLock::new();
        Self { key: key.into(), is_error, human: human.into(), expression: expression.into(), check }
    }

    /// Why the expression is not understood, if it is not.
    pub fn broken(&self) -> Option<&str> {
        match self.check() {
            Check::Broken(why) => Some(why),
            _ => None,
        }
    }

    /// Whether it holds for the text of a narrative; none if it is not about one.
    pub fn of_narrative(&self, text: &str) -> Option<Outcome> {
        matches!(self.check(), Check::Narrative).then(|| narrative_holds(&self.key, text))
    }

    fn check(&self) -> &Check {
        self.check.get_or_init(|| match &*self.key {
            key if BY_THE_WALK.contains(&key) => Check::ByTheWalk,
            _ if &*self.expression == "htmlChecks()" => Check::Narrative,
            _ => match fhirpath::compile(corrected(&self.expression)) {
                Ok(expression) => Check::Path(Box::new(expression)),
                Err(fault) => Check::Broken(fault.message().into()),
            },
        })
    }

    /// The places of the elements that it is about; `path` is that of the node.
    pub fn places(&self, node: Node<'_>, path: &Path<'_>) -> Vec<String> {
        let known = locations::places(&self.key, node.json, path);
        match self.check() {
            Check::Path(expression) if known.is_empty() => fhirpath::places(expression.text(), node, path, PLACES),
            _ => known,
        }
    }

    /// Whether it holds for an element, and how many steps that took. What yields nothing does not hold.
    pub fn holds<'a>(&self, node: Node<'a>, context: &Context<'a>) -> (Outcome, u64) {
        let outcome = match self.check() {
            Check::ByTheWalk => Outcome::Holds,
            Check::Narrative => match node.json.as_str() {
                Some(text) => narrative_holds(&self.key, text),
                None => Outcome::Holds,
            },
            Check::Broken(why) => Outcome::Unknown(why.to_string()),
            Check::Path(expression) => {
                let (found, steps) = expression.eval_counted(node, context);
                let found = found.and_then(|items| fhirpath::boolean(&items, "an invariant"));
                let outcome = match found {
                    Ok(Some(true)) => Outcome::Holds,
                    Ok(_) => Outcome::Fails,
                    Err(fault) => Outcome::Unknown(fault.message().to_owned()),
                };
                return (outcome, steps);
            }
        };
        (outcome, 1)
    }
}

/// An expression that says what its text means. Packages copy the faults of R4's definitions, which are corrected as these are made
/// (`build/corrections.rs`).
fn corrected(expression: &str) -> &str {
    match expression {
        // a Period is no dateTime
        "($this as dateTime).toString().length() >= 8" => {
            "($this is dateTime).not() or hasValue().not() or toString().length() >= 8"
        }
        "offset.empty() or (when.exists() and ((when in ('C' | 'CM' | 'CD' | 'CV')).not()))" => {
            "offset.empty() or (when.exists() and when.where($this in ('C' | 'CM' | 'CD' | 'CV')).empty())"
        }
        "enableWhen.count() > 2 implies enableBehavior.exists()" => {
            "enableWhen.count() > 1 implies enableBehavior.exists()"
        }
        "operator = 'exists' implies (answer is Boolean)" => "operator = 'exists' implies (answer is boolean)",
        "probability is decimal implies (probability as decimal) <= 100" => {
            "probability.ofType(decimal).all($this <= 100)"
        }
        // without a unit, or in the same one of no system, the numbers tell; in units that do not compare nothing does
        "low.empty() or high.empty() or (low <= high)" => {
            "low.empty() or high.empty() or iif(low.code = high.code or (low.code.empty() and high.code.empty()), \
             low.value <= high.value, (low <= high).empty() or low <= high)"
        }
        "fullUrl.contains('/_history/').not()" => "fullUrl.empty() or fullUrl.contains('/_history/').not()",
        other => other,
    }
}

/// `htmlChecks()` stands for two rules: `txt-2` asks for content, any other key for the formatting.
fn narrative_holds(key: &str, text: &str) -> Outcome {
    let rule = if key == "txt-2" { NarrativeRule::Content } else { NarrativeRule::Formatting };
    let is_broken = narrative_problem(text).is_some_and(|problem| problem.rule == rule);
    if is_broken { Outcome::Fails } else { Outcome::Holds }
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.expression)
    }
}
