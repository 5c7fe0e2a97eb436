//! `sidelink ue --example`: one commented file, or a folder with two UEs that run at once.

use super::super::keys::certificates;
use crate::config::ConfigError;
use crate::config::ue_toml::EXAMPLE;
use crate::outputs::{Existing, Outputs};
use crate::terminal;
use clap::ValueEnum;
use sidelink_store::{
    Cipher, Discovery, Group, Hex, KeyStore, Keys, Member, Protection, VariantName, random, utc_now,
};
use std::path::Path;

const CARRIER_D2D: &str = include_str!("carrier_d2d.toml");
const CARRIER_V2X: &str = include_str!("carrier_v2x.toml");

/// Days for which the keys and certificates are valid.
const DAYS: u32 = 365;

/// Layer-2 IDs of alice, of bob, and of the group.
const IDS: [[u8; 3]; 2] = [[0, 0, 0xa1], [0, 0, 0xb2]];
const GROUP_ID: [u8; 3] = [0, 1, 0xa2];

/// The key store of an observer: all keys, but no right to send under them.
const WATCHER: &str = "watch.keys";

/// The two UEs.
const NAMES: [&str; 2] = ["alice", "bob"];

/// An example of `sidelink ue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Example {
    /// One file with every setting, on standard output.
    Ue,
    /// Two UEs with everything: discovery, a group, a link by certificates, IP.
    Pair,
    /// Two UEs with a link by certificates, and IP over it.
    Link,
    /// Two UEs in a group, ciphered and with a MAC-I.
    Group,
    /// Two cars in mode 4, without protection.
    V2x,
}

/// Functions of a pair of UEs.
struct Parts {
    discovery: bool,
    group: bool,
    link: bool,
    /// Name of the group or link that carries IP.
    ip: Option<fn(&str) -> String>,
    v2x: bool,
}

impl Example {
    fn parts(self) -> Option<Parts> {
        let nothing = Parts { discovery: false, group: false, link: false, ip: None, v2x: false };
        match self {
            Self::Ue => None,
            Self::Pair => {
                let ip: Option<fn(&str) -> String> = Some(|_| "fire".to_owned());
                Some(Parts { discovery: true, group: true, link: true, ip, v2x: false })
            }
            Self::Link => Some(Parts { link: true, ip: Some(|peer| format!("link:{peer}")), ..nothing }),
            Self::Group => Some(Parts { group: true, ..nothing }),
            Self::V2x => Some(Parts { v2x: true, ..nothing }),
        }
    }
}

/// Prints the example, or writes the two UEs into `folder`.
///
/// # Errors
/// A folder where none is written, none where one is needed, or a file that exists.
pub(super) fn write(example: Example, folder: Option<&Path>) -> anyhow::Result<()> {
    match (example.parts(), folder) {
        (None, None) => terminal::print(EXAMPLE)?,
        (Some(parts), Some(folder)) => {
            // Half a pair beside an old one is useless.
            Outputs::new(Existing::Keep).claim_folder("-w", folder, &files(&parts))?;
            pair(&parts, folder)?;
            let readme = readme(&parts);
            write_new(folder, "README", &readme)?;
            terminal::print(&format!("{}:\n{readme}", folder.display()))?;
        }
        (None, Some(_)) => {
            let remedy = "choose a pair: --example=pair, link, group or v2x; or leave out -w";
            return Err(ConfigError::usage("this example is one file, on standard output", remedy).into());
        }
        (Some(_), None) => {
            let remedy = "name a new folder: -w lab/";
            return Err(ConfigError::usage("a pair is a folder of files, and none is named", remedy).into());
        }
    }
    Ok(())
}

/// Returns the names of the files of a pair.
fn files(parts: &Parts) -> Vec<String> {
    let ends = |has: bool, ends: &'static [&'static str]| if has { ends } else { &[] };
    let mut names = Vec::new();
    for name in NAMES {
        let ends = [
            &[".toml"][..],
            ends(!parts.v2x, &[".keys", ".keys.witness"]),
            ends(parts.link, &[".key", ".pem"]),
        ]
        .concat();
        names.extend(ends.iter().map(|end| format!("{name}{end}")));
    }
    names.extend(ends(parts.link, &["ca.key", "ca.pem"]).iter().map(|name| (*name).to_owned()));
    names.extend(ends(parts.group, &["", ".witness"]).iter().map(|end| format!("{WATCHER}{end}")));
    names.push("README".to_owned());
    names
}

/// Writes configurations, key stores and certificates of both UEs.
fn pair(parts: &Parts, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| {
        let place = folder.display().to_string();
        ConfigError::new(format!("cannot make the folder: {e}"), place, "name another")
    })?;
    let keys = keys(parts)?;
    if parts.link {
        certificates::make_issuer("the lab", &folder.join("ca"), DAYS)?;
    }
    for (k, name) in NAMES.iter().enumerate() {
        write_new(folder, &format!("{name}.toml"), &configuration(parts, k))?;
        if !parts.v2x {
            KeyStore::create(&folder.join(format!("{name}.keys")))?.put(&keys.for_ue(name))?;
        }
        if parts.link {
            certificates::make_certificate(name, &folder.join("ca"), &folder.join(name), DAYS)?;
        }
    }
    if parts.group {
        // The UE that uses a store locks it.
        KeyStore::create(&folder.join(WATCHER))?.put(&keys.receive_only())?;
    }
    Ok(())
}

