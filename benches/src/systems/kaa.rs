//! Kaa RPC, with code that was generated from a schema.

use std::path::{Path, PathBuf};

use kaa_rpc_runtime::{
    Bytes, Channel, ChannelBuilder, Context, Outcome, Secret, Server, ServerBuilder,
};

use super::System;
use crate::bench::{Echo, EchoClient, EchoService};
use crate::{Error, process};

/// Over TCP, encrypted as always.
pub struct Tcp;

/// Over TCP without encryption.
pub struct PlainTcp;

/// Over a Unix socket, which is never encrypted.
pub struct Unix;

impl System for Tcp {
    const NAME: &'static str = "encrypted TCP";
    type Client = EchoClient;

    async fn serve(folder: &Path) -> Result<(), Error> {
        serve_tcp(server(folder)?).await
    }

    async fn connect(address: &str, folder: &Path) -> Result<EchoClient, Error> {
        connect(address, client(folder)?).await
    }
}

impl System for PlainTcp {
    const NAME: &'static str = "plain TCP";
    type Client = EchoClient;

    async fn serve(folder: &Path) -> Result<(), Error> {
        serve_tcp(server(folder)?.dangerous_plaintext()).await
    }

    async fn connect(address: &str, folder: &Path) -> Result<EchoClient, Error> {
        connect(address, client(folder)?.dangerous_plaintext()).await
    }
}

impl System for Unix {
    const NAME: &'static str = "Unix socket";
    type Client = EchoClient;

    async fn serve(folder: &Path) -> Result<(), Error> {
        let address = format!("unix:{}", folder.join("kaa").display());
        let _server = server(folder)?.bind(&address).await?;
        Ok(process::ready(&address).await?)
    }

    async fn connect(address: &str, folder: &Path) -> Result<EchoClient, Error> {
        connect(address, client(folder)?).await
    }
}

struct Mirror;

impl Echo for Mirror {
    async fn echo(&self, _: &Context, data: Bytes) -> Outcome<Bytes> {
        Ok(data)
    }
}

impl super::Echo for EchoClient {
    async fn echo(&self, data: &[u8]) -> Result<Bytes, Error> {
        Ok(EchoClient::echo(self, data).await?)
    }
}

fn server(folder: &Path) -> Result<ServerBuilder, Error> {
    let secret = Secret::create_file(secret_file(folder))?;
    Ok(Server::builder(secret).register(EchoService::new(Mirror)))
}

async fn serve_tcp(server: ServerBuilder) -> Result<(), Error> {
    let server = server.bind("tcp:127.0.0.1:0").await?;
    Ok(process::ready(&server.address().to_string()).await?)
}

fn client(folder: &Path) -> Result<ChannelBuilder, Error> {
    Ok(Channel::builder(&Secret::from_file(secret_file(folder))?))
}

async fn connect(address: &str, client: ChannelBuilder) -> Result<EchoClient, Error> {
    Ok(EchoClient::new(&client.connect(address).await?))
}

fn secret_file(folder: &Path) -> PathBuf {
    folder.join("secret")
}
