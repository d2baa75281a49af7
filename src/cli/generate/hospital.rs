//! The hospital and the clinic themselves: organizations, places, staff, services, devices.

use crate::cli::generate::booking;
use crate::cli::generate::code::{hl7, snomed, system};
use crate::cli::generate::directory::{DEPARTMENTS, Department, Directory, Staff};
use crate::cli::generate::names::{STREETS, TOWNS};
use crate::cli::generate::out::{Bundle, Fixed, Out, Target};
use crate::cli::generate::random::{Random, Uuid};
use crate::cli::generate::when::{Day, Zone};

/// The identifier of the hospital's Organization.
pub const HOSPITAL: &str = "hospital";
/// The identifier of the clinic's Organization.
pub const CLINIC: &str = "clinic";
/// The insurers: identifier and name.
pub const INSURERS: &[(&str, &str)] = &[
    ("payer-harbor", "Harbor Mutual"),
    ("payer-state", "State Health Plan"),
    ("payer-union", "Seafarers' Union Fund"),
];

const ORGANIZATION_TYPE: &str = "http://terminology.hl7.org/CodeSystem/organization-type";
const PLACE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/location-physical-type";
const ROLE_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";

/// The Bundle that is being written, and where its values come from.
struct Site<'a> {
    bundle: Bundle,
    random: Random,
    directory: &'a Directory,
    today: Day,
}

impl Site<'_> {
    /// Adds a resource that patients' records find by its identifier.
    fn shared(&mut self, kind: &str, identifier: (&str, &str), fill: impl FnOnce(&mut Out, &mut Random)) -> Uuid {
        let uuid = self.directory.uuid(kind, identifier.1);
        self.bundle.create_once(kind, uuid, identifier, |out| {
            out.identifier(identifier.0, identifier.1);
            fill(out, &mut self.random);
        });
        uuid
    }
}

/// The Bundle of everything that patients' records refer to.
pub fn bundle(seed: u64, today: Day, directory: &Directory) -> Bundle {
    let mut site = Site { bundle: Bundle::new(), random: Random::new(seed, 2, 0), directory, today };
    let hospital = organization(&mut site, HOSPITAL, "Beacon General Hospital", 0, None);
    let clinic = organization(&mut site, CLINIC, "Harbor Street Clinic", 1, None);
    for (key, name) in INSURERS {
        insurer(&mut site, key, name);
    }
    for department in DEPARTMENTS {
        let (parent, town) = if department.is_clinic { (clinic, 1) } else { (hospital, 0) };
        organization(&mut site, department.key, department.name, town, Some(parent));
        ward(&mut site, department);
        service(&mut site, department);
        devices(&mut site, department);
    }
    for staff in directory.staff() {
        practitioner(&mut site, staff);
        role(&mut site, staff);
    }
    booking::write(&mut site.bundle, &mut site.random, today, directory);
    site.bundle
}

fn organization(site: &mut Site, key: &str, name: &str, town: usize, parent: Option<Uuid>) -> Uuid {
    let (code, display) =
        if parent.is_some() { ("dept", "Hospital Department") } else { ("prov", "Healthcare Provider") };
    site.shared("Organization", (system::ORGANIZATION, key), |out, random| {
        let phone = format!("+1-555-{:03}-{:04}", random.below(1000), random.below(10_000));
        out.bare("active", true).concepts("type", &[hl7(ORGANIZATION_TYPE, code, display)]).text("name", name);
        telecom(out, &[("phone", &phone, "work"), ("url", "https://beacon.example.org", "work")]);
        out.one("address", |out| {
            address(out, "12 Lighthouse Avenue", town);
        });
        if let Some(parent) = parent {
            out.reference("partOf", Target::Entry(parent), "");
        }
    })
}

fn insurer(site: &mut Site, key: &str, name: &str) {
    site.shared("Organization", (system::ORGANIZATION, key), |out, _| {
        out.bare("active", true).concepts("type", &[hl7(ORGANIZATION_TYPE, "pay", "Payer")]).text("name", name);
        out.texts("alias", &["The Fund"]);
    });
}

