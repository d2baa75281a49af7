//! Every function by its name, with what its arguments may be.

use super::{
    aggregates, boundaries, collections, components, conversion, encoding, existence, fhir, math, projection, services,
    strings, utility, views,
};
use crate::fhir::fhirpath::code::Run;

/// How an argument is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// As an expression.
    Plain,
    /// As a regular expression: compiled at once when it is a literal.
    Pattern,
    /// As the key of a sort: a `-` before it means descending.
    SortKey,
}

/// A function.
#[derive(Debug, Clone, Copy)]
pub enum Entry {
    /// Least and most arguments, how the first ones are compiled, and what runs.
    Function(usize, usize, Argument, Run),
    /// Its only argument is the name of a type, and it filters: `ofType`.
    OfType,
    /// As `ofType`, but of at most one item: `as`.
    As,
    /// Its only argument is the name of a type, and it tests: `is`.
    Is,
    /// `getReferenceKey`, whose argument is the name of a type, if there is one.
    ReferenceKey,
}

const fn plain(least: usize, most: usize, run: Run) -> Entry {
    Entry::Function(least, most, Argument::Plain, run)
}

/// The functions, sorted by name.
static FUNCTIONS: &[(&str, Entry)] = &[
    ("abs", plain(0, 0, math::abs)),
    ("aggregate", plain(1, 2, aggregates::aggregate)),
    ("all", plain(1, 1, existence::all)),
    ("allFalse", plain(0, 0, existence::all_false)),
    ("allTrue", plain(0, 0, existence::all_true)),
    ("anyFalse", plain(0, 0, existence::any_false)),
    ("anyTrue", plain(0, 0, existence::any_true)),
    ("as", Entry::As),
    ("avg", plain(0, 0, aggregates::avg)),
    ("ceiling", plain(0, 0, math::ceiling)),
    ("checkModifiers", plain(0, 64, fhir::check_modifiers)),
    ("children", plain(0, 0, projection::children)),
    ("coalesce", plain(1, 64, projection::coalesce)),
    ("combine", plain(1, 2, collections::combine)),
    ("comparable", plain(1, 1, boundaries::comparable)),
    ("conformsTo", plain(1, 1, services::conforms_to)),
    ("contains", plain(1, 1, strings::contains)),
    ("convertsToBoolean", plain(0, 0, conversion::converts_to_boolean)),
    ("convertsToDate", plain(0, 1, conversion::converts_to_date)),
    ("convertsToDateTime", plain(0, 1, conversion::converts_to_date_time)),
    ("convertsToDecimal", plain(0, 0, conversion::converts_to_decimal)),
    ("convertsToInteger", plain(0, 0, conversion::converts_to_integer)),
    ("convertsToLong", plain(0, 0, conversion::converts_to_integer)),
    ("convertsToQuantity", plain(0, 1, conversion::converts_to_quantity)),
    ("convertsToString", plain(0, 0, conversion::converts_to_string)),
    ("convertsToTime", plain(0, 0, conversion::converts_to_time)),
    ("count", plain(0, 0, existence::count)),
    ("dateOf", plain(0, 0, components::date_of)),
    ("dayOf", plain(0, 0, components::day_of)),
    ("decode", plain(1, 1, encoding::decode)),
    ("defineVariable", plain(1, 2, utility::define_variable)),
    ("descendants", plain(0, 0, projection::descendants)),
    ("difference", plain(2, 2, components::difference)),
    ("distinct", plain(0, 0, existence::distinct)),
    ("duration", plain(2, 2, components::duration)),
    ("elementDefinition", plain(0, 0, services::element_definition)),
    ("empty", plain(0, 0, existence::empty)),
    ("encode", plain(1, 1, encoding::encode)),
    ("endsWith", plain(1, 1, strings::ends_with)),
    ("escape", plain(1, 1, encoding::escape)),
    ("exclude", plain(1, 1, collections::exclude)),
    ("exists", plain(0, 1, existence::exists)),
    ("exp", plain(0, 0, math::exp)),
    ("extension", plain(1, 1, fhir::extension)),
    ("first", plain(0, 0, projection::first)),
    ("floor", plain(0, 0, math::floor)),
    ("getValue", plain(0, 0, fhir::get_value)),
    ("hasValue", plain(0, 0, fhir::has_value)),
    ("highBoundary", plain(0, 1, boundaries::high_boundary)),
    ("hourOf", plain(0, 0, components::hour_of)),
    ("htmlChecks", plain(0, 0, services::html_checks)),
    ("iif", plain(2, 3, projection::iif)),
    ("indexOf", plain(1, 1, strings::index_of)),
    ("intersect", plain(1, 1, collections::intersect)),
    ("is", Entry::Is),
    ("isDistinct", plain(0, 0, existence::is_distinct)),
    ("join", plain(0, 1, strings::join)),
    ("last", plain(0, 0, projection::last)),
    ("lastIndexOf", plain(1, 1, strings::last_index_of)),
    ("length", plain(0, 0, strings::length)),
    ("ln", plain(0, 0, math::ln)),
    ("log", plain(1, 1, math::log)),
    ("lowBoundary", plain(0, 1, boundaries::low_boundary)),
    ("lower", plain(0, 0, strings::lower)),
    ("matches", Entry::Function(1, 2, Argument::Pattern, strings::matches)),
    ("matchesFull", Entry::Function(1, 2, Argument::Pattern, strings::matches_full)),
    ("max", plain(0, 0, aggregates::max)),
    ("memberOf", plain(1, 1, services::member_of)),
    ("millisecondOf", plain(0, 0, components::millisecond_of)),
    ("min", plain(0, 0, aggregates::min)),
    ("minuteOf", plain(0, 0, components::minute_of)),
    ("monthOf", plain(0, 0, components::month_of)),
    ("not", plain(0, 0, existence::not)),
    ("now", plain(0, 0, utility::now)),
    ("ofType", Entry::OfType),
    ("power", plain(1, 1, math::power)),
    ("precision", plain(0, 0, boundaries::precision)),
    ("repeat", plain(1, 1, projection::repeat)),
    ("repeatAll", plain(1, 1, projection::repeat_all)),
    ("replace", plain(2, 2, strings::replace)),
    ("replaceMatches", Entry::Function(2, 3, Argument::Pattern, strings::replace_matches)),
    ("resolve", plain(0, 0, fhir::resolve)),
    ("round", plain(0, 1, math::round)),
    ("secondOf", plain(0, 0, components::second_of)),
    ("select", plain(1, 1, projection::select)),
    ("single", plain(0, 0, projection::single_item)),
    ("skip", plain(1, 1, projection::skip)),
    ("slice", plain(2, 2, services::slice)),
    ("sort", Entry::Function(0, 16, Argument::SortKey, projection::sort)),
    ("split", plain(1, 1, strings::split)),
    ("sqrt", plain(0, 0, math::sqrt)),
    ("startsWith", plain(1, 1, strings::starts_with)),
    ("subsetOf", plain(1, 1, existence::subset_of)),
    ("substring", plain(1, 2, strings::substring)),
    ("subsumedBy", plain(1, 1, services::subsumed_by)),
    ("subsumes", plain(1, 1, services::subsumes)),
    ("sum", plain(0, 0, aggregates::sum)),
    ("supersetOf", plain(1, 1, existence::superset_of)),
    ("tail", plain(0, 0, projection::tail)),
    ("take", plain(1, 1, projection::take)),
    ("timeOf", plain(0, 0, components::time_of)),
    ("timeOfDay", plain(0, 0, utility::time_of_day)),
    ("timezoneOffsetOf", plain(0, 0, components::offset_of)),
    ("toBoolean", plain(0, 0, conversion::to_boolean)),
    ("toChars", plain(0, 0, strings::to_chars)),
    ("toDate", plain(0, 1, conversion::to_date)),
    ("toDateTime", plain(0, 1, conversion::to_date_time)),
    ("toDecimal", plain(0, 0, conversion::to_decimal)),
    ("toInteger", plain(0, 0, conversion::to_integer)),
    ("toLong", plain(0, 0, conversion::to_integer)),
    ("toQuantity", plain(0, 1, conversion::to_quantity)),
    ("toString", plain(0, 0, conversion::to_string)),
    ("toTime", plain(0, 0, conversion::to_time)),
    ("today", plain(0, 0, utility::today)),
    ("trace", plain(1, 2, utility::trace)),
    ("trim", plain(0, 0, strings::trim)),
    ("truncate", plain(0, 0, math::truncate)),
    ("type", plain(0, 0, fhir::type_of)),
    ("unescape", plain(1, 1, encoding::unescape)),
    ("union", plain(1, 1, collections::union)),
    ("upper", plain(0, 0, strings::upper)),
    ("where", plain(1, 1, projection::filter)),
    ("yearOf", plain(0, 0, components::year_of)),
];

/// The function with a name.
pub fn find(name: &str) -> Option<Entry> {
    let at = FUNCTIONS.binary_search_by(|(known, _)| known.cmp(&name)).ok()?;
    Some(FUNCTIONS[at].1)
}

/// The function with a name that is there in views only, or is another one there (SQL on FHIR, "Required Additional
/// Functions").
pub fn find_of_view(name: &str) -> Option<Entry> {
    Some(match name {
        "getResourceKey" => plain(0, 0, views::resource_key),
        "getReferenceKey" => Entry::ReferenceKey,
        "join" => plain(0, 1, views::join),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_every_function_is_found() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(FUNCTIONS.iter().all(|(name, _)| find(name).is_some()));
    }
}
