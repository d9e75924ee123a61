//! Do chat templates give what Jinja2 gives, and are their failures named?

use std::fs;

use bowstring_core::{Diagnostic, ErrorKind, render};
use bowstring_tokenizer::{ChatOptions, Tokenizer, TokenizerError};
use expect_test::{Expect, expect};
use jiff::civil::date;
use serde_json::{Map, Value, json};

use crate::tiny;

/// A folder with these templates, and a special token.
fn with_templates(templates: &Value) -> Tokenizer {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, value: &Value| {
        fs::write(folder.path().join(name), tiny::bytes(value)).expect("a file");
    };
    write("tokenizer.json", &tiny::byte_level());
    write("tokenizer_config.json", &json!({"bos_token": "<s>", "chat_template": templates}));
    Tokenizer::from_directory(folder.path()).expect("a tokenizer")
}

fn user(content: &str) -> Value {
    json!([{"role": "user", "content": content}])
}

#[test]
fn texts_are_those_of_jinja2() {
    let fixture: Value = serde_json::from_slice(include_bytes!("../../fixtures/chat.json")).expect("JSON");
    let tools = &fixture["tools"];
    let conversations = fixture["conversations"].as_array().expect("a list");
    let mut compared = 0;
    for case in fixture["cases"].as_array().expect("a list") {
        let template = case["template"].as_str().expect("a template");
        let tokenizer = with_templates(&json!(template));
        let texts = case["texts"].as_array().expect("a list");
        let inputs = conversations.iter().flat_map(|messages| [(messages, None), (messages, Some(tools))]);
        assert_eq!(texts.len(), 2 * conversations.len());
        for ((messages, tools), expected) in inputs.zip(texts) {
            let options = ChatOptions {
                add_generation_prompt: tools.is_some(),
                tools,
                now: Some(date(2024, 7, 9).at(13, 5, 6, 0)),
                ..ChatOptions::default()
            };
            let text = tokenizer.apply_chat_template(messages, &options);
            assert_eq!(text.as_deref().ok(), expected.as_str(), "{template:?} of {messages}");
            compared += 1;
        }
    }
    assert_eq!(compared, 210);
}

#[test]
fn the_template_is_chosen_by_name_and_by_tools() {
    let named = json!([{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]);
    let tokenizer = with_templates(&named);
    let tools = json!([]);
    for (template, tools, expected) in [
        (None, None, "d"),
        (None, Some(&tools), "t"),
        (Some("tool_use"), None, "t"),
        (Some("{{ messages[0].content }}!"), None, "hi!"),
    ] {
        let options = ChatOptions { template, tools, ..ChatOptions::default() };
        assert_eq!(tokenizer.apply_chat_template(&user("hi"), &options).expect("a text"), expected);
    }
}

#[test]
fn variables_reach_the_template() {
    let tokenizer = with_templates(&json!("{{ bos_token }}{{ enable_thinking }}{{ documents[0].title }}"));
    let mut variables = Map::new();
    variables.insert("enable_thinking".to_owned(), false.into());
    let documents = json!([{"title": "T"}]);
    let options = ChatOptions { variables, documents: Some(&documents), ..ChatOptions::default() };
    assert_eq!(tokenizer.apply_chat_template(&user(""), &options).expect("a text"), "<s>FalseT");
    // What the caller says counts more than what the model says.
    let variables = Map::from_iter([("bos_token".to_owned(), "!".into())]);
    let options = ChatOptions { variables, documents: Some(&documents), ..ChatOptions::default() };
    assert_eq!(tokenizer.apply_chat_template(&user(""), &options).expect("a text"), "!T");
}

#[test]
fn the_last_message_is_left_open() {
    let options = ChatOptions { continue_final_message: true, ..ChatOptions::default() };
    let check = |template: &str, messages: &Value, expected: &str| {
        let text = with_templates(&json!(template)).apply_chat_template(messages, &options);
        assert_eq!(text.expect("a text"), expected);
    };
    let each = "{% for m in messages %}[{{ m.content }}]</s>{% endfor %}";
    let trimmed = "{% for m in messages %}[{{ m.content|trim }}]</s>{% endfor %}";
    check(each, &user("so "), "[so ");
    check(trimmed, &user(" so "), "[so");
    check(each, &user(" so "), "[ so");
    let twice = json!([{"role": "user", "content": "so"}, {"role": "assistant", "content": "so"}]);
    check(each, &twice, "[so]</s>[so");
    let parts = json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}]);
    check("[{{ messages[0].content[0].text }}]", &parts, "[a");
}

