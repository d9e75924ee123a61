//! How much may a chat template take? It comes with a model, from whomever, and could ask for all memory
//! in a few steps, or for values so deep that to go through them takes more stack than there is.
//!
//! Steps are counted by `minijinja`. What a step makes is looked at right behind it: a text, or a list with
//! all that it leads to, has at most [`LARGEST`] bytes and [`DEEPEST`] levels, and all together have at most
//! [`ALL`] bytes, whether still in use or not. Where little can make much of it, like repeating or replacing, is
//! looked at before. Namespaces, which alone can be changed, hold no others, so that nothing holds itself.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use minijinja::{
    Environment, Error as TemplateError, ErrorKind, Output, State, Value, escape_formatter, filters,
    value::{Enumerator, Object, Rest, Tuple, ValueKind, ValueOrKwargs},
};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::steps::{JOIN, MADE, PUT, TIMES};

/// The most bytes of one text, or of a list or mapping with all that it leads to.
pub(super) const LARGEST: usize = 32 << 20;
/// The most bytes that are made.
const ALL: u64 = 1 << 30;
/// The most levels of lists and mappings.
const DEEPEST: usize = 128;
/// The steps that a template may take.
const STEPS: u64 = 10_000_000;
/// What a value takes beside its text.
const VALUE: usize = 32;

/// A limit that was met.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub most: u64,
    pub what: &'static str,
}

impl Limit {
    pub(super) const STEPS: Self = Self { most: STEPS, what: "steps" };
    const LARGEST: Self = Self { most: LARGEST as u64, what: "bytes for one value" };
    const ALL: Self = Self { most: ALL, what: "bytes" };
    const DEEPEST: Self = Self { most: DEEPEST as u64, what: "levels of lists and mappings" };
}

/// What a template took so far. Clones count together.
#[derive(Clone, Debug, Default)]
pub(super) struct Spent(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    bytes: AtomicU64,
    exceeded: OnceLock<Limit>,
}

impl Spent {
    /// The limit that ended it, if one did.
    pub(super) fn exceeded(&self) -> Option<Limit> {
        self.0.exceeded.get().copied()
    }

    pub(super) fn too_large(&self) -> TemplateError {
        self.refuse(Limit::LARGEST)
    }

    fn refuse(&self, limit: Limit) -> TemplateError {
        let limit = self.0.exceeded.get_or_init(|| limit);
        TemplateError::new(ErrorKind::InvalidOperation, format!("more than {} {}", limit.most, limit.what))
    }

    /// Takes the bytes of what is written or made.
    fn take(&self, bytes: usize) -> Result<(), TemplateError> {
        let before = self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if before.saturating_add(bytes as u64) > ALL { Err(self.refuse(Limit::ALL)) } else { Ok(()) }
    }

    /// Refuses a value that would have so many bytes.
    fn room(&self, bytes: Option<usize>) -> Result<(), TemplateError> {
        match bytes {
            Some(bytes) if bytes <= LARGEST => Ok(()),
            _ => Err(self.too_large()),
        }
    }

    /// The bytes of `value` with all that it leads to, as often as it does.
    fn weigh(&self, value: &Value) -> Result<usize, TemplateError> {
        let mut weight = 0;
        self.add_weight(value, 0, &mut weight)?;
        Ok(weight)
    }

    fn add_weight(&self, value: &Value, depth: usize, weight: &mut usize) -> Result<(), TemplateError> {
        if depth > DEEPEST {
            return Err(self.refuse(Limit::DEEPEST));
        }
        *weight += VALUE + value.as_str().map_or(0, str::len) + value.as_bytes().map_or(0, <[u8]>::len);
        self.room(Some(*weight))?;
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                for item in value.try_iter()? {
                    self.add_weight(&item, depth + 1, weight)?;
                }
            }
            ValueKind::Map => {
                for key in value.try_iter()? {
                    self.add_weight(&value.get_item(&key)?, depth + 1, weight)?;
                    self.add_weight(&key, depth + 1, weight)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The value that a step made, once it was looked at. What would be computed anew each time that it is
    /// gone through becomes a list.
    fn made(&self, value: &Value) -> Result<Value, TemplateError> {
        if let Some(text) = value.as_str() {
            self.room(Some(text.len()))?;
            self.take(text.len())?;
            return Ok(value.clone());
        }
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
                self.weigh(value)?;
                self.take(VALUE.saturating_mul(value.len().unwrap_or(1)))?;
            }
            _ => {}
        }
        if value.kind() == ValueKind::Iterable {
            return Ok(value.try_iter()?.collect::<Vec<Value>>().into());
        }
        Ok(value.clone())
    }

    fn join(&self, left: &Value, right: &Value) -> Result<Value, TemplateError> {
        self.made(&format!("{left}{right}").into())
    }

