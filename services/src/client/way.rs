//! A way to a NAF that does without the UE: a thread of its own can wait for the answers.

use std::time::Duration;

use sidelink_network::identity::{BTid, Fqdn};
use sidelink_security::counter::UtcTime;
use sidelink_security::keys::KsNaf;
use zeroize::Zeroizing;

use super::http_client::ask_over_tls;
use super::{ClientError, Target, UeClient};
use crate::runtime::now;
use crate::tls::TlsMode;

/// A way to one NAF under the key that the UE had when this was made. It needs neither the USIM nor the rest of the UE.
pub(super) struct Way {
    tls: TlsMode,
    patience: Duration,
    b_tid: BTid,
    /// The key of the connection.
    key: KsNaf,
    expires: UtcTime,
}

impl Way {
    /// Sends a message to this NAF and returns the answer. It bootstraps nothing.
    ///
    /// # Errors
    /// [`ClientError::NoKey`] once the key has expired; those of the connection.
    pub(super) fn post(
        &self,
        to: &Target<'_>,
        body: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, ClientError> {
        if now() >= self.expires {
            return Err(ClientError::NoKey);
        }
        let naf = to.naf(self.tls, &self.b_tid);
        let key = || KsNaf::from(*self.key.as_bytes());
        to.post(body, |request| ask_over_tls(&naf, key(), request, self.patience))
    }
}

impl UeClient {
    /// Returns a way to the NAF of this name; none without a key that lives.
    pub(super) fn way(&self, naf: &Fqdn) -> Option<Way> {
        let (tls, patience) = (self.config.tls, self.config.patience);
        let bootstrapped = self.key.as_ref()?;
        let key = bootstrapped.ks_naf(now(), &tls.naf_id(naf))?;
        let (b_tid, expires) = (bootstrapped.b_tid.clone(), bootstrapped.expires);
        Some(Way { tls, patience, b_tid, key, expires })
    }
}
