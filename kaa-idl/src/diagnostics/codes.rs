//! The one table of diagnostic codes.
//!
//! A code keeps its meaning for ever: codes are added, never reused.

use super::Severity;

/// What a diagnostic code stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeInfo {
    /// Such as `K0012`.
    pub code: &'static str,
    /// Whether it makes the check fail.
    pub severity: Severity,
    /// A few words.
    pub title: &'static str,
    /// Why it is a mistake, and what to do.
    pub explanation: &'static str,
}

macro_rules! codes {
    ($($(#[$group:meta])* $severity:ident $name:ident $code:literal $title:literal: $explanation:literal;)*) => {
        /// A row of the table, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $($name,)*
        }

        impl Code {
            /// The row.
            pub(crate) fn info(self) -> CodeInfo {
                match self {
                    $(Self::$name => CodeInfo {
                        code: $code,
                        severity: Severity::$severity,
                        title: $title,
                        explanation: $explanation,
                    },)*
                }
            }
        }

        /// All codes, in order.
        pub const CODES: &[CodeInfo] = &[
            $(CodeInfo {
                code: $code,
                severity: Severity::$severity,
                title: $title,
                explanation: $explanation,
            },)*
        ];
    };
}

/// The row of `code`, such as `K0012`.
#[must_use]
pub fn explain(code: &str) -> Option<&'static CodeInfo> {
    CODES.iter().find(|info| info.code == code)
}

