"""A learner's server: JupyterHub's own, with less to load."""

import sys

# jsonschema's check of international addresses, which nothing here uses, takes a second and 19 MB of each process.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

if __name__ == "__main__":
    from jupyterhub.singleuser import main

    del sys.path[0]  # the hub's own modules are none of the learner's
    main()
