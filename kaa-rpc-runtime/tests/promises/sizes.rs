//! Large messages, slow readers, floods.

use std::time::Duration;

use kaa_rpc_runtime::{Bytes, Channel, Context, Error, InProgress, Limits, params};

use crate::common::{Side, connect, everywhere, plain};

fn functions(side: Side) -> Side {
    side.function("echo", params(["data"], async |data: Bytes| Ok(data)))
        .function(
            "length",
            params(["data"], async |data: Bytes| Ok(data.len())),
        )
        .function(
            "make",
            params(["length"], async |length: usize| {
                Ok(Bytes::from(vec![7; length]))
            }),
        )
        .function(
            "take_back",
            params(["data"], async |cx: Context, data: Bytes| {
                let channel = cx.channel();
                let length: usize = channel.rpc("length", (data,)).await?;
                Ok(length)
            }),
        )
}

fn bytes(length: usize) -> Bytes {
    (0..length).map(|n| (n % 251) as u8).collect()
}

#[test]
fn large_messages_go_both_ways() {
    everywhere(async |over| {
        let ends = connect(over, functions, functions).await;
        for length in [0, 1, 65_535, 65_536, 1 << 20, (1 << 20) + 1] {
            let data = bytes(length);
            for channel in [&ends.client, &ends.server] {
                let back: Bytes = channel.rpc("echo", (&data,)).await.unwrap();
                assert!(back == data);
                let there: usize = channel.rpc("take_back", (&data,)).await.unwrap();
                assert_eq!(there, length);
            }
        }
    });
}

#[test]
fn many_large_messages_go_at_once() {
    everywhere(async |over| {
        let ends = connect(over, functions, functions).await;
        let data = bytes(300_000);
        let calls: Vec<InProgress<Bytes>> = (0..30)
            .map(|n| {
                let channel = if n % 2 == 0 {
                    &ends.client
                } else {
                    &ends.server
                };
                channel.rpc("echo", (&data,)).start()
            })
            .collect();
        for call in calls {
            assert!(call.await.unwrap() == data);
        }
    });
}

const MAX_FRAME: u32 = 100_000;

fn limited(side: Side) -> Side {
    functions(side).limits(Limits {
        max_frame: MAX_FRAME,
        ..Limits::default()
    })
}

#[test]
fn a_message_up_to_the_limit_goes_and_one_above_it_names_it() {
    everywhere(async |over| {
        // The limit is the receiver's; the sender knows it.
        for (server, client) in [(true, false), (false, true), (true, true)] {
            let choose = |limit| {
                if limit {
                    limited
                } else {
                    functions as fn(Side) -> Side
                }
            };
            let ends = connect(over, choose(server), choose(client)).await;
            let channel = &ends.client;
            if server {
                // kind, id, flags, depth, name and its length; list, map, head of the bytes.
                let around = 1 + 4 + 1 + 2 + 1 + "length".len() + 1 + 1 + 5;
                let most = MAX_FRAME as usize - around;
                let length: usize = channel.rpc("length", (bytes(most),)).await.unwrap();
                assert_eq!(length, most);
                let error = channel
                    .rpc::<usize, _>("length", (bytes(most + 1),))
                    .await
                    .unwrap_err();
                assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
                let text = error.to_string();
                for part in ["`length`", "100001", "100000", "max_frame"] {
                    assert!(text.contains(part), "{text}");
                }
            }
            if client {
                let most = MAX_FRAME as usize - (1 + 4 + 5);
                let data: Bytes = channel.rpc("make", (most,)).await.unwrap();
                assert_eq!(data.len(), most);
                let error = channel
                    .rpc::<Bytes, _>("make", (most + 1,))
                    .await
                    .unwrap_err();
                assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
                let text = error.to_string();
                for part in ["result", "100001", "100000", "max_frame"] {
                    assert!(text.contains(part), "{text}");
                }
            }
            assert_eq!(
                channel
                    .rpc::<usize, _>("length", (bytes(9),))
                    .await
                    .unwrap(),
                9
            );
        }
    });
}

#[test]
fn the_largest_frame_of_the_defaults_goes() {
    everywhere(async |over| {
        let ends = connect(over, functions, plain).await;
        let data = Bytes::from(vec![1; (16 << 20) - 100]);
        let length: usize = ends.client.rpc("length", (&data,)).await.unwrap();
        assert_eq!(length, data.len());
        let data = Bytes::from(vec![1; 16 << 20]);
        let error = ends
            .client
            .rpc::<usize, _>("length", (data,))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
    });
}

/// More than all buffers together hold, in both directions at once.
#[test]
fn hostile_43_both_ends_may_flood_each_other() {
    everywhere(async |over| {
        let ends = connect(over, functions, functions).await;
        let data = bytes(100_000);
        let flood = async |channel: &Channel| {
            let calls: Vec<InProgress<Bytes>> = (0..100)
                .map(|_| {
                    channel
                        .rpc("echo", (&data,))
                        .timeout(Duration::from_secs(50))
                        .start()
                })
                .collect();
            for call in calls {
                assert_eq!(call.await.unwrap().len(), data.len());
            }
        };
        tokio::join!(flood(&ends.client), flood(&ends.server));
    });
}
