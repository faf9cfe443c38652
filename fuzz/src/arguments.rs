//! The arguments of a call, as functions of several shapes read them.

use std::collections::BTreeMap;

use kaa_rpc_proto::msgpack::{
    ArgumentError, ArgumentReader, Arguments, EncodeError, Encoder, ScanLimits, Value,
    encode_arguments, scan_arguments,
};

use crate::values::has_container_as_key;

/// The bytes are the arguments of one call.
pub fn arguments(data: &[u8]) {
    let limits = ScanLimits {
        max_items: 1 << 12,
        ..ScanLimits::default()
    };
    let reader = ArgumentReader::new(data, &limits);
    assert_eq!(
        reader.as_ref().err(),
        scan_arguments(data, &limits).as_ref().err()
    );
    let Ok(reader) = reader else { return };

    told(typed(reader.clone()));
    told(starred(reader.clone()));
    told(positional(reader.clone()));
    if let Ok(Everything(positional, named)) = everything(reader.clone())
        && !positional
            .iter()
            .chain(named.values())
            .any(has_container_as_key)
    {
        let mut encoded = Vec::new();
        encode_arguments(&mut encoded, &Everything(positional.clone(), named.clone()))
            .expect("what was decoded can be encoded");
        let reader = ArgumentReader::new(&encoded, &limits).expect("it is sound");
        let again = everything(reader).expect("it decodes again");
        assert_eq!((again.0, again.1), (positional, named));
    }
    // A function without parameters takes no arguments.
    assert_eq!(reader.finish().is_ok(), data_is_empty(&reader));
}

/// `fn f(id: u64, title: string, at: f64? , deep: list<list<i8>> = [])`
fn typed(mut reader: ArgumentReader<'_>) -> Result<(), ArgumentError> {
    reader.required::<u64>("id")?;
    reader.required::<String>("title")?;
    reader.optional::<f64>("at")?;
    reader.or_else::<Vec<Vec<i8>>>("deep", Vec::new)?;
    reader.finish()
}

/// `fn f(message: string, *args: any, level: u8 = 3, **fields: any)`
fn starred(mut reader: ArgumentReader<'_>) -> Result<(), ArgumentError> {
    reader.required::<&str>("message")?;
    reader.rest::<Value>("args")?;
    reader.or_else("level", || 3_u8)?;
    reader.kwargs::<Value>("fields")?;
    reader.finish()
}

/// `fn f(*numbers: i32)`
fn positional(mut reader: ArgumentReader<'_>) -> Result<(), ArgumentError> {
    reader.rest::<i32>("numbers")?;
    reader.finish()
}

struct Everything(Vec<Value>, BTreeMap<String, Value>);

/// `fn f(*args: any, **fields: any)`
fn everything(mut reader: ArgumentReader<'_>) -> Result<Everything, ArgumentError> {
    let positional = reader.rest("args")?;
    let named = reader.kwargs("fields")?;
    reader.finish()?;
    Ok(Everything(positional, named))
}

impl Arguments for Everything {
    fn encode(&self, out: &mut Encoder) -> Result<(), EncodeError> {
        self.0.iter().try_for_each(|value| out.positional(value))?;
        self.1
            .iter()
            .try_for_each(|(name, value)| out.named(name, value))
    }
}

fn data_is_empty(reader: &ArgumentReader<'_>) -> bool {
    matches!(everything(reader.clone()), Ok(Everything(list, map)) if list.is_empty() && map.is_empty())
}

/// An error is one line that does not run away.
fn told(result: Result<(), ArgumentError>) {
    if let Err(error) = result {
        let shown = error.to_string();
        assert!(
            !shown.is_empty() && !shown.chars().any(char::is_control),
            "{shown:?}"
        );
        assert!(shown.len() < 4096, "{} bytes", shown.len());
    }
}
