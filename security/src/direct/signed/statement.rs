//! Signed statements of other procedures, with the same credentials and trust as those of links.

use sha2::{Digest, Sha256};

use super::{Claim, Credential, Failure, Subject, Trust, Vouched};
use crate::counter::UtcTime;

/// Octets that a UE has signed.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// Label of the procedure and of the role that signs: no other one has it.
    pub label: &'static [u8],
    /// Hash of the earlier messages.
    pub transcript: &'a [u8; 32],
    /// The signed octets.
    pub content: &'a [u8],
}

impl Credential {
    /// Returns the key, or the certificate, in the form in which a peer reads it.
    pub fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Signs a statement.
    pub fn attest(&self, statement: &Statement<'_>) -> [u8; 64] {
        self.sign(statement.label, statement.transcript, statement.content)
    }
}

impl Trust {
    /// Checks that the owner of `credential` is `identity` and signed the statement. Returns the certificate that vouches
    /// for it; `None` for a raw key.
    ///
    /// # Errors
    /// The reason why the peer is not believed.
    pub fn check(
        &self,
        statement: &Statement<'_>,
        signature: &[u8; 64],
        (identity, credential): (Subject<'_>, &[u8]),
        now: UtcTime,
    ) -> Result<Option<Vouched>, Failure> {
        let &Statement { label, transcript, content } = statement;
        let claim = Claim { credential, identity, label, hash: transcript, unsigned: content, signature };
        self.verify(&claim, now, Failure::Malformed("the credential"))?;
        Ok(Vouched::of_credential(super::Reader(credential)))
    }

    /// Returns the time at which the revocation list was issued that speaks of this certificate; `None` without one.
    pub fn list_of(&self, vouched: &Vouched) -> Option<UtcTime> {
        let of_issuer = self.roots.iter().filter(|root| {
            let issuer: [u8; 32] = Sha256::digest(&root.name).into();
            issuer == vouched.issuer
        });
        of_issuer.filter_map(super::Root::list_issued).max()
    }
}

/// Returns SHA-256 of octets in parts: the transcript of messages.
pub fn digest(parts: &[&[u8]]) -> [u8; 32] {
    super::hash(parts)
}
