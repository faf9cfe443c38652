//! Values that flow in one direction: what does a receiver make of what a sender may send?

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use crate::model::{Field, Shape, TypeDeclaration, Variant};
use crate::report::Change;
use crate::types::Type;

type Types = BTreeMap<String, TypeDeclaration>;

/// Compares what a sender has with what its receiver has.
pub(super) struct Flow<'a> {
    report: &'a mut Report,
    sender: &'a Types,
    receiver: &'a Types,
    /// Who receives: "this end" or "the other end".
    who: &'static str,
    place: String,
    /// Pairs of declared types that were, or are being, compared; so types may contain themselves.
    seen: BTreeSet<(&'a str, &'a str)>,
    /// Pairs that are yet to be compared. A queue and not a recursion: chains of types may be long.
    todo: Vec<(&'a str, &'a str)>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(
        report: &'a mut Report,
        (sender, receiver): (&'a Types, &'a Types),
        who: &'static str,
        place: &str,
    ) -> Self {
        Self {
            report,
            sender,
            receiver,
            who,
            place: place.to_owned(),
            seen: BTreeSet::new(),
            todo: Vec::new(),
        }
    }

    /// All of two types, with what they name.
    pub(super) fn types(mut self, sent: &'a Type, received: &'a Type) {
        self.one(sent, received);
        self.named();
    }

    /// Two declared types, with what they name.
    pub(super) fn declared(mut self, sent: &'a str, received: &'a str) {
        self.todo.push((sent, received));
        self.named();
    }

    fn named(&mut self) {
        while let Some((sent, received)) = self.todo.pop() {
            if self.seen.insert((sent, received)) && self.report.step() {
                self.declarations(sent, received);
            }
        }
    }

    fn one(&mut self, sent: &'a Type, received: &'a Type) {
        if !self.report.step() {
            return;
        }
        match (sent, received) {
            (Type::Named(sent), Type::Named(received)) if self.both_declared(sent, received) => {
                self.todo.push((sent, received));
            }
            (Type::Named(a), Type::Named(b)) if a == b && !a.contains('.') => {}
            (Type::Optional(sent), Type::Optional(received))
            | (Type::List(sent), Type::List(received))
            | (Type::Stream(sent), Type::Stream(received)) => self.one(sent, received),
            (Type::Map(key, value), Type::Map(other_key, other_value)) => {
                self.one(key, other_key);
                self.one(value, other_value);
            }
            (Type::Tuple(sent), Type::Tuple(received)) if sent.len() == received.len() => {
                let members = sent.iter().zip(received);
                members.for_each(|(sent, received)| self.one(sent, received));
            }
            (Type::Optional(sent), received) => {
                let what = format!("it may be absent, which {} does not accept", self.who);
                self.report.breaks(Change::Absence, &self.place, &what);
                self.one(sent, received);
            }
            (sent, Type::Optional(received)) => {
                let what = format!("it is never absent, though {} would accept that", self.who);
                self.report.notes(Change::Absence, &self.place, &what);
                self.one(sent, received);
            }
            (sent, received) => {
                let what = format!("{sent} is sent, {} expects {received}", self.who);
                self.report.breaks(Change::Type, &self.place, &what);
            }
        }
    }

    fn both_declared(&self, sent: &str, received: &str) -> bool {
        self.sender.contains_key(sent) && self.receiver.contains_key(received)
    }

    fn declarations(&mut self, sent: &'a str, received: &'a str) {
        let (Some(from), Some(to)) = (self.sender.get(sent), self.receiver.get(received)) else {
            // One that throws an error which its description lacks.
            let what = "a description lacks this type";
            self.report
                .breaks(Change::Type, &format!("type `{sent}`"), what);
            return;
        };
        match (&from.shape, &to.shape) {
            (Shape::Struct(from), Shape::Struct(to)) => {
                self.fields(&format!("struct `{received}`"), from, to);
            }
            (
                Shape::Enum {
                    strict: closed,
                    variants: from,
                },
                Shape::Enum {
                    strict,
                    variants: to,
                },
            ) => {
                let owner = format!("enum `{received}`");
                if *strict && !*closed {
                    let what = format!(
                        "{} knows it as strict: it does not accept unknown variants that are passed on",
                        self.who
                    );
                    self.report.breaks(Change::Strict, &owner, &what);
                } else if *closed && !*strict {
                    let what =
                        format!("it is strict, though {} accepts unknown variants", self.who);
                    self.report.notes(Change::Strict, &owner, &what);
                }
                self.variants(&owner, (from, to), *strict);
            }
            (Shape::Error(from), Shape::Error(to)) => {
                self.variants(&format!("error `{received}`"), (from, to), false);
            }
            _ => {
                let what = format!("`{sent}` is sent, which is a type of another kind");
                let place = format!("type `{received}`");
                self.report.breaks(Change::Type, &place, &what);
            }
        }
    }

    fn fields(&mut self, owner: &str, from: &'a [Field], to: &'a [Field]) {
        let known: BTreeMap<&str, &Field> = by_name(from, |it| &it.name);
        for received in to {
            let place = format!("field `{}` of {owner}", received.name);
            let absent = received.may_be_absent();
            match known.get(received.name.as_str()) {
                None if absent => {
                    let what = format!("it is not sent; {} fills it in", self.who);
                    self.report.notes(Change::Field, &place, &what);
                }
                None => {
                    let what = format!("it is not sent, and {} requires it", self.who);
                    self.report.breaks(Change::Field, &place, &what);
                }
                Some(sent) => self.field(place, sent, received),
            }
        }
        let known: BTreeMap<&str, &Field> = by_name(to, |it| &it.name);
        for sent in from {
            if self.report.step() && !known.contains_key(sent.name.as_str()) {
                let place = format!("field `{}` of {owner}", sent.name);
                let what = format!("{} does not know it and ignores it", self.who);
                self.report.notes(Change::Field, &place, &what);
            }
        }
    }

    fn field(&mut self, place: String, sent: &'a Field, received: &'a Field) {
        // Absence is told once, of the field and not again of its type.
        let (from, to) = (inner(&sent.ty), inner(&received.ty));
        match (sent.may_be_absent(), received.may_be_absent()) {
            (true, false) => {
                let what = format!("it may be left out, and {} requires it", self.who);
                self.report.breaks(Change::Absence, &place, &what);
            }
            (false, true) => {
                let what = format!("it is always sent, though {} does not require it", self.who);
                self.report.notes(Change::Absence, &place, &what);
            }
            (true, true) if sent.default != received.default => {
                let text = |it: &Field| it.default.clone().unwrap_or_else(|| "null".to_owned());
                let (from, to) = (text(sent), text(received));
                if from != to {
                    let what = format!("left out, it is {to} for {} and not {from}", self.who);
                    self.report.notes(Change::Default, &place, &what);
                }
            }
            _ => {}
        }
        let outer = std::mem::replace(&mut self.place, place);
        self.one(from, to);
        self.place = outer;
    }

    fn variants(&mut self, owner: &str, (from, to): (&'a [Variant], &'a [Variant]), strict: bool) {
        let known: BTreeMap<&str, &Variant> = by_name(to, |it| &it.name);
        for sent in from {
            let place = format!("variant `{}` of {owner}", sent.name);
            match known.get(sent.name.as_str()) {
                Some(received) => {
                    let of = format!("variant `{}` of {owner}", sent.name);
                    self.fields(&of, &sent.fields, &received.fields);
                }
                None if strict => {
                    let what = format!("{} does not know it and refuses it", self.who);
                    self.report.breaks(Change::Variant, &place, &what);
                }
                None => {
                    let what = format!("{} does not know it and keeps it as unknown", self.who);
                    self.report.notes(Change::Variant, &place, &what);
                }
            }
        }
        let known: BTreeMap<&str, &Variant> = by_name(from, |it| &it.name);
        for received in to {
            if self.report.step() && !known.contains_key(received.name.as_str()) {
                let place = format!("variant `{}` of {owner}", received.name);
                self.report
                    .notes(Change::Variant, &place, "it is never sent");
            }
        }
    }
}

/// Of `T?` the `T`.
fn inner(ty: &Type) -> &Type {
    match ty {
        Type::Optional(inner) => inner,
        other => other,
    }
}

fn by_name<'a, T>(items: &'a [T], name: impl Fn(&'a T) -> &'a str) -> BTreeMap<&'a str, &'a T> {
    items.iter().map(|item| (name(item), item)).collect()
}
