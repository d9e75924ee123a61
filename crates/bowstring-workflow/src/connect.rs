//! Which step takes what from which?

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use bowstring_core::{nearest, quoted_list};

use crate::{
    InputSpec, Step, ValueType,
    config::is_misspelled,
    entry::{Draft, Given, Link},
    fields::suggestion,
    problem::Sink,
    tree::{Spot, shortened},
};

/// The connections of one step.
#[derive(Default)]
pub(crate) struct Connections<'a> {
    /// Input name, index of the step that makes it, and where that is said.
    pub(crate) inputs: Vec<(String, usize, Spot<'a>)>,
    /// Every step that it waits for; each once.
    pub(crate) depends_on: BTreeSet<usize>,
}

/// The names of steps and their indices.
pub(crate) struct Names<'a>(pub(crate) HashMap<&'a str, usize>);

impl Names<'_> {
    fn find(&self, link: &Link<'_>, sink: &mut Sink) -> Option<usize> {
        let index = self.0.get(link.name).copied();
        if index.is_none() {
            // Sorted, so that of two names that are equally near always the same one is named.
            let names: BTreeSet<&str> = self.0.keys().copied().collect();
            let hint = nearest(link.name, names).map(|near| format!("did you mean `{near}`?"));
            link.spot.report(sink, format!("there is no step `{}`", shortened(link.name)), hint);
        }
        index
    }
}

/// Resolves what `draft` depends on and takes, of the steps of these names; `step` is `None` when it could not be built, and what
/// it takes is then not checked.
pub(crate) fn connect<'a>(
    draft: &Draft<'a>,
    step: Option<&dyn Step>,
    (names, built): (&Names<'_>, &[Option<Arc<dyn Step>>]),
    sink: &mut Sink,
) -> Connections<'a> {
    let mut connections = Connections::default();
    let mut complete = !draft.broken;
    let mut dependencies = Vec::new();
    for link in &draft.depends_on {
        match names.find(link, sink) {
            Some(index) if dependencies.iter().any(|(known, _)| *known == index) => {
                link.spot.report(sink, format!("`{}` stands twice in `depends_on`", link.name), None);
            }
            Some(index) => dependencies.push((index, link)),
            None => complete = false,
        }
    }
    let declared: Vec<(&str, &Link<'a>)> = match &draft.inputs {
        Given::Nothing => Vec::new(),
        Given::Input(link) => vec![(link.name, link)],
        Given::Inputs(named, _) => named.iter().map(|(name, link)| (*name, link)).collect(),
    };
    for (name, link) in declared {
        match names.find(link, sink) {
            Some(index) => connections.inputs.push((name.to_owned(), index, link.spot.clone())),
            None => complete = false,
        }
    }
    if let Some(step) = step {
        let spec = step.inputs();
        for name in step.references() {
            let is_new = connections.inputs.iter().all(|(known, ..)| *known != name);
            if let (true, Some(index)) = (is_new, names.0.get(name.as_str())) {
                let spot = draft.config.as_ref().map_or(&draft.spot, |(_, spot)| spot);
                connections.inputs.push((name, *index, spot.clone()));
            }
        }
        if let ([(index, link)], Given::Nothing) = (dependencies.as_slice(), &draft.inputs)
            && connections.inputs.is_empty()
            && takes_its_dependency(step, &spec, built.get(*index).and_then(Option::as_deref))
        {
            connections.inputs.push((link.name.to_owned(), *index, link.spot.clone()));
        }
        if complete {
            check(&spec, draft, &connections, dependencies.len(), sink);
        }
    }
    connections.depends_on = dependencies.iter().map(|(index, _)| *index).collect();
    connections.depends_on.extend(connections.inputs.iter().map(|(_, index, _)| *index));
    connections
}

/// Whether a step that does not say what it takes takes its one dependency: always when it needs an
/// input; when it can do without, only where there is something to take and no query to say otherwise.
fn takes_its_dependency(step: &dyn Step, spec: &InputSpec, dependency: Option<&dyn Step>) -> bool {
    match spec {
        InputSpec::One(_) | InputSpec::Many { least: 1.., .. } => true,
        InputSpec::Many { .. } => {
            step.references().is_empty() && dependency.is_none_or(|maker| maker.output().is_some())
        }
        InputSpec::None | InputSpec::Named(_) => false,
    }
}

