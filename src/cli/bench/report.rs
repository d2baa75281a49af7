//! The result: lines with targets and baselines, as a table and as JSON.

use serde_json::json;

/// One measured number.
#[derive(Debug, Clone)]
pub struct Line {
    /// What was measured.
    pub what: String,
    /// Resources in the store, where that matters.
    pub size: Option<u64>,
    /// The number.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What the requirements ask for.
    pub target: Option<Target>,
    /// A raw baseline of the same run: what it is, and its number.
    pub baseline: Option<(String, f64)>,
}

/// What the requirements ask for.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// At least this share of the baseline.
    ShareOfBaseline(f64),
    /// At most so many times the baseline.
    TimesBaseline(f64),
}

impl Line {
    /// A number without target and baseline.
    pub fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), size: None, value, unit, target: None, baseline: None }
    }

    /// The same, of a store with so many resources.
    #[must_use]
    pub fn at(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// The same, with a target.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// The same, beside a baseline.
    #[must_use]
    pub fn beside(mut self, what: impl Into<String>, value: f64) -> Self {
        self.baseline = Some((what.into(), value));
        self
    }

    /// The number divided by its baseline.
    pub fn ratio(&self) -> Option<f64> {
        self.baseline.as_ref().filter(|(_, value)| *value > 0.0).map(|(_, value)| self.value / value)
    }

    /// How well the target is met: 1 = just so, above = better; `None` without a target.
    pub fn merit(&self) -> Option<f64> {
        match self.target? {
            Target::AtLeast(bound) => Some(self.value / bound),
            Target::AtMost(bound) => Some(bound / self.value.max(1e-9)),
            Target::ShareOfBaseline(share) => self.ratio().map(|ratio| ratio / share),
            Target::TimesBaseline(times) => self.ratio().map(|ratio| times / ratio.max(1e-9)),
        }
    }
}

/// The lines as a table of Markdown.
pub fn table(lines: &[Line]) -> String {
    let mut text = String::from(
        "| what | resources | measured | target | of target | baseline | ratio |\n|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for line in lines {
        let target = match line.target {
            Some(Target::AtLeast(bound)) => format!(">= {}", number(bound)),
            Some(Target::AtMost(bound)) => format!("<= {}", number(bound)),
            Some(Target::ShareOfBaseline(share)) => format!(">= {share:.2} x baseline"),
            Some(Target::TimesBaseline(times)) => format!("<= {times:.2} x baseline"),
            None => String::new(),
        };
        let merit = line.merit().map(|merit| format!("{merit:.2}{}", if merit < 1.0 { " MISSED" } else { "" }));
        let baseline = line.baseline.as_ref().map(|(what, value)| format!("{what} {}", number(*value)));
        let cells = [
            line.what.clone(),
            line.size.map(|size| size.to_string()).unwrap_or_default(),
            format!("{} {}", number(line.value), line.unit),
            target,
            merit.unwrap_or_default(),
            baseline.unwrap_or_default(),
            line.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
        ];
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}

/// The lines and the machine as JSON.
pub fn json(lines: &[Line], machine: &[(&'static str, String)]) -> String {
    let machine: serde_json::Map<_, _> =
        machine.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let lines: Vec<_> = lines
        .iter()
        .map(|line| {
            json!({
                "what": line.what, "resources": line.size, "value": line.value, "unit": line.unit,
                "ofTarget": line.merit(), "ratio": line.ratio(),
                "baseline": line.baseline.as_ref().map(|(what, value)| json!({"what": what, "value": value})),
            })
        })
        .collect();
    format!("{:#}\n", json!({"machine": machine, "lines": lines}))
}

fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merits_and_ratios() {
        let fast = Line::new("import", 12_000.0, "resources/s").target(Target::AtLeast(10_000.0));
        let slow = Line::new("search", 20.0, "ms").at(200_000).target(Target::AtMost(10.0));
        let read = Line::new("read", 400.0, "/s").beside("bare", 1000.0).target(Target::ShareOfBaseline(0.5));
        let grown = Line::new("search", 3.0, "ms").beside("small", 2.5).target(Target::TimesBaseline(1.5));
        assert_eq!(
            (fast.merit(), slow.merit(), read.ratio(), read.merit(), grown.merit()),
            (Some(1.2), Some(0.5), Some(0.4), Some(0.8), Some(1.25))
        );
        let table = table(&[fast.clone(), slow, read]);
        assert_eq!(table.matches("MISSED").count(), 2, "{table}");
        assert!(table.contains("| search | 200000 | 20.0 ms | <= 10.0 | 0.50 MISSED |  |  |"), "{table}");
        let parsed: serde_json::Value = serde_json::from_str(&json(&[fast], &[("kernel", "x".to_owned())])).unwrap();
        assert_eq!(parsed["lines"][0]["ofTarget"], 1.2);
    }
}
