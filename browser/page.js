// Before JupyterLab: whether this browser can, and what is loading. Beside it: where the work is kept, Download and Fresh copy.
const LOADED = JSON.parse(document.getElementById("loaded").textContent); // the files of the kernel and their sizes
const FIRST = "00_start_here.ipynb";
const BOOK = "https://book.invalid/"; // build.py gives this address to links that lead to the book
const bar = document.getElementById("bar");
const text = bar.querySelector("p");
const progress = bar.querySelector("progress");

function say(sentence) {
    text.textContent = sentence;
    window.dispatchEvent(new Event("resize")); // JupyterLab fits what the bar leaves
}

function fail(why) {
    progress.hidden = true;
    say(`${why} The book has all results; on a machine of your own, \`make lab\` runs the notebooks.`);
}

// The worker gives the kernel its files. A page that it doesn't control yet waits for it, but not for ever.
async function control() {
    const workers = navigator.serviceWorker;
    const registration = await workers.register("../service-worker.js?enableCache=false");
    // What JupyterLite notes when it has registered its own, so that it takes this one.
    const { href } = new URL("../service-worker.js?enableCache=false", location);
    localStorage.setItem(`${href}-version`, document.documentElement.dataset.lite);
    if (workers.controller) return;
    const controlled = new Promise((done) => workers.addEventListener("controllerchange", done, { once: true }));
    navigator.serviceWorker.ready.then(() => registration.active?.postMessage("claim"));
    await Promise.race([controlled, new Promise((done) => setTimeout(done, 5000))]);
}

// Fetch what the kernel needs while JupyterLab starts.
async function load() {
    const all = Object.values(LOADED).reduce((sum, size) => sum + size);
    let done = 0;
    progress.max = all;
    const one = async ([path, size]) => {
        await (await fetch(`../${path}`)).arrayBuffer();
        progress.value = done += size;
        const megabytes = (bytes) => Math.round(bytes / 1e6);
        say(`Python and its packages are loading, once for this browser: ${megabytes(done)} of ${megabytes(all)} MB.`);
    };
    await Promise.all(Object.entries(LOADED).map(one));
}

async function until(condition) {
    while (!condition()) await new Promise((done) => setTimeout(done, 50));
}

const notebook = () => {
    const panel = window.jupyterapp.shell.currentWidget;
    return panel?.context?.path.endsWith(".ipynb") ? panel : null;
};

function download({ context }) {
    const file = new Blob([JSON.stringify(context.model.toJSON(), null, 1)], { type: "application/x-ipynb+json" });
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: context.path });
    link.click();
}

// As published; the learner's copy stays beside it, under the name that `make fresh` would give it.
async function freshCopy({ context }) {
    const { contents } = window.jupyterapp.serviceManager;
    const published = await fetch(`../files/${context.path}`);
    if (!published.ok) return alert(`${context.path} is a copy of your own: open the notebook that it is a copy of.`);
    if (!confirm(`Take a fresh copy of ${context.path}? Yours is kept beside it.`)) return;
    const taken = (await contents.get("")).content.map((file) => file.name);
    const name = (number) => context.path.replace(".ipynb", ` (mine${number > 1 ? ` ${number}` : ""}).ipynb`);
    let number = 1;
    while (taken.includes(name(number))) number++;
    await contents.save(name(number), { type: "notebook", format: "json", content: context.model.toJSON() });
    context.model.fromJSON(await published.json());
    await context.save();
    say(`This is a fresh copy; yours is ${name(number)}. To start over, restart the kernel, too.`);
}

function follow(event) {
    const link = event.target.closest?.(`a[href^="${BOOK}"]`);
    if (link) Object.assign(link, { href: link.href.replace(BOOK, new URL("../../", location)), target: "_blank" });
}

async function start() {
    const query = new URLSearchParams(location.search);
    if (!query.has("path")) history.replaceState(null, "", `?path=${FIRST}`);
    const keeps = await control().then(() => true, () => false);
    const loading = load();
    await import("../config-utils.js");
    await until(() => window.jupyterapp?.shell && notebook()?.content.widgets.length);
    document.body.classList.remove("loading");
    const here = () => notebook() && history.replaceState(null, "", `?path=${notebook().context.path}`);
    window.jupyterapp.shell.currentChanged.connect(here); // a reload opens the same notebook
    here();
    await loading;
    say("Python is starting. Read on: a cell that you run waits for it.");
    progress.removeAttribute("value");
    const { sessionContext } = notebook();
    await sessionContext.ready;
    // The longest imports of the first cell.
    await sessionContext.session.kernel.requestExecute({ code: "__import__('sandbox.in_process')", silent: true }).done;
    progress.hidden = true;
    say(
        keeps
            ? "Your work is kept in this browser's storage, on this device. Clearing site data removes it; Download keeps it."
            : "This browser keeps no work here, perhaps because the window is private. Download keeps it.",
    );
    const buttons = { Download: download, "Fresh copy": freshCopy };
    for (const [label, action] of Object.entries(buttons)) {
        const button = Object.assign(document.createElement("button"), { textContent: label });
        button.onclick = () => notebook() && action(notebook());
        bar.append(button);
    }
}

for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, follow, true);
document.addEventListener("visibilitychange", () => document.hidden && window.jupyterapp && notebook()?.context.save());
window.addEventListener("unhandledrejection", ({ reason }) => {
    if (!progress.hidden && /wasm|WebAssembly|pyodide|memory/i.test(String(reason?.message ?? reason)))
        fail("Python can't start in this browser.");
});
if (typeof WebAssembly !== "object") fail("This browser has no WebAssembly, in which Python runs.");
else start().catch((error) => fail(`The page could not be loaded (${error.message}): reload it.`));
