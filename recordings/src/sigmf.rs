//! SigMF 1.2.6 metadata, typed. Unknown keys are kept: metadata can be read and written again without loss.
//!
//! ```text
//! Metadata ── Global ───── fields of the whole recording; RadioConfig (extension `sidelink`)   global.rs
//!          ├─ [Capture] ── start of a piece, its frequency, its time
//!          └─ [Annotation] description of a range of samples; channel, subframe, fields
//! fields.rs    taking typed values out of a JSON object, with the place for the message
//! stream.rs    a file read piece by piece, whatever its length
//! archive.rs   `.sigmf`: finding the members of the tar in place
//! radio.rs     the extension namespace `sidelink`
//! ```

pub(crate) mod archive;
mod fields;
mod global;
mod radio;
mod stream;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

pub use fields::FieldError;
use fields::Fields;
pub use global::{Extension, Global};
pub use radio::{CyclicPrefix, EXTENSION_NAME, EXTENSION_VERSION, PRB_VALUES, RadioConfig};
pub(crate) use stream::Visit;

/// The version of the specification that is written (`core:version`).
pub const SPEC_VERSION: &str = "1.2.6";

/// A JSON object: unknown keys, or keys that the caller owns.
pub type Object = Map<String, Value>;

/// The contents of a `.sigmf-meta` file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// Fields of the whole recording.
    pub global: Global,
    /// The captures, in the order of their first sample.
    pub captures: Vec<Capture>,
    /// Descriptions of ranges of samples.
    pub annotations: Vec<Annotation>,
    /// Top-level keys other than the three above (the specification allows none).
    pub other: Object,
    /// Invalid fields that were skipped, since decoding does not need them.
    pub notes: Vec<FieldError>,
}

/// A capture: a piece of a recording, up to the first sample of the next capture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Capture {
    /// `core:sample_start`: the first sample.
    pub sample_start: u64,
    /// `core:frequency`: centre frequency in hertz.
    pub frequency: Option<f64>,
    /// `core:datetime`: time of the first sample, ISO 8601 (see [`crate::UtcMicros`]).
    pub datetime: Option<String>,
    /// `core:global_index`: the first sample's number in the stream from which the recording was cut.
    pub global_index: Option<u64>,
    /// `core:header_bytes`: bytes before the first sample that are not samples.
    pub header_bytes: Option<u64>,
    /// All other keys.
    pub other: Object,
}

/// Description of a range of samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Annotation {
    /// `core:sample_start`: the first sample.
    pub sample_start: u64,
    /// `core:sample_count`: number of samples; without it, up to the next annotation or the end.
    pub sample_count: Option<u64>,
    /// `core:freq_lower_edge` and `core:freq_upper_edge` in hertz: the specification requires both or none.
    pub frequency_edges: Option<(f64, f64)>,
    /// `core:label`: short, for a display.
    pub label: Option<String>,
    /// `core:comment`: longer, for a reader.
    pub comment: Option<String>,
    /// `core:generator`: the program that made the annotation.
    pub generator: Option<String>,
    /// `sidelink:channel`: e.g. `PSBCH`, `PSCCH`, `PSSCH`, `PSDCH`.
    pub channel: Option<String>,
    /// `sidelink:subframe`: the subframe's number: DFN * 10 + subframe, 0..10239, if the DFN is known.
    pub subframe: Option<u64>,
    /// `sidelink:fields`: decoded fields, or fields to be decoded; the caller's own.
    pub fields: Object,
    /// All other keys.
    pub other: Object,
}

impl Metadata {
    /// Parses the text of a `.sigmf-meta` file, with its annotations.
    ///
    /// # Errors
    /// The place (a key path, or line and column if it is not JSON) and the problem there.
    pub fn parse(text: &[u8]) -> Result<Self, FieldError> {
        let mut annotations = Vec::new();
        let mut wrong = None;
        let metadata = Self::read(text, &mut |annotation| match annotation {
            Ok(annotation) => annotations.push(annotation),
            Err(error) => wrong = wrong.take().or(Some(error)),
        })?;
        wrong.map_or(Ok(Self { annotations, ..metadata }), Err)
    }

    /// Returns the text of a `.sigmf-meta` file. Captures and annotations are written in the order of their first
    /// sample, as the specification demands.
    pub fn emit(&self) -> String {
        let mut annotations: Vec<_> = self.annotations.iter().collect();
        annotations.sort_by_key(|annotation| annotation.sample_start);
        let lines: Vec<String> = annotations.into_iter().map(Annotation::line).collect();
        let (head, tail) = self.emit_around();
        format!("{head}{}{tail}", lines.join(",\n"))
    }

