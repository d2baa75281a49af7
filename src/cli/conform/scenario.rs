//! A scenario as it is written, and how it is read.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::base::fault::{Fault, Result};

/// Requests in their order, and what is expected of each answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows.
    pub title: String,
    /// The section of the specification, such as `http.html 3.1.0.8.1`.
    pub spec: String,
    /// Values with a name, beside `base`, `unique` and what steps save.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// The requests.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// One request and its answer. In every text `{{name}}` stands for a value and `{{a*65}}` for a text 65 times.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What it shows, when it fails.
    pub say: String,
    /// Method and path below the base, such as `GET Patient?name=x`; or an absolute URL, such as that of a link.
    pub request: String,
    /// Headers; `Content-Type` is `application/fhir+json` unless given.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Option<String>,
    /// How often the request is sent at the same time; every answer must pass. 1 unless given.
    #[serde(default = "once")]
    pub parallel: usize,
    /// The status, or several of which each will do.
    pub status: Statuses,
    /// Headers of the answer: regular expressions for their whole values; an empty one for a header that must be absent.
    #[serde(default)]
    pub answer: BTreeMap<String, String>,
    /// FHIRPath expressions over the answer's resource, each of which must be true.
    #[serde(default)]
    pub expect: Vec<String>,
    /// Regular expressions that the text of the answer must have in it.
    #[serde(default)]
    pub text: Vec<String>,
    /// Names, and the FHIRPath expressions over the answer's resource that give their values.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
    /// Names, and the headers of the answer that give their values.
    #[serde(default)]
    pub save_header: BTreeMap<String, String>,
}

fn once() -> usize {
    1
}

/// Which statuses will do.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Statuses {
    /// This one.
    One(u16),
    /// One of these.
    Several(Vec<u16>),
}

impl Statuses {
    /// Whether a status is one of them.
    pub fn has(&self, status: u16) -> bool {
        match self {
            Self::One(one) => *one == status,
            Self::Several(several) => several.contains(&status),
        }
    }
}

impl std::fmt::Display for Statuses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(one) => write!(f, "{one}"),
            Self::Several(several) => {
                let all: Vec<String> = several.iter().map(u16::to_string).collect();
                f.write_str(&all.join(" or "))
            }
        }
    }
}

/// Reads a scenario; `name` is for messages.
///
/// # Errors
/// 400 with line and column when it is not TOML, has an unknown field, or misses one.
pub fn read(name: &str, text: &str) -> Result<Scenario> {
    let scenario: Scenario = toml::from_str(text)
        .map_err(|error| Fault::invalid(format!("scenario {name}: {}", error.to_string().trim())))?;
    let idle = scenario.steps.iter().find(|step| !(1..=1000).contains(&step.parallel));
    match idle {
        Some(step) => Err(Fault::invalid(format!("scenario {name}: \"{}\": parallel is 1 to 1000", step.say))),
        None => Ok(scenario),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_misspelt_is_refused_with_its_place() {
        let text = "title = \"t\"\nspec = \"s\"\n[[step]]\nsay = \"x\"\nrequest = \"GET metadata\"\nstatus = 200\n";
        let scenario = read("a", text).expect("a scenario");
        assert!(scenario.steps[0].status.has(200) && !scenario.steps[0].status.has(201));
        let fault = read("a", &format!("{text}expects = []\n")).expect_err("an unknown field");
        assert!(fault.message().contains("line 7") && fault.message().contains("expects"), "{fault}");
        assert!(read("a", "title = \"t\"").is_err());
        assert!(read("a", &format!("{text}parallel = 0\n")).is_err());
    }
}
