//! Running a statement with a list of rows of any length.

use super::db::{Driver, Row};
use super::sql::Rows;
use super::value::Value;
use crate::base::fault::Result;

/// Arguments of a lookup: those of `rows`, the last one repeated `padding` times.
fn padded<T>(rows: &[T], padding: usize, width: usize, put: impl Fn(&mut Vec<Value>, &T)) -> Vec<Value> {
    let mut values = Vec::with_capacity((rows.len() + padding) * width);
    let last = rows.last().into_iter().cycle().take(if rows.is_empty() { 0 } else { padding });
    rows.iter().chain(last).for_each(|row| put(&mut values, row));
    values
}

/// Runs a lookup for any number of rows; answers in no order, possibly the same one several times.
pub async fn fetch<T>(
    driver: &mut Driver<'_>,
    statement: &Rows,
    rows: &[T],
    width: usize,
    put: impl Fn(&mut Vec<Value>, &T),
) -> Result<Vec<Row>> {
    let mut found = Vec::new();
    for (range, padding, part) in statement.cut_padded(driver.dialect(), rows.len()) {
        let values = padded(&rows[range], padding, width, &put);
        found.extend(driver.fetch(&part, values).await?);
    }
    Ok(found)
}

/// Runs a statement for rows in as few statements as possible.
pub async fn execute<T>(
    driver: &mut Driver<'_>,
    statement: &Rows,
    rows: &[T],
    put: impl Fn(&mut Vec<Value>, &T),
) -> Result<()> {
    for (range, part) in statement.cut(driver.dialect(), rows.len()) {
        let mut values = Vec::with_capacity(range.len() * 9);
        rows[range].iter().for_each(|row| put(&mut values, row));
        driver.execute(&part, values).await?;
    }
    Ok(())
}
