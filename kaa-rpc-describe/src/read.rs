//! Reads what [`Description::write`](crate::Description::write) wrote.
//!
//! The text comes from the generator, so that errors need no places; types also come from other ends, so
//! that nothing here panics or recurses beyond a limit.

use std::fmt;

use crate::model::{
    About, Description, Field, Function, Interface, Kind, Parameter, Shape, TypeDeclaration,
    Variant,
};
use crate::types::{MAX_NESTING, Type};

/// A text that is no type or no description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    expected: &'static str,
    /// What stands there, cut short.
    found: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, got {:?}", self.expected, self.found)
    }
}

impl std::error::Error for ReadError {}

/// Reads the text of one package.
///
/// # Errors
///
/// If it is none that was written by [`Description::write`].
pub fn read(text: &str) -> Result<Description, ReadError> {
    let mut reader = Reader::new(text);
    reader.word("package")?;
    reader.package = reader.name()?.to_owned();
    reader.symbol(";")?;
    let mut description = Description::default();
    while !reader.rest.is_empty() {
        reader.declaration(&mut description)?;
    }
    Ok(description)
}

#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a str,
    /// Stands before names without a dot.
    package: String,
}

/// What stands before a declaration.
#[derive(Default)]
struct Prelude {
    about: About,
    exposed: Option<String>,
    idempotent: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            rest: text.trim_start(),
            package: String::new(),
        }
    }

    pub(crate) fn end(&self) -> Result<(), ReadError> {
        match self.rest {
            "" => Ok(()),
            _ => Err(self.expected("nothing more")),
        }
    }

    fn expected(&self, expected: &'static str) -> ReadError {
        let found = self.rest.chars().take(20).collect();
        ReadError { expected, found }
    }

    /// Takes the first `length` bytes and the white space behind them.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .unwrap_or((self.rest, ""));
        self.rest = rest.trim_start();
        taken
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = self.rest.starts_with(symbol);
        if found {
            self.take(symbol.len());
        }
        found
    }

    fn symbol(&mut self, symbol: &'static str) -> Result<(), ReadError> {
        match self.accept(symbol) {
            true => Ok(()),
            false => Err(self.expected(symbol)),
        }
    }

    /// The length of the name that stands here, with dots.
    fn name_length(&self) -> usize {
        let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        self.rest.find(|c| !goes_on(c)).unwrap_or(self.rest.len())
    }

    fn name(&mut self) -> Result<&'a str, ReadError> {
        let length = self.name_length();
        let name = self.rest.get(..length).unwrap_or_default();
        let starts = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        match name.split('.').all(starts) {
            true => Ok(self.take(length)),
            false => Err(self.expected("a name")),
        }
    }

    fn is_word(&self, word: &str) -> bool {
        self.rest.get(..self.name_length()) == Some(word)
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.take(word.len());
        }
        found
    }

    fn word(&mut self, word: &'static str) -> Result<(), ReadError> {
        match self.accept_word(word) {
            true => Ok(()),
            false => Err(self.expected(word)),
        }
    }

    /// The whole name of what is declared.
    fn full_name(&mut self) -> Result<String, ReadError> {
        let name = self.name()?;
        Ok(match name.contains('.') || self.package.is_empty() {
            true => name.to_owned(),
            false => format!("{}.{name}", self.package),
        })
    }

    pub(crate) fn ty(&mut self, nesting: usize) -> Result<Type, ReadError> {
        let Some(nesting) = nesting.checked_sub(1) else {
            return Err(self.expected("a type that nests less deep"));
        };
        let ty = if self.accept("(") {
            Type::Tuple(self.types(")", nesting)?)
        } else {
            self.named(nesting)?
        };
        Ok(match self.accept("?") {
            true => Type::Optional(Box::new(ty)),
            false => ty,
        })
    }

    fn named(&mut self, nesting: usize) -> Result<Type, ReadError> {
        let name = self.name()?;
        if !self.accept("<") {
            // Built-in types have no package.
            return Ok(Type::Named(match name.contains('.') || is_built_in(name) {
                true => name.to_owned(),
                false if self.package.is_empty() => name.to_owned(),
                false => format!("{}.{name}", self.package),
            }));
        }
        let mut arguments = self.types(">", nesting)?.into_iter().map(Box::new);
        match (name, arguments.next(), arguments.next(), arguments.next()) {
            ("list", Some(item), None, None) => Ok(Type::List(item)),
            ("stream", Some(item), None, None) => Ok(Type::Stream(item)),
            ("map", Some(key), Some(value), None) => Ok(Type::Map(key, value)),
            _ => Err(self.expected("`list`, `map` or `stream` with its types")),
        }
    }

    fn types(&mut self, end: &'static str, nesting: usize) -> Result<Vec<Type>, ReadError> {
        let mut types = vec![self.ty(nesting)?];
        while self.accept(",") {
            types.push(self.ty(nesting)?);
        }
        self.symbol(end)?;
        Ok(types)
    }

    // ---- Declarations --------------------------------------------------------------------------

    fn declaration(&mut self, description: &mut Description) -> Result<(), ReadError> {
        let prelude = self.prelude()?;
        let strict = self.accept_word("strict");
        let keyword = self.name()?;
        let name = self.full_name()?;
        self.symbol("{")?;
        let shape = match keyword {
            "interface" => {
                while !self.accept("}") {
                    let function = self.function(&name)?;
                    description.functions.push(function);
                }
                description.interfaces.push(Interface {
                    name,
                    prefix: String::new(),
                    about: prelude.about,
                });
                return Ok(());
            }
            "struct" => Shape::Struct(self.fields()?),
            "enum" => Shape::Enum {
                strict,
                variants: self.variants()?,
            },
            "error" => Shape::Error(self.variants()?),
            _ => return Err(self.expected("a declaration")),
        };
        let about = prelude.about;
        let declaration = TypeDeclaration { about, shape };
        description.types.insert(name, declaration);
        Ok(())
    }

    fn prelude(&mut self) -> Result<Prelude, ReadError> {
        let mut prelude = Prelude::default();
        let mut lines = Vec::new();
        while let Some(line) = self.rest.strip_prefix("///") {
            let length = line.find('\n').unwrap_or(line.len());
            let line = self.take(length + 3).get(3..).unwrap_or_default();
            lines.push(line.strip_prefix(' ').unwrap_or(line));
        }
        prelude.about.doc = lines.join("\n");
        while self.accept("@") {
            match self.name()? {
                "since" => prelude.about.since = Some(self.argument()?),
                "deprecated" => prelude.about.deprecated = Some(self.argument()?),
                "expose" => prelude.exposed = Some(self.argument()?),
                "idempotent" => prelude.idempotent = true,
                _ => return Err(self.expected("an attribute of a description")),
            }
        }
        Ok(prelude)
    }

    fn argument(&mut self) -> Result<String, ReadError> {
        self.symbol("(")?;
        let text = self.string()?;
        self.symbol(")")?;
        Ok(text)
    }

    fn function(&mut self, interface: &str) -> Result<Function, ReadError> {
        let prelude = self.prelude()?;
        let oneway = self.accept_word("oneway");
        self.word("fn")?;
        let name = self.name()?;
        self.symbol("(")?;
        let parameters = self.list(")", Self::parameter)?;
        let result = match self.accept("->") {
            true => Some(self.ty(MAX_NESTING)?),
            false => None,
        };
        let yields = match self.accept_word("yields") {
            true => Some(self.ty(MAX_NESTING)?),
            false => None,
        };
        let throws = match self.accept_word("throws") {
            true => Some(self.full_name()?),
            false => None,
        };
        self.symbol(";")?;
        Ok(Function {
            name: prelude.exposed.unwrap_or_else(|| name.to_owned()),
            interface: Some(interface.to_owned()),
            prefix: String::new(),
            about: prelude.about,
            parameters,
            result,
            yields,
            throws,
            oneway,
            idempotent: prelude.idempotent,
        })
    }

    fn parameter(&mut self) -> Result<Parameter, ReadError> {
        let about = self.prelude()?.about;
        let stars = match (self.accept("**"), self.accept("*")) {
            (true, _) => Some(Kind::Kwargs),
            (_, true) => Some(Kind::Rest),
            _ => None,
        };
        let field = self.field_after(about)?;
        let kind = stars.unwrap_or(match field.may_be_absent() {
            true => Kind::Optional,
            false => Kind::Required,
        });
        Ok(Parameter {
            name: field.name,
            kind,
            ty: field.ty,
            default: field.default,
            about: field.about,
        })
    }

    fn fields(&mut self) -> Result<Vec<Field>, ReadError> {
        self.list("}", |reader| {
            let about = reader.prelude()?.about;
            reader.field_after(about)
        })
    }

    fn field_after(&mut self, about: About) -> Result<Field, ReadError> {
        let name = self.name()?.to_owned();
        self.symbol(":")?;
        let ty = self.ty(MAX_NESTING)?;
        let default = match self.accept("=") {
            true => Some(self.value()?),
            false => None,
        };
        Ok(Field {
            name,
            ty,
            default,
            about,
        })
    }

    fn variants(&mut self) -> Result<Vec<Variant>, ReadError> {
        self.list("}", |reader| {
            let about = reader.prelude()?.about;
            let name = reader.name()?.to_owned();
            let fields = match reader.accept("{") {
                true => reader.fields()?,
                false => Vec::new(),
            };
            let message = match reader.rest.starts_with('"') {
                true => Some(reader.string()?),
                false => None,
            };
            Ok(Variant {
                name,
                fields,
                message,
                about,
            })
        })
    }

    fn list<T>(
        &mut self,
        end: &'static str,
        item: impl Fn(&mut Self) -> Result<T, ReadError>,
    ) -> Result<Vec<T>, ReadError> {
        let mut items = Vec::new();
        while !self.accept(end) {
            items.push(item(self)?);
            if !self.accept(",") {
                self.symbol(end)?;
                break;
            }
        }
        Ok(items)
    }

    // ---- Values --------------------------------------------------------------------------------

    /// A default, as it is written.
    fn value(&mut self) -> Result<String, ReadError> {
        let length = if self.rest.starts_with('"') {
            self.string_length()?
        } else if self.rest.starts_with("[]") || self.rest.starts_with("{}") {
            2
        } else {
            let goes_on = |c: char| c.is_ascii_alphanumeric() || "_.+-".contains(c);
            self.rest.find(|c| !goes_on(c)).unwrap_or(self.rest.len())
        };
        match length {
            0 => Err(self.expected("a value")),
            length => Ok(self.take(length).to_owned()),
        }
    }

    /// Of a string that stands here, with its quotation marks.
    fn string_length(&self) -> Result<usize, ReadError> {
        let mut escaped = false;
        for (index, character) in self.rest.char_indices().skip(1) {
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return Ok(index + 1),
                _ => {}
            }
        }
        Err(self.expected("the end of a string"))
    }

    fn string(&mut self) -> Result<String, ReadError> {
        if !self.rest.starts_with('"') {
            return Err(self.expected("a string"));
        }
        let length = self.string_length()?;
        let literal = self.take(length);
        let inner = literal.get(1..length - 1).unwrap_or_default();
        unescape(inner).ok_or_else(|| self.expected("a string with known escapes"))
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut characters = after.chars();
        let (character, tail) = match characters.next()? {
            'n' => ('\n', characters.as_str()),
            'r' => ('\r', characters.as_str()),
            't' => ('\t', characters.as_str()),
            '0' => ('\0', characters.as_str()),
            'u' => {
                let (digits, tail) = characters.as_str().strip_prefix('{')?.split_once('}')?;
                (char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, tail)
            }
            other @ ('\\' | '"') => (other, characters.as_str()),
            _ => return None,
        };
        out.push(character);
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

const BUILT_IN: [&str; 15] = [
    "bool",
    "i8",
    "i16",
    "i32",
    "i64",
    "u8",
    "u16",
    "u32",
    "u64",
    "f32",
    "f64",
    "string",
    "bytes",
    "timestamp",
    "duration",
];

fn is_built_in(name: &str) -> bool {
    name == "any" || BUILT_IN.contains(&name)
}
