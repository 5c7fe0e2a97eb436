//! JSON of the interfaces: objects whose members are named, mandatory or optional, and strict in their types; what is unknown is
//! passed over. TS 29.500 §6.6, TS 29.501 §5.2.
//!
//! A member is read where it stands: what goes wrong has its place as a JSON Pointer, and a key is copied nowhere on the way.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Elements of an array, at most.
const MOST_ELEMENTS: usize = 256;

/// What is wrong with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// An optional member is not what it must be.
    Optional,
    /// A mandatory member is not what it must be.
    Mandatory,
    /// A mandatory member is missing.
    Missing,
}

/// A member that is wrong. TS 29.571 §5.2.4.1 (`InvalidParam`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// JSON Pointer of it.
    pub param: String,
    /// What it must be.
    pub reason: Cow<'static, str>,
    /// What kind of fault it is.
    pub fault: Fault,
}

/// All that is wrong with a value.
pub(super) type Faults = Vec<Invalid>;

/// A value is not `what`.
pub(super) fn wrong(what: impl Into<Cow<'static, str>>) -> Faults {
    vec![Invalid { param: String::new(), reason: what.into(), fault: Fault::Mandatory }]
}

/// A mandatory member is not there.
pub(super) fn missing(name: &str, why: &'static str) -> Faults {
    vec![Invalid { param: format!("/{name}"), reason: why.into(), fault: Fault::Missing }]
}

/// What is read from JSON.
pub(super) trait Schema: Sized {
    /// Reads it; faults are named from this value on.
    fn read(json: &RawValue) -> Result<Self, Faults>;
}

/// The members of an object.
pub(super) struct Object<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
    faults: Faults,
}

impl<'a> Object<'a> {
    pub(super) fn open(json: &'a RawValue) -> Result<Self, Faults> {
        let members = serde_json::Deserializer::from_str(json.get()).deserialize_map(Members);
        Ok(Self {
            members: members.map_err(|_| wrong("an object whose members differ in name"))?,
            faults: Vec::new(),
        })
    }

    fn find(&self, name: &str) -> Option<&'a RawValue> {
        self.members.iter().find(|(given, _)| given == name).map(|(_, value)| *value)
    }

    /// A member that must be there.
    pub(super) fn mandatory<T: Schema>(&mut self, name: &str) -> Option<T> {
        let Some(value) = self.find(name) else {
            self.faults.extend(missing(name, "it is missing"));
            return None;
        };
        self.read(name, value, |fault| fault)
    }

    /// A member that need not be there.
    pub(super) fn optional<T: Schema>(&mut self, name: &str) -> Option<T> {
        let value = self.find(name)?;
        self.read(name, value, |_| Fault::Optional)
    }

    fn read<T: Schema>(&mut self, name: &str, value: &RawValue, fault: fn(Fault) -> Fault) -> Option<T> {
        match T::read(value) {
            Ok(value) => Some(value),
            Err(faults) => {
                self.faults.extend(within(name, faults).map(|f| Invalid { fault: fault(f.fault), ..f }));
                None
            }
        }
    }

    /// What was wrong with all that was read.
    pub(super) fn finish(self) -> Result<(), Faults> {
        if self.faults.is_empty() { Ok(()) } else { Err(self.faults) }
    }
}

fn within(name: &str, faults: Faults) -> impl Iterator<Item = Invalid> {
    faults.into_iter().map(move |fault| Invalid { param: format!("/{name}{}", fault.param), ..fault })
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Self::Value = Vec::new();
        let mut names = std::collections::BTreeSet::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            // Two readers may take different ones: neither is taken.
            if !names.insert(name.clone()) {
                return Err(serde::de::Error::custom("a member stands twice"));
            }
            members.push((Cow::Owned(name), value));
        }
        Ok(members)
    }
}

struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element()? {
            if elements.len() == MOST_ELEMENTS {
                return Err(serde::de::Error::custom("too many elements"));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

/// An array of one element or more (`minItems: 1`).
impl<T: Schema> Schema for Vec<T> {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        let elements = serde_json::Deserializer::from_str(json.get()).deserialize_seq(Elements);
        let elements =
            elements.map_err(|_| wrong(format!("an array of at most {MOST_ELEMENTS} elements")))?;
        if elements.is_empty() {
            return Err(wrong("an array of one element or more"));
        }
        let read = |(at, element): (usize, &&RawValue)| {
            T::read(element).map_err(|faults| within(&at.to_string(), faults).collect())
        };
        elements.iter().enumerate().map(read).collect()
    }
}

impl Schema for bool {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        serde_json::from_str(json.get()).map_err(|_| wrong("true or false"))
    }
}

