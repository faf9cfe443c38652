//! What users can choose about the generated code.

use std::collections::BTreeMap;

/// What users can choose about the generated code; the default is right for most.
///
/// ```
/// use kaa_rpc_build::Config;
///
/// let config = Config::new().derive("Track", "PartialOrd").module("media.types", "crate::media::types");
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) derives: Vec<(String, String)>,
    pub(crate) runtime: String,
    pub(crate) modules: BTreeMap<String, String>,
    pub(crate) side: Side,
}

/// Whose code is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Both,
    Client,
    Server,
}

impl Config {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self {
            derives: Vec::new(),
            runtime: "kaa_rpc_runtime".to_owned(),
            modules: BTreeMap::new(),
            side: Side::Both,
        }
    }

    /// Derives one trait more for a struct, an enum or an error.
    ///
    /// `name` is the declared name, alone (`Track`, of any package) or with its package
    /// (`media.player.Track`); `path` is the derive macro, such as `PartialOrd` or `schemars::JsonSchema`.
    #[must_use]
    pub fn derive(mut self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.derives.push((name.into(), path.into()));
        self
    }

    /// The path of the runtime crate, for programs that know it by another name or only through another
    /// crate (`media::rpc`). By default `kaa_rpc_runtime`.
    #[must_use]
    pub fn runtime(mut self, path: impl Into<String>) -> Self {
        self.runtime = path.into();
        self
    }

    /// The path of the module that holds the code of `package`, for the packages that import it.
    ///
    /// By default the modules of all packages are siblings and have the last part of the package's name:
    /// `media.player` finds `media.types` as `super::types`.
    #[must_use]
    pub fn module(mut self, package: impl Into<String>, path: impl Into<String>) -> Self {
        self.modules.insert(package.into(), path.into());
        self
    }

    /// Only what the client's end of a channel needs: proxies of what the server exposes, traits of what
    /// the client exposes. An interface that no channel mentions comes as a proxy.
    #[must_use]
    pub fn client_only(mut self) -> Self {
        self.side = Side::Client;
        self
    }

    /// Only what the server's end of a channel needs: traits of what the server exposes, proxies of what
    /// the client exposes. An interface that no channel mentions comes as a trait.
    #[must_use]
    pub fn server_only(mut self) -> Self {
        self.side = Side::Server;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
