//! FHIR packages over HTTP, for administrators: `$packages`, `$package-load`, `$package-install`, `$package-remove`, `$package-activate`,
//! `$package-deactivate` (`docs/OPERATIONS.md`). FHIR R4 has no such operations.

use bytes::Bytes;

use super::call::{Answer, Call};
use super::offered::{Operation, PackageOperation};
use super::routes::Target;
use crate::base::fault::{Category, Fault, Result};
use crate::fhir::fhirpath::from_base64;
use crate::fhir::json::{Json, write};
use crate::repo::{Installed, LoadedPackage, UsedPackage};

/// The parameters of a URL.
const PARAMS: [&str; 3] = ["name", "version", "activate"];

/// What is asked.
#[derive(Debug, Default)]
struct Asked {
    name: Option<String>,
    version: Option<String>,
    activate: bool,
    content: Option<Bytes>,
}

/// Does one of the operations.
///
/// # Errors
/// 400 for parameters that are missing or wrong, and for what is no package; 403 for those who may not; 404 for an unknown package;
/// 409 for one that is in use.
pub async fn operation(call: &Call<'_>, what: PackageOperation, body: Option<&Json>) -> Result<Answer> {
    call.only(&PARAMS)?;
    if what == PackageOperation::List {
        return list(call).await;
    }
    let asked = Asked::read(call, body)?;
    if what == PackageOperation::Load {
        let content = asked.content.ok_or_else(|| required("npmContent, or the archive as the body"))?;
        return load(call, content, asked.activate).await;
    }
    let name = asked.name.as_deref().ok_or_else(|| required("name"))?;
    match what {
        PackageOperation::Install => return install(call, name, &asked).await,
        PackageOperation::Remove => {
            let version = asked.version.as_deref().ok_or_else(|| required("version"))?;
            call.session.remove_package(name, version).await?;
        }
        _ => {
            let is_active = what == PackageOperation::Activate;
            call.session.use_package(name, asked.version.as_deref(), is_active).await?;
        }
    }
    list(call).await
}

/// `$package-load` with the archive itself as the body.
///
/// # Errors
/// As [`operation`].
pub async fn upload(call: &Call<'_>, archive: Bytes) -> Result<Answer> {
    call.only(&PARAMS)?;
    load(call, archive, Asked::read(call, None)?.activate).await
}

/// Whether the body of a request is the archive of a package.
pub fn is_archive(target: &Target, content_type: Option<&str>) -> bool {
    let media = content_type.and_then(|text| text.split(';').next()).map(str::trim).unwrap_or_default();
    let known = [
        "application/gzip",
        "application/x-gzip",
        "application/octet-stream",
        "application/tar+gzip",
        "application/x-tgz",
    ];
    target.operation == Some(Operation::Packages(PackageOperation::Load))
        && known.iter().any(|known| media.eq_ignore_ascii_case(known))
}

async fn load(call: &Call<'_>, archive: Bytes, activate: bool) -> Result<Answer> {
    let loaded = call.session.load_package(archive).await?;
    Ok(answer(taken(call, &loaded, activate).await?))
}

/// Fetches a package, and what it needs.
async fn install(call: &Call<'_>, name: &str, asked: &Asked) -> Result<Answer> {
    let Installed { loaded, present, missing } = call.session.install_package(name, asked.version.as_deref()).await?;
    let mut parameters = Vec::new();
    // What a package needs is there before it is in use.
    for package in loaded.iter().rev() {
        let parts = taken(call, package, asked.activate).await?;
        parameters.push(Json::object([("name", Json::string("package")), ("part", Json::Array(parts))]));
    }
    parameters.reverse();
    parameters
        .extend(present.iter().map(|(name, version)| text("present", "valueString", &format!("{name}#{version}"))));
    parameters.extend(missing.iter().map(|reason| text("missing", "valueString", reason)));
    Ok(answer(parameters))
}

