//! Reads metadata as a stream: annotations one after the other, with bounded memory for any number of them.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufReader, Read};

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::fields::{FieldError, Fields};
use super::global::Global;
use super::{Annotation, Capture, Metadata, Object};

/// Limit of the estimated memory of metadata, bytes: everything but the annotations, or one annotation. It is room for
/// some 100 000 captures.
pub(super) const MAX_HELD: u64 = 128 << 20;

/// Returns the estimated bytes of memory for a byte of JSON. A value is 32 bytes, an object with one key in it a node
/// of 632, a list of one has room for four; vectors grow by doubling. Brackets within strings are counted too, which
/// does no harm.
const fn cost(byte: u8) -> u64 {
    match byte {
        b'{' => 704,
        b'[' | b',' => 160,
        _ => 2,
    }
}
/// A byte order mark, which some editors of Windows write.
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Takes an annotation of a file, or the error of an invalid one.
pub(crate) type Visit<'a> = dyn FnMut(Result<Annotation, FieldError>) + 'a;

impl Metadata {
    /// Reads a `.sigmf-meta` file and passes each annotation to `visit`, in their order; the list of the result is empty.
    ///
    /// # Errors
    /// As [`Metadata::parse`]; an invalid annotation is not an error.
    pub fn read(input: impl Read, visit: &mut Visit<'_>) -> Result<Self, FieldError> {
        let held = Cell::new(0);
        let mut input = BufReader::new(input);
        let start = pass_mark(&mut input).map_err(unreadable)?;
        let input = Counted { input: Read::chain(&start[..], input), held: &held };
        let mut parts = Parts::default();
        let mut failure = None;
        let mut deserializer = serde_json::Deserializer::from_reader(input);
        let top = Top { parts: &mut parts, failure: &mut failure, held: &held, visit };
        let read = top.deserialize(&mut deserializer).and_then(|()| deserializer.end());
        read.map_err(|error| failure.take().unwrap_or_else(|| no_json(&error)))?;
        let Parts { global, captures, other, notes } = parts;
        let global = global.filter(|value| !value.is_null()).ok_or_else(|| FieldError {
            place: "global".to_owned(),
            problem: "is missing: it must be an object with core:datatype and core:version".to_owned(),
        })?;
        let (global, mut passed_over) = Global::parse(global)?;
        passed_over.extend(notes);
        Ok(Self { global, captures, annotations: Vec::new(), other, notes: passed_over })
    }
}

fn unreadable(error: io::Error) -> FieldError {
    FieldError { place: "the file".to_owned(), problem: format!("cannot be read: {error}") }
}

fn no_json(error: &serde_json::Error) -> FieldError {
    FieldError {
        place: format!("line {} column {}", error.line(), error.column()),
        problem: format!("not JSON ({error}); a SigMF metadata file is one JSON object"),
    }
}

/// Returns the first bytes of the file, without a byte order mark.
fn pass_mark(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    input.take(MARK.len() as u64).read_to_end(&mut start)?;
    Ok(if start == MARK { Vec::new() } else { start })
}

/// Counts the estimated memory of the bytes read since the count was last reset.
struct Counted<'a, R> {
    input: R,
    held: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let taken: u64 = buffer[..read].iter().map(|byte| cost(*byte)).sum();
        self.held.set(self.held.get() + taken);
        if self.held.get() > MAX_HELD {
            let most = MAX_HELD >> 20;
            let problem =
                format!("more than {most} MiB of memory for what is no annotation, or for one of them");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        Ok(read)
    }
}

/// Everything but the annotations.
#[derive(Default)]
struct Parts {
    global: Option<Value>,
    captures: Vec<Capture>,
    other: Object,
    notes: Vec<FieldError>,
}

/// Visitor of the top-level object.
struct Top<'a, 'v> {
    parts: &'a mut Parts,
    failure: &'a mut Option<FieldError>,
    held: &'a Cell<u64>,
    visit: &'a mut Visit<'v>,
}

impl<'de> DeserializeSeed<'de> for Top<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        let problem = "expected an object, found a list".to_owned();
        *self.failure = Some(FieldError { place: "the file".to_owned(), problem });
        Err(A::Error::custom("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "global" => self.parts.global = Some(map.next_value()?),
                "captures" => {
                    let Parts { captures, notes, .. } = &mut *self.parts;
                    let mut take = |n: usize, value: Value| {
                        captures.push(Capture::parse(Fields::new(format!("captures[{n}]"), value)?, notes)?);
                        Ok(())
                    };
                    map.next_value_seed(List {
                        name: "captures",
                        failure: &mut *self.failure,
                        take: &mut take,
                    })?;
                }
                "annotations" => {
                    let (held, visit) = (self.held, &mut *self.visit);
                    let mut take = |n: usize, value: Value| {
                        let fields = Fields::new(format!("annotations[{n}]"), value);
                        visit(fields.and_then(Annotation::parse));
                        held.set(0);
                        Ok(())
                    };
                    let before = held.get();
                    map.next_value_seed(List {
                        name: "annotations",
                        failure: &mut *self.failure,
                        take: &mut take,
                    })?;
                    held.set(before);
                }
                _ => {
                    let value = map.next_value()?;
                    self.parts.other.insert(key, value);
                }
            }
        }
        Ok(())
    }
}

/// A list whose elements are taken one by one; `null` is an empty one.
struct List<'a, 't> {
    name: &'static str,
    failure: &'a mut Option<FieldError>,
    take: &'a mut (dyn FnMut(usize, Value) -> Result<(), FieldError> + 't),
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl List<'_, '_> {
    fn not_a_list<E: serde::de::Error>(self, found: &str) -> E {
        let problem = format!("expected a list, found {found}");
        *self.failure = Some(FieldError { place: self.name.to_owned(), problem });
        E::custom("no list")
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", self.name)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.not_a_list("an object"))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        Err(self.not_a_list(&value.to_string()))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        Err(self.not_a_list(&value.to_string()))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        Err(self.not_a_list(&value.to_string()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        Err(self.not_a_list(&value.to_string()))
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        Err(self.not_a_list("a string"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut n = 0;
        while let Some(value) = list.next_element::<Value>()? {
            if let Err(error) = (self.take)(n, value) {
                *self.failure = Some(error);
                return Err(A::Error::custom("an element"));
            }
            n += 1;
        }
        Ok(())
    }
}
