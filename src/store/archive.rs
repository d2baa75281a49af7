//! The form of a backup: a part of a tenant's log, as a stream of bytes.
//!
//! ```text
//! magic        "cresset log 1\n"
//! the rest     zstd, inside of which:
//!   tenant     its name: length (varint), UTF-8
//!   after      the Seq before the first entry (varint)
//!   entries    1, then length of the entry (varint) and the entry; Seq is that of the entry before plus one
//!   end        0, then the number of entries (varint) and XXH3-64 of everything before it (8 bytes, big-endian)
//! an entry     version, seq - tx (varints); updated (8 bytes, big-endian); kind (1 byte); type, id (length and UTF-8);
//!              0, or 1 and the stored body
//! ```
//!
//! A file that was cut off has no end, and is refused. The order of the fields is fixed for ever; another form gets another
//! magic.

use std::hash::Hasher;
use std::io::{Read, Write};

use bytes::Bytes;
use twox_hash::XxHash3_64;

use super::row::{VersionKind, VersionRow, key};
use crate::base::clock::Timestamp;
use crate::base::fault::{Category, Fault, Result};
use crate::base::id::Seq;

const MAGIC: &[u8] = b"cresset log 1\n";
/// Bodies are compressed already; what is left to gain are keys.
const LEVEL: i32 = 1;
/// Longest entry or name that is read, in bytes: far above every body.
const LONGEST: u64 = 1 << 31;

fn failed(error: &std::io::Error) -> Fault {
    Fault::internal(format!("backup: write: {error}"))
}

fn broken(why: impl std::fmt::Display) -> Fault {
    Fault::new(Category::Invalid, format!("backup: {why}"))
}

/// Writes a part of a log.
pub struct ArchiveWriter<W: Write> {
    out: zstd::stream::Encoder<'static, W>,
    hash: XxHash3_64,
    last: Seq,
    entries: u64,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins the part of the log of `tenant` that comes after `after`.
    ///
    /// # Errors
    /// 500 when `out` cannot be written, as every function here.
    pub fn new(mut out: W, tenant: &str, after: Seq) -> Result<Self> {
        out.write_all(MAGIC).map_err(|error| failed(&error))?;
        let out = zstd::stream::Encoder::new(out, LEVEL).map_err(|error| failed(&error))?;
        let mut writer = Self { out, hash: XxHash3_64::new(), last: after, entries: 0 };
        let mut head = Vec::new();
        put_text(&mut head, tenant);
        put(&mut head, after.0.unsigned_abs());
        writer.bytes(&head)?;
        Ok(writer)
    }

    /// Adds the next entry.
    ///
    /// # Errors
    /// 500 also when it does not follow the last one.
    pub fn entry(&mut self, row: &VersionRow) -> Result<()> {
        if row.seq.0 != self.last.0 + 1 {
            return Err(Fault::internal(format!("backup: entry {} after {}", row.seq, self.last)));
        }
        let mut entry = Vec::with_capacity(64 + row.body.as_ref().map_or(0, Bytes::len));
        put(&mut entry, row.version.unsigned_abs());
        put(&mut entry, row.seq.0.abs_diff(row.tx.0));
        entry.extend_from_slice(&row.updated.0.to_be_bytes());
        entry.push(row.kind.code() as u8);
        put_text(&mut entry, row.key.kind.name());
        put_text(&mut entry, row.key.id.as_str());
        match &row.body {
            None => entry.push(0),
            Some(body) => {
                entry.push(1);
                entry.extend_from_slice(body);
            }
        }
        let mut head = vec![1];
        put(&mut head, entry.len() as u64);
        self.bytes(&head)?;
        self.bytes(&entry)?;
        (self.last, self.entries) = (row.seq, self.entries + 1);
        Ok(())
    }

    /// Ends the archive; gives back what it was written to, and how many entries there are.
    ///
    /// # Errors
    /// 500 when it cannot be written.
    pub fn finish(mut self) -> Result<(W, u64)> {
        let mut end = vec![0];
        put(&mut end, self.entries);
        self.bytes(&end)?;
        let sum = self.hash.finish().to_be_bytes();
        self.out.write_all(&sum).map_err(|error| failed(&error))?;
        let out = self.out.finish().map_err(|error| failed(&error))?;
        Ok((out, self.entries))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.write(bytes);
        self.out.write_all(bytes).map_err(|error| failed(&error))
    }
}

/// Reads a part of a log.
pub struct ArchiveReader<R: Read> {
    input: std::io::BufReader<zstd::stream::Decoder<'static, std::io::BufReader<R>>>,
    hash: XxHash3_64,
    tenant: String,
    after: Seq,
    last: Seq,
    entries: u64,
    is_over: bool,
}

