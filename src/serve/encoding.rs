//! Content codings (RFC 9110, 8.4): answers are compressed for those who ask, bodies of requests are decompressed.
//!
//! What comes out of a compressed body is bounded like a body that was not compressed, and so is the memory of the
//! decompressor: a small bomb stays small.

use std::convert::Infallible;
use std::io::{Error, Read, Write};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use flate2::Compression;
use futures_util::stream;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt;

use crate::base::fault::{Category, Fault, Result};

/// Codings of requests, for `Accept-Encoding` of a 415 (RFC 9110, 12.5.3).
pub const UNDERSTOOD: &str = "zstd, br, gzip, deflate";

/// Answers of fewer bytes are sent as they are: they fit into one packet anyway.
const FROM_BYTES: u64 = 1024;
/// Answers of more bytes are compressed outside the threads that serve connections.
const INLINE_BYTES: u64 = 32 << 10;

/// Levels at which a megabyte of resources costs some 10 ms.
const ZSTD_LEVEL: i32 = 3;
const BROTLI_LEVEL: u32 = 4;
const GZIP_LEVEL: u32 = 5;
const BROTLI_WINDOW: u32 = 20;
/// The window that RFC 8878 wants every decompressor to have, and the most that this one will have.
const ZSTD_WINDOW_LOG: u32 = 23;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// `zstd`
    Zstd,
    /// `br`
    Brotli,
    /// `gzip`
    Gzip,
    /// `deflate`: of requests only.
    Deflate,
}

impl Coding {
    /// Codings of answers; of equally welcome ones the first is taken.
    const OFFERED: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    fn parse(name: &str) -> Option<Self> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match () {
            () if is("gzip") || is("x-gzip") => Some(Self::Gzip),
            () if is("br") => Some(Self::Brotli),
            () if is("zstd") => Some(Self::Zstd),
            () if is("deflate") => Some(Self::Deflate),
            () => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }
}

/// The coding that `Accept-Encoding` likes best; `None` when there is no such header or none of ours in it.
pub fn accepted(headers: &HeaderMap) -> Option<Coding> {
    if !headers.contains_key(ACCEPT_ENCODING) {
        return None;
    }
    let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let wishes: Vec<(&str, f32)> = lines.flat_map(|line| line.split(',')).map(wish).collect();
    let quality = |coding: &Coding| {
        let named = wishes.iter().find(|(name, _)| Coding::parse(name) == Some(*coding));
        let any = || wishes.iter().find(|(name, _)| *name == "*");
        named.or_else(any).map_or(0.0, |(_, quality)| *quality)
    };
    let best = Coding::OFFERED.map(|coding| (coding, quality(&coding)));
    let best = best.into_iter().rev().max_by(|a, b| a.1.total_cmp(&b.1));
    best.filter(|(_, quality)| *quality > 0.0).map(|(coding, _)| coding)
}

/// A name and its quality; what is no quality counts as none.
fn wish(text: &str) -> (&str, f32) {
    let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
    let mut given =
        parameters.split(';').filter_map(|part| part.trim().strip_prefix(['q', 'Q'])?.trim().strip_prefix('='));
    let quality = given.next_back().map_or(1.0, |text| text.trim().parse().unwrap_or(0.0));
    (name.trim(), if (0.0..=1.0).contains(&quality) { quality } else { 0.0 })
}

/// Compresses an answer, unless it is small or compressed already. One to HEAD loses the length, which would be another.
pub async fn encode(mut response: Response<Body>, coding: Coding) -> Response<Body> {
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    let length = response.body().size_hint().exact().unwrap_or(0);
    if response.headers().contains_key(CONTENT_ENCODING) || is_dense(response.headers()) {
        return response;
    }
    if length < FROM_BYTES {
        if length == 0 && response.headers_mut().remove(CONTENT_LENGTH).is_some() {
            *response.body_mut() = untold();
        }
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // The bodies of answers are in memory.
    let Ok(whole) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return Response::from_parts(parts, Body::empty());
    };
    let kept = whole.clone();
    let deflated = if length > INLINE_BYTES {
        tokio::task::spawn_blocking(move || deflate(&whole, coding))
            .await
            .unwrap_or_else(|_| Err(Error::other("stopped")))
    } else {
        deflate(&whole, coding)
    };
    match deflated {
        Ok(bytes) => {
            parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            parts.headers.remove(CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(bytes))
        }
        Err(_) => Response::from_parts(parts, Body::from(kept)),
    }
}