    fn times(&self, left: &Value, right: &Value) -> Result<Value, TemplateError> {
        let impossible = || {
            let reason = format!("`{left}` cannot be multiplied with `{right}`");
            TemplateError::new(ErrorKind::InvalidOperation, reason)
        };
        let (repeated, number) = if left.kind() == ValueKind::Number { (right, left) } else { (left, right) };
        match repeated.kind() {
            ValueKind::String | ValueKind::Seq | ValueKind::Iterable => {
                let number = number.as_usize().ok_or_else(impossible)?;
                if let Some(text) = repeated.as_str() {
                    self.room(text.len().checked_mul(number))?;
                    return self.made(&text.repeat(number).into());
                }
                self.room(self.weigh(repeated)?.checked_mul(number))?;
                let once: Vec<Value> = repeated.try_iter()?.collect();
                let items: Vec<Value> = (0..number).flat_map(|_| once.iter().cloned()).collect();
                let is_tuple = repeated.is_tuple();
                self.made(&if is_tuple { Value::from(Tuple::from(items)) } else { items.into() })
            }
            _ if left.is_integer() && right.is_integer() => {
                let (left, right) = (i128::try_from(left.clone())?, i128::try_from(right.clone())?);
                let product = left.checked_mul(right).ok_or_else(impossible)?;
                Ok(i64::try_from(product).map_or_else(|_| product.into(), Value::from))
            }
            _ => Ok((f64::try_from(left.clone())? * f64::try_from(right.clone())?).into()),
        }
    }

    /// Writes a value into the text, or into what becomes a variable.
    fn write(
        &self,
        out: &mut Output<'_>,
        state: &mut State<'_, '_>,
        value: &Value,
    ) -> Result<(), TemplateError> {
        match value.as_str() {
            Some(text) => self.take(text.len())?,
            None => self.take(self.weigh(value)?)?,
        }
        escape_formatter(out, state, value)
    }

    /// Refuses a filter or method that would make too much of `arguments`.
    fn before(&self, name: &str, arguments: &[Value]) -> Result<(), TemplateError> {
        let text = |place: usize| arguments.get(place).and_then(Value::as_str);
        let number = |place: usize| arguments.get(place).and_then(Value::as_usize);
        match name {
            "replace" => {
                let (Some(text), Some(from), Some(to)) = (text(0), text(1), text(2)) else { return Ok(()) };
                self.room(text.matches(from).count().checked_mul(to.len()))
            }
            "join" => {
                let mut bytes = 0;
                let mut items = 0;
                for argument in arguments {
                    bytes += self.weigh(argument)?;
                    items += argument.len().unwrap_or(0);
                }
                let between = arguments.iter().filter_map(Value::as_str).map(str::len).max().unwrap_or(0);
                self.room(items.checked_mul(between).and_then(|between| between.checked_add(bytes)))
            }
            "indent" => {
                let lines = text(0).map_or(0, |text| text.matches('\n').count() + 1);
                let widest = arguments.iter().flat_map(numbers).max().unwrap_or(0);
                self.room(lines.checked_mul(widest))
            }
            "format" => {
                // A width is written in the text, or given for a star.
                let digits = text(0).unwrap_or_default().split(|c: char| !c.is_ascii_digit());
                let written = digits.filter(|digits| !digits.is_empty());
                let written = written.map(|digits| digits.parse().unwrap_or(usize::MAX));
                let given =
                    arguments.iter().flat_map(numbers).filter(|_| text(0).is_some_and(|t| t.contains('*')));
                written.chain(given).try_for_each(|width| self.room(width.checked_mul(VALUE)))
            }
            "batch" | "slice" => self.room(number(1).unwrap_or(0).checked_mul(VALUE)),
            _ => Ok(()),
        }
    }
}

/// The number that a value is, or those that are given by name.
fn numbers(value: &Value) -> Vec<usize> {
    match value.kind() {
        ValueKind::Map => {
            let keys = value.try_iter().into_iter().flatten();
            keys.filter_map(|key| value.get_item(&key).ok()?.as_usize()).collect()
        }
        _ => value.as_usize().into_iter().collect(),
    }
}

