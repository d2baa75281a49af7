//! The statistics of `$stats` (FHIR R4 `observation-operation-stats.html`, code system `observation-statistics`).
//!
//! Decimals are exact as far as the operation allows; what is not (a quotient, a root) has twelve significant digits. Variance and
//! standard deviation are those of a sample (n - 1); skew and kurtosis are the third and fourth standardised moments (a
//! normal distribution has kurtosis 3). Percentiles, quartiles and quintiles lie between two measurements by linear interpolation.

use rust_decimal::Decimal;

use super::decimal;

/// The system of the codes.
pub const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/observation-statistics";
/// Significant digits of what is not exact.
const DIGITS: u32 = 12;

/// One statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistic {
    /// Its code.
    pub code: &'static str,
    /// Its name.
    pub display: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Average,
    Maximum,
    Minimum,
    Count,
    TotalCount,
    Sum,
    Variance,
    Deviation,
    /// At this part of the ordered measurements.
    Quantile(i64, i64),
    HalfRange,
    Skew,
    Kurtosis,
    Regression,
}

const fn row(code: &'static str, display: &'static str, kind: Kind) -> Statistic {
    Statistic { code, display, kind }
}

/// All of them.
pub const ALL: [Statistic; 21] = [
    row("average", "Average", Kind::Average),
    row("maximum", "Maximum", Kind::Maximum),
    row("minimum", "Minimum", Kind::Minimum),
    row("count", "Count", Kind::Count),
    row("total-count", "Total Count", Kind::TotalCount),
    row("median", "Median", Kind::Quantile(1, 2)),
    row("std-dev", "Standard Deviation", Kind::Deviation),
    row("sum", "Sum", Kind::Sum),
    row("variance", "Variance", Kind::Variance),
    row("20-percent", "20th Percentile", Kind::Quantile(1, 5)),
    row("80-percent", "80th Percentile", Kind::Quantile(4, 5)),
    row("4-lower", "Lower Quartile", Kind::Quantile(1, 4)),
    row("4-upper", "Upper Quartile", Kind::Quantile(3, 4)),
    row("4-dev", "Quartile Deviation", Kind::HalfRange),
    row("5-1", "1st Quintile", Kind::Quantile(1, 5)),
    row("5-2", "2nd Quintile", Kind::Quantile(2, 5)),
    row("5-3", "3rd Quintile", Kind::Quantile(3, 5)),
    row("5-4", "4th Quintile", Kind::Quantile(4, 5)),
    row("skew", "Skew", Kind::Skew),
    row("kurtosis", "Kurtosis", Kind::Kurtosis),
    row("regression", "Regression", Kind::Regression),
];

/// What a result is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The unit of the measurements.
    Unit,
    /// Its square.
    Square,
    /// A pure number.
    One,
    /// Measurements.
    Count,
    /// The unit per day.
    PerDay,
}

/// A result; a statistic has several where it says what each is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which of several it is.
    pub part: Option<&'static str>,
    /// The number; `None` where there are too few measurements for it.
    pub value: Option<Decimal>,
    /// What it is measured in.
    pub measure: Measure,
}

/// Measurements in one unit.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Values with their times in microseconds, where these are known.
    pub values: Vec<(Decimal, Option<i64>)>,
    /// How many there are with those that have no valid value.
    pub total: usize,
    /// From when on days are counted for the regression.
    pub start: Option<i64>,
}

/// The statistic with a code; `min` and `max`, as examples of the specification have them, stand for their own.
pub fn statistic(code: &str) -> Option<Statistic> {
    let code = match code {
        "min" => "minimum",
        "max" => "maximum",
        other => other,
    };
    ALL.iter().find(|statistic| statistic.code == code).copied()
}

