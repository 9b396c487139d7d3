"""JupyterHub's proxy, which is started again when it was killed, and still ends with the hub."""

from jupyterhub.proxy import ConfigurableHTTPProxy


class ClassProxy(ConfigurableHTTPProxy):
    async def check_running(self):
        """JupyterHub 6.1 leaves its first watch running beside the new one, and that starts a proxy when the hub ends."""
        watch = self._check_running_callback
        await super().check_running()
        if watch is not None and watch is not self._check_running_callback:
            watch.stop()
