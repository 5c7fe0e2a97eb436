//! From elements to types and back: what a parameter type must do, and the fields of a complex type in the order of the schema.

use super::Error;
use super::element::Element;

/// A type that stands in an element.
pub(crate) trait Value: Sized {
    fn read(element: &Element) -> Result<Self, Error>;
    fn write(&self, to: &mut Element);
}

/// A type whose lexical form is a text: it may stand in an attribute too.
pub(crate) trait Lexical: Sized {
    /// What it must be, for people.
    const EXPECTED: &'static str;

    fn from_text(text: &str) -> Option<Self>;
    fn to_text(&self) -> String;
}

impl<T: Lexical> Value for T {
    fn read(element: &Element) -> Result<Self, Error> {
        let text = Some(&element.text).filter(|_| element.children.is_empty());
        text.and_then(|text| Self::from_text(text)).ok_or(Error::value(Self::EXPECTED))
    }

    fn write(&self, to: &mut Element) {
        to.text = self.to_text().into();
    }
}

/// Most values of one element that may come more than once. Ours.
pub const MAX_LIST: usize = 64;

/// The children of an element while they are read, in the order of the schema. What the schema does not know is passed over
/// (TS 24.334 §11.2.3).
pub(crate) struct Fields<'a> {
    element: &'a Element,
    /// Children before it were read or passed over.
    next: usize,
    /// Which children were read, by position, and every name that was asked for.
    read: Vec<usize>,
    asked: Vec<&'static str>,
}

/// Returns the one message in a document, whose root has this name and nothing else.
///
/// # Errors
/// The document is none of this namespace, or its root is another.
pub(crate) fn only_message(document: &[u8], namespace: &str, root: &str) -> Result<Element, Error> {
    let mut found = Element::parse(document, namespace)?;
    let is_root = found.name == root && found.children.len() == 1 && Fields::of(&found).is_ok();
    found.children.pop().filter(|_| is_root).ok_or(Error::Root)
}

impl<'a> Fields<'a> {
    pub(crate) fn of(element: &'a Element) -> Result<Self, Error> {
        if !element.text.trim().is_empty() {
            return Err(Error::value("elements, not text"));
        }
        Ok(Self { element, next: 0, read: Vec::new(), asked: Vec::new() })
    }

    /// The next child of this name.
    fn child(&mut self, name: &'static str) -> Option<&'a Element> {
        if !self.asked.contains(&name) {
            self.asked.push(name);
        }
        let element = self.element;
        let ahead = element.children[self.next..].iter().position(|child| child.name == name)?;
        self.read.push(self.next + ahead);
        self.next += ahead + 1;
        element.children.get(self.next - 1)
    }

    pub(crate) fn maybe<T: Value>(&mut self, name: &'static str) -> Result<Option<T>, Error> {
        self.child(name).map(|child| T::read(child).map_err(|e| e.within(name))).transpose()
    }

    pub(crate) fn one<T: Value>(&mut self, name: &'static str) -> Result<T, Error> {
        match self.maybe(name)? {
            Some(value) => Ok(value),
            None if self.element.children.iter().any(|child| child.name == name) => {
                Err(Error::Misplaced { place: name.to_owned() })
            }
            None => Err(Error::Missing { place: name.to_owned() }),
        }
    }

    pub(crate) fn many<T: Value>(&mut self, name: &'static str) -> Result<Vec<T>, Error> {
        let mut values = Vec::new();
        while let Some(value) = self.maybe(name)? {
            if values.len() == MAX_LIST {
                return Err(Error::value("at most 64").within(name));
            }
            values.push(value);
        }
        Ok(values)
    }

    pub(crate) fn some<T: Value>(&mut self, name: &'static str) -> Result<Vec<T>, Error> {
        let mut values = vec![self.one(name)?];
        values.extend(self.many(name)?);
        Ok(values)
    }

    pub(crate) fn attribute<T: Lexical>(&mut self, name: &'static str) -> Result<Option<T>, Error> {
        let Some((_, text)) = self.element.attributes.iter().find(|(given, _)| given == name) else {
            return Ok(None);
        };
        T::from_text(text).map(Some).ok_or_else(|| Error::value(T::EXPECTED).within(name))
    }

    pub(crate) fn required<T: Lexical>(&mut self, name: &'static str) -> Result<T, Error> {
        self.attribute(name)?.ok_or(Error::Missing { place: name.to_owned() })
    }

    /// Refuses what was asked for and stands where it was not read: twice, or out of order.
    pub(crate) fn finish(self) -> Result<(), Error> {
        for (i, child) in self.element.children.iter().enumerate() {
            if !self.read.contains(&i) && self.asked.contains(&child.name.as_str()) {
                return Err(Error::Misplaced { place: child.name.clone() });
            }
        }
        Ok(())
    }
}

/// The same kinds of field, written.
impl Element {
    pub(crate) fn one<T: Value>(&mut self, name: &str, value: &T) {
        let mut child = Self::new(name);
        value.write(&mut child);
        self.children.push(child);
    }

    pub(crate) fn maybe<T: Value>(&mut self, name: &str, value: &Option<T>) {
        value.iter().for_each(|value| self.one(name, value));
    }

    pub(crate) fn many<T: Value>(&mut self, name: &str, values: &[T]) {
        values.iter().for_each(|value| self.one(name, value));
    }

    pub(crate) fn some<T: Value>(&mut self, name: &str, values: &[T]) {
        self.many(name, values);
    }

    pub(crate) fn attribute<T: Lexical>(&mut self, name: &str, value: &Option<T>) {
        value.iter().for_each(|value| self.required(name, value));
    }

    pub(crate) fn required<T: Lexical>(&mut self, name: &str, value: &T) {
        self.attributes.push((name.to_owned(), value.to_text()));
    }
}

/// Complex types as tables of the schema: field, how often it stands there, name of its element or attribute.
macro_rules! records {
    ($($(#[$doc:meta])* $record:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty = $kind:ident $name:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $record {
            $($(#[$fdoc])* pub $field: $type,)*
        }

        impl crate::pc3::fields::Value for $record {
            fn read(element: &crate::pc3::element::Element) -> Result<Self, crate::pc3::Error> {
                let mut fields = crate::pc3::fields::Fields::of(element)?;
                let record = Self { $($field: fields.$kind($name)?,)* };
                fields.finish()?;
                Ok(record)
            }

            fn write(&self, to: &mut crate::pc3::element::Element) {
                $(to.$kind($name, &self.$field);)*
            }
        }
    )*};
}
pub(crate) use records;
