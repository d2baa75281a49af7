//! `$everything` (FHIR R4 `patient-operation-everything.html` and its like): a record as three lists, one after the other.
//!
//! First the resources that it is of (the patient), then the members of their compartments, each in the order of the log, and
//! last what these refer to: each resource once, whatever page it is on. The third list is a set of hashes that is
//! made anew for each page, out of the same snapshot; it costs one look into the columns of references per member.

use std::sync::Arc;

use tantivy::query::{BooleanQuery, Occur, Query as Compiled};
use tantivy::{Searcher, Term};

use super::compile_values::compile_tests;
use super::index::codec::{Documents, Form, ParamHash, Scope};
use super::index::combine::{all, all_of, any, term};
use super::index::error::failed;
use super::index::keyset::{InKeys, KeySet, Place};
use super::index::schema::terms_field;
use super::index::updated::Updated;
use super::joins::{self, collect};
use super::page::{count, page};
use super::query::{DateTest, Everything, Query, Test};
use super::rank::Rank;
use crate::base::fault::{Category, Fault, Result};
use crate::base::limits::Limits;
use crate::fhir::definitions::compartment::{Membership, members, membership};
use crate::fhir::definitions::params::{ParamKind, search_param, search_params};
use crate::fhir::types::ResourceType;

/// When care was given, by the type of its record. Types and elements without a value here are in every range.
const CARE: &[(&str, &[&str])] = &[
    ("Account", &["period"]),
    ("AdverseEvent", &["date"]),
    ("AllergyIntolerance", &["date"]),
    ("Appointment", &["date"]),
    ("AuditEvent", &["date"]),
    ("CarePlan", &["date"]),
    ("CareTeam", &["date"]),
    ("ChargeItem", &["occurrence"]),
    ("Claim", &["created"]),
    ("ClaimResponse", &["created"]),
    ("ClinicalImpression", &["date"]),
    ("Communication", &["sent", "received"]),
    ("CommunicationRequest", &["occurrence", "authored"]),
    ("Composition", &["date", "period"]),
    ("Condition", &["onset-date", "recorded-date"]),
    ("Consent", &["date"]),
    ("CoverageEligibilityRequest", &["created"]),
    ("CoverageEligibilityResponse", &["created"]),
    ("DetectedIssue", &["identified"]),
    ("DeviceRequest", &["event-date", "authored-on"]),
    ("DiagnosticReport", &["date"]),
    ("DocumentManifest", &["created"]),
    ("DocumentReference", &["date", "period"]),
    ("Encounter", &["date"]),
    ("EpisodeOfCare", &["date"]),
    ("ExplanationOfBenefit", &["created"]),
    ("FamilyMemberHistory", &["date"]),
    ("Flag", &["date"]),
    ("Goal", &["start-date", "target-date"]),
    ("ImagingStudy", &["started"]),
    ("Immunization", &["date"]),
    ("ImmunizationEvaluation", &["date"]),
    ("ImmunizationRecommendation", &["date"]),
    ("Invoice", &["date"]),
    ("List", &["date"]),
    ("MeasureReport", &["date", "period"]),
    ("Media", &["created"]),
    ("MedicationAdministration", &["effective-time"]),
    ("MedicationDispense", &["whenhandedover", "whenprepared"]),
    ("MedicationRequest", &["authoredon"]),
    ("MedicationStatement", &["effective"]),
    ("NutritionOrder", &["datetime"]),
    ("Observation", &["date"]),
    ("Procedure", &["date"]),
    ("Provenance", &["recorded"]),
    ("QuestionnaireResponse", &["authored"]),
    ("RequestGroup", &["authored"]),
    ("ResearchSubject", &["date"]),
    ("RiskAssessment", &["date"]),
    ("Schedule", &["date"]),
    ("ServiceRequest", &["occurrence", "authored"]),
    ("Specimen", &["collected"]),
    ("SupplyRequest", &["date"]),
    ("VisionPrescription", &["datewritten"]),
];

const PATIENT: &str = "Patient";

