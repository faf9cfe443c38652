//! Values of generated types.

use kaa_rpc_proto::msgpack::{ScanLimits, from_slice, scan, to_vec};
use serde::Serialize;
use serde::de::DeserializeOwned;

use everything::{Colour, Defaults, Lamp, Nested, Node, Problem, Scalars, Switch, Tree};

kaa_rpc_runtime::include_schema!(mod everything = "test.everything");
kaa_rpc_runtime::include_schema!(mod types = "media.types");

/// The bytes are one value, of whatever type.
pub fn generated(data: &[u8]) {
    if scan(data, &ScanLimits::default()).is_err() {
        return;
    }
    comes_back::<Scalars>(data);
    comes_back::<Nested>(data);
    comes_back::<Node>(data);
    comes_back::<Tree>(data);
    comes_back::<Defaults>(data);
    comes_back::<Colour>(data);
    comes_back::<Lamp>(data);
    comes_back::<Switch>(data);
    comes_back::<Problem>(data);
}

/// What is understood of a value is written so that it is understood again, unknown variants among it;
/// what is refused is told in one line.
fn comes_back<T: Serialize + DeserializeOwned>(data: &[u8]) {
    match from_slice::<T>(data) {
        Ok(value) => {
            let encoded = to_vec(&value).expect("what was decoded can be encoded");
            assert_eq!(scan(&encoded, &ScanLimits::default()), Ok(()));
            let again = from_slice::<T>(&encoded).expect("it decodes again");
            assert_eq!(to_vec(&again), Ok(encoded));
        }
        Err(error) => {
            let shown = error.to_string();
            assert!(
                !shown.is_empty() && !shown.chars().any(char::is_control),
                "{shown:?}"
            );
            assert!(shown.len() < 4096, "{} bytes", shown.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds;

    /// Else the seeds would lead nowhere.
    #[test]
    fn each_type_has_a_seed_that_is_one() {
        let seeds = seeds();
        let has = |is: fn(&[u8]) -> bool| {
            let mut own = seeds.iter().filter(|seed| seed.target == "generated");
            own.any(|seed| is(&seed.bytes))
        };
        assert!(has(|bytes| from_slice::<Scalars>(bytes).is_ok()));
        assert!(has(|bytes| from_slice::<Nested>(bytes).is_ok()));
        assert!(has(|bytes| from_slice::<Node>(bytes).is_ok()));
        assert!(has(|bytes| from_slice::<Tree>(bytes).is_ok()));
        assert!(has(|bytes| from_slice::<Defaults>(bytes).is_ok()));
        assert!(has(|bytes| from_slice::<Colour>(bytes).is_ok()));
        assert!(has(|bytes| from_slice::<Switch>(bytes).is_ok()));
        assert!(has(|bytes| from_slice::<Problem>(bytes).is_ok()));
    }
}
