//! What must not be missing: every type of parameter with every modifier, prefix and form of value, each with so many
//! searches, of which some find a part of the resources.

use std::collections::BTreeMap;

/// All prefixes; `none` is none, which is `eq`.
pub const PREFIXES: [&str; 10] = ["none", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

const CODED: [&str; 4] = ["code", "system|code", "|code", "system|"];

/// The forms in which a type of parameter is searched.
pub fn forms(kind: &str) -> Vec<String> {
    let plain = |all: &[&str]| all.iter().map(|form| (*form).to_owned()).collect::<Vec<_>>();
    let with = |modifier: &str, all: &[&str]| all.iter().map(|form| format!("{modifier} {form}")).collect::<Vec<_>>();
    match kind {
        "string" => plain(&["starts", ":exact", ":contains", ":text", ":fuzzy"]),
        "token" => [plain(&CODED), with(":not", &CODED), plain(&[":text", ":of-type", ":below"])].concat(),
        "reference" => [
            plain(&["id", "Type/id", "absolute", "url", "canonical", "version"]),
            plain(&[":Type id", ":Type Type/id", ":below url", ":below canonical", ":below version"]),
            with(":identifier", &CODED),
        ]
        .concat(),
        "date" | "number" => plain(&PREFIXES),
        "quantity" => {
            let units = ["", " ||code", " system|code", " system|", " converted"];
            units.iter().flat_map(|unit| PREFIXES.map(|prefix| format!("{prefix}{unit}"))).collect()
        }
        "uri" => plain(&["whole", ":below", ":above"]),
        _ => plain(&["near"]),
    }
}

/// The components of composites that occur.
const COMPONENTS: [&str; 5] = ["token", "quantity", "date", "string", "reference"];

/// Searches of each class, and how many of them find some but not all.
#[derive(Debug, Default)]
pub struct Matrix(BTreeMap<String, [usize; 2]>);

impl Matrix {
    /// Counts a search. `is_telling`: it finds some of the resources of the type, not all.
    pub fn count(&mut self, classes: &[String], is_telling: bool) {
        for class in classes {
            let counts = self.0.entry(class.clone()).or_default();
            *counts = [counts[0] + 1, counts[1] + usize::from(is_telling)];
        }
    }

    /// Adds what another has counted.
    pub fn add(&mut self, other: &Self) {
        for (class, [all, telling]) in &other.0 {
            let counts = self.0.entry(class.clone()).or_default();
            *counts = [counts[0] + all, counts[1] + telling];
        }
    }

    /// All searches, and the telling ones.
    pub fn sums(&self) -> [usize; 2] {
        self.0.values().fold([0, 0], |sums, counts| [sums[0] + counts[0], sums[1] + counts[1]])
    }

    /// The classes with fewer searches than `least`, or fewer telling ones than `telling` (of composites: of each type of
    /// component, eight times as many in all).
    pub fn poor(&self, least: usize, telling: usize) -> Vec<String> {
        let mut wanted = Vec::new();
        for kind in ["string", "token", "reference", "date", "number", "quantity", "uri"] {
            wanted.extend(forms(kind).into_iter().map(|form| format!("{kind} {form}")));
            wanted.push(format!("{kind} :missing"));
        }
        wanted.push("special near".to_owned());
        for kind in COMPONENTS {
            let plain = forms(kind).into_iter().filter(|form| !form.starts_with(':'));
            // the references in composites are of resources, by type and id
            let plain = plain.filter(|form| kind != "reference" || form == "Type/id");
            wanted.extend(plain.map(|form| format!("composite {kind} {form}")));
        }
        let is_poor = |class: &String| {
            let [all, found] = self.0.get(class).copied().unwrap_or_default();
            all < least || found < telling && !class.starts_with("composite")
        };
        let poor = wanted.into_iter().filter(is_poor);
        let told = |class: String| format!("{class}: {:?}", self.0.get(&class).copied().unwrap_or_default());
        let mut poor: Vec<String> = poor.map(told).collect();
        for kind in COMPONENTS {
            let start = format!("composite {kind} ");
            let of = self.0.iter().filter(|(class, _)| class.starts_with(&start));
            let found: usize = of.map(|(_, [_, telling])| telling).sum();
            poor.extend((found < 8 * telling).then(|| format!("{start}: {found} telling")));
        }
        poor
    }
}

#[test]
fn what_is_missing_is_told() {
    let mut matrix = Matrix::default();
    matrix.count(&["date gt".to_owned()], true);
    assert!(matrix.poor(1, 1).len() > 150 && !matrix.poor(1, 1).iter().any(|class| class.starts_with("date gt")));
    assert!(matrix.poor(2, 1).contains(&"date gt: [1, 1]".to_owned()));
    assert_eq!((forms("quantity").len(), forms("token").len()), (50, 11));
}
