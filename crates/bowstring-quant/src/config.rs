//! Does a model's `config.json` fit its tensors?
//!
//! A folder whose configuration is of another network would be quantised without a word, and fail where it is loaded.
//! What the configurations of diffusers' and transformers' networks say of shapes is held against the tensors, as far
//! as it stands in the lists below; networks that they do not have are taken as they are.

use std::{collections::HashSet, path::Path};

use serde_json::{Map, Value};

use crate::{QuantError, Result};

const UNETS: &[&str] = &["UNet2DConditionModel", "UNet2DModel", "UNet3DConditionModel"];
const TRANSFORMERS: &[&str] =
    &["DiT", "DiTTransformer2DModel", "PixArtTransformer2DModel", "SD3Transformer2DModel"];

/// The length of an axis that a configuration says: classes, key, tensor and axis.
const LENGTHS: [(&[&str], &str, &str, usize); 8] = [
    (UNETS, "in_channels", "conv_in.weight", 1),
    (UNETS, "out_channels", "conv_out.weight", 0),
    (UNETS, "block_out_channels", "conv_in.weight", 0),
    (TRANSFORMERS, "in_channels", "pos_embed.proj.weight", 1),
    (TRANSFORMERS, "patch_size", "pos_embed.proj.weight", 2),
    (&["BertModel"], "vocab_size", "embeddings.word_embeddings.weight", 0),
    (&["CLIPTextModel"], "vocab_size", "text_model.embeddings.token_embedding.weight", 0),
    (
        &["LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM"],
        "vocab_size",
        "model.embed_tokens.weight",
        0,
    ),
];

/// How many modules of a list a configuration says there are: classes, key and list.
const LISTS: [(&[&str], &str, &str); 4] = [
    (UNETS, "down_block_types", "down_blocks"),
    (UNETS, "up_block_types", "up_blocks"),
    (TRANSFORMERS, "num_layers", "transformer_blocks"),
    (&["FluxTransformer2DModel"], "num_layers", "transformer_blocks"),
];

/// Holds the text of a configuration against the tensors of its model, their names and shapes.
///
/// # Errors
/// [`QuantError::Config`] when it is no JSON object, when it says that another program has quantised the tensors,
/// and where it contradicts them.
pub(crate) fn check(path: &Path, text: &[u8], tensors: &[(&str, &[usize])]) -> Result<()> {
    let wrong = |reason: String| Err(QuantError::Config { path: path.to_owned(), reason });
    let config: Map<String, Value> = match serde_json::from_slice(text) {
        Ok(config) => config,
        Err(error) => return wrong(format!("it is no JSON object: {error}")),
    };
    if let Some(quantization) = config.get("quantization_config").filter(|value| !value.is_null()) {
        let by = quantization.get("quant_method").and_then(Value::as_str).unwrap_or("another program");
        return wrong(format!("it says that the tensors are quantised already, by {by}"));
    }
    let classes = classes(&config);
    let is_one = |known: &[&str]| known.iter().any(|known| classes.contains(known));
    for (known, key, name, axis) in LENGTHS {
        let shape = tensors.iter().find(|(tensor, _)| *tensor == name).map(|(_, shape)| *shape);
        if let Some(said) = config.get(key).and_then(length)
            && let Some(&found) = shape.and_then(|shape| shape.get(axis))
            && is_one(known)
            && said != found as u64
        {
            return wrong(format!("its `{key}` of {said} is {found} in `{name}` (axis {axis})"));
        }
    }
    for (known, key, list) in LISTS {
        let found = modules(list, tensors);
        if let Some(said) = config.get(key).and_then(count)
            && is_one(known)
            && said != found as u64
        {
            return wrong(format!("its `{key}` are {said}, and the tensors have {found} of `{list}`"));
        }
    }
    Ok(())
}

/// What the network calls itself: diffusers has `_class_name`, transformers `architectures`.
fn classes(config: &Map<String, Value>) -> Vec<&str> {
    let architectures = config.get("architectures").and_then(Value::as_array);
    config
        .get("_class_name")
        .into_iter()
        .chain(architectures.into_iter().flatten())
        .filter_map(Value::as_str)
        .collect()
}

/// A length, or the first of several.
fn length(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_array()?.first()?.as_u64())
}

/// A number, or how many there are.
fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| Some(value.as_array()?.len() as u64))
}

