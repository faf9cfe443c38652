//! A client: it notes what it is told.

use std::sync::Arc;

use kaa_rpc_runtime::{ConnectError, Context, Outcome, Secret, Value};
use tokio::sync::mpsc;

use crate::beacon::{Attributes, BeaconClient, Database, DatabaseClient, Devices, Log, Medium};

/// What the daemon tells a client.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// `connect`: the client's number, where the database is, and the media.
    Connected(i64, String, Vec<Medium>),
    /// `notify`: a request, what about it, and more.
    Notice(i64, String, Vec<Value>),
    /// `device.changed`.
    Changed(String, Attributes),
    /// `device.removed`.
    Removed(String),
    /// `log.info`.
    Info(Vec<Value>),
}

/// What a client exposes.
#[derive(Clone, Debug)]
pub struct Viewer {
    news: mpsc::UnboundedSender<News>,
}

impl Viewer {
    /// A viewer, and where its news come out.
    #[must_use]
    pub fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<News>) {
        let (news, receiver) = mpsc::unbounded_channel();
        (Arc::new(Self { news }), receiver)
    }

    /// Connects a new viewer by the typed channel.
    ///
    /// # Errors
    ///
    /// As `Database::connect`.
    pub async fn connect(
        address: &str,
        secret: &Secret,
    ) -> Result<(DatabaseClient, mpsc::UnboundedReceiver<News>), ConnectError> {
        let (viewer, news) = Self::new();
        let (devices, log) = (Arc::clone(&viewer), Arc::clone(&viewer));
        let client = Database::connect(address, secret, viewer, devices, log).await?;
        Ok((client, news))
    }
}

impl BeaconClient for Viewer {
    async fn connect(
        &self,
        _: &Context,
        id: i64,
        database: String,
        media: Vec<Medium>,
    ) -> Outcome<()> {
        Ok(self.news.send(News::Connected(id, database, media))?)
    }

    async fn notify(&self, _: &Context, id: i64, msg: String, args: Vec<Value>) -> Outcome<()> {
        Ok(self.news.send(News::Notice(id, msg, args))?)
    }
}

impl Devices for Viewer {
    async fn changed(&self, _: &Context, id: String, prop: Attributes) -> Outcome<()> {
        Ok(self.news.send(News::Changed(id, prop))?)
    }

    async fn removed(&self, _: &Context, id: String) -> Outcome<()> {
        Ok(self.news.send(News::Removed(id))?)
    }
}

impl Log for Viewer {
    async fn info(&self, _: &Context, args: Vec<Value>) -> Outcome<()> {
        Ok(self.news.send(News::Info(args))?)
    }
}
