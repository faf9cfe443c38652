//! What a comparison found.

use std::fmt;

use crate::model::Description;

/// What a difference means for calls from the caller that was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// All calls work.
    Compatible,
    /// Calls work that do not use what differs.
    UnlessUsed,
    /// Calls fail, or their values are not understood.
    Breaks,
}

/// What kind of thing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Change {
    /// The callee has no such function.
    NoFunction,
    /// Only one end's function is `oneway`, or `@idempotent`.
    Mode,
    /// A parameter that only the caller knows.
    ParameterUnknown,
    /// A parameter that only the callee knows.
    ParameterAdded,
    /// A parameter that only one end requires.
    ParameterRequired,
    /// Parameters in another order, or of other names.
    ParameterMoved,
    /// Only one end has a result, yields, or throws.
    Outcome,
    /// A type is another one.
    Type,
    /// Only one end allows absence.
    Absence,
    /// A default is another one.
    Default,
    /// A field that only one end has.
    Field,
    /// A variant that only one end has.
    Variant,
    /// Only one end's enum is strict.
    Strict,
    /// The callee's function is a closure, whose types nobody knows.
    Untyped,
}

/// One difference between what a caller was built for and what a callee exposes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The kind of what differs.
    pub change: Change,
    /// What it means for the caller.
    pub effect: Effect,
    /// Where: "parameter `count`", "field `price` of struct `shop.Item`".
    pub place: String,
    /// What differs, and what comes of it.
    pub what: String,
    /// The wire names of the functions that it concerns; never empty.
    pub functions: Vec<String>,
}

/// How what a caller was built for goes with what a callee exposes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compatibility {
    /// The full names of the interfaces that were compared, with their prefixes.
    pub interfaces: Vec<String>,
    /// What differs; what breaks most stands first.
    pub differences: Vec<Difference>,
    /// Whether there was more to compare than is compared. A sound description is never so large.
    pub incomplete: bool,
}

impl Compatibility {
    /// Of ends that have the same contract, as their hashes tell.
    #[must_use]
    pub fn same(caller: &Description, prefix: &str) -> Self {
        let interfaces = caller.interfaces.iter().map(|it| match prefix {
            "" => format!("`{}`", it.name),
            prefix => format!("`{}` behind `{prefix}`", it.name),
        });
        Self {
            interfaces: interfaces.collect(),
            ..Self::default()
        }
    }

    /// Whether nothing differs but documentation.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.differences.is_empty() && !self.incomplete
    }

    /// Whether no call breaks. Calls may still be refused that [use what
    /// differs](Effect::UnlessUsed).
    #[must_use]
    pub fn is_compatible(&self) -> bool {
        self.breaking().next().is_none() && !self.incomplete
    }

    /// The differences that break calls.
    pub fn breaking(&self) -> impl Iterator<Item = &Difference> {
        let breaks = |it: &&Difference| it.effect == Effect::Breaks;
        self.differences.iter().filter(breaks)
    }

    /// Adds what was found for other interfaces.
    pub fn extend(&mut self, other: Self) {
        self.interfaces.extend(other.interfaces);
        self.differences.extend(other.differences);
        self.incomplete |= other.incomplete;
        self.sort();
    }

    pub(crate) fn sort(&mut self) {
        self.differences.sort_by(|a, b| {
            b.effect
                .cmp(&a.effect)
                .then_with(|| a.functions.cmp(&b.functions))
        });
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compatible => "compatible",
            Self::UnlessUsed => "compatible unless used",
            Self::Breaks => "breaks",
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions: Vec<String> = self.functions.iter().map(|it| format!("`{it}`")).collect();
        // Names may come from a stranger.
        let text = format!(
            "{}: {}: {}: {}",
            self.effect,
            functions.join(", "),
            self.place,
            self.what
        );
        f.write_str(&escaped(&text))
    }
}

impl fmt::Display for Compatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interfaces = escaped(&self.interfaces.join(", "));
        let verdict = match (self.is_same(), self.is_compatible()) {
            (true, _) => "the same at both ends",
            (_, true) => "compatible with what the other end exposes",
            _ => "not compatible with what the other end exposes",
        };
        write!(f, "{interfaces}: {verdict}")?;
        for difference in &self.differences {
            write!(f, "\n  {difference}")?;
        }
        if self.incomplete {
            f.write_str("\n  there is more to compare than any sound description has")?;
        }
        Ok(())
    }
}

fn escaped(text: &str) -> String {
    let quoted = crate::write::quoted(text);
    // Without the quotation marks around it, and with those inside as they were.
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    inner.replace("\\\"", "\"").replace("\\\\", "\\")
}
