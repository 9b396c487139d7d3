// Compile the modules in a zip archive by Pyodide's Python, whose byte code is no other's: half of the kernel's start.
// node compile.mjs PYODIDE FROM.zip TO.zip
import { readFileSync, writeFileSync } from "node:fs";

const [pyodide, from, to] = process.argv.slice(2);
const { loadPyodide } = await import(`${pyodide}/pyodide.mjs`);
const python = await loadPyodide();
python.FS.writeFile("/from.zip", new Uint8Array(readFileSync(from)));
python.runPython(`
import warnings, zipfile
from importlib._bootstrap_external import _code_to_hash_pyc
from importlib.util import source_hash

warnings.simplefilter("ignore")  # what a package's authors should see
with zipfile.ZipFile("/from.zip") as modules, zipfile.ZipFile("/to.zip", "w") as compiled:
    for name in modules.namelist():
        source = modules.read(name)
        code = compile(source, "/lib/python3.14/site-packages" + name[name.index("/"):], "exec", dont_inherit=True)
        compiled.writestr(name + "c", _code_to_hash_pyc(code, source_hash(source), False))  # never compared with the source
`);
writeFileSync(to, python.FS.readFile("/to.zip"));
