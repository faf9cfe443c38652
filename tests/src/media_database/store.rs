//! What the daemon knows: no locks, no calls.

use std::collections::{BTreeMap, BTreeSet};

use kaa_rpc_runtime::Value;

use crate::beacon::{AttributeSpec, Attributes, DatabaseError, ItemId, Medium, Query};

/// A directory on a share whose server does not answer: looking into it never ends.
pub const HUNG: &str = "/net/hung";

/// The directories that there are, and their files.
const DIRECTORIES: [(&str, &[&str]); 2] = [
    ("/media/disc/music", &["a.ogg", "b.ogg", "c.ogg"]),
    ("/home/video", &["holiday.mkv"]),
];

/// The content of the database.
#[derive(Debug, Default)]
pub struct Store {
    media: BTreeMap<String, Attributes>,
    items: BTreeMap<ItemId, Attributes>,
    next_item: i64,
    types: BTreeMap<String, BTreeMap<String, AttributeSpec>>,
    watched: BTreeSet<String>,
    monitors: BTreeMap<(i64, i64), Query>,
    lock: Option<i64>,
}

impl Store {
    /// One disc is in the drive, and no item is known.
    #[must_use]
    pub fn new() -> Self {
        let disc = Attributes::from([
            ("label".to_owned(), "DISC".into()),
            ("mountpoint".to_owned(), "/media/disc".into()),
        ]);
        Self {
            media: BTreeMap::from([("disc".to_owned(), disc)]),
            ..Self::default()
        }
    }

    pub(super) fn media(&self) -> Vec<Medium> {
        self.media.clone().into_iter().collect()
    }

    pub(super) fn add_type(&mut self, name: String, attributes: BTreeMap<String, AttributeSpec>) {
        self.types.entry(name).or_default().extend(attributes);
    }

    /// Gives the lock to `client`, which may have it already.
    pub(super) fn lock(&mut self, client: i64) -> Result<(), DatabaseError> {
        self.may_write(client)?;
        self.lock = Some(client);
        Ok(())
    }

    pub(super) fn unlock(&mut self, client: i64) -> Result<(), DatabaseError> {
        if self.lock != Some(client) {
            return Err(DatabaseError::NotLocked);
        }
        self.lock = None;
        Ok(())
    }

    pub(super) fn may_write(&self, client: i64) -> Result<(), DatabaseError> {
        match self.lock {
            Some(holder) if holder != client => Err(DatabaseError::Locked { holder }),
            _ => Ok(()),
        }
    }

    /// Ends what a client had; gives whether it held the lock.
    pub(super) fn forget_client(&mut self, client: i64) -> bool {
        self.monitors.retain(|(owner, _), _| *owner != client);
        self.unlock(client).is_ok()
    }

    /// Makes items of the files of a directory that have none; gives how many files there are.
    pub(super) fn scan(&mut self, directory: &str) -> Result<u64, DatabaseError> {
        let files = files(directory)?;
        for file in files {
            self.request(&format!("{directory}/{file}"))?;
        }
        Ok(files.len() as u64)
    }

    pub(super) fn watch(&mut self, directory: &str) -> Result<(), DatabaseError> {
        files(directory)?;
        self.watched.insert(directory.to_owned());
        Ok(())
    }

    /// The item of a file, made if need be.
    pub(super) fn request(&mut self, filename: &str) -> Result<Attributes, DatabaseError> {
        let url = Value::from(format!("file://{filename}"));
        let known = self
            .items
            .values()
            .find(|item| item.get("url") == Some(&url));
        if let Some(item) = known {
            return Ok(item.clone());
        }
        let (directory, name) = filename.rsplit_once('/').unwrap_or(("", filename));
        if !files(directory)?.contains(&name) {
            return Err(DatabaseError::NoItem {
                id: ("file".to_owned(), 0),
            });
        }
        let id = self.insert("file", Attributes::from([("url".to_owned(), url)]));
        let item = self.items.get(&id);
        item.cloned().ok_or(DatabaseError::NoItem { id })
    }

