//! The checked form of `.kidl` files.
//!
//! A [`Schema`] can be had only from the checker, so whoever holds one meets no unresolved name, no
//! cycle, no duplicate and no default of the wrong type.

use std::time::Duration;

/// Everything that was declared in the checked files and in what they import.
#[derive(Clone, Debug)]
pub struct Schema {
    pub(crate) packages: Vec<Package>,
}

impl Schema {
    /// All packages; an imported one stands before those that import it.
    #[must_use]
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The declaration that `id` names.
    ///
    /// # Panics
    ///
    /// If `id` comes from another schema.
    #[must_use]
    pub fn declaration(&self, id: DeclarationId) -> &Declaration {
        &self.packages[id.package].declarations[id.index]
    }

    /// The package in which the declaration `id` stands.
    ///
    /// # Panics
    ///
    /// If `id` comes from another schema.
    #[must_use]
    pub fn package_of(&self, id: DeclarationId) -> &Package {
        &self.packages[id.package]
    }

    /// The package of that name.
    #[must_use]
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// The full name of a declaration, such as `media.player.Track`.
    ///
    /// # Panics
    ///
    /// If `id` comes from another schema.
    #[must_use]
    pub fn full_name(&self, id: DeclarationId) -> String {
        format!(
            "{}.{}",
            self.package_of(id).name,
            self.declaration(id).name()
        )
    }

    /// `ty` as it is written in a file that stands in no package: `list<media.player.Track>`.
    ///
    /// # Panics
    ///
    /// If `ty` comes from another schema.
    #[must_use]
    pub fn display(&self, ty: &Type) -> String {
        ty.display_with(&|id| self.full_name(id))
    }

    /// `ty` with aliases at its top followed: never a [`Type::Named`] that names an alias.
    #[must_use]
    pub fn resolve<'a>(&'a self, mut ty: &'a Type) -> &'a Type {
        while let Type::Named(id) = ty {
            match self.declaration(*id) {
                Declaration::Alias(alias) => ty = &alias.ty,
                _ => break,
            }
        }
        ty
    }

    /// `value` with references to constants followed.
    #[must_use]
    pub fn evaluate<'a>(&'a self, mut value: &'a Value) -> &'a Value {
        while let Value::Const(id) = value {
            match self.declaration(*id) {
                Declaration::Const(constant) => value = &constant.value,
                _ => break,
            }
        }
        value
    }
}

/// The content of one `.kidl` file.
#[derive(Clone, Debug)]
pub struct Package {
    /// The dotted name, such as `media.player`.
    pub name: String,
    /// The `//!` comments, one line each, without the marker and one leading space.
    pub doc: Doc,
    /// The path of the file, as the loader was asked for it.
    pub path: String,
    /// Whether the file was named by the caller (otherwise it was imported only).
    pub root: bool,
    /// Indexes into [`Schema::packages`].
    pub imports: Vec<usize>,
    /// In the order of the file.
    pub declarations: Vec<Declaration>,
}

/// Documentation: the lines of a doc comment, joined with line feeds; empty if there is none.
pub type Doc = String;

/// Names a declaration of a [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeclarationId {
    /// Index into [`Schema::packages`].
    pub package: usize,
    /// Index into [`Package::declarations`].
    pub index: usize,
}

/// One declaration of a file.
#[derive(Clone, Debug)]
pub enum Declaration {
    /// `const NAME: type = value;`
    Const(Const),
    /// `type Name = type;`
    Alias(Alias),
    /// `struct Name { … }`
    Struct(Struct),
    /// `enum Name { … }`
    Enum(Enum),
    /// `error Name { … }`
    Error(Enum),
    /// `interface Name { … }`
    Interface(Interface),
    /// `channel Name { server: …; client: …; }`
    Channel(Channel),
}

impl Declaration {
    /// The declared name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Const(it) => &it.name,
            Self::Alias(it) => &it.name,
            Self::Struct(it) => &it.name,
            Self::Enum(it) | Self::Error(it) => &it.name,
            Self::Interface(it) => &it.name,
            Self::Channel(it) => &it.name,
        }
    }
}

/// What `@since` and `@deprecated` say of a thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// The version that brought it: `@since("1.2")`.
    pub since: Option<String>,
    /// What to do instead: `@deprecated("use play")`.
    pub deprecated: Option<String>,
}

/// `const NAME: type = value;`
#[derive(Clone, Debug)]
pub struct Const {
    /// Documentation.
    pub doc: Doc,
    /// Name.
    pub name: String,
    /// Versions.
    pub lifetime: Lifetime,
    /// A scalar type, a string, a duration or an enum without fields.
    pub ty: Type,
    /// Its value, which fits `ty`.
    pub value: Value,
}

/// `type Name = type;`
#[derive(Clone, Debug)]
pub struct Alias {
    /// Documentation.
    pub doc: Doc,
    /// Name.
    pub name: String,
    /// Versions.
    pub lifetime: Lifetime,
    /// What it stands for.
    pub ty: Type,
}

