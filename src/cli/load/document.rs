//! Opens files and archives, and cuts what they hold into documents.

use std::fs::File;
use std::hash::Hasher;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use twox_hash::XxHash3_64;

use crate::base::fault::{Fault, Result};

/// A JSON text and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// `file.tar.gz/inner.ndjson:17`: member of the archive and line, where there are any.
    pub place: String,
    /// The text.
    pub text: String,
}

/// Largest document in bytes; larger data comes as NDJSON.
const MOST_BYTES: u64 = 512 << 20;
/// Deepest nesting of archives: `x.tar.gz` is two.
const MOST_LAYERS: usize = 4;

/// Gives every document of a file to `found`, in order; stops when that answers an error. Answers the hash of
/// the file's bytes.
///
/// # Errors
/// 400 for a file that cannot be read or is broken, and whatever `found` answers.
pub fn read(path: &Path, found: &mut dyn FnMut(Document) -> Result<()>) -> Result<u64> {
    let place = path.display().to_string();
    let file = File::open(path).map_err(|error| broken(&place, &error))?;
    let mut hashed = Hashed { inner: file, hash: XxHash3_64::with_seed(0) };
    layer(&mut BufReader::with_capacity(128 << 10, &mut hashed), &place, 0, found)?;
    // What an archive has after its end counts as well.
    io::copy(&mut hashed, &mut io::sink()).map_err(|error| broken(&place, &error))?;
    Ok(hashed.hash.finish())
}

/// The hash of a file's bytes, as [`read`] answers it.
///
/// # Errors
/// 400 for a file that cannot be read.
pub fn hash(path: &Path) -> Result<u64> {
    let place = path.display().to_string();
    let file = File::open(path).map_err(|error| broken(&place, &error))?;
    let mut hashed = Hashed { inner: file, hash: XxHash3_64::with_seed(0) };
    io::copy(&mut hashed, &mut io::sink()).map_err(|error| broken(&place, &error))?;
    Ok(hashed.hash.finish())
}

struct Hashed {
    inner: File,
    hash: XxHash3_64,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.write(&buffer[..read]);
        Ok(read)
    }
}

fn broken(place: &str, error: &io::Error) -> Fault {
    Fault::invalid(format!("{place}: {error}"))
}

/// What a stream is, by its first bytes.
enum Format {
    Gzip,
    Bzip2,
    Xz,
    Zstandard,
    Tar,
    Text,
}

fn format(head: &[u8]) -> Format {
    match head {
        [0x1F, 0x8B, ..] => Format::Gzip,
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Format::Bzip2,
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Format::Xz,
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Format::Zstandard,
        _ if head.get(257..262) == Some(b"ustar") => Format::Tar,
        _ => Format::Text,
    }
}

fn layer(input: &mut dyn Read, place: &str, depth: usize, found: &mut dyn FnMut(Document) -> Result<()>) -> Result<()> {
    if depth > MOST_LAYERS {
        return Err(Fault::invalid(format!("{place}: more than {MOST_LAYERS} archives in one another")));
    }
    let mut head = Vec::with_capacity(512);
    (&mut *input).take(512).read_to_end(&mut head).map_err(|error| broken(place, &error))?;
    let format = format(&head);
    let mut whole = head.as_slice().chain(input);
    let mut inner: Box<dyn Read + '_> = match format {
        Format::Gzip => Box::new(flate2::read::MultiGzDecoder::new(&mut whole)),
        Format::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(&mut whole)),
        Format::Xz => Box::new(liblzma::read::XzDecoder::new_multi_decoder(&mut whole)),
        Format::Zstandard => {
            Box::new(zstd::stream::read::Decoder::new(&mut whole).map_err(|error| broken(place, &error))?)
        }
        Format::Tar => return members(&mut whole, place, depth, found),
        Format::Text => return text(&mut BufReader::with_capacity(128 << 10, whole), place, found),
    };
    layer(&mut inner, place, depth + 1, found)
}

fn members(
    input: &mut dyn Read,
    place: &str,
    depth: usize,
    found: &mut dyn FnMut(Document) -> Result<()>,
) -> Result<()> {
    let mut archive = tar::Archive::new(input);
    for entry in archive.entries().map_err(|error| broken(place, &error))? {
        let mut entry = entry.map_err(|error| broken(place, &error))?;
        let name = entry.path().map_err(|error| broken(place, &error))?.display().to_string();
        let hidden = name.rsplit('/').next().is_none_or(|last| last.starts_with('.'));
        if entry.header().entry_type().is_file() && !hidden {
            layer(&mut entry, &format!("{place}/{name}"), depth + 1, found)?;
        }
    }
    Ok(())
}

