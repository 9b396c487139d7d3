"""Run a service of the hub, and end it with the hub, also if that was killed: `python with_the_hub.py MODULE ARGUMENTS`."""

import os
import runpy
import signal
import sys
import threading
import time


def end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    # The hub ends it by SIGINT, which a hub that was started in the background passes on as "to be ignored".
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
