//! Types, as they are after the check.

use super::DeclarationId;

/// A type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `bool`
    Bool,
    /// `i8` to `u64`
    Integer(Integer),
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `string`
    String,
    /// `bytes`
    Bytes,
    /// `timestamp`
    Timestamp,
    /// `duration`
    Duration,
    /// `any`
    Any,
    /// `T?`
    Optional(Box<Type>),
    /// `list<T>`
    List(Box<Type>),
    /// `map<K, V>`; K is a string, bool or integer
    Map(Box<Type>, Box<Type>),
    /// `(A, B)`; two members or more
    Tuple(Vec<Type>),
    /// `stream<T>`, of parameters only
    Stream(Box<Type>),
    /// A struct, an enum, an error or an alias.
    Named(DeclarationId),
}

impl Type {
    /// The type as it is written in a file, with declared types named by `name`.
    pub fn display_with(&self, name: &dyn Fn(DeclarationId) -> String) -> String {
        match self {
            Self::Bool => "bool".to_owned(),
            Self::Integer(integer) => integer.name().to_owned(),
            Self::F32 => "f32".to_owned(),
            Self::F64 => "f64".to_owned(),
            Self::String => "string".to_owned(),
            Self::Bytes => "bytes".to_owned(),
            Self::Timestamp => "timestamp".to_owned(),
            Self::Duration => "duration".to_owned(),
            Self::Any => "any".to_owned(),
            Self::Optional(ty) => format!("{}?", ty.display_with(name)),
            Self::List(ty) => format!("list<{}>", ty.display_with(name)),
            Self::Map(key, value) => format!(
                "map<{}, {}>",
                key.display_with(name),
                value.display_with(name)
            ),
            Self::Tuple(members) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|member| member.display_with(name))
                    .collect();
                format!("({})", members.join(", "))
            }
            Self::Stream(ty) => format!("stream<{}>", ty.display_with(name)),
            Self::Named(id) => name(*id),
        }
    }

    /// The types that this one is made of, one step down.
    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Optional(ty) | Self::List(ty) | Self::Stream(ty) => vec![&**ty],
            Self::Map(key, value) => vec![&**key, &**value],
            Self::Tuple(members) => members.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Calls `visit` for each declared type that is mentioned.
    pub(crate) fn for_each_name(&self, visit: &mut dyn FnMut(DeclarationId)) {
        if let Self::Named(id) = self {
            visit(*id);
        }
        for part in self.parts() {
            part.for_each_name(visit);
        }
    }

    /// Calls `visit` for each declared type that every value of this type contains.
    pub(crate) fn for_each_contained(&self, visit: &mut dyn FnMut(DeclarationId)) {
        match self {
            Self::Named(id) => visit(*id),
            Self::Tuple(members) => members
                .iter()
                .for_each(|member| member.for_each_contained(visit)),
            _ => {}
        }
    }

    /// How deep it nests, where `of` knows the depth of declared types.
    pub(crate) fn depth(&self, of: &dyn Fn(DeclarationId) -> usize) -> usize {
        match self {
            Self::Named(id) => of(*id),
            _ => self
                .parts()
                .into_iter()
                .map(|part| 1 + part.depth(of))
                .max()
                .unwrap_or(0),
        }
    }
}

/// The integer types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "their names are what they are")]
pub enum Integer {
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
}

impl Integer {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
    ];

    /// Its name, such as `i8`; the same in Rust.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Its smallest and its largest value.
    #[must_use]
    pub fn range(self) -> (i128, i128) {
        match self {
            Self::I8 => (i8::MIN.into(), i8::MAX.into()),
            Self::I16 => (i16::MIN.into(), i16::MAX.into()),
            Self::I32 => (i32::MIN.into(), i32::MAX.into()),
            Self::I64 => (i64::MIN.into(), i64::MAX.into()),
            Self::U8 => (0, u8::MAX.into()),
            Self::U16 => (0, u16::MAX.into()),
            Self::U32 => (0, u32::MAX.into()),
            Self::U64 => (0, u64::MAX.into()),
        }
    }
}
