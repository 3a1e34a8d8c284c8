//! The hook in Python from outside: programs that import a stand-in for torch, with a stand-in for the library preloaded.
//!
//! Both are in `tests/python`. `tools/check-python-hook` runs the same sources against torch itself.

#[path = "common/python.rs"]
mod python;
#[path = "common/skip.rs"]
mod skip;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The stand-in for the library, compiled once.
fn library() -> &'static Path {
    static MADE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = MADE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let library = directory.path().join("stand-in.so");
        let source = place("tests/python/library.c");
        let compiled =
            Command::new("cc").args(["-shared", "-fPIC", "-pthread", "-o"]).arg(&library).arg(source).status();
        assert!(compiled.expect("a C compiler").success());
        (directory, library)
    });
    library
}

/// A program with the hook, as `run --modules` brings it in, and the stand-ins.
fn bare(program: &str) -> Command {
    with_path(program, &[place("python"), place("tests/python")])
}

fn with_path(program: &str, folders: &[PathBuf]) -> Command {
    let mut command = Command::new(python::python().expect("python3 is needed"));
    command.args(["-c", program]).env("PYTHONPATH", std::env::join_paths(folders).unwrap());
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PROFILE_DECODE_MODULES", "1").env("LD_PRELOAD", library());
    command
}

/// A program after the model that most of them use.
fn host(program: &str) -> Command {
    bare(&format!("{MODEL}\n{program}"))
}

#[track_caller]
fn succeeds(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{status}\n{stdout}\n{stderr}");
    assert!(!stderr.contains("Error in sitecustomize"), "{stderr}");
    stdout.into_owned()
}

#[track_caller]
fn holds(program: &str) {
    succeeds(host(program));
}

/// Three layers with an operator that is told its layer, and a linear module of its own.
const MODEL: &str = "
import torch
from told import active, capture, names, told

lib = getattr(torch, 'library', None) and torch.library.Library('vllm', 'FRAGMENT')
if lib:
    lib.define('unified_attention(Tensor q, Tensor out, str layer_name)')
    def unified_attention(q, out, layer_name):
        if layer_name == 'model.layers.1.attn' and Layer.fails:
            raise ValueError('as the body says')
        return out
    lib.impl('unified_attention', unified_attention, 'CUDA')

class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.Tensor(6144, 4096)
    def forward(self, x):
        return torch.Tensor(*x.shape[:-1], 6144)

class Layer(torch.nn.Module):
    fails = False
    def __init__(self, number):
        super().__init__()
        self.number, self.qkv = number, Linear()
    def forward(self, x):
        out = self.qkv(x)
        if lib:
            torch.library.call('vllm::unified_attention', out, x, f'model.layers.{self.number}.attn')
        return x

class Layers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        for number in range(3):
            setattr(self, str(number), Layer(number))

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = Layers()
    def forward(self, x):
        for number in range(3):
            getattr(self.layers, str(number))(x)
        return x