/// No body, and nothing is said about the length of the one that there would be.
pub fn untold() -> Body {
    Body::from_stream(stream::empty::<Result<Bytes, Infallible>>())
}

/// Whether the content of a Binary is compressed by its own format: another coding would cost seconds for nothing.
fn is_dense(headers: &HeaderMap) -> bool {
    const DENSE: [&str; 9] = [
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "image/heic",
        "image/avif",
        "application/pdf",
        "application/zip",
        "application/gzip",
    ];
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("audio/") || kind.starts_with("video/") || DENSE.contains(&kind.as_str())
}

fn deflate(bytes: &[u8], coding: Coding) -> Result<Vec<u8>, Error> {
    let out = Vec::with_capacity(bytes.len() / 4);
    match coding {
        Coding::Zstd => zstd::stream::encode_all(bytes, ZSTD_LEVEL),
        Coding::Brotli => {
            let mut writer = brotli::CompressorWriter::new(out, 4096, BROTLI_LEVEL, BROTLI_WINDOW);
            writer.write_all(bytes)?;
            Ok(writer.into_inner())
        }
        Coding::Gzip => {
            let mut writer = flate2::write::GzEncoder::new(out, Compression::new(GZIP_LEVEL));
            writer.write_all(bytes)?;
            writer.finish()
        }
        Coding::Deflate => Err(Error::other("deflate is for requests only")),
    }
}

/// The coding of a request's body; `None` for none.
///
/// # Errors
/// 415 for another one, or several.
pub fn of_body(headers: &HeaderMap) -> Result<Option<Coding>> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() || text.eq_ignore_ascii_case("identity") {
        return Ok(None);
    }
    let one = Coding::parse(text).filter(|_| headers.get_all(CONTENT_ENCODING).iter().nth(1).is_none());
    let shown: String = text.chars().take(60).collect();
    let message = || format!("content coding \"{}\" is not understood; send one of {UNDERSTOOD}", shown.escape_debug());
    one.map(Some).ok_or_else(|| Fault::new(Category::UnsupportedMedia, message()))
}

/// Decompresses a body, in a thread for CPU work.
///
/// # Errors
/// 413 when more than `limit` bytes come out; 400 when it is not compressed as said.
pub async fn decode(body: Bytes, coding: Coding, limit: usize) -> Result<Bytes> {
    let work = move || inflate(&body, coding, limit);
    tokio::task::spawn_blocking(work).await.map_err(|_| Fault::internal("the decompressor stopped"))?
}

fn inflate(body: &[u8], coding: Coding, limit: usize) -> Result<Bytes> {
    let mut out = Vec::new();
    let read = match coding {
        Coding::Gzip => bounded(flate2::read::MultiGzDecoder::new(body), limit, &mut out),
        Coding::Deflate if is_zlib(body) => bounded(flate2::read::ZlibDecoder::new(body), limit, &mut out),
        // Not what RFC 9110 says, but what some send.
        Coding::Deflate => bounded(flate2::read::DeflateDecoder::new(body), limit, &mut out),
        Coding::Brotli => bounded(brotli::Decompressor::new(body, 4096), limit, &mut out),
        Coding::Zstd => zstd::stream::read::Decoder::new(body).and_then(|mut reader| {
            reader.window_log_max(ZSTD_WINDOW_LOG)?;
            bounded(reader, limit, &mut out)
        }),
    };
    if read.is_err() {
        return Err(Fault::coded(Category::Invalid, "structure", format!("the body is not valid {}", coding.name())));
    }
    if out.len() > limit {
        let message = format!("the body has more than {limit} bytes when it is decompressed");
        return Err(Fault::new(Category::TooLarge, message));
    }
    Ok(out.into())
}

/// Reads one byte more than the limit at most.
fn bounded(reader: impl Read, limit: usize, out: &mut Vec<u8>) -> Result<usize, Error> {
    reader.take(limit as u64 + 1).read_to_end(out)
}

