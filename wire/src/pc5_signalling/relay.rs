//! Messages between a remote UE and a relay that no link here sends: TS 24.334 §11.4.9 to §11.4.12, for whoever reads captures.

use super::element::{Field, Reader, Writer};
use super::message_type::MessageType;
use super::{Error, fits};

/// Octets of an MBMS SAI.
const SAI_LEN: usize = 2;
/// The most SAIs of a list.
const MAX_SAIS: usize = 256;
/// The longest T4104 and T4106, minutes.
const MAX_MINUTES: u16 = 1440;

/// TS 24.334 §12.5.1.16.
const PPPP: Field = Field { what: "Requested PPPP", mask: 0x0f, known: 1..=8 };
/// A Boolean; the text does not say of which bit.
const SAI_INDICATOR: Field = Field { what: "SAI Indicator", mask: 1, known: 0..=1 };

/// A message of a relay or a remote UE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelayMessage<'a> {
    /// 8: a remote UE wants an MBMS session relayed.
    TmgiMonitoringRequest {
        /// TMGI.
        tmgi: [u8; 6],
        /// MBMS SAIs, two octets each: 1 to 256 of them.
        sais: &'a [u8],
        /// The priority that is wanted, 1 to 8.
        priority: u8,
    },
    /// 9: the relay does.
    TmgiMonitoringResponse {
        /// ProSe Layer-2 Group ID of the relayed session.
        group: [u8; 3],
        /// T4104, 1 to 1440 minutes.
        t4104: u16,
        /// Whether one of the SAIs asked for is in the relay's cell: TS 24.334 §12.5.1.14.
        in_cell: bool,
    },
    /// 10: a remote UE wants to know the cell.
    CellIdAnnouncementRequest,
    /// 11: the relay will announce it.
    CellIdAnnouncementResponse {
        /// T4106, 1 to 1440 minutes.
        t4106: u16,
    },
}

impl<'a> RelayMessage<'a> {
    pub(super) const fn message_type(&self) -> MessageType {
        match self {
            Self::TmgiMonitoringRequest { .. } => MessageType::TmgiMonitoringRequest,
            Self::TmgiMonitoringResponse { .. } => MessageType::TmgiMonitoringResponse,
            Self::CellIdAnnouncementRequest => MessageType::CellIdAnnouncementRequest,
            Self::CellIdAnnouncementResponse { .. } => MessageType::CellIdAnnouncementResponse,
        }
    }

    /// Reads the body of such a message; none when the type is another.
    // TS 24.334 §11.4.9 to 11.4.12
    pub(super) fn parse(message_type: MessageType, reader: &mut Reader<'a>) -> Option<Result<Self, Error>> {
        Some(match message_type {
            MessageType::TmgiMonitoringRequest => parse_request(reader),
            MessageType::TmgiMonitoringResponse => parse_response(reader),
            MessageType::CellIdAnnouncementRequest => Ok(Self::CellIdAnnouncementRequest),
            MessageType::CellIdAnnouncementResponse => {
                minutes("T4106", reader).map(|t4106| Self::CellIdAnnouncementResponse { t4106 })
            }
            _ => return None,
        })
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match *self {
            Self::TmgiMonitoringRequest { sais, priority, .. } => {
                let whole = !sais.is_empty() && sais.len().is_multiple_of(SAI_LEN);
                let list = if whole { Ok(()) } else { Err(Error::NotCarried { what: "MBMS SAI list" }) };
                list?;
                fits("MBMS SAIs", (sais.len() / SAI_LEN) as u32, MAX_SAIS as u32)?;
                PPPP.check(priority)
            }
            Self::TmgiMonitoringResponse { t4104: minutes, .. }
            | Self::CellIdAnnouncementResponse { t4106: minutes } => match minutes {
                0 => Err(Error::NotCarried { what: "minutes" }),
                minutes => fits("minutes", minutes.into(), MAX_MINUTES.into()),
            },
            Self::CellIdAnnouncementRequest => Ok(()),
        }
    }

    pub(super) fn emit(&self, writer: &mut Writer<'_>) {
        match self {
            Self::TmgiMonitoringRequest { tmgi, sais, priority } => {
                writer.put(tmgi);
                let count = (sais.len() / SAI_LEN).saturating_sub(1) as u8;
                writer.put(&(sais.len() as u16 + 1).to_be_bytes());
                writer.put(&[count]);
                writer.put(sais);
                writer.put(&[*priority]);
            }
            Self::TmgiMonitoringResponse { group, t4104, in_cell } => {
                writer.put(group);
                writer.put(&t4104.to_be_bytes());
                writer.put(&[u8::from(*in_cell)]);
            }
            Self::CellIdAnnouncementRequest => {}
            Self::CellIdAnnouncementResponse { t4106 } => writer.put(&t4106.to_be_bytes()),
        }
    }
}

fn parse_request<'a>(reader: &mut Reader<'a>) -> Result<RelayMessage<'a>, Error> {
    const WHAT: &str = "MBMS SAI list";
    let tmgi = reader.take("TMGI")?;
    let list = reader.long(WHAT)?;
    let (&count, sais) = list.split_first().ok_or(Error::Truncated { what: WHAT, needed: 1, have: 0 })?;
    let stated = (usize::from(count) + 1) * SAI_LEN;
    if stated != sais.len() {
        return Err(Error::LengthLies { what: WHAT, stated, have: sais.len() });
    }
    Ok(RelayMessage::TmgiMonitoringRequest { tmgi, sais, priority: PPPP.read(reader)? })
}

fn parse_response<'a>(reader: &mut Reader<'a>) -> Result<RelayMessage<'a>, Error> {
    let group = reader.take("ProSe Layer-2 Group ID")?;
    let t4104 = minutes("T4104", reader)?;
    Ok(RelayMessage::TmgiMonitoringResponse { group, t4104, in_cell: SAI_INDICATOR.read(reader)? == 1 })
}

fn minutes(what: &'static str, reader: &mut Reader<'_>) -> Result<u16, Error> {
    match u16::from_be_bytes(reader.take(what)?) {
        minutes @ 1..=MAX_MINUTES => Ok(minutes),
        value => Err(Error::Reserved { what, value: value.into() }),
    }
}