class Top(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = Model()
    def forward(self, x):
        return self.model(x)

top, x = Top(), torch.Tensor(16, 4096)
";

/// Modules and operators of a call of the model, with their depth.
const ALL: &str = "
ALL = [(0, 'model')]
for number in range(3):
    layer = f'model.layers.{number}'
    ALL += [(1, layer), (2, layer + '.qkv'), (2, 'vllm::unified_attention')]
";

#[test]
fn modules_and_operators_are_told_in_their_order_while_a_graph_is_captured_and_not_otherwise() {
    holds(&format!(
        "{ALL}
top(x)
assert told() == []
with capture():
    top.forward(x)
assert names() == ALL
top(x)
assert told() == []"
    ));
}

#[test]
fn layers_and_arguments_are_told() {
    holds(
        "
with capture():
    top.model.layers.__dict__['2'](x)
(_, layer), (_, linear), (_, op) = told()
assert layer == {'module': 'model.layers.2', 'class': 'Layer'}, layer
bf16 = 'torch.bfloat16'
assert linear['args'] == [[[16, 4096], bf16], [[6144, 4096], bf16]], linear
assert op == {'op': 'vllm::unified_attention', 'module': 'model.layers.2.attn',
              'args': [[[16, 6144], bf16], [[16, 4096], bf16], None]}, op",
    );
}

#[test]
fn an_exception_of_the_host_passes_and_all_is_left() {
    holds(
        "
Layer.fails = True
with capture():
    try:
        top(x)
        assert False
    except ValueError as error:
        assert str(error) == 'as the body says'
        frames = error.__traceback__
assert names()[-1] == (3, 'vllm::unified_attention')
Layer.fails = False
with capture():
    top(x)
assert len(told()) == 11",
    );
}

#[test]
fn a_capture_that_begins_or_ends_within_a_module_confuses_nothing() {
    holds(
        "
class Split(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.one = Linear()
    def forward(self, x):
        with capture():
            self.one(x)
        self.one(x)
        active.value += 1
        self.one(x)
split = Split()
with capture():
    pass
split(x)
import told as log
lines = log.raw().splitlines()
assert [line.split()[2] for line in lines] == ['+', '-', '+', '-', '?'], lines",
    );
}

#[test]
fn threads_and_modules_within_themselves_are_kept_apart() {
    holds(
        "
import threading
class Again(torch.nn.Module):
    def forward(self, depth):
        return self(depth - 1) if depth else None
again = Again()
def work():
    for _ in range(20):
        top(x)
        again(3)
with capture():
    threads = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
assert len(told()) == 4 * 20 * (11 + 4)",
    );
}

#[test]
fn while_dynamo_traces_hooks_do_nothing() {
    holds(
        "
with capture():
    torch.compiler.is_tracing = True
    top(x)
    torch.compiler.is_tracing = False
assert names() == [(0, 'vllm::unified_attention')] * 3",
    );
}

#[test]
fn operators_are_told_by_their_schema_or_by_what_looks_like_a_layer() {
    holds(
        "
class LayerName:
    value = 'model.layers.7.mlp.experts'
class Symbol:
    pass
def body(*args, **kwargs):
    return args, kwargs
def op(schema, *args, key='CUDA', registered_as=None, **kwargs):
    name = lib.define(schema)
    registered = dict(with_keyset=True) if kwargs.pop('keyset', False) else {}
    lib.impl(registered_as or name, body, key, **registered)
    with capture():
        torch.library.call('vllm::' + name, *args, key=key, **kwargs)
    return [entry for _, entry in told()]
t = torch.Tensor(4)
[moe] = op('moe_forward(Tensor x, str layer_name)', t, LayerName(), keyset=True)
assert (moe['module'], moe['args'][0]) == (LayerName.value, [[4], 'torch.bfloat16'])
[reduce] = op('all_reduce(Tensor x, str group_name)', t, 'tp:0')
assert 'module' not in reduce
[other] = op('other(Tensor x, str group, str name)', t, 'a.b', name='layers.3.x', registered_as='vllm::other')
assert (other['module'], other['op']) == ('layers.3.x', 'vllm::other')
[placeholder] = op('late(Tensor x, str layer_name)', t, 'from_forward_context')
assert 'module' not in placeholder
[symbolic] = op('symbolic(Tensor x, int n, bool b)', torch.Tensor(Symbol(), 4), 3, True)
assert symbolic['args'] == [None, '3', 'True']
[large] = op('large(Tensor x)', torch.Tensor(*[10 ** 9] * 600))
assert large == {'op': 'vllm::large'}
for key in ('Meta', 'AutogradCUDA', 'CompositeImplicitAutograd'):
    assert op(f'no_{key}(Tensor x)', t, key=key) == []",
    );
}

#[test]
fn products_that_compiled_code_calls_are_told() {
    holds(
        "
from torch._inductor.select_algorithm import Callable, extern_kernels
assert (extern_kernels.mm.__name__, extern_kernels.mm.__doc__) == ('mm', 'The docs of mm.')
assert isinstance(extern_kernels.other, Callable) and extern_kernels.length('four') == 4
late = lambda a: a
extern_kernels.late = late
assert extern_kernels.late.__wrapped__ is late
a, b, out = torch.Tensor(16, 4096), torch.Tensor(4096, 6144), torch.Tensor(16, 6144)
assert extern_kernels.mm(a, b, out=out) is out and told() == []
class Compiled(torch.nn.Module):
    def forward(self, x):
        return extern_kernels.mm(x, b, out=out)
top.compiled = Compiled()
with capture():
    assert top.compiled(a) is out
    try:
        extern_kernels.mm(b, a, out=out)
        assert False
    except ValueError as error:
        assert str(error) == 'the sizes do not fit'
(_, module), (depth, product), _ = told()
bf16 = 'torch.bfloat16'
assert (module['module'], depth) == ('compiled', 1)
assert product == {'op': 'aten::mm', 'args': [[[16, 4096], bf16], [[4096, 6144], bf16], [[16, 6144], bf16]]}, product
import sys
assert not any(getattr(finder, 'wanted', None) for finder in sys.meta_path)",
    );
}

#[test]
fn what_others_register_is_registered_as_they_meant_it() {
    holds(
        "
registered = torch.library.registered
lib.define('plain(Tensor x)')
lib.impl('plain', torch.library.fallthrough_kernel, 'CUDA')
assert registered['vllm::plain', 'CUDA'][0] is torch.library.fallthrough_kernel
lib.impl('plain', len, 'CUDA')
assert registered['vllm::plain', 'CUDA'][0] is len
def body(x):
    'the docs'
lib.impl('plain', body, dispatch_key='CUDA', allow_override=True)
wrapped = registered['vllm::plain', 'CUDA'][0]
assert (wrapped.__name__, wrapped.__doc__, wrapped.__wrapped__) == ('body', 'the docs', body)
try:
    lib.impl('plain', 7)
    assert False
except TypeError as error:
    assert str(error) == 'Input function is required to be a callable'
own = torch.library.Library('own', 'DEF', 'CUDA')
own.define('op(Tensor x)')
own.impl('op', body)
assert registered['own::op', 'CUDA'][0] is not body
import inspect
assert 'op_name' in inspect.signature(torch.library.Library.impl).parameters",
    );
}

#[test]
fn what_a_torch_lacks_costs_its_names_and_nothing_else() {
    let operators = "assert names() == [(0, 'vllm::unified_attention')] * 3";
    let nothing = "assert told() == []";
    for (lacks, expected) in [
        ("always_call", operators),
        ("compiler", operators),
        ("registration", operators),
        (
            "schema",
            "entries = told()\nassert [entry.get('module') for _, entry in entries[3::3]][0] == 'model.layers.0.attn', entries",
        ),
        ("library", "assert len(told()) == 7"),
        ("library,compiler", nothing),
    ] {
        let mut command = host(&format!("with capture():\n    top.forward(x)\n{expected}"));
        command.env("TORCH_LACKS", lacks);
        succeeds(command);
    }
    let program = "
try:
    import torch
    assert False
except ImportError as error:
    assert str(error) == 'this torch cannot be imported'
import importlib.util, sys
assert importlib.util.find_spec('torch') is not None
assert importlib.util.find_spec('torch_that_nobody_has') is None";
    let mut command = bare(program);
    command.env("TORCH_LACKS", "everything");
    succeeds(command);
}

#[test]
fn without_the_library_or_the_variable_nothing_is_installed() {
    let program = format!(
        "{MODEL}\ntop(x)\nassert 'impl' in torch.library.Library.impl.__qualname__.split('.')
assert not hasattr(torch.library.Library.impl, '__wrapped__')\nassert not torch.nn.modules.module._before"
    );
    for (name, value) in [("LD_PRELOAD", None), ("PROFILE_DECODE_MODULES", None), ("PROFILE_DECODE_MODULES", Some("0"))]
    {
        let mut command = bare(&program);
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
        succeeds(command);
    }
}

/// A folder with a sitecustomize of this text.
fn site(text: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("sitecustomize.py"), text).unwrap();
    directory
}

#[test]
fn the_sitecustomize_that_is_hidden_runs_and_is_the_one_that_is_seen() {
    let (own, tests) = (place("python"), place("tests/python"));
    let user = site(
        "import os, sys\nmine = 'here'\nassert __name__ == 'sitecustomize'\nassert os.path.dirname(__file__) in sys.path",
    );
    let program = format!(
        "import sitecustomize, sys\nassert sitecustomize.mine == 'here'\n{MODEL}\nwith capture():\n    top(x)\nassert len(told()) == 11"
    );
    succeeds(with_path(&program, &[own.clone(), tests.clone(), user.path().to_owned()]));
    // Twice on the path, and by another name: it still ends.
    let link = tempfile::tempdir().unwrap();
    let other = link.path().join("hook");
    std::os::unix::fs::symlink(&own, &other).unwrap();
    succeeds(with_path(&program, &[other, own.clone(), tests.clone(), own.clone(), user.path().to_owned()]));
    // Where the user's comes first it hides ours, as it would any other.
    succeeds(with_path("import sitecustomize\nassert sitecustomize.mine", &[user.path().to_owned(), own.clone()]));
    // Its error is told as Python tells it, and the hook is there all the same.
    let failing = site("raise RuntimeError('of the site')");
    let program = format!("{MODEL}\nwith capture():\n    top(x)\nassert len(told()) == 11");
    let output = with_path(&program, &[own, tests, failing.path().to_owned()]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.contains("of the site"), "{stderr}");
}

#[test]
fn children_that_are_spawned_or_forked_have_the_hook_too() {
    let program = r#"
import multiprocessing as mp, sys, textwrap
def work():
    import worker
    worker.check()
if __name__ == "__main__":
    import torch
    for how in ("spawn", "fork", "forkserver"):
        process = mp.get_context(how).Process(target=work)
        process.start()
        process.join()
        assert process.exitcode == 0, how
"#;
    let directory = tempfile::tempdir().unwrap();
    let worker = format!("{MODEL}\ndef check():\n    with capture():\n        top(x)\n    assert len(told()) == 11\n");
    fs::write(directory.path().join("worker.py"), worker).unwrap();
    fs::write(directory.path().join("main.py"), program).unwrap();
    let run = "import runpy, sys\nrunpy.run_path(sys.argv[1], run_name='__main__')";
    let mut command = with_path(run, &[place("python"), place("tests/python"), directory.path().to_owned()]);
    command.arg(directory.path().join("main.py"));
    succeeds(command);
}

#[test]
fn the_sources_are_valid_in_python_3_9() {
    let program = "
import ast, sys
for path in sys.argv[1:]:
    ast.parse(open(path).read(), path, feature_version=(3, 9))";
    let mut command = Command::new(python::python().expect("python3 is needed"));
    command.args(["-c", program]);
    command.args(["sitecustomize.py", "profile_decode_modules.py"].map(|name| place("python").join(name)));
    succeeds(command);
}

/// The program.
fn program(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_profile-decode"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PROFILE_DECODE_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(directory).env_remove("PYTHONPATH");
    command
}

#[test]
fn the_program_writes_the_hook_and_prints_its_folder() {
    let directory = tempfile::tempdir().unwrap();
    let said = succeeds(program(directory.path(), &["python-hook", "a/hook"]));
    let folder = directory.path().canonicalize().unwrap().join("a/hook");
    assert_eq!(Path::new(said.trim_end()).canonicalize().unwrap(), folder);
    succeeds(program(directory.path(), &["python-hook", "a/hook"]));
    let mut command = with_path(
        &format!("{MODEL}\nwith capture():\n    top(x)\nassert len(told()) == 11"),
        &[folder, place("tests/python")],
    );
    command.current_dir(directory.path());
    succeeds(command);
}

#[test]
fn run_brings_the_hook_in_before_what_is_on_the_path() {
    let directory = tempfile::tempdir().unwrap();
    let user = site("mine = 'here'");
    let python = python::python().expect("python3 is needed");
    let inside = "
import os, sys, sitecustomize
assert sitecustomize.mine == 'here'
first, second = os.environ['PYTHONPATH'].split(':')
assert os.path.basename(first) == 'python' and os.path.isabs(first), first
assert second == os.environ['SECOND']
assert ('profile_decode_modules' in sys.modules) == (os.environ.get('PROFILE_DECODE_MODULES') == '1')
import ctypes
assert ctypes.c_uint32.in_dll(ctypes.CDLL(None), 'profile_decode_modules_active').value == 0
# Nothing is traced here: what is told comes to nothing.
import profile_decode_modules
library = profile_decode_modules._Library()
library.push(7, {'op': 'x'})
library.pop(7)
assert library.active.value == 0";
    let arguments = ["run", "--modules", "-o", "out", "--", python.to_str().unwrap(), "-c", inside];
    let mut command = program(directory.path(), &arguments);
    command.env("PYTHONPATH", user.path()).env("SECOND", user.path());
    succeeds(command);
    assert!(!directory.path().join("out").exists(), "no process left a capture: nothing is left behind");
    let plain = "import sys\nassert 'profile_decode_modules' not in sys.modules";
    succeeds(program(directory.path(), &["run", "-o", "out", "--", python.to_str().unwrap(), "-c", plain]));
}
