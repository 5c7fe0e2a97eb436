//! Registers of requirements: one file a text.

use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The requirements of one text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    /// Such as "TS 36.213 §14, version 16.9.0".
    pub(crate) text: String,
    /// What of it was read, and what stays closed.
    pub(crate) read: String,
    pub(crate) requirement: Vec<Requirement>,
    #[serde(skip)]
    name: String,
}

/// One requirement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requirement {
    /// Text, clause, and its number in the clause: what a marker says.
    pub(crate) clause: String,
    /// In our words.
    pub(crate) says: String,
    pub(crate) status: Status,
    /// Why it is not met or does not apply.
    pub(crate) why: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    Met,
    NotMet,
    NotApplicable,
}

impl Status {
    pub(crate) const ALL: [Self; 3] = [Self::Met, Self::NotMet, Self::NotApplicable];

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::NotApplicable => "not applicable",
        }
    }
}

impl Register {
    /// All registers, in the order of their files. A clause stands in one place.
    pub(crate) fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/register");
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let mut clauses = BTreeSet::new();
        let registers: Vec<Self> = paths
            .iter()
            .map(|path| {
                let text = fs::read_to_string(path).unwrap();
                let mut register: Self =
                    toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                register.name = path.file_stem().unwrap().to_string_lossy().into_owned();
                register
            })
            .collect();
        for requirement in registers.iter().flat_map(|register| &register.requirement) {
            assert!(clauses.insert(&requirement.clause), "{} stands twice", requirement.clause);
        }
        registers
    }

    /// The page of the documents that shows it.
    pub(crate) fn page(&self) -> String {
        format!("docs/conformance/{}.md", self.name)
    }
}
