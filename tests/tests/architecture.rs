//! The arrows and rules of ARCHITECTURE.md, read off the sources: who may import whom, where `unsafe` may stand, how long
//! a file and a function (`architecture/functions.rs`) may be, which quantities have a type (`architecture/quantities.rs`),
//! how a clause is cited.
#![allow(clippy::disallowed_methods)]

#[path = "architecture/arrows.rs"]
mod arrows;
#[path = "architecture/functions.rs"]
mod functions;
#[path = "architecture/quantities.rs"]
mod quantities;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Files below `folder` (relative to the project) with one of the extensions, as (relative path, text).
fn files(folder: &str, extensions: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let skipped =
                    name.starts_with("target") || name == ".git" || name == "corpus" || name == "artifacts";
                if !skipped {
                    folders.push(path);
                }
            } else if extensions.iter().any(|e| name.ends_with(e)) {
                let text =
                    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                let relative = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
                found.push((relative, text));
            }
        }
    }
    found.sort();
    found
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let found = files(folder, &[".rs"]);
    assert!(!found.is_empty(), "{folder} holds no source");
    found
}

/// Rust without comments, the contents of strings and characters: what is left is code. Lines stay.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let bytes: Vec<char> = text.chars().collect();
    let mut i = 0;
    while i < bytes.len() {
        let next = bytes.get(i + 1).copied();
        match bytes[i] {
            '/' if next == Some('/') => {
                while i < bytes.len() && bytes[i] != '\n' {
                    i += 1;
                }
            }
            '/' if next == Some('*') => {
                let mut depth = 1;
                i += 2;
                while i < bytes.len() && depth > 0 {
                    match (bytes[i], bytes.get(i + 1)) {
                        ('/', Some('*')) => (depth, i) = (depth + 1, i + 1),
                        ('*', Some('/')) => (depth, i) = (depth - 1, i + 1),
                        ('\n', _) => out.push('\n'),
                        _ => {}
                    }
                    i += 1;
                }
            }
            'r' if matches!(next, Some('"' | '#')) && raw_hashes(&bytes[i + 1..]).is_some() => {
                let hashes = raw_hashes(&bytes[i + 1..]).unwrap_or(0);
                i += 2 + hashes;
                while i < bytes.len() {
                    if bytes[i] == '"' && bytes[i + 1..].iter().take_while(|&&c| c == '#').count() >= hashes {
                        i += 1 + hashes;
                        break;
                    }
                    if bytes[i] == '\n' {
                        out.push('\n');
                    }
                    i += 1;
                }
                out.push_str("\"\"");
            }
            '"' => {
                i += 1;
                while i < bytes.len() && bytes[i] != '"' {
                    if bytes[i] == '\\' {
                        i += 1;
                    }
                    if bytes.get(i) == Some(&'\n') {
                        out.push('\n');
                    }
                    i += 1;
                }
                i += 1;
                out.push_str("\"\"");
            }
            // a character, not a lifetime
            '\'' if next == Some('\\') => {
                i += 3;
                while i < bytes.len() && bytes[i] != '\'' {
                    i += 1;
                }
                i += 1;
                out.push_str("' '");
            }
            '\'' if bytes.get(i + 2) == Some(&'\'') => {
                i += 3;
                out.push_str("' '");
            }
            c => {
                out.push(c);
                i += 1;
            }
        }
    }
    out
}

/// Number of `#` of a raw string that begins behind its `r`.
fn raw_hashes(behind: &[char]) -> Option<usize> {
    let hashes = behind.iter().take_while(|&&c| c == '#').count();
    (behind.get(hashes) == Some(&'"')).then_some(hashes)
}

/// Whether `word` stands in `text` by itself.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(is_part)
            && !text[at + word.len()..].chars().next().is_some_and(is_part)
    })
}

/// Code without what stands under `#[cfg(test)]`, whose lines stay empty; all of a file of tests is left out.
fn shipped(path: &str, text: &str) -> String {
    let is_tests = path.ends_with("/tests.rs") || path.contains("/tests/") || path.ends_with("/testing.rs");
    let mut code = if is_tests { String::new() } else { code(text) };
    while let Some(at) = code.find("#[cfg(test)]") {
        let end = at + end_of_item(&code[at..]);
        let lines = "\n".repeat(code[at..end].matches('\n').count());
        code.replace_range(at..end, &lines);
    }
    code
}

