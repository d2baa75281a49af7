//! How a value set is to be expanded, from the parameters of `$expand`.

use super::params::Params;
use super::version;
use crate::base::fault::Result;

/// How a value set is to be expanded.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// What was typed.
    pub filter: Option<String>,
    /// So many codes are left out at the beginning.
    pub offset: Option<usize>,
    /// Most codes of the answer; 0 asks for the total only.
    pub count: Option<usize>,
    /// Leaves inactive codes out.
    pub active_only: bool,
    /// Whether codes stand below others.
    pub nested: bool,
    /// Leaves abstract codes out.
    pub selectable_only: bool,
    /// Code systems to leave out, some in one version only.
    pub excluded: Vec<(Box<str>, Option<Box<str>>)>,
    /// Most codes that filters and whole code systems may select, where neither `count` nor a text makes them fewer.
    pub selected: Option<usize>,
}

/// Most codes that are selected for a client that does not ask for pages; what a value set lists is as long as it says.
const SELECTED: usize = 1000;

impl Wanted {
    /// From parameters.
    ///
    /// # Errors
    /// 400 for values of the wrong type.
    pub fn new(params: &Params) -> Result<Self> {
        let (offset, count) = (params.number("offset")?, params.number("count")?);
        let is_paged = offset.is_some_and(|offset| offset > 0) || count.is_some_and(|count| count > 0);
        let excluded = params.texts("exclude-system").map(version::split);
        Ok(Self {
            filter: params.text("filter")?.map(str::to_owned),
            offset,
            count,
            active_only: params.flag("activeOnly")?.unwrap_or(false),
            // paging is for flat expansions: a client that does not ask for a hierarchy gets pages
            nested: !params.flag("excludeNested")?.unwrap_or(is_paged),
            selectable_only: params.flag("excludeNotForUI")?.unwrap_or(false),
            selected: Some(SELECTED),
            excluded: excluded.map(|(url, version)| (url.into(), version.map(Into::into))).collect(),
        })
    }

    /// Whether the codes of a code system, or of a version of it, are not wanted.
    pub fn leaves_out(&self, url: &str, version: Option<&str>) -> bool {
        let mut of_url = self.excluded.iter().filter(|(excluded, _)| **excluded == *url);
        of_url.any(|(_, excluded)| excluded.is_none() || excluded.as_deref() == version)
    }
}
