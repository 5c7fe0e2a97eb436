//! Encrypted messages. RFC 7296 §3.14: IV 16 | payloads, padding, its length, in AES-CBC | checksum 16.

use aes::Aes128;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Error;
use super::keys::{DirectionKeys, prf};
use super::wire::{HEADER, Header, Kind, Payloads, chain};

const BLOCK: usize = 16;
const ICV: usize = 16;

impl DirectionKeys {
    fn icv(&self, message: &[u8]) -> [u8; ICV] {
        let [whole @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *prf(&self.a, &[message]);
        whole
    }

    /// The message with these payloads, encrypted. `header.next` is set here.
    pub(super) fn seal(
        &self,
        header: Header,
        payloads: &[(Kind, Vec<u8>)],
        iv: [u8; BLOCK],
    ) -> Result<Vec<u8>, Error> {
        let (first, inner) = chain(payloads)?;
        let mut inner = Zeroizing::new(inner);
        let padding = (inner.len() + 1).next_multiple_of(BLOCK) - inner.len() - 1;
        let room = inner.len() + padding;
        inner.resize(room, 0);
        inner.push(padding as u8);
        let mut cipher = cbc::Encryptor::<Aes128>::new((&self.e).into(), &iv.into());
        for block in inner.as_chunks_mut::<BLOCK>().0 {
            cipher.encrypt_block(block.into());
        }
        let length = u16::try_from(4 + BLOCK + inner.len() + ICV).map_err(|_| Error::TooLong)?;
        let header = Header { next: Kind::Encrypted.octet(), ..header };
        let [high, low] = length.to_be_bytes();
        let body = [&[first, 0, high, low], &iv[..], &inner, &[0; ICV]].concat();
        let mut message = header.emit(&body)?;
        let end = message.len() - ICV;
        let icv = self.icv(&message[..end]);
        message[end..].copy_from_slice(&icv);
        Ok(message)
    }

    /// Type of the first payload, and the payloads, of what [`Self::seal`] made.
    pub(super) fn open(&self, header: &Header, message: &[u8]) -> Result<(u8, Zeroizing<Vec<u8>>), Error> {
        let payloads = Payloads::parse(header.next, &message[HEADER..])?;
        let body = payloads.need(Kind::Encrypted, "SK")?;
        // Nothing stands in front of it: what would be there would be read before it is proven.
        if header.next != Kind::Encrypted.octet() {
            return Err(Error::Value("the first payload"));
        }
        let (proven, icv) = message.split_at_checked(message.len() - ICV).ok_or(Error::Length("SK"))?;
        if !bool::from(self.icv(proven)[..].ct_eq(icv)) {
            return Err(Error::Icv);
        }
        let (iv, rest) = body.split_first_chunk::<BLOCK>().ok_or(Error::Length("SK"))?;
        let (sealed, _) = rest.split_last_chunk::<ICV>().ok_or(Error::Length("SK"))?;
        if sealed.is_empty() || !sealed.len().is_multiple_of(BLOCK) {
            return Err(Error::Length("SK"));
        }
        let mut inner = Zeroizing::new(sealed.to_vec());
        let mut cipher = cbc::Decryptor::<Aes128>::new((&self.e).into(), iv.into());
        for block in inner.as_chunks_mut::<BLOCK>().0 {
            cipher.decrypt_block(block.into());
        }
        let padding = usize::from(inner[inner.len() - 1]) + 1;
        let length = inner.len().checked_sub(padding).ok_or(Error::Length("the padding"))?;
        inner.truncate(length);
        // The type of the first payload stands in the header of SK.
        Ok((message[HEADER], inner))
    }
}
