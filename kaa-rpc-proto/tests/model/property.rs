//! What must hold whenever an end opens, judged by the bytes alone and not by what the scheme says.

use kaa_rpc_proto::handshake::{KeyId, Role};

use crate::rebuilt::Conversation;
use crate::scheme::{End, Run, Status, View};

/// One end and what has happened at it.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) end: &'a End,
    pub(crate) received: &'a [Vec<u8>],
    pub(crate) run: &'a Run,
}

/// In which way an end was wrong to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Break {
    /// The proof that it accepted was its own.
    Echo,
    /// The proof was that of another end of its own role.
    Reflection,
    /// The proof was made for another connection: replayed, or passed on from somebody who talks
    /// with the attacker.
    Borrowed,
    /// The proof was made for this connection, but the ends saw different messages in it.
    Tampered,
    /// The ends saw the same messages, over channels with different binding data.
    OtherChannel,
    /// No honest end made the proof.
    Forged,
    /// Two ends opened with the same one.
    Twice,
    /// The ends opened with each other, but believe different things.
    Disagreement,
}

impl<'a> Seen<'a> {
    /// The messages before the proofs as this end saw them, once it has seen all of them.
    pub(crate) fn conversation(&self) -> Option<Conversation<'a>> {
        let (of_client, of_server) = match self.end.role {
            Role::Client => (self.run.sent.as_slice(), self.received),
            Role::Server => (self.received, self.run.sent.as_slice()),
        };
        let ([preamble, client_hello, ..], [answer, server_hello, ..]) = (of_client, of_server)
        else {
            return None;
        };
        Some(Conversation {
            preamble,
            answer,
            server_hello,
            client_hello,
            transport: self.end.settings.transport,
            binding: self.end.binding,
        })
    }

    pub(crate) fn view(&self) -> Option<&'a View> {
        match &self.run.status {
            Status::Opened(view) => Some(view),
            _ => None,
        }
    }

    /// The proof that this end has sent.
    pub(crate) fn proof(&self) -> Option<&'a [u8]> {
        self.run.sent.get(2).map(Vec::as_slice)
    }

    fn has_secret(&self, key_id: KeyId) -> Option<[u8; 32]> {
        let mut secrets = self.end.secrets.iter();
        secrets.find_map(|held| (held.key_id == key_id).then_some(held.secret))
    }
}

/// What is wrong with `ends[opened]` having opened.
///
/// It is right if there is exactly one honest end of the other role that has the same secret, saw
/// the same messages over the same channel, and sent the proof; a server must have opened before
/// its client does. Both must then believe the same.
pub(crate) fn judge(ends: &[Seen<'_>], opened: usize) -> Option<Break> {
    let me = ends[opened];
    let (view, about) = (me.view()?, me.conversation()?);
    let accepted = me.received.last()?;
    let others = || ends.iter().enumerate().filter(|(end, _)| *end != opened);
    let sent_it = |other: &Seen<'_>| other.proof() == Some(accepted.as_slice());

    let partner = others().map(|(_, other)| other).find(|other| {
        let has_my_proof = other.end.role == Role::Client
            || (other.view().is_some() && other.received.last().map(Vec::as_slice) == me.proof());
        let saw_the_same = other.conversation().is_some_and(|its| its.is_like(&about));
        other.end.role != me.end.role && saw_the_same && sent_it(other) && has_my_proof
    });
    let Some(partner) = partner else {
        return Some(blame(ends, opened, accepted));
    };
    let has_double = others().any(|(_, other)| {
        let its = other.conversation().filter(|_| other.view().is_some());
        other.end.role == me.end.role && its.is_some_and(|its| its.is_like(&about))
    });
    if has_double {
        return Some(Break::Twice);
    }
    let (ours, theirs) = (&me.end.settings, &partner.end.settings);
    if (ours.transport, me.end.binding) != (theirs.transport, partner.end.binding) {
        return Some(Break::OtherChannel);
    }
    let expected = View {
        key_id: view.key_id,
        service: theirs.service,
        instance: theirs.instance,
        limits: theirs.limits,
        features: ours.offered & theirs.offered,
        session: partner.view().map_or(view.session, |view| view.session),
    };
    let secret = me.has_secret(view.key_id);
    let agree = *view == expected && secret.is_some() && partner.has_secret(view.key_id) == secret;
    (!agree).then_some(Break::Disagreement)
}

/// Where a proof came from that `ends[opened]` should not have accepted.
fn blame(ends: &[Seen<'_>], opened: usize, accepted: &[u8]) -> Break {
    let me = ends[opened];
    if me.run.sent.iter().take(3).any(|sent| sent == accepted) && me.end.role == Role::Client {
        return Break::Echo;
    }
    let sender = |same_role: bool| {
        ends.iter().enumerate().find(|(end, other)| {
            *end != opened
                && (other.end.role == me.end.role) == same_role
                && other.proof() == Some(accepted)
        })
    };
    if let Some((_, other)) = sender(false) {
        let (theirs, ours) = (other.conversation(), me.conversation());
        return if theirs.map(|about| about.nonces()) == ours.map(|about| about.nonces()) {
            Break::Tampered
        } else {
            Break::Borrowed
        };
    }
    match sender(true) {
        Some(_) => Break::Reflection,
        None => Break::Forged,
    }
}
