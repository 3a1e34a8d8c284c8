//! Layers and places that the model's own modules tell, beside those that the fold finds.
//!
//! ```text
//!   module   model.layers.3.self_attn.qkv_proj      layer 3, place model.layers.*.self_attn.qkv_proj
//!   fold                                            layer 3: they agree
//! ```
//!
//! What is told goes before what the fold infers, as long as it is one of the fold's layers: a draft model's or a vision
//! tower's layers are numbered anew.

use crate::analyze::layers::place::Standing;
use crate::model::{Names, Work};
use crate::output::layers::{Section, Told};

/// How told layers and the fold agree.
#[derive(Default)]
pub(super) struct Agreement {
    told: Told,
}

impl Agreement {
    /// Where a kernel stands that did `work`, if its layer is told, of so many `layers`.
    pub(super) fn settle(&mut self, work: Option<&Work>, standing: Standing, layers: usize) -> Standing {
        let told = work.and_then(layer).map(|layer| layer as usize).filter(|layer| *layer < layers);
        let Some(layer) = told else { return standing };
        self.told.kernels += 1;
        if standing.layer == Some(layer) {
            self.told.agree += 1;
            return standing;
        }
        // A place before or after the layers is none in them.
        let place = standing.place.filter(|_| standing.section == Section::Layer);
        Standing { section: Section::Layer, place, layer: Some(layer) }
    }

    /// What the report says of it; `None` where nothing is told.
    pub(super) fn told(self) -> Option<Told> {
        Some(self.told).filter(|told| told.kernels > 0)
    }
}

/// The layer of `work`, if it is told.
pub(crate) fn layer(work: &Work) -> Option<u32> {
    work.layer.filter(|_| work.layer_told)
}

/// The module of `work` in every layer: its path with `*` for the number of the layer.
pub(crate) fn module(work: &Work, names: &Names) -> Option<String> {
    let path = names.get(work.module?);
    let Some(layer) = layer(work).map(|layer| layer.to_string()) else { return Some(path.to_owned()) };
    let mut is_first = true;
    let part = |part| if part == layer && std::mem::take(&mut is_first) { "*" } else { part };
    Some(path.split('.').map(part).collect::<Vec<_>>().join("."))
}

/// The same as engines of one model are likely to agree on: what stands around the layers has a name of their own.
///
/// ```text
///   model.layers.*.self_attn.qkv_proj      *.self_attn.qkv_proj
///   model.norm                             norm
/// ```
pub(crate) fn place(work: &Work, names: &Names) -> Option<String> {
    let module = module(work, names)?;
    let from = module.find("*.").or_else(|| module.rfind('.').map(|at| at + 1));
    Some(module[from.unwrap_or(0)..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Captured, ProductIdx};

    fn work(names: &mut Names, module: &str, layer: Option<u32>) -> Work {
        let mut captured = Captured::default();
        captured.tell(names.intern("op"), ProductIdx::new(0), None);
        let module = Some(names.intern(module));
        Work { module, layer, layer_told: layer.is_some(), ..captured.works.all()[0].clone() }
    }

    #[test]
    fn a_module_is_the_same_in_all_layers_but_for_their_number() {
        let mut names = Names::default();
        for (path, told, expected, short) in [
            ("model.layers.3.self_attn.qkv_proj", Some(3), "model.layers.*.self_attn.qkv_proj", "*.self_attn.qkv_proj"),
            ("layers.3.mlp.experts.3", Some(3), "layers.*.mlp.experts.3", "*.mlp.experts.3"),
            ("model.layers.3", Some(3), "model.layers.*", "*"),
            ("model.norm", None, "model.norm", "norm"),
            ("lm_head", None, "lm_head", "lm_head"),
        ] {
            let work = work(&mut names, path, told);
            assert_eq!(module(&work, &names).as_deref(), Some(expected));
            assert_eq!(place(&work, &names).as_deref(), Some(short));
        }
    }

    #[test]
    fn told_layers_go_before_the_fold_and_what_is_none_of_its_layers_does_not() {
        let mut names = Names::default();
        let mut agreement = Agreement::default();
        let mut settle = |told, section, layer| {
            let work = work(&mut names, "m", told);
            let Standing { section, place, layer } =
                agreement.settle(Some(&work), Standing { section, place: Some(1), layer }, 4);
            (section, place, layer)
        };
        assert_eq!(settle(Some(2), Section::Layer, Some(2)), (Section::Layer, Some(1), Some(2)));
        assert_eq!(settle(Some(3), Section::Layer, Some(2)), (Section::Layer, Some(1), Some(3)));
        assert_eq!(settle(Some(0), Section::Head, None), (Section::Layer, None, Some(0)));
        assert_eq!(settle(Some(4), Section::Tail, None), (Section::Tail, Some(1), None));
        assert_eq!(settle(None, Section::Layer, Some(1)), (Section::Layer, Some(1), Some(1)));
        assert_eq!(agreement.told(), Some(Told { kernels: 3, agree: 1 }));
        assert_eq!(Agreement::default().told(), None);
    }
}
