//! Resources made for the edges of search: zones, open periods, precisions, units, pairs that must not be mixed.

use serde_json::{Value, json};

/// How many patients the edges belong to.
const PATIENTS: usize = 24;

/// Organizations: four at the top, the others one below the other.
const ORGANIZATIONS: usize = 12;

/// A collection of `(full url, resource)`, in an order in which references only look back.
pub fn resources() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    (0..ORGANIZATIONS).for_each(|n| all.push((url("org", n), organization(n))));
    for n in 0..PATIENTS {
        all.push((url("patient", n), patient(n)));
        all.push((url("visit", n), encounter(n)));
        (0..4).for_each(|k| all.push((url("weight", n * 10 + k), measured(n, k))));
        all.push((url("pressure", n), pressure(n)));
        all.push((url("answer", n), answer(n)));
        (0..2).for_each(|k| all.push((url("risk", n * 10 + k), risk(n, k))));
        all.push((url("values", n), value_set(n)));
        all.push((url("request", n), request(n)));
    }
    all
}

fn url(what: &str, n: usize) -> String {
    let kinds = ["org", "patient", "visit", "weight", "pressure", "answer", "risk", "values", "request"];
    let code = kinds.iter().position(|k| *k == what).unwrap();
    format!("urn:uuid:00000000-0000-4000-8000-{code:04}{n:08}")
}

fn organization(n: usize) -> Value {
    let names = ["Ängelholms sjukhus", "Clínica San José", "École de médecine", "Straße 7 Praxis"];
    let mut organization = json!({"resourceType": "Organization", "name": format!("{}{}", names[n % 4], ["", " 2", " 3"][n / 4]), "alias": [format!("Edge House {n}")],
        "identifier": [{"system": "http://example.org/org", "value": format!("ORG-{n}")}],
        "address": [{"city": (["Malmö", "Bogotá", "Orléans", "Gießen"][n % 4])}],
        "type": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/organization-type", "code": if n % 4 < 2 { "prov" } else { "dept" }}]}]});
    if n >= 4 {
        organization["partOf"] = json!({"reference": url("org", n - 4 + usize::from(n == 8))});
    }
    organization
}

fn patient(n: usize) -> Value {
    let family =
        ["Müller", "Muller", "MULLER-Lüdenscheidt", "Nuñez", "O'Brien", "de la Cruz", "Ågren", "van den Berg"][n % 8];
    let given = ["Zoë", "Zoe", "José María", "Jose", "Ana"][n % 5];
    let birth = ["1950", "1950-03", "1950-03-17", "1980-12-31", "1981", "1999-12", "2000-02-29"][n % 7];
    let mut patient = json!({"resourceType": "Patient", "name": [{"family": family, "given": [given, "Edge"], "prefix": ["Dr."]}],
        "birthDate": birth, "active": !n.is_multiple_of(3), "managingOrganization": {"reference": url("org", n % 4)},
        "identifier": [{"system": "http://example.org/mrn", "value": format!("E{n:03}")}, {"value": format!("bare-{}", n % 6)}],
        "telecom": [{"system": "phone", "value": format!("555-01{n:02}")}, {"system": "email", "value": format!("p{n}@example.org")}],
        "meta": {"tag": [{"system": "http://example.org/tag", "code": if n.is_multiple_of(2) { "even" } else { "odd" }}, {"code": format!("t{}", n % 5)}],
                 "profile": [format!("http://example.org/StructureDefinition/edge-{}", n % 6)]}});
    if !n.is_multiple_of(4) {
        patient["gender"] = json!((["male", "female", "other", "unknown"][n % 4]));
    }
    if n.is_multiple_of(3) {
        patient["deceasedDateTime"] =
            json!((["2020-05-01T23:30:00-05:00", "2020-05-02", "2020-05", "2020-05-02T04:30:00Z"][n / 3 % 4]));
    }
    patient
}

fn encounter(n: usize) -> Value {
    let (from, to) =
        (format!("2021-{:02}-10T22:00:00-04:00", n % 12 + 1), format!("2021-{:02}-11T01:30:00+02:00", n % 12 + 1));
    let period = match n % 4 {
        0 => json!({"start": from}),
        1 => json!({"end": to}),
        2 => json!({"start": "2021-02", "end": "2021-05-03"}),
        _ => json!({"start": format!("2021-{:02}-10", n % 12 + 1), "end": format!("2021-{:02}-12", n % 12 + 1)}),
    };
    json!({"resourceType": "Encounter", "status": (["finished", "planned", "in-progress"][n % 3]), "period": period,
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": if n.is_multiple_of(2) { "AMB" } else { "IMP" }},
        "subject": {"reference": url("patient", n)}, "serviceProvider": {"reference": url("org", n % ORGANIZATIONS)},
        "participant": [{"individual": {"display": "from elsewhere",
            "identifier": {"system": format!("http://example.org/staff/{}", n % 3), "value": format!("S{}", n % 7)}}}]})
}

/// Orders whose occurrence is a Timing: events, bounds, both, and bounds that are open.
fn request(n: usize) -> Value {
    let month = n % 12 + 1;
    let (first, last) = (format!("2022-{month:02}-05T23:30:00-02:00"), format!("2022-{month:02}-20"));
    let bounds = json!({"start": format!("2022-{month:02}"), "end": format!("2023-{month:02}-03T04:05:06.5Z")});
    let timing = match n % 6 {
        0 => json!({"event": [last, first]}),
        1 => json!({"event": [format!("2022-{month:02}")]}),
        2 => json!({"repeat": {"boundsPeriod": bounds, "frequency": 1, "period": 2, "periodUnit": "d"}}),
        3 => json!({"event": [format!("2021-{month:02}-01")], "repeat": {"boundsPeriod": bounds}}),
        4 => json!({"repeat": {"boundsPeriod": {"start": first}}}),
        _ => json!({"repeat": {"boundsPeriod": {"end": last}}}),
    };
    json!({"resourceType": "ServiceRequest", "status": (["active", "completed", "draft"][n % 3]), "intent": "order",
        "subject": {"reference": url("patient", n)}, "occurrenceTiming": timing})
}

/// The same dimension in several units and precisions, on dates in several zones and precisions.
fn measured(n: usize, k: usize) -> Value {
    let values = ["72.5", "72500", "72.50", "160", "159.8", "0.0725", "73", "7.3e1", "72.45", "72.55"];
    let units = ["kg", "g", "kg", "[lb_av]", "[lb_av]", "g", "kg", "kg", "kg", "kg"];
    let pick = (n * 4 + k) % values.len();
    let number: serde_json::Number = serde_json::from_str(values[pick]).unwrap();
    let dates = [
        "2022-03-01T00:30:00+02:00",
        "2022-02-28T23:30:00-01:00",
        "2022-03-01",
        "2022-03",
        "2022",
        "2022-02-28T22:30:00.250Z",
        "2022-03-01T23:59:59Z",
    ];
    let mut observation = json!({"resourceType": "Observation", "status": if k == 3 { "amended" } else { "final" },
        "code": {"coding": [{"system": "http://loinc.org", "code": (["29463-7", "3141-9"][k % 2]), "display": "Weight"}], "text": "Edge weight"},
        "subject": {"reference": url("patient", n)}, "encounter": {"reference": url("visit", n)},
        "identifier": [{"system": "http://example.org/obs", "value": format!("{n}-{k}")}],
        "valueQuantity": {"value": number, "unit": units[pick], "system": "http://unitsofmeasure.org", "code": units[pick]}});
    match (n + k) % 10 {
        9 => observation["effectiveTiming"] = json!({"event": ["2022-03-02T10:00:00Z", "2022-02-27"]}),
        7 => observation["effectivePeriod"] = json!({"start": "2022-02-15", "end": "2022-03-01T12:00:00Z"}),
        8 => observation["effectivePeriod"] = json!({"start": "2022-03-01T12:00:00+05:30"}),
        date => observation["effectiveDateTime"] = json!(dates[date]),
    }
    observation
}

/// Two components whose codes and values must stay together.
fn pressure(n: usize) -> Value {
    let part = |code: &str, value: usize| {
        json!({"code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "valueQuantity": {"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}})
    };
    let (upper, lower) = if n.is_multiple_of(2) { (120 + n, 80) } else { (80, 120 + n) };
    json!({"resourceType": "Observation", "status": "final", "subject": {"reference": url("patient", n)},
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]}, "effectiveDateTime": format!("2023-{:02}-05T10:00:00Z", n % 12 + 1),
        "component": [part("8480-6", upper), part("8462-4", lower)]})
}

