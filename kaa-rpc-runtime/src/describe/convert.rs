//! Descriptions as they travel, and back.

use kaa_rpc_describe::{
    About, Description, Field, Function, Interface, Kind, Parameter, Shape, Type, TypeDeclaration,
    Variant,
};

use super::wire::{self, Item};

// ---- To be sent ----------------------------------------------------------------------------------

fn doc(about: &About) -> Option<String> {
    (!about.doc.is_empty()).then(|| about.doc.clone())
}

pub(super) fn from_interface(it: &Interface, hash: Option<&String>) -> Item {
    Item::Interface {
        name: it.name.clone(),
        prefix: it.prefix.clone(),
        hash: hash.cloned(),
        doc: doc(&it.about),
        since: it.about.since.clone(),
        deprecated: it.about.deprecated.clone(),
    }
}

/// Its name and hash, and nothing of what they stand for.
pub(super) fn from_brief(it: &Function, hash: Option<&String>) -> Item {
    let named = Function {
        name: it.name.clone(),
        prefix: it.prefix.clone(),
        interface: it.interface.clone(),
        ..Function::default()
    };
    from_function(&named, hash)
}

pub(super) fn from_function(it: &Function, hash: Option<&String>) -> Item {
    Item::Function {
        name: it.wire_name(),
        prefix: it.prefix.clone(),
        interface: it.interface.clone(),
        hash: hash.cloned(),
        parameters: it.parameters.iter().map(from_parameter).collect(),
        result: it.result.as_ref().map(Type::to_string),
        yields: it.yields.as_ref().map(Type::to_string),
        throws: it.throws.clone(),
        oneway: it.oneway,
        idempotent: it.idempotent,
        doc: doc(&it.about),
        since: it.about.since.clone(),
        deprecated: it.about.deprecated.clone(),
    }
}

fn from_parameter(it: &Parameter) -> wire::Parameter {
    wire::Parameter {
        name: it.name.clone(),
        kind: match it.kind {
            Kind::Required => wire::Kind::Required,
            Kind::Optional => wire::Kind::Optional,
            Kind::Rest => wire::Kind::Rest,
            Kind::Kwargs => wire::Kind::Kwargs,
        },
        r#type: it.ty.to_string(),
        default: it.default.clone(),
        doc: doc(&it.about),
        since: it.about.since.clone(),
        deprecated: it.about.deprecated.clone(),
    }
}

pub(super) fn from_type(name: &str, it: &TypeDeclaration) -> Item {
    let name = name.to_owned();
    let (doc, since, deprecated) = (
        doc(&it.about),
        it.about.since.clone(),
        it.about.deprecated.clone(),
    );
    match &it.shape {
        Shape::Struct(fields) => Item::Struct {
            name,
            fields: fields.iter().map(from_field).collect(),
            doc,
            since,
            deprecated,
        },
        Shape::Enum { strict, variants } => Item::Enum {
            name,
            strict: *strict,
            variants: variants.iter().map(from_variant).collect(),
            doc,
            since,
            deprecated,
        },
        Shape::Error(variants) => Item::Error {
            name,
            variants: variants.iter().map(from_variant).collect(),
            doc,
            since,
            deprecated,
        },
    }
}

fn from_field(it: &Field) -> wire::Field {
    wire::Field {
        name: it.name.clone(),
        r#type: it.ty.to_string(),
        default: it.default.clone(),
        doc: doc(&it.about),
        since: it.about.since.clone(),
        deprecated: it.about.deprecated.clone(),
    }
}

fn from_variant(it: &Variant) -> wire::Variant {
    wire::Variant {
        name: it.name.clone(),
        fields: it.fields.iter().map(from_field).collect(),
        message: it.message.clone(),
        doc: doc(&it.about),
        since: it.about.since.clone(),
        deprecated: it.about.deprecated.clone(),
    }
}

/// The item without any documentation.
pub(super) fn without_docs(mut item: Item) -> Item {
    let fields = |fields: &mut Vec<wire::Field>| fields.iter_mut().for_each(|it| it.doc = None);
    match &mut item {
        Item::Interface { doc, .. } => *doc = None,
        Item::Function {
            doc, parameters, ..
        } => {
            *doc = None;
            parameters.iter_mut().for_each(|it| it.doc = None);
        }
        Item::Struct {
            doc, fields: all, ..
        } => {
            *doc = None;
            fields(all);
        }
        Item::Enum { doc, variants, .. } | Item::Error { doc, variants, .. } => {
            *doc = None;
            for variant in variants {
                variant.doc = None;
                fields(&mut variant.fields);
            }
        }
        Item::Unknown(_) => {}
    }
    item
}

// ---- As it came ----------------------------------------------------------------------------------

/// So much text a description may have, in bytes; each thing counts as some, too.
const MAX_SIZE: usize = 32 << 20;
const EACH: usize = 64;

/// Gathers the items that a stranger sends.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) description: Description,
    /// By wire name.
    pub(super) hashes: std::collections::HashMap<String, String>,
    size: usize,
}

