//! The daemon: [`Beacon`] over a [`Store`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kaa_rpc_runtime::{BindError, Context, Outcome, Secret, Server, Value};
use tokio::sync::Notify;

use super::store::{HUNG, Store};
use crate::beacon::{
    AttributeSpec, Attributes, Beacon, Database, DatabaseError, DatabasePeer, ItemId, Query,
};

/// The daemon, and who is connected to it.
///
/// What it does for a client it tells that client by `log.info`, and what concerns all it tells all.
#[derive(Debug, Default)]
pub struct Daemon {
    state: Mutex<State>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct State {
    store: Store,
    clients: BTreeMap<i64, DatabasePeer>,
    last_number: i64,
}

/// The number of a client: state of its channel.
struct Number(i64);

/// Serves a new database at `address`. The second value ends once a client has called `shutdown`.
///
/// # Errors
///
/// When the address is not free.
pub async fn serve(
    address: &str,
    secret: Secret,
) -> Result<(Server<DatabasePeer>, impl Future<Output = ()> + use<>), BindError> {
    let daemon = Arc::new(Daemon::default());
    daemon.lock().store = Store::new();
    let welcoming = Arc::clone(&daemon);
    let server = Database::server(secret, Arc::clone(&daemon))
        .on_connect(move |peer: DatabasePeer| welcoming.welcome(&peer))
        .bind(address)
        .await?;
    Ok((server, async move { daemon.ended.notified().await }))
}

impl Daemon {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a new client its number, and forgets it once its channel is closed.
    fn welcome(self: &Arc<Self>, peer: &DatabasePeer) {
        let mut state = self.lock();
        state.last_number += 1;
        let number = state.last_number;
        state.clients.insert(number, peer.clone());
        let media = state.store.media();
        drop(state);
        peer.channel.insert_state(Number(number));

        let connect = peer.beacon_client.connect(number, "memory", &media);
        connect.start().detach();
        let daemon = Arc::clone(self);
        peer.channel.on_close(move |_| daemon.forget(number));
    }

    /// Frees what a client held, however it went.
    fn forget(&self, number: i64) {
        let held = {
            let mut state = self.lock();
            state.clients.remove(&number);
            state.store.forget_client(number)
        };
        if held {
            self.tell_all(&["unlocked".into(), number.into()]);
        }
        self.tell_all(&["gone".into(), number.into()]);
    }

    /// Says something to all clients. Those that are just going away miss it.
    fn tell_all(&self, args: &[Value]) {
        for peer in self.clients() {
            let info = peer.log.info().args(args.iter().cloned());
            info.start().detach();
        }
    }

    fn clients(&self) -> Vec<DatabasePeer> {
        self.lock().clients.values().cloned().collect()
    }

    /// Says something to the client that called.
    async fn tell<const N: usize>(&self, cx: &Context, args: [Value; N]) -> Outcome<()> {
        let peer = DatabasePeer::from(cx.channel());
        Ok(peer.log.info().args(args).await?)
    }

    /// The number of the client that called.
    fn caller(cx: &Context) -> i64 {
        cx.channel().state::<Number>().map_or(0, |number| number.0)
    }

    /// Changes the store for the caller, unless another client holds the lock, and tells the monitors.
    async fn write<T>(
        &self,
        cx: &Context,
        change: impl FnOnce(&mut Store) -> Result<T, DatabaseError> + Send,
    ) -> Result<T, DatabaseError> {
        let caller = Self::caller(cx);
        let (result, notices) = {
            let mut state = self.lock();
            state.store.may_write(caller)?;
            let result = change(&mut state.store)?;
            let found = state.store.found().into_iter();
            let notices: Vec<_> = found
                .filter_map(|((client, request), count)| {
                    Some((state.clients.get(&client)?.clone(), request, count))
                })
                .collect();
            (result, notices)
        };
        for (peer, request, count) in notices {
            let notify = peer.beacon_client.notify(request, "changed");
            let _ = notify.args([count.into()]).await;
        }
        Ok(result)
    }
}

impl Beacon for Daemon {
    async fn register_inverted_index(
        &self,
        cx: &Context,
        name: String,
        min: Option<u32>,
        max: Option<u32>,
        split: Option<String>,
        ignore: Option<Vec<String>>,
    ) -> Outcome<()> {
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            return Err(format!("no word has at least {min:?} and at most {max:?} letters").into());
        }
        let told = [
            "index".into(),
            name.into(),
            min.into(),
            max.into(),
            split.into(),
            ignore.into(),
        ];
        self.tell(cx, told).await
    }

