//! Uploads of keys, which go on from where they were when the connection broke.

use std::sync::Arc;
use std::time::Duration;

use cipherformer_protocol::{KeyInfo, OCTETS, ProblemKind, routes, upload};
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, RequestBuilder, Response, StatusCode};

use super::{Http, JSON_LIMIT, body};
use crate::error::ClientError;
use crate::keys::KeyRecord;
use crate::observer::{Activity, Observer};

/// The key travels in pieces of this size.
const UPLOAD_CHUNK: usize = 256 << 10;

/// The wait after a connection was lost; the ones after that double, as long as nothing more arrives.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How often to try without anything more arriving: half a minute, by when a server notices that a
/// connection is dead.
const TRIES: u32 = 6;

/// A key on its way.
struct Uploading<'a> {
    http: &'a Http,
    key: &'a KeyRecord,
    bytes: &'a Arc<[u8]>,
    observer: &'a Arc<dyn Observer>,
}

impl Http {
    /// Uploads an evaluation key.
    pub(crate) async fn register_key(
        &self,
        key: &KeyRecord,
        bytes: &Arc<[u8]>,
        observer: &Arc<dyn Observer>,
    ) -> Result<(), ClientError> {
        let uploading = Uploading {
            http: self,
            key,
            bytes,
            observer,
        };
        let info = uploading.run().await?;
        if info.id != key.id {
            let reason = "it registered another key than the one it got";
            return Err(ClientError::nonsense("key description", reason));
        }
        Ok(())
    }
}

impl Uploading<'_> {
    /// Sends the key, and what is missing of it whenever the connection breaks.
    async fn run(&self) -> Result<KeyInfo, ClientError> {
        let mut outcome = self.send_all().await;
        let (mut tries, mut farthest) = (0, 0);
        loop {
            let error = match outcome {
                Ok(Some(info)) => return Ok(info),
                // The server wants more; it says from where when asked.
                Ok(None) => None,
                Err(error) if is_passing(&error) => Some(error),
                Err(error) => return Err(error),
            };
            if tries == TRIES {
                let reason = "it takes the key, and is never content";
                return Err(error.unwrap_or_else(|| ClientError::nonsense("answer", reason)));
            }
            let wait = FIRST_WAIT * 2u32.pow(tries);
            self.observer.on(Activity::Resuming(wait));
            tokio::time::sleep(wait).await;
            tries += 1;
            outcome = match self.arrived().await {
                Ok(Some(offset)) => {
                    if offset > farthest {
                        (tries, farthest) = (0, offset);
                    }
                    self.send_rest(offset).await
                }
                Ok(None) => self.send_all().await,
                Err(error) => Err(error),
            };
        }
    }

    /// All of it, to be registered; `None` if the server says that something is missing.
    async fn send_all(&self) -> Result<Option<KeyInfo>, ClientError> {
        let path = routes::key_upload(&self.key.id, &self.key.parameter_set);
        let request = self.http.client.put(self.http.url(&path));
        self.send(request, 0).await
    }

    /// What is missing.
    async fn send_rest(&self, offset: usize) -> Result<Option<KeyInfo>, ClientError> {
        let path = routes::resumed_upload(&self.key.id, &self.key.parameter_set);
        let request = self
            .http
            .client
            .patch(self.http.url(&path))
            .header(upload::OFFSET, offset)
            .header(upload::LENGTH, self.bytes.len());
        self.send(request, offset).await
    }

    async fn send(
        &self,
        request: RequestBuilder,
        offset: usize,
    ) -> Result<Option<KeyInfo>, ClientError> {
        let request = request
            .header(CONTENT_TYPE, OCTETS)
            .header(CONTENT_LENGTH, self.bytes.len() - offset)
            .body(self.watched(offset));
        let response = self.http.send(request).await?;
        if response.status() == StatusCode::ACCEPTED {
            return Ok(None);
        }
        let url = &self.http.base;
        let info = body::json(response, JSON_LIMIT, "key description", url).await?;
        Ok(Some(info))
    }

    /// How much the server has, if it has a part of the key.
    async fn arrived(&self) -> Result<Option<usize>, ClientError> {
        let path = routes::resumed_upload(&self.key.id, &self.key.parameter_set);
        let request = self.http.client.head(self.http.url(&path));
        let response = request.send().await;
        let response = response.map_err(|error| body::lost(&self.http.base, &error))?;
        match response.status() {
            StatusCode::NO_CONTENT => Ok(offset(&response).filter(|&at| at <= self.bytes.len())),
            // It has not noticed yet that the connection broke.
            StatusCode::CONFLICT => {
                let busy = std::io::Error::other("the server waits for the rest");
                Err(body::lost(&self.http.base, &busy))
            }
            // If something else is wrong, the answer to a whole upload will say what.
            _ => Ok(None),
        }
    }

    /// The bytes from there on; they tell an observer how many of them are on their way.
    fn watched(&self, offset: usize) -> Body {
        let (bytes, observer) = (Arc::clone(self.bytes), Arc::clone(self.observer));
        let total = bytes.len();
        let chunks = (offset..total).step_by(UPLOAD_CHUNK).map(move |start| {
            let end = total.min(start + UPLOAD_CHUNK);
            observer.on(Activity::Uploading {
                sent: end as u64,
                total: total as u64,
            });
            Ok::<_, std::io::Error>(bytes[start..end].to_vec())
        });
        Body::wrap_stream(stream::iter(chunks))
    }
}

fn offset(response: &Response) -> Option<usize> {
    let offset = response.headers().get(upload::OFFSET)?;
    offset.to_str().ok()?.parse().ok()
}

/// Whether asking again where the upload is may help.
fn is_passing(error: &ClientError) -> bool {
    use ProblemKind::{UnknownUpload, UploadBusy, UploadOffset};
    matches!(error, ClientError::Lost { .. })
        || matches!(
            error.problem(),
            Some(UnknownUpload | UploadBusy | UploadOffset)
        )
}