impl Statistic {
    /// What it comes to.
    pub fn of(self, sample: &Sample) -> Vec<Outcome> {
        let values = || sample.values.iter().map(|(value, _)| *value);
        let one = |value, measure| vec![Outcome { part: None, value, measure }];
        let count = |count: usize| Some(Decimal::from(count as u64));
        match self.kind {
            Kind::Average => one(mean(sample), Measure::Unit),
            Kind::Maximum => one(values().max(), Measure::Unit),
            Kind::Minimum => one(values().min(), Measure::Unit),
            Kind::Count => one(count(sample.values.len()), Measure::Count),
            Kind::TotalCount => one(count(sample.total), Measure::Count),
            Kind::Sum => one(sum(values()), Measure::Unit),
            Kind::Variance => one(rounded(variance(sample)), Measure::Square),
            Kind::Deviation => one(variance(sample).and_then(|v| number(real(v)?.sqrt())), Measure::Unit),
            Kind::Quantile(part, of) => one(rounded(quantile(sample, part, of)), Measure::Unit),
            Kind::HalfRange => {
                let range = quantile(sample, 3, 4).zip(quantile(sample, 1, 4)).and_then(|(q3, q1)| q3.checked_sub(q1));
                one(rounded(range.and_then(|range| range.checked_div(Decimal::TWO))), Measure::Unit)
            }
            Kind::Skew => one(moment(sample, 3), Measure::One),
            Kind::Kurtosis => one(moment(sample, 4), Measure::One),
            Kind::Regression => {
                let (gradient, intercept) = regression(sample).unzip();
                let part = |part, value: Option<f64>, measure| Outcome {
                    part: Some(part),
                    value: value.and_then(number),
                    measure,
                };
                vec![part("gradient", gradient, Measure::PerDay), part("intercept", intercept, Measure::Unit)]
            }
        }
    }
}

fn sum(mut values: impl Iterator<Item = Decimal>) -> Option<Decimal> {
    let first = values.next()?;
    values.try_fold(first, Decimal::checked_add)
}

fn mean(sample: &Sample) -> Option<Decimal> {
    let total = sum(sample.values.iter().map(|(value, _)| *value))?;
    rounded(total.checked_div(Decimal::from(sample.values.len() as u64)))
}

/// Twelve significant digits, without zeros at the end.
fn rounded(value: Option<Decimal>) -> Option<Decimal> {
    let value = value?;
    let is_long = value.mantissa().unsigned_abs() >= 10_u128.pow(DIGITS);
    Some(if is_long { value.round_sf(DIGITS)?.normalize() } else { value.normalize() })
}

fn variance(sample: &Sample) -> Option<Decimal> {
    let count = sample.values.len();
    if count < 2 {
        return None;
    }
    let total = sum(sample.values.iter().map(|(value, _)| *value))?;
    let mean = total.checked_div(Decimal::from(count as u64))?;
    let squares = sample.values.iter().map(|(value, _)| {
        let off = value.checked_sub(mean)?;
        off.checked_mul(off)
    });
    let total = squares.collect::<Option<Vec<_>>>()?;
    sum(total.into_iter())?.checked_div(Decimal::from(count as u64 - 1))
}

/// The value below which `part / of` of the measurements lie.
fn quantile(sample: &Sample, part: i64, of: i64) -> Option<Decimal> {
    let mut values: Vec<Decimal> = sample.values.iter().map(|(value, _)| *value).collect();
    values.sort_unstable();
    let place = i64::try_from(values.len()).ok()?.checked_sub(1)? * part;
    let low = values.get(usize::try_from(place / of).ok()?)?;
    match place % of {
        0 => Some(*low),
        rest => {
            let high = values.get(usize::try_from(place / of).ok()? + 1)?;
            let step = high.checked_sub(*low)?.checked_mul(Decimal::from(rest))?.checked_div(Decimal::from(of))?;
            low.checked_add(step)
        }
    }
}

fn real(value: Decimal) -> Option<f64> {
    value.to_string().parse().ok()
}

fn number(value: f64) -> Option<Decimal> {
    decimal::read(&format!("{value:.11e}")).map(|value| value.normalize())
}

