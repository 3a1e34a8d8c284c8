//! The HIP calls that make graphs, as callbacks see them: which they are, and what their arguments tell.
//!
//! Numbers are asked for by name. Arguments are words of 8 bytes, in which values of 4 bytes stand as a C compiler puts
//! them (`hip/api_args.h` of rocprofiler-sdk, whose layouts are the same from 0.4 to 1.3):
//!
//! ```text
//!   hipLaunchKernel         0 function   1 gx gy   2 gz bx   3 by bz   4 args   5 LDS     6 stream        blocks
//!   hipModuleLaunchKernel   0 function   1 gx gy   2 gz bx   3 by bz   4 LDS    5 stream                  blocks
//!   hipExtModuleLaunch…     0 function   1 gx gy   2 gz bx   3 by bz   4 LDS    5 stream                  work-items
//!   hipLaunchKernelExC      0 config ->  0 gx gy   1 gz bx   2 by bz   3 LDS    4 stream      1 function  blocks
//! ```

/// Words of a call's arguments.
pub(in crate::capture) type Words = [u64; 11];

/// What a call is to captures of graphs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::capture) enum GraphCall {
    /// hipStreamBeginCapture and hipStreamBeginCaptureToGraph.
    Begin,
    /// hipStreamEndCapture.
    End,
    /// hipGraphInstantiate and its variants.
    Instantiate,
    /// hipGraphExecUpdate.
    Update,
    /// A call that changes nodes of an executable graph, which is its first argument.
    Alter,
    /// hipGraphExecDestroy.
    Destroy,
    /// hipGraphDestroy.
    DestroyGraph,
    /// hipGraphClone.
    Clone,
    /// hipModuleGetFunction.
    Function,
    /// hipGetFuncBySymbol.
    FunctionOfSymbol,
    /// A launch of a kernel.
    Launch(Shape),
    /// A copy or fill on the stream in this word.
    Memory(usize),
    /// hipEventRecord.
    Record,
    /// hipStreamWaitEvent.
    Wait,
}

/// How the arguments of a launch stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::capture) enum Shape {
    /// A host address, blocks.
    Host,
    /// A function's handle, blocks.
    Module,
    /// A function's handle, work-items.
    ExtModule,
    /// A configuration elsewhere, then the function: whether that is a handle.
    Config {
        /// Else it is a host address.
        is_handle: bool,
    },
}

/// Calls that are listened to all the time, by what their names are without a suffix `_spt`. That a node was turned off
/// (hipGraphNodeSetEnabled) is told by the kernels that a replay lacks.
const LASTING: &[(&str, GraphCall)] = &[
    ("hipStreamBeginCapture", GraphCall::Begin),
    ("hipStreamBeginCaptureToGraph", GraphCall::Begin),
    ("hipStreamEndCapture", GraphCall::End),
    ("hipGraphInstantiate", GraphCall::Instantiate),
    ("hipGraphInstantiateWithFlags", GraphCall::Instantiate),
    ("hipGraphInstantiateWithParams", GraphCall::Instantiate),
    ("hipGraphExecUpdate", GraphCall::Update),
    ("hipGraphExecKernelNodeSetParams", GraphCall::Alter),
    ("hipGraphExecMemcpyNodeSetParams", GraphCall::Alter),
    ("hipGraphExecMemsetNodeSetParams", GraphCall::Alter),
    ("hipGraphExecChildGraphNodeSetParams", GraphCall::Alter),
    ("hipGraphExecNodeSetParams", GraphCall::Alter),
    ("hipGraphExecDestroy", GraphCall::Destroy),
    ("hipGraphDestroy", GraphCall::DestroyGraph),
    ("hipGraphClone", GraphCall::Clone),
    ("hipModuleGetFunction", GraphCall::Function),
    ("hipGetFuncBySymbol", GraphCall::FunctionOfSymbol),
];

/// Calls that are listened to while a graph is being captured.
const CAPTURED: &[(&str, GraphCall)] = &[
    ("hipLaunchKernel", GraphCall::Launch(Shape::Host)),
    ("hipLaunchCooperativeKernel", GraphCall::Launch(Shape::Host)),
    ("hipExtLaunchKernel", GraphCall::Launch(Shape::Host)),
    ("hipModuleLaunchKernel", GraphCall::Launch(Shape::Module)),
    ("hipModuleLaunchCooperativeKernel", GraphCall::Launch(Shape::Module)),
    ("hipExtModuleLaunchKernel", GraphCall::Launch(Shape::ExtModule)),
    ("hipHccModuleLaunchKernel", GraphCall::Launch(Shape::ExtModule)),
    ("hipLaunchKernelExC", GraphCall::Launch(Shape::Config { is_handle: false })),
    ("hipDrvLaunchKernelEx", GraphCall::Launch(Shape::Config { is_handle: true })),
    ("hipMemcpyAsync", GraphCall::Memory(4)),
    ("hipMemcpyDtoDAsync", GraphCall::Memory(3)),
    ("hipMemcpyHtoDAsync", GraphCall::Memory(3)),
    ("hipMemcpyDtoHAsync", GraphCall::Memory(3)),
    ("hipMemcpy2DAsync", GraphCall::Memory(7)),
    ("hipMemcpy3DAsync", GraphCall::Memory(1)),
    ("hipMemcpyPeerAsync", GraphCall::Memory(5)),
    ("hipMemsetAsync", GraphCall::Memory(3)),
    ("hipMemsetD8Async", GraphCall::Memory(3)),
    ("hipMemsetD16Async", GraphCall::Memory(3)),
    ("hipMemsetD32Async", GraphCall::Memory(3)),
    ("hipEventRecord", GraphCall::Record),
    ("hipEventRecordWithFlags", GraphCall::Record),
    ("hipStreamWaitEvent", GraphCall::Wait),
];

