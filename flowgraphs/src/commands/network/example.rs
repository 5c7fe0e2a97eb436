//! `sidelink network example`: a network with two subscribers, and their UEs, in a folder.

use crate::config::ConfigError;
use crate::terminal;
use clap::Args;
use sidelink_network::configuration::{
    Bandwidth, Content, Hertz, NotInEutran, Place, Polygon, Power, Provision, RadioParameters,
    RadioParametersOfArea, Version,
};
use sidelink_network::pc3::Minutes;
use sidelink_store::{random, write_private};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const NETWORK: &str = include_str!("example/network.toml");
const UE: &str = include_str!("example/ue.toml");

/// The operator's configuration of UEs.
const CONFIGURATION: &str = "configuration.xml";

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
    let mut names = ["network.toml", "subscribers.toml", CONFIGURATION].map(str::to_owned).to_vec();
    names.extend(NAMES.iter().flat_map(|name| [format!("{name}.usim"), format!("{name}.toml")]));
    if let Some(there) = names.iter().find(|name| folder.join(name).exists()) {
        let place = folder.join(there).display().to_string();
        return Err(ConfigError::new("the file exists", place, "name another folder").into());
    }
    put(folder, "network.toml", NETWORK)?;
    let configuration = configuration();
    put(
        folder,
        CONFIGURATION,
        &configuration.ok_or_else(|| anyhow::anyhow!("no configuration; this is a bug"))?,
    )?;
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

/// An operator's configuration: 5920 MHz, 10 MHz wide, around Vienna, for a day. TS 24.333 §5. `None` for a value out of
/// range, which none of these is.
fn configuration() -> Option<Zeroizing<String>> {
    let area = || -> Option<Polygon> {
        let corners = [[47.0, 15.0], [47.0, 17.0], [49.0, 17.0], [49.0, 15.0]];
        let points = corners.iter().map(|[north, east]| Place::from_degrees(*north, *east));
        Some(Polygon { points: points.collect::<Option<_>>()? })
    };
    let parameters = || -> Option<Vec<RadioParametersOfArea>> {
        let contents = RadioParameters {
            carrier: Hertz::new(5_920_000_000)?,
            max_power: Power::new(23)?,
            bandwidth: Bandwidth::new(50)?,
        };
        Some(vec![RadioParametersOfArea { contents, area: vec![area()?] }])
    };
    let content = Content {
        version: Version::new(1)?,
        validity: Minutes::new(1440).ok()?,
        monitoring: vec![],
        announcing: vec![],
        communication: vec![],
        not_in_eutran: Some(NotInEutran {
            one_to_many: Some(true),
            one_to_one: Some(true),
            announcing: Some(true),
            monitoring: Some(true),
            communication: parameters()?,
            discovery: parameters()?,
        }),
        groups: vec![],
    };
    Some(Provision(content).to_xml())
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
    let identity =
        format!("\n[[network.identity]]\nname = \"{name}\"\nuri = \"sip:{name}@rescue.example\"\n");
    let group = "\n[[network.group]]\nname = \"rescue\"\nid = \"00002a\"\n";
    let talk = match name {
        "alice" => "\n[[talk]]\nto = \"rescue\"\nevery = 2000\ntext = \"alice: on my way\"\n",
        _ => "",
    };
    UE.replace("NAME", name).replace("LOCAL", local) + wants + group + &identity + talk
}

fn secret() -> anyhow::Result<Zeroizing<String>> {
    let octets = random(16)?;
    Ok(Zeroizing::new(octets.as_bytes().iter().map(|octet| format!("{octet:02x}")).collect()))
}

fn put(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    Ok(write_private(&folder.join(name), text)?)
}
