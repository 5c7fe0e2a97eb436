//! SRTP of one end, once its keys are there.

use super::packet::{VOICE_PORT, datagram, udp};
use super::protocol::{Fault, SSRCS, Taken, fault};
use sidelink_security::srtp::{MasterKey, Receiver, Sender, SrtpProfile};

/// AES_CM_128_HMAC_SHA1_80: what a crypto attribute says here, and what MIKEY means where no policy says otherwise.
const PROFILE: SrtpProfile = SrtpProfile::AesCm128HmacSha1Tag80;

/// Voice both ways.
pub(super) struct Media {
    number: usize,
    sender: Sender,
    receiver: Receiver,
}

impl Media {
    /// Of UE `number`, with the keys of both directions.
    pub(super) fn new(number: usize, own: &MasterKey, other: &MasterKey) -> Self {
        Self {
            number,
            sender: Sender::new(PROFILE, own, SSRCS[number]),
            receiver: Receiver::new(PROFILE, other, SSRCS[1 - number]),
        }
    }

    /// One master key for both: their SSRCs keep the key streams apart.
    pub(super) fn shared(number: usize, master: &MasterKey) -> Self {
        Self::new(number, master, master)
    }

    pub(super) fn protect(&mut self, packet: &[u8]) -> Result<Vec<u8>, Fault> {
        let (_, rtp) = datagram(packet).ok_or_else(|| fault("no datagram"))?;
        let mut rtp = rtp.to_vec();
        self.sender.protect(&mut rtp).map_err(fault)?;
        Ok(udp(self.number, VOICE_PORT, &rtp))
    }

    pub(super) fn open(&mut self, rtp: &[u8]) -> Taken {
        let mut rtp = rtp.to_vec();
        match self.receiver.unprotect(&mut rtp) {
            Ok(_) => Taken::Voice(udp(1 - self.number, VOICE_PORT, &rtp)),
            Err(why) => Taken::Refused(why.to_string()),
        }
    }
}

/// Protects by keys that may not be there yet.
pub(super) fn protect(media: &mut Option<Media>, packet: &[u8]) -> Result<Vec<u8>, Fault> {
    media.as_mut().ok_or(Fault::NotReady)?.protect(packet)
}

/// Opens by keys that may not be there yet.
pub(super) fn open(media: &mut Option<Media>, rtp: &[u8]) -> Taken {
    match media {
        Some(media) => media.open(rtp),
        None => Taken::Refused("voice before its key".to_owned()),
    }
}
