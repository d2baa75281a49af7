//! What a run of the scenarios says.

use super::play::Failure;
use super::scenario::Scenario;

/// The line, or lines, of one scenario.
pub fn lines(name: &str, scenario: &Scenario, failure: Option<&Failure>) -> String {
    let title = format!("{name}: {} ({})", scenario.title, scenario.spec);
    let Some(failure) = failure else { return format!("ok     {title}") };
    let mut text = format!("FAILED {title}\n         {}\n         {}", failure.step, failure.request);
    for wrong in &failure.wrong {
        text.push_str(&format!("\n         - {wrong}"));
    }
    if !failure.body.is_empty() {
        text.push_str(&format!("\n         {}", failure.body.replace('\n', " ")));
    }
    text
}
