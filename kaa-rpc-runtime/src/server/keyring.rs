//! The secrets that clients may prove.

use kaa_rpc_proto::handshake::{KeyId, Keyring};

use super::BindError;
use crate::open::ConnectError;
use crate::secret::{Secret, random};

/// Their keys, by id; each id once.
pub(super) fn keyring(secrets: &[(String, Secret)]) -> Result<Keyring, BindError> {
    let mut keyring =
        Keyring::new(random().map_err(|error| BindError::Side(ConnectError::Random(error)))?);
    for (id, secret) in secrets {
        let id = KeyId::new(id).map_err(|error| {
            BindError::Side(ConnectError::Settings(format!(
                "the key id `{id}`: {error}"
            )))
        })?;
        if keyring.ids().any(|other| other == id) {
            let what = if id.is_empty() {
                "the default secret".to_owned()
            } else {
                format!("the secret `{id}`")
            };
            return Err(BindError::Side(ConnectError::Settings(format!(
                "{what} was given twice"
            ))));
        }
        keyring.insert(id, secret.key());
    }
    Ok(keyring)
}
