//! Messages that protect as MIKEY-SAKKE does, by other means and much faster: who has the private keys of an identity is
//! a list. The machine is tested with these where thousands of runs are, and with the real ones elsewhere.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::kdf::own::cookie;
use sidelink_security::keys::{Gmk, Gsk};

use super::api::*;

/// One UE's end.
#[derive(Debug, Clone)]
pub(crate) struct Fake {
    /// Identities whose private keys are here.
    pub(crate) own: BTreeSet<Identity>,
    /// Signatures that were verified.
    pub(crate) verified: Arc<AtomicU64>,
}

impl Fake {
    pub(crate) fn new(own: &[&Identity]) -> Self {
        Self { own: own.iter().map(|identity| (*identity).clone()).collect(), verified: Arc::default() }
    }

    fn secret(identity: &Identity) -> [u8; 16] {
        cookie(b"private key", &identity.value)
    }

    /// Signs with whatever key this UE has, in the name of `sender`.
    fn sign(&self, sender: &Identity, body: &[u8]) -> [u8; 16] {
        let key = if self.own.contains(sender) { Some(sender) } else { self.own.first() };
        cookie(&key.map_or([0; 16], Self::secret), body)
    }

    fn check_sign(&self, sender: &Identity, octets: &[u8]) -> Result<(), Refusal> {
        self.verified.fetch_add(1, Ordering::Relaxed);
        let (body, sign) = octets.split_last_chunk::<16>().ok_or(Refusal::NotMikey)?;
        if cookie(&Self::secret(sender), body) == *sign { Ok(()) } else { Err(Refusal::Signature) }
    }

    /// Makes an I_MESSAGE without a look at the keys that are here: as an attacker does.
    pub(crate) fn forge_gmk(&self, offer: &GmkOffer<'_>, member: &Identity) -> Vec<u8> {
        let mut out = vec![1, 26];
        out.extend_from_slice(&offer.time.millis().to_be_bytes());
        out.extend_from_slice(&offer.id.0.to_be_bytes());
        out.extend_from_slice(&offer.period.activation.value().to_be_bytes());
        out.extend_from_slice(&offer.period.expiry.value().to_be_bytes());
        put(&mut out, offer.group);
        put(&mut out, member);
        let mask = cookie(&Self::secret(member), &out);
        out.extend(offer.gmk.as_bytes().iter().zip(mask).map(|(a, b)| a ^ b));
        let sign = self.sign(offer.group, &out);
        out.extend_from_slice(&sign);
        out
    }

    /// Makes the message of a call without a look at the keys that are here: as an attacker does.
    pub(crate) fn forge_call(&self, message: &CallMessage, gmk: &Gmk) -> Vec<u8> {
        let mut out = vec![1, 0];
        out.extend_from_slice(&message.time.millis().to_be_bytes());
        out.extend_from_slice(&message.gmk_id.0.to_be_bytes());
        out.extend_from_slice(&message.csb_id.0.to_be_bytes());
        put(&mut out, &message.caller);
        let mask = cookie(gmk.as_bytes(), &out);
        out.extend(message.gsk.as_bytes().iter().zip(mask).map(|(a, b)| a ^ b));
        let mac = cookie(gmk.as_bytes(), &out);
        out.extend_from_slice(&mac);
        let sign = self.sign(&message.caller, &out);
        out.extend_from_slice(&sign);
        out
    }
}

fn put(out: &mut Vec<u8>, identity: &Identity) {
    out.extend_from_slice(&[identity.kind, identity.value.len() as u8]);
    out.extend_from_slice(&identity.value);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, octets: usize) -> Result<&'a [u8], Refusal> {
        let (field, rest) = self.0.split_at_checked(octets).ok_or(Refusal::NotMikey)?;
        self.0 = rest;
        Ok(field)
    }

    fn number<const N: usize>(&mut self) -> Result<u64, Refusal> {
        Ok(self.take(N)?.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet)))
    }

    fn key(&mut self) -> Result<[u8; 16], Refusal> {
        self.take(16)?.try_into().map_err(|_| Refusal::NotMikey)
    }

    fn identity(&mut self) -> Result<Identity, Refusal> {
        let [kind, len] = *self.take(2)? else { return Err(Refusal::NotMikey) };
        Ok(Identity { kind, value: self.take(usize::from(len))?.to_vec() })
    }

    fn period(&mut self) -> Result<[UtcCounter; 2], Refusal> {
        Ok([UtcCounter::new(self.number::<4>()? as u32), UtcCounter::new(self.number::<4>()? as u32)])
    }
}

