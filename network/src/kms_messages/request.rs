//! KmsRequest. TS 33.180 Annex D.2.2.

use super::response::ErrorInfo;
use super::values::{KmsTime, Text, Uri};
use crate::pc3::fields::records;

records! {
    /// What a client says beside the path of its request.
    KmsRequest {
        /// Version of the document, 1.1.0.
        version: Option<Text> = attribute "Version",
        /// Who asks.
        user: Uri = one "UserUri",
        /// Whom.
        kms: Uri = one "KmsUri",
        /// When.
        time: KmsTime = one "Time",
        /// Its client, for people.
        client: Option<Text> = maybe "ClientId",
        /// Its device, for people.
        device: Option<Text> = maybe "DeviceId",
        /// The resource that it posts to.
        url: Uri = one "ClientReqUrl",
        /// What went wrong before.
        error: Option<ErrorInfo> = maybe "ClientError",
    }
}

impl KmsRequest {
    /// A request of a user to a server.
    pub fn new(user: Uri, kms: Uri, time: KmsTime, url: Uri) -> Self {
        Self { version: Text::new("1.1.0"), user, kms, time, client: None, device: None, url, error: None }
    }
}
