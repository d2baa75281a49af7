//! The laboratory: orders, specimens, results, reports.

use crate::cli::generate::chart::Chart;
use crate::cli::generate::code::{Code, LABORATORY, Unit, hl7, loinc, snomed, system, ucum};
use crate::cli::generate::directory::{DEPARTMENTS, ENDOCRINOLOGY, LABORATORY as LAB};
use crate::cli::generate::out::{Fixed, Target};
use crate::cli::generate::person::illness_index as has;
use crate::cli::generate::random::Uuid;
use crate::cli::generate::visit::{Measured, Subject, Visit, observation};

/// A test: what is measured, how much of it is normal, and how exactly it is told.
#[derive(Debug, Clone, Copy)]
struct Test {
    code: Code,
    unit: Unit,
    normal: (f64, f64),
    places: usize,
}

const fn test(code: &'static str, display: &'static str, unit: (&'static str, f64, f64), places: usize) -> Test {
    Test { code: loinc(code, display), unit: ucum(unit.0, unit.0), normal: (unit.1, unit.2), places }
}

const BLOOD_COUNT: &[Test] = &[
    test("6690-2", "Leukocytes [#/volume] in Blood by Automated count", ("10*3/uL", 4.0, 11.0), 1),
    test("789-8", "Erythrocytes [#/volume] in Blood by Automated count", ("10*6/uL", 4.1, 5.7), 2),
    test("718-7", "Hemoglobin [Mass/volume] in Blood", ("g/dL", 12.0, 16.5), 1),
    test("4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count", ("%", 36.0, 49.0), 1),
    test("787-2", "MCV [Entitic volume] by Automated count", ("fL", 80.0, 98.0), 1),
    test("777-3", "Platelets [#/volume] in Blood by Automated count", ("10*3/uL", 150.0, 400.0), 0),
];

const METABOLIC: &[Test] = &[
    test("6299-2", "Urea nitrogen [Mass/volume] in Blood", ("mg/dL", 7.0, 20.0), 1),
    test("49765-1", "Calcium [Mass/volume] in Blood", ("mg/dL", 8.5, 10.2), 2),
    test("2947-0", "Sodium [Moles/volume] in Blood", ("mmol/L", 136.0, 144.0), 0),
    test("6298-4", "Potassium [Moles/volume] in Blood", ("mmol/L", 3.7, 5.2), 2),
    test("2069-3", "Chloride [Moles/volume] in Blood", ("mmol/L", 101.0, 111.0), 0),
];

/// The results of one blood draw.
struct Draw<'v, 'c> {
    about: Subject<'v, 'c>,
    results: Vec<Uuid>,
}

fn draw<'v, 'c>(chart: &mut Chart, visit: &'v Visit<'c>) -> Draw<'v, 'c> {
    let taken = visit.start.plus(900);
    // The analyser in the laboratory keeps universal time; what the clinic enters by hand is local.
    let effective = if chart.random.chance(25) { taken.in_utc(0) } else { taken };
    Draw { about: Subject { visit, category: LABORATORY, effective }, results: Vec::new() }
}

impl Draw<'_, '_> {
    fn result(&mut self, chart: &mut Chart, test: Test, value: f64) {
        let measured = Measured { value: Fixed(value, test.places), unit: test.unit, normal: test.normal };
        let uuid = observation(chart, &self.about, &[test.code], |out| measured.write(out));
        self.results.push(uuid);
    }

    fn usual(&mut self, chart: &mut Chart, tests: &[Test]) {
        for test in tests {
            let (low, high) = test.normal;
            let value = chart.random.normal((low + high) / 2.0, (high - low) / 4.6);
            self.result(chart, *test, value.max(low * 0.3));
        }
    }

    /// Writes the DiagnosticReport of the results, with its ServiceRequest and Specimen.
    fn report(self, chart: &mut Chart, code: Code, conclusion: &str) {
        let visit = self.about.visit;
        let Chart { bundle, random, person, .. } = chart;
        let (order, specimen) = (random.uuid(), random.uuid());
        let accession = format!("L{:09}", random.bits() % 1_000_000_000);
        let subject = Target::Entry(person.uuid);
        bundle.create("ServiceRequest", order, |out| {
            out.texts("instantiatesUri", &["https://beacon.example.org/orders/laboratory"]);
            out.identifier(system::ACCESSION, &accession).text("status", "completed").text("intent", "order");
            out.text("priority", if random.chance(10) { "urgent" } else { "routine" }).concept("code", &[code]);
            out.reference("subject", subject, &person.display).reference("encounter", Target::Entry(visit.uuid), "");
            out.moment("authoredOn", visit.start);
            out.reference("requester", visit.physician.target(), &visit.physician.display);
        });
        bundle.create("Specimen", specimen, |out| {
            out.object("accessionIdentifier", |out| {
                out.text("system", system::ACCESSION).text("value", &accession);
            });
            out.text("status", "available").concept("type", &[snomed("122555007", "Venous blood specimen")]);
            out.reference("subject", subject, &person.display).moment("receivedTime", self.about.effective.plus(2400));
            out.references("request", Target::Entry(order), "").object("collection", |out| {
                out.moment("collectedDateTime", self.about.effective);
                out.quantity("quantity", Fixed(if random.chance(50) { 5.0 } else { 7.5 }, 1), ucum("mL", "mL"));
                out.concept("bodySite", &[snomed("368208006", "Left upper arm structure")]);
            });
        });
        bundle.create("DiagnosticReport", random.uuid(), |out| {
            out.narrative(conclusion).identifier(system::ACCESSION, &accession);
            out.references("basedOn", Target::Entry(order), "").text("status", "final");
            out.concepts("category", &[hl7("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "Laboratory")]);
            out.concept("code", &[code]).reference("subject", subject, &person.display);
            out.reference("encounter", Target::Entry(visit.uuid), "");
            out.period("effectivePeriod", Some(self.about.effective), Some(self.about.effective.plus(60)));
            out.moment("issued", self.about.effective.plus(7200).in_utc(random.between(0, 999)));
            out.references("performer", DEPARTMENTS[LAB].organization(), DEPARTMENTS[LAB].name);
            out.references("specimen", Target::Entry(specimen), "").array("result", |out| {
                for result in &self.results {
                    out.item(|out| {
                        out.reference_members(Target::Entry(*result), "");
                    });
                }
            });
            out.text("conclusion", conclusion);
        });
    }
}

/// Blood glucose, as mass or as amount of substance.
pub fn glucose(chart: &mut Chart, visit: &Visit) {
    let mut draw = draw(chart, visit);
    draw.glucose(chart);
}

impl Draw<'_, '_> {
    fn glucose(&mut self, chart: &mut Chart) {
        let day = self.about.visit.day;
        let value = 28.7 * chart.person.a1c(day) - 46.7 + chart.random.normal(0.0, 9.0);
        if chart.random.chance(35) {
            let test = test("15074-8", "Glucose [Moles/volume] in Blood", ("mmol/L", 3.9, 5.6), 1);
            self.result(chart, test, value / 18.016);
        } else {
            let places = chart.random.below(3) / 2;
            let test = test("2339-0", "Glucose [Mass/volume] in Blood", ("mg/dL", 70.0, 100.0), places);
            self.result(chart, test, value);
        }
    }

    fn a1c(&mut self, chart: &mut Chart) {
        let value = chart.person.a1c(self.about.visit.day) + chart.random.normal(0.0, 0.15);
        let test = test("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", ("%", 4.0, 5.6), 1);
        self.result(chart, test, value);
    }

    fn kidney(&mut self, chart: &mut Chart) {
        let day = self.about.visit.day;
        let creatinine = chart.person.creatinine(day) * chart.random.normal(1.0, 0.05);
        let age = chart.person.age(day);
        if chart.random.chance(30) {
            let test = test("14682-9", "Creatinine [Moles/volume] in Serum or Plasma", ("umol/L", 53.0, 106.0), 0);
            self.result(chart, test, creatinine * 88.42);
        } else {
            let test = test("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", ("mg/dL", 0.6, 1.2), 2);
            self.result(chart, test, creatinine);
        }
        let filtration = (118.0 - age * 0.5) * (0.9 / creatinine);
        let code = "33914-3";
        let display = "Glomerular filtration rate/1.73 sq M.predicted [Volume Rate/Area]";
        self.result(chart, test(code, display, ("mL/min/{1.73_m2}", 60.0, 120.0), 0), filtration.clamp(6.0, 130.0));
    }

    fn lipids(&mut self, chart: &mut Chart) {
        let total = chart.person.cholesterol(self.about.visit.day) + chart.random.normal(0.0, 9.0);
        let (triglycerides, hdl) = (chart.random.normal(128.0, 28.0).max(40.0), chart.random.normal(54.0, 8.0));
        let ldl = (total - hdl - triglycerides / 5.0).max(30.0);
        if chart.random.chance(25) {
            let test = test("14647-2", "Cholesterol [Moles/volume] in Serum or Plasma", ("mmol/L", 2.6, 5.2), 2);
            self.result(chart, test, total / 38.67);
        } else {
            let test = test("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", ("mg/dL", 100.0, 200.0), 0);
            self.result(chart, test, total);
        }
        let triglyceride = test("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", ("mg/dL", 40.0, 150.0), 0);
        self.result(chart, triglyceride, triglycerides);
        self.result(
            chart,
            test("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", ("mg/dL", 40.0, 90.0), 1),
            hdl,
        );
        let code = "18262-6";
        let display = "Cholesterol in LDL [Mass/volume] in Serum or Plasma by Direct assay";
        self.result(chart, test(code, display, ("mg/dL", 30.0, 130.0), 2), ldl);
    }

    /// C-reactive protein: below what the assay can tell, the value has a comparator.
    fn inflammation(&mut self, chart: &mut Chart) {
        let value = chart.random.normal(4.0, 4.0);
        let code = loinc("1988-5", "C reactive protein [Mass/volume] in Serum or Plasma");
        let uuid = observation(chart, &self.about, &[code], |out| {
            out.object("valueQuantity", |out| {
                if value < 0.5 {
                    out.bare("value", "0.5").text("comparator", "<");
                } else {
                    out.bare("value", Fixed(value, 1));
                }
                out.text("unit", "mg/L").text("system", "http://unitsofmeasure.org").text("code", "mg/L");
            });
        });
        self.results.push(uuid);
    }

    fn urine(&mut self, chart: &mut Chart) {
        let color = chart.random.word(&["Yellow", "Straw", "Amber", "Yellow, slightly cloudy"]);
        let uuid = observation(chart, &self.about, &[loinc("5778-6", "Color of Urine")], |out| {
            out.text("valueString", color);
        });
        self.results.push(uuid);
        let ketones = if chart.random.chance(90) { ("260385009", "Negative") } else { ("10828004", "Positive") };
        let code = loinc("2514-8", "Ketones [Presence] in Urine by Test strip");
        let uuid = observation(chart, &self.about, &[code], |out| {
            out.concept("valueCodeableConcept", &[snomed(ketones.0, ketones.1)]);
        });
        self.results.push(uuid);
    }
}

/// A blood count.
pub fn blood_count(chart: &mut Chart, visit: &Visit) {
    let mut draw = draw(chart, visit);
    if chart.random.chance(30) {
        // The same hemoglobin in another unit of mass concentration.
        let value = chart.random.normal(141.0, 9.0);
        draw.result(chart, test("718-7", "Hemoglobin [Mass/volume] in Blood", ("g/L", 120.0, 165.0), 0), value);
    } else {
        draw.usual(chart, BLOOD_COUNT);
    }
    draw.inflammation(chart);
    draw.report(chart, loinc("58410-2", "CBC panel - Blood by Automated count"), "Blood count reviewed");
}

/// The panels of an adult's yearly checkup.
pub fn yearly(chart: &mut Chart, visit: &Visit) {
    let mut metabolic = draw(chart, visit);
    metabolic.glucose(chart);
    metabolic.kidney(chart);
    metabolic.usual(chart, METABOLIC);
    metabolic.report(chart, loinc("51990-0", "Basic metabolic panel - Blood"), "Metabolic panel reviewed");
    if chart.random.chance(60) {
        let mut lipids = draw(chart, visit);
        lipids.lipids(chart);
        lipids.report(chart, loinc("57698-3", "Lipid panel with direct LDL - Serum or Plasma"), "Lipids reviewed");
    }
    if chart.random.chance(50) {
        blood_count(chart, visit);
    }
    if chart.random.chance(25) {
        let mut urine = draw(chart, visit);
        urine.urine(chart);
        urine.report(chart, loinc("24356-8", "Urinalysis complete panel - Urine"), "Urine reviewed");
    }
}

/// What is measured at a visit for a long illness.
pub fn follow_up(chart: &mut Chart, visit: &Visit, illness: usize) {
    let mut draw = draw(chart, visit);
    match illness {
        has::DIABETES => {
            draw.a1c(chart);
            draw.glucose(chart);
        }
        has::KIDNEY | has::HEART => draw.kidney(chart),
        has::LIPIDS => draw.lipids(chart),
        _ if visit.department == ENDOCRINOLOGY => {
            let value = chart.random.normal(2.4, 1.1).max(0.05);
            draw.result(
                chart,
                test("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", ("m[IU]/L", 0.4, 4.0), 3),
                value,
            );
        }
        _ => return,
    }
    draw.report(chart, loinc("11502-2", "Laboratory report"), "Results discussed with the patient");
}
