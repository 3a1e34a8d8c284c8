//! Which kernels of one side stand in the place of which of the other.
//!
//! In this order, each on what the ones before left over:
//!
//! 1. *By module*, where captures of both sides tell it: what a module launches is compared with what it launches, whatever
//!    the kernels are called.
//! 2. *By place*: heads, layers and tails are aligned, so a kernel that another replaced is found by what stands around
//!    it, across builds, frameworks and GPUs. Where several kernels take turns at a place (attention for short and long
//!    contexts), those of one name are compared with each other.
//! 3. *By name*, as [`identity`] compares names.
//! 4. *By neighbour*: where one kernel was replaced by two, the second stands beside the first.
//! 5. *By purpose*: what is left of one kind on both sides replaced each other. Not for kernels of unknown purpose.
//!
//! The rest was added or removed.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::analyze::compare::side::{Kernel, Side, Spot};
use crate::analyze::layers::fold::{align, align_cyclic};
use crate::analyze::layers::identity;
use crate::analyze::layers::names::{Named, Roles};
use crate::classify::Category;
use crate::output::comparison::Fate;
use crate::output::layers::Section;

/// Slots that stand for one another.
#[derive(Clone, Debug, Default)]
pub(super) struct Pair {
    pub(super) base: Vec<usize>,
    pub(super) new: Vec<usize>,
    /// Section and position of the first slot, by the base's layout, else the new's.
    pub(super) place: Option<Spot>,
}

impl Pair {
    pub(super) fn category(&self, base: &Side, new: &Side) -> Category {
        let kernel = match (self.base.first(), self.new.first()) {
            (Some(&slot), _) => main(base, slot),
            (None, Some(&slot)) => main(new, slot),
            (None, None) => return Category::Other,
        };
        kernel.category
    }

    pub(super) fn fate(&self, base: &Side, new: &Side) -> Fate {
        match (self.base.first(), self.new.first()) {
            (None, _) => Fate::Added,
            (_, None) => Fate::Removed,
            (Some(&was), Some(&is)) if main(base, was).normal == main(new, is).normal => Fate::Same,
            _ => Fate::Replaced,
        }
    }
}

/// The slots of a place, that with the most time first.
fn standing(side: &Side, place: Spot) -> Vec<usize> {
    let mut slots: Vec<usize> = (0..side.slots.len()).filter(|&at| side.slots[at].place == Some(place)).collect();
    most_first(side, &mut slots);
    slots
}

fn most_first(side: &Side, slots: &mut [usize]) {
    slots.sort_by_key(|&at| Reverse(side.slots[at].kernels.iter().map(|(_, ns)| ns).sum::<u64>()));
}

/// The kernel that a slot mostly ran.
pub(super) fn main(side: &Side, slot: usize) -> &Kernel {
    &side.kernels[side.slots[slot].main() as usize]
}

/// All slots of both sides, paired where they can be.
pub(super) fn pairs(base: &Side, new: &Side) -> Vec<Pair> {
    let mut matching = Matching {
        base,
        new,
        base_free: vec![true; base.slots.len()],
        new_free: vec![true; new.slots.len()],
        pairs: Vec::new(),
    };
    matching.by_module();
    matching.by_place();
    matching.by_name();
    matching.by_neighbour();
    matching.by_purpose();
    matching.rest()
}

struct Matching<'a> {
    base: &'a Side,
    new: &'a Side,
    base_free: Vec<bool>,
    new_free: Vec<bool>,
    pairs: Vec<Pair>,
}

