//! Do chat templates give what Jinja2 gives, and are their failures named?

use std::fs;

use bowstring_core::render;
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
            the chat template `default` fails: engine ran out of fuel
              at line 1 of the template"#]],
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