impl<R: Read> ArchiveReader<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// 400 when it is no backup, or one of a form that is not known here.
    pub fn new(mut input: R) -> Result<Self> {
        let mut magic = [0; MAGIC.len()];
        let is_ours = input.read_exact(&mut magic).is_ok() && magic == MAGIC;
        if !is_ours {
            return Err(broken("this is no backup of cresset, or one of a newer form"));
        }
        let input = std::io::BufReader::new(zstd::stream::Decoder::new(input).map_err(broken)?);
        let (hash, last) = (XxHash3_64::new(), Seq(0));
        let mut reader = Self { input, hash, tenant: String::new(), after: last, last, entries: 0, is_over: false };
        reader.tenant = reader.text()?;
        reader.after = Seq(i64::try_from(reader.number()?).map_err(broken)?);
        reader.last = reader.after;
        Ok(reader)
    }

    /// Whose log it is.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The Seq before the first entry.
    pub fn after(&self) -> Seq {
        self.after
    }

    /// The next entry; `None` after the last one, when all of the file was what was written.
    ///
    /// # Errors
    /// 400 when the file is cut off or damaged.
    pub fn next_entry(&mut self) -> Result<Option<VersionRow>> {
        if self.is_over {
            return Ok(None);
        }
        if self.byte()? == 0 {
            self.end()?;
            return Ok(None);
        }
        let length = self.number()?;
        let entry = self.piece(length)?;
        let seq = Seq(self.last.0 + 1);
        let row = decode(seq, &entry).ok_or_else(|| broken(format_args!("entry {seq} is damaged")))?;
        (self.last, self.entries) = (seq, self.entries + 1);
        Ok(Some(row))
    }

    fn end(&mut self) -> Result<()> {
        let entries = self.number()?;
        let sum = self.hash.finish().to_be_bytes();
        let mut found = [0; 8];
        self.input.read_exact(&mut found).map_err(broken)?;
        if entries != self.entries || found != sum {
            return Err(broken("its checksum is wrong: the file is damaged"));
        }
        self.is_over = true;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.piece(1)?[0])
    }

    fn number(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(broken("a number is too long"))
    }

    fn text(&mut self) -> Result<String> {
        let length = self.number()?;
        String::from_utf8(self.piece(length)?).map_err(broken)
    }

    /// So many bytes; memory grows with what is there, not with what the file says.
    fn piece(&mut self, length: u64) -> Result<Vec<u8>> {
        if length > LONGEST {
            return Err(broken("an entry is too long"));
        }
        let mut piece = Vec::new();
        self.input.by_ref().take(length).read_to_end(&mut piece).map_err(broken)?;
        if piece.len() as u64 != length {
            return Err(broken("the file is cut off"));
        }
        self.hash.write(&piece);
        Ok(piece)
    }
}

fn decode(seq: Seq, entry: &[u8]) -> Option<VersionRow> {
    let mut rest = entry;
    let version = i64::try_from(take(&mut rest)?).ok()?;
    let tx = Seq(seq.0.checked_sub(i64::try_from(take(&mut rest)?).ok()?)?);
    let (updated, after) = rest.split_first_chunk()?;
    let (&kind, after) = after.split_first()?;
    rest = after;
    let kind = VersionKind::from_code(i64::from(kind)).ok()?;
    let name = take_text(&mut rest)?;
    let key = key(name, take_text(&mut rest)?).ok()?;
    let body = match rest.split_first()? {
        (0, []) => None,
        (1, body) => Some(Bytes::copy_from_slice(body)),
        _ => return None,
    };
    Some(VersionRow { seq, key, version, updated: Timestamp(i64::from_be_bytes(*updated)), kind, tx, body })
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take(rest)?).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: i64, body: Option<&'static [u8]>) -> VersionRow {
        let kind = if body.is_some() { VersionKind::Update } else { VersionKind::Delete };
        let key = key("Patient", &format!("p{seq}")).unwrap();
        let (tx, updated) = (Seq(seq - seq % 2), Timestamp(1_700_000_000_000_000 + seq));
        VersionRow { seq: Seq(seq), key, version: 300, updated, kind, tx, body: body.map(Bytes::from_static) }
    }

    fn archive() -> Vec<u8> {
        let mut writer = ArchiveWriter::new(Vec::new(), "default", Seq(40)).unwrap();
        writer.entry(&row(41, Some(b"\x20body"))).unwrap();
        writer.entry(&row(42, None)).unwrap();
        assert!(writer.entry(&row(44, None)).is_err(), "43 is missing");
        writer.finish().unwrap().0
    }

    fn read(bytes: &[u8]) -> Result<Vec<VersionRow>> {
        let mut reader = ArchiveReader::new(bytes)?;
        let mut rows = Vec::new();
        while let Some(row) = reader.next_entry()? {
            rows.push(row);
        }
        Ok(rows)
    }

    #[test]
    fn reads_back_what_was_written() {
        let bytes = archive();
        let reader = ArchiveReader::new(&bytes[..]).unwrap();
        assert_eq!((reader.tenant(), reader.after()), ("default", Seq(40)));
        assert_eq!(read(&bytes).unwrap(), [row(41, Some(b"\x20body")), row(42, None)]);
    }

    #[test]
    fn what_is_cut_off_or_damaged_is_refused() {
        let bytes = archive();
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x10;
            if let Ok(rows) = read(&damaged) {
                assert_eq!(rows, read(&bytes).unwrap(), "{place}: damage that changes nothing");
            }
        }
    }
}
