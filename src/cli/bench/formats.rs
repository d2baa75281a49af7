//! What a resource costs on its way through the server, without network and disk: reading and writing JSON and XML,
//! the structure checks, the search values. One thread, generated resources.

use std::time::{Duration, Instant};

use super::measure::median;
use super::report::Line;
use crate::base::fault::{Fault, Result};
use crate::base::limits::Limits;
use crate::cli::generate::Generator;
use crate::fhir::json::{self, Json};
use crate::fhir::resource::resource_type;
use crate::fhir::types::ResourceType;
use crate::fhir::validate::structure;
use crate::fhir::xml::{self, Layout};
use crate::search::extract::extract;

/// Patients whose resources are taken: about two thousand resources.
const PATIENTS: u64 = 8;

/// How long each thing is done again and again, each time.
const TIME: Duration = Duration::from_millis(500);

const BASE: &str = "http://localhost/fhir";

/// Resources in all their forms.
struct Sample {
    trees: Vec<(ResourceType, Json)>,
    json: Vec<Vec<u8>>,
    xml: Vec<String>,
}

/// Measures all of it, `runs` times each.
///
/// # Errors
/// 500 when the server does not read what the generator writes.
pub fn formats(generator: &Generator, runs: usize) -> Result<Vec<Line>> {
    let sample = Sample::of(generator)?;
    let megabytes = |bytes: usize| bytes as f64 / 1e6;
    let json = megabytes(sample.json.iter().map(Vec::len).sum());
    let xml = megabytes(sample.xml.iter().map(String::len).sum());
    let resources = sample.trees.len() as f64;
    let rate = |amount: f64, step: &dyn Fn(&Sample) -> Result<usize>| -> Result<f64> {
        let runs = (0..runs.max(1)).map(|_| per_second(amount, &|| step(&sample))).collect::<Result<_>>()?;
        Ok(median(runs))
    };
    let raw_json = rate(json, &raw_json)?;
    let raw_xml = rate(xml, &raw_xml)?;
    let write_json = rate(json, &write_json)?;
    Ok(vec![
        Line::new("read JSON", rate(json, &read_json)?, "MB/s").beside("serde_json's Value", raw_json),
        Line::new("read XML", rate(xml, &read_xml)?, "MB/s").beside("events of quick-xml", raw_xml),
        Line::new("write JSON", write_json, "MB/s"),
        Line::new("write XML", rate(xml, &write_xml)?, "MB/s").beside("write JSON", write_json),
        Line::new("check the structure", rate(resources, &check)?, "resources/s"),
        Line::new("extract search values", rate(resources, &values)?, "resources/s"),
    ])
}

impl Sample {
    fn of(generator: &Generator) -> Result<Self> {
        let mut sample = Self { trees: Vec::new(), json: Vec::new(), xml: Vec::new() };
        for number in 0..PATIENTS {
            let bundle = json::parse(&generator.patient(number).bytes)?;
            let entries = bundle.get("entry").and_then(Json::as_array).unwrap_or_default();
            for resource in entries.iter().filter_map(|entry| entry.get("resource")) {
                sample.add(resource)?;
            }
        }
        Ok(sample)
    }

    fn add(&mut self, resource: &Json) -> Result<()> {
        let (mut text, mut markup) = (Vec::new(), Vec::new());
        json::write(resource, &mut text);
        xml::write(resource, Layout::Compact, &mut markup)?;
        let markup = String::from_utf8(markup).map_err(|_| Fault::internal("the XML is not UTF-8"))?;
        self.trees.push((resource_type(resource)?, resource.clone()));
        self.json.push(text);
        self.xml.push(markup);
        Ok(())
    }
}

/// `amount` per second, where one call of `step` does `amount`.
fn per_second(amount: f64, step: &dyn Fn() -> Result<usize>) -> Result<f64> {
    step()?;
    let started = Instant::now();
    let mut rounds = 0.0;
    while started.elapsed() < TIME {
        std::hint::black_box(step()?);
        rounds += 1.0;
    }
    Ok(amount * rounds / started.elapsed().as_secs_f64())
}

fn read_json(sample: &Sample) -> Result<usize> {
    let sizes =
        sample.json.iter().map(|text| json::parse(text).map(|tree| tree.as_object().map_or(0, json::Object::len)));
    sizes.sum()
}

fn raw_json(sample: &Sample) -> Result<usize> {
    let parse = |text: &Vec<u8>| serde_json::from_slice::<serde_json::Value>(text);
    let sizes =
        sample.json.iter().map(|text| parse(text).map(|tree| tree.as_object().map_or(0, |object| object.len())));
    sizes.sum::<std::result::Result<_, _>>().map_err(|error| Fault::internal(format!("serde_json: {error}")))
}

fn write_json(sample: &Sample) -> Result<usize> {
    let mut out = Vec::new();
    for (_, tree) in &sample.trees {
        out.clear();
        json::write(tree, &mut out);
    }
    Ok(out.len())
}

fn read_xml(sample: &Sample) -> Result<usize> {
    let nesting = Limits::default().nesting;
    let parse = |text: &String| xml::parse(text.as_bytes(), nesting);
    sample.xml.iter().map(|text| parse(text).map(|tree| tree.as_object().map_or(0, json::Object::len))).sum()
}

fn raw_xml(sample: &Sample) -> Result<usize> {
    sample.xml.iter().map(|text| xml::baseline::elements(text)).sum()
}

fn write_xml(sample: &Sample) -> Result<usize> {
    let mut out = Vec::new();
    for (_, tree) in &sample.trees {
        out.clear();
        xml::write(tree, Layout::Compact, &mut out)?;
    }
    Ok(out.len())
}

fn check(sample: &Sample) -> Result<usize> {
    sample.trees.iter().map(|(_, tree)| structure(tree).map(|()| 1)).sum()
}

fn values(sample: &Sample) -> Result<usize> {
    Ok(sample.trees.iter().map(|(kind, tree)| extract(*kind, tree, BASE).values.len()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::generate::{Day, Depth};

    #[test]
    fn every_form_is_read_and_written() {
        let sample = Sample::of(&Generator::new(1, Day::of(2026, 11, 2), Depth::Visit)).unwrap();
        assert_eq!(sample.trees.len() as u64, 10 * PATIENTS);
        assert_eq!(read_json(&sample).unwrap(), read_xml(&sample).unwrap());
        assert_eq!(read_json(&sample).unwrap(), raw_json(&sample).unwrap());
        assert_eq!(check(&sample).unwrap(), sample.trees.len());
        assert!(raw_xml(&sample).unwrap() > values(&sample).unwrap());
    }
}