/// Checks number and names of the inputs.
fn check(
    spec: &InputSpec,
    draft: &Draft<'_>,
    connections: &Connections<'_>,
    dependencies: usize,
    sink: &mut Sink,
) {
    let kind = draft.kind.as_ref().map_or("", |(kind, _)| kind);
    let given = connections.inputs.len();
    let inputs_spot = match &draft.inputs {
        Given::Nothing => &draft.name_spot,
        Given::Input(link) => &link.spot,
        Given::Inputs(_, spot) => spot,
    };
    match spec {
        InputSpec::None => {
            if given > 0 {
                let hint = "use `depends_on` where it only has to wait".to_owned();
                inputs_spot.report(sink, format!("`{kind}` takes no input"), Some(hint));
            }
        }
        InputSpec::One(_) => match &draft.inputs {
            Given::Inputs(..) => {
                let hint = "write `input: step`".to_owned();
                inputs_spot.report(sink, format!("`{kind}` takes one input, which has no name"), Some(hint));
            }
            _ if given == 0 && dependencies > 1 => {
                let message = format!("`{kind}` takes one input, but the step waits for {dependencies}");
                let hint = "name the one that it takes with `input`".to_owned();
                inputs_spot.report(sink, message, Some(hint));
            }
            _ if given == 0 => {
                let hint = "name the step that makes it with `input`".to_owned();
                inputs_spot.report(sink, format!("`{kind}` needs an input"), Some(hint));
            }
            _ => {}
        },
        InputSpec::Named(named) => named_inputs(kind, named, draft, connections, inputs_spot, sink),
        InputSpec::Many { least, .. } => {
            if given < *least {
                let plural = if *least == 1 { "" } else { "s" };
                let message = format!("`{kind}` needs at least {least} input{plural}, found {given}");
                let hint = "name the steps that make them with `inputs: {name: step}`".to_owned();
                inputs_spot.report(sink, message, Some(hint));
            }
        }
    }
}

fn named_inputs(
    kind: &str,
    named: &[(&'static str, Vec<ValueType>)],
    draft: &Draft<'_>,
    connections: &Connections<'_>,
    inputs_spot: &Spot<'_>,
    sink: &mut Sink,
) {
    let names = || named.iter().map(|(name, _)| *name);
    let example: Vec<String> = names().map(|name| format!("{name}: step")).collect();
    let hint = format!("write `inputs: {{{}}}`", example.join(", "));
    if let Given::Input(_) = draft.inputs {
        let message = format!("`{kind}` takes the inputs {}", quoted_list(names()));
        inputs_spot.report(sink, message, Some(hint));
        return;
    }
    let mut unknown = Vec::new();
    for (name, _, spot) in &connections.inputs {
        if !names().any(|known| known == name) {
            unknown.push(name.as_str());
            let hint = suggestion(name, names());
            spot.report(sink, format!("`{kind}` has no input `{}`", shortened(name)), Some(hint));
        }
    }
    let is_given = |name: &str| connections.inputs.iter().any(|(known, ..)| known == name);
    let absent: Vec<&str> =
        names().filter(|name| !is_given(name) && !is_misspelled(name, unknown.iter().copied())).collect();
    if !absent.is_empty() {
        let plural = if absent.len() == 1 { "input" } else { "inputs" };
        let message = format!("`{kind}` needs the {plural} {}", quoted_list(absent));
        inputs_spot.report(sink, message, Some(hint));
    }
}

/// Checks that what arrives at `spot` is of a type that the input of this step type takes.
pub(crate) fn check_type(
    (kind, step): (&str, &dyn Step),
    (name, spot): (&str, &Spot<'_>),
    (maker, made): (&str, Option<ValueType>),
    sink: &mut Sink,
) {
    let spec = step.inputs();
    let types = match &spec {
        InputSpec::One(types) | InputSpec::Many { types, .. } => types.as_slice(),
        InputSpec::Named(named) => {
            let Some((_, types)) = named.iter().find(|(known, _)| *known == name) else { return };
            types
        }
        InputSpec::None => return,
    };
    match made {
        None => spot.report(sink, format!("`{kind}` needs an input, but `{maker}` makes nothing"), None),
        Some(made) if !types.contains(&made) => {
            let taken = types.iter().map(|known| known.0).collect::<Vec<_>>().join("` or `");
            let message = format!("`{kind}` takes a value of type `{taken}`, but `{maker}` makes `{made}`");
            spot.report(sink, message, step.mend_type(made));
        }
        Some(_) => {}
    }
}