/// Gives all of `environment` its limits.
pub(super) fn impose(environment: &mut Environment<'_>, spent: &Spent) {
    environment.set_fuel(Some(STEPS));
    let own = spent.clone();
    environment.set_formatter(move |out, state, value| own.write(out, state, value));
    let own = spent.clone();
    environment.add_filter(MADE, move |value: &Value| own.made(value));
    let own = spent.clone();
    environment.add_filter(JOIN, move |left: &Value, right: &Value| own.join(left, right));
    let own = spent.clone();
    environment.add_filter(TIMES, move |left: &Value, right: &Value| own.times(left, right));
    let own = spent.clone();
    environment.add_filter(PUT, move |value: &Value, into: &Value, name: String| own.put(value, into, name));
    let own = spent.clone();
    environment
        .add_function("namespace", move |given: Rest<ValueOrKwargs>| own.namespace(given.into_values()));
    // It shows more than a template is given.
    environment.remove_global("debug");

    type Filter = fn(&mut Environment<'_>, &'static str);
    let originals: [(&str, &'static str, Filter); 6] = [
        ("replace", "bowstring.replace", |to, name| to.add_filter(name, filters::replace)),
        ("join", "bowstring.join_items", |to, name| to.add_filter(name, filters::join)),
        ("indent", "bowstring.indent", |to, name| to.add_filter(name, filters::indent)),
        ("format", "bowstring.format", |to, name| to.add_filter(name, filters::format)),
        ("batch", "bowstring.batch", |to, name| to.add_filter(name, filters::batch)),
        ("slice", "bowstring.slice", |to, name| to.add_filter(name, filters::slice)),
    ];
    for (name, original, add) in originals {
        add(environment, original);
        let own = spent.clone();
        environment.add_filter(name, move |state: &mut State<'_, '_>, arguments: Rest<ValueOrKwargs>| {
            let arguments = arguments.into_values();
            own.before(name, &arguments)?;
            state.apply_filter(original, &arguments)
        });
    }
    let own = spent.clone();
    environment.set_unknown_method_callback(move |state, value, method, arguments| {
        let all: Vec<Value> = std::iter::once(value).chain(arguments).cloned().collect();
        own.before(method, &all)?;
        unknown_method_callback(state, value, method, arguments)
    });
}

/// What can be changed by `set`.
#[derive(Debug, Default)]
struct Namespace(Mutex<BTreeMap<String, Value>>);

impl Namespace {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Value>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Object for Namespace {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        self.with(|values| values.get(name).cloned())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.with(|values| values.keys().map(|name| Value::from(name.as_str())).collect()))
    }
}

impl Spent {
    fn namespace(&self, given: Vec<Value>) -> Result<Value, TemplateError> {
        let namespace = Value::from_object(Namespace::default());
        for values in &given {
            for name in values.try_iter()? {
                self.put(&values.get_item(&name)?, &namespace, name.to_string())?;
            }
        }
        Ok(namespace)
    }

    fn put(&self, value: &Value, into: &Value, name: String) -> Result<Value, TemplateError> {
        let invalid = |reason: String| TemplateError::new(ErrorKind::InvalidOperation, reason);
        let Some(namespace) = into.downcast_object_ref::<Namespace>() else {
            return Err(invalid(format!("can only assign to namespaces, not {}", into.kind())));
        };
        self.weigh(value)?;
        if !can_be_put(value) {
            return Err(invalid(format!("`{name}` of a namespace cannot hold a namespace or a loop")));
        }
        self.take(VALUE + name.len())?;
        namespace.with(|values| values.insert(name, value.clone()));
        Ok(Value::UNDEFINED)
    }
}

/// Whether no namespace is in it, nor a loop, which holds what it goes through out of sight.
fn can_be_put(value: &Value) -> bool {
    let all = |value: &Value, test: &dyn Fn(&Value) -> bool| {
        value.try_iter().is_ok_and(|mut items| items.all(|item| test(&item)))
    };
    match value.kind() {
        ValueKind::Map => {
            let has = |name: &str| value.get_attr(name).is_ok_and(|found| !found.is_undefined());
            let is_loop = has("revindex0") && has("depth0");
            let is_namespace = value.downcast_object_ref::<Namespace>().is_some();
            !is_loop
                && !is_namespace
                && all(value, &|key| value.get_item(key).is_ok_and(|item| can_be_put(&item)))
        }
        ValueKind::Seq | ValueKind::Iterable => all(value, &can_be_put),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails unless `name` is refused with `arguments` before it makes anything.
    fn refused(name: &str, arguments: Vec<Value>) {
        let spent = Spent::default();
        assert!(spent.before(name, &arguments).is_err(), "{name} of {arguments:?}");
        assert_eq!(spent.exceeded().map(|limit| limit.most), Some(LARGEST as u64));
        assert!(Spent::default().before(name, &[Value::from("a"), Value::from(1)]).is_ok(), "{name}");
    }

    #[test]
    fn what_makes_much_of_little_is_refused_before() {
        let long = || Value::from("a".repeat(9999));
        let many = || Value::from(vec![1; 9999]);
        refused("replace", vec![long(), "a".into(), long()]);
        refused("replace", vec![long(), "".into(), long()]);
        refused("join", vec![many(), long()]);
        refused("join", vec![long(), many()]);
        refused("indent", vec!["a".into(), 99_999_999.into()]);
        refused("indent", vec!["a".into(), Value::from_pairs([("width", 99_999_999)])]);
        refused("format", vec!["%99999999d".into(), 1.into()]);
        refused("format", vec!["%*d".into(), 99_999_999.into(), 1.into()]);
        refused("batch", vec![many(), 99_999_999.into()]);
        refused("slice", vec![many(), 99_999_999.into()]);
    }
}
