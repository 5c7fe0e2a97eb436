//! XML as a tree of few, small elements: what the schema needs and no more. No document type, no entities but the five
//! predefined ones; elements of other namespaces are passed over with all that is in them, but for those of [`OWN_NAMESPACE`],
//! whose names begin with `own:` here.

use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::{NsReader, XmlVersion};
use zeroize::Zeroizing;

use super::Error;

/// Target namespace of the schema. TS 24.334 §11.2.3.
pub const NAMESPACE: &str = "urn:3GPP:ns:ProSe:Discovery:2014";

/// Namespace of our own extensions: what stands in it is no standard's, and others pass it over (TS 24.334 §11.2.3).
pub const OWN_NAMESPACE: &str = "urn:sidelink:prose:extension:1";

/// How the name of an element of [`OWN_NAMESPACE`] begins in the tree, and its prefix in a document.
const OWN_PREFIX: &str = "own:";

/// Most octets of a document: some 60 transactions. Ours.
pub const MAX_OCTETS: usize = 64 * 1024;

/// Most elements of a document, of any namespace. Ours.
pub const MAX_ELEMENTS: usize = 2048;

/// Deepest element; the schema's own deepest is the seventh. Ours.
pub const MAX_DEPTH: usize = 16;

/// Most attributes of an element. Ours.
pub const MAX_ATTRIBUTES: usize = 16;

/// An element of our namespace. Its text may be a key, and is wiped.
#[derive(Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) text: Zeroizing<String>,
    pub(crate) children: Vec<Self>,
}

impl Element {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The document with this element as its root.
    pub(crate) fn emit(&self, namespace: &str) -> Zeroizing<String> {
        const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        // Room for all of it: a text that grew would leave copies of keys behind.
        let room = DECLARATION.len() + namespace.len() + OWN_NAMESPACE.len() + 32 + self.room();
        let mut to = Zeroizing::new(String::with_capacity(room));
        to.push_str(DECLARATION);
        self.emit_into(&mut to, Some(namespace));
        to
    }

    fn has_own(&self) -> bool {
        self.name.starts_with(OWN_PREFIX) || self.children.iter().any(Self::has_own)
    }

    /// At most so many octets: each octet of a text may become six.
    fn room(&self) -> usize {
        let attributes: usize =
            self.attributes.iter().map(|(name, value)| name.len() + 4 + 6 * value.len()).sum();
        let children: usize = self.children.iter().map(Self::room).sum();
        2 * self.name.len() + 5 + attributes + 6 * self.text.len() + children
    }

    fn emit_into(&self, to: &mut String, namespace: Option<&str>) {
        to.push('<');
        to.push_str(&self.name);
        let namespace = namespace.map(|namespace| ("xmlns", namespace));
        let own = (namespace.is_some() && self.has_own()).then_some(("xmlns:own", OWN_NAMESPACE));
        let attributes = self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in namespace.into_iter().chain(own).chain(attributes) {
            to.push(' ');
            to.push_str(name);
            to.push_str("=\"");
            to.push_str(&escape(value));
            to.push('"');
        }
        to.push('>');
        to.push_str(&escape(self.text.as_str()));
        self.children.iter().for_each(|child| child.emit_into(to, None));
        to.push_str("</");
        to.push_str(&self.name);
        to.push('>');
    }

    /// The root of a document, and what of it is of this namespace.
    pub(crate) fn parse(document: &[u8], namespace: &str) -> Result<Self, Error> {
        if document.len() > MAX_OCTETS {
            return Err(Error::TooLong { octets: document.len() });
        }
        let text = core::str::from_utf8(document).map_err(|e| Error::NotUtf8 { at: e.valid_up_to() })?;
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mut tree = Tree::default();
        loop {
            let at = reader.buffer_position();
            let (found, event) = reader.read_resolved_event().map_err(|_| Error::Malformed { at })?;
            let ours = match found {
                ResolveResult::Bound(Namespace(name)) if name == namespace => Whose::Schema,
                ResolveResult::Bound(Namespace(OWN_NAMESPACE)) => Whose::Own,
                _ => Whose::Others,
            };
            match event {
                Event::Eof => {
                    return tree.root.ok_or(Error::Malformed { at });
                }
                event => tree.take(event, ours).map_err(|fault| fault.at(at))?,
            }
        }
    }
}

