//! SAKKE: a key under an identity. RFC 6509 §4.2, and the copy for the sender itself, TS 33.180 §E.5.

use super::Error;
use super::cursor::{Cursor, Writer};
use super::payload::PayloadType;
use super::ticket::emitted;
use super::values::{IdentifierScheme, SakkeParameters};

/// A key under an identity: SAKKE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sakke<'a> {
    /// Parameters.
    pub parameters: SakkeParameters,
    /// How the identity is made.
    pub scheme: IdentifierScheme,
    /// The encapsulated data of RFC 6508 §4, at most 65535 octets.
    pub data: &'a [u8],
}

impl<'a> Sakke<'a> {
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let [parameters, scheme] = cursor.take("SAKKE of MIKEY")?;
        Ok(Self {
            data: cursor.long("SAKKE of MIKEY")?,
            parameters: SakkeParameters::from_octet(parameters)?,
            scheme: IdentifierScheme::from_octet(scheme)?,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.put(&[self.parameters.octet(), self.scheme.octet()]);
        writer.long("SAKKE of MIKEY", self.data);
    }

    /// Parses the data of an extension of type [`super::ExtensionType::SAKKE_TO_SELF`]: a whole payload, whose octet of the
    /// next payload says nothing.
    pub fn parse_to_self(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(bytes);
        cursor.octet("SAKKE-to-self of MIKEY")?;
        let sakke = Self::parse(&mut cursor)?;
        cursor.end("SAKKE-to-self of MIKEY")?;
        Ok(sakke)
    }

    /// Writes the data of such an extension.
    ///
    /// # Errors
    /// Data above 65535 octets.
    pub fn emit_to_self(&self) -> Result<Vec<u8>, Error> {
        emitted(|writer| {
            writer.put(&[PayloadType::LAST.0]);
            self.write(writer);
        })
    }
}
