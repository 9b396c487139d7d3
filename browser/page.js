// Says whether this browser can run the notebooks, what is loading, and where the work is kept; Download and Fresh copy.
const BOOK = "https://book.invalid/"; // build.py gives this address to links that lead to the book
const bar = document.getElementById("bar");
const [text, progress] = bar.children;
const { folder, lite, sizes } = JSON.parse(document.getElementById("site").textContent);

function say(sentence) {
    text.textContent = sentence;
    dispatchEvent(new Event("resize")); // JupyterLab takes what the bar leaves
}

function fail(why) {
    progress.hidden = true;
    say(`${why} The book has all results; on a machine of your own, \`make lab\` runs the notebooks.`);
}

// Let the service worker, which keeps files and gives the kernel the drive, control this page before anything is loaded.
// Return whether it does.
async function control() {
    const worker = new URL("../service-worker.js?enableCache=false", location).href;
    const registration = await navigator.serviceWorker.register(worker);
    localStorage.setItem(`${worker}-version`, lite); // JupyterLite's own note that it has registered its worker
    const controlled = new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done));
    navigator.serviceWorker.ready.then(() => registration?.active.postMessage("claim"));
    if (!navigator.serviceWorker.controller) await Promise.race([controlled, pause(5)]);
    return Boolean(navigator.serviceWorker.controller);
}

// Fetch what the kernel needs.
async function load() {
    const all = Object.values(sizes).reduce((sum, size) => sum + size);
    let done = 0;
    const one = async (name) => {
        const response = await fetch(`../${folder}/${name}`);
        if (!response.ok) throw Error(name);
        const reader = response.body.getReader();
        for (let part; !(part = await reader.read()).done; ) {
            progress.value = (done += part.value.length) / all;
            say(`Python and its packages are loading: ${Math.floor((100 * done) / all)}%.`);
        }
    };
    await Promise.all(Object.keys(sizes).map(one));
}

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

async function until(condition) {
    while (!condition()) await pause(0.05);
}

// What is in view: a notebook, or a file.
const view = () => window.jupyterapp.shell.currentWidget;
const inNotebook = () => view()?.context?.path.endsWith(".ipynb");

// A notebook as a machine runs it: with the kernel that is there, and without what build.py has put into cells.
function download({ path, model }) {
    const spec = '"kernelspec":{"name":"python3","display_name":"Python 3 (ipykernel)","language":"python"}';
    const text = model.toString().replace(/"kernelspec":\{.*?\}/, spec).replaceAll(/%%needs_a_machine \S+?\\n|import ministack .*?\\n/g, "");
    const href = URL.createObjectURL(new Blob([text]));
    Object.assign(document.createElement("a"), { href, download: path }).click();
}

// As published. What was there stays beside it, under the name that `make fresh` would give it.
async function freshCopy({ path, model, contentsModel }, { content }) {
    const { contents } = window.jupyterapp.serviceManager;
    const published = await fetch(`../files/${path}`);
    if (!published.ok) return alert(`${path} is a copy of your own.`);
    if (!confirm(`Take a fresh copy of ${path}? Yours is kept beside it.`)) return;
    const taken = (await contents.get("")).content.map((file) => file.name);
    const name = (number) => path.replace(/(?=\.\w+$)/, ` (mine${number > 1 ? ` ${number}` : ""})`);
    let number = 1;
    while (taken.includes(name(number))) number++;
    const { type, format } = contentsModel;
    await contents.save(name(number), { type, format, content: format === "json" ? model.toJSON() : model.toString() });
    model.fromString(await published.text());
    if (inNotebook()) content.scrollToItem((content.activeCellIndex = 0));
    await view().context.save();
    say(`This is a fresh copy; yours is ${name(number)}. To start over, restart the kernel, too.`);
}

async function start() {
    const query = new URLSearchParams(location.search);
    const path = query.get("path") ?? query.get("open") ?? "00_start_here.ipynb";
    history.replaceState(null, "", `?open=${path}`); // at a "path" JupyterLab would show its list of files, too
    const keeps = await control().catch(() => false);
    await import("../config-utils.js");
    await until(() => window.jupyterapp);
    const loading = load(); // not before, so that on a slow line the notebook can be read early
    const { commands, restored, serviceManager, shell } = window.jupyterapp;
    await restored;
    await serviceManager.contents.get(path).catch(() => Promise.reject(Error(`${path} isn't here`)));
    if (innerWidth < 760) {
        for (const side of ["left", "right"]) commands.execute("application:toggle-side-tabbar", { side });
        commands.execute("statusbar:toggle");
        shell.collapseLeft();
    }
    shell.currentChanged.connect(() => inNotebook() && history.replaceState(null, "", `?path=${view().context.path}`));
    commands.commandExecuted.connect((_, { id }) => {
        if (id === "notebook:interrupt-kernel") say("A browser tab can't interrupt Python: choose Kernel → Restart Kernel.");
    });
    const { content, context, id, sessionContext } = await commands.execute("docmanager:open", { path });
    await context.ready;
    await until(() => content.widgets.length);
    shell.activateById(id);
    document.body.classList.remove("loading");
    dispatchEvent(new Event("resize"));
    await loading;
    progress.removeAttribute("value");
    say("Python is starting. Read on: a cell that you run waits for it.");
    await sessionContext.ready;
    const late = pause(90).then(() => Promise.reject(Error("Python hasn't started")));
    await Promise.race([sessionContext.session.kernel.requestComplete({ code: "", cursor_pos: 0 }), late]);
    progress.hidden = true;
    const again = content.widgets.some(({ model }) => model.executionCount) ? "Python is new: run the cells again. " : "";
    const kept = "Your work is kept in this browser, on this device. Clearing site data removes it; Download keeps it.";
    say(again + (keeps ? kept : "This window, private perhaps, may not keep your work: Download keeps it."));
    for (const [textContent, action] of Object.entries({ Download: download, "Fresh copy": freshCopy })) {
        const onclick = () => view()?.context && action(view().context, view());
        bar.append(Object.assign(document.createElement("button"), { textContent, onclick }));
    }
}

function lead({ target }) {
    const link = target.closest?.(`a[href^="${BOOK}"]`);
    if (link) link.href = link.href.replace(BOOK, new URL("../../", location));
}

for (const kind of ["pointerover", "focusin"]) addEventListener(kind, lead, true);
addEventListener("visibilitychange", () => document.hidden && window.jupyterapp && view()?.context?.save());
addEventListener("error", ({ target }) => target.tagName === "SCRIPT" && fail("A part of this page can't be loaded."), true);
if (typeof WebAssembly !== "object") fail("This browser has no WebAssembly, in which Python runs.");
else start().catch((error) => fail(`The notebooks can't start here (${error.message}): reload the page.`));
