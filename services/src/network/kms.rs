//! The key management server of identities of a process.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use sidelink_network::kms::Masters;
use sidelink_network::kms_messages::{KmsKeySet, Text, Uri};
use sidelink_security::counter::UtcTime;
use zeroize::Zeroizing;

use super::{Handle, Others, ask};
use crate::config::{ConfigError, KmsConfig, read_secret};
use crate::configuration::replace;
use crate::error::StartError;
use crate::http::Limits;
use crate::kms::{CertifiedKmsSite, Desk, KmsSite};
use crate::runtime::{IdentityChange, IdentityError, KmsCommand, KmsKeys, KmsThread, Running, queue};
use crate::store::KmsStore;
use crate::tls::{CertificateServer, PskServer};

/// First line of the file of master secrets.
const TITLE: &str = "sidelink: master secrets of a key management server, 1";

impl Handle {
    /// Where the key management server of identities listens for UEs with keys of GBA.
    pub const fn kms_address(&self) -> Option<SocketAddr> {
        self.kms_psk
    }

    /// Where it listens for UEs with certificates.
    pub const fn kms_certificates_address(&self) -> Option<SocketAddr> {
        self.kms_certificates
    }

    /// Keeps new keys from an identity, durably. The keys that it has go on until the end of their period.
    ///
    /// # Errors
    /// It is granted to nobody, or the store fails.
    pub fn revoke_identity(&self, user: &str) -> Result<(), IdentityError> {
        self.identity(user, IdentityChange::Revoked)
    }

    /// Lets an identity that was revoked have keys again.
    ///
    /// # Errors
    /// It is granted to nobody, or the store fails.
    pub fn admit_identity(&self, user: &str) -> Result<(), IdentityError> {
        self.identity(user, IdentityChange::Admitted)
    }

    /// Makes the keys of a user for the period of a time, and records who wanted them and why. Whoever has them reads what was
    /// written to the user in that period.
    ///
    /// # Errors
    /// No such identity or period, or the store fails.
    pub fn escrow(
        &self,
        user: &str,
        time: UtcTime,
        by: &str,
        why: &str,
    ) -> Result<Box<KmsKeySet>, IdentityError> {
        let Some(kms) = &self.kms else { return Err(IdentityError::NotHere) };
        let texts = (Uri::new(user), Text::new(by), Text::new(why));
        let (Some(user), Some(by), Some(why)) = texts else { return Err(IdentityError::Text) };
        let answer = ask(kms.address(), |reply| KmsCommand::Escrow { user, time, by, why, reply });
        answer.unwrap_or(Err(IdentityError::NotHere))
    }

    fn identity(&self, user: &str, change: IdentityChange) -> Result<(), IdentityError> {
        let Some(kms) = &self.kms else { return Err(IdentityError::NotHere) };
        let user = Uri::new(user).ok_or(IdentityError::Text)?;
        let answer = ask(kms.address(), |reply| KmsCommand::Identity { change, user, reply });
        answer.unwrap_or(Err(IdentityError::NotHere))
    }

    pub(super) fn start_kms(
        &mut self,
        config: KmsConfig,
        mut store: Box<dyn KmsStore>,
        limits: Limits,
        others: &Others,
    ) -> Result<(), StartError> {
        let Some(zn) = self.zn(&config.name, others) else { return Ok(()) };
        let masters = masters(&config.masters, store.is_used()?)?;
        let (address, queue) = queue();
        let keys = KmsKeys { zn: Arc::clone(&zn), name: config.name.clone(), own: address.clone() };
        let function = KmsThread::new(config.kms, masters, store, Arc::clone(&self.counters), keys)?;
        let running = Running::start("kms", address.clone(), queue, function).map_err(StartError::Thread)?;
        self.kms = Some(running);
        let desk = Desk { kms: address, limits };
        if let Some(certificates) = config.certificates {
            let tls =
                CertificateServer::new(&certificates.credentials, config.plmn, Arc::clone(&self.counters))
                    .map_err(StartError::Certificate)?;
            let mnc_digits = config.plmn.mnc().len();
            let site = CertifiedKmsSite { tls, mnc_digits, desk: desk.clone() };
            self.kms_certificates = Some(self.serve(certificates.listen.address(), site, limits)?);
        }
        let tls = PskServer::new(config.name, config.plmn, zn, Arc::clone(&self.counters))?;
        self.kms_psk = Some(self.serve(config.listen.address(), KmsSite { tls, desk }, limits)?);
        Ok(())
    }
}

/// The master secrets in a file, which is made at the first start, for its owner alone. They are not made anew once keys
/// were given: their users would not understand each other.
fn masters(path: &Path, is_used: bool) -> Result<Masters, StartError> {
    if path.exists() {
        let text = read_secret(path)?;
        return parse(&text).ok_or_else(|| {
            let remedy = "put it back from a backup: keys that were given end with it";
            ConfigError::new(
                "no master secrets of a key management server",
                path.display().to_string(),
                remedy,
            )
            .into()
        });
    }
    if is_used {
        let remedy = "put it back from a backup, or name another database for a new server";
        let what = "the master secrets are gone, and the database knows of keys that were given";
        return Err(ConfigError::new(what, path.display().to_string(), remedy).into());
    }
    let mut random = Zeroizing::new([0; Masters::RANDOM]);
    getrandom::fill(&mut random[..]).map_err(|_| StartError::NoRandomness)?;
    let masters = Masters::generate(&random).map_err(|_| StartError::NoRandomness)?;
    let digits = Zeroizing::new(hex::encode(&masters.to_octets()[..]));
    let text = Zeroizing::new(format!("{TITLE}\n{}\n", *digits));
    replace(path, text.as_bytes()).map_err(|why| {
        let what = format!("the master secrets cannot be written: {why}");
        ConfigError::new(what, path.display().to_string(), "make its folder writable")
    })?;
    tracing::info!("KMS: new master secrets in {}: keep a copy, and keep it to yourself", path.display());
    Ok(masters)
}

fn parse(text: &str) -> Option<Masters> {
    let digits = text.strip_prefix(TITLE)?.strip_prefix('\n')?.strip_suffix('\n')?;
    let mut octets = Zeroizing::new([0; Masters::OCTETS]);
    hex::decode_to_slice(digits, &mut octets[..]).ok()?;
    Masters::from_octets(&octets).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_made_once_for_their_owner_alone_and_never_anew_after_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kms.secrets");
        let first = masters(&path, false).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(masters(&path, true).unwrap().to_octets(), first.to_octets());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(masters(&path, true).unwrap_err().to_string().contains("chmod 600"));
        std::fs::remove_file(&path).unwrap();
        assert!(masters(&path, true).unwrap_err().to_string().contains("are gone"));
        assert!(!path.exists());
        std::fs::write(&path, "nothing").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(masters(&path, false).unwrap_err().to_string().contains("no master secrets"));
        assert_eq!(std::fs::read(&path).unwrap(), b"nothing", "what is there is left as it is");
    }
}
