//! Code objects: loaded and unloaded by the host, told to those contexts that were active at that moment.
//!
//! A context that starts later is never told of an object that any other was told of. If none was active, the object is
//! told at the next load at which one is. A tool that configures late, however, is told of all that is loaded (abi-1.3 §6,
//! late start).

use std::ffi::{CString, c_void};
use std::sync::{Mutex, RwLock};

use rocprofiler_sys::bindings as c;
use rocprofiler_sys::{CodeObjectLoad, HostKernelSymbol, KernelSymbol};

use crate::agent::machine;
use crate::context::{self, Context, Event, kind, phase};
use crate::kernel::Kernel;
use crate::lock;
use crate::object_bytes::{self, Place};
use crate::thread::gettid;
use crate::version::Version;

const LOAD: i32 = c::ROCPROFILER_CODE_OBJECT_LOAD as i32;
const HOST_SYMBOL: i32 = c::ROCPROFILER_CODE_OBJECT_HOST_KERNEL_SYMBOL_REGISTER as i32;
const KERNEL_SYMBOL: i32 = c::ROCPROFILER_CODE_OBJECT_DEVICE_KERNEL_SYMBOL_REGISTER as i32;

/// The payload of a kernel symbol since 0.6, which added two fields that tools do without.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct SymbolData {
    known: KernelSymbol,
    code_entry_offset: i64,
    kernel_address: u64,
}

const _: () = assert!(size_of::<SymbolData>() == 88);

#[derive(Debug)]
struct CodeObject {
    id: u64,
    agent: u64,
    /// Whether the HIP runtime brought it along.
    is_runtimes: bool,
    /// Whether the host knows its kernels by the addresses of stubs.
    has_stubs: bool,
    /// Its file, as a compiler wrote it.
    bytes: Vec<u8>,
    /// Where it was told to be last.
    uri: Mutex<CString>,
    kernels: Vec<&'static Kernel>,
    /// Who was told of the load, with the user data of the object and of each symbol.
    told: Vec<(&'static Context, Vec<u64>)>,
    alive: bool,
}

static CODE_OBJECTS: Mutex<Vec<CodeObject>> = Mutex::new(Vec::new());
static KERNELS: RwLock<Vec<&'static Kernel>> = RwLock::new(Vec::new());

/// Loads a code object with these kernels, each a name and, behind a tab, the file that it was written in; answers with its id
/// (1, 2, 3, ...). `has_stubs`: the host launches them by the addresses of stubs.
pub fn load(device: usize, agent: u64, lines: &[&str], is_runtimes: bool, has_stubs: bool) -> u64 {
    let written: Vec<(&str, Option<&str>)> = lines
        .iter()
        .map(|line| line.split_once('\t').map_or((*line, None), |(name, file)| (name, Some(file))))
        .collect();
    let bytes = object_bytes::bytes(&machine().arch, &written);
    // Ids are positions: they are given out while nobody else can.
    let mut all = crate::write(&KERNELS);
    let kernels: Vec<&'static Kernel> = written
        .iter()
        .zip(all.len() as u64 + 1..)
        .map(|((name, _), id)| {
            let kernel: &'static Kernel = Box::leak(Box::new(Kernel {
                id,
                symbol: CString::new(format!("{name}.kd")).unwrap_or_default(),
                name: (*name).to_owned(),
                device,
                workgroup: [256, 1, 1],
                grid: [256 * 304, 1, 1],
            }));
            kernel
        })
        .collect();
    all.extend(&kernels);
    drop(all);
    let mut objects = lock(&CODE_OBJECTS);
    let id = objects.len() as u64 + 1;
    objects.push(CodeObject {
        id,
        agent,
        is_runtimes,
        has_stubs,
        bytes,
        uri: Mutex::default(),
        kernels: kernels.clone(),
        told: Vec::new(),
        alive: true,
    });
    for object in objects.iter_mut().filter(|object| object.alive && object.told.is_empty()) {
        object.tell_load(|_| true);
    }
    drop(objects);
    crate::ledger::with(|ledger| {
        ledger.add_code_object(crate::ledger::CodeObject {
            id,
            device,
            kernels: kernels.iter().map(|kernel| (kernel.id, kernel.name.clone())).collect(),
        });
    });
    id
}

/// Unloads a code object; false if it is not loaded.
pub fn unload(id: u64) -> bool {
    let mut objects = lock(&CODE_OBJECTS);
    let object = objects.iter_mut().find(|object| object.id == id && object.alive);
    object.map(CodeObject::tell_unload).is_some()
}

/// Tells the contexts of clients from this one on of everything that is loaded and that they have not been told of.
pub fn replay(from_client: usize) {
    for object in lock(&CODE_OBJECTS).iter_mut().filter(|object| object.alive) {
        object.tell_load(|context| context.client >= from_client);
    }
}

/// What is loaded, in the order of loading: ids, and whether the HIP runtime brought it along.
pub fn loaded() -> Vec<(u64, bool)> {
    lock(&CODE_OBJECTS).iter().filter(|object| object.alive).map(|object| (object.id, object.is_runtimes)).collect()
}

/// A kernel by the SDK's id.
pub fn kernel(id: u64) -> Option<&'static Kernel> {
    crate::read(&KERNELS).get((id as usize).wrapping_sub(1)).copied()
}

/// Where stubs lie, and how far from each other.
const STUBS: u64 = 0x5600_0000_0000;
const STUB: u64 = 0x10;