/// The standardised moment; none where all measurements are the same.
fn moment(sample: &Sample, power: i32) -> Option<Decimal> {
    let values = sample.values.iter().map(|(value, _)| real(*value)).collect::<Option<Vec<f64>>>()?;
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let central = |power: i32| values.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / count;
    let second = central(2);
    if values.is_empty() || second <= 0.0 {
        return None;
    }
    number(central(power) / second.powf(f64::from(power) / 2.0))
}

/// Gradient per day and intercept at the start, by least squares, of the measurements with a time.
fn regression(sample: &Sample) -> Option<(f64, f64)> {
    const DAY: f64 = 86_400_000_000.0;
    let timed = sample.values.iter().filter_map(|(value, at)| Some((real(*value)?, (*at)?)));
    let timed: Vec<(f64, i64)> = timed.collect();
    let start = sample.start.or_else(|| timed.iter().map(|(_, at)| *at).min())?;
    let points: Vec<(f64, f64)> = timed.iter().map(|(value, at)| ((at - start) as f64 / DAY, *value)).collect();
    let count = points.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread = points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>();
    if points.len() < 2 || spread <= 0.0 {
        return None;
    }
    let gradient = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
    Some((gradient, y - gradient * x))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[&str]) -> Sample {
        let day = |n: usize| Some(n as i64 * 86_400_000_000);
        let values = values.iter().enumerate().map(|(n, text)| (text.parse().expect("a decimal"), day(n)));
        Sample { values: values.collect(), total: 12, start: None }
    }

    fn one(code: &str, values: &[&str]) -> Option<String> {
        let outcomes = statistic(code).expect(code).of(&sample(values));
        assert_eq!(outcomes.len(), 1, "{code}");
        outcomes[0].value.map(|value| value.to_string())
    }

    #[test]
    fn statistics_of_a_known_sample() {
        let values = ["2", "4", "4", "4", "5", "5", "7", "9"];
        for (code, expected) in [
            ("average", "5"),
            ("max", "9"),
            ("minimum", "2"),
            ("count", "8"),
            ("total-count", "12"),
            ("median", "4.5"),
            ("sum", "40"),
            ("variance", "4.57142857143"),
            ("std-dev", "2.1380899353"),
            ("20-percent", "4"),
            ("80-percent", "6.2"),
            ("4-lower", "4"),
            ("4-upper", "5.5"),
            ("4-dev", "0.75"),
            ("5-1", "4"),
            ("5-2", "4"),
            ("5-3", "5"),
            ("5-4", "6.2"),
            ("skew", "0.65625"),
            ("kurtosis", "2.78125"),
        ] {
            assert_eq!(one(code, &values).as_deref(), Some(expected), "{code}");
        }
        assert_eq!(statistic("nonsense"), None);
    }

    #[test]
    fn decimals_stay_exact() {
        assert_eq!(one("sum", &["0.1", "0.2"]).as_deref(), Some("0.3"));
        assert_eq!(one("average", &["120", "121", "121"]).as_deref(), Some("120.666666667"));
        assert_eq!(one("maximum", &["1.50", "1.49"]).as_deref(), Some("1.50"));
    }

    #[test]
    fn too_few_measurements_have_no_statistic() {
        for code in ["average", "maximum", "median", "variance", "std-dev", "skew", "sum", "4-dev"] {
            assert_eq!(one(code, &[]), None, "{code}");
        }
        for code in ["variance", "std-dev", "skew", "kurtosis"] {
            assert_eq!(one(code, &["5"]), None, "{code}");
        }
        assert_eq!((one("count", &[]).as_deref(), one("median", &["5"]).as_deref()), (Some("0"), Some("5")));
    }

    #[test]
    fn a_line_is_found() {
        let outcomes = statistic("regression").expect("a statistic").of(&sample(&["1", "3", "5", "7"]));
        let found: Vec<_> = outcomes.iter().map(|o| (o.part, o.value.map(|value| value.to_string()))).collect();
        assert_eq!(found, [(Some("gradient"), Some("2".to_owned())), (Some("intercept"), Some("1".to_owned()))]);
        let flat = statistic("regression").expect("a statistic").of(&sample(&["1"]));
        assert!(flat.iter().all(|outcome| outcome.value.is_none()));
    }
}
