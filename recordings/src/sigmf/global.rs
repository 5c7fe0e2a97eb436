//! The `global` object.

use serde_json::Value;

use super::fields::{FieldError, Fields};
use super::radio::{EXTENSION_NAME, EXTENSION_VERSION, RadioConfig};
use super::{Object, SPEC_VERSION, numbered, put};

/// Fields of the whole recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Global {
    /// `core:datatype`: see [`crate::SampleFormat`]; empty if it is missing.
    pub datatype: String,
    /// `core:version`: version of the specification.
    pub version: String,
    /// `core:sample_rate` in samples per second.
    pub sample_rate: Option<f64>,
    /// `core:num_channels`: number of channels; 1 if it is absent.
    pub num_channels: Option<u64>,
    /// `core:offset`: the number of the first sample; all other sample numbers count from there.
    pub offset: Option<u64>,
    /// `core:recorder`: the program.
    pub recorder: Option<String>,
    /// `core:hw`: the radio.
    pub hw: Option<String>,
    /// `core:author`: author of the recording.
    pub author: Option<String>,
    /// `core:description`: free text.
    pub description: Option<String>,
    /// `core:license`: an URL.
    pub license: Option<String>,
    /// `core:sha512` of the data, in hex.
    pub sha512: Option<String>,
    /// `core:dataset`: the name of a data file that is not `NAME.sigmf-data`.
    pub dataset: Option<String>,
    /// `core:trailing_bytes`: bytes at the end of such a file that are not samples.
    pub trailing_bytes: Option<u64>,
    /// `core:metadata_only`: there is no data file.
    pub metadata_only: bool,
    /// `core:extensions`: namespaces that are used. That of `sidelink` is added on writing.
    pub extensions: Vec<Extension>,
    /// The `sidelink:` keys of the global object.
    pub radio: RadioConfig,
    /// All other keys.
    pub other: Object,
}

/// An element of `core:extensions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The namespace.
    pub name: String,
    /// The version of its specification.
    pub version: String,
    /// Whether a reader that does not know it may continue.
    pub optional: bool,
}

impl Default for Global {
    /// Returns `cf32_le`, the pinned version of the specification, and no other field.
    fn default() -> Self {
        Self {
            datatype: crate::SampleFormat::CF32_LE.to_string(),
            version: SPEC_VERSION.to_owned(),
            sample_rate: None,
            num_channels: None,
            offset: None,
            recorder: None,
            hw: None,
            author: None,
            description: None,
            license: None,
            sha512: None,
            dataset: None,
            trailing_bytes: None,
            metadata_only: false,
            extensions: Vec::new(),
            radio: RadioConfig::default(),
            other: Object::new(),
        }
    }
}

impl Global {
    /// Parses the object; returns the invalid fields that were skipped too, since decoding does not need them.
    pub(super) fn parse(value: Value) -> Result<(Self, Vec<FieldError>), FieldError> {
        let mut fields = Fields::new("global".to_owned(), value)?;
        let text = |fields: &mut Fields, key: &str| fields.unless_wrong(key, Fields::text);
        let global = Self {
            datatype: fields.text("core:datatype")?.unwrap_or_default(),
            // Some programs leave it out; the fields that are read here have not changed since 1.0.0.
            version: text(&mut fields, "core:version").unwrap_or_else(|| SPEC_VERSION.to_owned()),
            sample_rate: fields.unless_wrong("core:sample_rate", rate),
            num_channels: fields.count("core:num_channels")?,
            offset: fields.count("core:offset")?,
            recorder: text(&mut fields, "core:recorder"),
            hw: text(&mut fields, "core:hw"),
            author: text(&mut fields, "core:author"),
            description: text(&mut fields, "core:description"),
            license: text(&mut fields, "core:license"),
            sha512: text(&mut fields, "core:sha512"),
            dataset: fields.text("core:dataset")?,
            trailing_bytes: fields.count("core:trailing_bytes")?,
            metadata_only: fields.flag("core:metadata_only")?.unwrap_or(false),
            extensions: fields.unless_wrong("core:extensions", extensions).unwrap_or_default(),
            radio: RadioConfig::parse(&mut fields)?,
            other: Object::new(),
        };
        let notes = fields.notes();
        Ok((Self { other: fields.rest(), ..global }, notes))
    }

    pub(super) fn emit(&self) -> Object {
        let mut object = self.other.clone();
        put(&mut object, "core:datatype", (!self.datatype.is_empty()).then(|| self.datatype.clone()));
        object.insert("core:version".into(), self.version.clone().into());
        put(&mut object, "core:sample_rate", self.sample_rate);
        put(&mut object, "core:num_channels", self.num_channels);
        put(&mut object, "core:offset", self.offset);
        put(&mut object, "core:recorder", self.recorder.clone());
        put(&mut object, "core:hw", self.hw.clone());
        put(&mut object, "core:author", self.author.clone());
        put(&mut object, "core:description", self.description.clone());
        put(&mut object, "core:license", self.license.clone());
        put(&mut object, "core:sha512", self.sha512.clone());
        put(&mut object, "core:dataset", self.dataset.clone());
        put(&mut object, "core:trailing_bytes", self.trailing_bytes);
        put(&mut object, "core:metadata_only", self.metadata_only.then_some(true));
        let own = Extension {
            name: EXTENSION_NAME.to_owned(),
            version: EXTENSION_VERSION.to_owned(),
            optional: true,
        };
        let others = self.extensions.iter().filter(|extension| extension.name != EXTENSION_NAME);
        let extensions: Value = others.chain([&own]).map(Extension::emit).collect();
        object.insert("core:extensions".into(), extensions);
        self.radio.emit(&mut object);
        object
    }
}

fn rate(fields: &mut Fields, key: &str) -> Result<Option<f64>, FieldError> {
    match fields.number(key)? {
        Some(rate) if rate <= 0.0 => Err(fields.error(key, format!("must be above 0, and is {rate}"))),
        rate => Ok(rate),
    }
}

/// Takes a list of objects; before SigMF 1.0 it was an object of names and versions.
fn extensions(fields: &mut Fields, key: &str) -> Result<Option<Vec<Extension>>, FieldError> {
    numbered("global.core:extensions", fields.list(key)?, Extension::parse).map(Some)
}

impl Extension {
    fn parse(mut fields: Fields) -> Result<Self, FieldError> {
        let name = fields.text("name")?.ok_or_else(|| fields.error("name", "is missing"))?;
        let version = fields.text("version")?.unwrap_or_default();
        Ok(Self { name, version, optional: fields.flag("optional")?.unwrap_or(true) })
    }

    fn emit(&self) -> Value {
        let Self { name, version, optional } = self;
        serde_json::json!({ "name": name, "version": version, "optional": optional })
    }
}
