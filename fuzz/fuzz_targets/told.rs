//! What users and other programs tell: rules, an index, tuned tables, a model's configuration, a baseline, an order of a window.

#![no_main]

use libfuzzer_sys::fuzz_target;
use profile_decode::analyze::compare::{Options, Side, compare};
use profile_decode::analyze::floor::Model;
use profile_decode::analyze::gemm::tables;
use profile_decode::capture::control::{Order, Reply, Request};
use profile_decode::classify::{Classifier, Context, Index};

fuzz_target!(|data: &[u8]| {
    let Some((&kind, data)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(data) else { return };
    match kind % 7 {
        0 => {
            if let Ok(classifier) = Classifier::with_rules(text) {
                let _ = classifier.classify("_ZN2ck9kernel_a_b16IfEEvv", &Context::default());
            }
        }
        1 => drop(tables::parse(text)),
        2 => drop(Model::parse(text)),
        3 => {
            if let Ok(side) = Side::from_baseline(data) {
                let _ = compare(&side, &side, &Options::default());
            }
        }
        4 => drop(Order::parse(text)),
        5 => {
            if let Ok(index) = Index::parse(text) {
                let _ = Classifier::builtin().with_index(index).classify("_zork_kernel_0", &Context::default());
            }
        }
        _ => drop((serde_json::from_str::<Request>(text), serde_json::from_str::<Reply>(text))),
    }
});
