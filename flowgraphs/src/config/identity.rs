//! `[identity]` of `ue.toml`: links by the keys that a key management server made for the identity of the UE, or by its tickets.

use super::ConfigError;
use serde::Deserialize;
use sidelink_prose::direct_link::{
    Answer, Coverage, Identity, IdentityKeys, Kms, PeriodKeys, Rules, Variant, Window,
};
use sidelink_prose::group_keys::AdHocTrust;
use sidelink_store::Keys;
use sidelink_store::identity::IdentityEntry;
use std::sync::Arc;

/// `[identity]`: the keys are in the key store; tickets are asked for over the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct IdentityConfig {
    /// Name of the identity in the key store; without it the one of this UE's user.
    pub name: Option<String>,
    /// What the requests of this UE offer.
    pub method: IdentityMethod,
    /// How far the time in a message may be from the clock: `strict` is 60 s, `lax` 600 s.
    pub window: IdentityWindow,
    /// Those from whom this UE takes the keys of ad-hoc groups, as `ProSe:NAME`; `everyone` for whoever proves an identity
    /// in a link. Without it nobody.
    pub ad_hoc_makers: Option<Vec<String>>,
}

/// Who makes the key of a link, and what is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityMethod {
    /// UE_2, in its command: TS 33.303 §6.5.7.
    #[default]
    Sakke,
    /// The same with a signature over the whole request and its time.
    SakkeBound,
    /// UE_1, in an I_MESSAGE behind its request: TR 33.833 §6.4.3.
    SakkeDraft,
    /// The same, answered by an I_MESSAGE of UE_2.
    SakkeAnswered,
    /// The server, in a ticket for each link: TR 33.833 §6.4.2. It takes `[network]`.
    Ticket,
}

impl IdentityMethod {
    const fn variant(self) -> Option<Variant> {
        Some(match self {
            Self::Sakke => Variant::Final(Coverage::Clause),
            Self::SakkeBound => Variant::Final(Coverage::Bound),
            Self::SakkeDraft => Variant::Draft(Answer::None),
            Self::SakkeAnswered => Variant::Draft(Answer::Signed),
            Self::Ticket => return None,
        })
    }
}

/// How far the time in a message may be from the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityWindow {
    /// 60 s.
    #[default]
    Strict,
    /// 600 s.
    Lax,
}

impl IdentityConfig {
    /// Returns the keys of a UE and their rules; none where it takes tickets.
    ///
    /// # Errors
    /// The store has no such identity, another user's, or keys that do not pass their checks.
    pub fn read(&self, ue: &str, keys: &Keys) -> Result<Option<(Arc<IdentityKeys>, Rules)>, ConfigError> {
        let Some(variant) = self.method.variant() else { return Ok(None) };
        let wrong = |what: String, remedy: &str| ConfigError::new(what, "[identity]", remedy);
        let user = Identity::user(ue).kms_user().unwrap_or_default();
        let named = |entry: &&IdentityEntry| match &self.name {
            Some(name) => entry.name == *name,
            None => entry.uri == user,
        };
        let entry = keys.identity.iter().find(named).ok_or_else(|| {
            let what = format!("the key store has no identity {:?}", self.name.as_ref().unwrap_or(&user));
            wrong(what, "get its keys of the key management server, or import them (sidelink keys)")
        })?;
        if entry.uri != user {
            let what = format!("identity {:?} is of {}, this UE is {user}", entry.name, entry.uri);
            return Err(wrong(what, "peers know this UE by its name: have keys made for that"));
        }
        let failed = |e: sidelink_store::Error| wrong(e.to_string(), "have the keys made again");
        let server = keys.kms_of(entry).map_err(failed)?;
        let public = server.public_keys().map_err(failed)?;
        let mut periods = Vec::new();
        for made in entry.keys.iter().filter(|made| made.ssk.is_some() && made.rsk.is_some()) {
            let credential = entry.credential(server, made).map_err(failed)?;
            let (signing, receiving) = (credential.signing, credential.receiver);
            periods.push(PeriodKeys { number: made.period, signing, receiving });
        }
        if periods.is_empty() {
            let what = format!("identity {:?} has no keys: it was revoked, or they are over", entry.name);
            return Err(wrong(what, "get new ones of the key management server"));
        }
        let kms = Kms::new(&public.uri, public.periods, public.kpak, &public.z);
        let rules = Rules { variant, window: self.window() };
        Ok(Some((Arc::new(IdentityKeys::new(kms, periods)), rules)))
    }

    /// Returns those from whom ad-hoc groups are taken.
    pub(crate) fn ad_hoc_trust(&self) -> AdHocTrust {
        match self.ad_hoc_makers.as_deref() {
            None | Some([]) => AdHocTrust::Nobody,
            Some(makers) if makers.iter().any(|maker| maker == "everyone") => AdHocTrust::Everyone,
            Some(makers) => AdHocTrust::Listed(makers.iter().map(|maker| Identity::user(maker)).collect()),
        }
    }

    /// Returns how far the time in a message may be from the clock.
    pub const fn window(&self) -> Window {
        match self.window {
            IdentityWindow::Strict => Window::Strict,
            IdentityWindow::Lax => Window::Lax,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelink_security::counter::UtcTime;
    use sidelink_store::identity::KmsEntry;

    /// A store with the keys of Mary.
    fn store() -> Keys {
        let length = std::num::NonZeroU32::new(2_592_000);
        let kms = KmsEntry::new("lab", "kms.example.org", length, 0).unwrap();
        let now = UtcTime::from_millis(1_800_000_000_000);
        let period = kms.periods().at(now).unwrap();
        let mut mary: IdentityEntry =
            toml::from_str("name = \"mary\"\nuri = \"ProSe:mary\"\nkms = \"lab\"").unwrap();
        mary.take(kms.issue("ProSe:mary", &period).unwrap(), 1_800_000_000);
        Keys { kms: vec![kms.public()], identity: vec![mary], ..Keys::default() }
    }

    fn config(text: &str) -> IdentityConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn keys_of_the_user_are_read_with_their_rules() {
        let keys = store();
        let (_, rules) = config("").read("mary", &keys).unwrap().unwrap();
        assert_eq!(rules, Rules::default());
        let (_, rules) = config("name = \"mary\"\nmethod = \"sakke-answered\"\nwindow = \"lax\"")
            .read("mary", &keys)
            .unwrap()
            .unwrap();
        assert_eq!(rules, Rules { variant: Variant::Draft(Answer::Signed), window: Window::Lax });
        assert!(toml::from_str::<IdentityConfig>("method = \"magic\"").is_err());
        // Tickets take nothing out of the store.
        assert!(config("method = \"ticket\"").read("mary", &Keys::default()).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_told() {
        let mut keys = store();
        let told =
            |config: &IdentityConfig, ue: &str, keys: &Keys| config.read(ue, keys).unwrap_err().to_string();
        assert!(told(&config(""), "john", &keys).contains("ProSe:john"));
        assert!(told(&config("name = \"mary\""), "john", &keys).contains("this UE is ProSe:john"));
        keys.identity[0].revoke();
        assert!(told(&config(""), "mary", &keys).contains("revoked"));
        // The keys of another server.
        keys = store();
        keys.kms = store().kms;
        assert!(config("").read("mary", &keys).is_err());
    }
}
