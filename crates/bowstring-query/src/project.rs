//! Which columns does a frame have? Choosing, computing, renaming, casting them.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::utils::{find_aggregate_exprs, find_window_exprs};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast};

use crate::{Frame, QueryError, Result};

impl Frame {
    /// Exactly these columns: SQL expressions, each with a name (`a + 1 as b`) or named as it is
    /// written; `*` stands for all.
    ///
    /// # Errors
    /// When an expression is malformed, has an unknown name or a wrong type, or is an aggregate;
    /// when two columns have one name.
    pub fn select(&self, exprs: &[String]) -> Result<Frame> {
        let mut columns = Vec::with_capacity(exprs.len());
        for text in exprs {
            columns.extend(self.select_item(text)?);
        }
        if columns.is_empty() {
            return Err(QueryError::plan("no column is selected"));
        }
        self.project(columns)
    }

    /// Computes columns from `(name, expression)`. One that exists is replaced where it stands, a
    /// new one is appended; every expression sees the old columns.
    ///
    /// # Errors
    /// As [`Frame::select`].
    pub fn with_columns(&self, columns: &[(String, String)]) -> Result<Frame> {
        let mut computed = self.by_name(columns, |_, text| self.expr(text))?;
        let mut all = self.replace(&mut computed)?;
        // What is left is new, in the order in which it was asked for.
        all.extend(columns.iter().filter_map(|(name, _)| computed.remove(name.as_str())));
        self.project(all)
    }

    /// Gives columns new names, from `(old, new)`, all at once: two can swap.
    ///
    /// # Errors
    /// When a column is unknown or two would have one name.
    pub fn rename(&self, columns: &[(String, String)]) -> Result<Frame> {
        let mut renamed = HashMap::new();
        for (old, new) in columns {
            let column = self.column(old)?.alias(new);
            if renamed.insert(old.as_str(), column).is_some() {
                return Err(QueryError::DuplicateColumn { name: old.clone() });
            }
        }
        let all = self.replace(&mut renamed)?;
        self.project(all)
    }

    /// All columns but these.
    ///
    /// # Errors
    /// When a column is unknown, or none would be left.
    pub fn drop(&self, columns: &[String]) -> Result<Frame> {
        for name in columns {
            self.column(name)?;
        }
        let kept = self.names().filter(|name| !columns.iter().any(|dropped| dropped == name));
        let kept: Vec<Expr> = kept.map(|name| self.column(name)).collect::<Result<_>>()?;
        if kept.is_empty() {
            return Err(QueryError::plan("no column would be left"));
        }
        self.project(kept)
    }

    /// Casts columns, from `(name, type)`: SQL's name of a type (`decimal(12, 2)`), Arrow's, or a
    /// short one (`int64`, `string`, `date`). Numbers with a fraction are cut towards zero when
    /// cast to integers.
    ///
    /// # Errors
    /// When a column or type is unknown, or there is no such cast. When it runs: a
    /// [`Data`](bowstring_core::ErrorKind::Data) error at the first value that cannot be cast;
    /// never a null in its place.
    pub fn cast(&self, columns: &[(String, String)]) -> Result<Frame> {
        let mut casts = self
            .by_name(columns, |name, text| Ok(cast(self.column(name)?, self.session().data_type(text)?)))?;
        let all = self.replace(&mut casts)?;
        self.project(all)
    }

    /// Puts a value, from `(name, value)`, in the place of nulls. The column keeps its type.
    ///
    /// # Errors
    /// When a column is unknown, or the value does not fit its type exactly.
    pub fn fill_null(&self, columns: &[(String, serde_json::Value)]) -> Result<Frame> {
        let mut filled = self.by_name(columns, |name, value| {
            let column = self.column(name)?;
            let data_type = self.data_type_of(name)?;
            let literal = fitting(value, &data_type).ok_or_else(|| QueryError::UnfitValue {
                value: value.to_string(),
                column: name.to_owned(),
                data_type,
            })?;
            Ok(coalesce(vec![column, Expr::Literal(literal, None)]))
        })?;
        let all = self.replace(&mut filled)?;
        self.project(all)
    }

