// Stands before JupyterLite's own service worker, which gives the kernel its files. A file whose name has a hash or a
// version never changes, so a second visit fetches none of these; all others are fetched anew, or kept for a time offline.
const KEPT = `${registration.scope} VERSIONS`; // build.py writes them here
const NAMED = /\/static\/pyodide-[^/]+\/(?!pyodide-lock)|\.[0-9a-f]{7,20}\.\w+(\?|$)|\?_=/;
const OF_THE_KERNEL = /\/static\/pyodide-/;
const coming = new Map(); // the page fetches early what the kernel asks for a little later

// Return a response, and what keeps it.
async function fetched(request) {
    const cache = await caches.open(KEPT);
    const kept = await cache.match(request, { ignoreSearch: request.mode === "navigate" });
    if (kept && NAMED.test(request.url)) return [kept];
    // A page that is closed takes its request back, but not what another one waits for.
    const response = await fetch(OF_THE_KERNEL.test(request.url) ? request.url : request).catch((offline) => kept ?? Promise.reject(offline));
    return [response, response !== kept && response.ok && cache.put(request, response.clone())];
}

addEventListener("fetch", (event) => {
    const { method, url } = event.request;
    if (method !== "GET" || !url.startsWith(registration.scope) || url.includes("heartbeat")) return;
    event.stopImmediatePropagation();
    const got = coming.get(url) ?? fetched(event.request);
    if (!coming.has(url)) {
        if (OF_THE_KERNEL.test(url)) coming.set(url, got);
        event.waitUntil(got.then(([, keeping]) => keeping).finally(() => coming.delete(url)));
    }
    event.respondWith(got.then(([response]) => response.clone()));
});

addEventListener("activate", (event) => {
    const remove = (names) => names.filter((name) => name.startsWith(registration.scope) && name !== KEPT);
    event.waitUntil(caches.keys().then((names) => Promise.all(remove(names).map((name) => caches.delete(name)))));
});

addEventListener("message", () => clients.claim()); // of a page that was loaded past the service worker

