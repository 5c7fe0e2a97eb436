//! The file of subscribers.

use std::path::Path;

use serde::Deserialize;
use sidelink_network::identity::Imsi;
use sidelink_network::pc3::{ApplicationId, Plmn, Rpauid};
use sidelink_network::prose_function::{Role, Subscription};
use zeroize::Zeroizing;

use super::text::{RoleText, fits, octets};
use super::{ConfigError, of_toml, read_secret};
use crate::store::{Credentials, NewSubscriber};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    subscriber: Vec<SubscriberText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscriberText {
    imsi: String,
    mnc_digits: usize,
    k: Zeroizing<String>,
    op: Option<Zeroizing<String>>,
    opc: Option<Zeroizing<String>>,
    prose: Option<ProseText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProseText {
    roles: Vec<RoleText>,
    #[serde(default)]
    application_ids: Vec<String>,
    #[serde(default)]
    rpauids: Vec<String>,
}

/// Reads the file, which its owner alone may read.
pub(super) fn load(path: &Path) -> Result<Vec<NewSubscriber>, ConfigError> {
    let text = read_secret(path)?;
    let shown = path.display().to_string();
    // The message of the parser alone, which names no value of a string.
    let document: Document = toml::from_str(&text).map_err(|e| of_toml(&e, &text).within(&shown))?;
    document.subscriber.iter().map(|text| text.resolve().map_err(|e| e.within(&shown))).collect()
}

impl SubscriberText {
    fn resolve(&self) -> Result<NewSubscriber, ConfigError> {
        let place = format!("subscriber {:?}", self.imsi);
        let wrong = |e: sidelink_network::identity::IdentityError| {
            ConfigError::new(e.to_string(), place.clone(), "correct imsi or mnc_digits")
        };
        let imsi = Imsi::new(&self.imsi).map_err(wrong)?;
        let impi = imsi.impi(self.mnc_digits).map_err(wrong)?;
        let k = octets(&self.k, &format!("{place} k"))?;
        let credentials = match (&self.op, &self.opc) {
            (Some(op), None) => Credentials::with_op(k, octets(op, &format!("{place} op"))?),
            (None, Some(opc)) => Credentials::with_opc(k, octets(opc, &format!("{place} opc"))?),
            _ => return Err(ConfigError::new("one of op and opc is needed", place, "give one of them")),
        };
        let subscription = match &self.prose {
            Some(prose) => {
                let (mcc, rest) = self.imsi.split_at(3);
                let plmn = fits(Plmn::new(mcc, &rest[..self.mnc_digits]), &place)?;
                Some(prose.resolve(plmn).map_err(|e| e.within(&place))?)
            }
            None => None,
        };
        Ok(NewSubscriber { imsi, impi, credentials, subscription })
    }
}

impl ProseText {
    /// Registered and with its rights at home.
    fn resolve(&self, home: Plmn) -> Result<Subscription, ConfigError> {
        let ids = self.application_ids.iter().map(|id| fits(ApplicationId::new(id), "application_ids"));
        let users = self.rpauids.iter().map(|user| fits(Rpauid::new(user), "rpauids"));
        Ok(Subscription {
            registered: Some(home),
            rights: self.roles.iter().map(|role| (home, Role::from(*role))).collect(),
            application_ids: ids.collect::<Result<_, _>>()?,
            rpauids: users.collect::<Result<_, _>>()?,
        })
    }
}
