//! Search parameters (FHIR R4 `searchparameter.html`): what one is, and the 1375 of the official definitions.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use super::format::ParamRow;
use super::tables;
use crate::fhir::types::ResourceType;

/// Which search parameter: its number among the official ones, or a hash of all that decides about the values of
/// another one. So a definition that yields other values is another parameter, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamId(pub u64);

impl ParamId {
    /// Set in the ids of all but the official ones.
    const ADDED: u64 = 1 << 63;

    /// The id of a parameter that is none of the official ones.
    pub fn added(hash: u64) -> Self {
        Self(hash | Self::ADDED)
    }

    /// Whether it is none of the official ones.
    pub fn is_added(self) -> bool {
        self.0 & Self::ADDED != 0
    }

    /// The official parameter with this number.
    pub fn official(self) -> Option<&'static Arc<SearchParam>> {
        usize::try_from(self.0).ok().and_then(|number| ALL.get(number))
    }
}

/// The type of a search parameter (value set `search-param-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParamKind {
    /// `number`
    Number,
    /// `date`
    Date,
    /// `string`
    String,
    /// `token`
    Token,
    /// `reference`
    Reference,
    /// `composite`
    Composite,
    /// `quantity`
    Quantity,
    /// `uri`
    Uri,
    /// `special`
    Special,
}

/// One component of a composite parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The parameter that says how the component is searched.
    pub param: Arc<SearchParam>,
    /// FHIRPath, relative to what the composite's own expression yields.
    pub expression: Cow<'static, str>,
}

/// What a definition restricts, and what it says of itself. The official ones restrict nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// `description`
    pub description: Box<str>,
    /// Whether commas are allowed.
    pub multiple_or: bool,
    /// Whether it may be repeated.
    pub multiple_and: bool,
    /// The prefixes that are allowed; empty: all.
    pub comparators: Vec<Box<str>>,
    /// The modifiers that are allowed, as `SearchParameter.modifier` names them; empty: all.
    pub modifiers: Vec<Box<str>>,
    /// The parameters that may be chained to it; empty: all.
    pub chain: Vec<Box<str>>,
}

/// A search parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchParam {
    /// Its number.
    pub id: ParamId,
    /// Its name in a search, such as `birthdate`.
    pub code: Cow<'static, str>,
    /// Its canonical URL.
    pub url: Cow<'static, str>,
    /// Its type.
    pub kind: ParamKind,
    /// The resource types it applies to; for parameters on Resource or DomainResource all of them.
    pub base: Vec<ResourceType>,
    /// FHIRPath of the values; absent for `_text`, `_content`, `_query` and their like.
    pub expression: Option<Cow<'static, str>>,
    /// Allowed targets of a reference; empty when the definition names none (any).
    pub targets: Vec<ResourceType>,
    /// Components of a composite.
    pub components: Vec<Component>,
    /// Of those that are not official.
    pub details: Option<Box<Details>>,
}

static ALL: LazyLock<Vec<Arc<SearchParam>>> = LazyLock::new(|| {
    let rows = tables::rows().params;
    let parts: Vec<_> = rows.iter().map(|row| row.components.clone()).collect();
    let plain: Vec<_> =
        rows.into_iter().enumerate().map(|(n, row)| Arc::new(SearchParam::new(n as u64, row))).collect();
    let whole = |(param, parts): (&Arc<SearchParam>, Vec<(u16, &'static str)>)| {
        if parts.is_empty() {
            return param.clone();
        }
        // No component is a composite, so what the components say is whole already.
        let component = |(n, text)| Component { param: plain[usize::from(n)].clone(), expression: Cow::Borrowed(text) };
        let components = parts.into_iter().map(component).collect();
        Arc::new(SearchParam { components, ..SearchParam::clone(param) })
    };
    plain.iter().zip(parts).map(whole).collect()
});

/// By the number of the resource type, sorted by code.
static BY_TYPE: LazyLock<Vec<Vec<&'static Arc<SearchParam>>>> = LazyLock::new(|| {
    let mut by_type = vec![Vec::new(); ResourceType::all().len()];
    for param in all_params() {
        param.base.iter().for_each(|kind| by_type[kind.index()].push(param));
    }
    by_type.iter_mut().for_each(|params| params.sort_unstable_by(|a, b| a.code.cmp(&b.code)));
    by_type
});