    /// Returns the text before and after the annotations. These are written between, one a line, with `,\n` between two.
    pub(crate) fn emit_around(&self) -> (String, &'static str) {
        let mut captures: Vec<_> = self.captures.iter().collect();
        captures.sort_by_key(|capture| capture.sample_start);
        let mut top = self.other.clone();
        top.remove("annotations");
        top.insert("global".into(), Value::Object(self.global.emit()));
        top.insert("captures".into(), captures.into_iter().map(|c| Value::Object(c.emit())).collect());
        // `{:#}` of a `Value` is pretty-printed JSON and cannot fail; it ends with `\n}`.
        let text = format!("{:#}", Value::Object(top));
        let head = text.strip_suffix("\n}").unwrap_or(&text);
        (format!("{head},\n  \"annotations\": [\n"), "\n  ]\n}\n")
    }
}

/// Parses the elements of a list, each with its place.
fn numbered<T>(
    name: &str,
    values: Vec<Value>,
    parse: impl Fn(Fields) -> Result<T, FieldError>,
) -> Result<Vec<T>, FieldError> {
    let fields = values.into_iter().enumerate().map(|(n, value)| Fields::new(format!("{name}[{n}]"), value));
    fields.map(|fields| parse(fields?)).collect()
}

impl Capture {
    fn parse(mut fields: Fields, notes: &mut Vec<FieldError>) -> Result<Self, FieldError> {
        let capture = Self {
            sample_start: fields.required_count("core:sample_start")?,
            frequency: fields.unless_wrong("core:frequency", Fields::number),
            datetime: fields.unless_wrong("core:datetime", Fields::text),
            global_index: fields.unless_wrong("core:global_index", Fields::count),
            header_bytes: fields.count("core:header_bytes")?,
            other: Object::new(),
        };
        notes.extend(fields.notes());
        Ok(Self { other: fields.rest(), ..capture })
    }

    fn emit(&self) -> Object {
        let mut object = self.other.clone();
        object.insert("core:sample_start".into(), self.sample_start.into());
        put(&mut object, "core:frequency", self.frequency);
        put(&mut object, "core:datetime", self.datetime.clone());
        put(&mut object, "core:global_index", self.global_index);
        put(&mut object, "core:header_bytes", self.header_bytes);
        object
    }
}

impl Annotation {
    /// Returns the end of the range, one past its last sample, if the count is known.
    pub fn sample_end(&self) -> Option<u64> {
        self.sample_count.map(|count| self.sample_start.saturating_add(count))
    }

    /// Returns one line of JSON.
    pub(crate) fn line(&self) -> String {
        format!("    {}", Value::Object(self.emit()))
    }

    fn parse(mut fields: Fields) -> Result<Self, FieldError> {
        let lower = fields.number("core:freq_lower_edge")?;
        let upper = fields.number("core:freq_upper_edge")?;
        let frequency_edges = match (lower, upper) {
            (Some(lower), Some(upper)) => Some((lower, upper)),
            (None, None) => None,
            _ => {
                return Err(
                    fields.error("core:freq_lower_edge", "comes with core:freq_upper_edge or not at all")
                );
            }
        };
        Ok(Self {
            sample_start: fields.required_count("core:sample_start")?,
            sample_count: fields.count("core:sample_count")?,
            frequency_edges,
            label: fields.text("core:label")?,
            comment: fields.text("core:comment")?,
            generator: fields.text("core:generator")?,
            channel: fields.text("sidelink:channel")?,
            subframe: fields.count("sidelink:subframe")?,
            fields: fields.object("sidelink:fields")?.unwrap_or_default(),
            other: fields.rest(),
        })
    }

    fn emit(&self) -> Object {
        let mut object = self.other.clone();
        object.insert("core:sample_start".into(), self.sample_start.into());
        put(&mut object, "core:sample_count", self.sample_count);
        put(&mut object, "core:freq_lower_edge", self.frequency_edges.map(|(lower, _)| lower));
        put(&mut object, "core:freq_upper_edge", self.frequency_edges.map(|(_, upper)| upper));
        put(&mut object, "core:label", self.label.clone());
        put(&mut object, "core:comment", self.comment.clone());
        put(&mut object, "core:generator", self.generator.clone());
        put(&mut object, "sidelink:channel", self.channel.clone());
        put(&mut object, "sidelink:subframe", self.subframe);
        put(&mut object, "sidelink:fields", (!self.fields.is_empty()).then(|| self.fields.clone()));
        object
    }
}

/// Inserts a value if there is one. (A number that is not finite becomes JSON null, which is left out.)
fn put(object: &mut Object, key: &str, value: Option<impl Into<Value>>) {
    match value.map(Into::into) {
        None | Some(Value::Null) => {}
        Some(value) => {
            object.insert(key.to_owned(), value);
        }
    }
}
