//! Descriptions as text in the syntax of `.kidl` files.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::model::{
    About, Description, Field, Function, Interface, Kind, Parameter, Shape, TypeDeclaration,
    Variant,
};
use crate::types::Type;

/// Longer lists of parameters and fields have a line each.
const WIDTH: usize = 100;

impl Description {
    /// The text of each package, one after the other; then the functions that belong to none.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut packages: BTreeSet<&str> = self.types.keys().map(|name| package(name)).collect();
        packages.extend(self.interfaces.iter().map(|it| package(&it.name)));
        let mut texts: Vec<String> = packages.iter().map(|name| self.write(name)).collect();
        let closures = self.functions.iter().filter(|it| it.interface.is_none());
        let closures: Vec<&Function> = closures.collect();
        if !closures.is_empty() {
            let mut out = Text::new("");
            out.line(0, "// Closures, whose types nobody knows.");
            out.line(0, "interface Closures {");
            closures.iter().for_each(|it| out.function(it));
            out.line(0, "}");
            texts.push(out.text);
        }
        texts.join("\n")
    }

    /// The text of the package `name`.
    #[must_use]
    pub fn write(&self, name: &str) -> String {
        let mut out = Text::new(name);
        out.line(0, &format!("package {};", plain(name)));
        for (name, declaration) in &self.types {
            if package(name) == out.package {
                out.text.push('\n');
                out.declaration(name, declaration);
            }
        }
        for interface in &self.interfaces {
            if package(&interface.name) == out.package {
                out.text.push('\n');
                out.interface(interface, &self.functions);
            }
        }
        out.text
    }
}

/// `media.player` of `media.player.Track`.
fn package(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(package, _)| package)
}

struct Text<'a> {
    package: &'a str,
    text: String,
}

impl<'a> Text<'a> {
    fn new(package: &'a str) -> Self {
        Self {
            package,
            text: String::new(),
        }
    }

