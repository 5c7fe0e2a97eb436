//! The documents. TS 29.509 §6.1.6.

use std::collections::BTreeMap;

use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::sbi::common::{
    Bytes, HexKey, Name, Nonce, PrukId5g, RelayServiceCode, ServingNetworkName, SupiOrSuci, SupportedFeatures,
};
use crate::sbi::json::{Faults, Schema, objects};

objects! {
    /// Who is to be authenticated, for what.
    ProSeAuthenticationInfo {
        /// Who: by an identity of the subscriber.
        optional supi_or_suci: SupiOrSuci = "supiOrSuci";
        /// Who: by the name of a key.
        optional pruk_id: PrukId5g = "5gPrukId";
        /// For which relay service.
        mandatory relay_service_code: RelayServiceCode = "relayServiceCode";
        /// Nonce_1 of the remote UE.
        mandatory nonce_1: Nonce = "nonce1";
        /// In which network.
        mandatory serving_network_name: ServingNetworkName = "servingNetworkName";
        /// What the other end can do.
        optional supported_features: SupportedFeatures = "supportedFeatures";
    }

    /// An authentication has begun.
    ProSeAuthenticationCtx {
        /// `EAP_AKA_PRIME`.
        mandatory auth_type: Name = "authType";
        /// Where it goes on.
        mandatory links: Links = "_links";
        /// An EAP packet for the UE.
        mandatory pro_se_auth_data: Bytes = "proSeAuthData";
    }

    /// An authentication goes on, or ends.
    ProSeEapSession {
        /// An EAP packet.
        mandatory eap_payload: Bytes = "eapPayload";
        /// K_NR_ProSe.
        optional knr_pro_se: HexKey = "knrProSe";
        /// Where it goes on.
        optional links: Links = "_links";
        /// How it ended, or that it has not.
        optional auth_result: Name = "authResult";
        /// What the other end can do.
        optional supported_features: SupportedFeatures = "supportedFeatures";
        /// Nonce_2.
        optional nonce_2: Nonce = "nonce2";
        /// CP-PRUK ID.
        optional pruk_id: PrukId5g = "5gPrukId";
    }

    /// A key was known.
    ProSeAuthenticationResult {
        /// K_NR_ProSe.
        optional knr_pro_se: HexKey = "knrProSe";
        /// Nonce_2.
        optional nonce_2: Nonce = "nonce2";
    }
}

/// Where an authentication goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links(pub String);

impl Schema for Links {
    /// In a request they say nothing.
    fn read(_: &RawValue) -> Result<Self, Faults> {
        Ok(Self(String::new()))
    }
}

impl serde::Serialize for Links {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("prose-auth", &BTreeMap::from([("href", &self.0)]))?;
        map.end()
    }
}
