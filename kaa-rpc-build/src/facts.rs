//! What has to be known of all types before one can be written: which can be compared for equality,
//! which contain themselves, which ends need an interface.

use std::collections::BTreeSet;

use kaa_idl::schema::{Declaration, DeclarationId, Schema, Type};

use crate::config::Side;

/// Facts about the declarations of a schema.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Types with a float inside, which are neither `Eq` nor `Hash`.
    floats: BTreeSet<DeclarationId>,
    /// Interfaces of which a proxy is wanted.
    called: BTreeSet<DeclarationId>,
    /// Interfaces of which a trait is wanted.
    exposed: BTreeSet<DeclarationId>,
}

impl Facts {
    pub(crate) fn gather(schema: &Schema, side: Side) -> Self {
        let (called, exposed) = interfaces(schema, side);
        Self {
            floats: floats(schema),
            called,
            exposed,
        }
    }

    /// Whether the type `id` can be `Eq` and `Hash`.
    pub(crate) fn is_eq(&self, id: DeclarationId) -> bool {
        !self.floats.contains(&id)
    }

    pub(crate) fn is_called(&self, interface: DeclarationId) -> bool {
        self.called.contains(&interface)
    }

    pub(crate) fn is_exposed(&self, interface: DeclarationId) -> bool {
        self.exposed.contains(&interface)
    }
}

/// All declarations of `schema`.
pub(crate) fn declarations(schema: &Schema) -> impl Iterator<Item = (DeclarationId, &Declaration)> {
    schema
        .packages()
        .iter()
        .enumerate()
        .flat_map(|(package, it)| {
            it.declarations
                .iter()
                .enumerate()
                .map(move |(index, declaration)| (DeclarationId { package, index }, declaration))
        })
}

/// The types that `declaration` holds.
fn held(declaration: &Declaration) -> Vec<&Type> {
    match declaration {
        Declaration::Alias(alias) => vec![&alias.ty],
        Declaration::Struct(it) => it.fields.iter().map(|field| &field.ty).collect(),
        Declaration::Enum(it) | Declaration::Error(it) => it
            .variants
            .iter()
            .flat_map(|variant| &variant.fields)
            .map(|field| &field.ty)
            .collect(),
        Declaration::Const(_) | Declaration::Interface(_) | Declaration::Channel(_) => Vec::new(),
    }
}

fn floats(schema: &Schema) -> BTreeSet<DeclarationId> {
    let mut floats = BTreeSet::new();
    loop {
        let before = floats.len();
        for (id, declaration) in declarations(schema) {
            if held(declaration)
                .into_iter()
                .any(|ty| has_float(ty, &floats))
            {
                floats.insert(id);
            }
        }
        if floats.len() == before {
            return floats;
        }
    }
}

fn has_float(ty: &Type, floats: &BTreeSet<DeclarationId>) -> bool {
    match ty {
        Type::F32 | Type::F64 => true,
        Type::Named(id) => floats.contains(id),
        Type::Optional(inner) | Type::List(inner) | Type::Stream(inner) => has_float(inner, floats),
        Type::Map(key, value) => has_float(key, floats) || has_float(value, floats),
        Type::Tuple(members) => members.iter().any(|member| has_float(member, floats)),
        _ => false,
    }
}

/// Whether an optional `ty` within `owner` must be boxed, because it would hold an `owner` in itself.
///
/// An optional type deeper inside `ty` has a box of its own where one is needed, and so have those of
/// the other types on the way.
pub(crate) fn needs_box(schema: &Schema, ty: &Type, owner: DeclarationId) -> bool {
    match ty {
        Type::Named(_) => holds_inline(schema, ty, owner),
        Type::Tuple(members) => members
            .iter()
            .any(|member| needs_box(schema, member, owner)),
        _ => false,
    }
}

/// Whether a value of type `ty` could hold an `owner` in itself, not on the heap.
fn holds_inline(schema: &Schema, ty: &Type, owner: DeclarationId) -> bool {
    let mut seen = BTreeSet::new();
    let mut todo = vec![ty];
    while let Some(ty) = todo.pop() {
        match ty {
            Type::Named(id) if *id == owner => return true,
            Type::Named(id) if seen.insert(*id) => todo.extend(held(schema.declaration(*id))),
            Type::Optional(inner) => todo.push(inner),
            Type::Tuple(members) => todo.extend(members),
            _ => {}
        }
    }
    false
}

/// The interfaces that one side calls, and those that it exposes.
fn interfaces(schema: &Schema, side: Side) -> (BTreeSet<DeclarationId>, BTreeSet<DeclarationId>) {
    let mut called = BTreeSet::new();
    let mut exposed = BTreeSet::new();
    let mut mentioned: BTreeSet<DeclarationId> = BTreeSet::new();
    for (_, declaration) in declarations(schema) {
        let Declaration::Channel(channel) = declaration else {
            continue;
        };
        let (ours, theirs) = match side {
            Side::Server => (&channel.server, &channel.client),
            Side::Client | Side::Both => (&channel.client, &channel.server),
        };
        exposed.extend(ours);
        called.extend(theirs);
        mentioned.extend(channel.server.iter().chain(&channel.client));
    }
    for (id, declaration) in declarations(schema) {
        if !matches!(declaration, Declaration::Interface(_)) {
            continue;
        }
        if side == Side::Both || (side == Side::Client && !mentioned.contains(&id)) {
            called.insert(id);
        }
        if side == Side::Both || (side == Side::Server && !mentioned.contains(&id)) {
            exposed.insert(id);
        }
    }
    (called, exposed)
}
