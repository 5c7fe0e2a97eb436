//! The XML document of Ub: B-TID and lifetime of the key. TS 24.109 Annex C.

use std::fmt;

use jiff::Timestamp;
use quick_xml::NsReader;
use quick_xml::events::{BytesRef, Event};
use quick_xml::name::{Namespace, ResolveResult};
use sidelink_security::counter::UtcTime;

use crate::identity::BTid;

/// Type of the document.
pub const MEDIA_TYPE: &str = "application/vnd.3gpp.bsf+xml";

/// Octets of a document, at most.
pub const MAX_DOCUMENT: usize = 4096;

/// Its name space.
const NAMESPACE: &str = "uri:3gpp-gba";

/// A document that is not understood: the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Longer than [`MAX_DOCUMENT`].
    TooLong,
    /// Not XML in UTF-8, or with a document type, which nobody needs and bombs are made of.
    Xml,
    /// Not a `BootstrappingInfo` of its name space.
    Root,
    /// An element is missing or stands twice.
    Element(&'static str),
    /// An element has a value that it cannot have.
    Value(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the document is longer than {MAX_DOCUMENT} octets"),
            Self::Xml => f.write_str("the document is not plain XML"),
            Self::Root => f.write_str("the document is no BootstrappingInfo of uri:3gpp-gba"),
            Self::Element(name) => write!(f, "the element {name} is missing or stands twice"),
            Self::Value(name) => write!(f, "the element {name} has a value that it cannot have"),
        }
    }
}

impl std::error::Error for Error {}

/// What a BSF says of a bootstrapped key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrappingInfo {
    /// Name of the key.
    pub b_tid: BTid,
    /// Until when it lives, in whole seconds.
    pub expires: UtcTime,
}

impl BootstrappingInfo {
    /// The document.
    pub fn emit(&self) -> String {
        let b_tid = quick_xml::escape::escape(self.b_tid.as_str());
        let lifetime = date(self.expires);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<BootstrappingInfo xmlns=\"{NAMESPACE}\"><btid>{b_tid}</btid>\
             <lifetime>{lifetime}</lifetime></BootstrappingInfo>\n"
        )
    }

    /// From a document; elements and attributes that are not known are passed over.
    pub fn parse(document: &[u8]) -> Result<Self, Error> {
        if document.len() > MAX_DOCUMENT {
            return Err(Error::TooLong);
        }
        let text = std::str::from_utf8(document).map_err(|_| Error::Xml)?;
        let [b_tid, lifetime] = elements(text)?;
        let b_tid = b_tid.ok_or(Error::Element("btid"))?;
        let lifetime = lifetime.ok_or(Error::Element("lifetime"))?;
        let expires: Timestamp = lifetime.trim().parse().map_err(|_| Error::Value("lifetime"))?;
        let seconds = u64::try_from(expires.as_second()).map_err(|_| Error::Value("lifetime"))?;
        Ok(Self {
            b_tid: BTid::new(b_tid.trim()).map_err(|_| Error::Value("btid"))?,
            expires: UtcTime::from_millis(seconds * 1000),
        })
    }
}

/// UTC as RFC 3339 has it; the last second that can be written where the time is beyond.
pub fn date(time: UtcTime) -> String {
    let seconds = i64::try_from(time.millis() / 1000).unwrap_or(i64::MAX);
    let last = Timestamp::MAX.as_second();
    Timestamp::from_second(seconds.min(last)).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// What a reference stands for.
fn resolved(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref().ok()? {
        Some(character) => Some(character.to_string()),
        None => quick_xml::escape::resolve_predefined_entity(reference).map(str::to_owned),
    }
}

/// Texts of `btid` and `lifetime`, children of the root.
fn elements(text: &str) -> Result<[Option<String>; 2], Error> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let (mut found, mut open, mut depth, mut roots) = ([None, None], None, 0_usize, 0_usize);
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|_| Error::Xml)?;
        let ours = namespace == ResolveResult::Bound(Namespace(NAMESPACE));
        match event {
            Event::Start(start) => {
                let name = start.local_name();
                match depth {
                    0 if !ours || name.as_ref() != "BootstrappingInfo" || roots > 0 => {
                        return Err(Error::Root);
                    }
                    0 => roots += 1,
                    1 if ours => open = begin(name.as_ref(), &mut found)?,
                    _ => {}
                }
                depth += 1;
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if depth == 1 {
                    open = None;
                }
            }
            Event::Text(text) if depth == 2 => {
                if let Some(Some(value)) = open.map(|i: usize| &mut found[i]) {
                    let value: &mut String = value;
                    value.push_str(&text);
                }
            }
            // A character, or one of the five entities of XML: no other has a meaning here.
            Event::GeneralRef(reference) if depth == 2 => {
                if let Some(Some(value)) = open.map(|i: usize| &mut found[i]) {
                    value.push_str(&resolved(&reference).ok_or(Error::Xml)?);
                }
            }
            Event::DocType(_) => return Err(Error::Xml),
            Event::Eof if depth > 0 => return Err(Error::Xml),
            Event::Eof if roots == 0 => return Err(Error::Root),
            Event::Eof => return Ok(found),
            _ => {}
        }
    }
}