/// Where the first item of `code` ends: behind its last brace or its semicolon, at the latest where what it stands in ends.
fn end_of_item(code: &str) -> usize {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return at,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Keys of `[section]` of a manifest.
fn keys(manifest: &str, section: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut found = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            let name = line.trim_matches(['[', ']']);
            inside = name == section;
            // [dependencies.NAME]
            if let Some(name) = name.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')) {
                found.insert(name.to_owned());
            }
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            found.extend(line.split(['.', '=', ' ']).next().map(str::to_owned));
        }
    }
    found
}

fn dependencies(crate_folder: &str) -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(root().join(crate_folder).join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("[target."), "{crate_folder}: dependencies by target are not looked at here");
    keys(&manifest, "dependencies")
}

fn of_house(dependencies: &BTreeSet<String>) -> Vec<&str> {
    dependencies.iter().filter_map(|d| d.strip_prefix("sidelink-")).collect()
}

fn report(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// Modules of this crate that code names behind `crate::`.
fn imports(code: &str) -> BTreeSet<String> {
    let first_word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut found = BTreeSet::new();
    for (at, name) in code.match_indices("crate::") {
        let rest = &code[at + name.len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(elements(list).map(first_word)),
            None => _ = found.insert(first_word(rest)),
        }
    }
    found
}

/// The elements of a list up to its closing brace, nested lists whole.
fn elements(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let mut end = list.len();
    let mut commas = Vec::new();
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                end = at;
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => commas.push(at),
            _ => {}
        }
    }
    let starts: Vec<_> = std::iter::once(0).chain(commas.iter().map(|c| c + 1)).collect();
    let ends: Vec<_> = commas.into_iter().chain([end]).collect();
    starts.into_iter().zip(ends).map(move |(from, to)| &list[from..to]).filter(|e| !e.trim().is_empty())
}

#[test]
fn formats_tables_units_and_ids_import_nothing_upward() {
    let rooms = [
        ("wire/src", &["ids", "Error", "fits", "need"][..]),
        ("wire/src/ids.rs", &[]),
        ("phy/src/tables", &["tables", "units"]),
        ("phy/src/units.rs", &[]),
        ("phy/src/numerology.rs", &["units"]),
        ("security/src/keys.rs", &[]),
        ("recordings/src/raw.rs", &["raw", "Error", "Sample", "Warning", "Damage", "DamageKind"]),
    ];
    let mut broken = Vec::new();
    for (room, allowed) in rooms {
        let (folder, one) = if room.ends_with(".rs") {
            (room.rsplit_once('/').map_or("", |(folder, _)| folder), Some(room))
        } else {
            (room, None)
        };
        let mut looked_at = 0;
        for (path, text) in sources(folder) {
            if one.is_some_and(|one| path != one) {
                continue;
            }
            looked_at += 1;
            let code = shipped(&path, &text);
            let outside = imports(&code).into_iter().filter(|i| !allowed.contains(&i.as_str()));
            broken.extend(outside.map(|i| format!("{path} imports crate::{i}")));
            if has_word(&code, "sidelink_security") {
                broken.push(format!("{path} imports another crate of the house"));
            }
        }
        assert!(looked_at > 0, "{room} is not there");
    }
    report("wire, tables, units and ids import nothing upward", broken);
}

#[test]
fn channels_never_import_each_other() {
    let channels = ["psbch", "pscch", "psdch", "pssch"];
    let mut broken = Vec::new();
    for channel in channels {
        let path = format!("phy/src/channel/{channel}.rs");
        let text = std::fs::read_to_string(root().join(&path)).unwrap();
        let code = code(&text);
        let siblings = channels.iter().filter(|&&c| c != channel && has_word(&code, c));
        broken.extend(siblings.map(|s| format!("{path} names {s}")));
    }
    report("siblings in phy/src/channel never import each other", broken);
}

