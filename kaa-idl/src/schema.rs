//! The checked form of `.kidl` files.
//!
//! A [`Schema`] can be had only from the checker, so whoever holds one meets no unresolved name, no
//! cycle, no duplicate and no default of the wrong type.

mod types;

pub use types::{Integer, Type};

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