    pub(crate) fn data_type_of(&self, name: &str) -> Result<DataType> {
        match self.schema().field_with_name(name) {
            Ok(field) => Ok(field.data_type().clone()),
            Err(_) => Err(QueryError::unknown_column(name, self.names())),
        }
    }

    /// One expression for each name, none of them twice.
    fn by_name<'a, T>(
        &self,
        columns: &'a [(String, T)],
        make: impl Fn(&'a str, &'a T) -> Result<Expr>,
    ) -> Result<HashMap<&'a str, Expr>> {
        let mut made = HashMap::new();
        for (name, what) in columns {
            if made.insert(name.as_str(), make(name, what)?.alias(name)).is_some() {
                return Err(QueryError::DuplicateColumn { name: name.clone() });
            }
        }
        Ok(made)
    }

    /// All columns in their order, some of them replaced; what is replaced is taken out of the map.
    fn replace(&self, by: &mut HashMap<&str, Expr>) -> Result<Vec<Expr>> {
        self.names().map(|name| by.remove(name).map_or_else(|| self.column(name), Ok)).collect()
    }

    pub(crate) fn project(&self, columns: Vec<Expr>) -> Result<Frame> {
        refuse_aggregates(&columns)?;
        self.then(|builder| {
            let windows = find_window_exprs(&columns);
            let builder = if windows.is_empty() {
                builder
            } else {
                LogicalPlanBuilder::from(LogicalPlanBuilder::window_plan(builder.build()?, windows)?)
            };
            builder.project(columns)
        })
    }
}

pub(crate) fn refuse_aggregates<'a>(exprs: impl IntoIterator<Item = &'a Expr>) -> Result<()> {
    match find_aggregate_exprs(exprs).first() {
        None => Ok(()),
        Some(aggregate) => Err(QueryError::Plan {
            reason: format!("`{}` is an aggregate, which stands for many rows", aggregate.human_display()),
            hint: Some("use `aggregate`, or add `over ()`".into()),
        }),
    }
}

/// The value in exactly this type, when there is one.
fn fitting(value: &serde_json::Value, data_type: &DataType) -> Option<ScalarValue> {
    use serde_json::Value;
    let text = match (value, data_type) {
        (Value::Bool(value), DataType::Boolean) => return Some(ScalarValue::Boolean(Some(*value))),
        (Value::String(text), data_type) if data_type.is_string() || data_type.is_temporal() => text.clone(),
        (Value::Number(number), data_type) if data_type.is_integer() => {
            number.as_i64().map(|n| n.to_string()).or_else(|| number.as_u64().map(|n| n.to_string()))?
        }
        (Value::Number(number), data_type) if data_type.is_floating() => {
            let float = number.as_f64()?;
            let literal = ScalarValue::Float64(Some(float)).cast_to(data_type).ok()?;
            let back = literal.cast_to(&DataType::Float64).ok()?;
            return matches!(back, ScalarValue::Float64(Some(value)) if value.is_finite()).then_some(literal);
        }
        (Value::Number(number), data_type) if data_type.is_decimal() => {
            let text = number.to_string();
            let decimals = text.split_once('.').map_or(0, |(_, digits)| digits.len());
            let scale = match data_type {
                DataType::Decimal32(_, scale)
                | DataType::Decimal64(_, scale)
                | DataType::Decimal128(_, scale)
                | DataType::Decimal256(_, scale) => usize::try_from(*scale).ok()?,
                _ => return None,
            };
            if decimals > scale || text.contains(['e', 'E']) {
                return None;
            }
            text
        }
        (value, DataType::Dictionary(key, inner)) => {
            return Some(ScalarValue::Dictionary(key.clone(), Box::new(fitting(value, inner)?)));
        }
        _ => return None,
    };
    let literal = ScalarValue::Utf8(Some(text)).cast_to(data_type).ok()?;
    (!literal.is_null()).then_some(literal)
}
