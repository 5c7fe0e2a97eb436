//! DISCOVERY_REQUEST: what a UE asks for. TS 24.334 §11.2.4.2.

use super::fields::records;
use super::identity::{Imsi, Plmn};
use super::values::{
    AnnouncingType, ApplicationId, Command, Container, DiscoveryType, EntryId, Extension, Metadata, Model,
    OsAppId, Pc5Technology, RequestedTimer, Rpauid, TransactionId, TransactionMethod,
};

records! {
    /// An application of an operating system. TS 24.334 §12.2.2.5.
    ApplicationIdentity {
        /// UUID of the operating system.
        os_id: [u8; 16] = one "OS-ID",
        /// The application, in the words of its operating system.
        os_app_id: OsAppId = one "OS-App-ID",
    }

    /// Open discovery: to announce, to monitor, or other metadata.
    OpenRequest {
        /// Names the transaction.
        transaction: TransactionId = one "transaction-ID",
        /// What is asked for.
        command: Command = one "command",
        /// Who asks.
        ue: Imsi = one "UE-identity",
        /// What is to be discovered.
        application_id: ApplicationId = one "ProSe-Application-ID",
        /// For which application.
        application: ApplicationIdentity = one "application-identity",
        /// An earlier entry, to go on with it.
        entry: Option<EntryId> = maybe "discovery-entry-ID",
        /// The validity that is wished for.
        requested_timer: Option<RequestedTimer> = maybe "Requested-Timer",
        /// What goes with the ProSe Application ID.
        metadata: Option<Metadata> = maybe "metadata",
        /// Whose radio resources are meant, when not those of the registered PLMN.
        announcing_plmn: Option<Plmn> = maybe "Announcing-PLMN-ID",
        /// Application-controlled extension.
        extension: Option<Extension> = maybe "ACE-enabled-indicator",
        /// Radio technology.
        pc5: Option<Pc5Technology> = maybe "PC5-tech",
    }

    /// Restricted discovery, models A and B.
    RestrictedRequest {
        /// Names the transaction.
        transaction: TransactionId = one "transaction-ID",
        /// What is asked for.
        command: Command = one "command",
        /// Who asks.
        ue: Imsi = one "UE-identity",
        /// As whom: the RPAUID of the UE itself.
        rpauid: Rpauid = one "RPAUID",
        /// For which application.
        application: ApplicationIdentity = one "application-identity",
        /// Restricted.
        discovery_type: DiscoveryType = one "discovery-type",
        /// Application-controlled extension.
        extension: Option<Extension> = maybe "ACE-enabled-indicator",
        /// From now on, or on demand.
        announcing_type: Option<AnnouncingType> = maybe "announcing-type",
        /// For the application's server: the targets, say.
        container: Option<Container> = maybe "application-level-container",
        /// Model.
        model: Option<Model> = maybe "discovery-model",
        /// Whose radio resources are meant.
        announcing_plmn: Option<Plmn> = maybe "Announcing-PLMN-ID",
        /// An earlier entry, to go on with it; 0 for a new one.
        entry: EntryId = one "discovery-entry-ID",
        /// The validity that is wished for.
        requested_timer: Option<RequestedTimer> = maybe "Requested-Timer",
        /// Radio technology.
        pc5: Option<Pc5Technology> = maybe "PC5-tech",
    }

    /// DISCOVERY_REQUEST.
    DiscoveryRequest {
        /// Open discovery.
        open: Vec<OpenRequest> = many "discovery-request",
        /// Restricted discovery.
        restricted: Vec<RestrictedRequest> = many "restricted-discovery-request",
        /// Whether the UE can wait for a late answer.
        method: Option<TransactionMethod> = attribute "network-initiated-transaction-method",
    }
}