/// A call with what its name tells of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::capture) struct Known {
    /// What it is.
    pub(in crate::capture) call: GraphCall,
    /// Whether no stream means the thread's own.
    pub(in crate::capture) per_thread: bool,
    /// Whether it is listened to all the time.
    pub(in crate::capture) lasts: bool,
}

/// What the call of this name is; `None`: nothing to captures.
pub(in crate::capture) fn known(name: &str) -> Option<Known> {
    let (plain, per_thread) = name.strip_suffix("_spt").map_or((name, false), |plain| (plain, true));
    let find = |table: &[(&str, GraphCall)]| table.iter().find(|(known, _)| *known == plain).map(|(_, call)| *call);
    let lasting = find(LASTING).map(|call| Known { call, per_thread, lasts: true });
    lasting.or_else(|| find(CAPTURED).map(|call| Known { call, per_thread, lasts: false }))
}

/// What a launch names its kernel by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in crate::capture) enum Function {
    /// The address of a host stub, or what newer versions of HIP take in its place.
    Host(u64),
    /// A handle.
    Handle(u64),
}

/// The arguments of a launch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::capture) struct Launch {
    pub(in crate::capture) function: Function,
    /// Blocks.
    pub(in crate::capture) grid: [u32; 3],
    /// Work-items of a block.
    pub(in crate::capture) block: [u32; 3],
    /// Bytes of LDS that the launch asks for.
    pub(in crate::capture) lds: u32,
    pub(in crate::capture) stream: u64,
}

/// The words that a launch of this shape stands in; of one with a configuration elsewhere, `config` has the first 5 of that.
pub(in crate::capture) fn launch(shape: Shape, words: &Words, config: Option<&[u64; 5]>) -> Option<Launch> {
    let (low, high) = (|word: u64| word as u32, |word: u64| (word >> 32) as u32);
    let (sizes, lds, stream): (&[u64], u64, u64) = match shape {
        Shape::Host => (&words[1..4], words[5], words[6]),
        Shape::Module | Shape::ExtModule => (&words[1..4], words[4], words[5]),
        Shape::Config { .. } => {
            let config = config?;
            (&config[..3], config[3], config[4])
        }
    };
    let mut grid = [low(sizes[0]), high(sizes[0]), low(sizes[1])];
    let block = [high(sizes[1]), low(sizes[2]), high(sizes[2])];
    if shape == Shape::ExtModule {
        grid.iter_mut().zip(block).for_each(|(grid, block)| *grid = grid.div_ceil(block.max(1)));
    }
    let function = match shape {
        Shape::Host => Function::Host(words[0]),
        Shape::Module | Shape::ExtModule => Function::Handle(words[0]),
        Shape::Config { is_handle: true } => Function::Handle(words[1]),
        Shape::Config { is_handle: false } => Function::Host(words[1]),
    };
    // hipModuleLaunchKernel has 4 bytes for it, and something else behind them.
    Some(Launch { function, grid, block, lds: low(lds), stream })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_known_by_their_names_with_and_without_the_threads_own_stream() {
        let call = |name| known(name).map(|known| (known.call, known.per_thread, known.lasts));
        assert_eq!(call("hipStreamBeginCapture_spt"), Some((GraphCall::Begin, true, true)));
        assert_eq!(call("hipLaunchKernel"), Some((GraphCall::Launch(Shape::Host), false, false)));
        assert_eq!((call("hipGraphLaunch"), call("hipMalloc")), (None, None));
    }

    #[test]
    fn a_launch_is_read_from_where_a_compiler_puts_its_arguments() {
        let pair = |low: u64, high: u64| low | high << 32;
        let expected =
            Launch { function: Function::Handle(9), grid: [4, 5, 6], block: [64, 2, 1], lds: 512, stream: 77 };
        let mut words = [9, pair(4, 5), pair(6, 64), pair(2, 1), pair(512, 0xdead), 77, 0, 0, 0, 0, 0];
        assert_eq!(launch(Shape::Module, &words, None), Some(expected));
        words[1..3].copy_from_slice(&[pair(4 * 64, 5 * 2), pair(6, 64)]);
        assert_eq!(launch(Shape::ExtModule, &words, None), Some(expected));
        let host = [9, pair(4, 5), pair(6, 64), pair(2, 1), 1, 512, 77, 0, 0, 0, 0];
        let function = Function::Host(9);
        assert_eq!(launch(Shape::Host, &host, None), Some(Launch { function, ..expected }));
        let config = [pair(4, 5), pair(6, 64), pair(2, 1), pair(512, 3), 77];
        let elsewhere = [1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(launch(Shape::Config { is_handle: true }, &elsewhere, Some(&config)), Some(expected));
        assert_eq!(launch(Shape::Config { is_handle: true }, &elsewhere, None), None);
    }
}