/// `struct Name { … }`
#[derive(Clone, Debug)]
pub struct Struct {
    /// Documentation.
    pub doc: Doc,
    /// Name.
    pub name: String,
    /// Versions.
    pub lifetime: Lifetime,
    /// In the order of the file.
    pub fields: Vec<Field>,
}

/// A field of a struct or of a variant.
#[derive(Clone, Debug)]
pub struct Field {
    /// Documentation.
    pub doc: Doc,
    /// Name, here and on the wire.
    pub name: String,
    /// Versions.
    pub lifetime: Lifetime,
    /// Its type; [`Type::Optional`] (also through an alias) means that it may be absent.
    pub ty: Type,
    /// What the receiver fills in if it is absent. `None` and not optional: required.
    /// For an optional type it is either `None` or [`Value::Null`], which say the same.
    pub default: Option<Value>,
}

/// `enum Name { … }`, `strict enum Name { … }`, `error Name { … }`
#[derive(Clone, Debug)]
pub struct Enum {
    /// Documentation.
    pub doc: Doc,
    /// Name.
    pub name: String,
    /// Versions.
    pub lifetime: Lifetime,
    /// Whether an unknown variant is an error. Errors are never strict.
    pub strict: bool,
    /// In the order of the file.
    pub variants: Vec<Variant>,
}

/// A variant of an enum or of an error.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Documentation.
    pub doc: Doc,
    /// Name, here and on the wire.
    pub name: String,
    /// Versions.
    pub lifetime: Lifetime,
    /// Its fields; empty for a plain one.
    pub fields: Vec<Field>,
    /// What an error's variant prints; empty for enums, and for errors that give none.
    pub message: Vec<MessagePart>,
}

/// A piece of an error's message: `"no track {id}"` has two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessagePart {
    /// Text as it is (`{{` and `}}` are already one brace).
    Text(String),
    /// The field of this index in [`Variant::fields`].
    Field(usize),
}

/// `interface Name { … }`
#[derive(Clone, Debug)]
pub struct Interface {
    /// Documentation.
    pub doc: Doc,
    /// Name.
    pub name: String,
    /// Versions.
    pub lifetime: Lifetime,
    /// In the order of the file.
    pub functions: Vec<Function>,
}

/// A function of an interface.
#[derive(Clone, Debug)]
pub struct Function {
    /// Documentation.
    pub doc: Doc,
    /// Name in code.
    pub name: String,
    /// Name on the wire, with the interface's `@prefix`.
    pub wire_name: String,
    /// Versions.
    pub lifetime: Lifetime,
    /// In the order of the file: required; then optional ones or `*args` and optional ones; then `**kwargs`.
    pub parameters: Vec<Parameter>,
    /// `-> type`; `None` gives nothing.
    pub result: Option<Type>,
    /// `throws Name`: a [`Declaration::Error`].
    pub throws: Option<DeclarationId>,
    /// `yields type`
    pub yields: Option<Type>,
    /// `oneway`: no answer; without result, `throws` and `yields`.
    pub oneway: bool,
    /// `@timeout(5s)`
    pub timeout: Option<Duration>,
    /// `@idempotent`
    pub idempotent: bool,
    /// `@uncancelled`
    pub uncancelled: bool,
    /// `@serial`
    pub serial: bool,
}

/// A parameter of a function.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Documentation.
    pub doc: Doc,
    /// Name, here and on the wire.
    pub name: String,
    /// Versions.
    pub lifetime: Lifetime,
    /// Its type; for `*args` that of one item, for `**kwargs` that of one value.
    pub ty: Type,
    /// How it is given.
    pub kind: ParameterKind,
}

/// How a parameter is given.
#[derive(Clone, Debug, PartialEq)]
pub enum ParameterKind {
    /// Must be given.
    Required,
    /// May be absent: of an optional type (default [`Value::Null`]) or with a default.
    Optional(Value),
    /// `*args`: all further positional arguments.
    Rest,
    /// `**kwargs`: all further named arguments.
    Kwargs,
}

/// `channel Name { server: A, B; client: C; }`
#[derive(Clone, Debug)]
pub struct Channel {
    /// Documentation.
    pub doc: Doc,
    /// Name.
    pub name: String,
    /// Versions.
    pub lifetime: Lifetime,
    /// The interfaces that the server's end exposes.
    pub server: Vec<DeclarationId>,
    /// The interfaces that the client's end exposes.
    pub client: Vec<DeclarationId>,
}

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

/// A constant's value or a default.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An integer, which fits its type.
    Integer(i128),
    /// A float; an integer literal where a float is wanted comes as one.
    Float(f64),
    /// A string.
    String(String),
    /// `5s`
    Duration(Duration),
    /// `[]`, for lists
    EmptyList,
    /// `{}`, for maps
    EmptyMap,
    /// The name of a constant.
    Const(DeclarationId),
    /// The name of a variant without fields of the enum that is wanted.
    Variant {
        /// The enum.
        declaration: DeclarationId,
        /// Index into [`Enum::variants`].
        variant: usize,
    },
}