/// Whose an element is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Schema,
    Own,
    Others,
}

/// What is wrong with an event, before its place is known.
enum Fault {
    Malformed,
    DocumentType,
    Encoding,
    Entity,
    TooMany,
    TooDeep,
}

impl Fault {
    const fn at(self, at: u64) -> Error {
        match self {
            Self::Malformed => Error::Malformed { at },
            Self::DocumentType => Error::DocumentType { at },
            Self::Encoding => Error::Encoding,
            Self::Entity => Error::Entity { at },
            Self::TooMany => Error::TooMany { at },
            Self::TooDeep => Error::TooDeep { at },
        }
    }
}

/// The elements that are open, and how deep we are in one of another namespace.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    foreign: usize,
    elements: usize,
    root: Option<Element>,
}

impl Tree {
    fn take(&mut self, event: Event<'_>, whose: Whose) -> Result<(), Fault> {
        match event {
            Event::Start(start) => self.start(&start, whose),
            Event::End(_) => {
                self.end();
                Ok(())
            }
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => self.reference(&reference),
            Event::DocType(_) => Err(Fault::DocumentType),
            Event::Decl(declaration) => match declaration.encoding() {
                None => Ok(()),
                Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") => Ok(()),
                Some(_) => Err(Fault::Encoding),
            },
            Event::Comment(_) | Event::PI(_) => Ok(()),
            // Expanded to start and end; the end of the document is the caller's.
            Event::Empty(_) | Event::Eof => Err(Fault::Malformed),
        }
    }

    fn start(&mut self, start: &BytesStart<'_>, whose: Whose) -> Result<(), Fault> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(Fault::TooMany);
        }
        if self.open.len() + self.foreign >= MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        if self.foreign > 0 || whose == Whose::Others && !self.open.is_empty() {
            self.foreign += 1;
            return Ok(());
        }
        if self.root.is_some() || whose != Whose::Schema && self.open.is_empty() {
            return Err(Fault::Malformed);
        }
        let mut element = Element::new(start.local_name().into_inner());
        if whose == Whose::Own {
            element.name.insert_str(0, OWN_PREFIX);
        }
        for (i, attribute) in start.attributes().enumerate() {
            if i >= MAX_ATTRIBUTES {
                return Err(Fault::TooMany);
            }
            let attribute = attribute.map_err(|_| Fault::Malformed)?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| Fault::Entity)?;
            element.attributes.push((attribute.key.0.to_owned(), value.into_owned()));
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) {
        if self.foreign > 0 {
            self.foreign -= 1;
        } else if let Some(element) = self.open.pop() {
            match self.open.last_mut() {
                Some(parent) => parent.children.push(element),
                None => self.root = Some(element),
            }
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Fault> {
        match self.open.last_mut() {
            _ if self.foreign > 0 => Ok(()),
            Some(element) => {
                element.text.push_str(text);
                Ok(())
            }
            None if text.trim().is_empty() => Ok(()),
            None => Err(Fault::Malformed),
        }
    }

    /// A character by its number, or one of the five entities that need no document type.
    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), Fault> {
        match reference.resolve_char_ref() {
            Ok(Some(character)) => self.text(character.encode_utf8(&mut [0; 4])),
            Ok(None) => {
                let text = resolve_predefined_entity(&reference.xml10_content()).ok_or(Fault::Entity)?;
                self.text(text)
            }
            Err(_) => Err(Fault::Entity),
        }
    }
}
