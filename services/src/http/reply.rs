//! Answers, and bodies that are read within bounds.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use zeroize::Zeroizing;

/// Body of an answer.
pub(crate) type Body = Full<Bytes>;

/// An answer.
pub(crate) type Reply = Response<Body>;

/// A body that may hold keys.
pub(crate) struct Secret(pub(crate) Zeroizing<String>);

impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Whether a request is a POST to `/`, which all of an interface is.
pub(crate) fn check_target(interface: &str, method: &Method, path: &str) -> Result<(), Box<Reply>> {
    if path != "/" {
        return Err(Box::new(plain(StatusCode::NOT_FOUND, format!("{interface} is at /"))));
    }
    if method != Method::POST {
        let mut reply = plain(StatusCode::METHOD_NOT_ALLOWED, format!("{interface} is a POST"));
        reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return Err(Box::new(reply));
    }
    Ok(())
}

/// The media type of a body without its parameters; empty where there is none, or more than one.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let mut fields = headers.get_all(header::CONTENT_TYPE).iter();
    match (fields.next().map(HeaderValue::to_str), fields.next()) {
        (Some(Ok(value)), None) => value.split(';').next().unwrap_or("").trim().to_ascii_lowercase(),
        _ => String::new(),
    }
}

/// An answer with a document that may hold keys.
pub(crate) fn document(body: Zeroizing<String>, media_type: &'static str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from_owner(Secret(body))));
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// An answer with a text.
pub(crate) fn plain(status: StatusCode, text: impl Into<String>) -> Reply {
    let mut text = text.into();
    text.push('\n');
    let mut reply = Response::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = status;
    let media_type = HeaderValue::from_static("text/plain; charset=utf-8");
    reply.headers_mut().insert(header::CONTENT_TYPE, media_type);
    reply
}

/// An answer that says to come again in some seconds.
pub(crate) fn refuse(status: StatusCode, text: impl Into<String>, seconds: u64) -> Reply {
    let mut reply = plain(status, text);
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    reply
}

/// Reads a body of at most `most` octets in at most `time`; otherwise the answer.
pub(crate) async fn body_of(body: Incoming, most: usize, time: Duration) -> Result<Vec<u8>, Reply> {
    let read = Limited::new(body, most).collect();
    match tokio::time::timeout(time, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes().into()),
        Ok(Err(e)) if e.is::<LengthLimitError>() => Err(closing(plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is longer than {most} octets"),
        ))),
        Ok(Err(_)) => Err(closing(plain(StatusCode::BAD_REQUEST, "the body is cut off or malformed"))),
        Err(_) => Err(closing(plain(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body took longer than {} s", time.as_secs()),
        ))),
    }
}

/// The rest of the body is not waited for.
fn closing(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    reply
}
