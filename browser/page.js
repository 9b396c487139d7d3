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
async function control() {
    const worker = new URL("../service-worker.js?enableCache=false", location).href;
    const registration = await navigator.serviceWorker.register(worker);
    localStorage.setItem(`${worker}-version`, lite); // JupyterLite's own note that it has registered its worker
    const controlled = new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done));
    navigator.serviceWorker.ready.then(() => registration.active.postMessage("claim"));
    if (!navigator.serviceWorker.controller) await Promise.race([controlled, pause(5)]);
}

// Fetch what the kernel needs, while JupyterLab starts.
async function load() {
    const all = Object.values(sizes).reduce((sum, size) => sum + size);
    let done = 0;
    const one = async ([name, size]) => {
        const response = await fetch(`../${folder}/${name}`, { priority: "low" });
        if (!response.ok) throw Error(name);
        await response.arrayBuffer();
        progress.value = (done += size) / all;
        say(`Python and its packages are loading, once: ${Math.round(done / 1e6)} of ${Math.round(all / 1e6)} MB.`);
    };
    await Promise.all(Object.entries(sizes).map(one));
}

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

async function until(condition) {
    while (!condition()) await pause(0.05);
}

function notebook() {
    const panel = window.jupyterapp.shell.currentWidget;
    return panel?.context?.path.endsWith(".ipynb") ? panel : null;
}

function download({ context }) {
    const file = new Blob([JSON.stringify(context.model.toJSON(), null, 1)], { type: "application/x-ipynb+json" });
    Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: context.path }).click();
}

// As published. What was there stays beside it, under the name that `make fresh` would give it.
async function freshCopy({ context }) {
    const { contents } = window.jupyterapp.serviceManager;
    const published = await fetch(`../files/${context.path}`);
    if (!published.ok) return alert(`${context.path} is a copy of your own.`);
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

async function start() {
    const query = new URLSearchParams(location.search);
    const path = query.get("path") ?? query.get("open") ?? "00_start_here.ipynb";
    history.replaceState(null, "", `?open=${path}`); // at a "path" JupyterLab would show its list of files, too
    const keeps = await control().then(() => true, () => false);
    const loading = load();
    await import("../config-utils.js");
    await until(() => window.jupyterapp);
    const { commands, restored, shell } = window.jupyterapp;
    await restored;
    if (innerWidth < 760) {
        for (const side of ["left", "right"]) commands.execute("application:toggle-side-tabbar", { side });
        commands.execute("statusbar:toggle");
        shell.collapseLeft();
    }
    shell.currentChanged.connect(() => notebook() && history.replaceState(null, "", `?path=${notebook().context.path}`));
    await commands.execute("docmanager:open", { path });
    await until(() => notebook()?.content.widgets.length);
    document.body.classList.remove("loading");
    await loading;
    progress.removeAttribute("value");
    say("Python is starting. Read on: a cell that you run waits for it.");
    const { sessionContext } = notebook();
    await sessionContext.ready;
    const late = pause(90).then(() => Promise.reject(Error("Python hasn't started")));
    await Promise.race([sessionContext.session.kernel.requestComplete({ code: "", cursor_pos: 0 }), late]);
    progress.hidden = true;
    say(
        keeps
            ? "Your work is kept in this browser, on this device. Clearing site data removes it; Download keeps it."
            : "This window, private perhaps, keeps no work. Download keeps it.",
    );
    for (const [textContent, action] of Object.entries({ Download: download, "Fresh copy": freshCopy })) {
        const onclick = () => notebook() && action(notebook());
        bar.append(Object.assign(document.createElement("button"), { textContent, onclick }));
    }
}

function lead({ target }) {
    const link = target.closest?.(`a[href^="${BOOK}"]`);
    if (link) link.href = link.href.replace(BOOK, new URL("../../", location));
}

for (const kind of ["pointerover", "focusin"]) addEventListener(kind, lead, true);
addEventListener("visibilitychange", () => document.hidden && window.jupyterapp && notebook()?.context.save());
addEventListener("error", ({ target }) => target.tagName === "SCRIPT" && fail("A part of this page can't be loaded."), true);
if (typeof WebAssembly !== "object") fail("This browser has no WebAssembly, in which Python runs.");
else start().catch((error) => fail(`The notebooks can't start here (${error.message}): reload the page.`));