    async fn register_file_type_attrs(
        &self,
        cx: &Context,
        type_name: String,
        indexes: Vec<Vec<String>>,
        attrs: BTreeMap<String, AttributeSpec>,
    ) -> Outcome<()> {
        let described = attrs.iter().map(|(name, spec)| {
            format!(
                "{name}: {}{}{}",
                spec.r#type,
                if spec.searchable { ", searchable" } else { "" },
                spec.inverted_index.as_deref().unwrap_or_default()
            )
        });
        let described: Vec<String> = described.collect();
        let told = [
            "type".into(),
            type_name.as_str().into(),
            indexes.into(),
            described.into(),
        ];
        self.lock().store.add_type(type_name, attrs);
        self.tell(cx, told).await
    }

    async fn delete_media(&self, cx: &Context, id: String) -> Outcome<(), DatabaseError> {
        self.write(cx, |store| store.delete_medium(&id)).await?;
        for peer in self.clients() {
            let _ = peer.devices.removed(&id).await;
        }
        Ok(())
    }

    async fn db_lock(&self, cx: &Context) -> Outcome<(), DatabaseError> {
        let caller = Self::caller(cx);
        Ok(self.lock().store.lock(caller)?)
    }

    async fn db_unlock(&self, cx: &Context) -> Outcome<(), DatabaseError> {
        let caller = Self::caller(cx);
        Ok(self.lock().store.unlock(caller)?)
    }

    async fn scan_directory(&self, cx: &Context, directory: String) -> Outcome<u64, DatabaseError> {
        if directory == HUNG {
            DatabasePeer::from(cx.channel())
                .log
                .info()
                .args(["waiting".into(), directory.into()])
                .await?;
            std::future::pending::<()>().await;
            return Ok(0);
        }
        Ok(self.write(cx, |store| store.scan(&directory)).await?)
    }

    async fn monitor_directory(
        &self,
        _: &Context,
        directory: String,
    ) -> Outcome<(), DatabaseError> {
        Ok(self.lock().store.watch(&directory)?)
    }

    async fn monitor_add(
        &self,
        _: &Context,
        client_id: i64,
        request_id: i64,
        query: Query,
    ) -> Outcome<()> {
        self.lock().store.monitor(client_id, request_id, query);
        Ok(())
    }

    async fn monitor_remove(&self, _: &Context, client_id: i64, request_id: i64) -> Outcome<()> {
        self.lock().store.unmonitor(client_id, request_id);
        Ok(())
    }

    async fn item_update(
        &self,
        cx: &Context,
        items: Vec<(ItemId, Attributes)>,
    ) -> Outcome<(), DatabaseError> {
        Ok(self.write(cx, |store| store.update(items)).await?)
    }

    async fn item_request(
        &self,
        cx: &Context,
        filename: String,
    ) -> Outcome<Attributes, DatabaseError> {
        Ok(self.write(cx, |store| store.request(&filename)).await?)
    }

    async fn item_create(
        &self,
        cx: &Context,
        r#type: String,
        parent: ItemId,
        kwargs: BTreeMap<String, Value>,
    ) -> Outcome<ItemId, DatabaseError> {
        Ok(self
            .write(cx, |store| store.create(&r#type, parent, kwargs))
            .await?)
    }

    async fn item_delete(&self, cx: &Context, id: ItemId) -> Outcome<(), DatabaseError> {
        Ok(self.write(cx, |store| store.delete(id)).await?)
    }

    async fn shutdown(&self, _: &Context) -> Outcome<()> {
        self.ended.notify_one();
        Ok(())
    }

    async fn eject(&self, cx: &Context, id: String) -> Outcome<(), DatabaseError> {
        let medium = self.write(cx, |store| store.eject(&id)).await?;
        for peer in self.clients() {
            let _ = peer.devices.changed(&id, &medium).await;
        }
        Ok(())
    }
}
