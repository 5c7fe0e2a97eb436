//! Comments that mark where a requirement is met.

use sidelink_tests::project::crates;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A marked place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) is_test: bool,
    /// From the root of the project.
    pub(crate) path: String,
    /// The item that follows, or that the marker is in.
    pub(crate) item: String,
}

/// All markers, by clause.
pub(crate) struct Markers(BTreeMap<String, Vec<Place>>);

impl Markers {
    pub(crate) fn of(root: &Path) -> Self {
        let mut markers = Self(BTreeMap::new());
        for folder in crates() {
            markers.folder(root, &root.join(folder));
        }
        markers
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &Vec<Place>)> {
        self.0.iter()
    }

    pub(crate) fn of_clause(&self, clause: &str) -> &[Place] {
        self.0.get(clause).map_or(&[], Vec::as_slice)
    }

    fn folder(&mut self, root: &Path, folder: &Path) {
        let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with("target") {
                    self.folder(root, &path);
                }
            } else if [".rs", ".py", ".lua"].iter().any(|end| name.ends_with(end)) {
                let shown = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                self.file(&shown, &fs::read_to_string(&path).unwrap());
            }
        }
    }

    fn file(&mut self, path: &str, text: &str) {
        let whole = path.split('/').any(|part| part == "tests" || part == "tests.rs");
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let begins = |pair: &[&str]| {
            pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
        };
        let tests = lines.windows(2).position(begins).unwrap_or(lines.len());
        for (number, line) in lines.iter().enumerate() {
            for clause in clauses(line) {
                let item = item(&lines, number).unwrap_or_default();
                let place = Place { is_test: whole || number > tests, path: path.to_owned(), item };
                let places = self.0.entry(clause).or_default();
                if !places.contains(&place) {
                    places.push(place);
                    places.sort();
                }
            }
        }
    }
}

/// The clauses of a line that is a marker.
fn clauses(line: &str) -> Vec<String> {
    let comment = ["// TS ", "# TS ", "-- TS "].iter().find_map(|start| line.strip_prefix(start));
    // a sentence is no marker
    let is_clause = |comment: &&str| {
        (comment.contains(" §") || comment.contains(" Table "))
            && !comment.contains(": ")
            && !comment.ends_with('.')
    };
    let Some(comment) = comment.filter(is_clause) else { return Vec::new() };
    comment.split("; TS ").map(|clause| format!("TS {clause}")).collect()
}

/// The item that begins behind a line, else the one that holds it.
fn item(lines: &[&str], marker: usize) -> Option<String> {
    let named = |line: &str| {
        let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let begins = ["pub", "fn", "struct", "enum", "const", "mod", "trait", "unsafe"];
        words.first().filter(|first| begins.contains(first))?;
        let at = |keyword: &&str| words.iter().position(|word| word == keyword);
        let at = ["fn", "struct", "enum", "trait", "mod", "const"].iter().find_map(at)?;
        words.get(at + 1).filter(|name| !name.is_empty()).map(|name| (*name).to_owned())
    };
    let next = lines[marker + 1..].iter().find(|line| !line.starts_with("//") && !line.starts_with("#["));
    let before = || lines[..marker].iter().rev().find_map(|line| named(line));
    next.and_then(|line| named(line)).or_else(before)
}

#[test]
fn a_marker_is_a_comment_of_clauses_alone() {
    let two = clauses("// TS 36.213 §14.1.1.6 step 5 (1); TS 36.321 §5.14.1.1 (3)");
    assert_eq!(two, ["TS 36.213 §14.1.1.6 step 5 (1)", "TS 36.321 §5.14.1.1 (3)"]);
    assert!(clauses("/// As TS 36.213 §14 has it.").is_empty());
    let lines = [
        "fn whole() {",
        "// TS 36.213 §14",
        "let x = 1;",
        "}",
        "// TS 36.213 §15",
        "pub(crate) const fn f() {",
    ];
    assert_eq!(item(&lines, 1).as_deref(), Some("whole"));
    assert_eq!(item(&lines, 4).as_deref(), Some("f"));
}
