//! Pieces: concepts one after the other, packed. A piece is a row of the database.

use super::concept::Concept;
use crate::base::fault::{Fault, Result};

/// The first byte of a piece: concept by concept, their length together (4 bytes, low byte first), packed by zstd.
pub const FORM: u8 = 1;

/// How many bytes of concepts are gathered for a piece, before they are packed.
pub const PIECE_BYTES: usize = 512 << 10;

/// Largest piece that is unpacked: a concept may be larger than [`PIECE_BYTES`], but not by that much.
const UNPACKED_MAX: usize = 64 << 20;

/// Level of zstd: loading is done once, but also waited for.
const LEVEL: i32 = 3;

/// Gathers concepts until a piece is full.
#[derive(Debug, Default)]
pub struct Packer {
    bytes: Vec<u8>,
}

impl Packer {
    /// Adds a concept; the piece that is full with it.
    ///
    /// # Errors
    /// 400 when the concept is too large; 500 when it cannot be packed.
    pub fn add(&mut self, concept: &Concept) -> Result<Option<Vec<u8>>> {
        let before = self.bytes.len();
        concept.encode(&mut self.bytes);
        if self.bytes.len() - before > UNPACKED_MAX / 2 {
            return Err(Fault::invalid(format!("concept {}: more than {} bytes", concept.code, UNPACKED_MAX / 2)));
        }
        if self.bytes.len() < PIECE_BYTES { Ok(None) } else { self.finish() }
    }

    /// The last piece, if anything is left.
    ///
    /// # Errors
    /// 500 when it cannot be packed.
    pub fn finish(&mut self) -> Result<Option<Vec<u8>>> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let packed = zstd::bulk::compress(&self.bytes, LEVEL);
        let packed = packed.map_err(|error| Fault::internal(format!("concepts cannot be packed: {error}")))?;
        let mut piece = Vec::with_capacity(packed.len() + 5);
        piece.push(FORM);
        piece.extend_from_slice(&(self.bytes.len() as u32).to_le_bytes());
        self.bytes.clear();
        piece.extend_from_slice(&packed);
        Ok(Some(piece))
    }
}

/// The concepts of a piece.
///
/// # Errors
/// 500 for what is none.
pub fn unpack(piece: &[u8]) -> Result<Vec<Concept>> {
    let broken = |what: &str| Fault::internal(format!("a piece of a code system cannot be read: {what}"));
    let rest = match piece.split_first() {
        Some((&FORM, rest)) => rest,
        Some((form, _)) => return Err(broken(&format!("its form is {form}"))),
        None => return Err(broken("it is empty")),
    };
    let (length, packed) = rest.split_first_chunk().ok_or_else(|| broken("it is cut off"))?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > UNPACKED_MAX {
        return Err(broken("it is too large"));
    }
    let bytes = zstd::bulk::decompress(packed, length).map_err(|error| broken(&error.to_string()))?;
    let (mut rest, mut concepts) = (bytes.as_slice(), Vec::new());
    while !rest.is_empty() {
        concepts.push(Concept::decode(&mut rest)?);
    }
    Ok(concepts)
}

#[cfg(test)]
mod tests {
    use super::super::concept::tests::rich;
    use super::*;

    #[test]
    fn pieces_hold_what_was_put_in() {
        let (mut packer, mut pieces) = (Packer::default(), Vec::new());
        let concept = |n: usize| Concept { code: n.to_string().into(), ..rich() };
        for n in 0..3000 {
            pieces.extend(packer.add(&concept(n)).unwrap());
        }
        pieces.extend(packer.finish().unwrap());
        assert!(pieces.len() > 1 && packer.finish().unwrap().is_none());
        let back: Vec<Concept> = pieces.iter().flat_map(|piece| unpack(piece).unwrap()).collect();
        assert_eq!(back, (0..3000).map(concept).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_no_piece_is_refused() {
        for bytes in [&b""[..], b"\x02abc", b"\x01abc"] {
            assert!(unpack(bytes).is_err());
        }
    }
}