codes! {
    // ---- Files ----
    Error Unreadable "K0001" "the file cannot be read":
        "A file that was named, or that an `import` names, is missing or may not be read. Imports are \
         looked for next to the importing file, then in the include folders.";
    Error NotUtf8 "K0002" "the file is not UTF-8":
        "`.kidl` files are text in UTF-8. Save the file in that encoding.";
    Error TooLarge "K0003" "the file is too large":
        "A file has at most 1 MiB. Split it and import the parts.";
    Error TooDeep "K0004" "nested too deeply":
        "Brackets, comments and types, also those that aliases stand for, nest at most 64 deep. Name \
         an inner part with a struct.";
    Error ControlCharacter "K0005" "a control character":
        "Control characters, and characters that reorder text, make a file look other than it is. In \
         a string write them as an escape: `\\u{1b}`.";

    // ---- Syntax ----
    Error Syntax "K0010" "unexpected text":
        "What stands here fits no rule of the language at this place. The message says what would.";
    Error OpenComment "K0011" "a comment that does not end":
        "Each `/*` needs its `*/`; they nest.";
    Error OpenString "K0012" "a string that does not end":
        "A string ends with `\"` on the line where it begins. A line feed is written `\\n`.";
    Error BadEscape "K0013" "an unknown escape":
        "The escapes are `\\n` `\\r` `\\t` `\\0` `\\\\` `\\\"` and `\\u{…}` with one to six hexadecimal digits \
         that name a character.";
    Error BadNumber "K0014" "a malformed number":
        "Integers are decimal or hexadecimal (`0xff`), floats have a point or an exponent, durations \
         are integers with one of the units `ms`, `s`, `m` and `h`. `_` may stand between digits.";
    Error LostDoc "K0015" "documentation of nothing":
        "`///` stands before what it documents, `//!` at the beginning of the file. Use `//` for other \
         comments.";
    Error NoPackage "K0016" "a file without its package":
        "A file says first to which package it belongs: `package media.player;`.";
    Error Misplaced "K0017" "a line in the wrong place":
        "A file has one `package` line, then its imports, then its declarations.";

    // ---- Imports ----
    Error ImportCycle "K0020" "files import each other in a circle":
        "Move what both need to a file of its own that both import.";
    Error PackageTwice "K0021" "two files of one package":
        "A package is one file. Rename one of the packages, or join the files.";
    Error NotImported "K0022" "a package that is not imported":
        "A file sees only the packages that it imports itself.";

    // ---- Names ----
    Error UnknownName "K0030" "an unknown name":
        "Nothing of this name is declared in this file or, with its package before it, in an imported \
         one.";
    Error Duplicate "K0031" "a name used twice":
        "Declarations of a file, fields, variants, functions and parameters have names of their own.";
    Error RustDuplicate "K0032" "two names that are the same in Rust":
        "Names are written in Rust's casing in generated code (`fooBar` becomes `foo_bar`), and those \
         that Rust or the generated code needs get an underscore. Two names may not become one.";
    Error WrongKind "K0033" "a name of another kind":
        "A type is a struct, enum, error or alias; `throws` wants an error; a channel has interfaces; \
         a value is a constant or a variant.";
    Error BuiltIn "K0034" "the name of a built-in type":
        "The names of the built-in types, and `true`, `false` and `null`, cannot be declared anew.";

    // ---- Types ----
    Error TypeArguments "K0040" "wrong type arguments":
        "`list` and `stream` take one type, `map` takes two, other types none.";
    Error Infinite "K0041" "a type that contains itself":
        "A value of it would be infinitely large. Put `?`, `list` or `map` between.";
    Error AliasCycle "K0042" "an alias of itself":
        "An alias is another name for a type and cannot be part of what it stands for. Use a struct.";
    Error DoubleOptional "K0043" "an optional of an optional":
        "Absent and nil are the same, so `T??` and `any?` say no more than `T?` and `any`, also through \
         an alias.";
    Error MapKey "K0044" "a type that cannot be a key":
        "The keys of a map are of type `string`, `bool` or an integer type.";
    Error Stream "K0045" "a stream in the wrong place":
        "`stream<T>` is the whole type of a parameter; it is not part of another type, optional, \
         gathered by `*` or `**`, or of another stream.";
    Error TupleSize "K0046" "a tuple of the wrong size":
        "A tuple has two to twelve members. A longer one is better a struct with names.";
    Error NoVariants "K0047" "an enum without variants":
        "It would have no value.";
    Error EnumMessage "K0048" "a message on an enum":
        "Only the variants of an `error` have a message.";

    // ---- Values ----
    Error WrongValue "K0050" "a value of another type":
        "A default and a constant have the type of their field, parameter or constant. Nothing is \
         converted, but an integer may stand for a float.";
    Error OutOfRange "K0051" "a number out of range":
        "The number does not fit its type.";
    Error NoLiteral "K0052" "a type without literals":
        "There is no way to write a value of this type. Make it optional with `?` instead of giving \
         it a default.";
    Error OnlyNull "K0053" "a default other than null":
        "For an optional type and for `any`, nil means absent, so `null` is their only default.";
    Error ConstCycle "K0054" "a constant of itself":
        "A constant's value cannot depend on the constant.";
    Error VariantFields "K0055" "a variant with fields as a value":
        "Only a variant without fields can be written as a value.";
    Error BadTemplate "K0056" "a malformed message":
        "In a message `{name}` stands for a field; a brace itself is written `{{` or `}}`.";
    Error UnknownField "K0057" "a message with an unknown field":
        "A message may name the fields of its own variant only.";

    // ---- Functions and channels ----
    Error ParameterOrder "K0060" "parameters out of order":
        "First required parameters; then optional ones, or `*args` and after it optional ones, which \
         travel by name; last `**kwargs`. There is at most one of each of these two.";
    Error StarDefault "K0061" "a default for gathered arguments":
        "`*args` and `**kwargs` are empty when nothing is given; they have no default.";
    Error Oneway "K0062" "a oneway function with an answer":
        "Nothing comes back from a `oneway` function, so it has no result and neither yields nor throws.";
    Error WireDuplicate "K0063" "two functions of one wire name":
        "The functions of an interface, and those of all interfaces at one end of a channel, travel by \
         different names. Use `@expose` on a function or `@prefix` on an interface.";
    Error Reserved "K0064" "a reserved wire name":
        "Wire names that begin with `kaa.` belong to the runtime.";
    Error WireName "K0065" "a malformed wire name":
        "A wire name is made of ASCII letters, digits and `_`, in parts joined by dots, at most 255 \
         bytes. A prefix may end with a dot.";
    Error ChannelEnd "K0066" "a wrong end of a channel":
        "A channel has the ends `server` and `client`, each once at most and one at least; an interface \
         stands once at an end.";

    // ---- Attributes ----
    Error UnknownAttribute "K0070" "an unknown attribute":
        "The attributes are @since, @deprecated, @timeout, @expose, @idempotent, @uncancelled, @serial \
         and @prefix.";
    Error MisplacedAttribute "K0071" "an attribute in the wrong place":
        "@since and @deprecated mark anything that has a name; @prefix an interface; the others a \
         function.";
    Error AttributeArguments "K0072" "wrong arguments of an attribute":
        "@since, @deprecated, @expose and @prefix take a string, @timeout a duration above zero, the \
         others nothing.";
    Error AttributeTwice "K0073" "an attribute given twice":
        "Each attribute stands once at most before the same thing.";

    // ---- Lints ----
    Warning Casing "K0900" "unusual casing":
        "Types, interfaces and channels are written `UpperCamel`; functions, parameters, fields and \
         variants `snake_case`; constants `UPPER_CASE`; packages `lower.case`.";
    Warning Undocumented "K0901" "missing documentation":
        "Declarations and functions have a `///` comment. It becomes the documentation of the \
         generated code.";
    Warning UnusedImport "K0902" "an import without use":
        "Nothing in the file refers to the imported package, or it is imported twice.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_found() {
        for pair in CODES.windows(2) {
            assert!(
                pair[0].code < pair[1].code,
                "{} stands before {}",
                pair[0].code,
                pair[1].code
            );
        }
        for info in CODES {
            assert_eq!(explain(info.code), Some(info));
            assert_eq!(info.severity == Severity::Warning, info.code >= "K0900");
        }
        assert_eq!(explain("K9999"), None);
    }
}
