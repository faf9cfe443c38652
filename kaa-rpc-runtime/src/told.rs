//! What came along with a served call.

use std::sync::{Arc, OnceLock};

use kaa_rpc_proto::{Metadata, MetadataError};

use crate::trace::TraceContext;

/// Metadata of a served call, decoded when somebody asks. Calls without any have none of this.
#[derive(Debug)]
pub(crate) struct Told {
    encoded: Box<[u8]>,
    metadata: OnceLock<Result<Metadata, MetadataError>>,
    /// What calls made inside the handler go on with.
    trace: OnceLock<Option<TraceContext>>,
}

impl Told {
    pub(crate) fn new(encoded: &[u8]) -> Option<Arc<Self>> {
        (!encoded.is_empty()).then(|| {
            Arc::new(Self {
                encoded: encoded.into(),
                metadata: OnceLock::new(),
                trace: OnceLock::new(),
            })
        })
    }

    /// The same, in another step of a trace, or of another one.
    pub(crate) fn in_trace(this: Option<&Arc<Self>>, trace: TraceContext) -> Arc<Self> {
        Arc::new(Self {
            encoded: this.map(|this| this.encoded.clone()).unwrap_or_default(),
            metadata: OnceLock::new(),
            trace: OnceLock::from(Some(trace)),
        })
    }

    pub(crate) fn metadata(&self) -> Result<&Metadata, &MetadataError> {
        let decoded = self
            .metadata
            .get_or_init(|| Metadata::decode(&self.encoded));
        decoded.as_ref()
    }

    pub(crate) fn trace(&self) -> Option<&TraceContext> {
        let trace = self
            .trace
            .get_or_init(|| TraceContext::of(self.metadata().ok()?));
        trace.as_ref()
    }
}
