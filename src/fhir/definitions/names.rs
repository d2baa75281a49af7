//! Every property name of the R4 definitions, numbered, those of primitives also with `_` in front.
//!
//! [`find`] is on the hottest path, every property of every resource that is read: a perfect hash and
//! one comparison. Each plain name has a constant, such as [`RESOURCE_TYPE`]; a name's number is valid
//! within the process only.

use super::format;

include!(concat!(env!("OUT_DIR"), "/names.rs"));

/// The number of a name.
#[inline]
pub fn find(name: &str) -> Option<u16> {
    let hash = format::hash(name);
    let number = TABLE[format::slot(hash, DISPLACEMENTS[format::bucket(hash)])];
    (ALL.get(number as usize) == Some(&name)).then_some(number)
}

/// The number of `_name` for that of `name`, and the reverse.
#[inline]
pub fn sibling(number: u16) -> Option<u16> {
    SIBLINGS.get(number as usize).copied().filter(|sibling| *sibling != format::NONE)
}

/// How many names begin with `_`; they stand before all others.
const SIBLINGS_LEN: u16 = {
    let mut len = 0;
    while len < ALL.len() && ALL[len].as_bytes()[0] == b'_' {
        len += 1;
    }
    len as u16
};

/// Whether the number is that of a `_name`.
#[inline]
pub const fn is_sibling(number: u16) -> bool {
    number < SIBLINGS_LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_nothing_else() {
        for (number, name) in ALL.iter().enumerate() {
            assert_eq!(find(name).map(usize::from), Some(number), "{name}");
            assert_eq!(find(&format!("{name}~")), None, "{name}");
        }
        assert!(ALL.is_sorted());
        for name in ["", "Name", "resourcetype", "valuestring", "_contact", "birthDat"] {
            assert_eq!(find(name), None, "{name}");
        }
        assert_eq!(ALL[RESOURCE_TYPE as usize], "resourceType");
        assert_eq!(ALL[VALUE_CODEABLE_CONCEPT as usize], "valueCodeableConcept");
    }

    #[test]
    fn siblings_are_mutual() {
        let number = find("_birthDate").expect("a sibling");
        assert_eq!(sibling(BIRTH_DATE), Some(number));
        assert_eq!(sibling(number), Some(BIRTH_DATE));
        assert_eq!(sibling(CONTACT), None);
        for (number, name) in ALL.iter().enumerate() {
            assert_eq!(is_sibling(number as u16), name.starts_with('_'), "{name}");
        }
    }
}