/// A department's Location with its rooms and beds.
fn ward(site: &mut Site, department: &Department) {
    let town = usize::from(department.is_clinic);
    let (_, _, _, latitude, longitude) = TOWNS[town];
    let organization = site.directory.here(department.organization());
    let uuid = site.shared("Location", (system::LOCATION, department.key), |out, _| {
        out.text("status", "active").text("name", department.name);
        out.text("mode", "instance").concepts("type", &[hl7(ROLE_CODE, "HU", "Hospital unit")]);
        out.object("address", |out| {
            address(out, "12 Lighthouse Avenue", town);
        });
        out.concept("physicalType", &[hl7(PLACE_TYPE, "wa", "Ward")]);
        out.object("position", |out| {
            out.bare("longitude", longitude).bare("latitude", latitude);
        });
        out.reference("managingOrganization", organization, department.name);
    });
    for room in 1..=3 {
        let room_uuid = place(site, &format!("{}-{room}", department.key), ("ro", "Room"), Target::Entry(uuid));
        for bed in ["A", "B"].iter().filter(|_| !department.is_clinic) {
            place(site, &format!("{}-{room}{bed}", department.key), ("bd", "Bed"), Target::Entry(room_uuid));
        }
    }
}

fn place(site: &mut Site, key: &str, kind: (&'static str, &'static str), parent: Target) -> Uuid {
    site.shared("Location", (system::LOCATION, key), |out, random| {
        out.text("status", if random.chance(90) { "active" } else { "suspended" });
        if kind.0 == "bd" {
            let (code, display) = if random.chance(60) { ("O", "Occupied") } else { ("U", "Unoccupied") };
            out.object("operationalStatus", |out| {
                out.coding(hl7("http://terminology.hl7.org/CodeSystem/v2-0116", code, display));
            });
        }
        out.text("name", &format!("{} {key}", kind.1)).text("mode", "instance");
        out.concept("physicalType", &[hl7(PLACE_TYPE, kind.0, kind.1)]).reference("partOf", parent, "");
    })
}

fn service(site: &mut Site, department: &Department) {
    let directory = site.directory;
    site.shared("HealthcareService", (system::SERVICE, department.key), |out, _| {
        out.bare("active", true);
        out.reference("providedBy", directory.here(department.organization()), department.name);
        out.concepts("specialty", &[department.specialty]);
        out.references("location", directory.here(department.location()), department.name);
        out.plain("name", format_args!("{} service", department.name));
        telecom(out, &[("email", "desk@beacon.example.org", "work")]);
        out.bare("appointmentRequired", department.is_clinic);
        let span = department.is_clinic.then_some(("08:00:00", "17:00:00"));
        out.one("availableTime", |out| hours(out, span));
    });
}

fn hours(out: &mut Out, span: Option<(&str, &str)>) {
    match span {
        Some((start, end)) => {
            out.texts("daysOfWeek", &["mon", "tue", "wed", "thu", "fri"]);
            out.text("availableStartTime", start).text("availableEndTime", end);
        }
        None => {
            out.texts("daysOfWeek", &["mon", "tue", "wed", "thu", "fri", "sat", "sun"]).bare("allDay", true);
        }
    }
}

/// Equipment with its unique device identification, and a metric of each monitor.
fn devices(site: &mut Site, department: &Department) {
    let kinds = [
        (snomed("43770009", "Sphygmomanometer"), "Tensio 4", "00884838012345"),
        (snomed("448703006", "Pulse oximeter"), "OxyClip", "00884838054321"),
        (snomed("182722004", "Infusion pump"), "Gutta 2", "07332414123459"),
    ];
    let (directory, today) = (site.directory, site.today);
    for (index, (kind, model, di)) in kinds.into_iter().enumerate() {
        let number = format!("{}-{}", department.key, index + 1);
        let uuid = site.shared("Device", (system::DEVICE, &number), |out, random| {
            let serial = format!("SN{:06}", random.below(1_000_000));
            out.one("udiCarrier", |out| {
                out.text("deviceIdentifier", di).text("issuer", "https://www.gs1.org/gtin");
                out.plain("carrierHRF", format_args!("(01){di}(21){serial}")).text("entryType", "barcode");
            });
            out.text("status", if random.chance(92) { "active" } else { "inactive" });
            let made = today.plus(-random.between(300, 3000)).at(0, Zone::UTC);
            out.text("manufacturer", "Cressida Instruments").moment("manufactureDate", made);
            out.text("serialNumber", &serial).one("deviceName", |out| {
                out.text("name", model).text("type", "model-name");
            });
            out.text("modelNumber", model).concept("type", &[kind]);
            out.reference("owner", directory.here(department.organization()), department.name);
            out.reference("location", directory.here(department.location()), department.name);
        });
        metric(site, uuid);
    }
}

