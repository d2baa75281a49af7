//! FHIRPath: what compiles is evaluated within its bounds, always to the same, and a larger expression around it agrees.

use cresset::base::clock::Timestamp;
use cresset::base::fault::{Category, Fault};
use cresset::fhir::fhirpath::{Bounds, Context, Expression, Item, Node, compile};
use cresset::fhir::json::{Json, parse};

const BOUNDS: Bounds = Bounds { steps: 20_000, items: 2_000, text: 64 << 10 };

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p","active":true,
  "name":[{"use":"official","family":"Ångström","given":["Ada","Berta"]},{"use":"usual","given":["A. \n b"]}],
  "birthDate":"1974-12-25","_birthDate":{"id":"b","extension":[{"url":"http://x/time","valueDateTime":"1974-12-25T14:35:45-05:00"}]},
  "multipleBirthInteger":2,"contained":[{"resourceType":"Organization","id":"o","name":"Org"}],
  "managingOrganization":{"reference":"#o"},"generalPractitioner":[{"reference":"Practitioner/1"},{"display":"x"}]}"##;

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"system":"http://s","code":"c"}],"text":"1"},
  "effectivePeriod":{"start":"2020-01","end":"2020-02-03T04:05:06.789+14:00"},"issued":"2020-01-01T00:00:00Z",
  "valueQuantity":{"value":1.50,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"},
  "component":[{"code":{"text":"a"},"valueTime":"12:34:56"},{"code":{"text":"b"},"valueRange":{"low":{"value":-1e3}}}]}"#;

/// Laws of expressions.
pub fn fhirpath(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let expression = match compile(text) {
        Ok(expression) => expression,
        Err(fault) => {
            assert_eq!(fault.category(), Category::Invalid, "{fault}");
            assert!(fault.message().contains("(line "), "{fault}");
            return false;
        }
    };
    let around = |before: &str, after: &str| compile(&format!("{before}{text}\n{after}")).ok();
    let (bracketed, counted, exists, joined) =
        (around("(", ")"), around("(", ").count()"), around("(", ").exists()"), around("{} | (", ")"));
    for resource in [PATIENT, OBSERVATION] {
        let resource = parse(resource.as_bytes()).expect("JSON");
        let found = run(&expression, &resource);
        assert_eq!(run(&expression, &resource), found, "twice the same");
        let Ok(found) = found else { continue };
        assert!(found.len() <= BOUNDS.items, "{} items", found.len());
        let same = |other: &Option<Expression>, expected: &[String]| {
            if let Some(Ok(other)) = other.as_ref().map(|other| run(other, &resource)) {
                assert_eq!(other, expected);
            }
        };
        same(&bracketed, &found);
        same(&counted, &[format!("{:?}", Item::Integer(found.len() as i64))]);
        same(&exists, &[format!("{:?}", Item::Bool(!found.is_empty()))]);
        if let Some(Ok(set)) = joined.as_ref().map(|joined| run(joined, &resource)) {
            assert!(set.len() <= found.len() && set.is_empty() == found.is_empty(), "a union is a set");
        }
    }
    true
}

/// What an expression yields, item by item; a fault by its code.
fn run(expression: &Expression, resource: &Json) -> Result<Vec<String>, &'static str> {
    let node = Node::resource(resource);
    let now = Some(Timestamp(1_709_210_096_789_000));
    let context = Context { now, bounds: BOUNDS, ..Context::new(node) };
    let refused = |fault: Fault| {
        assert_eq!(fault.category(), Category::Invalid, "{fault}");
        fault.issues()[0].code
    };
    let items = expression.eval(node, &context).map_err(refused)?;
    Ok(items.iter().map(|item| format!("{item:?}")).collect())
}
