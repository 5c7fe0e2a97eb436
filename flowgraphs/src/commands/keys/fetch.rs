//! `sidelink keys fetch`: a UE gets codes, filters and keys from the ProSe Function into its key store.

use crate::commands::ue::permit::sealing_key;
use crate::config::ConfigError;
use crate::config::network_toml::{NetworkConfig, TlsVersion};
use crate::config::ue_toml::UeConfig;
use crate::experiments::network::entries::entries;
use crate::outputs::{Existing, Outputs};
use crate::readable::seconds_and_date;
use crate::terminal;
use clap::Args;
use sidelink_network::configuration::Trust;
use sidelink_network::pc3::EntryId;
use sidelink_network::pc3_client::{Input, NoAnswer, Output, Pc3Client, Wanted, WantedId};
use sidelink_network::prose_function::RequestId;
use sidelink_security::counter::UtcTime;
use sidelink_services::client::{ClientConfig, ClientError, ConfigurationFile, SqnFile, UeClient};
use sidelink_services::tls::{PskSuite, TlsMode};
use sidelink_store::{Discovery, KeyStore, Keys};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Time of one request, with its connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Arguments of `sidelink keys fetch`.
#[derive(Debug, Args)]
pub(super) struct FetchArgs {
    /// File of the UE, with `keys` and `[network]`.
    pub(super) config: PathBuf,
}

/// Fetches everything that the file asks for.
///
/// # Errors
/// The file, the network, or the key store.
pub(super) fn fetch(args: &FetchArgs) -> anyhow::Result<()> {
    let config = UeConfig::from_file(&args.config)?;
    let place = args.config.display().to_string();
    let Some(network) = &config.network else {
        return Err(
            ConfigError::new("there is no [network]", place, "`sidelink network example` shows one").into()
        );
    };
    let Some(path) = &config.keys else {
        return Err(ConfigError::new("there is no key store", place, "add keys = \"FILE\"").into());
    };
    let usim = network.usim()?;
    let wanted = network.wanted()?;
    let places = Places::load(&network.usim);
    let mut fetching = Fetching {
        places,
        ue: config.name.clone(),
        client: client(network)?,
        pc3: Pc3Client::new(network.pc3(&usim)?),
        wanted: Vec::new(),
        entries: Vec::new(),
        refused: Vec::new(),
    };
    wanted.into_iter().try_for_each(|wanted| fetching.want(wanted))?;
    let Fetching { entries, refused, places, mut client, .. } = fetching;
    let mut text = String::new();
    for entry in &entries {
        let until = seconds_and_date(entry.valid_until.into());
        let what = if entry.announcer.is_some() { "announce" } else { "monitor" };
        writeln!(text, "{}: {what}, {}, valid until {until}", entry.name, entry.protection.as_str())?;
    }
    KeyStore::open_or_create(path)?.put(&Keys { discovery: entries, ..Keys::default() })?;
    places.store()?;
    if let Some(path) = &network.configuration {
        let trust = Trust { operators: vec![network.names(&usim)?[1].clone()] };
        let version =
            client.fetch_configuration(&ConfigurationFile::new(path), sealing_key(network)?, trust)?;
        writeln!(text, "configuration: version {version}")?;
    }
    terminal::print(&text)?;
    match &refused[..] {
        [] => Ok(()),
        all => anyhow::bail!(all.join("\n")),
    }
}

/// Returns the UE's end of Ub and TLS. The state of its USIM is a file beside it.
fn client(network: &NetworkConfig) -> anyhow::Result<UeClient> {
    let usim = network.usim()?;
    let [bsf, naf] = network.names(&usim)?;
    let config = ClientConfig {
        impi: usim.imsi.impi(usim.mnc_digits)?,
        bsf,
        bsf_address: network.bsf,
        naf,
        naf_address: network.prose_function,
        tls: match network.tls {
            TlsVersion::V12 => TlsMode::Tls12(PskSuite::DheAes128Gcm),
            TlsVersion::V13 => TlsMode::Tls13,
        },
        patience: PATIENCE,
    };
    Ok(UeClient::new(config, usim.keys, SqnFile::new(beside(&network.usim, ".sqn")))?)
}