/// How many modules a list has of which there are tensors.
fn modules(list: &str, tensors: &[(&str, &[usize])]) -> usize {
    let number = |name: &'_ str| {
        let rest = name.strip_prefix(list)?.strip_prefix('.')?;
        rest.split('.').next()?.parse::<usize>().ok()
    };
    tensors.iter().filter_map(|(name, _)| number(name)).collect::<HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use bowstring_core::render;
    use expect_test::{Expect, expect};

    use super::*;

    const UNET: &str = r#"{"_class_name": "UNet2DModel", "in_channels": 3, "out_channels": 4,
        "block_out_channels": [32, 64], "down_block_types": ["DownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "UpBlock2D"]}"#;
    const TENSORS: [(&str, &[usize]); 6] = [
        ("conv_in.weight", &[32, 3, 3, 3]),
        ("conv_out.weight", &[4, 32, 3, 3]),
        ("down_blocks.0.resnets.0.conv1.weight", &[32, 32, 3, 3]),
        ("down_blocks.1.resnets.0.conv1.weight", &[64, 32, 3, 3]),
        ("up_blocks.0.resnets.0.conv1.weight", &[64, 96, 3, 3]),
        ("up_blocks.1.resnets.0.conv1.weight", &[32, 64, 3, 3]),
    ];

    fn said(config: &str, tensors: &[(&str, &[usize])], expected: Expect) {
        let found = check(Path::new("unet/config.json"), config.as_bytes(), tensors);
        expected.assert_eq(&found.map_or_else(|error| render(&error), |()| "fits".to_owned()));
    }

    #[test]
    fn what_a_config_says_of_shapes_is_held_against_them() {
        said(UNET, &TENSORS, expect!["fits"]);
        said(
            &UNET.replace("\"in_channels\": 3", "\"in_channels\": 9"),
            &TENSORS,
            expect![[r#"
            `unet/config.json` does not fit the tensors beside it: its `in_channels` of 9 is 3 in `conv_in.weight` (axis 1)

            hint: bring both from the same model, or name its `.safetensors` file alone"#]],
        );
        said(
            &UNET.replace("[32, 64]", "[64, 64]"),
            &TENSORS,
            expect![[r#"
            `unet/config.json` does not fit the tensors beside it: its `block_out_channels` of 64 is 32 in `conv_in.weight` (axis 0)

            hint: bring both from the same model, or name its `.safetensors` file alone"#]],
        );
        said(
            &UNET.replace("\"out_channels\": 4", "\"out_channels\": 8"),
            &TENSORS,
            expect![[r#"
            `unet/config.json` does not fit the tensors beside it: its `out_channels` of 8 is 4 in `conv_out.weight` (axis 0)

            hint: bring both from the same model, or name its `.safetensors` file alone"#]],
        );
        said(
            UNET,
            &TENSORS[..3],
            expect![[r#"
            `unet/config.json` does not fit the tensors beside it: its `down_block_types` are 2, and the tensors have 1 of `down_blocks`

            hint: bring both from the same model, or name its `.safetensors` file alone"#]],
        );
    }

    #[test]
    fn networks_that_are_not_known_are_taken_as_they_are() {
        said(
            &UNET.replace("UNet2DModel", "MyNet").replace("\"in_channels\": 3", "\"in_channels\": 9"),
            &TENSORS,
            expect!["fits"],
        );
        said(r#"{"_class_name": "UNet2DModel", "in_channels": null}"#, &TENSORS, expect!["fits"]);
        said("{}", &TENSORS, expect!["fits"]);
        said(
            UNET,
            &[("conv_in.weight", &[32]), TENSORS[2], TENSORS[3], TENSORS[4], TENSORS[5]],
            expect!["fits"],
        );
    }

    #[test]
    fn transformers_have_layers_and_words() {
        let dit = r#"{"_class_name": "DiT", "in_channels": 4, "patch_size": 2, "num_layers": 2}"#;
        let tensors: [(&str, &[usize]); 3] = [
            ("pos_embed.proj.weight", &[64, 4, 2, 2]),
            ("transformer_blocks.0.attn1.to_q.weight", &[64, 64]),
            ("transformer_blocks.1.attn1.to_q.weight", &[64, 64]),
        ];
        said(dit, &tensors, expect!["fits"]);
        said(
            &dit.replace("\"num_layers\": 2", "\"num_layers\": 28"),
            &tensors,
            expect![[r#"
            `unet/config.json` does not fit the tensors beside it: its `num_layers` are 28, and the tensors have 2 of `transformer_blocks`

            hint: bring both from the same model, or name its `.safetensors` file alone"#]],
        );
        said(
            &dit.replace("\"patch_size\": 2", "\"patch_size\": 4"),
            &tensors,
            expect![[r#"
            `unet/config.json` does not fit the tensors beside it: its `patch_size` of 4 is 2 in `pos_embed.proj.weight` (axis 2)

            hint: bring both from the same model, or name its `.safetensors` file alone"#]],
        );
        let bert = r#"{"architectures": ["BertModel"], "vocab_size": 30522}"#;
        said(bert, &[("embeddings.word_embeddings.weight", &[30522, 384])], expect!["fits"]);
        said(
            bert,
            &[("embeddings.word_embeddings.weight", &[28996, 384])],
            expect![[r#"
            `unet/config.json` does not fit the tensors beside it: its `vocab_size` of 30522 is 28996 in `embeddings.word_embeddings.weight` (axis 0)

            hint: bring both from the same model, or name its `.safetensors` file alone"#]],
        );
    }

    #[test]
    fn what_is_no_config_is_told() {
        said(
            "[1]",
            &TENSORS,
            expect![[r#"
            `unet/config.json` does not fit the tensors beside it: it is no JSON object: invalid type: sequence, expected a map at line 1 column 0

            hint: bring both from the same model, or name its `.safetensors` file alone"#]],
        );
        said(
            "{",
            &TENSORS,
            expect![[r#"
            `unet/config.json` does not fit the tensors beside it: it is no JSON object: EOF while parsing an object at line 1 column 1

            hint: bring both from the same model, or name its `.safetensors` file alone"#]],
        );
        said(
            r#"{"quantization_config": {"quant_method": "bitsandbytes"}}"#,
            &TENSORS,
            expect![[r#"
            `unet/config.json` does not fit the tensors beside it: it says that the tensors are quantised already, by bitsandbytes

            hint: bring both from the same model, or name its `.safetensors` file alone"#]],
        );
    }
}
