//! A table as the body of a response: made piece by piece, as fast as the client reads. When the client goes away, so does
//! what makes it.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use crate::base::clock::Timestamp;
use crate::base::fault::{Fault, Result};
use crate::fhir::json::{Json, parse_stored};
use crate::fhir::views::{TableWriter, View};
use crate::repo::Reading;

/// Resources that are read at a time.
const PIECE: usize = 250;

/// Where the resources come from.
#[derive(Debug)]
pub enum Rows {
    /// What is stored.
    Stored(Reading),
    /// What came with the request, the last one first.
    Given(Vec<Json>),
}

/// What makes a table.
#[derive(Debug)]
pub struct Table {
    /// The view.
    pub view: Arc<View>,
    /// The resources.
    pub rows: Rows,
    /// How it is written.
    pub writer: TableWriter,
    /// What was written and not sent yet.
    pub out: Vec<u8>,
    /// How many rows may still come.
    pub left: usize,
    /// The time of the request.
    pub now: Timestamp,
}

/// Resources, in the form in which they come.
enum Piece {
    Stored(Vec<Bytes>),
    Given(Vec<Json>),
}

impl Table {
    /// The response. Its first piece is made at once, so that what is wrong with it is a fault and not a table that breaks off.
    ///
    /// # Errors
    /// 422 for a resource that the view cannot be run on; what the store says.
    pub async fn respond(self, content_type: &'static str) -> Result<Response<Body>> {
        let (first, rest) = self.next().await?;
        let body = match rest {
            None => Body::from(first),
            Some(table) => {
                let first = stream::iter([Ok(first)]);
                let rest = stream::try_unfold(Some(table), |table| async {
                    let Some(table) = table else { return Ok(None) };
                    table.next().await.map(Some).inspect_err(|fault: &Fault| {
                        // The client sees a body without its end. What is wrong with a resource may quote its values: not told here.
                        tracing::warn!(category = ?fault.category(), "a table broke off");
                    })
                });
                Body::from_stream(stream::StreamExt::chain(first, rest))
            }
        };
        let mut response = Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert("vary", HeaderValue::from_static("Accept"));
        Ok(response)
    }

    /// The next piece of the text, and what makes the rest, if there is one.
    async fn next(mut self) -> Result<(Bytes, Option<Box<Self>>)> {
        loop {
            let piece = match &mut self.rows {
                _ if self.left == 0 => Piece::Given(Vec::new()),
                Rows::Stored(reading) => {
                    let found = reading.next(PIECE).await?;
                    Piece::Stored(found.into_iter().filter_map(|stored| stored.body).collect())
                }
                Rows::Given(left) => {
                    let mut piece = left.split_off(left.len().saturating_sub(PIECE));
                    piece.reverse();
                    Piece::Given(piece)
                }
            };
            let done = tokio::task::spawn_blocking(move || self.write(piece)).await;
            let (table, is_over) = done.map_err(|_| Fault::internal("the maker of a table stopped"))??;
            self = table;
            if is_over {
                return Ok((self.out.into(), None));
            }
            if !self.out.is_empty() {
                let text = std::mem::take(&mut self.out).into();
                return Ok((text, Some(Box::new(self))));
            }
        }
    }

    /// Writes the rows of some resources; whether these were the last.
    fn write(mut self, piece: Piece) -> Result<(Self, bool)> {
        let is_over = match piece {
            Piece::Stored(bodies) => {
                for body in &bodies {
                    let json =
                        parse_stored(body).map_err(|fault| Fault::internal(format!("a stored resource: {fault}")))?;
                    self.resource(&json)?;
                }
                bodies.is_empty()
            }
            Piece::Given(resources) => {
                resources.iter().try_for_each(|json| self.resource(json))?;
                resources.is_empty()
            }
        };
        let is_over = is_over || self.left == 0;
        if is_over {
            self.writer.end(&mut self.out)?;
        }
        Ok((self, is_over))
    }

    fn resource(&mut self, json: &Json) -> Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        let rows = self.view.rows(json, self.now)?;
        for row in rows.iter().take(self.left) {
            self.writer.row(row, &mut self.out)?;
        }
        self.left = self.left.saturating_sub(rows.len());
        Ok(())
    }
}
