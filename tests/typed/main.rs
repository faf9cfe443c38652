//! What generated code promises: types, defaults, evolution, and how functions run.

mod objects;

mod arbitrary;
mod arguments;
mod around;
mod evolution;
mod failures;
mod introspection;
mod items;
mod mistakes;
mod round_trips;
mod runs;
mod services;
mod tokens;