#[test]
fn what_a_channel_uses_of_the_receiver_does_not_know_channels() {
    // channel -> receive::{estimate, equalise} is a deliberate arrow; these must then not point back
    let mut broken = Vec::new();
    for (path, text) in sources("phy/src/receive") {
        if path.contains("/estimate") || path.contains("/equalise") {
            let code = shipped(&path, &text);
            let back = ["psbch", "pscch", "psdch", "pssch"].into_iter().filter(|c| has_word(&code, c));
            broken.extend(back.map(|c| format!("{path} names {c}")));
        }
    }
    report("estimate and equalise serve every channel", broken);
}

#[test]
fn only_the_mapping_names_mac_and_phy_together() {
    // names are followed through what the mapping hands on: a type of phy is one of phy whoever's path it is named by
    let mapping = std::fs::read_to_string(root().join("ue/src/mapping.rs")).unwrap();
    let handed_on = |from: &str| -> Vec<String> {
        let lines = code(&mapping);
        let lines = lines.lines().filter_map(|line| line.trim().strip_prefix(&format!("pub use {from}::")));
        let last = |path: &str| path.trim_end_matches(';').rsplit([':', ' ']).next().unwrap_or("").to_owned();
        lines.map(last).collect()
    };
    let (of_mac, of_phy) = (handed_on("sidelink_mac"), handed_on("sidelink_phy"));
    let names = |code: &str, room: &str, again: &[String]| {
        has_word(code, room) || (has_word(code, "mapping") && again.iter().any(|name| has_word(code, name)))
    };
    let both = |code: &str| names(code, "sidelink_mac", &of_mac) && names(code, "sidelink_phy", &of_phy);
    let broken = sources("ue/src")
        .into_iter()
        .chain(sources("flowgraphs/src"))
        .filter(|(path, text)| !path.starts_with("ue/src/mapping") && both(&shipped(path, text)))
        .map(|(path, _)| path)
        .collect();
    report("the mapping translates between mac and phy, nobody else", broken);
}

#[test]
fn unsafe_stands_in_the_kernels_at_shared_memory_and_at_c_only() {
    // the counting allocator is the other exception: `GlobalAlloc` is an unsafe trait
    let allowed = |path: &str| {
        path.starts_with("phy/src/kernel/")
            || path.starts_with("security/src/identity/kernel/")
            || path.starts_with("security/src/discovery/kernel/")
            || path.starts_with("security/src/cipher/kernel/")
            || path == "security/benches/identity/openssl.rs"
            || path == "radio/src/air/memory.rs"
            || path == "radio/src/soapy/library.rs"
            || path == "radio/virtualair/src/c.rs"
            || path == "services/src/tls/hint.rs"
            || path == "tests/tests/allocation/counting.rs"
    };
    let mut broken = Vec::new();
    for (path, text) in sources(".") {
        if !allowed(&path) && has_word(&code(&text), "unsafe") {
            broken.push(path);
        }
    }
    report(
        "unsafe stands in the kernels of phy and security, where memory is shared and where C is spoken only",
        broken,
    );
    for (room, lint) in [
        ("phy", "#![deny(unsafe_code)]"),
        ("wire", "#![forbid(unsafe_code)]"),
        ("prose", "#![forbid(unsafe_code)]"),
        ("network", "#![forbid(unsafe_code)]"),
        ("mac", "#![forbid(unsafe_code)]"),
        ("security", "#![deny(unsafe_code)]"),
        ("recordings", "#![forbid(unsafe_code)]"),
        ("services", "#![deny(unsafe_code)]"),
        ("store", "#![forbid(unsafe_code)]"),
        ("ue", "#![forbid(unsafe_code)]"),
        ("flowgraphs", "#![deny(unsafe_code)]"),
        ("radio", "#![deny(unsafe_code)]"),
        ("radio/virtualair", "#![deny(unsafe_code)]"),
    ] {
        let text = std::fs::read_to_string(root().join(room).join("src/lib.rs")).unwrap();
        assert!(text.contains(lint), "{room}/src/lib.rs lacks {lint}");
    }
}

