//! One request and its answer.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sidelink_network::identity::{BTid, Fqdn};
use sidelink_network::pc3::MAX_OCTETS;
use sidelink_security::keys::KsNaf;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};

use super::ClientError;
use crate::tls::{self, TlsMode};

/// Where a request goes over TLS.
pub(super) struct Naf<'a> {
    pub(super) address: SocketAddr,
    pub(super) local: Option<IpAddr>,
    pub(super) name: &'a Fqdn,
    pub(super) tls: TlsMode,
    pub(super) b_tid: &'a BTid,
}

pub(super) fn ask_over_tcp(
    address: SocketAddr,
    request: Request<Vec<u8>>,
    patience: Duration,
) -> Result<Response<Vec<u8>>, ClientError> {
    block_on(address, patience, async move {
        let stream = connect(address).await?;
        ask(stream, request).await
    })
}

pub(super) fn ask_over_tls(
    to: &Naf<'_>,
    key: KsNaf,
    request: Request<Vec<u8>>,
    patience: Duration,
) -> Result<Response<Vec<u8>>, ClientError> {
    block_on(to.address, patience, async move {
        let stream = connect_from(to.local, to.address).await?;
        let stream = tls::connect(stream, to.name, to.tls, to.b_tid, key).await.map_err(ClientError::Tls)?;
        ask(stream, request).await
    })
}

/// Runs in a thread of its own: the caller may be in an event loop itself.
pub(super) fn block_on<T: Send>(
    address: SocketAddr,
    patience: Duration,
    future: impl Future<Output = Result<T, ClientError>> + Send,
) -> Result<T, ClientError> {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let within = async { tokio::time::timeout(patience, future).await };
        match runtime.map_err(ClientError::Thread)?.block_on(within) {
            Ok(result) => result,
            Err(_) => Err(ClientError::TimedOut(address)),
        }
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, run).map_err(ClientError::Thread)?;
        thread.join().unwrap_or(Err(ClientError::Malformed))
    })
}

pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream, ClientError> {
    connect_from(None, address).await
}

async fn connect_from(local: Option<IpAddr>, address: SocketAddr) -> Result<TcpStream, ClientError> {
    let connected = async {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(local) = local {
            socket.bind((local, 0).into())?;
        }
        socket.connect(address).await
    };
    let stream = connected.await.map_err(|why| ClientError::Connect { address, why })?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

pub(crate) async fn ask<S>(stream: S, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let malformed = |_| ClientError::Malformed;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(malformed)?;
    let request = request.map(|body| Full::new(Bytes::from(body)));
    let answer = async {
        let response = sender.send_request(request).await.map_err(malformed)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_OCTETS).collect().await.map_err(|_| ClientError::Malformed)?;
        Ok(Response::from_parts(head, body.to_bytes().into()))
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // The server has closed: what it sent before counts.
        _ = connection => answer.await,
    }
}
