//! What a description has.

use std::collections::BTreeMap;

use crate::types::Type;

/// What an end exposes or calls: functions, the interfaces that they belong to, and the types that they use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The interfaces of the functions.
    pub interfaces: Vec<Interface>,
    /// The functions.
    pub functions: Vec<Function>,
    /// The structs, enums and errors by their full names, such as `media.player.Track`.
    pub types: BTreeMap<String, TypeDeclaration>,
}

/// What is said of a thing besides what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its documentation; lines are parted by line feeds.
    pub doc: String,
    /// The version that brought it.
    pub since: Option<String>,
    /// What to do instead, if it is deprecated.
    pub deprecated: Option<String>,
}

/// An interface, under a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its full name, such as `media.player.Player`.
    pub name: String,
    /// The prefix under which it was registered, such as `left.`; usually empty.
    pub prefix: String,
    /// Its documentation.
    pub about: About,
}

/// A function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// Its wire name without the prefix under which its interface was registered.
    pub name: String,
    /// The full name of its interface; none for a closure, which has no types either.
    pub interface: Option<String>,
    /// The prefix under which its interface was registered.
    pub prefix: String,
    /// Its documentation.
    pub about: About,
    /// In the order of declaration.
    pub parameters: Vec<Parameter>,
    /// What it gives; nothing for none.
    pub result: Option<Type>,
    /// What its items are, if it yields.
    pub yields: Option<Type>,
    /// The full name of the error that it throws.
    pub throws: Option<String>,
    /// Whether it has no answer.
    pub oneway: bool,
    /// Whether to run it twice is to run it once.
    pub idempotent: bool,
}

impl Function {
    /// Its whole name on the wire.
    #[must_use]
    pub fn wire_name(&self) -> String {
        format!("{}{}", self.prefix, self.name)
    }
}

/// A parameter of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// How it is given.
    pub kind: Kind,
    /// Its type; of one item for `*args`, of one value for `**kwargs`.
    pub ty: Type,
    /// What the callee fills in, as it is written in a `.kidl` file.
    pub default: Option<String>,
    /// Its documentation.
    pub about: About,
}

/// How a parameter is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// It must be given.
    #[default]
    Required,
    /// It may be left out.
    Optional,
    /// `*args`: all positional arguments that are left.
    Rest,
    /// `**kwargs`: all named arguments that are left.
    Kwargs,
}

/// A struct, an enum or an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeDeclaration {
    /// Its documentation.
    pub about: About,
    /// What it consists of.
    pub shape: Shape,
}

/// What a declared type consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `struct`
    Struct(Vec<Field>),
    /// `enum` and `strict enum`
    Enum {
        /// Whether it is closed.
        strict: bool,
        /// Its variants.
        variants: Vec<Variant>,
    },
    /// `error`
    Error(Vec<Variant>),
}

/// A field of a struct or of a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// What a receiver fills in, as it is written in a `.kidl` file.
    pub default: Option<String>,
    /// Its documentation.
    pub about: About,
}

impl Field {
    /// Whether a sender may leave it out.
    #[must_use]
    pub fn may_be_absent(&self) -> bool {
        self.default.is_some() || matches!(self.ty, Type::Optional(_))
    }
}

/// A variant of an enum or an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// Its fields.
    pub fields: Vec<Field>,
    /// What an error prints, with `{name}` where a field stands.
    pub message: Option<String>,
    /// Its documentation.
    pub about: About,
}

impl Description {
    /// Keeps the functions that `wanted` accepts, with what they need.
    pub fn retain(&mut self, wanted: impl Fn(&Function) -> bool) {
        self.functions.retain(wanted);
        let functions = &self.functions;
        self.interfaces.retain(|interface| {
            functions.iter().any(|function| {
                function.prefix == interface.prefix
                    && function.interface.as_ref() == Some(&interface.name)
            })
        });
        let mut types = std::mem::take(&mut self.types);
        let roots = self.functions.iter().flat_map(Function::names);
        let used: Vec<String> = reachable(&types, roots);
        self.types = used
            .into_iter()
            .filter_map(|name| types.remove_entry(&name))
            .collect();
    }
}

impl Function {
    /// The declared types that it names itself.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let types = self.parameters.iter().map(|parameter| &parameter.ty);
        for ty in types.chain(&self.result).chain(&self.yields) {
            ty.names(&mut names);
        }
        names.extend(self.throws.as_deref());
        names
    }
}

/// The declared types that `roots` name, and those that these name, in order.
pub(crate) fn reachable<'a>(
    types: &'a BTreeMap<String, TypeDeclaration>,
    roots: impl IntoIterator<Item = &'a str>,
) -> Vec<String> {
    let mut found = std::collections::BTreeSet::new();
    let mut todo: Vec<&str> = roots.into_iter().collect();
    while let Some(name) = todo.pop() {
        let Some(declaration) = types.get(name) else {
            continue;
        };
        if found.insert(name) {
            for field in declaration.shape.fields() {
                field.ty.names(&mut todo);
            }
        }
    }
    found.into_iter().map(str::to_owned).collect()
}

impl Shape {
    /// All fields, those of variants too.
    fn fields(&self) -> Vec<&Field> {
        match self {
            Self::Struct(fields) => fields.iter().collect(),
            Self::Enum { variants, .. } | Self::Error(variants) => {
                variants.iter().flat_map(|it| &it.fields).collect()
            }
        }
    }
}