/// The header of RFC 1950.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 15 == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(lines: &[&'static str]) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        lines.iter().for_each(|line| _ = headers.append(ACCEPT_ENCODING, HeaderValue::from_static(line)));
        accepted(&headers)
    }

    fn compressed(coding: Coding, bytes: &[u8]) -> Bytes {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
        match coding {
            Coding::Deflate => zlib.write_all(bytes).and_then(|()| zlib.finish()).expect("zlib").into(),
            other => deflate(bytes, other).expect("compressed").into(),
        }
    }

    const ALL: [Coding; 4] = [Coding::Zstd, Coding::Brotli, Coding::Gzip, Coding::Deflate];

    #[test]
    fn the_best_of_what_is_welcome() {
        for (lines, expected) in [
            (&[][..], None),
            (&["gzip, deflate, br, zstd"], Some(Coding::Zstd)),
            (&["gzip;q=1.0, zstd;q=0.5, br ; Q = 0.1"], Some(Coding::Gzip)),
            (&["gzip", "br"], Some(Coding::Brotli)),
            (&["*"], Some(Coding::Zstd)),
            (&["*;q=0.1, zstd;q=0"], Some(Coding::Brotli)),
            (&["identity, deflate"], None),
            (&["gzip;q=0"], None),
            (&["gzip;q=x"], None),
            (&["X-GZIP"], Some(Coding::Gzip)),
            (&[""], None),
        ] {
            assert_eq!(asks(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn bodies_come_back_within_their_bound() {
        let text = b"{\"resourceType\":\"Patient\"}".repeat(500);
        for coding in ALL {
            let body = compressed(coding, &text);
            assert_eq!(inflate(&body, coding, text.len()).expect("a body"), text, "{coding:?}");
            let fault = inflate(&body, coding, text.len() - 1).expect_err("too long");
            assert_eq!(fault.category(), Category::TooLarge, "{coding:?}");
            for broken in [&body[..body.len() / 2], b"{\"resourceType\":\"Patient\"}".as_slice()] {
                let fault = inflate(broken, coding, 1 << 20).expect_err("broken");
                assert_eq!(fault.category(), Category::Invalid, "{coding:?}");
            }
        }
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
        let raw = raw.write_all(&text).and_then(|()| raw.finish()).expect("deflate");
        assert_eq!(inflate(&raw, Coding::Deflate, 1 << 20).expect("a body"), text);
    }

    #[test]
    fn a_bomb_is_refused_after_the_limit() {
        let zeros = vec![0; 64 << 20];
        for coding in ALL {
            let bomb = compressed(coding, &zeros);
            assert!(bomb.len() < 1 << 20);
            assert_eq!(
                inflate(&bomb, coding, 1 << 20).expect_err("a bomb").category(),
                Category::TooLarge,
                "{coding:?}"
            );
        }
        // a window of 128 MiB
        let mut wide = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("zstd");
        wide.window_log(27).and_then(|()| wide.include_contentsize(false)).expect("zstd");
        let wide = wide.write_all(&zeros[..1000]).and_then(|()| wide.finish()).expect("zstd");
        assert_eq!(inflate(&wide, Coding::Zstd, 1 << 20).expect_err("too wide").category(), Category::Invalid);
    }

    #[test]
    fn what_its_format_compresses_is_sent_as_it_is() {
        for (kind, expected) in [
            ("image/JPEG; x=y", true),
            ("video/mp4", true),
            ("application/pdf", true),
            ("image/svg+xml", false),
            ("image/tiff", false),
            ("application/fhir+json; charset=utf-8", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            assert_eq!(is_dense(&headers), expected, "{kind}");
        }
    }

    #[test]
    fn other_codings_are_refused() {
        let of =
            |text: &'static str| of_body(&HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(text))]));
        assert_eq!(of("Identity"), Ok(None));
        assert_eq!(of("br"), Ok(Some(Coding::Brotli)));
        for bad in ["compress", "gzip, br", "gzip;q=1"] {
            assert_eq!(of(bad).expect_err("refused").category(), Category::UnsupportedMedia, "{bad}");
        }
    }
}
