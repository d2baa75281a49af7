//! ViewDefinitions: what compiles yields the same rows every time, in every form as many and with the same columns; what is
//! refused says where.

use cresset::base::clock::Timestamp;
use cresset::base::fault::Category;
use cresset::fhir::json::{Json, parse};
use cresset::fhir::views::{Row, TableWriter, TextFormat, View};
use serde_json::{Map, Value};

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p","active":true,"name":[{"use":"official","family":"a,\"b","given":["Ada","Be\nrta"]},
  {"use":"usual","given":["","x"]}],"birthDate":"1974-12-25","multipleBirthInteger":2,"telecom":[{"system":"phone","value":"1","rank":1}],
  "contact":[{"name":{"family":"c"},"telecom":[{"value":"2"},{"value":"3"}]}],"generalPractitioner":[{"reference":"Practitioner/1"}]}"##;

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"system":"http://s","code":"c"}],"text":"1"},
  "subject":{"reference":"Patient/p"},"effectiveDateTime":"2020-01-01T00:00:00Z","valueQuantity":{"value":1.50,"unit":"mg"},
  "component":[{"code":{"text":"a"},"valueString":"b"},{"code":{"text":"d"},"valueInteger":-1}]}"#;

const QUESTIONNAIRE: &str = r#"{"resourceType":"Questionnaire","id":"q","status":"active","item":[{"linkId":"1","type":"group","item":[
  {"linkId":"1.1","type":"string","item":[{"linkId":"1.1.1","type":"date"}]}]},{"linkId":"2","type":"display"}]}"#;

/// Laws of views.
pub fn view(data: &[u8]) -> bool {
    let Ok(definition) = parse(data) else { return false };
    let view = match View::compile(&definition, "ViewDefinition") {
        Ok(view) => view,
        Err(fault) => {
            assert_ne!(fault.category(), Category::Internal, "{fault}");
            let place = &fault.issues()[0].expression;
            assert!(place.iter().any(|place| place.starts_with("ViewDefinition")), "{fault}: {place:?}");
            assert!(fault.message().len() < 4096, "{} bytes", fault.message().len());
            return false;
        }
    };
    let resources = [PATIENT, OBSERVATION, QUESTIONNAIRE].map(|text| parse(text.as_bytes()).expect("JSON"));
    let none = without_rows(data).map(|text| View::compile(&parse(&text).expect("JSON"), "ViewDefinition"));
    for resource in &resources {
        let rows = of(&view, resource);
        assert_eq!(of(&view, resource), rows, "twice the same");
        if let Some(Ok(none)) = &none {
            let left = of(none, resource);
            assert!(left.as_ref().is_ok_and(Vec::is_empty) || left == rows, "no row meets the condition false");
        }
        let Ok(rows) = rows else { continue };
        assert!(rows.iter().all(|row| row.len() == view.columns().len()), "as many cells as columns");
        written(&view, &rows);
    }
    true
}

fn of(view: &View, resource: &Json) -> Result<Vec<Row>, String> {
    view.rows(resource, Timestamp(0)).map_err(|fault| {
        assert_ne!(fault.category(), Category::Internal, "{fault}");
        fault.message().to_owned()
    })
}

/// The same definition under a condition that nothing meets.
fn without_rows(data: &[u8]) -> Option<Vec<u8>> {
    let mut json: Value = serde_json::from_slice(data).ok()?;
    let root = json.as_object_mut()?;
    let never = serde_json::json!({"path": "false"});
    match root.get_mut("where") {
        None => drop(root.insert("where".to_owned(), Value::Array(vec![never]))),
        Some(Value::Array(all)) => all.insert(0, never),
        Some(_) => return None,
    }
    serde_json::to_vec(&json).ok()
}

/// All forms have the same rows.
fn written(view: &View, rows: &[Row]) {
    let names: Vec<&str> = view.columns().iter().map(|column| &*column.name).collect();
    let lines = text(view, TextFormat::NdJson, rows);
    let lines: Vec<Map<String, Value>> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect();
    let all: Vec<Map<String, Value>> =
        serde_json::from_str(&text(view, TextFormat::Json, rows)).expect("a list of objects");
    assert_eq!((all.len(), &all), (rows.len(), &lines));
    assert!(all.iter().all(|row| row.len() == names.len() && names.iter().all(|name| row.contains_key(*name))));
    let table = csv(&text(view, TextFormat::Csv { has_header: true }, rows));
    assert_eq!((table.len(), &table[0]), (rows.len() + 1, &names.iter().map(|name| (*name).to_owned()).collect()));
    assert!(table.iter().all(|record| record.len() == names.len()), "{table:?}");
    let mut file = Vec::new();
    let mut writer = TableWriter::new(None, view.columns(), &mut file).expect("a table");
    let done = rows.iter().try_for_each(|row| writer.row(row, &mut file)).and_then(|()| writer.end(&mut file));
    match done {
        Ok(()) => assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1")),
        Err(fault) => assert_ne!(fault.category(), Category::Internal, "{fault}"),
    }
}

fn text(view: &View, format: TextFormat, rows: &[Row]) -> String {
    let mut out = Vec::new();
    let mut writer = TableWriter::new(Some(format), view.columns(), &mut out).expect("a table");
    rows.iter().for_each(|row| writer.row(row, &mut out).expect("text takes every row"));
    writer.end(&mut out).expect("an end");
    String::from_utf8(out).expect("UTF-8")
}

/// A plain reading of RFC 4180.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => record.push(std::mem::take(&mut field)),
            '\n' if !is_quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            c => field.push(c),
        }
    }
    assert!(!is_quoted && field.is_empty() && record.is_empty(), "a table ends with its last line");
    records
}