impl SearchParam {
    /// Without its components.
    fn new(number: u64, row: ParamRow<'static>) -> Self {
        let kinds = |numbers: Vec<u16>| numbers.into_iter().filter_map(|n| ResourceType::all().nth(n.into())).collect();
        Self {
            id: ParamId(number),
            code: row.code.into(),
            url: row.url.into(),
            kind: ParamKind::ALL[row.kind as usize],
            base: kinds(row.base),
            expression: (!row.expression.is_empty()).then(|| row.expression.into()),
            targets: kinds(row.targets),
            components: Vec::new(),
            details: None,
        }
    }
}

impl ParamKind {
    /// The kind with a code.
    pub fn find(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Its code in `search-param-type`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::String => "string",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Composite => "composite",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::Special => "special",
        }
    }

    /// All, in the order of the table.
    const ALL: [Self; 9] = [
        Self::Number,
        Self::Date,
        Self::String,
        Self::Token,
        Self::Reference,
        Self::Composite,
        Self::Quantity,
        Self::Uri,
        Self::Special,
    ];
}

/// All official search parameters; the index of one is its [`ParamId`].
pub fn all_params() -> &'static [Arc<SearchParam>] {
    &ALL
}

/// The official parameters of a resource type, those of Resource and DomainResource included, sorted by code.
pub fn search_params(kind: ResourceType) -> &'static [&'static Arc<SearchParam>] {
    &BY_TYPE[kind.index()]
}

/// The official parameter of a resource type with a code.
pub fn search_param(kind: ResourceType, code: &str) -> Option<&'static Arc<SearchParam>> {
    let params = search_params(kind);
    params.binary_search_by(|param| (*param.code).cmp(code)).ok().map(|at| params[at])
}

/// The expression of a parameter for one resource type; see [`branches_for`]. None also when it has no expression.
pub fn expression_for(kind: ResourceType, param: &SearchParam) -> Option<String> {
    branches_for(kind, param.expression.as_deref()?)
}

/// Of the branches of an expression (`A.x | B.y`) those that can apply to a resource type, which are those that begin
/// with its name, with `Resource` or `DomainResource`, or without any type. None when no branch applies.
pub fn branches_for(kind: ResourceType, expression: &str) -> Option<String> {
    let branches: Vec<&str> = branches(expression).filter(|branch| applies(kind, branch)).collect();
    (!branches.is_empty()).then(|| branches.join(" | "))
}

/// The operands of the unions at the top level: outside of parentheses, brackets and quotes.
fn branches(expression: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut quote, mut is_escaped) = (0_usize, None, false);
    let splits = move |c: char| {
        match (quote, c) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, '|') => return depth == 0,
            _ => {}
        }
        false
    };
    expression.split(splits).map(str::trim)
}

