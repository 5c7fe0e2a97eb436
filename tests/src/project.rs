//! The project as a tree of files.

use std::path::{Path, PathBuf};

/// Returns the folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the folders of the crates, as the workspace names them: those within another crate are part of it.
///
/// # Panics
/// A manifest that cannot be read.
pub fn crates() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).expect("the workspace has a manifest");
    let manifest: toml::Table = toml::from_str(&text).expect("the manifest is TOML");
    let members = manifest["workspace"]["members"].as_array().expect("the workspace has members");
    let members: Vec<&str> = members.iter().filter_map(toml::Value::as_str).collect();
    members.into_iter().filter(|member| !member.contains('/')).map(str::to_owned).collect()
}
