//! A document, or what a graph leads to, that grows by the resources that it needs and those that follow from them (FHIR R4 `documents.html`, 3.3.1).

use std::collections::HashSet;

use super::call::Call;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::document::{Mention, references, subject};
use crate::fhir::json::{Json, parse_stored};
use crate::fhir::types::ResourceKey;
use crate::search::kind::reference::version;

/// Most resources of a document.
pub const MOST: usize = 1000;

/// A document that grows.
#[derive(Debug)]
pub struct Document<'a> {
    call: &'a Call<'a>,
    seen: HashSet<(ResourceKey, Option<i64>)>,
    /// Keys and resources, the Composition first.
    pub entries: Vec<(ResourceKey, Json)>,
}

impl<'a> Document<'a> {
    /// An empty one.
    pub fn new(call: &'a Call<'a>) -> Self {
        Self { call, seen: HashSet::new(), entries: Vec::new() }
    }

    /// Adds a resource, or that version of it; whether it is new.
    ///
    /// # Errors
    /// 404 and 410 as for reads; 400 `too-costly` beyond the bound.
    pub async fn take(&mut self, key: &ResourceKey, version: Option<i64>) -> Result<bool> {
        if !self.seen.insert((key.clone(), version)) {
            return Ok(false);
        }
        let session = self.call.session;
        let stored = match version {
            Some(version) => session.vread(key, version).await?,
            None => session.read(key).await?,
        };
        // Named with and without its version it is still one.
        let is_there = !self.seen.insert((key.clone(), Some(stored.version))) && version.is_none();
        if is_there {
            return Ok(false);
        }
        self.seen.insert((key.clone(), None));
        if self.entries.len() >= MOST {
            let message = format!("there are more than {MOST} resources");
            return Err(Fault::coded(Category::Invalid, "too-costly", message));
        }
        self.entries.push((key.clone(), parse_stored(stored.body.as_deref().unwrap_or_default())?));
        Ok(true)
    }

    /// Adds what must be there.
    ///
    /// # Errors
    /// 422 with the place for what is not there; 400 `too-costly` beyond the bound.
    pub async fn needed(&mut self, mention: &Mention) -> Result<()> {
        let place = || mention.place.clone();
        let Some((key, version)) = version(&mention.text, &self.call.site.base) else {
            let shown: String = mention.text.chars().take(200).flat_map(char::escape_debug).collect();
            let message = format!("\"{shown}\" is no resource of this server, so the document cannot have it");
            return Err(Fault::coded(Category::Unprocessable, "not-found", message).at(place()));
        };
        match self.take(&key, version).await {
            Ok(_) => Ok(()),
            Err(fault) if matches!(fault.category(), Category::NotFound | Category::Gone) => {
                let message = format!("the document needs {key}: {}", fault.message());
                Err(Fault::coded(Category::Unprocessable, "not-found", message).at(place()))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Adds what the resources so far refer to, again and again, as far as it is there and of no other patient.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn follow(&mut self, composition: &Json) -> Result<()> {
        let base = &self.call.site.base.clone();
        let of = |json: &Json| subject(json).and_then(|text| version(text, base)).map(|(key, _)| key);
        let patient = of(composition);
        let mut at = 1;
        while at < self.entries.len() && self.entries.len() < MOST {
            // A Group has members who have nothing to do with it.
            let is_open = !matches!(self.entries[at].0.kind.name(), "Group" | "Composition");
            let texts = if is_open { references(&self.entries[at].1)? } else { Vec::new() };
            at += 1;
            for (key, version) in texts.iter().filter_map(|text| version(text, base)) {
                let is_closed =
                    matches!(key.kind.name(), "Composition" | "Bundle" | "Patient") && Some(&key) != patient.as_ref();
                if is_closed || self.entries.len() >= MOST {
                    continue;
                }
                let is_new = match self.take(&key, version).await {
                    Err(fault) if matches!(fault.category(), Category::NotFound | Category::Gone) => false,
                    other => other?,
                };
                let of_another = |json: &Json| {
                    of(json).is_some_and(|key| key.kind.name() == "Patient" && Some(&key) != patient.as_ref())
                };
                self.entries.pop_if(|(_, json)| is_new && of_another(&*json));
            }
        }
        Ok(())
    }
}
