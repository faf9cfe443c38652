//! Types that lead back to themselves: aliases, which never may, and values without end.

use super::names::LISTED;
use super::types::Place;
use super::{Checker, graph};
use crate::diagnostics::{Code, Diagnostic};
use crate::limits::MAX_NESTING;
use crate::schema::{Declaration, DeclarationId, Package, Type, Variant};
use crate::syntax::ast::{self, ItemKind};
use std::collections::HashMap;

impl<'a> Checker<'a> {
    /// Finds out what each alias stands for. Those that lead to themselves, or nest too deeply, are
    /// reported and left out.
    pub(super) fn resolve_aliases(&mut self) {
        let mut written: HashMap<DeclarationId, &'a ast::Type> = HashMap::new();
        let mut ids = Vec::new();
        for (package, file) in self.files.iter().enumerate() {
            for (index, item) in file.ast.items.iter().enumerate() {
                if let ItemKind::Alias(ty) = &item.kind {
                    let id = DeclarationId { package, index };
                    written.insert(id, ty);
                    ids.push(id);
                    // Until it is known what they stand for, all aliases count as sound.
                    self.aliases.insert(id, Type::Named(id));
                }
            }
        }
        let mut found: HashMap<DeclarationId, Type> = HashMap::new();
        for &id in &ids {
            if let Some(ty) = self.resolve(id.package, written[&id]) {
                found.insert(id, ty);
            }
        }
        let mentions = |id: DeclarationId| {
            let mut names = Vec::new();
            if let Some(ty) = found.get(&id) {
                ty.for_each_name(&mut |name| names.push(name));
            }
            names.retain(|name| written.contains_key(name));
            names
        };
        let walk = graph::walk(ids, mentions);
        for cycle in &walk.cycles {
            self.report_alias_cycle(cycle);
        }
        self.aliases.clear();
        let mut depths = HashMap::new();
        for id in walk.order {
            // One that is not known yet is part of a cycle, or leads to what is broken.
            if mentions(id)
                .iter()
                .any(|name| !self.aliases.contains_key(name))
            {
                continue;
            }
            let Some(ty) = found.get(&id).cloned() else {
                continue;
            };
            let depth = 1 + ty.depth(&|name| depths.get(&name).copied().unwrap_or(0));
            if depth > MAX_NESTING {
                self.report_deep_alias(id);
                continue;
            }
            depths.insert(id, depth);
            self.aliases.insert(id, ty);
        }
        // Now that aliases can be followed.
        for file in 0..self.files.len() {
            for (index, item) in self.files[file].ast.items.iter().enumerate() {
                let id = DeclarationId {
                    package: file,
                    index,
                };
                if let (ItemKind::Alias(written), Some(ty)) =
                    (&item.kind, self.aliases.get(&id).cloned())
                {
                    self.validate(written, &ty, Place::Other);
                }
            }
        }
    }

    fn report_alias_cycle(&mut self, cycle: &[DeclarationId]) {
        let Some((first, rest)) = cycle.split_first() else {
            return;
        };
        let name = &self.item(*first).name;
        let mut diagnostic = Diagnostic::new(
            Code::AliasCycle,
            name.span,
            format!("`{}` stands for itself", name.text),
        )
        .labelled("an alias of itself");
        for id in rest.iter().take(LISTED) {
            diagnostic = diagnostic.and(self.item(*id).name.span, "by way of this");
        }
        self.sink
            .push(diagnostic.with_help("use a struct for a type that refers to itself"));
    }

    fn report_deep_alias(&mut self, id: DeclarationId) {
        let name = &self.item(id).name;
        self.sink.push(
            Diagnostic::new(
                Code::TooDeep,
                name.span,
                format!("`{}` nests more than {MAX_NESTING} deep", name.text),
            )
            .labelled("counting the aliases that it is made of")
            .with_help("use a struct for an inner part"),
        );
    }

    /// Reports types of which a value would have no end.
    pub(super) fn check_containment(&mut self, packages: &[Package]) {
        let declarations = packages.iter().enumerate().flat_map(|(package, it)| {
            (0..it.declarations.len()).map(move |index| DeclarationId { package, index })
        });
        let contained = |id: DeclarationId| {
            let mut names = Vec::new();
            let mut add = |ty: &Type| ty.for_each_contained(&mut |name| names.push(name));
            match &packages[id.package].declarations[id.index] {
                Declaration::Alias(alias) => add(&alias.ty),
                Declaration::Struct(it) => it.fields.iter().for_each(|field| add(&field.ty)),
                // Even if another variant would end it: an enum has room for each of its variants.
                Declaration::Enum(it) | Declaration::Error(it) => {
                    it.variants.iter().flat_map(fields).for_each(&mut add);
                }
                _ => {}
            }
            names
        };
        let walk = graph::walk(declarations, contained);
        for cycle in walk.cycles {
            self.report_containment(&cycle);
        }
    }

    fn report_containment(&mut self, cycle: &[DeclarationId]) {
        let is_alias = |id: &&DeclarationId| matches!(self.item(**id).kind, ItemKind::Alias(_));
        let Some(first) = cycle.iter().find(|id| !is_alias(id)) else {
            return;
        };
        let name = &self.item(*first).name;
        let mut diagnostic = Diagnostic::new(
            Code::Infinite,
            name.span,
            format!("`{}` contains itself", name.text),
        )
        .labelled("a value of it would be infinitely large");
        for id in cycle.iter().filter(|id| *id != first).take(LISTED) {
            diagnostic = diagnostic.and(self.item(*id).name.span, "by way of this");
        }
        self.sink
            .push(diagnostic.with_help("put `?`, `list` or `map` between"));
    }
}

fn fields(variant: &Variant) -> impl Iterator<Item = &Type> {
    variant.fields.iter().map(|field| &field.ty)
}