    fn line(&mut self, indent: usize, line: &str) {
        self.text.extend(std::iter::repeat_n(' ', indent));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn name(&self, full: &str) -> String {
        match package(full) == self.package {
            true => plain(last(full)),
            false => plain(full),
        }
    }

    fn ty(&self, ty: &Type) -> String {
        let mut text = String::new();
        let _ = ty.write(&mut text, &|name| self.name(name));
        text
    }

    fn about(&mut self, indent: usize, about: &About) {
        if !about.doc.is_empty() {
            for line in about.doc.split('\n') {
                self.line(indent, plain(&format!("/// {line}")).trim_end());
            }
        }
        for (name, value) in [("since", &about.since), ("deprecated", &about.deprecated)] {
            if let Some(value) = value {
                self.line(indent, &format!("@{name}({})", quoted(value)));
            }
        }
    }

    fn declaration(&mut self, name: &str, declaration: &TypeDeclaration) {
        self.about(0, &declaration.about);
        let name = self.name(name);
        match &declaration.shape {
            Shape::Struct(fields) => {
                let head = format!("struct {name} ");
                self.fields(0, &head, fields, "");
                self.text.push('\n');
            }
            Shape::Enum { strict, variants } => {
                let strict = if *strict { "strict " } else { "" };
                self.variants(&format!("{strict}enum {name}"), variants);
            }
            Shape::Error(variants) => self.variants(&format!("error {name}"), variants),
        }
    }

    fn variants(&mut self, head: &str, variants: &[Variant]) {
        self.line(0, &format!("{head} {{"));
        for variant in variants {
            self.about(4, &variant.about);
            let message = variant.message.as_ref();
            let tail = message.map_or_else(String::new, |message| format!(" {}", quoted(message)));
            if variant.fields.is_empty() {
                self.line(4, &format!("{}{tail},", plain(&variant.name)));
            } else {
                let head = format!("{} ", plain(&variant.name));
                self.fields(4, &head, &variant.fields, &format!("{tail},"));
                self.text.push('\n');
            }
        }
        self.line(0, "}");
    }

    /// Without the line feed behind them.
    fn fields(&mut self, indent: usize, head: &str, fields: &[Field], tail: &str) {
        let items: Vec<(&About, String)> = fields
            .iter()
            .map(|field| {
                (
                    &field.about,
                    self.typed("", &field.name, &field.ty, field.default.as_deref()),
                )
            })
            .collect();
        self.items(indent, (&format!("{head}{{"), " "), &items, ("}", tail));
    }

    /// On one line if they fit and nothing is said of them, else each on its own.
    fn items(
        &mut self,
        indent: usize,
        (head, space): (&str, &str),
        items: &[(&About, String)],
        (close, tail): (&str, &str),
    ) {
        let silent = items.iter().all(|(about, _)| **about == About::default());
        let texts: Vec<&str> = items.iter().map(|(_, text)| text.as_str()).collect();
        let joined = texts.join(", ");
        self.text.extend(std::iter::repeat_n(' ', indent));
        self.text.push_str(head);
        let width = indent + head.len() + joined.len() + tail.len() + 2;
        if items.is_empty() {
            self.text.push_str(close);
        } else if silent && width <= WIDTH {
            let _ = write!(self.text, "{space}{joined}{space}{close}");
        } else {
            self.text.push('\n');
            for (about, text) in items {
                self.about(indent + 4, about);
                self.line(indent + 4, &format!("{text},"));
            }
            self.text.extend(std::iter::repeat_n(' ', indent));
            self.text.push_str(close);
        }
        self.text.push_str(tail);
    }

    fn typed(&self, stars: &str, name: &str, ty: &Type, default: Option<&str>) -> String {
        let default = default.map_or_else(String::new, |it| format!(" = {}", plain(it)));
        format!("{stars}{}: {}{default}", plain(name), self.ty(ty))
    }

    fn interface(&mut self, interface: &Interface, functions: &[Function]) {
        self.about(0, &interface.about);
        if !interface.prefix.is_empty() {
            self.line(0, &format!("@prefix({})", quoted(&interface.prefix)));
        }
        let name = self.name(&interface.name);
        self.line(0, &format!("interface {name} {{"));
        let own = |function: &&Function| {
            function.prefix == interface.prefix
                && function.interface.as_ref() == Some(&interface.name)
        };
        functions
            .iter()
            .filter(own)
            .for_each(|it| self.function(it));
        self.line(0, "}");
    }

    fn function(&mut self, function: &Function) {
        self.about(4, &function.about);
        if function.idempotent {
            self.line(4, "@idempotent");
        }
        let code_name = code_name(&function.name);
        if code_name != function.name {
            self.line(4, &format!("@expose({})", quoted(&function.name)));
        }
        let oneway = if function.oneway { "oneway " } else { "" };
        let items: Vec<(&About, String)> = function
            .parameters
            .iter()
            .map(|it| (&it.about, self.parameter(it)))
            .collect();
        let mut tail = String::new();
        if let Some(result) = &function.result {
            let _ = write!(tail, " -> {}", self.ty(result));
        }
        if let Some(yields) = &function.yields {
            let _ = write!(tail, " yields {}", self.ty(yields));
        }
        if let Some(error) = &function.throws {
            let _ = write!(tail, " throws {}", self.name(error));
        }
        tail.push(';');
        let head = format!("{oneway}fn {code_name}(");
        self.items(4, (&head, ""), &items, (")", &tail));
        self.text.push('\n');
    }

    fn parameter(&self, parameter: &Parameter) -> String {
        let stars = match parameter.kind {
            Kind::Rest => "*",
            Kind::Kwargs => "**",
            Kind::Required | Kind::Optional => "",
        };
        self.typed(
            stars,
            &parameter.name,
            &parameter.ty,
            parameter.default.as_deref(),
        )
    }
}

/// `Track` of `media.player.Track`.
fn last(full: &str) -> &str {
    full.rsplit_once('.').map_or(full, |(_, name)| name)
}

/// A name for a function in code: a wire name may have dots, and that of a closure anything.
fn code_name(wire_name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    wire_name.chars().map(legal).collect()
}

/// A line's part, whoever wrote it: it has no line feed and nothing that a terminal obeys.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => out.push(character),
            other if needs_escape(other) => out.extend(other.escape_unicode()),
            other => out.push(other),
        }
    }
    out
}

/// A string as it is written in a `.kidl` file.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            other if needs_escape(other) => out.extend(other.escape_unicode()),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Whether a character could steer a terminal, or reorders what stands around it.
fn needs_escape(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
