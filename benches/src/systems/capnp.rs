//! Cap'n Proto, over a Unix socket. What it gives belongs to one thread, so both processes have the runtime
//! without others, which makes it safe to tell that runtime that all of it could go to another.

use std::path::PathBuf;
use std::rc::Rc;

use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use capnp_rpc::{RpcSystem, new_client};
use kaa_rpc_runtime::Bytes;
use send_wrapper::SendWrapper;
use tokio::io::{BufReader, BufWriter};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt, TokioAsyncWriteCompatExt};

use self::generated::bench_capnp::echo;
use super::{Echo, Place, Runtime, System, listen};
use crate::Error;

#[expect(unused_qualifications, reason = "generated")]
mod generated {
    capnp::generated_code!(pub mod bench_capnp);
}

/// With its defaults.
pub struct Capnp;

struct Mirror;

impl echo::Server for Mirror {
    async fn text(
        self: Rc<Self>,
        given: echo::TextParams,
        mut back: echo::TextResults,
    ) -> Result<(), capnp::Error> {
        back.get().set_text(given.get()?.get_text()?);
        Ok(())
    }

    async fn data(
        self: Rc<Self>,
        given: echo::DataParams,
        mut back: echo::DataResults,
    ) -> Result<(), capnp::Error> {
        back.get().set_data(given.get()?.get_data()?);
        Ok(())
    }
}

fn network(stream: UnixStream, side: Side) -> Box<VatNetwork<Compat<BufReader<OwnedReadHalf>>>> {
    let (read, write) = stream.into_split();
    let (read, write) = (BufReader::new(read), BufWriter::new(write));
    Box::new(VatNetwork::new(
        read.compat(),
        write.compat_write(),
        side,
        Default::default(),
    ))
}

impl System for Capnp {
    const NAME: &'static str = "Cap'n Proto, current-thread";
    const RUNTIME: Runtime = Runtime::CurrentThread;
    type Client = Connection;

    async fn serve(folder: PathBuf) -> Result<(), Error> {
        let serve = |stream| {
            let mirror: echo::Client = new_client(Mirror);
            let system = RpcSystem::new(network(stream, Side::Server), Some(mirror.client));
            tokio::spawn(SendWrapper::new(system));
        };
        listen(&folder, serve).await
    }

    async fn connect(place: &Place) -> Result<Connection, Error> {
        let stream = UnixStream::connect(&place.address).await?;
        let mut system = RpcSystem::new(network(stream, Side::Client), None);
        let client = SendWrapper::new(system.bootstrap(Side::Server));
        tokio::spawn(SendWrapper::new(system));
        Ok(Connection { client })
    }
}

/// A connection.
#[derive(Clone)]
pub struct Connection {
    client: SendWrapper<echo::Client>,
}

impl super::Client for Connection {
    fn another(&self) -> Result<Self, Error> {
        Ok(self.clone())
    }

    fn text(&mut self, text: &str) -> impl Future<Output = Result<Echo<'_>, Error>> + Send {
        SendWrapper::new(async move {
            let mut request = self.client.text_request();
            request.get().set_text(text);
            let back = request.send().promise.await?;
            Ok(Echo::Text(back.get()?.get_text()?.to_string()?))
        })
    }

    fn data(&mut self, data: &Bytes) -> impl Future<Output = Result<Echo<'_>, Error>> + Send {
        SendWrapper::new(async move {
            let mut request = self.client.data_request();
            request.get().set_data(data);
            let back = request.send().promise.await?;
            Ok(Echo::Bytes(Bytes::copy_from_slice(back.get()?.get_data()?)))
        })
    }
}