fn xor(key: [u8; 16], mask: [u8; 16]) -> [u8; 16] {
    let mut out = key;
    out.iter_mut().zip(mask).for_each(|(octet, with)| *octet ^= with);
    out
}

fn read_gmk(octets: &[u8]) -> Result<(GmkMessage, [u8; 16], usize), Refusal> {
    let mut reader = Reader(octets);
    reader.take(2)?;
    let time = UtcTime::from_millis(reader.number::<8>()?);
    let id = GmkId(reader.number::<4>()? as u32);
    let [activation, expiry] = reader.period()?;
    let (group, member) = (reader.identity()?, reader.identity()?);
    let body = octets.len() - reader.0.len();
    let masked = reader.key()?;
    if reader.0.len() != 16 {
        return Err(Refusal::NotMikey);
    }
    let period = Period { activation, expiry };
    Ok((GmkMessage { group, member, time, id, gmk: Gmk::from([0; 16]), period }, masked, body))
}

fn read_call(octets: &[u8]) -> Result<(CallMessage, [u8; 16], usize), Refusal> {
    let mut reader = Reader(octets);
    reader.take(2)?;
    let time = UtcTime::from_millis(reader.number::<8>()?);
    let gmk_id = GmkId(reader.number::<4>()? as u32);
    let csb_id = CsbId(reader.number::<4>()? as u32);
    let caller = reader.identity()?;
    let body = octets.len() - reader.0.len();
    let masked = reader.key()?;
    if reader.0.len() != 32 {
        return Err(Refusal::NotMikey);
    }
    let gsk = Gsk::from([0; 16]);
    Ok((CallMessage { caller, time, csb_id, gmk_id, gsk }, masked, body))
}

impl Messages for Fake {
    fn may_sign(&self, identity: &Identity, _: UtcTime) -> bool {
        self.own.contains(identity)
    }

    fn seal_gmk(
        &self,
        offer: &GmkOffer<'_>,
        members: &[&Identity],
        _: &[u8; 32],
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        if !self.own.contains(offer.group) {
            return Err(Refusal::NoKeys);
        }
        if members.iter().any(|member| member.value == b"unheard-of") {
            return Err(Refusal::Decapsulation);
        }
        Ok(members.iter().map(|member| self.forge_gmk(offer, member)).collect())
    }

    fn seal_call(&self, message: &CallMessage, gmk: &Gmk, _: &[u8; 32]) -> Result<Vec<u8>, Refusal> {
        if !self.own.contains(&message.caller) {
            return Err(Refusal::NoKeys);
        }
        Ok(self.forge_call(message, gmk))
    }

    fn claim(&self, octets: &[u8]) -> Result<(Kind, Claim), Refusal> {
        match octets.get(..2) {
            Some([1, 26]) => {
                let (message, ..) = read_gmk(octets)?;
                let GmkMessage { group, member, time, id, .. } = message;
                let (member, gmk_id) = (Some(member), Some(id));
                Ok((Kind::Gmk, Claim { sender: group, member, time, gmk_id, csb_id: CsbId(0) }))
            }
            Some([1, 0]) => {
                let (message, ..) = read_call(octets)?;
                let CallMessage { caller, time, csb_id, gmk_id, .. } = message;
                Ok((Kind::Call, Claim { sender: caller, member: None, time, gmk_id: Some(gmk_id), csb_id }))
            }
            _ => Err(Refusal::NotMikey),
        }
    }

    fn open_gmk(&self, octets: &[u8], _: UtcTime) -> Result<GmkMessage, Refusal> {
        let (mut message, masked, body) = read_gmk(octets)?;
        self.check_sign(&message.group, octets)?;
        if !self.own.contains(&message.member) {
            return Err(Refusal::Decapsulation);
        }
        let mask = cookie(&Self::secret(&message.member), &octets[..body]);
        message.gmk = Gmk::from(xor(masked, mask));
        Ok(message)
    }

    fn open_call(&self, octets: &[u8], gmk: &Gmk, _: UtcTime) -> Result<CallMessage, Refusal> {
        let (mut message, masked, body) = read_call(octets)?;
        let end = octets.len() - 32;
        if cookie(gmk.as_bytes(), &octets[..end]) != octets[end..end + 16] {
            return Err(Refusal::Mac);
        }
        self.check_sign(&message.caller, octets)?;
        message.gsk = Gsk::from(xor(masked, cookie(gmk.as_bytes(), &octets[..body])));
        Ok(message)
    }
}