/// One document, or one a line: a first line that is whole by itself and is followed by another makes NDJSON.
fn text(input: &mut dyn BufRead, place: &str, found: &mut dyn FnMut(Document) -> Result<()>) -> Result<()> {
    let mut line = String::new();
    let (mut number, mut before) = (0, Some(String::new()));
    // a file with one line is not told by its lines
    let mut only: Option<String> = None;
    let is_lines = place.ends_with(".ndjson") || place.ends_with(".jsonl");
    loop {
        line.clear();
        let read = (&mut *input).take(MOST_BYTES + 1).read_line(&mut line).map_err(|error| broken(place, &error))?;
        if read == 0 {
            return only.map_or(Ok(()), |text| found(Document { place: place.to_owned(), text }));
        }
        number += 1;
        if line.len() as u64 > MOST_BYTES {
            return Err(Fault::invalid(format!("{place}:{number}: longer than {MOST_BYTES} bytes")));
        }
        let trimmed = line.trim_start_matches('\u{feff}').trim();
        if trimmed.is_empty() {
            before.iter_mut().for_each(|before| before.push_str(&line));
            continue;
        }
        if let Some(before) = before.take()
            && super::outline::members(trimmed).is_err()
        {
            line.insert_str(0, &before);
            break;
        }
        let text = trimmed.to_owned();
        if number == 1 && !is_lines {
            only = Some(text);
            continue;
        }
        if let Some(first) = only.take() {
            found(Document { place: format!("{place}:1"), text: first })?;
        }
        found(Document { place: format!("{place}:{number}"), text })?;
    }
    (&mut *input).take(MOST_BYTES).read_to_string(&mut line).map_err(|error| broken(place, &error))?;
    if line.len() as u64 >= MOST_BYTES {
        return Err(Fault::invalid(format!("{place}: longer than {MOST_BYTES} bytes; NDJSON can be longer")));
    }
    // white space before it is a fault in XML with a declaration
    let trimmed = line.trim_start_matches('\u{feff}').trim_end();
    found(Document { place: place.to_owned(), text: trimmed.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const PATIENT: &str = "{\n \"resourceType\": \"Patient\"\n}\n";

    fn documents(name: &str, bytes: &[u8]) -> Result<Vec<(String, String)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut found = Vec::new();
        let hashed = read(&path, &mut |document| {
            let place = document.place.rsplit(name).next().unwrap_or_default().to_owned();
            found.push((place, document.text));
            Ok(())
        })?;
        assert_eq!(hashed, hash(&path).unwrap());
        Ok(found)
    }

    fn packed(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(bytes).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(bytes).unwrap();
        vec![
            ("plain", bytes.to_vec()),
            ("gz", gzip.finish().unwrap()),
            ("bz2", bzip2.finish().unwrap()),
            ("xz", xz.finish().unwrap()),
            ("zst", zstd::encode_all(bytes, 1).unwrap()),
        ]
    }

    #[test]
    fn every_compression_holds_a_document() {
        for (name, bytes) in packed(PATIENT.as_bytes()) {
            assert_eq!(documents(name, &bytes).unwrap(), [(String::new(), PATIENT.trim().to_owned())], "{name}");
        }
    }

    #[test]
    fn every_compression_holds_an_archive() {
        let mut archive = tar::Builder::new(Vec::new());
        let lines = "{\"resourceType\":\"A\"}\n\n{\"resourceType\":\"B\"}\n";
        for (name, text) in [("x/a.json", PATIENT), ("x/b.ndjson", lines), ("x/._c", "junk")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_cksum();
            archive.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        for (name, bytes) in packed(&archive.into_inner().unwrap()) {
            let places: Vec<_> = documents(name, &bytes).unwrap().into_iter().map(|(place, _)| place).collect();
            assert_eq!(places, ["/x/a.json", "/x/b.ndjson:1", "/x/b.ndjson:3"], "{name}");
        }
    }

    #[test]
    fn one_line_is_one_document_and_a_mark_of_byte_order_is_none() {
        for (name, place) in [("a", ""), ("a.ndjson", ":1")] {
            let found = documents(name, b"\xEF\xBB\xBF{\"a\":1}").unwrap();
            assert_eq!(found, [(place.to_owned(), "{\"a\":1}".to_owned())], "{name}");
        }
        let places: Vec<_> = documents("a", b"{}\n{}\n").unwrap().into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, [":1", ":2"]);
        assert_eq!(documents("a", b"\n\n {\n}\n").unwrap(), [(String::new(), "\n\n {\n}".to_owned())]);
        assert_eq!(documents("a", b"").unwrap(), []);
        assert_eq!(documents("a", b"\xEF\xBB\xBF{\n}").unwrap(), [(String::new(), "{\n}".to_owned())]);
    }

    #[test]
    fn broken_files_are_named() {
        let (_, mut gzip) = packed(PATIENT.as_bytes()).remove(1);
        gzip.truncate(gzip.len() - 4);
        for (name, bytes) in [("torn.gz", gzip), ("latin1.json", b"{\n\"a\": \"\xE9\"}".to_vec())] {
            let message = documents(name, &bytes).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}