impl Gathered {
    /// Adds an item, or says what is wrong with it.
    pub(super) fn add(&mut self, item: Item) -> Result<(), String> {
        match item {
            Item::Interface {
                name,
                prefix,
                hash: _,
                doc,
                since,
                deprecated,
            } => {
                self.count(&[&name, &prefix])?;
                let about = self.about(doc, since, deprecated)?;
                self.description.interfaces.push(Interface {
                    name,
                    prefix,
                    about,
                });
            }
            Item::Function {
                name,
                prefix,
                interface,
                hash,
                parameters,
                result,
                yields,
                throws,
                oneway,
                idempotent,
                doc,
                since,
                deprecated,
            } => {
                self.count(&[&name])?;
                if let Some(hash) = hash {
                    self.count(&[&hash, &name])?;
                    self.hashes.insert(name.clone(), hash);
                }
                let parameters: Result<Vec<Parameter>, String> = parameters
                    .into_iter()
                    .map(|it| self.parameter(it))
                    .collect();
                let function = Function {
                    name: match name.strip_prefix(&prefix) {
                        Some(name) => name.to_owned(),
                        None => return Err(format!("{name:?} does not begin with {prefix:?}")),
                    },
                    interface,
                    prefix,
                    about: self.about(doc, since, deprecated)?,
                    parameters: parameters?,
                    result: self.optional_ty(result)?,
                    yields: self.optional_ty(yields)?,
                    throws,
                    oneway,
                    idempotent,
                };
                self.description.functions.push(function);
            }
            Item::Struct {
                name,
                fields,
                doc,
                since,
                deprecated,
            } => {
                let shape = Shape::Struct(self.fields(fields)?);
                let about = self.about(doc, since, deprecated)?;
                self.declare(name, about, shape)?;
            }
            Item::Enum {
                name,
                strict,
                variants,
                doc,
                since,
                deprecated,
            } => {
                let variants = self.variants(variants)?;
                let about = self.about(doc, since, deprecated)?;
                self.declare(name, about, Shape::Enum { strict, variants })?;
            }
            Item::Error {
                name,
                variants,
                doc,
                since,
                deprecated,
            } => {
                let shape = Shape::Error(self.variants(variants)?);
                let about = self.about(doc, since, deprecated)?;
                self.declare(name, about, shape)?;
            }
            // Of a later version.
            Item::Unknown(_) => {}
        }
        Ok(())
    }

    fn count(&mut self, texts: &[&str]) -> Result<(), String> {
        self.size += EACH + texts.iter().map(|text| text.len()).sum::<usize>();
        match self.size <= MAX_SIZE {
            true => Ok(()),
            false => Err(format!("it has more than {MAX_SIZE} bytes")),
        }
    }

    fn declare(&mut self, name: String, about: About, shape: Shape) -> Result<(), String> {
        self.count(&[&name])?;
        let declaration = TypeDeclaration { about, shape };
        self.description.types.insert(name, declaration);
        Ok(())
    }

    fn about(
        &mut self,
        doc: Option<String>,
        since: Option<String>,
        deprecated: Option<String>,
    ) -> Result<About, String> {
        for text in [&doc, &since, &deprecated].into_iter().flatten() {
            self.count(&[text])?;
        }
        Ok(About {
            doc: doc.unwrap_or_default(),
            since,
            deprecated,
        })
    }

    fn ty(&mut self, text: &str) -> Result<Type, String> {
        // What is made of a type is larger than its text.
        self.count(&[text, text, text, text])?;
        text.parse()
            .map_err(|error| format!("it has a type that is none: {error}"))
    }

    fn optional_ty(&mut self, text: Option<String>) -> Result<Option<Type>, String> {
        text.map(|text| self.ty(&text)).transpose()
    }

    fn parameter(&mut self, it: wire::Parameter) -> Result<Parameter, String> {
        self.count(&[&it.name, it.default.as_deref().unwrap_or_default()])?;
        Ok(Parameter {
            kind: match it.kind {
                wire::Kind::Required => Kind::Required,
                wire::Kind::Optional => Kind::Optional,
                wire::Kind::Rest => Kind::Rest,
                wire::Kind::Kwargs => Kind::Kwargs,
                wire::Kind::Unknown(kind) => {
                    return Err(format!("it has a parameter of the kind {:?}", kind.name()));
                }
            },
            ty: self.ty(&it.r#type)?,
            about: self.about(it.doc, it.since, it.deprecated)?,
            name: it.name,
            default: it.default,
        })
    }

    fn fields(&mut self, fields: Vec<wire::Field>) -> Result<Vec<Field>, String> {
        let fields = fields.into_iter().map(|it| {
            self.count(&[&it.name, it.default.as_deref().unwrap_or_default()])?;
            Ok(Field {
                ty: self.ty(&it.r#type)?,
                about: self.about(it.doc, it.since, it.deprecated)?,
                name: it.name,
                default: it.default,
            })
        });
        fields.collect()
    }

    fn variants(&mut self, variants: Vec<wire::Variant>) -> Result<Vec<Variant>, String> {
        let variants = variants.into_iter().map(|it| {
            self.count(&[&it.name, it.message.as_deref().unwrap_or_default()])?;
            Ok(Variant {
                fields: self.fields(it.fields)?,
                about: self.about(it.doc, it.since, it.deprecated)?,
                name: it.name,
                message: it.message,
            })
        });
        variants.collect()
    }
}
