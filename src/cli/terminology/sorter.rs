//! Sorting more than fits into memory: what belongs to one concept stands in many files, in the order of other things.
//!
//! What is pushed is kept up to a budget, then sorted and written to a file that has no name; the end is a merge of these
//! files. Values of equal keys come in the order in which they were pushed.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Seek, Write};

use crate::base::fault::{Fault, Result};

/// How much is kept before it is written.
const BUDGET: usize = 96 << 20;

/// Largest key or value.
const MOST: usize = 64 << 20;

/// Keys with values, unsorted.
#[derive(Debug)]
pub struct Sorter {
    budget: usize,
    bytes: Vec<u8>,
    /// Where an entry begins, how long its key is and its value.
    entries: Vec<(usize, u32, u32)>,
    runs: Vec<File>,
}

impl Default for Sorter {
    fn default() -> Self {
        Self::new(BUDGET)
    }
}

impl Sorter {
    /// Keeps so many bytes at most.
    pub fn new(budget: usize) -> Self {
        Self { budget, bytes: Vec::new(), entries: Vec::new(), runs: Vec::new() }
    }

    /// Adds a value under a key.
    ///
    /// # Errors
    /// 400 for one that is too large; 500 when the disk is full.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if key.len().max(value.len()) > MOST {
            return Err(Fault::invalid(format!("a value has {} bytes, at most {MOST}", value.len())));
        }
        self.entries.push((self.bytes.len(), key.len() as u32, value.len() as u32));
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        if self.bytes.len() + self.entries.len() * size_of::<(usize, u32, u32)>() > self.budget {
            self.spill().map_err(failed)?;
        }
        Ok(())
    }

    /// All groups, by key.
    ///
    /// # Errors
    /// 500 when the disk is full.
    pub fn sorted(mut self) -> Result<Sorted> {
        self.sort();
        let Self { bytes, entries, runs, .. } = self;
        let mut sources: Vec<Run> = Vec::with_capacity(runs.len() + 1);
        for mut file in runs {
            file.rewind().map_err(failed)?;
            sources.push(Run::File(Box::new(BufReader::with_capacity(256 << 10, file))));
        }
        sources.push(Run::Memory { bytes, entries: entries.into_iter() });
        let mut sorted = Sorted { heap: BinaryHeap::new(), sources };
        for run in 0..sorted.sources.len() {
            sorted.refill(run)?;
        }
        Ok(sorted)
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.entries.sort_by(|a, b| bytes[a.0..a.0 + a.1 as usize].cmp(&bytes[b.0..b.0 + b.1 as usize]));
    }

    fn spill(&mut self) -> std::io::Result<()> {
        self.sort();
        let mut file = BufWriter::with_capacity(256 << 10, tempfile::tempfile()?);
        for (at, key, value) in self.entries.drain(..) {
            file.write_all(&key.to_le_bytes())?;
            file.write_all(&value.to_le_bytes())?;
            file.write_all(&self.bytes[at..at + key as usize + value as usize])?;
        }
        self.bytes.clear();
        self.runs.push(file.into_inner().map_err(std::io::IntoInnerError::into_error)?);
        Ok(())
    }
}

fn failed(error: std::io::Error) -> Fault {
    Fault::internal(format!("sorting in the folder for temporary files: {error}"))
}

enum Run {
    File(Box<BufReader<File>>),
    Memory { bytes: Vec<u8>, entries: std::vec::IntoIter<(usize, u32, u32)> },
}

impl Run {
    fn next(&mut self) -> std::io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        match self {
            Self::Memory { bytes, entries } => Ok(entries.next().map(|(at, key, value)| {
                let middle = at + key as usize;
                (bytes[at..middle].to_vec(), bytes[middle..middle + value as usize].to_vec())
            })),
            Self::File(file) => {
                let mut lengths = [0; 8];
                match file.read_exact(&mut lengths) {
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
                    other => other?,
                }
                let [a, b, c, d, e, f, g, h] = lengths;
                let mut key = vec![0; u32::from_le_bytes([a, b, c, d]) as usize];
                let mut value = vec![0; u32::from_le_bytes([e, f, g, h]) as usize];
                file.read_exact(&mut key)?;
                file.read_exact(&mut value)?;
                Ok(Some((key, value)))
            }
        }
    }
}

struct Head {
    key: Vec<u8>,
    run: usize,
    value: Vec<u8>,
}

impl Ord for Head {
    /// The smallest key of the earliest run comes out of the heap first.
    fn cmp(&self, other: &Self) -> Ordering {
        (&other.key, other.run).cmp(&(&self.key, self.run))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

/// A key with its values.
pub type Group = (Vec<u8>, Vec<Vec<u8>>);

/// Keys with their values, sorted.
pub struct Sorted {
    heap: BinaryHeap<Head>,
    sources: Vec<Run>,
}

impl std::fmt::Debug for Sorted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sorted").field("runs", &self.sources.len()).finish_non_exhaustive()
    }
}

impl Sorted {
    /// The next key with all its values.
    ///
    /// # Errors
    /// 500 when a file cannot be read.
    pub fn next_group(&mut self) -> Result<Option<Group>> {
        let Some(Head { key, run, value }) = self.heap.pop() else { return Ok(None) };
        self.refill(run)?;
        let mut values = vec![value];
        while self.heap.peek().is_some_and(|head| head.key == key)
            && let Some(head) = self.heap.pop()
        {
            values.push(head.value);
            self.refill(head.run)?;
        }
        Ok(Some((key, values)))
    }

    fn refill(&mut self, run: usize) -> Result<()> {
        if let Some((key, value)) = self.sources[run].next().map_err(failed)? {
            self.heap.push(Head { key, run, value });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(budget: usize, count: u32) -> Vec<Group> {
        let mut sorter = Sorter::new(budget);
        for n in 0..count {
            let key = (n.wrapping_mul(2_654_435_761) % 97).to_string();
            sorter.push(key.as_bytes(), &n.to_be_bytes()).unwrap();
        }
        let mut sorted = sorter.sorted().unwrap();
        std::iter::from_fn(|| sorted.next_group().unwrap()).collect()
    }

    #[test]
    fn small_and_large_memory_give_the_same() {
        let whole = groups(1 << 20, 5000);
        assert_eq!(whole.len(), 97);
        assert!(whole.is_sorted_by(|a, b| a.0 < b.0));
        assert!(whole.iter().all(|(_, values)| values.is_sorted()), "values come in their order");
        assert_eq!(whole.iter().map(|(_, values)| values.len()).sum::<usize>(), 5000);
        assert_eq!(groups(2000, 5000), whole);
        assert_eq!(groups(1, 300), groups(1 << 20, 300));
        assert_eq!(groups(1, 0), []);
    }
}
