//! `sidelink wireshark`: installs the dissector for Wireshark.

use crate::config::ConfigError;
use crate::terminal;
use clap::{Args, Subcommand};
use sidelink_recordings::pcap::{DISSECTOR, PROFILE};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Arguments of `sidelink wireshark`.
#[derive(Debug, Args)]
pub struct WiresharkArgs {
    /// The action.
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Install the dissector for this user, and a profile whose columns show PRB, MCS, SNR and carrier offset.
    Install(Install),
}

#[derive(Debug, Args)]
struct Install {
    /// Print the dissector instead of installing it.
    #[arg(long)]
    print: bool,
    /// Install the dissector into this folder instead of Wireshark's personal one, and no profile.
    #[arg(short = 'w', long = "write", value_name = "FOLDER", conflicts_with = "print")]
    folder: Option<PathBuf>,
}

/// Installs it, and prints the paths of the files.
///
/// # Errors
/// The home folder is unknown, or a folder cannot be written.
pub fn run(args: WiresharkArgs) -> anyhow::Result<()> {
    let What::Install(install) = args.what;
    if install.print {
        return Ok(terminal::print(DISSECTOR)?);
    }
    if let Some(folder) = install.folder {
        let file = write(&folder, "sidelink.lua", DISSECTOR)?;
        return Ok(terminal::print(&format!("dissector: {}\n", file.display()))?);
    }
    let (plugins, profiles) = folders(&|name| std::env::var_os(name).filter(|value| !value.is_empty()))?;
    let dissector = write(&plugins, "sidelink.lua", DISSECTOR)?;
    let profile = write(&profiles.join("sidelink"), "preferences", PROFILE)?;
    terminal::print(&format!(
        "dissector: {}\nprofile:   {}\nUse them: wireshark -C sidelink FILE.pcap (tshark too)\n",
        dissector.display(),
        profile.display()
    ))?;
    Ok(())
}

/// Returns the folders of personal Lua plugins, for any version of Wireshark, and of profiles.
fn folders(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<(PathBuf, PathBuf), ConfigError> {
    if let Some(data) = variable("APPDATA").filter(|_| cfg!(windows)) {
        let wireshark = Path::new(&data).join("Wireshark");
        return Ok((wireshark.join("plugins"), wireshark.join("profiles")));
    }
    let home = variable("HOME").map(PathBuf::from).ok_or_else(|| {
        let remedy = "set HOME, or name a folder with -w: Wireshark shows its own under Help, About, Folders";
        ConfigError::new("the home of this user is not known", "HOME", remedy)
    })?;
    let config = variable("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let config = variable("WIRESHARK_CONFIG_DIR").map_or_else(|| config.join("wireshark"), PathBuf::from);
    Ok((home.join(".local/lib/wireshark/plugins"), config.join("profiles")))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, ConfigError> {
    let file = folder.join(name);
    std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, text)).map_err(|e| {
        let remedy = "name another folder with -w";
        ConfigError::new(format!("cannot write it: {e}"), file.display().to_string(), remedy)
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_the_environment() {
        let of = |set: &[(&str, &str)]| {
            let variable = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into());
            folders(&variable)
                .map(|(plugins, profiles)| format!("{} {}", plugins.display(), profiles.display()))
        };
        assert_eq!(
            of(&[("HOME", "/h")]).unwrap(),
            "/h/.local/lib/wireshark/plugins /h/.config/wireshark/profiles"
        );
        assert!(
            of(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]).unwrap().ends_with(" /x/wireshark/profiles")
        );
        assert!(of(&[("HOME", "/h"), ("WIRESHARK_CONFIG_DIR", "/w")]).unwrap().ends_with(" /w/profiles"));
        assert!(of(&[]).is_err());
    }
}