/// What is said of a template that fails.
fn fails(template: &Value, options: &ChatOptions<'_>, expected: Expect) {
    let error = with_templates(template).apply_chat_template(&user("hi"), options).expect_err("a failure");
    expected.assert_eq(&render(&error));
}

#[test]
fn failures_are_named() {
    let plain = ChatOptions::default();
    fails(
        &json!("a\n{{ raise_exception('no ' + messages[0].role) }}"),
        &plain,
        expect![[r#"
        the chat template `default` fails: no user
          at line 2 of the template"#]],
    );
    fails(
        &json!("{% if %}"),
        &plain,
        expect![[r#"
        the chat template `default` fails: unexpected end of block
          at line 1 of the template"#]],
    );
    fails(
        &json!("{{ strftime_now('%Y') }}"),
        &plain,
        expect![[r#"
        the chat template `default` fails: it asks for the time, which was not given
          at line 1 of the template"#]],
    );
    fails(
        &json!("{{ debug() }}"),
        &plain,
        expect![[r#"
        the chat template `default` fails: debug is unknown
          at line 1 of the template"#]],
    );
    fails(
        &json!("{{ nothing|tojson }}"),
        &plain,
        expect![[r#"
        the chat template `default` fails: what is undefined has no JSON
          at line 1 of the template"#]],
    );
    fails(
        &json!("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"),
        &plain,
        expect![[r#"
            the chat template `default` needs more than 10000000 steps
              at line 1 of the template

            hint: give it fewer messages, or another template with `template`"#]],
    );
    fails(
        &Value::Null,
        &plain,
        expect![[r#"
        this tokenizer has no chat template to use

        hint: load the model's folder with its `tokenizer_config.json`, or give the template"#]],
    );
    fails(
        &json!([{"name": "rag", "template": ""}]),
        &plain,
        expect![[r#"
        this tokenizer has no chat template to use

        hint: name one with `template`: rag"#]],
    );
    fails(
        &json!("{% for i in [1] %}{{ loop.cycle() }}{% endfor %}"),
        &plain,
        expect!["the chat template `default` fails: it makes the template engine panic"],
    );
    fails(
        &json!("{{ [1]|tojson(indent=999999999) }}"),
        &plain,
        expect![[r#"
        the chat template `default` fails: `indent` is at most 64
          at line 1 of the template"#]],
    );
    let open = ChatOptions { continue_final_message: true, ..ChatOptions::default() };
    fails(
        &json!("not at all"),
        &open,
        expect!["the chat template `default` fails: the last message is not in its text"],
    );
    let both = ChatOptions { add_generation_prompt: true, ..open };
    fails(
        &json!(""),
        &both,
        expect![[r#"
        `continue_final_message` cannot be true

        hint: the last message is continued, or an answer begun: leave `add_generation_prompt` out"#]],
    );
}

#[test]
fn a_text_of_a_template_is_encoded_without_more_special_tokens() {
    let tokenizer = with_templates(&json!("{{ bos_token }}{{ messages[0].content }}"));
    let text = tokenizer.apply_chat_template(&user("hello world"), &ChatOptions::default()).expect("a text");
    let ids = tokenizer.ids(&text, false).expect("ids");
    let tokens: Vec<&str> = ids.iter().filter_map(|&id| tokenizer.id_to_token(id)).collect();
    assert_eq!(tokens, ["<s>", "hello", "Ġworld"]);
    let refused = tokenizer.apply_chat_template(&json!(3), &ChatOptions::default());
    assert!(matches!(refused, Err(TokenizerError::ChatTemplate { .. })));
}

/// Fails unless a template meets the limit that is named.
fn limited(template: &str, expected: &str) {
    let options = ChatOptions { template: Some(template), ..ChatOptions::default() };
    let error = with_templates(&json!("")).apply_chat_template(&user("hi"), &options).expect_err(template);
    assert_eq!(error.kind(), ErrorKind::Limit, "{template}: {error}");
    let message = error.to_string();
    assert_eq!(message.rsplit("needs more than ").next(), Some(expected), "{template}");
}

/// A template that changes `x`, which begins as `first`, a hundred thousand times.
fn again_and_again(first: &str, next: &str) -> String {
    format!(
        "{{% set n = namespace(x={first}) %}}{{% for i in range(100000) %}}{{% set n.x = {next} %}}{{% endfor %}}"
    )
}

#[test]
fn values_that_grow_meet_a_limit() {
    let (size, depth) = ("33554432 bytes for one value", "128 levels of lists and mappings");
    for (first, next, limit) in [
        ("'a'", "n.x ~ n.x", size),
        ("'a'", "n.x + n.x", size),
        ("'a'", "n.x * 2", size),
        ("'a'", "n.x|replace('a', 'aa')", size),
        ("'a'", "n.x.replace('a', 'aa')", size),
        ("'a'", "[n.x, n.x]|join", size),
        ("'a'", "','.join([n.x, n.x])", size),
        ("'a'", "'%s%s'|format(n.x, n.x)", size),
        ("'a'", "'{0}{0}'.format(n.x)", size),
        ("[1]", "n.x + n.x", size),
        ("[1]", "n.x * 2", size),
        ("(1,)", "n.x * 2", size),
        ("[1]", "[n.x, n.x]", size),
        ("[1]", "(n.x, n.x)", size),
        ("[1]", "{'a': n.x, 'b': n.x}", size),
        ("[1]", "dict(a=n.x, b=n.x)", size),
        ("'a'", "n.x|tojson", "33554432 bytes for one value"),
        ("[1]", "[n.x]", depth),
        ("[1]", "(n.x,)", depth),
        ("[1]", "{'a': n.x}", depth),
        ("[1]", "dict(a=n.x)", depth),
        ("[1]", "n.x|batch(1)", depth),
        ("[1]", "n.x|slice(1)|list", depth),
    ] {
        limited(&again_and_again(first, next), limit);
    }
    // What is computed only when it is gone through is computed at once.
    let halves = with_templates(&json!(again_and_again("range(9)", "n.x[::-1]") + "{{ n.x }}"));
    let text = halves.apply_chat_template(&user("hi"), &ChatOptions::default()).expect("a text");
    assert_eq!(text, "[0, 1, 2, 3, 4, 5, 6, 7, 8]");
    let twice = "{% set n = namespace(x='a') %}{% for i in range(99) %}{% set t %}{{ n.x }}{{ n.x }}{% endset %}\
                 {% set n.x = t %}{% endfor %}";
    limited(twice, size);
    limited(
        "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}{% set n = namespace(x='a') %}\
             {% for i in range(99) %}{% set n.x = m(n.x) %}{% endfor %}",
        size,
    );
}

#[test]
fn one_step_cannot_ask_for_too_much() {
    for template in [
        "{{ 'a' * 99999999 }}",
        "{{ ([0] * 99999999)|list|length }}",
        "{{ ((0,) * 99999999)|length }}",
        "{{ '%999999999d'|format(3) }}",
        "{{ '%*d'|format(999999999, 3) }}",
        "{{ '{:999999999}'.format(3) }}",
        "{{ 'a'|indent(999999999, true) }}",
        "{{ 'a'|indent(width=999999999, first=true) }}",
        "{{ ('a' * 9999)|replace('', 'b' * 9999) }}",
        "{{ range(9999)|join('a' * 9999) }}",
        "{{ ('a' * 9999).join(range(9999)|map('string')|list) }}",
        "{{ [1]|batch(999999999, 0) }}",
        "{{ [1]|slice(999999999, 0) }}",
        "{{ range(9999)|list|tojson(separators=['a' * 9999, '']) }}",
        "{{ [range(99999)|list, range(99999)|list, range(99999)|list, range(99999)|list]|list * 9 }}",
    ] {
        limited(template, "33554432 bytes for one value");
    }
    let line = "a".repeat(1 << 14);
    let written = format!("{{% for i in range(99999) %}}{line}{{% endfor %}}");
    limited(&written, "1073741824 bytes");
    limited("{% set a = 'a' * 33333333 %}{% for i in range(99) %}{{ a }}{% endfor %}", "1073741824 bytes");
    limited(
        "{% set a = 'a' * 33333333 %}{% for i in range(99) %}{% set b = a|upper %}{% endfor %}",
        "1073741824 bytes",
    );
}

#[test]
fn namespaces_hold_nothing_that_could_hold_them() {
    for value in ["n", "[n]", "{'a': n}", "(1, [n])", "loop", "[loop]", "namespace(y=1)"] {
        let template =
            format!("{{% set n = namespace() %}}{{% for i in [1] %}}{{% set n.x = {value} %}}{{% endfor %}}");
        fails(
            &json!(template),
            &ChatOptions::default(),
            expect![[r#"
                the chat template `default` fails: `x` of a namespace cannot hold a namespace or a loop
                  at line 1 of the template"#]],
        );
    }
    fails(
        &json!("{% set n = {} %}{% set n.x = 1 %}"),
        &ChatOptions::default(),
        expect![[r#"
            the chat template `default` fails: can only assign to namespaces, not map
              at line 1 of the template"#]],
    );
}

#[test]
fn what_is_checked_is_what_it_was() {
    for (template, expected) in [
        (
            "{{ 2 * 3 }} {{ 2 * 1.5 }} {{ 'ab' * 2 }} {{ 2 * 'ab' }} {{ [1] * 2 }} {{ (1, 2) * 2 }}",
            "6 3.0 abab abab [1, 1] (1, 2, 1, 2)",
        ),
        ("{{ 1 + 2 * 3 ** 2 }} {{ 9 // 2 * 2 }} {{ [1] + [2] }} {{ 'a' ~ 1 ~ none }}", "19 8 [1, 2] a1None"),
        ("{% macro m(a, b) %}{{ a }}-{{ b }}{% endmacro %}{{ m(*[1, 2]) }} {{ m(1, *[2]) }}", "1-2 1-2"),
        (
            "{% set n = namespace(a=1, b=[2]) %}{% set n.a = n.b + [3] %}{{ n.a }} {{ n.b }} {{ n.c is defined }}",
            "[2, 3] [2] False",
        ),
        ("{% for i in [1, 2, 3] if i != 2 %}{{ loop.index }}{{ i }}{% else %}no{% endfor %}", "1123"),
        (
            "{% for i in [[1], [2, [3]]] recursive %}{% if i is iterable %}({{ loop(i) }}){% else %}{{ i }}{% endif %}{% endfor %}",
            "(1)(2(3))",
        ),
        ("{% set x %}a{% endset %}{% filter upper %}{{ x }}b{% endfilter %}{{ x and x or 'c' }}", "ABa"),
        ("{% macro m() %}{{ caller(1) }}{% endmacro %}{% call(x) m() %}<{{ x }}>{% endcall %}", "<1>"),
        ("{% macro m() %}a{% endmacro %}{% set n = namespace(f=m) %}{{ n.f() }}", "a"),
        (
            "{{ 'a,b'|replace(',', ';') }} {{ ['a', 'b']|join(',') }} {{ 'a\nb'|indent(2) }} {{ '%05d'|format(7) }}",
            "a;b a,b a\n  b 00007",
        ),
        (
            "{{ [1, 2, 3]|batch(2, 0)|list }} {{ [1, 2, 3]|slice(2)|list }} {{ 'abc'[::-1] }} {{ [1, 2, 3][1:] }}",
            "[[1, 2], [3, 0]] [[1, 2], [3]] cba [2, 3]",
        ),
    ] {
        let text = with_templates(&json!(template)).apply_chat_template(&user("hi"), &ChatOptions::default());
        assert_eq!(text.map_err(|error| error.to_string()).as_deref(), Ok(expected), "{template}");
    }
}
