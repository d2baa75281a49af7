//! The stored form of a body.
//!
//! ```text
//! byte 0      bits 7..5 format (1), bits 4..2 compression (0 none, 1 zstd with dictionary 1), bits 1..0 key (0: not encrypted)
//! varint      place of the splice: offset * 4 + kind (see Place)
//! varint      length of the JSON in bytes
//! the rest    the JSON, compressed or not
//! ```
//!
//! The JSON lacks `meta.versionId` and `meta.lastUpdated`: the Writer assigns them, and [`decode`] splices them in. Every form
//! that was ever written stays readable; `golden` in the tests holds one of each.
//!
//! `dictionary.bin` was trained once (the ignored test `train_dictionary` does it again, to the byte) on the clinical and
//! administrative examples of the npm package `hl7.fhir.r4.examples` 4.0.1 (CC0-1.0). It is part of the format: a better
//! one gets the next number, and this one stays.

use std::cell::RefCell;
use std::fmt::Write;
use std::sync::LazyLock;

use bytes::Bytes;
use zstd::zstd_safe::{CCtx, CDict, CParameter, DCtx, DDict};

use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};

const FORMAT: u8 = 1;
const PLAIN: u8 = 0;
const ZSTD_1: u8 = 1;

/// JSON shorter than this is not compressed: it would hardly get smaller.
const COMPRESS_FROM: usize = 64;

/// Longest JSON; a stored length beyond it is corrupt.
const LONGEST: usize = 1 << 30;

/// zstd level: on synthetic patients 3 is 4 % smaller than 1 for 7 % more time; 5 gains nothing and takes twice as long.
const LEVEL: i32 = 3;

static DICTIONARY_1: &[u8] = include_bytes!("body/dictionary.bin");
static COMPRESS_1: LazyLock<CDict<'static>> = LazyLock::new(|| CDict::create(DICTIONARY_1, LEVEL));
static DECOMPRESS_1: LazyLock<DDict<'static>> = LazyLock::new(|| DDict::create(DICTIONARY_1));

/// What stands at the place of the splice, so what must be added around the two properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Right after the `{` of a meta object with properties.
    Filled,
    /// Right after the `{` of an empty meta object.
    Empty,
    /// There is no meta: before the name of another property of the resource.
    Absent,
    /// There is no meta: before the final `}` of a resource that has properties.
    AbsentLast,
}

/// Where `versionId` and `lastUpdated` belong in a JSON without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Splice {
    /// Offset in bytes.
    pub offset: usize,
    /// What stands there.
    pub place: Place,
}

impl Splice {
    fn pack(self) -> u64 {
        let place = match self.place {
            Place::Filled => 0,
            Place::Empty => 1,
            Place::Absent => 2,
            Place::AbsentLast => 3,
        };
        (self.offset as u64) << 2 | place
    }

    fn unpack(packed: u64) -> Result<Self> {
        let offset = usize::try_from(packed >> 2).map_err(|_| corrupt("the place of meta is beyond every length"))?;
        let place = match packed & 3 {
            0 => Place::Filled,
            1 => Place::Empty,
            2 => Place::Absent,
            _ => Place::AbsentLast,
        };
        Ok(Self { offset, place })
    }

    /// The text that is put there.
    fn text(self, version: i64, updated: Timestamp) -> Result<SpliceText> {
        let mut text = SpliceText::default();
        let (before, after) = match self.place {
            Place::Filled => ("", ","),
            Place::Empty => ("", ""),
            Place::Absent => ("\"meta\":{", "},"),
            Place::AbsentLast => (",\"meta\":{", "}"),
        };
        write!(text, "{before}\"versionId\":\"{version}\",\"lastUpdated\":\"{updated}\"{after}")
            .map_err(|_| Fault::internal("body: version or time out of range"))?;
        Ok(text)
    }
}

/// A short text on the stack.
#[derive(Default)]
struct SpliceText(smallvec::SmallVec<[u8; 128]>);

impl Write for SpliceText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

fn corrupt(why: &str) -> Fault {
    Fault::internal(format!("corrupt body: {why}"))
}

