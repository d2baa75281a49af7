//! What is imported: generated Bundles, made before the clock runs.

use bytes::Bytes;
use memchr::memmem;

use crate::cli::generate::{Generated, Generator};

/// Bundles that are ready to be sent.
#[derive(Debug, Default)]
pub struct Chunk {
    /// The transaction Bundles.
    pub bundles: Vec<Bytes>,
    /// The resources in them.
    pub resources: u64,
    /// The Observations among these.
    pub observations: u64,
    /// Their size as NDJSON.
    pub ndjson_bytes: u64,
}

/// Resources that are made at a time: bounds the memory that is taken from the server.
const PER_CHUNK: u64 = 60_000;

/// Makes chunk after chunk until so many resources are there.
#[derive(Debug)]
pub struct Supply {
    generator: Generator,
    next: u64,
    left: u64,
    per_patient: u64,
}

impl Supply {
    /// At least `resources` resources.
    pub fn new(generator: Generator, resources: u64) -> Self {
        let per_patient = (0..8).map(|number| generator.patient(number).resources as u64).sum::<u64>() / 8;
        Self { generator, next: 0, left: resources, per_patient: per_patient.max(1) }
    }

    /// The hospital, which goes first.
    pub fn hospital(&mut self) -> Chunk {
        let chunk = chunk(vec![self.generator.hospital()]);
        self.left = self.left.saturating_sub(chunk.resources);
        chunk
    }

    /// The next patients; `None` when there are enough.
    pub fn next(&mut self) -> Option<Chunk> {
        if self.left == 0 {
            return None;
        }
        let count = (self.left.min(PER_CHUNK) / self.per_patient).max(1);
        let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let (first, generator) = (self.next, &self.generator);
        let made = std::thread::scope(|scope| {
            let part = |thread| {
                move || {
                    (first + thread..first + count).step_by(threads as usize).map(|n| generator.patient(n)).collect()
                }
            };
            let parts: Vec<_> = (0..threads).map(|thread| scope.spawn(part(thread))).collect();
            let made: Vec<Vec<Generated>> = parts.into_iter().filter_map(|part| part.join().ok()).collect();
            made.into_iter().flatten().collect()
        });
        self.next += count;
        let chunk = chunk(made);
        self.left = self.left.saturating_sub(chunk.resources);
        Some(chunk)
    }
}

fn chunk(made: Vec<Generated>) -> Chunk {
    let mut found = Chunk::default();
    for bundle in made {
        found.resources += bundle.resources as u64;
        found.ndjson_bytes += bundle.ndjson_bytes as u64;
        found.observations += memmem::find_iter(&bundle.bytes, b"\"url\":\"Observation\"").count() as u64;
        found.bundles.push(bundle.bytes.into());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::generate::{Day, Depth};

    #[test]
    fn the_supply_is_enough_and_not_much_more() {
        let generator = Generator::new(5, Day::of(2026, 11, 2), Depth::Visit);
        let mut supply = Supply::new(generator, 4_000);
        let mut sum = supply.hospital().resources;
        while let Some(chunk) = supply.next() {
            assert_eq!(chunk.observations, 6 * chunk.bundles.len() as u64);
            assert!(chunk.ndjson_bytes > 500 * chunk.resources);
            sum += chunk.resources;
        }
        assert!((4_000..4_100).contains(&sum), "{sum}");
    }
}
