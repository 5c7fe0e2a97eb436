//! `sidelink network example`: a network with two subscribers, and their UEs, in a folder.

use crate::config::ConfigError;
use crate::terminal;
use clap::Args;
use sidelink_store::{random, write_private};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const NETWORK: &str = include_str!("example/network.toml");
const UE: &str = include_str!("example/ue.toml");

/// Names of the UEs; the second may discover the first.
const NAMES: [&str; 2] = ["alice", "bob"];

/// Arguments of `sidelink network example`.
#[derive(Debug, Args)]
pub struct ExampleArgs {
    /// The folder.
    #[arg(short = 'w', long = "write", value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Writes it.
///
/// # Errors
/// A file that exists, or cannot be written.
pub fn write(args: &ExampleArgs) -> anyhow::Result<()> {
    let folder = &args.folder;
    std::fs::create_dir_all(folder).map_err(|e| {
        ConfigError::new(format!("cannot make the folder: {e}"), folder.display().to_string(), "name another")
    })?;
    let mut names = vec!["network.toml".to_owned(), "subscribers.toml".to_owned()];
    names.extend(NAMES.iter().flat_map(|name| [format!("{name}.usim"), format!("{name}.toml")]));
    if let Some(there) = names.iter().find(|name| folder.join(name).exists()) {
        let place = folder.join(there).display().to_string();
        return Err(ConfigError::new("the file exists", place, "name another folder").into());
    }
    put(folder, "network.toml", NETWORK)?;
    let mut subscribers = Zeroizing::new(String::new());
    for (number, name) in (1..).zip(NAMES) {
        let [k, opc] = [secret()?, secret()?];
        let imsi = format!("00101{number:010}");
        let keys = Zeroizing::new(format!("k = \"{}\"\nopc = \"{}\"\n", *k, *opc));
        put(folder, &format!("{name}.usim"), &format!("imsi = \"{imsi}\"\nmnc-digits = 2\n{}", *keys))?;
        write!(subscribers, "[[subscriber]]\nimsi = \"{imsi}\"\nmnc-digits = 2\n{}{}\n", *keys, prose(name))?;
        put(folder, &format!("{name}.toml"), &ue(name))?;
    }
    put(folder, "subscribers.toml", &subscribers)?;
    let shown = folder.display();
    terminal::print(&format!(
        "{}\n\nsidelink network run -c {shown}/network.toml     # in one terminal\n\
         sidelink keys fetch {shown}/alice.toml           # in another; then bob's\n\
         sidelink keys list -s {shown}/alice.keys\n",
        names.join(", ")
    ))?;
    Ok(())
}

fn prose(name: &str) -> String {
    format!(
        "prose = {{ roles = [\"open-announce\", \"open-monitor\", \"restricted-announce\", \"restricted-monitor\", \
         \"discoveree\", \"discoverer\"], \
         application-ids = [\"mcc001.mnc001.ProSeApp.Rescue.Team\"], rpauids = [\"{name}@rescue.example\"] }}\n"
    )
}

fn ue(name: &str) -> String {
    let wants = match name {
        "alice" => "announce = [\"mcc001.mnc001.ProSeApp.Rescue.Team\"]\nbe-discovered = \"both\"\n",
        _ => {
            "monitor = [\"mcc001.mnc001.ProSeApp.Rescue.Team\"]\ndiscover = [\"alice@rescue.example\"]\n\
             ask = [\"alice@rescue.example\"]\n"
        }
    };
    let local = if name == "alice" { "127.0.0.2" } else { "127.0.0.3" };
    let group = "\n[[network.group]]\nname = \"rescue\"\nid = \"00002a\"\n";
    let talk = match name {
        "alice" => "\n[[talk]]\nto = \"rescue\"\nevery = 2000\ntext = \"alice: on my way\"\n",
        _ => "",
    };
    UE.replace("NAME", name).replace("LOCAL", local) + wants + group + talk
}

fn secret() -> anyhow::Result<Zeroizing<String>> {
    let octets = random(16)?;
    Ok(Zeroizing::new(octets.as_bytes().iter().map(|octet| format!("{octet:02x}")).collect()))
}

fn put(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    Ok(write_private(&folder.join(name), text)?)
}