thread_local! {
    static COMPRESSOR: RefCell<Option<CCtx<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

/// The stored form of a JSON that lacks `meta.versionId` and `meta.lastUpdated`.
///
/// # Errors
/// 500 when the splice lies outside the JSON, or the JSON is longer than any body may be.
pub fn encode(json: &[u8], splice: Splice) -> Result<Vec<u8>> {
    if splice.offset > json.len() || json.len() > LONGEST {
        return Err(Fault::internal("body: the place of meta lies outside the JSON, or the JSON is too long"));
    }
    let mut stored = Vec::with_capacity(16 + zstd::zstd_safe::compress_bound(json.len()));
    stored.push(FORMAT << 5 | ZSTD_1 << 2);
    put_varint(&mut stored, splice.pack());
    put_varint(&mut stored, json.len() as u64);
    let header = stored.len();
    if json.len() >= COMPRESS_FROM {
        compress(json, &mut stored)?;
    }
    if stored.len() == header || stored.len() - header >= json.len() {
        stored.truncate(header);
        stored[0] = FORMAT << 5 | PLAIN << 2;
        stored.extend_from_slice(json);
    }
    stored.shrink_to_fit();
    Ok(stored)
}

/// Appends the compressed form; `stored` has room for the worst case.
fn compress(json: &[u8], stored: &mut Vec<u8>) -> Result<()> {
    COMPRESSOR.with_borrow_mut(|context| {
        if context.is_none() {
            *context = Some(compressor().map_err(|code| zstd_fault("compress", code))?);
        }
        let Some(context) = context else { return Ok(()) };
        let header = stored.len();
        stored.resize(stored.capacity(), 0);
        let done = context.compress2(&mut stored[header..], json);
        stored.truncate(header + *done.as_ref().unwrap_or(&0));
        done.map(drop).map_err(|code| zstd_fault("compress", code))
    })
}

/// A context without what the header above says already (length, dictionary's number), and without a checksum.
fn compressor() -> std::result::Result<CCtx<'static>, usize> {
    let mut context = CCtx::create();
    context.set_parameter(CParameter::ContentSizeFlag(false))?;
    context.set_parameter(CParameter::DictIdFlag(false))?;
    context.set_parameter(CParameter::ChecksumFlag(false))?;
    context.ref_cdict(&COMPRESS_1)?;
    Ok(context)
}

fn zstd_fault(what: &str, code: usize) -> Fault {
    Fault::internal(format!("body: {what}: {}", zstd::zstd_safe::get_error_name(code)))
}

/// The complete JSON of a stored body, with its version and time in `meta`.
///
/// # Errors
/// 500 for an unknown format or a corrupt body; the caller adds which.
pub fn decode(stored: &[u8], version: i64, updated: Timestamp) -> Result<Bytes> {
    spliced(stored, |splice| splice.text(version, updated))
}

/// The JSON of a stored body as it was encoded: without version and time.
///
/// # Errors
/// As [`decode`].
pub fn content(stored: &[u8]) -> Result<Bytes> {
    spliced(stored, |_| Ok(SpliceText::default()))
}

fn spliced(stored: &[u8], text: impl FnOnce(Splice) -> Result<SpliceText>) -> Result<Bytes> {
    let (&first, mut rest) = stored.split_first().ok_or_else(|| corrupt("it is empty"))?;
    let (format, compression, key) = (first >> 5, first >> 2 & 7, first & 3);
    if format != FORMAT || key != 0 || compression > ZSTD_1 {
        return Err(corrupt(&format!("unknown format {format}.{compression}.{key}: written by a newer cresset?")));
    }
    let splice = Splice::unpack(take_varint(&mut rest)?)?;
    let length = take_varint(&mut rest)?;
    let length = usize::try_from(length).ok().filter(|length| *length <= LONGEST && splice.offset <= *length);
    let length = length.ok_or_else(|| corrupt("length or place of meta is out of range"))?;

    // The JSON goes to the end of the answer; then what stands before the splice moves to the front.
    let SpliceText(insert) = text(splice)?;
    let mut json = vec![0; insert.len() + length];
    if compression == ZSTD_1 {
        decompress(rest, &mut json[insert.len()..])?;
    } else if rest.len() == length {
        json[insert.len()..].copy_from_slice(rest);
    } else {
        return Err(corrupt("its length is not what it says"));
    }
    json.copy_within(insert.len()..insert.len() + splice.offset, 0);
    json[splice.offset..splice.offset + insert.len()].copy_from_slice(&insert);
    Ok(json.into())
}

/// The complete JSON of a body that was never stored: see [`decode`].
///
/// # Errors
/// 500 when the splice lies outside the JSON.
pub fn complete(json: &[u8], splice: Splice, version: i64, updated: Timestamp) -> Result<Bytes> {
    let SpliceText(insert) = splice.text(version, updated)?;
    let Some((before, after)) = json.split_at_checked(splice.offset) else {
        return Err(Fault::internal("body: the place of meta lies outside the JSON"));
    };
    Ok([before, &insert, after].concat().into())
}

fn decompress(compressed: &[u8], json: &mut [u8]) -> Result<()> {
    DECOMPRESSOR.with_borrow_mut(|context| {
        if context.is_none() {
            *context = Some(decompressor().map_err(|code| zstd_fault("decompress", code))?);
        }
        let Some(context) = context else { return Ok(()) };
        let length = json.len();
        match context.decompress(json, compressed) {
            Ok(done) if done == length => Ok(()),
            Ok(_) => Err(corrupt("its length is not what it says")),
            Err(code) => Err(zstd_fault("decompress", code)),
        }
    })
}

fn decompressor() -> std::result::Result<DCtx<'static>, usize> {
    let mut context = DCtx::create();
    context.ref_ddict(&DECOMPRESS_1)?;
    Ok(context)
}

/// LEB128: seven bits a byte, lowest first.
fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(rest: &mut &[u8]) -> Result<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or_else(|| corrupt("it ends in its header"))?;
        *rest = after;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(corrupt("a number of its header is too long"))
}

#[cfg(test)]
mod tests;