/// The members of the compartments of patients.
fn patients() -> &'static [Membership] {
    ResourceType::find(PATIENT).map_or(&[], members)
}

/// How often what supports a record is followed to what that refers to.
const ROUNDS: usize = 4;

/// Whose record it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subjects {
    /// The hashes of the resources that have compartments; `None`: all of their type.
    pub keys: Option<Vec<u64>>,
    /// What the operation was called on, where that is another resource (a Group).
    pub root: Option<u64>,
    /// Their type.
    pub kind: ResourceType,
}

/// A part of a record: pairs of Seq and hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Of the resources that it is of, and of members.
    pub matches: Vec<(i64, u64)>,
    /// Of what these refer to.
    pub supports: Vec<(i64, u64)>,
    /// How many resources of the first sort the record has.
    pub matched: u64,
    /// How many it has in all.
    pub all: u64,
}

/// The resources `offset..offset + limit` of a record.
///
/// # Errors
/// 400 `too-costly` for a record of too many resources; 500 when the index cannot be read.
pub fn part(
    searcher: &Searcher,
    query: &Query,
    asked: &Everything,
    subjects: &Subjects,
    (offset, limit): (usize, usize),
    limits: &Limits,
) -> Result<Part> {
    let mut record = Record { searcher, query, asked, bound: limits.join_keys, places: Vec::new() };
    record.places = record.places()?;
    let owners: KeySet = match &subjects.keys {
        Some(keys) => keys.iter().copied().collect(),
        None => record.collect(all_of(subjects.kind).as_ref(), Place::Own)?,
    };
    let mut roots = owners.clone();
    roots.extend(subjects.root);
    let (owners, roots) = (Arc::new(owners), Arc::new(roots));
    let members = without(record.members(subjects.kind, &owners, true)?, &roots);
    let supports = record.supports(subjects.kind, &owners, &roots, members.box_clone())?;
    let mut part = Part::default();
    let (mut skip, mut room) = (offset as u64, limit);
    let lists = [own(&roots), members, supports];
    for (at, list) in lists.into_iter().enumerate() {
        let list = record.shown(list);
        let total = count(searcher, list.as_ref())?;
        part.all += total;
        if at < 2 {
            part.matched += total;
        }
        if skip >= total || room == 0 {
            skip = skip.saturating_sub(total);
            continue;
        }
        let window = (usize::try_from(skip).unwrap_or(usize::MAX), room);
        let rows = page(searcher, list.as_ref(), &[], (&[], &Rank::default()), window)?.rows;
        (skip, room) = (0, room - rows.len().min(room));
        let into = if at < 2 { &mut part.matches } else { &mut part.supports };
        into.extend(rows);
    }
    Ok(part)
}

fn own(keys: &Arc<KeySet>) -> Box<dyn Compiled> {
    Box::new(InKeys { place: Place::Own, keys: keys.clone() })
}

fn without(query: Box<dyn Compiled>, keys: &Arc<KeySet>) -> Box<dyn Compiled> {
    Box::new(BooleanQuery::new(vec![(Occur::Must, query), (Occur::MustNot, own(keys))]))
}

struct Record<'a> {
    searcher: &'a Searcher,
    query: &'a Query,
    asked: &'a Everything,
    bound: usize,
    /// Where references are followed.
    places: Vec<Place>,
}