impl Matching<'_> {
    fn pair(&mut self, base: Vec<usize>, new: Vec<usize>) {
        base.iter().for_each(|&slot| self.base_free[slot] = false);
        new.iter().for_each(|&slot| self.new_free[slot] = false);
        let of = |side: &Side, slots: &[usize]| slots.iter().filter_map(|&slot| side.slots[slot].place).min();
        let place = of(self.base, &base).or_else(|| of(self.new, &new));
        self.pairs.push(Pair { base, new, place });
    }

    fn by_place(&mut self) {
        let (base, new) = (self.base, self.new);
        let (Some(base_layout), Some(new_layout)) = (&base.layout, &new.layout) else { return };
        // Kernels of the new side are numbered after those of the base.
        let offset = base.kernels.len() as u32;
        let kernel = |token: u32| match token.checked_sub(offset) {
            Some(token) => &new.kernels[token as usize],
            None => &base.kernels[token as usize],
        };
        let cost = |a: u32, b: u32| identity::cost(&kernel(a).identity(), &kernel(b).identity());
        for ((section, was), (_, is)) in base_layout.sections().into_iter().zip(new_layout.sections()) {
            let is: Vec<u32> = is.iter().map(|token| token + offset).collect();
            let found = if section == Section::Layer { align_cyclic(was, &is, &cost) } else { align(was, &is, &cost) };
            for (at, partner) in found.partner.iter().enumerate() {
                if let Some(partner) = partner {
                    let spot = |at: usize| (section, at as u32);
                    let (mut was, mut is) = (standing(base, spot(*partner)), standing(new, spot(at)));
                    was.retain(|&slot| self.base_free[slot]);
                    is.retain(|&slot| self.new_free[slot]);
                    self.alike(was, is);
                }
            }
        }
    }

    /// Pairs slots that do the same work: those of one name with each other, then those of one name but for its tiles,
    /// then what is left over with what is left over. If one side alone has more, its work went to the kernel that does
    /// most.
    fn alike(&mut self, mut was: Vec<usize>, mut is: Vec<usize>) {
        let (base, new) = (self.base, self.new);
        let mut pairs: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
        for name in [|kernel: &Kernel| &*kernel.name, |kernel: &Kernel| &*kernel.normal] as [fn(&Kernel) -> &str; 2] {
            was.retain(|&slot| {
                let same = |&other: &usize| name(main(new, other)) == name(main(base, slot));
                let found = is.iter().position(same);
                pairs.extend(found.map(|at| (vec![slot], vec![is.remove(at)])));
                found.is_none()
            });
        }
        match pairs.first_mut() {
            Some(most) if was.is_empty() || is.is_empty() => {
                most.0.extend(was);
                most.1.extend(is);
            }
            _ if !was.is_empty() && !is.is_empty() => pairs.push((was, is)),
            _ => {}
        }
        pairs.into_iter().for_each(|(was, is)| self.pair(was, is));
    }

    /// Pairs what is left of each group that both sides have.
    fn by(
        &mut self,
        key: impl for<'k> Fn(&'k Kernel) -> Option<(Category, &'k str)>,
        pair: fn(&mut Self, Vec<usize>, Vec<usize>),
    ) {
        let mut groups: BTreeMap<(Category, String), (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for (side, free, is_new) in [(self.base, &self.base_free, false), (self.new, &self.new_free, true)] {
            for slot in (0..side.slots.len()).filter(|&slot| free[slot]) {
                if let Some((category, text)) = key(main(side, slot)) {
                    let group = groups.entry((category, text.to_owned())).or_default();
                    if is_new { group.1.push(slot) } else { group.0.push(slot) }
                }
            }
        }
        let both: Vec<_> = groups.into_values().filter(|(was, is)| !was.is_empty() && !is.is_empty()).collect();
        for (mut was, mut is) in both {
            most_first(self.base, &mut was);
            most_first(self.new, &mut is);
            pair(self, was, is);
        }
    }

    fn by_module(&mut self) {
        self.by(|kernel| Some((kernel.category, kernel.module.as_deref()?)), Self::alike);
    }

    fn by_name(&mut self) {
        self.by(|kernel| Some((kernel.category, &kernel.normal)), Self::alike);
    }

    fn by_purpose(&mut self) {
        let purpose: for<'k> fn(&'k Kernel) -> Option<(Category, &'k str)> = |kernel| match kernel.category {
            // A GEMM's kind is its backend, which is what changes.
            Category::Gemm => Some((kernel.category, "")),
            _ => (kernel.sub != "unknown").then_some((kernel.category, &kernel.sub)),
        };
        self.by(purpose, Self::pair);
    }

    /// Adds free slots to the replaced pair beside them that does the same.
    fn by_neighbour(&mut self) {
        let (base, new) = (self.base, self.new);
        for is_new in [false, true] {
            let (side, free) = if is_new { (new, &mut self.new_free) } else { (base, &mut self.base_free) };
            for (slot, free) in free.iter_mut().enumerate() {
                let Some((section, at)) = side.slots[slot].place.filter(|_| *free) else { continue };
                let category = main(side, slot).category;
                let beside = |pair: &&mut Pair| {
                    let own = if is_new { &pair.new } else { &pair.base };
                    pair.fate(base, new) == Fate::Replaced
                        && pair.category(base, new) == category
                        && own.iter().any(|&own| {
                            side.slots[own].place.is_some_and(|(of, place)| of == section && place.abs_diff(at) == 1)
                        })
                };
                if let Some(pair) = self.pairs.iter_mut().find(beside) {
                    if is_new {
                        pair.new.push(slot)
                    } else {
                        pair.base.push(slot)
                    }
                    *free = false;
                }
            }
        }
    }

    fn rest(mut self) -> Vec<Pair> {
        for slot in 0..self.base.slots.len() {
            if self.base_free[slot] {
                self.pair(vec![slot], Vec::new());
            }
        }
        for slot in 0..self.new.slots.len() {
            if self.new_free[slot] {
                self.pair(Vec::new(), vec![slot]);
            }
        }
        self.pairs
    }
}

/// What the places of a side are called, in the words of the report; `None` if its steps have no layers.
pub(super) fn roles(side: &Side) -> Option<Roles> {
    let layout = side.layout.as_ref()?;
    let kernel = |&kernel: &u32| &side.kernels[kernel as usize];
    let heaviest = |(at, token): (usize, &u32)| {
        let slots = side.slots.iter().filter(|slot| slot.place == Some((Section::Layer, at as u32)));
        let kernels = slots.flat_map(|slot| &slot.kernels);
        let most = kernels.max_by_key(|(token, ns)| (*ns, Reverse(&kernel(token).name)));
        most.map_or_else(|| kernel(token), |(token, _)| kernel(token)).named()
    };
    let outside = |tokens: &[u32]| -> Vec<Named<'_>> { tokens.iter().map(|token| kernel(token).named()).collect() };
    let layer: Vec<Named<'_>> = layout.cycle.iter().enumerate().map(heaviest).collect();
    Some(Roles::new(&outside(&layout.head), &layer, &outside(&layout.tail)))
}

/// A place's section and what it is called.
pub(super) fn role(roles: &Roles, (section, at): Spot) -> Option<String> {
    let section_name = match section {
        Section::Head => "head",
        Section::Layer => "layer",
        Section::Tail => "tail",
    };
    Some(format!("{section_name}: {}", roles.role(section, at)?))
}
