//! Vital signs: the profile that an Observation must conform to whatever it claims, by its LOINC code (FHIR R4
//! `observation-vitalsigns.html`, "Profile Details").

use crate::fhir::definitions::conformance::CORE;
use crate::fhir::definitions::names;
use crate::fhir::json::{Json, Object};

const LOINC: &str = "http://loinc.org";

/// The name of a profile, its code, and others.
type Row = (&'static str, &'static str, &'static [&'static str]);

/// The profiles, each with its own code and those of the same measurement by a method or at a site, which a thorough validation
/// takes for it too, as HL7's validator does. The first one that fits counts.
const VITAL_SIGNS: [Row; 10] = [
    ("vitalspanel", "85353-1", &[]),
    ("resprate", "9279-1", &["76170-0", "76172-6", "76171-8", "19840-8", "33438-3", "76270-8", "11291-2"]),
    (
        "heartrate",
        "8867-4",
        &[
            "60978-4", "73795-7", "73799-9", "76476-1", "76477-9", "8889-8", "8890-6", "8891-4", "8892-2", "8893-0",
            "40443-4", "55425-3", "68999-2", "11328-2", "69000-8", "8886-4",
        ],
    ),
    (
        "oxygensat",
        "2708-6",
        &["19224-5", "20564-1", "2709-4", "2710-2", "2713-6", "51733-4", "59408-5", "59417-6", "89276-0", "97549-0"],
    ),
    (
        "bodytemp",
        "8310-5",
        &[
            "60834-9", "60835-6", "60836-4", "60838-0", "60955-2", "61009-7", "75539-7", "75987-8", "76010-8",
            "76011-6", "76278-1", "8309-7", "8328-7", "8329-5", "8330-3", "8331-1", "8332-9", "8333-7", "8334-5",
            "91371-5", "98657-0", "98663-8",
        ],
    ),
    ("bodyheight", "8302-2", &["3137-7", "3138-5", "8306-3", "8308-9"]),
    ("headcircum", "9843-4", &["8287-5"]),
    ("bodyweight", "29463-7", &["3141-9", "3142-7", "75292-3", "79348-9", "8350-1", "8351-9"]),
    ("bmi", "39156-5", &["89270-3"]),
    ("bp", "85354-9", &["35094-2", "8459-0", "76534-7", "55284-4", "8480-6"]),
];

/// The profile that an Observation's code asks for.
pub fn implied(object: &Object, is_thorough: bool) -> Option<String> {
    let codings = object.get_known(names::CODE).and_then(|code| code.get("coding")).and_then(Json::as_array);
    let loinc = codings.unwrap_or_default().iter().filter(|coding| coding.text_known(names::SYSTEM) == Some(LOINC));
    let codes = || loinc.clone().filter_map(|coding| coding.text_known(names::CODE));
    let fits = |row: &&Row| codes().any(|code| code == row.1 || (is_thorough && row.2.contains(&code)));
    VITAL_SIGNS.iter().find(fits).map(|row| format!("{CORE}{}", row.0))
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Registry, validate};
    use crate::fhir::json::parse;

    #[test]
    fn codes_ask_for_profiles() {
        let errors = |code: &str, is_thorough: bool| {
            let text = format!(
                r#"{{"resourceType":"Observation","status":"final","subject":{{"display":"x"}},"effectiveDateTime":"2020-01-01",
                "category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}}]}}],
                "code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},
                "valueQuantity":{{"value":1,"unit":"x","system":"http://unitsofmeasure.org","code":"x"}}}}"#
            );
            let options = Options { by_meta: true, is_thorough, ..Options::default() };
            validate(Registry::core(), &parse(text.as_bytes()).expect("JSON"), &[], options).len()
        };
        assert_eq!((errors("9999-9", true), errors("3137-7", false)), (0, 0));
        // the unit, and the code that the profile asks for beside that of the method
        assert!(errors("8302-2", false) == 1 && errors("3137-7", true) == 2);
    }
}