fn applies(kind: ResourceType, branch: &str) -> bool {
    let start = branch.trim_start_matches(['(', ' ']);
    let end = start.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(start.len());
    let first = &start[..end];
    first == kind.name() || matches!(first, "Resource" | "DomainResource") || ResourceType::find(first).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(kind: &str, code: &str) -> &'static Arc<SearchParam> {
        search_param(ResourceType::find(kind).expect(kind), code).expect(code)
    }

    fn expression(kind: &str, code: &str) -> String {
        expression_for(ResourceType::find(kind).expect(kind), find(kind, code)).expect(code)
    }

    #[test]
    fn all_are_there() {
        assert_eq!(all_params().len(), 1375);
        let without: Vec<&str> = all_params().iter().filter(|p| p.expression.is_none()).map(|p| &*p.code).collect();
        assert_eq!(without.len(), 3);
        assert!(["_text", "_content", "_query"].iter().all(|code| without.contains(code)));
        for (n, found) in all_params().iter().enumerate() {
            assert_eq!(found.id.0, n as u64);
            assert!(found.id.official().is_some_and(|same| Arc::ptr_eq(same, found)) && !found.id.is_added());
            assert!(!found.base.is_empty() && (found.kind == ParamKind::Composite) != found.components.is_empty());
        }
    }

    #[test]
    fn types_have_their_parameters_once_and_the_common_ones() {
        for kind in ResourceType::all() {
            let codes: Vec<&str> = search_params(kind).iter().map(|p| &*p.code).collect();
            assert!(codes.is_sorted_by(|a, b| a < b), "{kind}: {codes:?}");
            for code in ["_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "_content"] {
                assert!(search_param(kind, code).is_some(), "{kind} {code}");
            }
            for param in search_params(kind).iter().filter(|p| p.expression.is_some()) {
                assert!(expression_for(kind, param).is_some(), "{kind} {}", param.code);
            }
        }
        assert!(search_param(ResourceType::find("Bundle").expect("Bundle"), "_text").is_none());
        assert_eq!(find("Patient", "birthdate").kind, ParamKind::Date);
        assert_eq!(find("Patient", "_text").kind, ParamKind::String);
        assert_eq!(find("Location", "near").kind, ParamKind::Special);
        assert_eq!(find("RiskAssessment", "probability").kind, ParamKind::Number);
        assert_eq!(find("ValueSet", "url").kind, ParamKind::Uri);
        assert_eq!(find("Observation", "value-quantity").kind, ParamKind::Quantity);
    }

    #[test]
    fn the_branches_of_one_type() {
        assert_eq!(expression("CarePlan", "patient"), "CarePlan.subject.where(resolve() is Patient)");
        assert_eq!(
            expression("AllergyIntolerance", "code"),
            "AllergyIntolerance.code | AllergyIntolerance.reaction.substance"
        );
        assert_eq!(expression("Account", "_id"), "Resource.id");
        assert_eq!(expression("Observation", "combo-code"), "Observation.code | Observation.component.code");
        assert_eq!(expression("Bundle", "composition"), "Bundle.entry[0].resource.ofType(Composition)");
        let split: Vec<&str> = branches("a.where(b | c) | d = 'x|\\'|y' | e[1 | 2]").collect();
        assert_eq!(split, ["a.where(b | c)", "d = 'x|\\'|y'", "e[1 | 2]"]);
    }

    // The corrections of `build/corrections.rs`.

    #[test]
    fn dates_of_an_observation_are_of_the_fhir_type() {
        let param = find("Observation", "code-value-date");
        assert_eq!(param.components[1].expression, "value.ofType(dateTime) | value.ofType(Period)");
    }

    #[test]
    fn the_components_of_relationship_read_what_they_say() {
        let param = find("DocumentReference", "relationship");
        let shown: Vec<_> = param.components.iter().map(|c| (&*c.param.code, &*c.expression)).collect();
        assert_eq!(shown, [("relatesto", "target"), ("relation", "code")]);
    }

    #[test]
    fn patient_refers_to_patients() {
        for kind in ResourceType::all() {
            if let Some(param) = search_param(kind, "patient") {
                assert_eq!(param.targets, [ResourceType::find("Patient").expect("Patient")], "{kind}");
            }
        }
    }

    #[test]
    fn the_name_of_an_insurance_plan_has_its_type() {
        assert_eq!(expression("InsurancePlan", "name"), "InsurancePlan.name | InsurancePlan.alias");
    }

    #[test]
    fn items_are_filtered_by_type_not_cast() {
        for param in all_params() {
            let texts = param.expression.iter().chain(param.components.iter().map(|c| &c.expression));
            for text in texts {
                assert!(!text.contains(" as ") && !text.contains(".as("), "{}: {text}", param.url);
            }
        }
        assert_eq!(expression("Measure", "context"), "(Measure.useContext.value.ofType(CodeableConcept))");
        assert_eq!(
            expression("Condition", "onset-date"),
            "Condition.onset.ofType(dateTime) | Condition.onset.ofType(Period)"
        );
    }
}
