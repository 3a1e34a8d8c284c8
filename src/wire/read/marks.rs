//! Where captures of graphs launched: the modules and operators of the model's code.
//!
//! ```text
//!   mark 1, in 0   {"module": "model.layers.3.self_attn", "class": "LlamaAttention"}
//!   mark 2, in 1   {"module": "model.layers.3.self_attn.qkv_proj", "class": "QKVParallelLinear",
//!                   "args": [[[16, 4096], "torch.bfloat16"], [[6144, 4096], "torch.bfloat16"]]}
//!   mark 3, in 2   {"op": "vllm::rocm_unquantized_gemm", "args": [[[16, 4096], "torch.bfloat16"], …, "None"]}
//! ```
//!
//! A launch is of the innermost operator around it, in the innermost module that names its place in the model. Arguments of
//! a module are its inputs and its own parameters: they are the launch's only where no operator is between, and where they
//! are the factors of one product; what else a module launches has arguments that nobody told.
//!
//! An entry of more than one kind (an operator that names its layer) is a module first and the operator within.

use std::collections::HashMap;

use serde::Deserialize;

use crate::model::{Argument, Matrix, NameId, Product, TraceBuilder, Work, WorkIdx};

/// What an entry tells.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    /// The path of a module in the model; empty where it is the model, `None` where the place is not known.
    module: Option<String>,
    /// The class of a module.
    class: Option<String>,
    /// An operator.
    op: Option<String>,
    /// What a module or operator was called with.
    args: Option<Vec<Arg>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Arg {
    /// Sizes and type, as PyTorch's Python names it.
    Tensor(Vec<u64>, String),
    /// A scalar as text.
    Value(String),
    /// Something else.
    Other(serde::de::IgnoredAny),
}

/// The marks of a capture file.
#[derive(Default)]
pub(super) struct Marks {
    texts: HashMap<u64, Told>,
    /// The mark around each, and its text.
    marks: HashMap<u64, (u64, u64)>,
    works: HashMap<u64, Option<WorkIdx>>,
}

/// Marks within each other that are looked at: the tracer keeps fewer.
const DEEPEST: usize = 64;

/// Scalar types as Python's PyTorch names them, and as its profiler does.
const DTYPES: &[(&str, &str)] = &[
    ("bfloat16", "c10::BFloat16"),
    ("float16", "c10::Half"),
    ("float32", "float"),
    ("float64", "double"),
    ("int8", "signed char"),
    ("uint8", "unsigned char"),
    ("int16", "short int"),
    ("int32", "int"),
    ("int64", "long int"),
    ("float8_e4m3fn", "c10::Float8_e4m3fn"),
    ("float8_e4m3fnuz", "c10::Float8_e4m3fnuz"),
    ("float8_e5m2", "c10::Float8_e5m2"),
    ("float8_e5m2fnuz", "c10::Float8_e5m2fnuz"),
    ("float8_e8m0fnu", "c10::Float8_e8m0fnu"),
    ("float4_e2m1fn_x2", "c10::Float4_e2m1fn_x2"),
];

impl Marks {
    /// Takes a frame; `None` if it makes no sense.
    pub(super) fn add(&mut self, [mark, parent, text]: [u64; 3], content: &[u8]) -> Option<()> {
        if !content.is_empty() {
            self.texts.insert(text, serde_json::from_slice(content).ok()?);
        }
        // A mark stands behind the one around it: so there are no circles.
        (mark > parent && self.texts.contains_key(&text)).then_some(())?;
        self.marks.insert(mark, (parent, text));
        Some(())
    }

    /// What was launched at `mark`; `None` where nothing is known of it.
    pub(super) fn work(&mut self, mark: u64, builder: &mut TraceBuilder) -> Option<WorkIdx> {
        if let Some(&known) = self.works.get(&mark) {
            return known;
        }
        let work = self.at(mark, builder).map(|work| builder.captured().works.intern(work));
        self.works.insert(mark, work);
        work
    }

    fn at(&self, mark: u64, builder: &mut TraceBuilder) -> Option<Work> {
        let mut next = mark;
        let outwards = std::iter::from_fn(|| {
            let &(parent, text) = self.marks.get(&next)?;
            next = parent;
            self.texts.get(&text)
        });
        let around: Vec<&Told> = outwards.take(DEEPEST).collect();
        let innermost = around.first()?;
        let module = around.iter().find_map(|told| told.module.as_deref().filter(|module| !module.is_empty()));
        let layer = module.and_then(layer);
        // Within an operator a module that it calls is the operator's own affair, but the nearer one is what launched.
        let is_operator = innermost.op.is_some();
        let name = innermost.op.as_ref().or(innermost.class.as_ref()).or(innermost.module.as_ref())?;
        let arguments: Option<Box<[Argument]>> =
            innermost.args.as_ref().map(|args| args.iter().map(|arg| arg.argument(builder)).collect());
        let product = arguments.as_deref().and_then(|arguments| product(name, arguments, builder));
        let arguments = arguments.filter(|_| is_operator || product.is_some());
        let module = module.map(|module| builder.names().intern(module));
        let product = product.map(|product| builder.product(product));
        let op = builder.names().intern(name);
        let told =
            Work { op: Some(op), arguments, product, module, layer, layer_told: layer.is_some(), launched: None };
        Some(told)
    }
}

