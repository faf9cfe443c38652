//! Channels: which interfaces each end exposes.

use super::Checker;
use super::names::Wanted;
use crate::diagnostics::{Code, Diagnostic};
use crate::naming;
use crate::schema::{Declaration, DeclarationId, Package};
use crate::suggest::closest;
use crate::syntax::ast::{End, Item, ItemKind, Name, Path};
use crate::syntax::span::Span;
use std::collections::HashMap;

/// The interfaces of the ends of a channel.
#[derive(Default)]
struct Ends {
    server: Option<(Span, Vec<DeclarationId>)>,
    client: Option<(Span, Vec<DeclarationId>)>,
}

impl<'a> Checker<'a> {
    /// Fills in the channels, once the functions of all interfaces are known.
    pub(super) fn lower_channels(&mut self, packages: &mut [Package]) {
        for (package, file) in self.files.iter().enumerate() {
            for (index, item) in file.ast.items.iter().enumerate() {
                let ItemKind::Channel(ends) = &item.kind else {
                    continue;
                };
                let ends = self.ends(package, item, ends, packages);
                if let Declaration::Channel(channel) = &mut packages[package].declarations[index] {
                    channel.server = ends
                        .server
                        .map_or_else(Vec::new, |(_, interfaces)| interfaces);
                    channel.client = ends
                        .client
                        .map_or_else(Vec::new, |(_, interfaces)| interfaces);
                }
            }
        }
    }

    fn ends(&mut self, file: usize, item: &Item, ends: &[End], packages: &[Package]) -> Ends {
        let mut found = Ends::default();
        for end in ends {
            let interfaces = self.interfaces(file, end, packages);
            let place = match end.name.text.as_str() {
                "server" => &mut found.server,
                "client" => &mut found.client,
                _ => {
                    self.sink.push(unknown_end(&end.name));
                    continue;
                }
            };
            if let Some((first, _)) = place {
                let first = *first;
                self.sink.push(
                    Diagnostic::new(
                        Code::ChannelEnd,
                        end.name.span,
                        format!("a second `{}`", end.name.text),
                    )
                    .labelled("again here")
                    .and(first, "first here")
                    .with_help("interfaces of one end are separated by `,`"),
                );
                continue;
            }
            *place = Some((end.name.span, interfaces));
        }
        if ends.is_empty() {
            let message = format!("nothing is exposed on the channel `{}`", item.name.text);
            self.sink.push(
                Diagnostic::new(Code::ChannelEnd, item.name.span, message)
                    .labelled("expected `server: …;` or `client: …;`"),
            );
        }
        found
    }

    /// The interfaces of one end, which share its wire names.
    fn interfaces(&mut self, file: usize, end: &End, packages: &[Package]) -> Vec<DeclarationId> {
        let mut found: Vec<(DeclarationId, &Path)> = Vec::new();
        let mut taken: HashMap<&str, (DeclarationId, usize)> = HashMap::new();
        for path in &end.interfaces {
            let Some(id) = self.lookup_kind(file, path, Wanted::Interface) else {
                continue;
            };
            if let Some((_, first)) = found.iter().find(|(other, _)| *other == id) {
                self.sink.push(
                    Diagnostic::new(
                        Code::ChannelEnd,
                        path.span,
                        format!("`{}` stands twice at one end", path.text()),
                    )
                    .labelled("again here")
                    .and(first.span, "first here"),
                );
                continue;
            }
            found.push((id, path));
            let Declaration::Interface(interface) = &packages[id.package].declarations[id.index]
            else {
                continue;
            };
            for (index, function) in interface.functions.iter().enumerate() {
                match taken.get(function.wire_name.as_str()) {
                    // Twice within an interface was reported there.
                    Some((other, _)) if *other == id => {}
                    Some((other, at)) => {
                        let mut diagnostic = Diagnostic::new(
                            Code::WireDuplicate,
                            path.span,
                            format!(
                                "two functions of the wire name `{}` at one end",
                                function.wire_name
                            ),
                        )
                        .labelled("brings the second");
                        for (id, index) in [(*other, *at), (id, index)] {
                            if let Some(name) = self.function_name(id, index) {
                                diagnostic = diagnostic.and(name.span, "one of them");
                            }
                        }
                        self.sink.push(
                            diagnostic.with_help(
                                "use `@expose` on a function or `@prefix` on an interface",
                            ),
                        );
                    }
                    None => {
                        taken.insert(&function.wire_name, (id, index));
                    }
                }
            }
        }
        let names = found.iter().filter_map(|(_, path)| path.segments.last());
        // Each is a parameter where the channel is connected or served.
        self.check_distinct(
            "interface of this end",
            names.map(|name| (name, naming::legal(naming::snake(&name.text)))),
        );
        found.into_iter().map(|(id, _)| id).collect()
    }

    fn function_name(&self, id: DeclarationId, index: usize) -> Option<&'a Name> {
        match &self.item(id).kind {
            ItemKind::Interface(functions) => functions.get(index).map(|function| &function.name),
            _ => None,
        }
    }
}

fn unknown_end(name: &Name) -> Diagnostic {
    Diagnostic::new(
        Code::ChannelEnd,
        name.span,
        format!("a channel has no end `{}`", name.text),
    )
    .labelled("expected `server` or `client`")
    .did_you_mean(closest(&name.text, ["server", "client"]))
}
