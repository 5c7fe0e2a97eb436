//! What the documents name is there.
#![allow(clippy::disallowed_methods)]

use sidelink_tests::project::{crates, root};

/// The documents of the project, with their texts.
fn documents() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["", "docs", "recordings"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// Paths between backticks: a folder of this project, and something in it. `{a,b}` is two of them.
fn paths(text: &str) -> Vec<String> {
    let folders = crates();
    let mut found = Vec::new();
    for span in text.split('`').skip(1).step_by(2) {
        let Some((folder, _)) = span.split_once('/') else { continue };
        if !folders.iter().any(|known| known == folder)
            || span.contains([' ', '\n', '*', '<'])
            || span.contains("NAME")
        {
            continue;
        }
        match (span.find('{'), span.find('}')) {
            (Some(open), Some(close)) => {
                let names = span[open + 1..close].split(',');
                found.extend(names.map(|name| format!("{}{name}{}", &span[..open], &span[close + 1..])));
            }
            _ => found.push(span.to_owned()),
        }
    }
    found
}

#[test]
fn paths_that_documents_name_exist() {
    let mut gone = Vec::new();
    let mut count = 0;
    for (name, text) in documents().into_iter().filter(|(name, _)| name != "CHANGELOG.md") {
        for path in paths(&text) {
            count += 1;
            if !root().join(&path).exists() {
                gone.push(format!("{name}: {path}"));
            }
        }
    }
    assert!(count > 30, "{count} paths");
    assert!(gone.is_empty(), "{gone:#?}");
}
