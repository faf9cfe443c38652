//! Constants and defaults as Rust expressions.

use std::time::Duration;

use kaa_idl::schema::{Declaration, DeclarationId, Type, Value};
use proc_macro2::{Literal, TokenStream};
use quote::quote;

use crate::module::{Module, names};

impl Module<'_> {
    /// `value` as a constant expression of type `ty`; a string is a `&str`.
    pub(crate) fn constant(&self, value: &Value, ty: &Type) -> TokenStream {
        match value {
            Value::Const(id) => match self.schema.declaration(*id) {
                // A constant of another type fits in the schema, but not in Rust.
                Declaration::Const(it)
                    if self.schema.resolve(&it.ty) == self.schema.resolve(ty) =>
                {
                    self.path(*id)
                }
                Declaration::Const(it) => self.constant(&it.value, ty),
                other => unreachable!("{} is no constant", other.name()),
            },
            Value::Bool(value) => quote!(#value),
            Value::Integer(value) => literal(&grouped(&value.to_string())),
            Value::Float(value) => self.float(*value, ty),
            Value::String(value) => {
                let literal = Literal::string(value);
                quote!(#literal)
            }
            Value::Duration(value) => {
                names!(self; Duration);
                duration(&Duration, *value)
            }
            Value::Variant {
                declaration,
                variant,
            } => self.variant(*declaration, *variant),
            Value::Null => {
                names!(self; Value);
                quote!(#Value::Null)
            }
            Value::EmptyList => {
                names!(self; Vec);
                quote!(#Vec::new())
            }
            Value::EmptyMap => {
                names!(self; BTreeMap);
                quote!(#BTreeMap::new())
            }
        }
    }

    /// `value` as an expression of type `ty`, as fields have it.
    pub(crate) fn default(&self, value: &Value, ty: &Type) -> TokenStream {
        let constant = self.constant(value, ty);
        match self.schema.evaluate(value) {
            Value::String(text) if text.is_empty() => {
                names!(self; String);
                quote!(#String::new())
            }
            Value::String(_) => quote!(#constant.to_owned()),
            _ => constant,
        }
    }

    /// The default as what `unwrap_or_else` takes.
    pub(crate) fn default_function(&self, value: &Value, ty: &Type) -> TokenStream {
        match self.schema.evaluate(value) {
            Value::EmptyList => {
                names!(self; Vec);
                quote!(#Vec::new)
            }
            Value::EmptyMap => {
                names!(self; BTreeMap);
                quote!(#BTreeMap::new)
            }
            Value::String(text) if text.is_empty() => {
                names!(self; String);
                quote!(#String::new)
            }
            _ => {
                let default = self.default(value, ty);
                quote!(|| #default)
            }
        }
    }

    /// Puts the default where `option` has nothing.
    pub(crate) fn or_default(&self, option: &TokenStream, value: &Value, ty: &Type) -> TokenStream {
        match self.schema.evaluate(value) {
            Value::EmptyList | Value::EmptyMap => quote!(#option.unwrap_or_default()),
            Value::String(text) if text.is_empty() => quote!(#option.unwrap_or_default()),
            Value::String(_) => {
                let function = self.default_function(value, ty);
                quote!(#option.unwrap_or_else(#function))
            }
            _ => {
                let constant = self.constant(value, ty);
                quote!(#option.unwrap_or(#constant))
            }
        }
    }

    /// Whether a `const fn` can make it.
    pub(crate) fn is_const(&self, value: &Value) -> bool {
        match self.schema.evaluate(value) {
            Value::String(text) => text.is_empty(),
            _ => true,
        }
    }

    /// Whether it is what Rust's `Default` gives for its type.
    pub(crate) fn is_zero(&self, value: &Value) -> bool {
        match self.schema.evaluate(value) {
            Value::Null | Value::EmptyList | Value::EmptyMap => true,
            Value::Bool(value) => !value,
            Value::Integer(value) => *value == 0,
            Value::Float(value) => value.to_bits() == 0,
            Value::String(value) => value.is_empty(),
            Value::Duration(value) => value.is_zero(),
            Value::Const(_) | Value::Variant { .. } => false,
        }
    }

    fn variant(&self, declaration: DeclarationId, variant: usize) -> TokenStream {
        let path = self.path(declaration);
        if let Declaration::Enum(it) | Declaration::Error(it) = self.schema.declaration(declaration)
            && it.variants[variant].lifetime.deprecated.is_some()
        {
            self.mention_deprecated();
        }
        let variant = &self.names.variants(declaration).variants[variant].identifier;
        quote!(#path::#variant)
    }

    fn float(&self, value: f64, ty: &Type) -> TokenStream {
        let text = match self.schema.resolve(ty) {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the shortest text of an f32 is wanted"
            )]
            Type::F32 => format!("{:?}", value as f32),
            _ => format!("{value:?}"),
        };
        literal(&grouped(&text))
    }
}

/// A number as clippy wants it: `1_000_000.5`.
fn grouped(number: &str) -> String {
    let (sign, number) = number
        .strip_prefix('-')
        .map_or(("", number), |rest| ("-", rest));
    let (mantissa, exponent) = number
        .find('e')
        .map_or((number, ""), |at| number.split_at(at));
    let (whole, fraction) = mantissa
        .find('.')
        .map_or((mantissa, ""), |at| mantissa.split_at(at));
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 && whole.len() > 4 {
            out.push('_');
        }
        out.push(digit);
    }
    for (index, digit) in fraction.chars().enumerate() {
        // The point is the first.
        if index > 1 && (index - 1) % 3 == 0 && fraction.len() > 5 {
            out.push('_');
        }
        out.push(digit);
    }
    out.push_str(exponent);
    out
}

/// A number, negative ones as an operator and a literal.
fn literal(text: &str) -> TokenStream {
    text.parse().expect("a number is a token")
}

#[expect(non_snake_case, reason = "it stands for the type")]
fn duration(Duration: &TokenStream, value: Duration) -> TokenStream {
    let seconds = literal(&grouped(&value.as_secs().to_string()));
    let nanos = value.subsec_nanos();
    let within = |unit: u32| literal(&grouped(&(value.as_nanos() / u128::from(unit)).to_string()));
    if value.is_zero() {
        quote!(#Duration::ZERO)
    } else if nanos == 0 && value.as_secs().is_multiple_of(60) {
        // Clippy wants `from_mins`, which older compilers do not have.
        quote!(#Duration::new(#seconds, 0))
    } else if nanos == 0 {
        quote!(#Duration::from_secs(#seconds))
    } else if nanos.is_multiple_of(1_000_000) && value.as_millis() <= u128::from(u64::MAX) {
        let millis = within(1_000_000);
        quote!(#Duration::from_millis(#millis))
    } else {
        let nanos = literal(&grouped(&nanos.to_string()));
        quote!(#Duration::new(#seconds, #nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_grouped() {
        for (number, expected) in [
            ("0", "0"),
            ("1234", "1234"),
            ("12345", "12_345"),
            ("-9223372036854775808", "-9_223_372_036_854_775_808"),
            ("1.5", "1.5"),
            ("123456.25", "123_456.25"),
            ("0.1234567", "0.123_456_7"),
            ("1e300", "1e300"),
            ("-1.5e-7", "-1.5e-7"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn durations_are_written_in_the_unit_that_fits() {
        for (value, expected) in [
            (Duration::ZERO, "Duration :: ZERO"),
            (Duration::from_secs(5), "Duration :: from_secs (5)"),
            (Duration::from_secs(86_400), "Duration :: new (86_400 , 0)"),
            (
                Duration::from_millis(1500),
                "Duration :: from_millis (1500)",
            ),
            (Duration::new(1, 5), "Duration :: new (1 , 5)"),
        ] {
            assert_eq!(duration(&quote!(Duration), value).to_string(), expected);
        }
    }
}
