//! What the parser gives: the file as it was written, names unresolved.

use super::span::Span;
use std::time::Duration;

/// A file.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// The `//!` lines.
    pub(crate) doc: String,
    pub(crate) package: Option<Path>,
    pub(crate) imports: Vec<Import>,
    pub(crate) items: Vec<Item>,
    /// Names of declarations that could not be read. Who refers to them is not to blame.
    pub(crate) unread: Vec<String>,
    /// Whether nothing at all could be read, for its size or nesting.
    pub(crate) refused: bool,
}

/// `import "types.kidl";`
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) path: String,
    pub(crate) span: Span,
}

/// A name where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// `media.types.Url`
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// At least one.
    pub(crate) segments: Vec<Name>,
    pub(crate) span: Span,
}

impl Path {
    /// The path as written, without white space.
    pub(crate) fn text(&self) -> String {
        let names: Vec<&str> = self
            .segments
            .iter()
            .map(|name| name.text.as_str())
            .collect();
        names.join(".")
    }

    /// The name, if it is one without dots.
    pub(crate) fn single(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [name] => Some(&name.text),
            _ => None,
        }
    }
}

/// What may stand before a declaration, field, variant, function or parameter.
#[derive(Debug, Default)]
pub(crate) struct Prelude {
    pub(crate) doc: String,
    pub(crate) attributes: Vec<Attribute>,
}

/// `@timeout(5s)`
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: Name,
    /// `None`: no parentheses.
    pub(crate) arguments: Option<Vec<Value>>,
    pub(crate) span: Span,
}

/// A declaration.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) prelude: Prelude,
    pub(crate) name: Name,
    pub(crate) kind: ItemKind,
}

#[derive(Debug)]
pub(crate) enum ItemKind {
    Const {
        ty: Type,
        value: Value,
    },
    Alias(Type),
    Struct(Vec<Field>),
    Enum {
        strict: bool,
        variants: Vec<Variant>,
    },
    Error(Vec<Variant>),
    Interface(Vec<Function>),
    Channel(Vec<End>),
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) prelude: Prelude,
    pub(crate) name: Name,
    pub(crate) ty: Type,
    pub(crate) default: Option<Value>,
}

#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) prelude: Prelude,
    pub(crate) name: Name,
    pub(crate) fields: Vec<Field>,
    pub(crate) message: Option<Text>,
}

/// A string literal.
#[derive(Debug)]
pub(crate) struct Text {
    /// With escapes replaced.
    pub(crate) text: String,
    /// With its quotes.
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) prelude: Prelude,
    pub(crate) oneway: bool,
    pub(crate) name: Name,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) result: Option<Type>,
    pub(crate) yields: Option<Type>,
    pub(crate) throws: Option<Path>,
}

#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) prelude: Prelude,
    pub(crate) stars: Stars,
    pub(crate) name: Name,
    pub(crate) ty: Type,
    pub(crate) default: Option<Value>,
}

/// What stands before a parameter's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stars {
    None,
    One,
    Two,
}

/// `server: Player, Library;`
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) name: Name,
    pub(crate) interfaces: Vec<Path>,
}

#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) kind: TypeKind,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum TypeKind {
    /// `T?`
    Optional(Box<Type>),
    Tuple(Vec<Type>),
    /// Built-in or declared, with what stands between `<` and `>`.
    Named {
        path: Path,
        arguments: Vec<Type>,
    },
}

#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) kind: ValueKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum ValueKind {
    Integer(i128),
    Float(f64),
    Duration(Duration),
    String(String),
    EmptyList,
    EmptyMap,
    /// A constant, a variant, `true`, `false` or `null`.
    Path(Path),
    /// A literal that was refused already.
    Invalid,
}
