//! Whatever arrives, an end neither panics nor opens.

use kaa_rpc_proto::Secret;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::ends::{self, CLIENT_MESSAGES, SERVER_MESSAGES, To, connect, settings};

proptest! {
    #[test]
    fn arbitrary_bytes_never_open(
        bytes in vec(any::<u8>(), 0..700),
        good in 0_usize..=CLIENT_MESSAGES[1],
    ) {
        // A server that gets a sound beginning of any length, then anything.
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        connect(&mut ends::client(settings(1), 1), &mut ends::server(settings(2), 2), |to, _, sent| {
            match to {
                To::Server => to_server.extend_from_slice(sent),
                To::Client => to_client.extend_from_slice(sent),
            }
        });
        let mut server = ends::server(settings(2), 3);
        server.deliver(&to_server[..good]);
        server.deliver(&bytes);
        server.close();
        prop_assert!(server.has_failed());

        let mut client = ends::client(settings(1), 4);
        client.deliver(&to_client[..good.min(SERVER_MESSAGES[1])]);
        client.deliver(&bytes);
        client.close();
        prop_assert!(client.has_failed());
    }

    #[test]
    fn arbitrary_text_is_a_secret_or_an_error(text in "(kaa-secret-1 )?[A-Za-z0-9+/=é \n]{0,60}") {
        if let Ok(secret) = Secret::parse(&text) {
            let line = secret.to_line();
            prop_assert_eq!(line.trim_end(), text.trim_end());
        }
    }

    #[test]
    fn any_secret_survives_its_text_form(bytes in vec(any::<u8>(), 16..200)) {
        let line = Secret::from_bytes(&bytes).unwrap().to_line();
        let again = Secret::parse(&line).unwrap().to_line();
        prop_assert_eq!(line, again);
    }
}
