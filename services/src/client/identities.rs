//! Keys of identities: fetched from a key management server over TLS with GBA or with certificates, and checked.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::{Request, header};
use sidelink_network::identity::Fqdn;
use sidelink_network::kms_client::{Failure, Fetched as FetchedIdentities, Input, KmsClient, Output, Server};
use sidelink_network::kms_messages::{MEDIA_TYPE, Uri};
use sidelink_security::counter::UtcTime;
use zeroize::Zeroizing;

use super::http_client::{ask, block_on, connect};
use super::{ClientError, Target, UeClient, body_of};
use crate::runtime::now;
use crate::tls::{Credentials, connect_certified};

/// Where a key management server is.
#[derive(Clone, Debug)]
pub struct KmsAddress {
    /// Its name as a NAF.
    pub name: Fqdn,
    /// Its address.
    pub address: SocketAddr,
    /// Where connections come from; any address of this machine without it.
    pub local: Option<IpAddr>,
}

/// What is wanted of it.
#[derive(Clone, Debug, Default)]
pub struct WantedIdentities {
    /// An identity of the UE, which its requests name.
    pub own: Option<Uri>,
    /// The server as it was before: another one is refused.
    pub known: Option<Server>,
    /// Keys of this identity; without it, of all that are granted.
    pub user: Option<Uri>,
    /// For the period of this time; without it, for now and soon.
    pub time: Option<UtcTime>,
}

/// A UE with a certificate that says its IMSI.
#[derive(Clone, Debug)]
pub struct CertifiedKmsClient {
    /// Its certificate, and who issues that of the server.
    pub credentials: Credentials,
    /// The server.
    pub kms: KmsAddress,
    /// Time of one request, with its connection.
    pub patience: Duration,
}

impl UeClient {
    /// Fetches keys of identities over TLS with GBA, and checks them. Bootstraps as [`Self::send`] does.
    ///
    /// # Errors
    /// There is no answer, it is a refusal, or keys are wrong: then none count.
    pub fn fetch_identities(
        &mut self,
        kms: &KmsAddress,
        wanted: WantedIdentities,
    ) -> Result<FetchedIdentities, ClientError> {
        run(kms, wanted, |path, body| {
            let KmsAddress { name, address, local } = kms;
            let to = Target { name, address: *address, local: *local, path, media_type: MEDIA_TYPE };
            self.send_to(&to, body.as_bytes())?.ok_or(ClientError::Malformed)
        })
    }
}

impl CertifiedKmsClient {
    /// Fetches keys of identities over TLS with certificates, and checks them.
    ///
    /// # Errors
    /// There is no answer, it is a refusal, or keys are wrong: then none count.
    pub fn fetch_identities(&self, wanted: WantedIdentities) -> Result<FetchedIdentities, ClientError> {
        let KmsAddress { name, address, .. } = &self.kms;
        run(&self.kms, wanted, |path, body| {
            let request = Request::post(path)
                .header(header::HOST, name.as_str())
                .header(header::CONTENT_TYPE, MEDIA_TYPE)
                .body(body.as_bytes().to_vec())
                .map_err(|_| ClientError::Malformed)?;
            let response = block_on(*address, self.patience, async {
                let stream = connect(*address).await?;
                let connected = connect_certified(stream, name, &self.credentials).await;
                let (stream, _) = connected.map_err(ClientError::Tls)?;
                ask(stream, request).await
            })?;
            body_of(response)?.ok_or(ClientError::Malformed)
        })
    }
}

fn run(
    kms: &KmsAddress,
    wanted: WantedIdentities,
    mut post: impl FnMut(&str, &Zeroizing<String>) -> Result<Zeroizing<Vec<u8>>, ClientError>,
) -> Result<FetchedIdentities, ClientError> {
    let mut machine = KmsClient::new(kms.name.as_str(), wanted.own, wanted.known);
    machine.handle_input(Input::Fetch { now: now(), user: wanted.user, time: wanted.time });
    while let Some(output) = machine.poll_output() {
        match output {
            Output::Request { path, body } => {
                let body = post(&path, &body)?;
                machine.handle_input(Input::Response { now: now(), body: &body });
            }
            Output::Fetched(fetched) => return Ok(*fetched),
            Output::Failed(why) => return Err(ClientError::Identities(why)),
        }
    }
    Err(ClientError::Identities(Failure::Lost))
}