#[test]
fn files_are_short() {
    const MOST: usize = 600;
    let mut broken = Vec::new();
    for (path, text) in sources(".") {
        if path.starts_with("phy/src/tables/") {
            continue;
        }
        let lines = code(&text).lines().filter(|l| !l.trim().is_empty()).count();
        if lines >= MOST {
            broken.push(format!("{path}: {lines} lines of code"));
        }
    }
    report("a file has less than 600 lines of code", broken);
}

#[test]
fn nothing_is_left_to_do() {
    let mut broken = Vec::new();
    for (path, text) in sources(".") {
        let code = code(&text);
        for stub in ["todo!", "unimplemented!", "dbg!"] {
            if code.contains(stub) {
                broken.push(format!("{path}: {stub}"));
            }
        }
    }
    report("no stubs", broken);
}

/// Texts of the project, manifests and scripts included.
const TEXTS: [&str; 10] = [".rs", ".md", ".toml", ".py", ".lua", ".sh", ".json", ".yml", "test", "run"];

#[test]
fn no_path_of_anyones_machine() {
    // put together, so that this file is not found
    let roots = ["work", "root", "home", "Users", "tmp"].map(|r| format!("/{r}/"));
    let mut broken = Vec::new();
    for (path, text) in files(".", &TEXTS) {
        for (number, line) in text.lines().enumerate() {
            let starts_path = |at: usize| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || "._-/}~".contains(c))
            };
            if roots.iter().any(|r| line.match_indices(r.as_str()).any(|(at, _)| starts_path(at))) {
                broken.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    report("no absolute path of a machine", broken);
}

#[test]
fn clauses_are_cited_in_one_form() {
    // "TS 36.211 §9.5.6", "TS 36.213 Table 14.2.1-2", "TS 33.303 Annex A.2"; never a bare number or a word for a clause
    let mut broken = Vec::new();
    for (path, text) in files(".", &[".rs", ".md"]) {
        for (number, line) in text.lines().enumerate() {
            for prefix in ["TS ", "TR "] {
                for (at, _) in line.match_indices(prefix) {
                    let rest = &line[at + prefix.len()..];
                    let name = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
                    if !is_specification(&rest[..name]) {
                        continue;
                    }
                    let behind = rest[name..].trim_start_matches([',', ' ']);
                    let bare = rest[name..].starts_with(' ') && starts_number(behind);
                    let words = ["clause ", "clauses ", "section ", "Section ", "sec. ", "subclause "];
                    let word = words.iter().any(|w| behind.strip_prefix(w).is_some_and(starts_number));
                    if bare || word {
                        broken.push(format!("{path}:{}: {}", number + 1, line.trim()));
                    }
                }
            }
        }
    }
    report("one form of citation: TS 36.211 §9.5.6", broken);
}

fn starts_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Two digits, a dot, three digits.
fn is_specification(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
    name.len() == 6 && name[2] == b'.' && name.iter().enumerate().all(|(i, c)| i == 2 || c.is_ascii_digit())
}

#[test]
fn the_readers_of_sources_can_fail() {
    let text = "// unsafe\nfn f() { let s = \"unsafe \\\" crate::x\"; /* unsafe */ let c = '\"'; let l: &'static str = r#\"unsafe\"#; }\nunsafe fn g() {}";
    let code = code(text);
    assert_eq!(code.matches("unsafe").count(), 1, "{code}");
    assert_eq!(code.lines().count(), text.lines().count());
    assert!(has_word(&code, "unsafe") && !has_word("unsafe_code", "unsafe"));
    let found = imports("use crate::a::b; use crate::{c, d::{e, f}, g}; x(crate::h::i)");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "c", "d", "g", "h"]);
    assert!(is_specification("36.211") && !is_specification("36") && !is_specification("5.4.3"));
    let manifest = "[dependencies]\na = \"1\"\nb.workspace = true\n[dependencies.c]\nversion = \"1\"\n[dev-dependencies]\nd = \"1\"\n";
    assert_eq!(keys(manifest, "dependencies").into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
}