fn metric(site: &mut Site, device: Uuid) {
    let calibrated = site.today.plus(-site.random.between(1, 200)).at(480, Zone::UTC);
    let uuid = site.random.uuid();
    site.bundle.create("DeviceMetric", uuid, |out| {
        out.concept("type", &[hl7("urn:iso:std:iso:11073:10101", "149530", "MDC_PULS_OXIM_PULS_RATE")]);
        out.concept("unit", &[hl7("http://unitsofmeasure.org", "/min", "")]);
        out.reference("source", Target::Entry(device), "").text("operationalStatus", "on");
        out.text("category", "measurement").one("calibration", |out| {
            out.text("type", "gain").text("state", "calibrated").moment("time", calibrated);
        });
    });
}

fn practitioner(site: &mut Site, staff: &Staff) {
    let today = site.today;
    site.shared("Practitioner", (system::STAFF, &staff.number), |out, random| {
        out.bare("active", random.chance(95)).one("name", |out| {
            out.text("use", "official").text("family", staff.family).texts("given", &[staff.given]);
            if !staff.is_nurse {
                out.texts("prefix", &["Dr."]).texts("suffix", &["MD"]);
            }
        });
        let email = format!("{}.{}@beacon.example.org", ascii(staff.family), staff.number.to_ascii_lowercase());
        telecom(out, &[("email", &email, "work"), ("phone", "+1-555-010-0199", "work")]);
        let line = format!("{} {}", random.between(1, 199), random.pick(STREETS));
        out.one("address", |out| address(out, &line, random.below(TOWNS.len())));
        out.text("gender", if staff.is_woman { "female" } else { "male" });
        out.plain("birthDate", today.plus(-random.between(28 * 365, 66 * 365)));
        let degree = if staff.is_nurse { ("BN", "Bachelor of Nursing") } else { ("MD", "Doctor of Medicine") };
        out.one("qualification", |out| {
            out.concept("code", &[hl7("http://terminology.hl7.org/CodeSystem/v2-0360", degree.0, degree.1)]);
        });
        out.concepts("communication", &[hl7("urn:ietf:bcp:47", random.word(&["en", "es", "fr", "de", "pt"]), "")]);
    });
}

fn role(site: &mut Site, staff: &Staff) {
    let department = &DEPARTMENTS[staff.department];
    let (directory, today) = (site.directory, site.today);
    site.shared("PractitionerRole", (system::ROLE, &staff.number), |out, random| {
        let left = random.chance(8);
        out.bare("active", !left).object("period", |out| {
            out.plain("start", today.plus(-random.between(100, 20 * 365)));
            if left {
                out.plain("end", today.plus(-30));
            }
        });
        out.reference("practitioner", directory.here(staff.target()), &staff.display);
        out.reference("organization", directory.here(department.organization()), department.name);
        let role = if staff.is_nurse { ("nurse", "Nurse") } else { ("doctor", "Doctor") };
        out.concepts("code", &[hl7("http://terminology.hl7.org/CodeSystem/practitioner-role", role.0, role.1)]);
        out.concepts("specialty", &[department.specialty]);
        out.references("location", directory.here(department.location()), department.name);
        out.references("healthcareService", directory.here(department.service()), department.name);
        out.one("availableTime", |out| hours(out, Some(("08:00:00", "16:30:00"))));
    });
}

/// The ASCII letters of a name in lower case, for addresses of e-mail.
pub fn ascii(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect()
}

/// A list of ContactPoints: system, value, use.
pub fn telecom(out: &mut Out, points: &[(&str, &str, &str)]) {
    out.array("telecom", |out| {
        for (system, value, used) in points {
            out.item(|out| {
                out.text("system", system).text("value", value).text("use", used);
            });
        }
    });
}

/// The members of an Address in one of the [`TOWNS`].
pub fn address(out: &mut Out, line: &str, town: usize) {
    let (city, state, postal_code, _, _) = TOWNS[town];
    out.texts("line", &[line]).text("city", city).text("state", state);
    out.text("postalCode", postal_code).text("country", "US");
}

/// The position of a home in its town, as the `geolocation` extension has it.
pub fn geolocation(out: &mut Out, random: &mut Random, town: usize) {
    let (_, _, _, latitude, longitude) = TOWNS[town];
    let (north, east) = (random.unit() * 0.08 - 0.04, random.unit() * 0.08 - 0.04);
    out.one("extension", |out| {
        out.text("url", "http://hl7.org/fhir/StructureDefinition/geolocation").array("extension", |out| {
            for (url, value) in [("latitude", latitude + north), ("longitude", longitude + east)] {
                out.item(|out| {
                    out.text("url", url).bare("valueDecimal", Fixed(value, 6));
                });
            }
        });
    });
}
