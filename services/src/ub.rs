//! Ub over HTTP. TS 24.109 §4.2, Annex A.

use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use sidelink_network::bsf::{MAX_BODY, Response};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::http::{Limits, Reply, Site, body_of, refuse};
use crate::runtime::{Address, BsfCommand};

/// How long the BSF may take: longer than it waits for the HSS.
const PATIENCE: Duration = Duration::from_secs(10);

/// The BSF's server.
pub(crate) struct Ub {
    pub(crate) bsf: Address<BsfCommand>,
    pub(crate) limits: Limits,
}

impl Site for Ub {
    type Stream = TcpStream;
    type Peer = ();

    async fn admit(&self, stream: TcpStream) -> Option<(TcpStream, ())> {
        Some((stream, ()))
    }

    fn lasts(&self, (): &()) -> Duration {
        Duration::MAX
    }

    async fn answer(&self, (): (), request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let body = match body_of(body, MAX_BODY, self.limits.body).await {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        let (sender, receiver) = oneshot::channel();
        let reply = Box::new(move |response: Response| _ = sender.send(response));
        let request = Request::from_parts(head, body);
        if self.bsf.send(BsfCommand::Request { request, reply }).is_err() {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "too many requests wait", 1);
        }
        match tokio::time::timeout(PATIENCE, receiver).await {
            Ok(Ok(response)) => response.map(|body| Full::new(body.into())),
            _ => refuse(StatusCode::SERVICE_UNAVAILABLE, "the BSF does not answer", 1),
        }
    }
}
