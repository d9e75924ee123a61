//! How does a whole SQL query become a frame?

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;

use bowstring_core::nearest;
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider,
};
use datafusion::common::TableReference;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::sql::parser::Statement;
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{self, Visit};
use futures::FutureExt;

use crate::error::{during, planning};
use crate::{Frame, QueryError, Result, Session};

/// The tables that a query reads, sorted, each once, without the names that it defines itself
/// (`WITH name AS`).
///
/// # Errors
/// When the text is not one query.
pub fn referenced_tables(query: &str) -> Result<Vec<String>> {
    tables_of(&read_only(query)?)
}

impl Session {
    /// A lazy frame of a query over `tables`, by name: a SELECT, WITH or VALUES.
    ///
    /// # Errors
    /// When the text is not one query, does more than read, or names a table, column or type that
    /// does not fit.
    pub fn sql(&self, query: &str, tables: &[(String, Frame)]) -> Result<Frame> {
        let mut statement = read_only(query)?;
        for name in tables_of(&statement)? {
            if !tables.iter().any(|(known, _)| *known == name) {
                let available: Vec<String> = tables.iter().map(|(known, _)| known.clone()).collect();
                let nearest = nearest(&name, available.iter().map(String::as_str)).map(str::to_owned);
                return Err(QueryError::UnknownTable { name, nearest, available });
            }
        }
        name_as_written(&mut statement);
        let state = SessionStateBuilder::new_from_existing(self.state().clone())
            .with_catalog_list(catalog(tables)?)
            .build();
        let plan = crate::size::planning(|| state.statement_to_plan(statement).now_or_never())
            .ok_or_else(|| QueryError::Internal { during: "planning a query", reason: "it waited".into() })?
            .map_err(planning("planning a query"))?;
        let only_read =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        only_read.verify_plan(&plan).map_err(|_| not_a_query(query))?;
        Frame::new(self, plan)
    }
}

fn not_a_query(text: &str) -> QueryError {
    QueryError::NotAQuery { statement: crate::parse::shortened(text) }
}

fn read_only(query: &str) -> Result<Statement> {
    let statement = crate::parse::statement(query)?;
    match &statement {
        Statement::Statement(inner) if matches!(inner.as_ref(), ast::Statement::Query(query) if reads(&query.body)) =>
        {
            crate::size::check_query(inner)?;
            Ok(statement)
        }
        _ => Err(not_a_query(query)),
    }
}

/// Whether the query is made of selections and lists of values alone.
fn reads(body: &ast::SetExpr) -> bool {
    match body {
        ast::SetExpr::Select(_) | ast::SetExpr::Values(_) | ast::SetExpr::Table(_) => true,
        ast::SetExpr::Query(query) => reads(&query.body),
        ast::SetExpr::SetOperation { left, right, .. } => reads(left) && reads(right),
        _ => false,
    }
}

fn tables_of(statement: &Statement) -> Result<Vec<String>> {
    let (tables, _) = resolve_table_references(statement, false).map_err(during("reading a query"))?;
    let mut functions = TableFunctions::default();
    if let Statement::Statement(statement) = statement {
        let ControlFlow::Continue(()) = statement.visit(&mut functions);
    }
    let mut names: Vec<String> = tables
        .into_iter()
        .map(|table| match table {
            TableReference::Bare { table } => table.to_string(),
            qualified => qualified.to_string(),
        })
        .filter(|name| !functions.0.contains(name))
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// The functions that stand where tables do, as `generate_series(1, 10)`.
#[derive(Default)]
struct TableFunctions(Vec<String>);

impl ast::Visitor for TableFunctions {
    type Break = Infallible;

    fn pre_visit_table_factor(&mut self, factor: &ast::TableFactor) -> ControlFlow<Infallible> {
        if let ast::TableFactor::Table { name, args: Some(_), .. } = factor {
            self.0.push(name.to_string());
        }
        ControlFlow::Continue(())
    }
}

/// Gives the columns of the outermost SELECT the names that they are written with: DataFusion would
/// put the tables' names into those of expressions.
fn name_as_written(statement: &mut Statement) {
    let Statement::Statement(statement) = statement else { return };
    let ast::Statement::Query(query) = statement.as_mut() else { return };
    let mut body = query.body.as_mut();
    loop {
        match body {
            ast::SetExpr::SetOperation { left, .. } => body = left,
            ast::SetExpr::Query(inner) => body = inner.body.as_mut(),
            ast::SetExpr::Select(select) => {
                for item in &mut select.projection {
                    if let ast::SelectItem::UnnamedExpr(expr) = item
                        && !matches!(expr, ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_))
                    {
                        let alias = ast::Ident::with_quote('"', expr.to_string());
                        *item = ast::SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                    }
                }
                return;
            }
            _ => return,
        }
    }
}

fn catalog(tables: &[(String, Frame)]) -> Result<Arc<dyn CatalogProviderList>> {
    let schema = Arc::new(MemorySchemaProvider::new());
    for (name, frame) in tables {
        let view = ViewTable::new(frame.plan().clone(), None);
        let before =
            schema.register_table(name.clone(), Arc::new(view)).map_err(during("planning a query"))?;
        if before.is_some() {
            return Err(QueryError::plan(format!("two tables are named `{name}`")));
        }
    }
    let catalog = Arc::new(MemoryCatalogProvider::new());
    catalog.register_schema("public", schema).map_err(during("planning a query"))?;
    let list = Arc::new(MemoryCatalogProviderList::new());
    list.register_catalog("datafusion".to_owned(), catalog);
    Ok(list)
}
