//! Messages to a NAF of groups, over TLS with GBA. TR 33.833 §6.3.2.
//!
//! The messages are made and read elsewhere, by the machine that [`UeClient::group_naf_client`] gives its name, key and USIM to.

use std::net::{IpAddr, SocketAddr};

use sidelink_network::group_naf::{MEDIA_TYPE, UA_PROTOCOL};
use sidelink_network::group_naf_client::Config;
use sidelink_network::identity::{Fqdn, NafId};
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_security::cipher::milenage::Subscriber;
use zeroize::Zeroizing;

use super::{ClientError, SqnFile, Target, UeClient};
use crate::group_naf::PUSHED;
use crate::runtime::now;

/// Where a NAF of groups is.
#[derive(Clone, Debug)]
pub struct GroupNafAddress {
    /// Its name.
    pub name: Fqdn,
    /// Its address.
    pub address: SocketAddr,
    /// Where connections come from; any address of this machine without it.
    pub local: Option<IpAddr>,
}

impl GroupNafAddress {
    const fn target<'a>(&'a self, path: &'a str) -> Target<'a> {
        let Self { name, address, local } = self;
        Target { name, address: *address, local: *local, path, media_type: MEDIA_TYPE }
    }
}

impl UeClient {
    /// Returns what the machine of a UE in groups of this NAF needs, with the USIM of this subscriber. Bootstraps where there is
    /// no key that lives.
    ///
    /// # Errors
    /// Bootstrapping fails, or the state of the USIM cannot be read.
    pub fn group_naf_client(
        &mut self,
        naf: &GroupNafAddress,
        subscriber: Subscriber,
    ) -> Result<(Config, Usim), ClientError> {
        if self.b_tid().is_none() {
            self.bootstrap()?;
        }
        let key = self.key.as_ref().ok_or(ClientError::NoKey)?;
        let naf_id = NafId { fqdn: naf.name.clone(), protocol: UA_PROTOCOL };
        let ks_naf = key.ks_naf(now(), &naf_id).ok_or(ClientError::NoKey)?;
        let (impi, b_tid) = (self.config.impi.clone(), key.b_tid.clone());
        let array = self.sqn.load().map_err(ClientError::Sqn)?;
        Ok((Config { impi, naf_id, b_tid, ks_naf }, Usim::new(subscriber, array)))
    }

    /// Sends a message and returns the answer, which may be a refusal of the NAF. Bootstraps as [`Self::send`] does.
    ///
    /// # Errors
    /// There is no answer, or it is a refusal of HTTP.
    pub fn ask_group_naf(
        &mut self,
        naf: &GroupNafAddress,
        message: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        self.send_to(&naf.target("/"), message)?.ok_or(ClientError::Malformed)
    }

    /// Takes the oldest message that waits for this UE at the NAF: a new key that it has not asked for. None where none waits.
    ///
    /// # Errors
    /// Those of [`Self::ask_group_naf`].
    pub fn take_pushed(&mut self, naf: &GroupNafAddress) -> Result<Option<Zeroizing<Vec<u8>>>, ClientError> {
        self.send_to(&naf.target(PUSHED), &[])
    }

    /// Makes what a USIM has accepted durable, for bootstrapping too.
    ///
    /// # Errors
    /// The file.
    pub fn keep_usim(&self, array: &SqnArray) -> Result<(), ClientError> {
        self.sqn.raise(array).map(drop).map_err(ClientError::Sqn)
    }

    /// Returns the state of the USIM, for whoever else takes keys with this card.
    pub fn usim_file(&self) -> SqnFile {
        self.sqn.clone()
    }
}