/// The stub of the kernel of this id.
pub fn stub_of(kernel: u64) -> u64 {
    STUBS + kernel * STUB
}

/// The kernel whose stub is there.
pub fn kernel_of_stub(stub: u64) -> Option<u64> {
    let kernel = stub.checked_sub(STUBS)? / STUB;
    lock(&CODE_OBJECTS)
        .iter()
        .any(|object| object.has_stubs && object.kernels.iter().any(|known| known.id == kernel))
        .then_some(kernel)
}

/// The id of a kernel in a code object, by name without `.kd`.
pub fn kernel_in(code_object: u64, name: &str) -> Option<u64> {
    let objects = lock(&CODE_OBJECTS);
    let object = objects.iter().find(|object| object.id == code_object && object.alive)?;
    object.kernels.iter().find(|kernel| kernel.name == name).map(|kernel| kernel.id)
}

impl CodeObject {
    fn tell_load(&mut self, whom: impl Fn(&Context) -> bool) {
        for context in context::all().iter().filter(|context| context.is_active() && whom(context)) {
            if context.service(kind::CODE_OBJECT).is_some() {
                let mut user_data = vec![0; self.kernels.len() + 1];
                self.tell(context, phase::ENTER, &mut user_data);
                self.told.push((context, user_data));
            }
        }
    }

    fn tell_unload(&mut self) {
        self.alive = false;
        for (context, mut user_data) in std::mem::take(&mut self.told) {
            self.tell(context, phase::EXIT, &mut user_data);
        }
    }

    /// The object first, then its symbols, in both directions.
    fn tell(&self, context: &Context, at: u32, user_data: &mut [u64]) {
        let Some(service) = context.service(kind::CODE_OBJECT) else { return };
        let wants = |operation| service.operations.as_ref().is_none_or(|operations| operations.contains(&operation));
        let event = |operation| Event {
            what: (kind::CODE_OBJECT, operation, at),
            thread: gettid(),
            internal: 0,
            ancestor: 0,
            external: 0,
        };
        if wants(LOAD) {
            let place = (at == phase::ENTER).then(|| Place::new(self.id, &self.bytes));
            if let Some(place) = &place {
                *lock(&self.uri) = CString::new(place.uri.as_str()).unwrap_or_default();
            }
            let uri = lock(&self.uri).clone();
            let (memory_base, memory_size) = place.as_ref().map_or((0, 0), Place::memory);
            let mut data = CodeObjectLoad {
                size: size_of::<CodeObjectLoad>() as u64,
                code_object_id: self.id,
                agent_id: c::rocprofiler_agent_id_t { handle: self.agent },
                hsa_agent: self.agent + 0x5555_0000_0000,
                uri: uri.as_ptr(),
                load_base: 0x7f00_0000_0000 + (self.id << 20),
                load_size: 68_128,
                load_delta: 0,
                storage_type: place
                    .as_ref()
                    .map_or(c::ROCPROFILER_CODE_OBJECT_STORAGE_TYPE_MEMORY, |place| place.storage),
                memory_base,
                memory_size,
            };
            context.call(service, &event(LOAD), (&raw mut data).cast::<c_void>(), &mut user_data[0]);
            forget_text(uri);
            crate::scribble(&mut data);
            place.iter().for_each(Place::free);
        }
        if wants(KERNEL_SYMBOL) {
            for (kernel, user_data) in self.kernels.iter().zip(&mut user_data[1..]) {
                let name = kernel.symbol.clone();
                let known = KernelSymbol {
                    size: Version::current().symbol_size(),
                    kernel_id: kernel.id,
                    code_object_id: self.id,
                    kernel_name: name.as_ptr(),
                    kernel_object: 0x7f20_0000_0000 + kernel.id * 64,
                    kernarg_segment_size: 64,
                    kernarg_segment_alignment: 16,
                    sgpr_count: 112,
                    arch_vgpr_count: 128,
                    ..KernelSymbol::default()
                };
                let mut data =
                    SymbolData { known, code_entry_offset: 0, kernel_address: 0x7f30_0000_0000 + kernel.id * 256 };
                context.call(service, &event(KERNEL_SYMBOL), (&raw mut data).cast::<c_void>(), user_data);
                forget_text(name);
                crate::scribble(&mut data);
            }
        }
        // Since 0.6, with the user data of the symbol, and at the load alone.
        let tells_stubs = self.has_stubs && at == phase::ENTER && Version::current().number() >= 600;
        if wants(HOST_SYMBOL) && tells_stubs {
            for (kernel, user_data) in self.kernels.iter().zip(&mut user_data[1..]) {
                let mut data = HostKernelSymbol {
                    size: size_of::<HostKernelSymbol>() as u64,
                    host_function_id: kernel.id,
                    kernel_id: kernel.id,
                    code_object_id: self.id,
                    host_function: c::rocprofiler_address_t { handle: stub_of(kernel.id) },
                    ..HostKernelSymbol::default()
                };
                context.call(service, &event(HOST_SYMBOL), (&raw mut data).cast::<c_void>(), user_data);
                crate::scribble(&mut data);
            }
        }
    }
}

/// Overwrites a text before it is freed: a tool that kept the pointer must not find the name there.
fn forget_text(text: CString) {
    let mut bytes = text.into_bytes();
    bytes.fill(b'?');
    std::hint::black_box(&bytes);
}