fn keys(parts: &Parts) -> Result<Keys, ConfigError> {
    let (from, until) = (utc_now().saturating_sub(3600), utc_now().saturating_add(DAYS * 86_400));
    let mut keys = Keys::default();
    if parts.group {
        let member = |(ue, id): (&&str, &[u8; 3])| Member { ue: (*ue).to_owned(), id: Hex(id.to_vec()) };
        let mut group = Group {
            name: "fire".to_owned(),
            group_id: Hex(GROUP_ID.to_vec()),
            cipher: Cipher::Aes,
            mac: Some(Cipher::Aes),
            member: NAMES.iter().zip(&IDS).map(member).collect(),
            pgk: Vec::new(),
        };
        group.new_pgk(from, until)?;
        keys.group.push(group);
    }
    if parts.discovery {
        for (announcer, monitor) in [("alice", "bob"), ("bob", "alice")] {
            let mut code = Discovery::new(&format!("{announcer} is near"), Protection::Rotating, until);
            code.announcer = Some(announcer.to_owned());
            code.monitors = vec![monitor.to_owned()];
            code.variant = Some(VariantName::Keyed);
            code.period_ms = Some(1000);
            code.prose_id = Some(random(20)?);
            code.application_key = Some(random(32)?);
            keys.discovery.push(code);
        }
    }
    Ok(keys)
}

/// Returns the file of UE `k`.
fn configuration(parts: &Parts, k: usize) -> String {
    let (name, peer) = (NAMES[k], NAMES[1 - k]);
    let id = sidelink_wire::hex::of_bytes(&IDS[k]);
    let carrier = if parts.v2x { CARRIER_V2X } else { CARRIER_D2D };
    let keys = if parts.v2x { String::new() } else { format!("keys = \"{name}.keys\"\n") };
    let mut text = format!(
        "# {name}, one of two UEs: `sidelink ue -c {name}.toml`; the other is {peer}.toml.\n\
         # `sidelink ue --example` shows every setting.\n\
         name = \"{name}\"              # its name in the key store and in the certificate\n{keys}\
         layer2-id = \"{id}\"\n\n{carrier}"
    );
    // Milliseconds. A UE that transmits receives nothing, therefore the two send at different times.
    let apart = 300 * k;
    if parts.group {
        text += &format!(
            "\n[[talk]]\nto = \"fire\"               # a group of the key store\nevery = {}                # milliseconds\ntext = \"{name} to all\"\n",
            2000 + apart
        );
    }
    if parts.v2x {
        text += &format!(
            "\n[[group]]                   # a group without protection\nname = \"cars\"\nid = \"0001a3\"\n\n[[talk]]\nto = \"cars\"\nevery = {}                # milliseconds\ntext = \"{name} drives\"\n",
            1000 + apart
        );
    }
    if parts.link {
        let connect =
            if k == 0 { "connect = 500               # milliseconds after the start\n" } else { "" };
        text += &format!(
            "\n[[link]]                    # a protected link with one peer\npeer = \"{peer}\"\nid = \"{}\"\n{connect}\n\
             [credential]                # what {name} proves itself with, and whom it believes\n\
             key = \"{name}.key\"\ncertificate = \"{name}.pem\"\ntrust = [\"ca.pem\"]\n\n\
             [[talk]]\nto = \"link:{peer}\"\nevery = {}\ntext = \"{name} to {peer} alone\"\n",
            sidelink_wire::hex::of_bytes(&IDS[1 - k]),
            3000 + apart
        );
    }
    if let Some(to) = parts.ip {
        let (local, remote) = (5001 + 2 * k, 5002 + 2 * k);
        text += &format!(
            "\n[ip]                        # UDP datagrams over the air, as IP packets\nto = \"{}\"\n\
             local = \"127.0.0.1:{local}\"    # datagrams sent to this port go on the air\n\
             remote = \"127.0.0.1:{remote}\"   # what comes from the air goes to this port\n\
             #tun = \"sl0\"                # instead, an interface for all IP: takes privileges, and two machines,\n\
             #address = \"10.45.0.{}/24\"  # since one machine would not send its own addresses over the air\n",
            to(peer),
            k + 1
        );
    }
    text
}

/// Returns the instructions for the files, in three lines.
fn readme(parts: &Parts) -> String {
    let what = match parts {
        Parts { v2x: true, .. } => "They reserve resources and hear each other.",
        Parts { discovery: true, .. } => "They discover each other, talk in the group and set up a link.",
        Parts { link: true, .. } => "They set up a link and talk over it.",
        _ => "They talk in the group.",
    };
    let more = match parts.ip {
        Some(_) => {
            "IP: in bash, `echo hello > /dev/udp/127.0.0.1/5001` goes over the air from alice to bob, and to UDP port 5004."
        }
        None => {
            "Texts: start alice with `--control 127.0.0.1:8080`, and POST {\"to\": .., \"text\": ..} to /send."
        }
    };
    let keys = if parts.group { format!(" --keys {WATCHER}") } else { String::new() };
    let only = if parts.v2x { "" } else { " Keys and certificates are for this lab only." };
    let last = format!("Watch them in a third terminal: `sidelink listen -c alice.toml{keys}`.{only}");
    format!(
        "Two terminals in this folder: `sidelink ue -c alice.toml` and `sidelink ue -c bob.toml`. {what}\n{more}\n{last}\n"
    )
}

fn write_new(folder: &Path, name: &str, text: &str) -> Result<(), ConfigError> {
    certificates::write_new(&folder.join(name), text)
}
