//! Structs, enums and errors.

use super::Checker;
use super::attributes::Target;
use super::types::Place;
use crate::diagnostics::{Code, Diagnostic};
use crate::naming;
use crate::schema::{Enum, Field, Lifetime, Type, Variant};
use crate::syntax::ast::{self, Item};

impl<'a> Checker<'a> {
    pub(super) fn fields(&mut self, file: usize, fields: &'a [ast::Field]) -> Vec<Field> {
        let names = fields
            .iter()
            .map(|field| (&field.name, naming::legal(naming::snake(&field.name.text))));
        self.check_distinct("field", names);
        fields.iter().map(|field| self.field(file, field)).collect()
    }

    fn field(&mut self, file: usize, field: &'a ast::Field) -> Field {
        let marks = self.attributes(&field.prelude, Target::Field);
        let ty = self.ty(file, &field.ty, Place::Other);
        let default = match (&field.default, &ty) {
            (Some(default), Some(ty)) => self.value(file, default, ty),
            _ => None,
        };
        Field {
            doc: field.prelude.doc.clone(),
            name: field.name.text.clone(),
            lifetime: marks.lifetime,
            ty: ty.unwrap_or(Type::Any),
            default,
        }
    }

    /// An enum, or an error if there is no saying whether it is `strict`.
    pub(super) fn enumeration(
        &mut self,
        file: usize,
        item: &'a Item,
        lifetime: Lifetime,
        strict: Option<bool>,
        variants: &'a [ast::Variant],
    ) -> Enum {
        if variants.is_empty() {
            self.sink.push(
                Diagnostic::new(
                    Code::NoVariants,
                    item.name.span,
                    format!("`{}` has no variants", item.name.text),
                )
                .labelled("expected one variant at least"),
            );
        }
        let names = variants.iter().map(|variant| {
            (
                &variant.name,
                naming::legal(naming::upper_camel(&variant.name.text)),
            )
        });
        self.check_distinct("variant", names);
        let variants = variants
            .iter()
            .map(|variant| {
                let lowered = self.variant_of(file, variant);
                if let (Some(message), Some(_)) = (&variant.message, strict) {
                    self.sink.push(
                        Diagnostic::new(
                            Code::EnumMessage,
                            message.span,
                            "a variant of an enum has no message",
                        )
                        .labelled("only errors have messages")
                        .with_help(format!(
                            "declare `{}` with `error`, or write `///`",
                            item.name.text
                        )),
                    );
                }
                lowered
            })
            .collect();
        Enum {
            doc: item.prelude.doc.clone(),
            name: item.name.text.clone(),
            lifetime,
            strict: strict.unwrap_or(false),
            variants,
        }
    }

    fn variant_of(&mut self, file: usize, variant: &'a ast::Variant) -> Variant {
        let marks = self.attributes(&variant.prelude, Target::Variant);
        let fields = self.fields(file, &variant.fields);
        let message = variant
            .message
            .as_ref()
            .map_or_else(Vec::new, |text| self.message(text, &variant.fields));
        Variant {
            doc: variant.prelude.doc.clone(),
            name: variant.name.text.clone(),
            lifetime: marks.lifetime,
            fields,
            message,
        }
    }
}
