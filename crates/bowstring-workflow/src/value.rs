//! What travels between steps?

use std::{any::Any, fmt, sync::Arc};

/// The type of a value between steps, as `table` or `graph`. The engine compares names and knows
/// nothing else of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueType(pub &'static str);

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// An immutable, shared value that a step made. Clones share it; it is freed with the last one.
#[derive(Clone)]
pub struct Value {
    kind: ValueType,
    data: Arc<dyn Any + Send + Sync>,
}

impl Value {
    /// Wraps `data` as a value of type `kind`.
    pub fn new<T: Any + Send + Sync>(kind: ValueType, data: T) -> Self {
        Self { kind, data: Arc::new(data) }
    }

    /// The type it was made with.
    pub fn kind(&self) -> ValueType {
        self.kind
    }

    /// The data, when it is a `T`.
    pub fn downcast<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.data).downcast().ok()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.kind)
    }
}