/// Takes a package that was loaded into use, if that is asked; what is told of it.
async fn taken(call: &Call<'_>, loaded: &LoadedPackage, activate: bool) -> Result<Vec<Json>> {
    let LoadedPackage { manifest, definitions, passed_over } = loaded;
    if activate {
        call.session.use_package(&manifest.name, Some(&manifest.version), true).await?;
    }
    let used = call.session.packages_in_use();
    let is_used = used.packages.iter().any(|used| used.packed.manifest.label() == manifest.label());
    let mut parts = vec![
        text("name", "valueString", &manifest.name),
        text("version", "valueString", &manifest.version),
        part("definitions", "valueInteger", Json::integer(i64::try_from(*definitions).unwrap_or(i64::MAX))),
        part("active", "valueBoolean", Json::Bool(activate || is_used)),
    ];
    parts.extend(passed_over.iter().map(|file| text("passedOver", "valueString", file)));
    Ok(parts)
}

/// Every package: whether it is in use, and what it needs and does not get.
async fn list(call: &Call<'_>) -> Result<Answer> {
    let (all, used) = (call.session.packages().await?, call.session.packages_in_use());
    let status = |used: &UsedPackage| {
        let replaced = used.needs.replaced.iter().map(|note| text("warning", "valueString", note));
        let missing = used.needs.missing.iter().map(|name| text("missing", "valueString", name));
        replaced.chain(missing).collect::<Vec<_>>()
    };
    let packages = all.iter().map(|(name, version)| {
        let found = used
            .packages
            .iter()
            .find(|used| used.packed.manifest.name == *name && used.packed.manifest.version == *version);
        let mut parts = vec![
            text("name", "valueString", name),
            text("version", "valueString", version),
            part("active", "valueBoolean", Json::Bool(found.is_some())),
        ];
        parts.extend(found.into_iter().flat_map(status));
        Json::object([("name", Json::string("package")), ("part", Json::Array(parts))])
    });
    let absent = used.absent.iter().map(|label| text("absent", "valueString", label));
    Ok(answer(packages.chain(absent).collect()))
}

fn answer(parameters: Vec<Json>) -> Answer {
    let mut json = Json::object([("resourceType", Json::string("Parameters"))]);
    if let Some(object) = json.as_object_mut().filter(|_| !parameters.is_empty()) {
        object.set("parameter", Json::Array(parameters));
    }
    let mut out = Vec::new();
    write(&json, &mut out);
    Answer::whole(out.into())
}

fn part(name: &'static str, kind: &'static str, value: Json) -> Json {
    Json::object([("name", Json::string(name)), (kind, value)])
}

fn text(name: &'static str, kind: &'static str, value: &str) -> Json {
    part(name, kind, Json::string(value))
}

fn required(what: &str) -> Fault {
    Fault::coded(Category::Invalid, "required", format!("what is missing: {what}"))
}

impl Asked {
    fn read(call: &Call<'_>, body: Option<&Json>) -> Result<Self> {
        let mut asked = Self::default();
        for (name, value) in &call.params.pairs {
            asked.set(name, value);
        }
        let Some(body) = body else { return Ok(asked) };
        if body.get("resourceType").and_then(Json::as_str) != Some("Parameters") {
            return Err(Fault::invalid("the body is Parameters, or the archive of a package (application/gzip)"));
        }
        let parameters = body.get("parameter").and_then(Json::as_array).unwrap_or_default();
        for (at, parameter) in parameters.iter().enumerate() {
            let name = parameter.get("name").and_then(Json::as_str).unwrap_or_default();
            let value = |form: &str| parameter.get(form).and_then(Json::as_str);
            if name == "npmContent" {
                let wrong =
                    || Fault::invalid("npmContent is a valueBase64Binary").at(format!("Parameters.parameter[{at}]"));
                let data: String = value("valueBase64Binary").ok_or_else(wrong)?.split_ascii_whitespace().collect();
                asked.content = Some(from_base64(&data).ok_or_else(wrong)?.into());
            } else if let Some(text) =
                ["valueString", "valueCode", "valueUri", "valueId"].iter().find_map(|form| value(form))
            {
                asked.set(name, text);
            } else if name == "activate" {
                asked.activate = parameter.get("valueBoolean").and_then(Json::as_bool).unwrap_or(false);
            }
        }
        Ok(asked)
    }

    fn set(&mut self, name: &str, value: &str) {
        match name {
            "name" => self.name = Some(value.to_owned()),
            "version" => self.version = Some(value.to_owned()),
            "activate" => self.activate = value == "true",
            _ => {}
        }
    }
}