impl Arg {
    fn argument(&self, builder: &mut TraceBuilder) -> Argument {
        let none = Argument { sizes: Box::default(), dtype: None, value: None };
        match self {
            Self::Tensor(sizes, dtype) => {
                let short = dtype.strip_prefix("torch.").unwrap_or(dtype);
                let known = DTYPES.iter().find(|(python, _)| *python == short).map_or(short, |(_, name)| name);
                Argument { sizes: sizes.as_slice().into(), dtype: Some(builder.names().intern(known)), ..none }
            }
            Self::Value(text) => Argument { value: Some(builder.names().intern(text)), ..none },
            Self::Other(_) => none,
        }
    }
}

fn product(op: &str, arguments: &[Argument], builder: &TraceBuilder) -> Option<Product> {
    let names = &builder.so_far().names;
    let mut matrices = arguments.iter().filter(|argument| argument.sizes.len() >= 2).map(|argument| {
        let mut matrix = Matrix::default();
        argument.sizes.iter().for_each(|&size| matrix.push(size));
        matrix
    });
    let first = std::array::from_fn(|_| matrices.next());
    let is_packed = |dtype: NameId| names.get(dtype).contains("Float4");
    Product::of(op, first, || arguments.iter().filter_map(|argument| argument.dtype).any(is_packed))
}

/// The layer in the path of a module: the first number in it, as in `model.layers.3.mlp.experts`.
fn layer(module: &str) -> Option<u32> {
    module.split('.').find_map(|part| part.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(texts: &[(u64, &str)]) -> Marks {
        let mut marks = Marks::default();
        for (at, (parent, text)) in texts.iter().enumerate() {
            let number = at as u64 + 1;
            marks.add([number, *parent, number], text.as_bytes()).unwrap();
        }
        marks
    }

    /// Operator, module, layer, product and tensors of a mark, in words.
    fn told(marks: &mut Marks, mark: u64) -> Option<String> {
        let mut builder = TraceBuilder::new();
        marks.works.clear();
        let at = marks.work(mark, &mut builder)?;
        let trace = builder.finish();
        let work = trace.captured.works.get(at);
        assert_eq!(work.layer_told, work.layer.is_some());
        let product = work.product.map(|product| trace.products[product.index()].to_string());
        let parts = [
            work.op.map(|op| trace.names.get(op).to_owned()),
            work.module.map(|module| format!("in {}", trace.names.get(module))),
            work.layer.map(|layer| format!("layer {layer}")),
            product,
            work.tensors_shown(&trace.names),
        ];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" | "))
    }

    const LAYER: &str = r#"{"module": "model.layers.3.self_attn", "class": "Attention"}"#;

    #[test]
    fn a_launch_is_of_the_innermost_operator_in_the_innermost_module() {
        let op = r#"{"op": "vllm::unified_attention", "args": [[[16, 8, 64], "torch.bfloat16"], "0.5", null]}"#;
        let mut marks = marks(&[(0, LAYER), (1, op), (0, op)]);
        let of = |marks: &mut Marks, mark| told(marks, mark).unwrap();
        assert_eq!(of(&mut marks, 1), "Attention | in model.layers.3.self_attn | layer 3");
        let attention = "vllm::unified_attention";
        let tensors = "bf16[16, 8, 64]";
        assert_eq!(of(&mut marks, 2), format!("{attention} | in model.layers.3.self_attn | layer 3 | {tensors}"));
        assert_eq!(of(&mut marks, 3), format!("{attention} | {tensors}"));
        assert_eq!((told(&mut marks, 0), told(&mut marks, 9)), (None, None));
    }

    #[test]
    fn a_module_tells_arguments_where_they_are_a_products_factors() {
        let linear = r#"{"module": "model.layers.0.o_proj", "class": "RowParallelLinear",
            "args": [[[16, 4096], "torch.bfloat16"], [[2880, 4096], "torch.bfloat16"], [[2880], "torch.bfloat16"]]}"#;
        let norm = r#"{"module": "norm", "class": "RMSNorm", "args": [[[16, 4096], "torch.float16"], [[4096], "torch.float16"]]}"#;
        let mut marks = marks(&[(0, linear), (0, norm)]);
        let shapes = "M=16 N=2880 K=4096 | bf16[16, 4096], bf16[2880, 4096], bf16[2880]";
        let linear = format!("RowParallelLinear | in model.layers.0.o_proj | layer 0 | {shapes}");
        assert_eq!(told(&mut marks, 1), Some(linear));
        assert_eq!(told(&mut marks, 2).unwrap(), "RMSNorm | in norm");
    }

    #[test]
    fn an_operator_of_a_layer_whose_name_it_was_given() {
        let op = r#"{"module": "model.layers.11.mlp.experts", "op": "vllm::moe_forward", "args": []}"#;
        let found = told(&mut marks(&[(0, LAYER), (1, op)]), 2).unwrap();
        assert_eq!(found, "vllm::moe_forward | in model.layers.11.mlp.experts | layer 11 | ");
    }

    #[test]
    fn damage_is_refused() {
        let mut marks = marks(&[(0, LAYER)]);
        assert_eq!(marks.add([2, 2, 1], b""), None, "in itself");
        assert_eq!(marks.add([2, 1, 7], b""), None, "without a text");
        assert_eq!(marks.add([2, 1, 7], b"{"), None);
        assert_eq!(marks.add([2, 1, 7], b"[1]"), None);
        assert_eq!(marks.add([2, 1, 1], b""), Some(()));
    }
}