fn begin(name: &str, found: &mut [Option<String>; 2]) -> Result<Option<usize>, Error> {
    let (i, name) = match name {
        "btid" => (0, "btid"),
        "lifetime" => (1, "lifetime"),
        _ => return Ok(None),
    };
    match &found[i] {
        Some(_) => Err(Error::Element(name)),
        None => {
            found[i] = Some(String::new());
            Ok(Some(i))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn document(inside: &str) -> String {
        format!("<BootstrappingInfo xmlns=\"uri:3gpp-gba\">{inside}</BootstrappingInfo>")
    }

    fn parse(inside: &str) -> Result<BootstrappingInfo, Error> {
        BootstrappingInfo::parse(document(inside).as_bytes())
    }

    /// The document of TS 24.109 Table A.3-5.
    #[test]
    fn the_example_of_the_specification() {
        let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<BootstrappingInfo xmlns=\"uri:3gpp-gba\">\n\
            <btid>user@bsf.operator.com</btid>\n<lifetime>2004-05-28T13:20:00Z</lifetime>\n<Extension>\n\
            <currenttime>2004-05-27T13:20:00Z</currenttime>\n</Extension>\n</BootstrappingInfo>";
        let info = BootstrappingInfo::parse(text.as_bytes()).unwrap();
        assert_eq!(info.b_tid.as_str(), "user@bsf.operator.com");
        assert_eq!(date(info.expires), "2004-05-28T13:20:00Z");
        assert_eq!(BootstrappingInfo::parse(info.emit().as_bytes()), Ok(info));
    }

    #[test]
    fn what_is_not_the_document_is_refused() {
        let good = "<btid>a@b</btid><lifetime>2030-01-01T00:00:00Z</lifetime>";
        assert!(parse(good).is_ok());
        assert!(
            parse(&format!("{good}<x y=\"z\"><btid>c@d</btid></x>")).is_ok(),
            "what is unknown is passed over"
        );
        assert_eq!(parse("<btid>a@b</btid>"), Err(Error::Element("lifetime")));
        assert_eq!(parse("<lifetime>2030-01-01T00:00:00Z</lifetime>"), Err(Error::Element("btid")));
        assert_eq!(parse(&format!("{good}<btid>c@d</btid>")), Err(Error::Element("btid")));
        assert_eq!(parse(&good.replace("a@b", "a b")), Err(Error::Value("btid")));
        assert_eq!(parse(&good.replace("2030", "1930")), Err(Error::Value("lifetime")));
        assert_eq!(parse(&good.replace("00Z", "00")), Err(Error::Value("lifetime")));
        assert_eq!(parse(&good.replace("a@b", "a&other;@b")), Err(Error::Xml));
        for text in [
            "<BootstrappingInfo><btid/></BootstrappingInfo>".to_owned(),
            document(good).replace("BootstrappingInfo", "Info"),
            format!("{0}{0}", document(good)),
            String::new(),
        ] {
            assert_eq!(BootstrappingInfo::parse(text.as_bytes()), Err(Error::Root), "{text}");
        }
        let bomb = format!("<!DOCTYPE b [<!ENTITY a \"aaaa\">]>{}", document(good));
        assert_eq!(BootstrappingInfo::parse(bomb.as_bytes()), Err(Error::Xml));
        let cut = document(good).replace("</BootstrappingInfo>", "");
        assert_eq!(BootstrappingInfo::parse(cut.as_bytes()), Err(Error::Xml));
        let padded = |n: usize| document(good) + &" ".repeat(n - document(good).len());
        assert_eq!(BootstrappingInfo::parse(padded(MAX_DOCUMENT + 1).as_bytes()), Err(Error::TooLong));
        assert!(BootstrappingInfo::parse(padded(MAX_DOCUMENT).as_bytes()).is_ok());
    }

    #[test]
    fn a_name_with_characters_of_xml_comes_back() {
        for b_tid in ["a&b@c", "a<b>@c", "a'b@c"] {
            let expires = UtcTime::from_millis(1_893_456_000_000);
            let info = BootstrappingInfo { b_tid: BTid::new(b_tid).unwrap(), expires };
            assert_eq!(BootstrappingInfo::parse(info.emit().as_bytes()), Ok(info));
        }
    }

    #[test]
    fn every_time_has_a_date() {
        assert_eq!(date(UtcTime::from_millis(0)), "1970-01-01T00:00:00Z");
        assert_eq!(date(UtcTime::from_millis(u64::MAX)), "9999-12-30T22:00:00Z");
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes: Vec<u8>, inside in "[<>/&;a-z \"=!\\[\\]-]{0,60}") {
            let _ = (BootstrappingInfo::parse(&bytes), parse(&inside));
        }
    }
}