/// Coded and written answers.
fn answer(n: usize) -> Value {
    let mut observation = json!({"resourceType": "Observation", "status": "final", "subject": {"reference": url("patient", n)},
        "code": {"coding": [{"system": "http://loinc.org", "code": (["72166-2", "11331-6", "5778-6"][n % 3])}]}});
    match n % 3 {
        0 => {
            observation["valueCodeableConcept"] = json!({"coding": [{"system": "http://snomed.info/sct", "code": (["266919005", "8517006", "77176002", "449868002", "428041000124106"][n / 3 % 5])}], "text": "Smoking Status"})
        }
        1 => observation["valueString"] = json!((["Crème brûlée", "creme", "Brulee, Crème", "CRÈME"][n / 3 % 4])),
        _ => {
            observation["valueDateTime"] =
                json!((["2019-01-01T00:00:00+01:00", "2018-12-31", "2019", "2019-01"][n / 3 % 4]))
        }
    }
    observation
}

fn risk(n: usize, k: usize) -> Value {
    let values =
        ["0.1", "0.10", "0.100", "0.15", "0.149", "0.25", "0.2", "0.5", "0.50", "0.95", "1", "0.05", "0.149999"];
    let number: serde_json::Number = serde_json::from_str(values[(n * 2 + k) % values.len()]).unwrap();
    let mut risk = json!({"resourceType": "RiskAssessment", "status": "final", "subject": {"reference": url("patient", n)},
        "identifier": [{"system": "http://example.org/risk", "value": format!("{n}-{k}")}],
        "occurrenceDateTime": format!("20{}-06-0{}", 10 + n, k + 1)});
    if !n.is_multiple_of(5) {
        let level = ["low", "moderate", "high"][(n + k) % 3];
        risk["prediction"] = json!([{"probabilityDecimal": number,
            "qualitativeRisk": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/risk-probability", "code": level}]}}]);
    }
    risk
}

fn value_set(n: usize) -> Value {
    let mut set = json!({"resourceType": "ValueSet", "status": (["draft", "active", "retired"][n % 3]), "name": format!("EdgeSet{n}"),
        "version": format!("{}.0", n % 4), "date": format!("20{:02}-0{}", n, n % 9 + 1)});
    if !n.is_multiple_of(6) {
        set["url"] = json!(format!("http://example.org/fhir/ValueSet/edge-{}", n / 2));
    }
    if n.is_multiple_of(2) {
        set["title"] = json!((["Größe", "Grosse Tabelle", "Taille", "größer"][n / 2 % 4]));
    }
    set
}