/// Names of the entries at the ProSe Function, by what they are for: the next fetch goes on with them. A file beside the USIM.
struct Places {
    path: PathBuf,
    known: BTreeMap<String, u16>,
}

impl Places {
    /// A file that is missing or damaged means new entries, with new codes.
    fn load(usim: &Path) -> Self {
        let path = beside(usim, ".entries");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        Self { path, known: toml::from_str(&text).unwrap_or_default() }
    }

    fn store(&self) -> anyhow::Result<()> {
        let mut file = Outputs::new(Existing::Replace).claim("the file of entries", &self.path)?.create()?;
        file.write_all(toml::to_string(&self.known)?.as_bytes())?;
        Ok(file.finish()?)
    }
}

/// Returns the path of a file beside another one.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// What has been fetched.
struct Fetching {
    places: Places,
    ue: String,
    client: UeClient,
    pc3: Pc3Client,
    /// Name for people, and in the file of entries.
    wanted: Vec<(String, String)>,
    entries: Vec<Discovery>,
    refused: Vec<String>,
}

impl Fetching {
    /// Asks for one thing, and does what comes of it.
    fn want(&mut self, wanted: Wanted) -> anyhow::Result<()> {
        let name = match &wanted {
            Wanted::Announce(id) | Wanted::Monitor(id) => id.to_string(),
            Wanted::AnnounceRestricted => format!("{}, restricted", self.ue),
            Wanted::MonitorRestricted(_) => "restricted".to_owned(),
        };
        let earlier = self.places.known.get(&key(&name, &wanted)).and_then(|id| EntryId::new(*id).ok());
        self.wanted.push((name.clone(), key(&name, &wanted)));
        self.pc3.handle_input(Input::Want { now: now(), wanted, earlier });
        loop {
            match self.pc3.poll_output() {
                Output::Request { request, body } => self.ask(request, &body)?,
                Output::Allotted { id, entry, allotment, until } => {
                    let (name, key) = self.name(id);
                    self.places.known.insert(key, entry.value());
                    self.entries.extend(entries(&self.ue, &name, &allotment, until));
                }
                Output::Ended { id, why } => {
                    let (name, key) = self.name(id);
                    self.places.known.remove(&key);
                    self.refused.push(format!("{name}: {why}"));
                }
                Output::Malformed(_) => {
                    anyhow::bail!(
                        "the answer of the ProSe Function is not understood; is it one of TS 24.334?"
                    )
                }
                Output::Timeout(_) => return Ok(()),
                _ => {}
            }
        }
    }

    fn name(&self, id: WantedId) -> (String, String) {
        self.wanted.get(usize::from(id.0)).cloned().unwrap_or_default()
    }

    /// Sends a request. A UE that fetches once asks once: what the network refuses for now is said.
    fn ask(&mut self, request: RequestId, body: &Zeroizing<String>) -> anyhow::Result<()> {
        match self.client.send_xml(body) {
            Ok(Some(body)) => {
                self.pc3.handle_input(Input::Response { now: now(), request, body: &body });
            }
            Err(ClientError::Refused { status, .. }) if status == http::StatusCode::FORBIDDEN => {
                self.pc3.handle_input(Input::NoAnswer { now: now(), request, why: NoAnswer::Forbidden });
            }
            Ok(None) => anyhow::bail!("the ProSe Function took the request and said nothing; ask again"),
            Err(why) => return Err(why.into()),
        }
        Ok(())
    }
}

/// Returns the name of something wanted in the file of entries.
fn key(name: &str, wanted: &Wanted) -> String {
    let what = match wanted {
        Wanted::Announce(_) | Wanted::AnnounceRestricted => "announce",
        Wanted::Monitor(_) | Wanted::MonitorRestricted(_) => "monitor",
    };
    format!("{what} {name}")
}

fn now() -> UtcTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcTime::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}
