//! Is a document a workflow that can run?

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use crate::{
    Registry, Step,
    config::Configs,
    connect::{Connections, Names, check_type, connect},
    cycle::cycles,
    document::{KEYS, head, missing},
    entry::Draft,
    fields::{Fields, expected, suggestion},
    params::{Bound, Params},
    problem::Sink,
    tree::{Budget, Kind, Node, Spot, shortened},
    workflow::{StepSpec, Workflow},
};

/// What a run has to give, against which a document is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The totals of the resources by name (`memory` in bytes); a step can ask for no other.
    pub resources: BTreeMap<String, u64>,
}

/// Checks the document at `spot`. `None` when it is no workflow; the reasons are in `sink`, which may
/// hold problems of a workflow that was made as well.
pub(crate) fn workflow(
    root: &Node,
    spot: &Spot<'_>,
    registry: &Registry,
    params: &Params,
    limits: &Limits,
    sink: &mut Sink,
) -> Option<Workflow> {
    let fields = Fields::read(root, spot, &KEYS, sink)?;
    let (name, description) = head(&fields, sink);
    let bound = Bound::read(fields.get("params"), params, sink);
    let Some((steps, steps_spot)) = fields.get("steps") else {
        missing("a workflow", "steps", spot, sink);
        return None;
    };
    let Kind::List(steps) = &steps.kind else {
        expected("a list of steps", steps, &steps_spot, sink);
        return None;
    };
    if steps.is_empty() {
        steps_spot.report(sink, "a workflow needs at least one step", None);
        return None;
    }

    let mut budget = Budget::default();
    let filled: Vec<(Cow<'_, Node>, Spot<'_>)> = steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let spot = steps_spot.index(index, step.mark);
            match step.has_dollar() {
                true => (Cow::Owned(bound.fill(step, &spot, &mut budget, sink)), spot),
                false => (Cow::Borrowed(step), spot),
            }
        })
        .collect();
    let drafts: Vec<Option<Draft<'_>>> =
        filled.iter().map(|(node, spot)| Draft::read(node, spot.clone(), limits, sink)).collect();
    let all_read = drafts.iter().all(Option::is_some);
    let drafts: Vec<Draft<'_>> = drafts.into_iter().flatten().collect();

    let names = names(&drafts, sink);
    let mut configs = Configs::default();
    let built: Vec<Option<Arc<dyn Step>>> =
        drafts.iter().map(|draft| build(draft, registry, &mut configs, sink)).collect();
    let connections: Vec<Connections<'_>> = drafts
        .iter()
        .zip(&built)
        .map(|(draft, step)| connect(draft, step.as_deref(), (&names, &built), sink))
        .collect();
    check_cycles(&drafts, &connections, sink);
    check_types(&drafts, &built, &connections, sink);
    check_paths(&drafts, &built, sink);

    let specs = drafts.into_iter().zip(built).zip(connections).map(|((draft, step), connections)| {
        let (kind, _) = draft.kind?;
        Some(StepSpec {
            name: draft.name?.into(),
            type_name: kind.to_owned(),
            step: step?,
            inputs: connections.inputs.into_iter().map(|(name, index, _)| (name, index)).collect(),
            depends_on: connections.depends_on.into_iter().collect(),
            retry: draft.retry,
            timeout: draft.timeout,
            resources: draft.resources,
            on_failure: draft.on_failure,
            location: draft.spot.shown(),
        })
    });
    let steps = specs.collect::<Option<Vec<StepSpec>>>().filter(|_| all_read)?;
    Some(Workflow {
        name: name.unwrap_or("workflow").to_owned(),
        description: description.map(str::to_owned),
        steps,
    })
}

fn names<'a>(drafts: &[Draft<'a>], sink: &mut Sink) -> Names<'a> {
    let mut names: HashMap<&str, usize> = HashMap::with_capacity(drafts.len());
    for (index, draft) in drafts.iter().enumerate() {
        let Some(name) = draft.name else { continue };
        match names.get(name).and_then(|first| drafts.get(*first)) {
            Some(first) => {
                let hint = format!("the first one is at {}", first.name_spot.shown());
                draft.name_spot.report(
                    sink,
                    format!("there are two steps `{}`", shortened(name)),
                    Some(hint),
                );
            }
            None => {
                names.insert(name, index);
            }
        }
    }
    Names(names)
}

fn build(
    draft: &Draft<'_>,
    registry: &Registry,
    configs: &mut Configs,
    sink: &mut Sink,
) -> Option<Arc<dyn Step>> {
    let (kind, spot) = draft.kind.as_ref()?;
    let Some(step_type) = registry.get(kind) else {
        let names: Vec<&str> = registry.names().collect();
        let hint = suggestion(kind, names);
        spot.report(sink, format!("there is no step type `{}`", shortened(kind)), Some(hint));
        return None;
    };
    configs.build(step_type, draft.config.as_ref(), &draft.name_spot, sink)
}

fn check_cycles(drafts: &[Draft<'_>], connections: &[Connections<'_>], sink: &mut Sink) {
    const SHOWN: usize = 20;
    let depends_on: Vec<Vec<usize>> =
        connections.iter().map(|step| step.depends_on.iter().copied().collect()).collect();
    for cycle in cycles(&depends_on) {
        let names = cycle.iter().filter_map(|index| drafts.get(*index)?.name);
        let mut shown: Vec<&str> = names.take(SHOWN).collect();
        let more = format!("… {} more …", cycle.len().saturating_sub(SHOWN));
        if cycle.len() > SHOWN {
            shown.push(&more);
        }
        let Some(first) = cycle.first().and_then(|index| drafts.get(*index)) else { continue };
        shown.extend(first.name);
        let hint = "each of these waits for the one before it".to_owned();
        let message = format!("steps form a cycle: {}", shown.join(" → "));
        first.name_spot.report(sink, message, Some(hint));
    }
}

fn check_types(
    drafts: &[Draft<'_>],
    built: &[Option<Arc<dyn Step>>],
    connections: &[Connections<'_>],
    sink: &mut Sink,
) {
    for ((draft, step), connections) in drafts.iter().zip(built).zip(connections) {
        let (Some(step), Some((kind, _))) = (step, &draft.kind) else { continue };
        for (name, index, spot) in &connections.inputs {
            let maker = drafts.get(*index).and_then(|draft| draft.name);
            let made = built.get(*index).and_then(Option::as_ref);
            if let (Some(maker), Some(made)) = (maker, made) {
                check_type((kind, step.as_ref()), (name, spot), (maker, made.output()), sink);
            }
        }
    }
}

fn check_paths(drafts: &[Draft<'_>], built: &[Option<Arc<dyn Step>>], sink: &mut Sink) {
    let mut writers: HashMap<PathBuf, &str> = HashMap::new();
    for (draft, step) in drafts.iter().zip(built) {
        let Some(path) = step.as_ref().and_then(|step| step.writes()) else { continue };
        let name = draft.name.unwrap_or_default();
        match writers.get(&normalised(&path)) {
            Some(first) => {
                let spot = draft.config.as_ref().map_or(&draft.spot, |(_, spot)| spot);
                let message = format!("the steps `{first}` and `{name}` write one path: {}", path.display());
                spot.report(sink, message, Some("give each a path of its own".to_owned()));
            }
            None => {
                writers.insert(normalised(&path), name);
            }
        }
    }
}

/// The path without `.` and without `name/..`, read as text: links are not followed.
fn normalised(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for component in path.components() {
        match (component, parts.components().next_back()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                parts.pop();
            }
            (Component::ParentDir, Some(Component::RootDir)) => {}
            _ => parts.push(component),
        }
    }
    parts
}