    /// Makes an item. `parent` is an item or, as `("dir", 0)`, the root.
    pub(super) fn create(
        &mut self,
        r#type: &str,
        parent: ItemId,
        mut attributes: Attributes,
    ) -> Result<ItemId, DatabaseError> {
        if parent != ("dir".to_owned(), 0) && !self.items.contains_key(&parent) {
            return Err(DatabaseError::NoItem { id: parent });
        }
        let (parent_type, parent_id) = parent;
        let parent = Value::List(vec![parent_type.into(), parent_id.into()]);
        attributes.insert("parent".to_owned(), parent);
        Ok(self.insert(r#type, attributes))
    }

    fn insert(&mut self, r#type: &str, mut attributes: Attributes) -> ItemId {
        self.next_item += 1;
        let id = (r#type.to_owned(), self.next_item);
        attributes.insert("id".to_owned(), self.next_item.into());
        self.items.insert(id.clone(), attributes);
        id
    }

    /// Changes all items, or none if one is missing.
    pub(super) fn update(
        &mut self,
        changes: Vec<(ItemId, Attributes)>,
    ) -> Result<(), DatabaseError> {
        if let Some((id, _)) = changes.iter().find(|(id, _)| !self.items.contains_key(id)) {
            return Err(DatabaseError::NoItem { id: id.clone() });
        }
        for (id, attributes) in changes {
            self.items.entry(id).or_default().extend(attributes);
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, id: ItemId) -> Result<(), DatabaseError> {
        match self.items.remove(&id) {
            Some(_) => Ok(()),
            None => Err(DatabaseError::NoItem { id }),
        }
    }

    /// Forgets a medium and what lies on it; gives how many items that were.
    pub(super) fn delete_medium(&mut self, id: &str) -> Result<u64, DatabaseError> {
        let medium = self.media.remove(id);
        let Some(medium) = medium else {
            return Err(DatabaseError::NoMedium { id: id.to_owned() });
        };
        let before = self.items.len();
        if let Some(mountpoint) = medium.get("mountpoint").and_then(Value::as_str) {
            let prefix = format!("file://{mountpoint}/");
            self.items.retain(|_, item| {
                let url = item.get("url").and_then(Value::as_str);
                !url.is_some_and(|url| url.starts_with(&prefix))
            });
        }
        Ok((before - self.items.len()) as u64)
    }

    /// Takes a medium out of its drive, but keeps its items; gives its properties.
    pub(super) fn eject(&mut self, id: &str) -> Result<Attributes, DatabaseError> {
        let medium = self.media.get_mut(id);
        let medium = medium.filter(|medium| medium.contains_key("mountpoint"));
        let Some(medium) = medium else {
            return Err(DatabaseError::NoMedium { id: id.to_owned() });
        };
        medium.remove("mountpoint");
        Ok(medium.clone())
    }

    pub(super) fn monitor(&mut self, client: i64, request: i64, query: Query) {
        self.monitors.insert((client, request), query);
    }

    pub(super) fn unmonitor(&mut self, client: i64, request: i64) {
        self.monitors.remove(&(client, request));
    }

    /// For each monitor, who has it and how many items it finds now.
    pub(super) fn found(&self) -> Vec<((i64, i64), u64)> {
        let count = |query: &Query| {
            let items = self.items.values();
            let found = items.filter(|item| query.iter().all(|(k, v)| item.get(k) == Some(v)));
            found.count() as u64
        };
        self.monitors
            .iter()
            .map(|(id, query)| (*id, count(query)))
            .collect()
    }
}

fn files(directory: &str) -> Result<&'static [&'static str], DatabaseError> {
    DIRECTORIES
        .iter()
        .find_map(|(name, files)| (*name == directory).then_some(*files))
        .ok_or_else(|| DatabaseError::NoDirectory {
            directory: directory.to_owned(),
        })
}