impl Schema for String {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        serde_json::from_str(json.get()).map_err(|_| wrong("a string"))
    }
}

/// A value from the text of a string, which is borrowed where it has no escapes: it may be a key.
pub(super) fn from_text<T>(
    json: &RawValue,
    from: impl Fn(&str) -> Option<T>,
    what: &'static str,
) -> Result<T, Faults> {
    let value = match serde_json::from_str::<&str>(json.get()) {
        Ok(text) => from(text),
        Err(_) => {
            let text: Option<String> = serde_json::from_str(json.get()).ok();
            text.map(zeroize::Zeroizing::new).and_then(|text| from(&text))
        }
    };
    value.ok_or_else(|| wrong(what))
}

/// A whole number of a range, without a fraction or an exponent.
pub(super) fn number(json: &RawValue, most: u64, what: &'static str) -> Result<u64, Faults> {
    let number: Result<u64, _> = serde_json::from_str(json.get());
    number.ok().filter(|number| *number <= most).ok_or_else(|| wrong(what))
}

/// Reads a document.
pub(super) fn document<T: Schema>(body: &[u8]) -> Result<Result<T, Faults>, NotJson> {
    let json: &RawValue = serde_json::from_slice(body)
        .map_err(|error| NotJson { line: error.line(), column: error.column() })?;
    Ok(T::read(json))
}

/// A body that is no JSON: where. What stands there is not repeated, it may be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotJson {
    line: usize,
    column: usize,
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the body is no JSON: line {}, column {}", self.line, self.column)
    }
}

/// Octets of a document. It may hold keys.
pub(super) fn text(value: &impl Serialize) -> zeroize::Zeroizing<Vec<u8>> {
    // With room from the start: growing would leave copies in memory.
    let mut text = zeroize::Zeroizing::new(Vec::with_capacity(4096));
    serde_json::to_writer(&mut *text, value).expect("names are strings, and a vector takes all octets");
    text
}

/// Writes an array of characters as a string.
pub(super) fn write_text<S: Serializer>(characters: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    match std::str::from_utf8(characters) {
        Ok(text) => serializer.serialize_str(text),
        Err(_) => Err(serde::ser::Error::custom("digits are ASCII")),
    }
}

/// An object of the published schema: a name in Rust and one in JSON for each member.
macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $presence:ident $field:ident: $kind:ty = $json:literal;)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            $($(#[$about])* pub $field: $crate::sbi::json::objects!(@kind $presence $kind),)*
        }

        impl $crate::sbi::json::Schema for $name {
            fn read(json: &serde_json::value::RawValue) -> Result<Self, $crate::sbi::json::Faults> {
                let mut object = $crate::sbi::json::Object::open(json)?;
                $(let $field = object.$presence($json);)*
                object.finish()?;
                Ok(Self { $($field: $crate::sbi::json::objects!(@value $presence $field),)* })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(None)?;
                $($crate::sbi::json::objects!(@write $presence map self.$field, $json);)*
                map.end()
            }
        }

        #[cfg(test)]
        impl $name {
            /// Names, each with whether it is mandatory.
            #[allow(dead_code)]
            pub(crate) const MEMBERS: &[(&str, bool)] = &[$(($json, $crate::sbi::json::objects!(@is $presence))),*];
        }
    )*};
    (@kind mandatory $kind:ty) => { $kind };
    (@kind optional $kind:ty) => { Option<$kind> };
    // Nothing was missing: each mandatory member is there.
    (@value mandatory $field:ident) => { $field.ok_or_else(Vec::new)? };
    (@value optional $field:ident) => { $field };
    (@write mandatory $map:ident $self:ident.$field:ident, $json:literal) => { $map.serialize_entry($json, &$self.$field)? };
    (@write optional $map:ident $self:ident.$field:ident, $json:literal) => {
        if let Some(value) = &$self.$field {
            $map.serialize_entry($json, value)?;
        }
    };
    (@is mandatory) => { true };
    (@is optional) => { false };
}

pub(super) use objects;