impl Record<'_> {
    fn collect(&self, query: &dyn Compiled, place: Place) -> Result<KeySet> {
        collect(self.searcher, query, place, self.bound).map_err(|fault| self.too_many(fault))
    }

    fn too_many(&self, fault: Fault) -> Fault {
        match fault.category() {
            Category::Invalid => {
                let message = format!("the record has more than {} resources: ask for that of fewer", self.bound);
                Fault::coded(Category::Invalid, "too-costly", message)
            }
            _ => fault,
        }
    }

    /// What is shown of a list: resources of the wanted types, changed since.
    fn shown(&self, list: Box<dyn Compiled>) -> Box<dyn Compiled> {
        let mut parts = vec![list];
        if self.asked.is_narrowed {
            parts.push(any(self.query.types.iter().map(|kind| all_of(*kind)).collect()));
        }
        if let Some(since) = self.asked.since {
            parts.push(Updated::query(&[since]));
        }
        all(parts)
    }

    /// The members of the compartments of some resources; in the range of care, where there is one.
    fn members(&self, kind: ResourceType, owners: &Arc<KeySet>, in_range: bool) -> Result<Box<dyn Compiled>> {
        let mut found = Vec::new();
        for member in ResourceType::all() {
            let refer = self.refer(kind, member, owners)?;
            if refer.is_empty() {
                continue;
            }
            let refer = any(refer);
            found.push(match self.care(member).filter(|_| in_range) {
                Some(care) => all(vec![refer, care?]),
                None => refer,
            });
        }
        Ok(any(found))
    }

    /// The resources of one type that belong to one of the owners: by the compartment, or, of a type without one, those of its
    /// family that refer to it; and whatever refers to an Encounter by an extension.
    fn refer(&self, kind: ResourceType, member: ResourceType, owners: &Arc<KeySet>) -> Result<Vec<Box<dyn Compiled>>> {
        let mut params: Vec<ParamHash> = Vec::new();
        if members(kind).is_empty() {
            let is_kin = member.name().starts_with(kind.name());
            let links = search_params(member).iter().filter(|param| is_kin && param.kind == ParamKind::Reference);
            params.extend(links.map(|param| ParamHash::of(member, param.id)));
        } else if let Some(membership) = membership(kind, member) {
            params.extend(membership.params.iter().map(|param| ParamHash::of(member, param.id)));
        }
        if kind.name() == "Encounter" {
            params.push(Documents::of(member).links());
        }
        let mut found: Vec<Box<dyn Compiled>> = Vec::new();
        for param in params {
            if self.has(param)? {
                found.push(Box::new(InKeys { place: Place::Target(param), keys: owners.clone() }));
            }
        }
        Ok(found)
    }

    /// Whether any document has a value of a parameter.
    fn has(&self, param: ParamHash) -> Result<bool> {
        let term = Term::from_field_bytes(terms_field(), &Scope::plain(param).head(Form::Present));
        Ok(self.searcher.doc_freq(&term).map_err(failed("count the documents of a term"))? > 0)
    }

    /// Documents of a type in the range of care; `None` where the type has no times, or there is no range.
    fn care(&self, kind: ResourceType) -> Option<Result<Box<dyn Compiled>>> {
        if self.asked.care.is_empty() {
            return None;
        }
        let codes = CARE.iter().find(|(name, _)| *name == kind.name()).map(|(_, codes)| *codes)?;
        let params: Vec<ParamHash> =
            codes.iter().filter_map(|code| Some(ParamHash::of(kind, search_param(kind, code)?.id))).collect();
        Some(in_range(kind, &params, &self.asked.care))
    }

    /// What the record refers to, and Provenance about it, without the record itself.
    fn supports(
        &self,
        kind: ResourceType,
        owners: &Arc<KeySet>,
        roots: &Arc<KeySet>,
        members: Box<dyn Compiled>,
    ) -> Result<Box<dyn Compiled>> {
        let mut record = self.collect(members.as_ref(), Place::Own)?;
        record.extend(roots.iter());
        let record = Arc::new(record);
        let mut found = self.targets(own(&record).as_ref())?;
        // What is supported is followed on, but not to the records of others.
        let mut current = found.clone();
        for _ in 0..ROUNDS {
            let beyond = self.beyond(Arc::new(current))?;
            let mut next = self.targets(own(&Arc::new(beyond)).as_ref())?;
            next.retain(|key| !found.contains(key) && !record.contains(key));
            let next = self.beyond(Arc::new(next))?;
            if next.is_empty() {
                break;
            }
            found.extend(next.iter());
            self.check(&found)?;
            current = next;
        }
        if let Some(provenance) = ResourceType::find("Provenance")
            && let Some(target) = search_param(provenance, "target")
        {
            let place = Place::Target(ParamHash::of(provenance, target.id));
            let about = InKeys { place, keys: record.clone() };
            found.extend(self.collect(&about, Place::Own)?);
        }
        let mut parts = vec![(Occur::Must, own(&Arc::new(found))), (Occur::MustNot, own(&record))];
        if kind.name() == PATIENT {
            parts.extend(self.records()?.into_iter().map(|record| (Occur::MustNot, record)));
        }
        if !self.asked.care.is_empty() {
            // What the range leaves out does not come back.
            parts.push((Occur::MustNot, self.members(kind, owners, false)?));
        }
        Ok(Box::new(BooleanQuery::new(parts)))
    }

    fn check(&self, keys: &KeySet) -> Result<()> {
        joins::check(keys, self.bound).map_err(|fault| self.too_many(fault))
    }

    /// Patients, and what belongs to their records: where it is not in this record, it is in that of another.
    fn records(&self) -> Result<Vec<Box<dyn Compiled>>> {
        let mut found = Vec::new();
        for membership in patients() {
            if membership.member.name() == PATIENT {
                found.push(all_of(membership.member));
                continue;
            }
            for param in membership.params.iter().map(|param| ParamHash::of(membership.member, param.id)) {
                if self.has(param)? {
                    found.push(term(&Scope::plain(param).head(Form::Present)));
                }
            }
        }
        Ok(found)
    }

    /// Those of some resources that are of types that no patient's record has.
    fn beyond(&self, keys: Arc<KeySet>) -> Result<KeySet> {
        if keys.is_empty() {
            return Ok(KeySet::default());
        }
        let inside = patients().iter().map(|membership| (Occur::MustNot, all_of(membership.member)));
        let parts = std::iter::once((Occur::Must, own(&keys))).chain(inside);
        self.collect(&BooleanQuery::new(parts.collect()), Place::Own)
    }

    /// What some documents refer to, in search parameters and elsewhere.
    fn targets(&self, documents: &dyn Compiled) -> Result<KeySet> {
        let found = joins::collect_all(self.searcher, documents, &self.places, self.bound);
        found.map_err(|fault| self.too_many(fault))
    }

    /// Where the resources of the index refer to others.
    fn places(&self) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        for kind in ResourceType::all() {
            if !self.has_documents(kind)? {
                continue;
            }
            let params = search_params(kind).iter().filter(|param| param.kind == ParamKind::Reference);
            for param in params.map(|param| ParamHash::of(kind, param.id)).chain([Documents::of(kind).links()]) {
                if self.has(param)? {
                    places.push(Place::Target(param));
                }
            }
        }
        Ok(places)
    }

    fn has_documents(&self, kind: ResourceType) -> Result<bool> {
        let term = Term::from_field_bytes(terms_field(), &Scope::plain(ParamHash::kind(kind)).head(Form::Kind));
        Ok(self.searcher.doc_freq(&term).map_err(failed("count the documents of a type"))? > 0)
    }
}

/// Documents with a time that passes all tests, and those without any.
fn in_range(kind: ResourceType, params: &[ParamHash], care: &[DateTest]) -> Result<Box<dyn Compiled>> {
    let mut parts = Vec::new();
    let mut undated = vec![(Occur::Must, all_of(kind))];
    for param in params {
        let tests = care.iter().map(|test| compile_tests(*param, &[Test::Date(*test)]));
        parts.push(all(tests.collect::<Result<_>>()?));
        undated.push((Occur::MustNot, term(&Scope::plain(*param).head(Form::Present))));
    }
    parts.push(Box::new(BooleanQuery::new(undated)));
    Ok(any(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_care_are_search_parameters() {
        let patient = ResourceType::find("Patient").expect("a type");
        for (name, codes) in CARE {
            let kind = ResourceType::find(name).expect(name);
            assert!(membership(patient, kind).is_some(), "{name} is in no compartment of a patient");
            for code in *codes {
                let param = search_param(kind, code).unwrap_or_else(|| panic!("{name} has no {code}"));
                assert_eq!(param.kind, ParamKind::Date, "{name} {code}");
            }
        }
        assert!(CARE.is_sorted_by_key(|(name, _)| *name));
    }
}
