//! Which token has which id?
//!
//! All tokens lie in one string, in the order of their ids; the other direction is a hash table of
//! places in it. Added tokens come on top of the model's, with the ids that Hugging Face would give them:
//! that of an equal token of the model, else the next free one, whatever the file says.

use std::{collections::HashMap, hash::BuildHasher};

use hashbrown::{DefaultHashBuilder, HashTable};
use serde_json::Value;
use tokenizers::{NormalizedString, Normalizer, NormalizerWrapper};

use crate::definition::{Added, Definition, Vocab};

/// The tokens of a model, and those added to it.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// The model's tokens, one after the other.
    text: String,
    /// Where the token of each place begins, and the end of the last one.
    starts: Vec<u32>,
    /// The id of each place; empty when place and id are the same.
    ids: Vec<u32>,
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    added: Vec<Added>,
    added_by_content: HashMap<String, u32>,
    /// The place in `added`, and what decoders are given instead of the content.
    added_by_id: HashMap<u32, (usize, Option<String>)>,
}

impl Vocabulary {
    /// The tokens of `definition`.
    pub(crate) fn new(definition: &Definition<'_>) -> Self {
        let mut tokens: Vec<(u32, &str)> = match &definition.model.vocab {
            Vocab::Ids(tokens) => tokens.iter().map(|(token, id)| (*id, token.0.as_ref())).collect(),
            Vocab::Scores(tokens) => (0..).zip(tokens.iter().map(|(token, _)| token.0.as_ref())).collect(),
        };
        if !tokens.is_sorted_by_key(|(id, _)| *id) {
            tokens.sort_by_key(|(id, _)| *id);
        }
        let dense = tokens.iter().zip(0_u32..).all(|((id, _), place)| *id == place);
        let mut text = String::with_capacity(tokens.iter().map(|(_, token)| token.len()).sum());
        let mut starts = Vec::with_capacity(tokens.len() + 1);
        for (_, token) in &tokens {
            starts.push(text.len() as u32);
            text.push_str(token);
        }
        starts.push(text.len() as u32);
        let ids = if dense { Vec::new() } else { tokens.iter().map(|(id, _)| *id).collect() };

        let mut vocabulary = Self {
            text,
            starts,
            ids,
            places: HashTable::with_capacity(tokens.len()),
            hasher: DefaultHashBuilder::default(),
            added: Vec::new(),
            added_by_content: HashMap::new(),
            added_by_id: HashMap::new(),
        };
        for (place, (_, token)) in (0_u32..).zip(&tokens) {
            let hash = vocabulary.hasher.hash_one(token);
            let Self { places, hasher, text, starts, .. } = &mut vocabulary;
            let at = |place: u32| slice(text, starts, place);
            let entry = places.entry(hash, |&other| at(other) == *token, |&other| hasher.hash_one(at(other)));
            // Of equal tokens in a list of scores the last one counts, as it would in a map.
            *entry.or_insert(place).get_mut() = place;
        }
        vocabulary.add(&definition.added_tokens, definition.normalizer.as_ref());
        vocabulary
    }

    fn add(&mut self, tokens: &[Added], normalizer: Option<&Value>) {
        let normalizer: Option<NormalizerWrapper> =
            normalizer.and_then(|value| serde_json::from_value(value.clone()).ok());
        let size = self.places.len() as u32;
        let mut next = size;
        for added in tokens {
            let content = &added.token.content;
            if content.is_empty() {
                continue;
            }
            let known = self.added_by_content.get(content).copied().or_else(|| self.model_id(content));
            let id = known.unwrap_or_else(|| {
                next += 1;
                next - 1
            });
            let shown = match (&normalizer, added.token.normalized) {
                (Some(normalizer), true) => normalized(normalizer, content),
                _ => None,
            };
            self.added_by_content.insert(content.clone(), id);
            self.added_by_id.insert(id, (self.added.len(), shown));
            self.added.push(Added { id, token: added.token.clone() });
        }
    }

    /// How many tokens there are: those of the model, or all.
    pub(crate) fn len(&self, with_added: bool) -> usize {
        let more = || self.added_by_content.keys().filter(|content| self.model_id(content).is_none()).count();
        self.places.len() + if with_added { more() } else { 0 }
    }

    /// One more than the largest id.
    pub(crate) fn limit(&self) -> u32 {
        let model = match self.ids.last() {
            Some(last) => last.saturating_add(1),
            None => self.starts.len() as u32 - 1,
        };
        self.added_by_id.keys().map(|id| id.saturating_add(1)).fold(model, u32::max)
    }

    /// The added tokens with the ids that they have, each content once.
    pub(crate) fn added(&self) -> impl Iterator<Item = &Added> {
        self.added_by_id.values().filter_map(|(place, _)| self.added.get(*place))
    }

    /// What decoders see of an id: the token, normalised when it is an added one that is matched so.
    pub(crate) fn token(&self, id: u32) -> Option<&str> {
        match self.added_by_id.get(&id) {
            Some((_, Some(shown))) => Some(shown),
            Some((place, None)) => self.added.get(*place).map(|added| added.token.content.as_str()),
            None => self.model_token(id),
        }
    }

    /// The id of a token.
    pub(crate) fn id(&self, token: &str) -> Option<u32> {
        self.added_by_content.get(token).copied().or_else(|| self.model_id(token))
    }

    /// Whether decoders leave this id out when special tokens are not wanted. By Hugging Face's rule it is
    /// the string that decoders see which has to be a special token's.
    pub(crate) fn is_special(&self, id: u32) -> bool {
        let special = |place: usize| self.added.get(place).is_some_and(|added| added.token.special);
        match self.added_by_id.get(&id) {
            None => false,
            Some((place, None)) => special(*place),
            Some((_, Some(shown))) => {
                let id = self.added_by_content.get(shown);
                id.and_then(|id| self.added_by_id.get(id)).is_some_and(|(place, _)| special(*place))
            }
        }
    }

    /// All tokens with their ids, in the order of the ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        let mut all: Vec<(&str, u32)> = (0..self.starts.len() as u32 - 1)
            .map(|place| (slice(&self.text, &self.starts, place), self.id_of_place(place)))
            .filter(|(_, id)| !self.added_by_id.contains_key(id))
            .chain(self.added_by_content.iter().map(|(content, id)| (content.as_str(), *id)))
            .collect();
        all.sort_unstable_by_key(|(token, id)| (*id, *token));
        all.into_iter()
    }

    fn id_of_place(&self, place: u32) -> u32 {
        if self.ids.is_empty() { place } else { self.ids[place as usize] }
    }

    fn model_id(&self, token: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(token);
        let place = self.places.find(hash, |&place| slice(&self.text, &self.starts, place) == token)?;
        Some(self.id_of_place(*place))
    }

    fn model_token(&self, id: u32) -> Option<&str> {
        let place = if self.ids.is_empty() { id } else { self.ids.binary_search(&id).ok()? as u32 };
        ((place as usize) < self.starts.len() - 1).then(|| slice(&self.text, &self.starts, place))
    }
}

fn slice<'a>(text: &'a str, starts: &[u32], place: u32) -> &'a str {
    &text[starts[place as usize] as usize..starts[place as usize + 1] as usize]
}

/// What the normaliser makes of a token, when that is something else.
fn normalized(normalizer: &NormalizerWrapper, content: &str) -> Option<String> {
    let mut text = NormalizedString::from(content);
    normalizer.normalize(&mut text).ok()?;
    (text.get() != content).then(|| text.get().to_owned())
}
