//! Large messages, slow readers, floods.

use std::time::Duration;

use kaa_rpc_runtime::{Bytes, Channel, Context, Error, InProgress, Limits, Value, params};

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

/// An honest end never meets these limits of the other by surprise: it counts before it sends.
#[test]
fn items_and_nesting_beyond_the_limits_are_told_before_they_are_sent() {
    let narrow = |side: Side| {
        functions(side)
            .function(
                "size",
                params(["list"], async |list: Value| {
                    Ok(list.as_list().map(<[Value]>::len))
                }),
            )
            .function(
                "list",
                params(["items"], async |items: u32| {
                    Ok((0..items).collect::<Vec<u32>>())
                }),
            )
            .function(
                "nest",
                params(["depth"], async |depth: u32| Ok(nested(depth))),
            )
            .limits(Limits {
                max_items: 1024,
                max_nesting: 8,
                ..Limits::default()
            })
    };
    everywhere(async |over| {
        let ends = connect(over, narrow, narrow).await;
        let channel = &ends.client;
        let size = async |list: Value| channel.rpc::<Option<usize>, _>("size", (list,)).await;
        let list = |items: u32| Value::from((0..items).map(Value::from).collect::<Vec<Value>>());
        // The list and the map of the arguments count, and the list itself.
        assert_eq!(size(list(1021)).await.unwrap(), Some(1021));
        assert_eq!(size(nested(8)).await.unwrap(), Some(1));
        let get = async |name, n: u32| channel.rpc::<Value, _>(name, (n,)).await;
        assert!(get("list", 1023).await.is_ok());
        assert!(get("nest", 8).await.is_ok());
        let cases = [
            (
                size(list(1022)).await.unwrap_err(),
                ["1025 items", "1024", "max_items"],
                false,
            ),
            (
                size(nested(9)).await.unwrap_err(),
                ["9 lists", "8", "max_nesting"],
                false,
            ),
            (
                get("list", 1024).await.unwrap_err(),
                ["1025 items", "1024", "max_items"],
                true,
            ),
            (
                get("nest", 9).await.unwrap_err(),
                ["9 lists", "8", "max_nesting"],
                true,
            ),
        ];
        for (error, parts, ran) in cases {
            assert!(
                matches!(error, Error::TooLarge { sent, .. } if sent == ran),
                "{error:?}"
            );
            assert_eq!(error.never_ran(), !ran);
            for part in parts {
                assert!(error.to_string().contains(part), "{error}");
            }
        }
        assert!(!channel.is_closed());
        assert_eq!(size(list(3)).await.unwrap(), Some(3));
    });
}

/// Lists inside each other, so many.
fn nested(depth: u32) -> Value {
    (1..depth).fold(Value::List(Vec::new()), |inner, _| Value::List(vec![inner]))
}

/// A channel that is not open yet does not know the limits of the other end; it still keeps to them.
#[test]
fn a_call_that_waits_for_the_channel_to_open_is_measured_then() {
    let runtime = crate::common::multi_threaded();
    runtime.block_on(async {
        let (_folder, address) = crate::common::private_address();
        let server = kaa_rpc_runtime::Server::builder(crate::common::secret()).limits(Limits {
            max_items: 1024,
            ..Limits::default()
        });
        let server = server.bind(&address).await.unwrap();
        let channel = Channel::builder(&crate::common::secret())
            .connect_lazy(&address)
            .unwrap();
        let call = channel.rpc::<Value, _>("size", (vec![0; 2000],)).start();
        let error = call.await.unwrap_err();
        assert!(
            matches!(error, Error::TooLarge { sent: false, .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("max_items"), "{error}");
        drop(server);
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
