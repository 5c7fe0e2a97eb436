//! `sidelink network run`: the network functions on sockets, until Ctrl-C.

use crate::commands::ue::stop_on_signals;
use crate::terminal;
use clap::Args;
use sidelink_services::orders::{Orders, socket_of};
use sidelink_services::{Config, Network};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Arguments of `sidelink network run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What runs.
    #[command(flatten)]
    pub network: ConfigArgs,
}

/// Which network, and where it keeps what it keeps.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Configuration: database, HSS, BSF, ProSe Function, PKMF, KMS, AAA. `sidelink network example` writes one.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Another database than the configuration's: a file, or postgres://USER@localhost/NAME.
    #[arg(long, value_name = "DATABASE")]
    pub database: Option<String>,
}

impl ConfigArgs {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Its fault, or that of the database.
    pub(super) fn load(&self) -> Result<Config, sidelink_services::config::ConfigError> {
        Config::load_with(&self.config, self.database.as_deref())
    }
}

/// Runs them.
///
/// # Errors
/// The configuration, the database, or an address that is taken.
pub fn run(args: &RunArgs) -> anyhow::Result<()> {
    let config = args.network.load()?;
    let socket = socket_of(&config.database);
    let auc = config.auc.clone();
    let stop = stop_on_signals()?;
    let handle = Arc::new(Network::start(config)?);
    let orders = Orders::take(&socket, Arc::clone(&handle))
        .map_err(|why| anyhow::anyhow!("cannot take orders: {why}; {}", socket.display()))?;
    let mut text = format!("{} subscribers\n", handle.status().subscribers);
    if let Some(address) = handle.ub_address() {
        text += &format!("BSF: Ub at http://{address}\n");
    }
    if let Some(address) = handle.pc3_address() {
        text += &format!("ProSe Function: PC3 at https://{address}, TLS with pre-shared keys\n");
    }
    if let Some(address) = handle.certificates_address() {
        text += &format!("ProSe Function: configurations at https://{address}, TLS with certificates\n");
    }
    if let Some(address) = handle.pc8_address() {
        text += &format!("PKMF: PC8 at https://{address}, TLS with pre-shared keys\n");
    }
    if let Some(address) = handle.mikey_address() {
        text += &format!("PKMF: MIKEY at {address}, UDP\n");
    }
    if let Some(address) = handle.kms_address() {
        text += &format!("KMS: keys of identities at https://{address}, TLS with pre-shared keys\n");
    }
    if let Some(address) = handle.kms_certificates_address() {
        text += &format!("KMS: keys of identities at https://{address}, TLS with certificates\n");
    }
    if let Some(address) = handle.radius_address() {
        text += &format!("AAA: RADIUS at {address}, UDP\n");
    }
    if let Some(address) = handle.sbi_address() {
        text += &format!("5G core: http://{address}, HTTP/2 and HTTP/1.1 with a token\n");
    }
    if let Some(path) = auc {
        text += &format!("HSS: vectors for hostapd at unix:{}\n", path.display());
    }
    text += "ready; Ctrl-C ends it\n";
    terminal::print(&text)?;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(orders);
    drop(handle);
    Ok(())
}
