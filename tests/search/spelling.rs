//! Strings that are written another way than they are stored (3.1.1.4.8).

use super::evaluate::texts;
use super::paths::{Kind, param};
use super::plan::{Planner, one, word};

impl Planner<'_> {
    /// Punctuation that is left out or exchanged, and parts of family names.
    pub fn spellings(&mut self) {
        self.class("string with other punctuation", |p, turn| {
            let (param, value, _) = p.sample(Kind::String, turn)?;
            let text = p.pick(&texts(value))?.to_owned();
            let signs = ["-", "'", " ", ".", ""];
            let is_sign = |c: char| c.is_ascii_punctuation() || c == ' ';
            text.contains(is_sign).then_some(())?;
            let written = text.replace(is_sign, signs[turn % signs.len()]);
            let kept = !written.contains(',') && !written.trim().is_empty();
            kept.then(|| (param.owner, vec![one(param.code, ["", ":contains"][turn % 2], word(written.trim()))]))
        });
        self.class("part of a family name", |p, turn| {
            let param = param("Patient", ["family", "name"][turn % 2]);
            let (value, _) = p.value_of(param)?;
            let text = value.as_str().or_else(|| value["family"].as_str())?;
            let (_, later) = text.split_once([' ', '-', '\''])?;
            let cut: String = later.chars().take(3 + turn % 5).collect();
            (!cut.trim().is_empty()).then(|| (param.owner, vec![one(param.code, "", word(cut.trim()))]))
        });
    }
}
