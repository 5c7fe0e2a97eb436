//! `[prose-function.configuration]`: what UEs are configured with, and the server of those with certificates.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sidelink_network::limit::RateLimit;
use zeroize::Zeroizing;

use super::{CertificatesConfig, ConfigError, ConfigurationConfig, Listen, Reach, read, read_secret};
use crate::tls::Credentials;

/// Six requests at once, and one more in ten seconds.
const RATE: RateLimit = RateLimit { burst: 6, interval: 10_000 };

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ConfigurationText {
    document: PathBuf,
    state: Option<PathBuf>,
    burst: Option<u32>,
    interval_ms: Option<u64>,
    certificates: Option<CertificatesText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CertificatesText {
    listen: SocketAddr,
    #[serde(default)]
    reach: Reach,
    certificate: PathBuf,
    key: PathBuf,
    roots: PathBuf,
}

impl ConfigurationText {
    pub(super) fn resolve(self, folder: &Path) -> Result<ConfigurationConfig, ConfigError> {
        let document = folder.join(&self.document);
        let state = match self.state {
            Some(state) => folder.join(state),
            None => {
                let mut name = document.clone().into_os_string();
                name.push(".state");
                name.into()
            }
        };
        Ok(ConfigurationConfig {
            state,
            document: Some(read(&document)?.as_bytes().to_vec()),
            rate: super::text::rate(RATE, self.burst, self.interval_ms),
            certificates: self.certificates.map(|text| text.resolve(folder)).transpose()?,
        })
    }
}

impl CertificatesText {
    pub(super) fn resolve(self, folder: &Path) -> Result<CertificatesConfig, ConfigError> {
        let pem = |path: &Path| Ok(read(&folder.join(path))?.as_bytes().to_vec());
        let credentials = Credentials {
            certificate: pem(&self.certificate)?,
            key: Zeroizing::new(read_secret(&folder.join(&self.key))?.as_bytes().to_vec()),
            roots: pem(&self.roots)?,
        };
        Ok(CertificatesConfig { listen: Listen::new(self.listen, self.reach)?, credentials })
    }
}
